// @ts-check
// Strips of feature maps: rows of units, columns of samples, each linked to its own axis.
import { Atlas } from "./atlas.js";
import { theme } from "./color.js";
import { button, canvas, h, sameRows, shell } from "./dom.js";
import { counted, number } from "./format.js";
import { hint } from "./hint.js";
import { Link } from "./link.js";
import * as mask from "./mask.js";
import { ends, gradient, table } from "./byte_ramp.js";
import * as draw from "./strip_draw.js";
import { hit, range, reveal, span, step } from "./strip_model.js";
import { frame, resolve, typed, watch } from "./wire.js";

const GAP = 4;
const KEYS = "Arrows go from tile to tile, Enter selects unit and sample, on a head that one alone, Escape none.";

/** @param {{ model: import("./wire.js").Model, el: HTMLElement, signal: AbortSignal }} context */
export async function featureMaps({ model, el, signal }) {
  const samples = await Link.of(model, "feature maps", signal);
  const units = new Link(await resolve(model, "unit_link"), "feature maps", signal);
  if (signal.aborted) return;
  const view = shell({ model, el, signal }, { kind: "maps", label: "Feature maps", link: samples.model });
  const atlas = new Atlas(samples.model, () => redraw());
  const under = canvas(view.body, { class: "cw-canvas cw-under", "aria-hidden": "true" }, () => redraw(), signal);
  const sheet = h("div", { class: "cw-sheet" });
  const port = h("div", { class: "cw-port", tabindex: 0, role: "application", "aria-roledescription": "grid of feature maps" }, sheet);
  const keys = h("div", { class: "cw-legend" });
  view.body.append(port);
  view.body.after(keys);
  const tip = hint(view.body, atlas);
  const scratch = /** @type {HTMLCanvasElement} */ (h("canvas"));

  /** @type {Uint8Array} */ let tiles;
  /** @type {number[]} */ let shape = [0, 0, 1, 1];
  /** @type {Float32Array} */ let limits;
  /** @type {Float32Array} */ let stats;
  /** @type {Uint32Array} */ let columns;
  /** @type {Uint32Array} */ let rows;
  let strip = { rows: 0, columns: 0, wide: 1, high: 1, left: 0, top: 0 };
  let active = { row: 0, column: 0 };

  const scales = h("div", { class: "cw-group", role: "radiogroup", "aria-label": "Colours from" });
  for (const [scale, text, label] of [
    ["unit", "Per unit", "Colours between the extremes of each unit"],
    ["shared", "Shared", "Colours between the extremes of all tiles"],
  ]) {
    const one = button(text, label, () => {
      model.set("scale", scale);
      model.save_changes();
    });
    one.setAttribute("role", "radio");
    one.dataset.scale = scale;
    scales.append(one);
  }
  view.tools.append(scales);

  const read = () => {
    tiles = typed(model.get("_tiles"));
    shape = model.get("_tiles")?.shape ?? [0, 0, 1, 1];
    limits = typed(model.get("_limits"));
    stats = typed(model.get("_stats"));
    columns = typed(model.get("_samples"));
    rows = typed(model.get("_units"));
    active = { row: 0, column: 0 };
    port.scrollTop = port.scrollLeft = 0;
    redraw();
  };
  /** Extremes of all units. @returns {[number, number]} */
  const whole = () => {
    let [low, high] = [Infinity, -Infinity];
    for (let i = 0; i < shape[0]; i++) {
      low = Math.min(low, limits[2 * i]);
      high = Math.max(high, limits[2 * i + 1]);
    }
    return low <= high ? [low, high] : [0, 0];
  };
  /** Could these rows and columns be about other ids than the links? */
  const usable = () => {
    const blank = shape[0] * shape[1] ? "" : model.get("empty") || "Select samples to see their feature maps.";
    if (!sameRows(view, model, samples, blank)) return false;
    if (model.get("_unit_digest") === units.digest) return !blank;
    view.veil("This view and its selection are about different units. Show the data again.");
    return false;
  };
  const measure = () => {
    const side = model.get("tile");
    const tall = Math.min(2 * side, Math.max(8, (side * shape[2]) / shape[3]));
    const ids = [...rows.slice(0, 50)].map((row) => units.id(row).length);
    const narrow = view.body.clientWidth < 440;
    strip = {
      rows: shape[0],
      columns: shape[1],
      wide: side + GAP,
      high: tall + GAP,
      left: Math.min(narrow ? 72 : 130, 16 + 6.4 * Math.max(4, ...ids)),
      top: draw.LINE + 4 + (atlas.update() ? draw.HEAD + 2 : 0),
    };
    // Room for a scroll bar below: the last row would hide behind it.
    const all = strip.top + strip.rows * strip.high + 16;
    const height = Math.min(model.get("height"), Math.max(all, 90));
    port.style.height = `${height}px`;
    sheet.style.width = `${strip.left + strip.columns * strip.wide}px`;
    sheet.style.height = `${strip.top + strip.rows * strip.high}px`;
    return height;
  };
  const paint = () => {
    const good = usable();
    const height = measure();
    const { ctx } = under.begin(height);
    const name = model.get("colors");
    const shared = model.get("scale") === "shared";
    const all = whole();
    for (const one of scales.children) one.setAttribute("aria-checked", String(one.dataset.scale === model.get("scale")));
    words(shared, name, all, good);
    if (!good) return;
    [scratch.width, scratch.height] = [shape[3], shape[2]];
    const [left, top] = [port.scrollLeft, port.scrollTop];
    const [room, deep] = [port.clientWidth - strip.left, port.clientHeight - strip.top];
    const [c0, c1] = span(left, room, strip.wide, strip.columns);
    const [r0, r1] = span(top, deep, strip.high, strip.rows);
    const at = (/** @type {number} */ r, /** @type {number} */ c) => [
      strip.left + c * strip.wide - left,
      strip.top + r * strip.high - top,
      strip.wide - GAP,
      strip.high - GAP,
    ];
    const shades = theme(view.root);
    draw.clipped(ctx, [strip.left - 2, strip.top - 2, room + 2, deep + 2], () => {
      ctx.imageSmoothingEnabled = false;
      for (let r = r0; r < r1; r++) {
        const own = /** @type {[number, number]} */ ([limits[2 * r], limits[2 * r + 1]]);
        const colors = table(name, own, ends(name, ...(shared ? all : own)));
        for (let c = c0; c < c1; c++) {
          const box = at(r, c);
          draw.tile(ctx, scratch, tiles, (r * shape[1] + c) * shape[2] * shape[3], colors, box);
          const both = mask.has(units.mask, rows[r]) && mask.has(samples.mask, columns[c]);
          const here = rows[r] === units.hover && columns[c] === samples.hover;
          const reached = focused && r === active.row && c === active.column;
          if (both) draw.frame(ctx, shades.accent, 3, box);
          if (here || reached) draw.frame(ctx, shades.text, 2, box);
        }
      }
    });
    const [pickedUnits, picked] = [units.mask, samples.mask];
    const across = range(c0, c1, (c) => ({
      row: columns[c],
      text: samples.id(columns[c]),
      box: at(0, c),
      chosen: mask.has(picked, columns[c]),
      here: columns[c] === samples.hover || (focused && active.row < 0 && active.column === c),
    }));
    const down = range(r0, r1, (r) => ({
      row: rows[r],
      text: units.id(rows[r]),
      box: at(r, 0),
      chosen: mask.has(pickedUnits, rows[r]),
      here: rows[r] === units.hover || (focused && active.column < 0 && active.row === r),
    }));
    draw.columnHeads(ctx, across, strip, shades, atlas);
    draw.rowHeads(ctx, down, strip, shades);
  };
  const words = (/** @type {boolean} */ shared, /** @type {string} */ name, /** @type {[number, number]} */ all, /** @type {boolean} */ good) => {
    keys.hidden = !good;
    const [low, high] = ends(name, ...all);
    const ramp = h("span", { class: "cw-ramp", style: `background: ${gradient(name)}` });
    if (shared) keys.replaceChildren(h("span", {}, number(low)), ramp, h("span", {}, number(high)), h("span", { class: "cw-legend-name" }, "all units"));
    else keys.replaceChildren(h("span", {}, "smallest"), ramp, h("span", {}, "largest"), h("span", { class: "cw-legend-name" }, "of each unit; hover for numbers"));
    const [nu, ns] = [mask.count(units.mask), mask.count(samples.mask)];
    const picked = [nu && counted(nu, units.axis), ns && counted(ns, samples.axis)].filter(Boolean).join(" and ");
    const scale = shared ? `one scale, ${number(all[0])} to ${number(all[1])}` : "a scale a unit";
    const parts = [`${counted(shape[0], units.axis)} × ${counted(shape[1], samples.axis)}`, `${scale}, in 255 steps`, picked ? `${picked} selected` : "none selected"];
    view.say(good ? parts.join("; ") : "No tiles.");
    port.setAttribute("aria-label", `Feature maps of ${parts.join("; ")}. ${KEYS}`);
  };
  let focused = false;
  const redraw = frame(paint, signal);

  const told = (/** @type {{ row: number, column: number }} */ { row, column }) => {
    const names = [row >= 0 ? `${units.axis} ${units.id(rows[row])}` : "", column >= 0 ? `${samples.axis} ${samples.id(columns[column])}` : ""].filter(Boolean);
    if (row < 0 || column < 0) return names;
    const [low, high, mean] = stats.subarray(3 * (row * shape[1] + column));
    return [...names, `smallest ${number(low)}`, `mean ${number(mean)}`, `largest ${number(high)}`];
  };
  const point = (/** @type {{ row: number, column: number } | null} */ place, /** @type {number[]} */ at, /** @type {boolean} */ aloud) => {
    units.point(place && place.row >= 0 ? rows[place.row] : -1);
    samples.point(place && place.column >= 0 ? columns[place.column] : -1);
    if (place) tip.show(told(place), place.column >= 0 ? columns[place.column] : -1, at, aloud);
    else tip.hide();
  };
  const choose = (/** @type {{ row: number, column: number }} */ place, /** @type {MouseEvent | KeyboardEvent} */ event) => {
    active = place;
    if (place.row >= 0) units.select(mask.of([rows[place.row]], units.n), mask.how(event));
    if (place.column >= 0) samples.select(mask.of([columns[place.column]], samples.n), mask.how(event));
    redraw();
  };
  const below = (/** @type {MouseEvent} */ event) => {
    const box = port.getBoundingClientRect();
    const at = [event.clientX - box.left, event.clientY - box.top];
    return { at, place: hit(strip, at[0], at[1], port.scrollLeft, port.scrollTop) };
  };
  const on = (/** @type {string} */ name, /** @type {(event: any) => void} */ fn) => port.addEventListener(name, fn, { signal });
  on("pointermove", (event) => {
    const { at, place } = below(event);
    point(place, at, false);
  });
  on("pointerleave", () => point(null, [], false));
  on("click", (event) => {
    const { place } = below(event);
    if (place) choose(place, event);
  });
  on("scroll", () => redraw());
  on("focus", () => {
    focused = port.matches(":focus-visible");
    redraw();
  });
  on("blur", () => {
    focused = false;
    point(null, [], false);
    redraw();
  });
  on("keydown", (/** @type {KeyboardEvent} */ event) => {
    const page = Math.max(1, Math.floor((port.clientHeight - strip.top) / strip.high) - 1);
    const next = step(strip, active, event.key, page);
    if (next) {
      active = next;
      focused = true;
      port.scrollLeft = reveal(port.scrollLeft, next.column, strip.wide, port.clientWidth - strip.left);
      port.scrollTop = reveal(port.scrollTop, next.row, strip.high, port.clientHeight - strip.top);
      const x = strip.left + Math.max(0, next.column) * strip.wide - port.scrollLeft;
      point(next, [x + strip.wide / 2, strip.top + (next.row + 1) * strip.high - port.scrollTop - 14], true);
      redraw();
    } else if (event.key === "Enter" || event.key === " ") choose(active, event);
    else if (event.key === "Escape") {
      units.select(mask.none(units.n));
      samples.select(mask.none(samples.n));
    } else return;
    event.preventDefault();
    event.stopPropagation();
  });

  watch(model, ["_tiles", "_limits", "_stats", "_samples", "_units"], read, signal);
  watch(model, ["scale", "colors", "tile", "empty", "height", "_digest", "_unit_digest"], redraw, signal);
  samples.watch(["_mask", "_hover", "_thumbnails", "digest"], redraw);
  units.watch(["_mask", "_hover", "digest"], redraw);
  read();
}

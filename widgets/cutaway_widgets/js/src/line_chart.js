// @ts-check
// Lines over an axis with a cursor: dragged, clicked or moved by keys; rows of a link are places on it.
import { kinds, theme } from "./color.js";
import { canvas, h, sameRows, shell } from "./dom.js";
import { counted, number } from "./format.js";
import * as draw from "./line_draw.js";
import * as lines from "./line_model.js";
import { Link } from "./link.js";
import * as mask from "./mask.js";
import { pointer } from "./pointer.js";
import { readout } from "./readout.js";
import { resting } from "./rest.js";
import { frame, typed, watch } from "./wire.js";

const KEYS = "Left and right move the cursor, Home and End to the ends, Delete removes it.";
const ROWS = " Enter selects the row under it, shift with an arrow adds the next, Escape none.";
const GRIP = 9; // px around the cursor that take hold of it

/** @param {{ model: import("./wire.js").Model, el: HTMLElement, signal: AbortSignal }} context */
export async function lineChart({ model, el, signal }) {
  const link = model.get("link") ? await Link.of(model, "line chart", signal) : null;
  if (signal.aborted) return;
  const view = shell({ model, el, signal }, { kind: "lines", label: "Line chart", link: link?.model });
  const base = canvas(view.body, { class: "cw-canvas" }, () => redraw(), signal);
  const top = canvas(
    view.body,
    { class: "cw-canvas cw-over", tabindex: 0, role: "slider", "aria-orientation": "horizontal" },
    () => redraw(),
    signal,
  );
  const keys = h("div", { class: "cw-legend", role: "group", "aria-label": "Series to show" });
  // Outside the stage: a veil over the drawing must leave the keys that lift it.
  view.body.parentElement?.after(keys);
  const hint = readout(view.body);
  /** @type {lines.Series[]} */
  let series = [];
  /** @type {Float64Array} */
  let stops = new Float64Array(0);
  /** x of each row of the link. @type {Float64Array} */
  let rows = new Float64Array(0);
  /** @type {string[]} */
  let colors = [];
  let area = { left: 0, top: 0, width: 1, height: 1 };
  let sx = lines.scale([0, 1], false, 0, 1);
  let sy = lines.scale([0, 1], false, 1, 0);
  /** What a drag does. @type {"cursor" | "rows" | null} */
  let drag = null;
  /** @type {number[]} */
  let brush = [];

  const read = () => {
    rows = typed(model.get("_x"));
    series = (model.get("_series") ?? []).map((/** @type {any} */ one) => ({
      name: one.name,
      x: one.x ? typed(one.x) : rows,
      y: typed(one.y),
      low: one.low ? typed(one.low) : null,
      high: one.high ? typed(one.high) : null,
    }));
    colors = kinds(series.length);
    show();
  };
  /** Take what is shown now. */
  const show = () => {
    legend();
    const lists = new Set([...(link ? [rows] : []), ...visible().map(({ one }) => one.x)]);
    stops = lines.stops(lists.size ? [...lists] : [rows]);
    redraw();
  };
  const hidden = () => new Set(model.get("hidden") ?? []);
  const visible = () => {
    const off = hidden();
    return series.map((one, i) => ({ one, i })).filter(({ one }) => !off.has(one.name));
  };
  const legend = () => {
    const off = hidden();
    const buttons = series.map((one, i) => {
      const line = h("canvas", { width: 52, height: 20, class: "cw-dash", "aria-hidden": "true" });
      draw.sample(line, colors[i], draw.DASHES[i % draw.DASHES.length]);
      const toggle = () => {
        const next = hidden();
        if (!next.delete(one.name)) next.add(one.name);
        model.set("hidden", [...next]);
        model.save_changes();
      };
      return h(
        "button",
        { class: "cw-key", type: "button", "aria-pressed": String(!off.has(one.name)), title: `Show or hide ${one.name}`, onclick: toggle },
        line,
        one.name,
      );
    });
    if (buttons.length === keys.children.length) buttons.forEach((fresh, i) => {
      // The pressed button keeps its focus.
      const old = keys.children[i];
      if (old.textContent === fresh.textContent) old.setAttribute("aria-pressed", fresh.getAttribute("aria-pressed"));
      else old.replaceWith(fresh);
    });
    else keys.replaceChildren(...buttons);
    keys.hidden = series.length < 2;
  };
  const follows = () => Boolean(link && model.get("follow"));
  /** @returns {number} x of the cursor, NaN for none */
  const cursor = () => (follows() ? rows[mask.rows(/** @type {Link} */ (link).mask)[0]] : model.get("cursor")) ?? NaN;
  const save = resting(model, signal);
  const put = (/** @type {number | null} */ x) => {
    if (x !== null && model.get("snap")) x = stops[lines.nearest(stops, x)] ?? null;
    else if (x !== null) x = Math.min(sx.high, Math.max(sx.low, x));
    if (follows()) {
      link?.select(x === null ? mask.none(link.n) : rowsAt(x, x));
      return;
    }
    if (x === model.get("cursor")) return;
    model.set("cursor", x);
    save();
  };
  const unit = () => (model.get("unit") ? ` ${model.get("unit")}` : "");
  const labels = () => ({
    x: model.get("x_label"),
    y: [model.get("y_label"), model.get("unit") && `(${model.get("unit")})`].filter(Boolean).join(" "),
  });
  const atX = (/** @type {number} */ x) => `${model.get("x_label") || "x"} ${number(x)}`;
  const said = (/** @type {number} */ value) => (Number.isNaN(value) ? "no value" : number(value) + unit());
  const readings = (/** @type {number} */ x) =>
    visible().filter(({ one }) => one.x.includes(x)).map(({ one }) => `${one.name}: ${said(lines.valueAt(one, x))}`);

  const summary = () => {
    const parts = [`${number(series.length, true)} series over ${counted(stops.length, "place")}`];
    if (hidden().size) parts.push(`${number(series.length - visible().length, true)} hidden`);
    const x = cursor();
    const told = Number.isNaN(x) ? "no cursor" : [atX(x), ...readings(x)].join(", ");
    parts.push(Number.isNaN(x) ? "click to place the cursor" : `cursor at ${told}`);
    if (link && mask.count(link.mask)) parts.push(`${counted(mask.count(link.mask), link.axis)} selected`);
    view.say(parts.join(", "));
    const is = { min: sx.low, max: sx.high, now: Number.isNaN(x) ? sx.low : Math.min(sx.high, Math.max(sx.low, x)), text: told };
    for (const [name, value] of Object.entries(is)) top.el.setAttribute(`aria-value${name}`, String(value));
    top.el.setAttribute("aria-label", `Cursor of the line chart${model.get("title") ? ` ${model.get("title")}` : ""}. ${KEYS}${link ? ROWS : ""}`);
  };
  const paint = () => {
    const shown = visible();
    const xs = lines.limits([stops], model.get("log_x"), 0.02);
    const ys = lines.limits(shown.flatMap(({ one }) => [one.y, one.low, one.high]), model.get("log_y"), 0.06);
    const any = series.some((one) => one.y.some(Number.isFinite));
    const blank = !any ? "No values to draw yet." : !shown.length ? "All series are hidden." : xs && ys ? "" : "No value above zero: a logarithmic axis cannot show these.";
    if (link) sameRows(view, model, link, blank);
    else view.veil(blank);
    const { ctx, width, height } = base.begin(model.get("height"));
    view.body.style.height = `${height}px`;
    if (blank || !xs || !ys || (link && model.get("_digest") !== link.digest)) {
      view.say(`${number(series.length, true)} series`);
      return;
    }
    const words = labels();
    area = { left: words.y ? 62 : 46, top: 14, width: width - (words.y ? 78 : 62), height: height - (words.x ? 52 : 36) };
    const bottom = area.top + area.height;
    sx = lines.scale(xs, model.get("log_x"), area.left, area.left + area.width);
    const [least, most] = [model.get("y_limits")?.[0] ?? ys[0], model.get("y_limits")?.[1] ?? ys[1]];
    sy = lines.scale([least, most], model.get("log_y"), bottom, area.top);
    const shades = theme(view.root);
    draw.axes(ctx, area, sx, sy, words, shades, stops.every(Number.isInteger));
    const chosen = link ? mask.rows(link.mask) : [];
    draw.picked(ctx, area, chosen.map((row) => sx.px(rows[row])), shades);
    for (const { one, i } of shown) draw.band(ctx, area, one, sx, sy, colors[i]);
    for (const { one, i } of shown) draw.line(ctx, area, one, sx, sy, colors[i], draw.DASHES[i % draw.DASHES.length]);
    for (const { one, i } of shown) {
      ctx.fillStyle = colors[i];
      // Linked series share their x. Dots without room between them would only hide the line.
      if (chosen.length < area.width / 4) for (const row of chosen) draw.dot(ctx, sx.px(rows[row]), sy.px(one.y[row]), 4);
    }
    summary();
    paintOver();
  };
  const paintOver = () => {
    const { ctx } = top.begin(model.get("height"));
    const shades = theme(view.root);
    if (brush.length) {
      ctx.fillStyle = shades.accent;
      ctx.globalAlpha = 0.14;
      ctx.fillRect(Math.min(...brush), area.top, Math.abs(brush[1] - brush[0]), area.height);
      ctx.globalAlpha = 1;
    }
    const hover = link && link.hover >= 0 ? rows[link.hover] : NaN;
    for (const x of [hover, cursor()]) {
      const px = sx.px(x);
      if (!Number.isFinite(px) || px < area.left - 1 || px > area.left + area.width + 1) continue;
      if (x === cursor()) draw.cursor(ctx, area, px, shades);
      else {
        ctx.fillStyle = shades.faint;
        ctx.fillRect(Math.round(px), area.top, 1, area.height);
      }
      for (const { one, i } of visible()) {
        ctx.fillStyle = colors[i];
        draw.dot(ctx, px, sy.px(lines.valueAt(one, x)), 4);
      }
    }
  };
  const redraw = frame(paint, signal);
  const redrawOver = frame(() => {
    summary();
    paintOver();
  }, signal);

  // The nearest stop on the page, so that a logarithmic axis feels the same.
  const stopAt = (/** @type {number} */ px) => stops[lines.nearest(Float64Array.from(stops, sx.px), px)];
  const rowsAt = (/** @type {number} */ low, /** @type {number} */ high) => {
    const found = mask.none(link?.n ?? 0);
    rows.forEach((x, i) => x >= low && x <= high && mask.add(found, i));
    return found;
  };
  const leave = () => {
    hint.hide();
    link?.point(-1);
  };
  const follow = (/** @type {number} */ px) => put(model.get("snap") ? (stopAt(px) ?? null) : sx.value(px));
  // Nothing to zoom: the page goes on scrolling over a focused chart.
  top.el.addEventListener("wheel", (event) => event.stopImmediatePropagation(), { signal, passive: true });
  pointer(
    top.el,
    {
      tool: () => "rectangle",
      drawing(shape) {
        if (!shape.length) {
          brush = [];
          redrawOver();
          return;
        }
        drag ??= !link || follows() || Math.abs(shape[0] - sx.px(cursor())) <= GRIP ? "cursor" : "rows";
        if (drag === "cursor") follow(shape[4]);
        else brush = [shape[0], shape[4]];
        redrawOver();
      },
      enclose(shape, event) {
        const ends = [sx.value(shape[0]), sx.value(shape[4])].sort((a, b) => a - b);
        if (drag === "rows") link?.select(rowsAt(ends[0], ends[1]), mask.how(event));
        drag = null;
      },
      pan() {},
      click(x, _y, event) {
        drag = null;
        follow(x);
        if (follows()) return;
        const at = stopAt(x);
        link?.select(rowsAt(at, at), mask.how(event));
      },
      hover(px) {
        const x = stopAt(px);
        if (x === undefined || px < area.left - GRIP || px > area.left + area.width + GRIP) return leave();
        link?.point(rows.indexOf(x));
        top.el.style.cursor = Math.abs(px - sx.px(cursor())) <= GRIP ? "ew-resize" : "crosshair";
        hint.show(atX(x), readings(x), [sx.px(x), area.top], false);
      },
      leave,
      zoom() {},
    },
    signal,
  );
  const step = (/** @type {number} */ by, /** @type {boolean} */ extend) => {
    const x = cursor();
    if (!stops.length) return;
    const old = lines.nearest(stops, x);
    if (Number.isNaN(x)) put(stops[0]);
    else if (!model.get("snap")) put(x + (by * (sx.high - sx.low)) / 100);
    else put(stops[Math.min(stops.length - 1, Math.max(0, old + by))]);
    if (extend) link?.select(rowsAt(Math.min(x, cursor()), Math.max(x, cursor())), "add");
  };
  /** @type {Record<string, (event: KeyboardEvent) => void>} */
  const commands = {
    ArrowLeft: (event) => step(-1, event.shiftKey),
    ArrowRight: (event) => step(1, event.shiftKey),
    ArrowDown: (event) => step(-1, event.shiftKey),
    ArrowUp: (event) => step(1, event.shiftKey),
    PageDown: (event) => step(-Math.ceil(stops.length / 10), event.shiftKey),
    PageUp: (event) => step(Math.ceil(stops.length / 10), event.shiftKey),
    Home: () => stops.length && put(stops[0]),
    End: () => stops.length && put(stops[stops.length - 1]),
    Delete: () => put(null),
    Backspace: () => put(null),
    Enter: (event) => link?.select(rowsAt(cursor(), cursor()), mask.how(event)),
    " ": () => link?.select(rowsAt(cursor(), cursor()), "toggle"),
    Escape: () => link?.select(mask.none(link.n)),
  };
  top.el.addEventListener("keydown", (event) => {
    const command = commands[event.key];
    if (!command || event.ctrlKey || event.metaKey) return;
    command(event);
    event.preventDefault();
    event.stopPropagation();
  }, { signal });

  watch(model, ["_series", "_x"], read, signal);
  watch(model, ["hidden"], show, signal);
  watch(model, ["cursor"], redrawOver, signal);
  watch(model, ["x_label", "y_label", "unit", "log_x", "log_y", "y_limits", "height", "snap", "follow", "_digest"], redraw, signal);
  link?.watch(["_mask", "digest"], redraw);
  link?.watch(["_hover"], redrawOver);
  read();
}

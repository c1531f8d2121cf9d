// @ts-check
// Pictures with the share of each pixel in a score; only those in sight are in the page.
import { Atlas } from "./atlas.js";
import { button, h, sameRows, shell } from "./dom.js";
import { counted, number } from "./format.js";
import { hint } from "./hint.js";
import { Link } from "./link.js";
import * as mask from "./mask.js";
import { colors, inside, pixelAt, value } from "./overlay_model.js";
import { gradient } from "./byte_ramp.js";
import { range, reveal, span } from "./strip_model.js";
import { frame, typed, watch } from "./wire.js";

const GAP = 8;
const DIM = 0.55; // of a picture's brightness under an attribution
const LINE = 15; // px of a caption line
const CHOICES = {
  mode: [["ranked", "All", "Show all in order"], ["selected", "Selected", "Show the selected only"]],
  layer: [
    ["overlay", "Overlay", "Attribution over the picture"],
    ["input", "Input", "The picture alone"],
    ["attribution", "Attribution", "The attribution alone"],
  ],
  scale: [
    ["sample", "Per sample", "Colours up to the largest size in each sample"],
    ["shared", "Shared", "Colours up to the largest size in all samples"],
  ],
};

/** @param {{ model: import("./wire.js").Model, el: HTMLElement, signal: AbortSignal }} context */
export async function attributionOverlay({ model, el, signal }) {
  const link = await Link.of(model, "attributions", signal);
  if (signal.aborted) return;
  const view = shell({ model, el, signal }, { kind: "overlay", label: "Attributions", link: link.model });
  const own = new Atlas(model, () => redraw());
  const shared = new Atlas(link.model, () => redraw());
  const sheet = h("div", { class: "cw-sheet" });
  const port = h("div", { class: "cw-port", tabindex: 0, role: "listbox", "aria-label": "Attributed samples", "aria-multiselectable": "true" }, sheet);
  const nothing = h("div", { class: "cw-nothing", hidden: true });
  const keys = h("div", { class: "cw-legend" });
  view.body.append(port, nothing);
  view.body.after(keys);
  const tip = hint(view.body, shared);
  const scratch = /** @type {HTMLCanvasElement} */ (h("canvas"));
  const serial = Math.random().toString(36).slice(2, 8);

  /** @type {Uint8Array} */ let bytes;
  let shape = [0, 1, 1];
  /** @type {Float32Array} */ let peaks;
  /** @type {Float32Array} */ let numbers;
  /** @type {Uint32Array} */ let samples;
  /** @type {Uint32Array} */ let order;
  /** @type {ArrayLike<number>} */ let places = []; // of the attributions, as shown
  let active = -1; // place in places
  let columns = 1;
  let cell = 1;
  let limit = 0;

  /** @type {any[]} */
  const switches = [];
  for (const [name, label] of [["mode", "Which samples"], ["layer", "What to draw"], ["scale", "Colours up to"]]) {
    const group = h("div", { class: "cw-group", role: "radiogroup", "aria-label": label });
    for (const [key, text, about] of CHOICES[/** @type {keyof typeof CHOICES} */ (name)]) {
      const one = button(text, about, () => {
        model.set(name, key);
        model.save_changes();
      });
      one.setAttribute("role", "radio");
      one.dataset.name = name;
      one.dataset.key = key;
      group.append(one);
      switches.push(one);
    }
    view.tools.append(group);
  }
  const slider = h("input", {
    type: "range", min: 0, max: 100, step: 5, "aria-label": "Opacity of the attribution",
    oninput: () => model.set("opacity", Number(slider.value) / 100),
    onchange: () => model.save_changes(),
    onkeydown: (/** @type {Event} */ event) => event.stopPropagation(),
  });
  const fade = h("label", { class: "cw-choose" }, "Opacity ", slider);
  view.tools.append(fade);

  const read = () => {
    bytes = typed(model.get("_values"));
    shape = model.get("_values")?.shape ?? [0, 1, 1];
    peaks = typed(model.get("_peaks"));
    numbers = typed(model.get("_numbers"));
    samples = typed(model.get("_samples"));
    order = typed(model.get("_order"));
    limit = peaks.reduce((most, one) => Math.max(most, one), 0);
    active = -1;
    port.scrollTop = 0;
    redraw();
  };
  const draw = (/** @type {HTMLCanvasElement} */ picture, /** @type {number} */ place) => {
    const ctx = /** @type {CanvasRenderingContext2D} */ (picture.getContext("2d"));
    const layer = model.get("layer");
    const room = picture.width;
    ctx.fillStyle = "#000";
    ctx.fillRect(0, 0, room, room);
    const [, high, wide] = shape;
    ctx.imageSmoothingEnabled = false;
    if (layer !== "attribution") {
      const [atlas, row] = own.wire ? [own, place] : [shared, samples[place]];
      // Colours over a bright picture would be pale.
      ctx.globalAlpha = layer === "overlay" ? DIM : 1;
      atlas.draw(ctx, row, 0, 0, room, room / atlas.aspect);
      ctx.globalAlpha = 1;
    }
    if (layer === "input") return;
    const peak = peaks[place];
    const table = colors(layer, peak, model.get("scale") === "shared" ? limit : peak, model.get("opacity"));
    [scratch.width, scratch.height] = [wide, high];
    const pen = /** @type {CanvasRenderingContext2D} */ (scratch.getContext("2d"));
    const image = pen.createImageData(wide, high);
    for (let i = 0; i < high * wide; i++) {
      const q = 4 * bytes[place * high * wide + i];
      image.data.set(table.subarray(q, q + 4), 4 * i);
    }
    pen.putImageData(image, 0, 0);
    ctx.drawImage(scratch, ...inside(high, wide, room));
  };
  const facts = (/** @type {number} */ place) => {
    const [score, total, delta] = numbers.subarray(3 * place, 3 * place + 3);
    const lines = [`target ${model.get("_targets")[place]}, score ${number(score)}`, `sum of shares ${number(total)}`];
    return Number.isNaN(delta) ? lines : [...lines, `off by ${number(delta)}`];
  };
  const tileOf = (/** @type {number} */ at, /** @type {mask.Mask} */ bits) => {
    const place = places[at];
    const side = model.get("tile");
    const ratio = window.devicePixelRatio || 1;
    const id = link.id(samples[place]);
    const label = model.get("_labels")[place] ?? "";
    const tile = h("div", {
      class: `cw-tile${at === active ? " cw-active" : ""}`,
      role: "option",
      id: `cw-${serial}-${at}`,
      "aria-selected": String(mask.has(bits, samples[place])),
      // Begins with what is to be read on the tile.
      "aria-label": [`${link.axis} ${id}`, label, ...facts(place)].filter(Boolean).join(", "),
    });
    tile.style.cssText = `left:${(at % columns) * (side + GAP)}px;top:${Math.floor(at / columns) * cell}px;width:${side}px`;
    tile.dataset.at = String(at);
    const picture = h("canvas", { width: Math.round(side * ratio), height: Math.round(side * ratio), "aria-hidden": "true" });
    picture.style.cssText = `width:${side}px;height:${side}px`;
    draw(picture, place);
    tile.append(picture, h("div", { class: "cw-line" }, id), " ", h("div", { class: "cw-line cw-label" }, label));
    return tile;
  };
  const paint = () => {
    const blank = shape[0] ? "" : model.get("empty") || "Attribute a class or a unit to see where it comes from.";
    const good = sameRows(view, model, link, blank) && !blank;
    own.update();
    shared.update();
    const bits = link.mask;
    const mode = model.get("mode");
    const side = model.get("tile");
    for (const one of switches) one.setAttribute("aria-checked", String(model.get(one.dataset.name) === one.dataset.key));
    slider.value = String(Math.round(100 * model.get("opacity")));
    slider.disabled = model.get("layer") !== "overlay";
    port.classList.toggle("cw-unmarked", mode === "selected");
    places = !good ? [] : mode === "selected" ? order.filter((place) => mask.has(bits, samples[place])) : order;
    cell = side + 2 * LINE + GAP;
    columns = Math.max(1, Math.floor((port.clientWidth - 8 + GAP) / (side + GAP)));
    const lines = Math.ceil(places.length / columns);
    port.style.height = `${Math.min(model.get("height"), Math.max(90, lines * cell + 10))}px`;
    sheet.style.height = `${lines * cell}px`;
    const [first, last] = span(port.scrollTop, port.clientHeight, cell, lines);
    const end = Math.min(places.length, last * columns);
    sheet.replaceChildren(...range(first * columns, end, (at) => tileOf(at, bits)));
    point();
    if (active >= first * columns && active < end) port.setAttribute("aria-activedescendant", `cw-${serial}-${active}`);
    else port.removeAttribute("aria-activedescendant");
    nothing.hidden = !good || places.length > 0;
    nothing.textContent = mode === "selected" ? `Select attributed ${link.axis}s in another view to see them here.` : `No ${link.axis}s to show.`;
    words(good, mask.count(bits));
  };
  const words = (/** @type {boolean} */ good, /** @type {number} */ picked) => {
    const all = model.get("scale") === "shared";
    keys.hidden = !good || model.get("layer") === "input";
    keys.replaceChildren(
      h("span", {}, all ? `against ${number(-limit)}` : "against"),
      h("span", { class: "cw-ramp", style: `background: ${gradient("diverging")}` }),
      h("span", {}, all ? `for ${number(limit)}` : "for"),
      h("span", { class: "cw-legend-name" }, all ? "the target, one scale" : "the target, up to each sample's largest"),
    );
    const parts = [`${counted(places.length, link.axis)} shown`, picked ? `${number(picked, true)} selected` : "none selected"];
    if (good) parts.push("shares to within 0.4 % of the sample's largest");
    view.say(good ? parts.join(", ") : "No attributions.");
  };
  const redraw = frame(paint, signal);
  // Classes only: new elements under a pressed pointer would swallow the click.
  const point = () => {
    for (const one of sheet.children) one.classList.toggle("cw-hover", samples[places[one.dataset.at]] === link.hover);
  };
  const choose = (/** @type {number} */ at, /** @type {MouseEvent | KeyboardEvent} */ event) => {
    active = at;
    link.select(mask.of([samples[places[at]]], link.n), event.shiftKey ? "toggle" : mask.how(event));
    redraw();
  };
  /** @param {number} at @param {string[]} more @param {number[]} where @param {boolean} aloud */
  const show = (at, more, where, aloud) =>
    tip.show([`${link.axis} ${link.id(samples[places[at]])}`, ...facts(places[at]), ...more], -1, where, aloud);
  const tileAt = (/** @type {Event} */ event) => {
    const tile = /** @type {HTMLElement | null} */ (/** @type {Element} */ (event.target).closest(".cw-tile"));
    return tile ? Number(tile.dataset.at) : -1;
  };
  const on = (/** @type {string} */ name, /** @type {(event: any) => void} */ fn) => port.addEventListener(name, fn, { signal });
  on("click", (event) => tileAt(event) >= 0 && choose(tileAt(event), event));
  on("pointermove", (/** @type {PointerEvent} */ event) => {
    const at = tileAt(event);
    link.point(at >= 0 ? samples[places[at]] : -1);
    if (at < 0) return tip.hide();
    const box = port.getBoundingClientRect();
    const picture = /** @type {Element} */ (sheet.children[at - Number(sheet.children[0].dataset.at)].firstChild).getBoundingClientRect();
    const [, high, wide] = shape;
    const pixel = pixelAt(high, wide, picture.width, event.clientX - picture.left, event.clientY - picture.top);
    const share = pixel && value(bytes[(places[at] * high + pixel.row) * wide + pixel.column], peaks[places[at]]);
    const more = pixel ? [`row ${pixel.row}, column ${pixel.column}: ${number(share ?? NaN)}`] : [];
    show(at, more, [event.clientX - box.left, event.clientY - box.top], false);
  });
  on("pointerleave", () => {
    link.point(-1);
    tip.hide();
  });
  on("blur", () => tip.hide());
  on("scroll", redraw);
  on("keydown", (/** @type {KeyboardEvent} */ event) => {
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns, Home: -1e9, End: 1e9 };
    const step = steps[/** @type {keyof typeof steps} */ (event.key)];
    if (step && places.length) {
      active = active < 0 ? 0 : Math.min(places.length - 1, Math.max(0, active + step));
      port.scrollTop = reveal(port.scrollTop, Math.floor(active / columns), cell, port.clientHeight);
      link.point(samples[places[active]]);
      redraw();
    } else if ((event.key === "Enter" || event.key === " ") && active >= 0 && active < places.length) choose(active, event);
    else if (event.key === "Escape") link.select(mask.none(link.n));
    else return;
    event.preventDefault();
    event.stopPropagation();
  });

  const sizes = new ResizeObserver(redraw);
  sizes.observe(port);
  signal.addEventListener("abort", () => sizes.disconnect());
  watch(model, ["_values", "_peaks", "_numbers", "_samples", "_order"], read, signal);
  watch(model, ["mode", "layer", "scale", "opacity", "tile", "empty", "height", "_labels", "_targets", "_thumbnails", "_digest"], redraw, signal);
  link.watch(["_mask", "_thumbnails", "digest"], redraw);
  link.watch(["_hover"], point);
  read();
}

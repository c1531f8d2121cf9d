// @ts-check
// Pictures of rows, only the visible ones in the page: the selection, or a ranked order.
import { Atlas } from "./atlas.js";
import { button, h, sameRows, shell } from "./dom.js";
import { counted, number } from "./format.js";
import { Link } from "./link.js";
import * as mask from "./mask.js";
import { frame, typed, watch } from "./wire.js";

const GAP = 6;
const LINE = 14; // px of a caption line
const CARD = 150; // px of a card without a picture

/**
 * Rows to show: the order, or its selected part.
 * @param {Uint32Array} order @param {mask.Mask} bits @param {string} mode
 * @returns {ArrayLike<number>}
 */
export const shown = (order, bits, mode) =>
  mode === "selected" ? order.filter((row) => mask.has(bits, row)) : order;

/**
 * Which part of a grid a scrolled window shows.
 * @param {number} n tiles @param {number} columns @param {number} cell height of a row
 * @param {number} top @param {number} height
 */
export function visible(n, columns, cell, top, height) {
  const first = Math.max(0, Math.floor(top / cell)) * columns;
  const last = Math.min(n, (Math.floor((top + height) / cell) + 1) * columns);
  return { first: Math.min(first, n), last };
}

/** @param {{ model: import("./wire.js").Model, el: HTMLElement, signal: AbortSignal }} context */
export async function imageGrid({ model, el, signal }) {
  const link = await Link.of(model, "image grid", signal);
  if (signal.aborted) return;
  const view = shell({ model, el, signal }, { kind: "grid", label: "Image grid", link: link.model });
  const atlas = new Atlas(link.model, () => redraw());
  const sheet = h("div", { class: "cw-sheet" });
  const nothing = h("div", { class: "cw-nothing" });
  const port = h(
    "div",
    { class: "cw-port", tabindex: 0, role: "listbox", "aria-multiselectable": "true", "aria-label": "Pictures" },
    sheet,
    nothing,
  );
  view.body.append(port);
  let order = new Uint32Array(0);
  /** @type {string[]} */
  let labels = [];
  /** @type {ArrayLike<number>} */
  let rows = order;
  let active = -1; // place in rows
  let columns = 1;
  let cell = 1;
  const serial = Math.random().toString(36).slice(2, 8);

  const modes = h("div", { class: "cw-group", role: "radiogroup", "aria-label": "What to show" });
  for (const [mode, text, label] of [
    ["ranked", "All", "Show all in order"],
    ["selected", "Selected", "Show the selected only"],
  ]) {
    const one = button(text, label, () => {
      model.set("mode", mode);
      model.save_changes();
    });
    one.setAttribute("role", "radio");
    one.dataset.mode = mode;
    modes.append(one);
  }
  view.tools.append(modes);

  const read = () => {
    order = typed(model.get("_order"));
    labels = model.get("_labels") ?? [];
    active = -1;
    port.scrollTop = 0;
    redraw();
  };
  const tileOf = (/** @type {number} */ at, /** @type {boolean} */ pictures, /** @type {mask.Mask} */ bits) => {
    const row = rows[at];
    const side = model.get("tile");
    const wide = pictures ? side : CARD;
    const chosen = mask.has(bits, row);
    const label = labels[row] ?? "";
    const tile = h(
      "div",
      {
        class: `cw-tile${at === active ? " cw-active" : ""}`,
        role: "option",
        id: `cw-${serial}-${at}`,
        "aria-selected": String(chosen),
        "aria-label": `${link.axis} ${link.id(row)}${label ? `, ${label}` : ""}`,
        title: `${link.axis} ${link.id(row)}${label ? `\n${label}` : ""}`,
      },
    );
    tile.style.cssText = `left:${(at % columns) * (wide + GAP)}px;top:${Math.floor(at / columns) * cell}px;width:${wide}px`;
    tile.dataset.at = String(at);
    if (pictures) {
      const ratio = window.devicePixelRatio || 1;
      const picture = h("canvas", { width: side * ratio, height: side * ratio, "aria-hidden": "true" });
      picture.style.cssText = `width:${side}px;height:${side}px`;
      const ctx = picture.getContext("2d");
      ctx.imageSmoothingEnabled = false;
      const w = atlas.aspect >= 1 ? picture.width : picture.width * atlas.aspect;
      const t = w / atlas.aspect;
      atlas.draw(ctx, row, (picture.width - w) / 2, (picture.height - t) / 2, w, t);
      tile.append(picture);
    }
    tile.append(h("div", { class: "cw-line" }, link.id(row)));
    if (labels.length) tile.append(" ", h("div", { class: pictures ? "cw-line cw-label" : "cw-card" }, label));
    return tile;
  };
  const paint = () => {
    const same = sameRows(view, model, link);
    const pictures = atlas.update();
    const bits = link.mask;
    const mode = model.get("mode");
    port.style.height = `${model.get("height")}px`;
    // Where all are selected a mark says nothing.
    port.classList.toggle("cw-unmarked", mode === "selected");
    for (const one of modes.children) one.setAttribute("aria-checked", String(one.dataset.mode === mode));
    rows = same ? shown(order, bits, mode) : [];
    const side = model.get("tile");
    const wide = pictures ? side : CARD;
    cell = (pictures ? side + LINE + (labels.length ? LINE : 0) : LINE + (labels.length ? 3 * LINE : 0) + 10) + GAP;
    columns = Math.max(1, Math.floor((port.clientWidth - 8 + GAP) / (wide + GAP)));
    sheet.style.height = `${Math.ceil(rows.length / columns) * cell}px`;
    const { first, last } = visible(rows.length, columns, cell, port.scrollTop, port.clientHeight);
    const tiles = [];
    for (let at = first; at < last; at++) tiles.push(tileOf(at, pictures, bits));
    sheet.replaceChildren(...tiles);
    point();
    if (active >= first && active < last) port.setAttribute("aria-activedescendant", `cw-${serial}-${active}`);
    else port.removeAttribute("aria-activedescendant");
    nothing.hidden = rows.length > 0;
    // A list box must have options; a line of words is a group.
    port.setAttribute("role", rows.length ? "listbox" : "group");
    port.toggleAttribute("aria-multiselectable", rows.length > 0);
    if (rows.length) port.setAttribute("aria-multiselectable", "true");
    nothing.textContent =
      mode === "selected"
        ? `Select ${link.axis}s in another view to see them here.`
        : model.get("empty") || `No ${link.axis}s to show.`;
    const picked = mask.count(bits);
    view.say(
      `${counted(rows.length, link.axis)} shown, ${picked ? `${number(picked, true)} selected` : "none selected"}`,
    );
  };
  const redraw = frame(paint, signal);
  // Classes only: new elements under a pressed pointer would swallow the click.
  const point = () => {
    for (const one of sheet.children) one.classList.toggle("cw-hover", rows[one.dataset.at] === link.hover);
  };

  const choose = (/** @type {number} */ at, /** @type {{ shiftKey: boolean, altKey: boolean }} */ event) => {
    active = at;
    link.select(mask.of([rows[at]], link.n), event.shiftKey ? "toggle" : mask.how(event));
    redraw();
  };
  const at = (/** @type {Event} */ event) => {
    const tile = /** @type {HTMLElement | null} */ (/** @type {Element} */ (event.target).closest(".cw-tile"));
    return tile ? Number(tile.dataset.at) : -1;
  };
  port.addEventListener("click", (/** @type {MouseEvent} */ event) => {
    if (at(event) >= 0) choose(at(event), event);
  }, { signal });
  port.addEventListener("pointerover", (/** @type {Event} */ event) => link.point(at(event) >= 0 ? rows[at(event)] : -1), { signal });
  port.addEventListener("pointerleave", () => link.point(-1), { signal });
  port.addEventListener("scroll", redraw, { signal, passive: true });
  port.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns };
    const step = steps[/** @type {keyof typeof steps} */ (event.key)];
    if (step && rows.length) {
      active = active < 0 ? 0 : Math.min(rows.length - 1, Math.max(0, active + step));
      const top = Math.floor(active / columns) * cell;
      port.scrollTop = Math.min(top, Math.max(port.scrollTop, top + cell - port.clientHeight));
      redraw();
    } else if ((event.key === "Enter" || event.key === " ") && active >= 0) choose(active, event);
    else if (event.key === "Escape") link.select(mask.none(link.n));
    else return;
    event.preventDefault();
    event.stopPropagation();
  }, { signal });

  const sizes = new ResizeObserver(redraw);
  sizes.observe(port);
  signal.addEventListener("abort", () => sizes.disconnect());
  watch(model, ["_order", "_labels"], read, signal);
  watch(model, ["mode", "tile", "empty", "height", "_digest"], redraw, signal);
  link.watch(["_mask", "_thumbnails", "digest"], redraw);
  link.watch(["_hover"], point);
  read();
}

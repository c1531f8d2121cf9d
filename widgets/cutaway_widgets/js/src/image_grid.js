// @ts-check
// Pictures of rows, only the visible ones in the page: the selection, or a ranked order.
import { Atlas } from "./atlas.js";
import { sheetOf } from "./csv.js";
import { describe, known, teller } from "./describe.js";
import { button, h, listRole, sameRows, shell } from "./dom.js";
import { counted, number } from "./format.js";
import { Link } from "./link.js";
import * as mask from "./mask.js";
import { gather, once, selected, selectedOf } from "./mask_fast.js";
import { Pictures } from "./pictures.js";
import { frame, typed, watch } from "./wire.js";

const GAP = 6;
const LINE = 14; // px of a caption line
const CARD = 150; // px of a card without a picture
const TALLEST = 15_000_000; // px: browsers cut elements off at about 16 or 33 million

/**
 * Rows to show: the order, or its selected part. Nothing of that length is made.
 * @param {Uint32Array | null} order null: all n in their own order
 * @param {mask.Mask} bits @param {string} mode @param {number} n
 * @returns {import("./mask_fast.js").Rows}
 */
export function shown(order, bits, mode, n) {
  if (mode === "selected") return order ? selectedOf(order, bits) : selected(bits);
  return order ? { length: order.length, at: (k) => order[k] } : { length: n, at: (k) => k };
}

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
  const atlas = new Atlas(link.model, () => {
    drawn.forget();
    redraw();
  });
  const drawn = new Pictures(atlas);
  const tell = teller(view.say, signal);
  const sheet = h("div", { class: "cw-sheet" });
  const nothing = h("div", { class: "cw-nothing" });
  const port = h(
    "div",
    { class: "cw-port", tabindex: 0, role: "listbox", "aria-multiselectable": "true", "aria-label": "Pictures" },
    sheet,
    nothing,
  );
  view.body.append(port);
  /** @type {Uint32Array | null} */
  let order = null;
  /** @type {string[]} */
  let labels = [];
  /** @type {import("./mask_fast.js").Rows} */
  let rows = shown(null, mask.none(0), "ranked", 0);
  const watched = () => once(link, (bits) => shown(order, bits, "selected", link.n));
  let follow = watched();
  let active = -1; // place in rows
  let columns = 1;
  let cell = 1;
  const serial = Math.random().toString(36).slice(2, 8);

  let shift = 0; // px between a tile's place among all and on the sheet
  const total = () => Math.ceil(rows.length / columns) * cell;
  const squeeze = () => Math.max(1, (total() - port.clientHeight) / (TALLEST - port.clientHeight));

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
    order = model.get("_whole") ? null : typed(model.get("_order"));
    follow = watched();
    labels = model.get("_labels") ?? [];
    active = -1;
    port.scrollTop = 0;
    redraw();
  };
  const tileOf = (/** @type {number} */ at, /** @type {boolean} */ pictures, /** @type {mask.Mask} */ bits) => {
    const row = rows.at(at);
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
    tile.style.cssText = `left:${(at % columns) * (wide + GAP)}px;top:${Math.floor(at / columns) * cell + shift}px;width:${wide}px`;
    tile.dataset.at = String(at);
    if (pictures) {
      tile.append(drawn.of(row, side));
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
    if (!same) rows = shown(null, bits, "ranked", 0);
    else rows = mode === "selected" ? follow() : shown(order, bits, mode, link.n);
    const side = model.get("tile");
    const wide = pictures ? side : CARD;
    cell = (pictures ? side + LINE + (labels.length ? LINE : 0) : LINE + (labels.length ? 3 * LINE : 0) + 10) + GAP;
    columns = Math.max(1, Math.floor((port.clientWidth - 8 + GAP) / (wide + GAP)));
    sheet.style.height = `${Math.min(TALLEST, total())}px`;
    // Where the rows are taller than a page can be, a scrolled pixel stands for several.
    const from = port.scrollTop * squeeze();
    const { first, last } = visible(rows.length, columns, cell, from, port.clientHeight);
    shift = port.scrollTop - from;
    const sight = new Set(Array.from({ length: last - first }, (_, k) => rows.at(first + k)));
    drawn.begin(sight, side);
    const tiles = [];
    for (let at = first; at < last; at++) tiles.push(tileOf(at, pictures, bits));
    sheet.replaceChildren(...tiles);
    point();
    if (active >= first && active < last) port.setAttribute("aria-activedescendant", `cw-${serial}-${active}`);
    else port.removeAttribute("aria-activedescendant");
    nothing.hidden = rows.length > 0;
    listRole(port, rows.length > 0);
    nothing.textContent =
      mode === "selected"
        ? `Select ${link.axis}s in another view to see them here.`
        : model.get("empty") || `No ${link.axis}s to show.`;
    const picked = mask.count(bits);
    const about = known(link);
    tell(
      link.n,
      (details) =>
        `${counted(rows.length, link.axis)} shown, ${picked ? `${number(picked, true)} selected` : "none selected"}${details && `: ${details}`}`,
      () => (picked && about ? describe(about.columns, about.rows ? gather(bits, about.rows) : bits) : ""),
    );
  };
  const redraw = frame(paint, signal);
  // Classes only: new elements under a pressed pointer would swallow the click.
  const point = () => {
    for (const one of sheet.children) one.classList.toggle("cw-hover", rows.at(Number(one.dataset.at)) === link.hover);
  };

  const choose = (/** @type {number} */ at, /** @type {{ shiftKey: boolean, altKey: boolean }} */ event) => {
    active = at;
    link.select(mask.of([rows.at(at)], link.n), event.shiftKey ? "toggle" : mask.how(event));
    redraw();
  };
  const at = (/** @type {Event} */ event) => {
    const tile = /** @type {HTMLElement | null} */ (/** @type {Element} */ (event.target).closest(".cw-tile"));
    return tile ? Number(tile.dataset.at) : -1;
  };
  port.addEventListener("click", (/** @type {MouseEvent} */ event) => {
    if (at(event) >= 0) choose(at(event), event);
  }, { signal });
  port.addEventListener("pointerover", (/** @type {Event} */ event) => link.point(at(event) >= 0 ? rows.at(at(event)) : -1), { signal });
  port.addEventListener("pointerleave", () => link.point(-1), { signal });
  port.addEventListener("scroll", redraw, { signal, passive: true });
  port.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns };
    const step = steps[/** @type {keyof typeof steps} */ (event.key)];
    if (step && rows.length) {
      active = active < 0 ? 0 : Math.min(rows.length - 1, Math.max(0, active + step));
      const top = Math.floor(active / columns) * cell;
      const seen = port.scrollTop * squeeze();
      port.scrollTop = Math.min(top, Math.max(seen, top + cell - port.clientHeight)) / squeeze();
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
  view.saves({
    csv: () => sheetOf(link, rows, labels.length ? [{ title: "label", at: (k) => labels[rows.at(k)] ?? "" }] : []),
  });
  watch(model, ["_order", "_whole", "_labels"], read, signal);
  watch(model, ["mode", "tile", "empty", "height", "_digest"], redraw, signal);
  link.watch(["_mask", "_thumbnails", "digest"], redraw);
  link.watch(["_hover"], point);
  read();
}

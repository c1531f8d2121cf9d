// @ts-check
// Canvases with the pictures of rows, kept while their rows stay in sight: making and drawing them
// anew is most of the work of following a selection.
import { h } from "./dom.js";

/** Drawn pictures by row. */
export class Pictures {
  /** @type {Map<number, HTMLCanvasElement>} */
  drawn = new Map();
  /** @type {Map<number, HTMLCanvasElement>} */
  before = new Map();
  /** @type {HTMLCanvasElement[]} */
  spare = [];
  look = "";
  /** @type {unknown} */
  wire = null;

  /** @param {import("./atlas.js").Atlas} atlas */
  constructor(atlas) {
    this.atlas = atlas;
  }

  /** Other pictures: nothing drawn holds any more. */
  forget() {
    this.drawn.clear();
  }

  /** @param {Set<number>} rows that will be asked for now @param {number} side CSS pixels */
  begin(rows, side) {
    const look = `${side} ${window.devicePixelRatio}`;
    if (look !== this.look || this.wire !== this.atlas.wire) this.forget();
    this.look = look;
    this.wire = this.atlas.wire;
    this.before = this.drawn;
    this.drawn = new Map();
    this.spare = [];
    for (const [row, one] of this.before) if (!rows.has(row)) this.spare.push(one);
  }

  /** @param {number} row @param {number} side CSS pixels @returns {HTMLCanvasElement} */
  of(row, side) {
    const had = this.before.get(row);
    // A row may stand twice in an order: one element cannot.
    this.before.delete(row);
    const picture = had ?? this.spare.pop() ?? h("canvas", { "aria-hidden": "true" });
    if (!had) this.paint(picture, row, side);
    this.drawn.set(row, picture);
    return picture;
  }

  /** @param {HTMLCanvasElement} el @param {number} row @param {number} side */
  paint(el, row, side) {
    const ratio = window.devicePixelRatio || 1;
    el.width = el.height = side * ratio; // clears it too
    el.style.cssText = `width:${side}px;height:${side}px`;
    const ctx = /** @type {CanvasRenderingContext2D} */ (el.getContext("2d"));
    ctx.imageSmoothingEnabled = false;
    const w = this.atlas.aspect >= 1 ? el.width : el.width * this.atlas.aspect;
    const t = w / this.atlas.aspect;
    this.atlas.draw(ctx, row, (el.width - w) / 2, (el.height - t) / 2, w, t);
  }
}

// @ts-check
// The rows that a scatter draws: places, colours, and which row of the link each point is.
import { paint } from "./color.js";
import { sheetOf, single, titled } from "./csv.js";
import { offer } from "./describe.js";
import { enclosed } from "./enclose.js";
import * as plane from "./geometry.js";
import { Cells } from "./hit.js";
import { gather, once, scatter as spread } from "./mask_fast.js";
import { typed } from "./wire.js";

/** @typedef {import("./wire.js").Model} Model */
/** @typedef {import("./mask.js").Mask} Mask */

/** Points of a scatter, and what can be asked of them. */
export class Points {
  points = new Float32Array(0);
  /** @type {Uint32Array | null} row of each point, ascending; null: point i is row i */
  rows = null;
  /** @type {any[]} */
  columns = [];
  /** @type {any} */
  column = undefined;
  colors = paint(null, [], 0);
  missing = 0;
  /** @type {Cells | null} */
  cells = null;
  /** @type {[number, number, number, number] | null} */
  extent = null;

  /** @param {Model} model @param {import("./link.js").Link} link */
  constructor(model, link) {
    this.model = model;
    this.link = link;
    this.mask = this.follow();
  }

  /** Which points are selected; the same object until the selection is another. */
  follow() {
    return once(this.link, (bits) => (this.rows ? gather(bits, this.rows) : bits));
  }

  get n() {
    return this.points.length / 2;
  }

  read() {
    this.points = typed(this.model.get("_points"));
    const rows = this.model.get("_shown");
    this.rows = rows?.shape?.[0] ? typed(rows) : null;
    this.missing = 0;
    for (let i = 0; i < this.points.length; i += 2) if (this.points[i] !== this.points[i]) this.missing++;
    this.cells = this.extent = null;
    this.mask = this.follow();
    this.readColors();
  }

  readColors() {
    const old = this.columns;
    this.columns = (this.model.get("_colors") ?? []).map((/** @type {any} */ one) => {
      // The same column again (only another one is shown): no second copy of a million numbers.
      const same = old.find((two) => two.data === one.data && two.name === one.name);
      return { ...one, values: same ? same.values : typed(one.data) };
    });
    const wanted = this.link.model.get("color_by");
    this.column = this.columns.find((one) => one.name === wanted) ?? this.columns[0];
    this.colors = paint(this.column ?? null, this.column?.values ?? [], this.n);
    offer(this.link.model, { digest: this.model.get("_digest"), columns: this.columns, rows: this.rows });
  }

  /** @param {number} i point @returns {number} row of the link */
  row(i) {
    return i >= 0 && this.rows ? this.rows[i] : i;
  }

  /** @param {number} row @returns {number} point, or -1 where the row is not among them */
  of(row) {
    const { rows } = this;
    if (!rows) return row < this.n ? row : -1;
    let low = 0;
    let high = rows.length - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      if (rows[middle] === row) return middle;
      if (rows[middle] < row) low = middle + 1;
      else high = middle - 1;
    }
    return -1;
  }

  /** Selection of the link from bits of points. @param {Mask} bits @returns {Mask} */
  toRows(bits) {
    return this.rows ? spread(bits, this.rows, this.link.n) : bits;
  }

  /** @param {plane.Camera} camera @param {number[]} outline page @returns {Mask} bits of rows */
  enclosed(camera, outline) {
    return this.toRows(enclosed(this.points, camera, outline));
  }

  /** Sorted into cells at the first question, not before. */
  get near() {
    this.cells ??= new Cells(this.points);
    return this.cells;
  }

  /** @param {Float32Array} rings @returns {[number, number, number, number]} */
  box(rings) {
    if (rings.length) return plane.extent(this.points, rings);
    this.extent ??= plane.bounds(this.points);
    return this.extent;
  }

  /** The points as CSV: places, and every column they can be coloured by. @returns {string} */
  sheet() {
    const { points, rows, n } = this;
    const axes = ["x_label", "y_label"].map((name, side) => ({
      title: this.model.get(name) || "xy"[side],
      at: (/** @type {number} */ i) => single(points[2 * i + side]),
    }));
    const columns = this.columns.map((one) => ({
      title: titled(one.name, one.unit),
      at: (/** @type {number} */ i) => (one.kind === "category" ? one.names[one.values[i]] ?? "" : single(one.values[i])),
    }));
    return sheetOf(this.link, { length: n, at: (i) => (rows ? rows[i] : i) }, [...axes, ...columns]);
  }

  /** @returns {any} the first column of kinds */
  get kinds() {
    return this.columns.find((one) => one.kind === "category");
  }
}

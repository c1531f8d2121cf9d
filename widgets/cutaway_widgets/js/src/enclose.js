// @ts-check
// Which points lie in a drawn outline: exact, yet most points are decided by the cell they are in.
import * as mask from "./mask.js";

const CELL = 4; // px
const MOST = 512; // cells a side

const OUTSIDE = 0;
const INSIDE = 1;
const EDGE = 2;

/**
 * Rows whose point lies in a page outline, by the even-odd rule.
 * @param {Float32Array} points x, y, … in data units
 * @param {import("./geometry.js").Camera} camera
 * @param {ArrayLike<number>} outline page x, y, …
 * @returns {mask.Mask}
 */
export function enclosed(points, camera, outline) {
  const n = points.length / 2;
  const found = mask.none(n);
  if (outline.length < 6) return found;
  const plan = new Plan(outline);
  const { x0, y0, x1, y1, perX, perY, columns, state } = plan;
  const { kx, ky, ox, oy } = camera;
  for (let i = 0; i < n; i++) {
    const x = points[2 * i] * kx + ox;
    const y = points[2 * i + 1] * ky + oy;
    // Written so that NaN fails.
    if (!(x >= x0 && x <= x1 && y >= y0 && y <= y1)) continue;
    const line = ((y - y0) * perY) | 0;
    const kind = state[line * columns + (((x - x0) * perX) | 0)];
    if (kind === INSIDE || (kind === EDGE && plan.inside(x, y, line))) found[i >> 3] |= 1 << (i & 7);
  }
  return found;
}

/** The outline's box in cells: which lie outside, inside, or on an edge; edges by line of cells. */
class Plan {
  /** @param {ArrayLike<number>} outline */
  constructor(outline) {
    this.outline = outline;
    const [x0, y0, x1, y1] = box(outline);
    this.x0 = x0;
    this.y0 = y0;
    this.x1 = x1;
    this.y1 = y1;
    const cells = (/** @type {number} */ span) => Math.min(MOST, Math.max(1, Math.ceil(span / CELL)));
    this.columns = cells(this.x1 - this.x0);
    this.lines = cells(this.y1 - this.y0);
    // A hair less, so that the far rim falls into the last cell.
    this.perX = ((1 - 1e-12) * this.columns) / (this.x1 - this.x0 || 1);
    this.perY = ((1 - 1e-12) * this.lines) / (this.y1 - this.y0 || 1);
    this.state = new Uint8Array(this.columns * this.lines);
    /** @type {number[][]} */
    this.edges = Array.from({ length: this.lines }, () => []);
    for (let i = 0, j = outline.length - 2; i < outline.length; j = i, i += 2) this.mark(i, j);
    this.fill();
  }

  /** @param {number} i @param {number} j the edge's ends */
  mark(i, j) {
    const { outline, columns, lines } = this;
    const [xa, ya] = [(outline[i] - this.x0) * this.perX, (outline[i + 1] - this.y0) * this.perY];
    const [xb, yb] = [(outline[j] - this.x0) * this.perX, (outline[j + 1] - this.y0) * this.perY];
    const low = Math.min(ya, yb);
    const high = Math.max(ya, yb);
    const slack = 1e-6; // cells: rounding may never leave a touched cell unmarked
    const from = Math.max(0, Math.floor(low - slack));
    const to = Math.min(lines - 1, Math.floor(high + slack));
    for (let line = from; line <= to; line++) {
      this.edges[line].push(i, j);
      const at = (/** @type {number} */ y) =>
        xa + ((xb - xa) * (Math.min(high, Math.max(low, y)) - ya)) / (yb - ya);
      const ends = yb === ya ? [xa, xb] : [at(line - slack), at(line + 1 + slack)];
      const left = Math.max(0, Math.floor(Math.min(...ends) - slack));
      const right = Math.min(columns - 1, Math.floor(Math.max(...ends) + slack));
      for (let c = left; c <= right; c++) this.state[line * columns + c] = EDGE;
    }
  }

  fill() {
    const { columns, lines, state } = this;
    for (let line = 0; line < lines; line++) {
      const y = this.y0 + (line + 0.5) / this.perY;
      for (let c = 0; c < columns; c++) {
        const at = line * columns + c;
        if (state[at] === EDGE) continue;
        // No edge between two such neighbours: both lie on the same side.
        if (c && state[at - 1] !== EDGE) state[at] = state[at - 1];
        else state[at] = this.inside(this.x0 + (c + 0.5) / this.perX, y, line) ? INSIDE : OUTSIDE;
      }
    }
  }

  /** @param {number} x @param {number} y page @param {number} line its line of cells */
  inside(x, y, line) {
    const { outline } = this;
    const edges = this.edges[line];
    let within = false;
    for (let e = 0; e < edges.length; e += 2) {
      const i = edges[e];
      const j = edges[e + 1];
      const yi = outline[i + 1];
      const yj = outline[j + 1];
      if (yi > y !== yj > y) {
        const cross = ((outline[j] - outline[i]) * (y - yi)) / (yj - yi) + outline[i];
        if (x < cross) within = !within;
      }
    }
    return within;
  }
}

/** @param {ArrayLike<number>} outline @returns {[number, number, number, number]} */
function box(outline) {
  let [x0, y0, x1, y1] = [Infinity, Infinity, -Infinity, -Infinity];
  for (let i = 0; i < outline.length; i += 2) {
    x0 = Math.min(x0, outline[i]);
    x1 = Math.max(x1, outline[i]);
    y0 = Math.min(y0, outline[i + 1]);
    y1 = Math.max(y1, outline[i + 1]);
  }
  return [x0, y0, x1, y1];
}

// @ts-check
// Cells of a heat-map as functions of its numbers: blocks of a pixel, orders, windows.
import { step } from "./ramp.js";

/**
 * @typedef {object} Cells Numbers row by row.
 * @property {ArrayLike<number>} codes the numbers, or whole steps of them
 * @property {number} columns
 * @property {number} low value of code 0
 * @property {number} unit value of one step
 * @property {number} missing code of no number, NaN where codes are the numbers
 *
 * @typedef {{ first: number, last: number }} Span Places in an order, last not included.
 */

/**
 * Numbers from the wire.
 * @param {any} wired @param {ArrayLike<number>} codes
 * @returns {Cells}
 */
export const cells = (wired, codes) => ({
  codes,
  columns: wired.shape?.[1] ?? 0,
  low: wired.low ?? 0,
  unit: wired.step ?? 1,
  missing: wired.dtype === "u1" ? 255 : wired.dtype === "u2" ? 65535 : NaN,
});

/** @param {Cells} cells @param {number} row @param {number} column @returns {number} */
export function value(cells, row, column) {
  const code = cells.codes[row * cells.columns + column];
  return code === cells.missing || code === undefined ? NaN : cells.low + code * cells.unit;
}

/**
 * How many cells have a number, and is any of them outside the limits?
 * @param {Cells} cells @param {[number, number]} limits
 */
export function extent({ codes, low, unit, missing }, limits) {
  // Limits came as double, numbers as single precision.
  const [least, most] = [limits[0] - 1e-6 * Math.abs(limits[0]), limits[1] + 1e-6 * Math.abs(limits[1])];
  let finite = 0;
  let beyond = false;
  for (let i = 0; i < codes.length; i++) {
    const code = codes[i];
    if (code === missing || code !== code) continue;
    finite++;
    const one = low + code * unit;
    if (one < least || one > most) beyond = true;
  }
  return { finite, beyond };
}

/** First and one past the last place of block b of k over a span. @param {Span} span @param {number} k @param {number} b */
export const block = ({ first, last }, k, b) => [
  first + Math.floor((b * (last - first)) / k),
  first + Math.floor(((b + 1) * (last - first)) / k),
];

/**
 * The number that stands for each block of cells: the largest, or the farthest from zero.
 * Missing numbers count only where a block has no other.
 * @param {Cells} cells
 * @param {ArrayLike<number>} rows order of rows @param {ArrayLike<number>} columns order of columns
 * @param {Span} down @param {Span} across
 * @param {number} ny blocks down @param {number} nx blocks across
 * @param {boolean} far from zero instead of the largest
 * @returns {Float32Array} ny × nx, NaN where nothing is known
 */
export function blocks(cells, rows, columns, down, across, ny, nx, far) {
  const found = new Float32Array(ny * nx).fill(NaN);
  const { codes, missing, low, unit } = cells;
  const ends = Uint32Array.from({ length: nx + 1 }, (_, b) => block(across, nx, b)[0]);
  for (let y = 0; y < ny; y++) {
    const [from, to] = block(down, ny, y);
    for (let r = from; r < to; r++) {
      const start = rows[r] * cells.columns;
      for (let x = 0; x < nx; x++) {
        let best = found[y * nx + x];
        let size = best !== best ? -Infinity : far ? Math.abs(best) : best;
        for (let c = ends[x]; c < ends[x + 1]; c++) {
          const code = codes[start + columns[c]];
          if (code === missing) continue;
          const one = low + code * unit;
          const its = far ? Math.abs(one) : one;
          // Never so for NaN.
          if (its > size) {
            size = its;
            best = one;
          }
        }
        found[y * nx + x] = best;
      }
    }
  }
  return found;
}

/**
 * Where in a block its number stands.
 * @param {Cells} cells @param {ArrayLike<number>} rows @param {ArrayLike<number>} columns
 * @param {number[]} down @param {number[]} across places from, to
 * @param {boolean} far
 * @returns {[number, number]} places in the two orders
 */
export function peak(cells, rows, columns, down, across, far) {
  /** @type {[number, number]} */
  let best = [down[0], across[0]];
  let most = -Infinity;
  for (let r = down[0]; r < down[1]; r++) {
    for (let c = across[0]; c < across[1]; c++) {
      const one = value(cells, rows[r], columns[c]);
      const size = far ? Math.abs(one) : one;
      if (size > most) {
        most = size;
        best = [r, c];
      }
    }
  }
  return best;
}

/**
 * Pixels of blocks: no colour where nothing is known, faint where not selected.
 * @param {Float32Array} numbers ny × nx @param {number} nx
 * @param {[number, number]} limits @param {[number, number, number][]} colors 256
 * @param {boolean[] | null} down is a block's row selected? null: no selection
 * @param {boolean[] | null} across
 * @returns {Uint8ClampedArray<ArrayBuffer>} r, g, b, a
 */
export function pixels(numbers, nx, limits, colors, down, across) {
  const out = new Uint8ClampedArray(4 * numbers.length);
  for (let i = 0; i < numbers.length; i++) {
    const at = step(numbers[i], limits[0], limits[1]);
    if (at < 0) continue;
    const x = i % nx;
    const bright = (!across || across[x]) && (!down || down[(i - x) / nx]);
    const [r, g, b] = colors[at];
    out[4 * i] = r;
    out[4 * i + 1] = g;
    out[4 * i + 2] = b;
    out[4 * i + 3] = bright ? 255 : 70;
  }
  return out;
}

/**
 * Columns from the largest number of a row to the smallest, missing ones last, equal ones as before.
 * @param {Cells} cells @param {number} row @param {Uint32Array} order
 * @returns {Uint32Array}
 */
export function byRow(cells, row, order) {
  const key = Float64Array.from(order, (column) => value(cells, row, column));
  const places = Array.from(order.keys());
  places.sort((a, b) => {
    const [x, y] = [key[a], key[b]];
    if (x !== x || y !== y) return Number(x !== x) - Number(y !== y);
    return y - x;
  });
  return Uint32Array.from(places, (place) => order[place]);
}

/**
 * A span made shorter or longer about a place that stays where it is.
 * @param {Span} span @param {number} n length of the whole @param {number} factor below 1 zooms in
 * @param {number} at place that stays, may be a fraction
 * @returns {Span}
 */
export function zoomed({ first, last }, n, factor, at) {
  const length = Math.min(n, Math.max(Math.min(n, 2), Math.round((last - first) * factor)));
  const part = last > first ? (at - first) / (last - first) : 0.5;
  const start = Math.min(n - length, Math.max(0, Math.round(at - part * length)));
  return { first: start, last: start + length };
}

/** A span moved so that it holds a place. @param {Span} span @param {number} at @returns {Span} */
export function holding({ first, last }, at) {
  const shift = at < first ? at - first : at >= last ? at - last + 1 : 0;
  return { first: first + shift, last: last + shift };
}

// @ts-check
// Where tiles of a strip lie: rows of units, columns of samples, heads that stay in place.

/**
 * @typedef {object} Strip
 * @property {number} rows
 * @property {number} columns
 * @property {number} wide width of a cell, its gap included
 * @property {number} high height of a cell, its gap included
 * @property {number} left width of the row heads
 * @property {number} top height of the column heads
 */

/** Places that a scrolled window shows.
 * @param {number} offset @param {number} room @param {number} size @param {number} n
 * @returns {[number, number]} first, and one after the last */
export function span(offset, room, size, n) {
  const first = Math.max(0, Math.min(n, Math.floor(offset / size)));
  return [first, Math.max(first, Math.min(n, Math.ceil((offset + room) / size)))];
}

/**
 * What lies at a place of the window: -1 for the heads, null for nothing.
 * @param {Strip} strip @param {number} x @param {number} y @param {number} scrollX @param {number} scrollY
 * @returns {{ row: number, column: number } | null}
 */
export function hit(strip, x, y, scrollX, scrollY) {
  const column = x < strip.left ? -1 : Math.floor((x - strip.left + scrollX) / strip.wide);
  const row = y < strip.top ? -1 : Math.floor((y - strip.top + scrollY) / strip.high);
  if (column >= strip.columns || row >= strip.rows || (row < 0 && column < 0)) return null;
  return { row, column };
}

/**
 * Next place for a key; null for keys that do not move. -1 is a head.
 * @param {Strip} strip @param {{ row: number, column: number }} at @param {string} key
 * @param {number} page rows of a window
 */
export function step(strip, at, key, page) {
  const moves = {
    ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0],
    PageUp: [-page, 0], PageDown: [page, 0], Home: [0, -1e9], End: [0, 1e9],
  };
  const move = moves[/** @type {keyof typeof moves} */ (key)];
  if (!move) return null;
  const row = Math.min(strip.rows - 1, Math.max(-1, at.row + move[0]));
  const column = Math.min(strip.columns - 1, Math.max(-1, at.column + move[1]));
  // The corner between the heads is nothing.
  return row < 0 && column < 0 ? at : { row, column };
}

/** Scroll offset that brings a place into the window.
 * @param {number} offset @param {number} place @param {number} size @param {number} room */
export function reveal(offset, place, size, room) {
  if (place < 0) return offset;
  return Math.min(place * size, Math.max(offset, (place + 1) * size - room));
}

/**
 * What a function makes of each whole number from a first one to before a last one.
 * @template T @param {number} first @param {number} last @param {(i: number) => T} make @returns {T[]}
 */
export const range = (first, last, make) => Array.from({ length: Math.max(0, last - first) }, (_, i) => make(first + i));

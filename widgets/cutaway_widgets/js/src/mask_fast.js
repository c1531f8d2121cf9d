// @ts-check
// Selections of very many rows: the k-th selected one, parts of rows, counts by kind.
import * as mask from "./mask.js";

const BLOCK = 64; // bytes: 512 rows

const ONES = Uint8Array.from({ length: 256 }, (_, b) => {
  let count = 0;
  for (let bit = 0; bit < 8; bit++) count += (b >> bit) & 1;
  return count;
});

/**
 * A list that is not made until asked: how long, and what stands at a place.
 * @typedef {object} Rows
 * @property {number} length
 * @property {(k: number) => number} at
 */

/**
 * Selected rows in ascending order.
 * @param {mask.Mask} bits
 * @returns {Rows}
 */
export function selected(bits) {
  const blocks = Math.ceil(bits.length / BLOCK);
  const before = new Uint32Array(blocks + 1);
  for (let b = 0; b < blocks; b++) {
    let count = 0;
    const end = Math.min(bits.length, (b + 1) * BLOCK);
    for (let i = b * BLOCK; i < end; i++) count += ONES[bits[i]];
    before[b + 1] = before[b] + count;
  }
  return {
    length: before[blocks],
    at(k) {
      const block = last(before, k);
      let left = k - before[block];
      let i = block * BLOCK;
      while (ONES[bits[i]] <= left) left -= ONES[bits[i++]];
      let bit = 0;
      for (; ; bit++) if ((bits[i] >> bit) & 1 && left-- === 0) return 8 * i + bit;
    },
  };
}

/**
 * Selected rows in a given order.
 * @param {Uint32Array} order @param {mask.Mask} bits
 * @returns {Rows}
 */
export function selectedOf(order, bits) {
  const step = 8 * BLOCK;
  const blocks = Math.ceil(order.length / step);
  const before = new Uint32Array(blocks + 1);
  for (let b = 0; b < blocks; b++) {
    let count = 0;
    const end = Math.min(order.length, (b + 1) * step);
    for (let i = b * step; i < end; i++) count += (bits[order[i] >> 3] >> (order[i] & 7)) & 1;
    before[b + 1] = before[b] + count;
  }
  return {
    length: before[blocks],
    at(k) {
      const block = last(before, k);
      let left = k - before[block];
      for (let i = block * step; ; i++) if (mask.has(bits, order[i]) && left-- === 0) return order[i];
    },
  };
}

/** Last place whose number is not above k. @param {Uint32Array} before ascending @param {number} k */
function last(before, k) {
  let low = 0;
  let high = before.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (before[middle] <= k) low = middle;
    else high = middle - 1;
  }
  return low;
}

/**
 * Bits of some rows, in their order.
 * @param {mask.Mask} bits @param {Uint32Array} rows
 * @returns {mask.Mask}
 */
export function gather(bits, rows) {
  const found = mask.none(rows.length);
  for (let j = 0; j < rows.length; j++) {
    found[j >> 3] |= ((bits[rows[j] >> 3] >> (rows[j] & 7)) & 1) << (j & 7);
  }
  return found;
}

/**
 * The reverse of `gather`: bits of all rows, zero where a row is not among the given ones.
 * @param {mask.Mask} bits @param {Uint32Array} rows @param {number} n all rows
 * @returns {mask.Mask}
 */
export function scatter(bits, rows, n) {
  const found = mask.none(n);
  for (let j = 0; j < rows.length; j++) if (mask.has(bits, j)) mask.add(found, rows[j]);
  return found;
}

/**
 * How many selected rows have each code.
 * @param {ArrayLike<number>} codes one a row @param {mask.Mask} bits
 * @param {number} kinds codes at or above, or below 0, are not counted
 * @returns {Uint32Array}
 */
export function tally(codes, bits, kinds) {
  const counts = new Uint32Array(kinds);
  for (let b = 0; b < bits.length; b++) {
    for (let byte = bits[b]; byte; byte &= byte - 1) {
      // The lowest bit's number: 31 minus the zeros before it.
      const code = codes[8 * b + 31 - Math.clz32(byte & -byte)];
      if (code >= 0 && code < kinds) counts[code]++;
    }
  }
  return counts;
}

/**
 * Rows whose code lies in a range.
 * @param {ArrayLike<number>} codes @param {number} from @param {number} to both included
 * @returns {mask.Mask}
 */
export function between(codes, from, to) {
  const found = mask.none(codes.length);
  for (let i = 0; i < codes.length; i++) {
    if (codes[i] >= from && codes[i] <= to) found[i >> 3] |= 1 << (i & 7);
  }
  return found;
}

/**
 * What follows from the selection, made anew only when the selection is another: a hover or a move
 * of the camera repaints too.
 * @template T
 * @param {import("./link.js").Link} link @param {(bits: mask.Mask) => T} make
 * @returns {() => T}
 */
export function once(link, make) {
  /** @type {unknown} */
  let stored;
  let about = "";
  /** @type {T} */
  let made;
  return () => {
    const now = `${link.digest} ${link.model.get("_of")} ${link.n}`;
    if (stored === undefined || stored !== link.model.get("_mask") || about !== now) {
      stored = link.model.get("_mask");
      about = now;
      made = make(link.mask);
    }
    return made;
  };
}

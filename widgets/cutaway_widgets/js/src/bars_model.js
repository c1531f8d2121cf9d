// @ts-check
// Numbers of the bars: which step is shown, how long a bar is, what is said of a row.
import { number } from "./format.js";

/**
 * @typedef {object} Series
 * @property {string} name
 * @property {Float64Array} values steps × rows, row after row of a step
 * @property {Float64Array} whole a row
 */

/**
 * Step to show: the first that is selected, else the first of all.
 * @param {ArrayLike<number>} chosen selected steps, ascending @param {number} n
 */
export const stepOf = (chosen, n) => (chosen.length && chosen[0] < n ? chosen[0] : 0);

/** Part of the track that a bar fills, 0 to 1. @param {number} value @param {number} whole */
export function share(value, whole) {
  if (!(whole > 0) || !(value >= 0)) return 0;
  return Math.min(1, value / whole);
}

/**
 * "49 of 84 features"; an en dash for none.
 * @param {number} value @param {number} whole NaN leaves it out @param {string} [unit]
 */
export function amount(value, whole, unit = "") {
  const told = Number.isNaN(value) ? "–" : number(value);
  const of = Number.isFinite(whole) ? ` of ${number(whole)}` : "";
  return `${told}${of}${unit ? ` ${unit}` : ""}`;
}

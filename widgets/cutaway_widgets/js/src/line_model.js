// @ts-check
// Lines over an axis as functions of their numbers: scales, ticks, stops of the cursor, read-outs.
import { ticks } from "./geometry.js";
import { tickTexts } from "./scatter_draw.js";

/**
 * @typedef {object} Series
 * @property {string} name
 * @property {Float64Array} x
 * @property {Float64Array} y NaN is a gap
 * @property {Float64Array | null} low of the band
 * @property {Float64Array | null} high
 *
 * @typedef {object} Scale
 * @property {number} low
 * @property {number} high
 * @property {boolean} log
 * @property {(value: number) => number} px NaN where a logarithm has none
 * @property {(px: number) => number} value
 */

/**
 * Scale from numbers to pixels.
 * @param {[number, number]} limits @param {boolean} log @param {number} from px of the low end @param {number} to
 * @returns {Scale}
 */
export function scale([low, high], log, from, to) {
  const put = log ? Math.log10 : (/** @type {number} */ one) => one;
  const [a, b] = [put(low), put(high)];
  return {
    low,
    high,
    log,
    px: (value) => (log && value <= 0 ? NaN : from + ((put(value) - a) / (b - a)) * (to - from)),
    value(px) {
      const t = a + ((px - from) / (to - from)) * (b - a);
      return log ? 10 ** t : t;
    },
  };
}

/**
 * Smallest and largest finite number, with room around; on a logarithm only what is above zero.
 * @param {(ArrayLike<number> | null)[]} lists @param {boolean} log @param {number} pad part of the range
 * @returns {[number, number] | null} null: there is none
 */
export function limits(lists, log, pad) {
  let [low, high] = [Infinity, -Infinity];
  for (const list of lists) {
    for (let i = 0; list && i < list.length; i++) {
      const one = list[i];
      if (!Number.isFinite(one) || (log && one <= 0)) continue;
      if (one < low) low = one;
      if (one > high) high = one;
    }
  }
  if (low > high) return null;
  if (log) {
    const room = (high / low) ** pad;
    return low === high ? [low / 2, high * 2] : [low / room, high * room];
  }
  const room = low === high ? Math.abs(low) / 2 || 0.5 : pad * (high - low);
  return [low - room, high + room];
}

/**
 * Ticks of a scale with their texts.
 * @param {Scale} scale @param {number} about how many
 * @param {boolean} [whole] no ticks between whole numbers, as there are no half epochs
 * @returns {{ at: number, text: string }[]}
 */
export function marks(scale, about, whole = false) {
  if (!scale.log) {
    const places = ticks(scale.low, scale.high, about).filter((one) => !whole || Number.isInteger(one));
    return tickTexts(places).map((text, i) => ({ at: places[i], text }));
  }
  const decades = Math.log10(scale.high / scale.low);
  // Within a decade or two also 2 and 5; beyond, every so many decades.
  const heads = decades < 1 ? [1, 2, 3, 5, 7] : decades <= about / 2 ? [1, 2, 5] : [1];
  const every = Math.max(1, Math.ceil(decades / Math.max(2, about)));
  const found = [];
  for (let power = Math.floor(Math.log10(scale.low)); power <= Math.log10(scale.high); power++) {
    if (heads.length === 1 && power % every) continue;
    for (const head of heads) {
      const at = Number(`${head}e${power}`);
      if (at >= scale.low && at <= scale.high) found.push(at);
    }
  }
  const short = (/** @type {number} */ one) =>
    one >= 1e-4 && one < 1e6
      ? one.toLocaleString("en-US", { maximumFractionDigits: 6 })
      : one.toExponential(0).replace("+", "").replace("-", "−");
  return found.map((at) => ({ at, text: short(at) }));
}

/**
 * Where a cursor can stand: every x once, ascending.
 * @param {Float64Array[]} lists
 * @returns {Float64Array}
 */
export function stops(lists) {
  const every = Float64Array.from(lists.flatMap((one) => Array.from(one))).sort();
  return every.filter((one, i) => i === 0 || one !== every[i - 1]);
}

/**
 * Place of the stop that is nearest; of two equally near the lower.
 * @param {ArrayLike<number>} sorted @param {number} x
 * @returns {number} -1 where there is none
 */
export function nearest(sorted, x) {
  let [low, high] = [0, sorted.length - 1];
  if (high < 0 || Number.isNaN(x)) return -1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < x) low = middle + 1;
    else high = middle;
  }
  return low > 0 && x - sorted[low - 1] <= sorted[low] - x ? low - 1 : low;
}

/** Value of a series at an x; NaN where it has none there. @param {Series} series @param {number} x */
export function valueAt(series, x) {
  const i = series.x.indexOf(x);
  return i < 0 ? NaN : series.y[i];
}

/**
 * Runs of points that have a place, as pixels.
 * @param {ArrayLike<number>} x @param {ArrayLike<number>} y @param {Scale} sx @param {Scale} sy
 * @returns {number[][]} x, y, x, y, … of each run
 */
export function runs(x, y, sx, sy) {
  /** @type {number[][]} */
  const found = [];
  let open = false;
  for (let i = 0; i < x.length; i++) {
    const [px, py] = [sx.px(x[i]), sy.px(y[i])];
    if (!Number.isFinite(px) || !Number.isFinite(py)) {
      open = false;
      continue;
    }
    if (!open) found.push([]);
    open = true;
    found[found.length - 1].push(px, py);
  }
  return found;
}

/**
 * The same picture of a run with at most four points a pixel: the first, lowest, highest and last,
 * in their order. A run that goes back on itself is left as it is.
 * @param {number[]} run x, y, x, y, …
 * @returns {number[]}
 */
export function thinned(run) {
  const found = [];
  let i = 0;
  while (i < run.length) {
    const pixel = Math.floor(run[i]);
    let [low, high, last] = [i, i, i];
    for (let k = i; k < run.length && Math.floor(run[k]) === pixel; k += 2) {
      if (k > i && run[k] < run[k - 2]) return run;
      if (run[k + 1] < run[low + 1]) low = k;
      if (run[k + 1] > run[high + 1]) high = k;
      last = k;
    }
    if (last + 2 < run.length && run[last + 2] < run[last]) return run;
    for (const k of new Set([i, Math.min(low, high), Math.max(low, high), last])) found.push(run[k], run[k + 1]);
    i = last + 2;
  }
  return found;
}

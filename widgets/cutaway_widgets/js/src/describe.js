// @ts-check
// A selection in words: how many of it are of which kind.
import { number } from "./format.js";
import * as mask from "./mask.js";
import { tally } from "./mask_fast.js";

const KINDS = 3; // named of a column
const COLUMNS = 3;
const LATER = 200_000; // rows from which words wait until the picture is drawn

/**
 * @typedef {object} Column Kinds or numbers, one a row.
 * @property {string} name
 * @property {string} kind "category" or "number"
 * @property {string[]} [names]
 * @property {ArrayLike<number>} values
 *
 * @typedef {object} Known What a view of a link knows about its rows.
 * @property {string} digest
 * @property {Column[]} columns
 * @property {Uint32Array | null} rows which row each value is about; null for all, in order
 */

/**
 * Columns by link, so that a view without any (the grid) can say what is selected too.
 * @type {WeakMap<object, Known>}
 */
const offered = new WeakMap();

/** @param {object} link model @param {Known} known */
export function offer(link, known) {
  const old = offered.get(link);
  const kinds = (/** @type {Known} */ one) => one.columns.some((column) => column.kind === "category");
  // A second view that colours by numbers only knows less of the same rows.
  if (!old || old.digest !== known.digest || kinds(known) || !kinds(old)) offered.set(link, known);
}

/** @param {{ model: object, digest: string }} link @returns {Known | null} */
export function known(link) {
  const found = offered.get(link.model);
  return found && found.digest === link.digest ? found : null;
}

/**
 * Kinds of the selected rows, e.g. "cluster 3: 41; class 7: 38, class 4: 2; 2 outliers".
 * @param {Column[]} columns @param {mask.Mask} bits in the order of the columns' values
 * @returns {string} empty when there is nothing to say
 */
export function describe(columns, bits) {
  const said = [];
  for (const column of columns) {
    if (column.kind !== "category" || said.length === COLUMNS) continue;
    const words = kindsOf(column, tally(column.values, bits, column.names?.length ?? 0));
    if (words) said.push(words);
  }
  return said.join("; ");
}

/** @param {Column} column @param {Uint32Array} counts @returns {string} */
function kindsOf(column, counts) {
  const names = column.names ?? [];
  if (names.length && names.every((one) => one === "True" || one === "False")) {
    const yes = counts[names.indexOf("True")] ?? 0;
    return yes ? `${number(yes, true)} ${column.name}${yes === 1 ? "" : "s"}` : "";
  }
  const order = [...counts.keys()].filter((k) => counts[k]).sort((a, b) => counts[b] - counts[a] || a - b);
  // "cluster 3" of the column "cluster" is not called "cluster cluster 3".
  const full = (/** @type {string} */ name) =>
    name.toLowerCase().includes(column.name.toLowerCase()) ? name : `${column.name} ${name}`;
  const words = order.slice(0, KINDS).map((k) => `${full(names[k])}: ${number(counts[k], true)}`);
  if (order.length > KINDS) words.push(`${number(order.length - KINDS, true)} more`);
  return words.join(", ");
}

/**
 * Says a summary at once and, where there are very many rows, its details after the picture.
 * @param {(text: string) => void} say @param {AbortSignal} signal
 */
export function teller(say, signal) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let waiting;
  signal.addEventListener("abort", () => clearTimeout(waiting));
  /** @param {number} n rows @param {(details: string) => string} words @param {() => string} details */
  return (n, words, details) => {
    clearTimeout(waiting);
    if (n < LATER) say(words(details()));
    else {
      say(words(""));
      waiting = setTimeout(() => say(words(details())), 150);
    }
  };
}

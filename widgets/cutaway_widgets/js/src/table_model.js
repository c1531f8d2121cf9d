// @ts-check
// Cells, order and filter of a table, as functions of its columns.
import { csv } from "./csv.js";
import { number } from "./format.js";
import { has } from "./mask.js";

/**
 * @typedef {object} Column
 * @property {string} name
 * @property {"number" | "text"} kind
 * @property {string} unit
 * @property {boolean} [whole]
 * @property {string[]} [names]
 * @property {any} values numbers, or places in names
 */

/** @param {Column} column @param {number} row @returns {string} */
export function cell(column, row) {
  return column.kind === "number"
    ? number(column.values[row], column.whole)
    : (column.names?.[column.values[row]] ?? "");
}

/** @param {Column} column @returns {string} name with the unit */
export const head = (column) => (column.unit ? `${column.name} (${column.unit})` : column.name);

/**
 * Rows in order of a column; equal rows keep their order, missing numbers come last.
 * @param {number[]} rows @param {Column | undefined} column @param {boolean} descending
 * @returns {number[]}
 */
export function sorted(rows, column, descending) {
  if (!column) return rows;
  const sign = descending ? -1 : 1;
  const { values } = column;
  if (column.kind === "number") {
    return [...rows].sort((a, b) => {
      const x = values[a];
      const y = values[b];
      if (x !== x || y !== y) return (x !== x ? 1 : 0) - (y !== y ? 1 : 0);
      return sign * (x < y ? -1 : x > y ? 1 : 0);
    });
  }
  const names = column.names ?? [];
  const compare = new Intl.Collator("en", { numeric: true }).compare;
  const ranks = names.map((_, i) => i).sort((a, b) => compare(names[a], names[b]));
  const rank = new Uint32Array(names.length);
  ranks.forEach((place, i) => {
    rank[place] = i;
  });
  return [...rows].sort((a, b) => sign * (rank[values[a]] - rank[values[b]]));
}

/** @type {Record<string, (a: number, b: number) => boolean>} */
const TESTS = {
  "<": (a, b) => a < b,
  "<=": (a, b) => a <= b,
  ">": (a, b) => a > b,
  ">=": (a, b) => a >= b,
  "=": (a, b) => a === b,
};

/**
 * Test of a row by what was typed: words (all must be in some cell) and conditions as `score>0.5`.
 * @param {string} text @param {Column[]} columns
 * @returns {(row: number) => boolean}
 */
export function matcher(text, columns) {
  const parts = text.trim().split(/\s+(?![<>=])(?<![<>=]\s+)/).filter(Boolean);
  const tests = parts.map((part) => {
    const found = /^(.+?)\s*(<=|>=|<|>|=)\s*(.+)$/.exec(part);
    const column = found && columns.find((one) => one.name.toLowerCase() === found[1].toLowerCase());
    if (found && column) {
      const limit = Number(found[3].replace("−", "-"));
      if (column.kind === "number" && !Number.isNaN(limit)) {
        return (/** @type {number} */ row) => TESTS[found[2]](column.values[row], limit);
      }
      return (/** @type {number} */ row) => cell(column, row).toLowerCase() === found[3].toLowerCase();
    }
    const word = part.toLowerCase();
    return (/** @type {number} */ row) => columns.some((one) => cell(one, row).toLowerCase().includes(word));
  });
  return (row) => tests.every((test) => test(row));
}

/**
 * Width of a column in characters, from its head and a sample of its cells.
 * @param {Column} column @param {number} n rows
 */
export function width(column, n) {
  let most = head(column).length + 2;
  const step = Math.max(1, Math.floor(n / 200));
  for (let row = 0; row < n; row += step) most = Math.max(most, cell(column, row).length);
  // The cell's margins; numbers leave room for the mark of the order, too.
  return Math.min(32, most) + (column.kind === "number" ? 4 : 2);
}

/**
 * Rows as CSV, in their order, with their id and whether they are selected.
 * @param {Column[]} columns @param {number[]} rows @param {string} axis
 * @param {(row: number) => string} id @param {import("./mask.js").Mask} bits
 */
export function sheet(columns, rows, axis, id, bits) {
  // A frame's own index is a column already.
  const named = columns.some((one) => one.name === axis);
  const titles = [...(named ? [] : [axis]), ...columns.map(head), "selected"];
  return csv(titles, rows.map((row) => [
    ...(named ? [] : [id(row)]),
    ...columns.map((one) => (one.kind === "number" ? one.values[row] : cell(one, row))),
    has(bits, row) ? 1 : 0,
  ]));
}

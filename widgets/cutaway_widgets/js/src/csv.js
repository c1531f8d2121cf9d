// @ts-check
// Tables as text that other programs read.
import { has } from "./mask.js";

// What starts a formula, also in its wide and small forms, after what a program may skip before it.
// The same rule stands in workbench/cutaway/core/_csv.py.
const FORMULA =
  /^(?:[\t\r\n]|[\x00-\x20\x7f-\xa0\u00ad\u1680\u2000-\u200f\u2028-\u202f\u205f-\u2064\u3000\ufeff]*[=+\-@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b])/;

/**
 * A text as it may stand in a cell: after an apostrophe if a spreadsheet could run it.
 * @param {string} text
 */
export const inert = (text) => (FORMULA.test(text) ? `'${text}` : text);

/**
 * One cell; a text is never a formula, and is quoted when it holds a comma, a quote or a line end. Missing
 * numbers are empty.
 * @param {string | number} value
 */
export function cell(value) {
  if (typeof value === "number") {
    if (Number.isNaN(value)) return "";
    return Number.isFinite(value) ? String(value) : value > 0 ? "inf" : "-inf";
  }
  const text = inert(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/**
 * Lines of cells as CSV (RFC 4180, but for bare line feeds).
 * @param {string[]} head
 * @param {Iterable<(string | number)[]>} lines
 */
export function csv(head, lines) {
  const found = [head.map(cell).join(",")];
  for (const line of lines) found.push(line.map(cell).join(","));
  return `${found.join("\n")}\n`;
}

/**
 * The shortest number that is this 32-bit float: 0.1, not 0.10000000149011612.
 * @param {number} value
 */
export function single(value) {
  if (!Number.isFinite(value)) return value;
  for (let digits = 6; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return short;
  }
  return value;
}

/**
 * Rows of a view as CSV: their ids, what the view says about each, and whether they are selected.
 * @param {{ axis: string, id: (row: number) => string, mask: import("./mask.js").Mask }} link
 * @param {{ length: number, at: (place: number) => number }} rows row of the link at each place
 * @param {{ title: string, at: (place: number) => string | number }[]} columns
 */
export function sheetOf(link, rows, columns) {
  const lines = function* () {
    for (let k = 0; k < rows.length; k++) {
      const row = rows.at(k);
      yield [link.id(row), ...columns.map((one) => one.at(k)), has(link.mask, row) ? 1 : 0];
    }
  };
  return csv([link.axis, ...columns.map((one) => one.title), "selected"], lines());
}

/** A title with its unit. @param {string} name @param {string} [unit] */
export const titled = (name, unit) => (unit ? `${name} (${unit})` : name);

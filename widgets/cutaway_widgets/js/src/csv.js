// @ts-check
// Tables as text that other programs read.
import { has } from "./mask.js";

/**
 * One cell; quoted when it holds a comma, a quote or a line end. Missing numbers are empty.
 * @param {string | number} value
 */
export function cell(value) {
  if (typeof value === "number") {
    if (Number.isNaN(value)) return "";
    return Number.isFinite(value) ? String(value) : value > 0 ? "inf" : "-inf";
  }
  return /[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
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

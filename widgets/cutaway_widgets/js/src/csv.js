// @ts-check
// Tables as text that other programs read.

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

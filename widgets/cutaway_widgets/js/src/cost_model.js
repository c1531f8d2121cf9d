// @ts-check
// Numbers of a cost card: sizes as people read them, shares of a limit, order of the lines.

/** Readable size in decimal units, as Python's card writes it. @param {number} n @returns {string} */
export function bytesText(n) {
  let size = n;
  for (const unit of ["B", "kB", "MB", "GB"]) {
    if (size < 999.95) return unit === "B" ? `${Math.round(size)} B` : `${size.toFixed(1)} ${unit}`;
    size /= 1000;
  }
  return `${size.toFixed(1)} TB`;
}

/** Percentage in at most two digits; never 0 for something. @param {number} part @param {number} whole */
export function percent(part, whole) {
  if (!(whole > 0)) return "–";
  const share = (100 * part) / whole;
  if (share > 0 && share < 0.1) return "< 0.1 %";
  return `${share < 9.95 ? share.toFixed(1) : Math.round(share).toLocaleString("en-US")} %`;
}

/** Time as people read it. @param {number} s @returns {string} */
export function duration(s) {
  if (s < 0.1) return "under 0.1 s";
  if (s < 99.5) return `about ${s < 9.95 ? s.toFixed(1) : Math.round(s)} s`;
  return s < 5970 ? `about ${Math.round(s / 60)} min` : `about ${(s / 3600).toFixed(1)} h`;
}

/**
 * Places of the lines in the wanted order; equal ones keep the network's.
 * @param {number} n @param {string} by @param {boolean} descending
 * @param {Record<string, ArrayLike<any>>} columns numbers by name
 * @returns {number[]}
 */
export function sorted(n, by, descending, columns) {
  const places = Array.from({ length: n }, (_, i) => i);
  const sign = descending ? -1 : 1;
  if (by === "order") return descending ? places.reverse() : places;
  const values = columns[by] ?? [];
  return values.length === n ? places.sort((a, b) => sign * (values[a] - values[b]) || a - b) : places;
}

/**
 * Is the plan allowed, and what else would help?
 * @param {number} total @param {number} limit @param {number | null} free
 * @returns {{ fits: boolean, words: string }}
 */
export function verdict(total, limit, free) {
  const ways = "choose fewer sites or samples, or pool maps";
  if (total > limit) return { fits: false, words: `over the limit: ${ways}, or raise max_bytes` };
  if (free !== null && total > free) return { fits: false, words: `more than the disk has free: ${ways}, or another disk` };
  return { fits: true, words: "" };
}

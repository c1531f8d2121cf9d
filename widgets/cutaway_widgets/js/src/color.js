// @ts-check
// Colours of data: Okabe-Ito for kinds, viridis for numbers.

// Okabe & Ito (2008), without black, ordered so that neighbours differ most.
export const OKABE_ITO = [
  "#0072B2",
  "#E69F00",
  "#009E73",
  "#D55E00",
  "#CC79A7",
  "#56B4E9",
  "#F0E442",
];

export const MISSING = "#999999";

// Each the farthest (CIEDE2000; seen by all, by deuteranopes and by protanopes after Machado et al.
// 2009) from those before it, from the grey of missing ones and from both grounds.
const FURTHER = [
  ...["#774444", "#3311CC", "#664400", "#EEBBAA", "#880066", "#8877FF", "#FF3366"],
  ...["#88CCCC", "#886688", "#BB5544", "#88CC66", "#BB2255", "#CC00AA"],
];

/**
 * CSS colours of n kinds: the seven of Okabe-Ito, thirteen chosen to differ from them, then hues
 * turned by the golden angle at two lightnesses (beyond eight no palette is safe for all eyes: the
 * legend and the hover name them).
 * @param {number} n
 * @returns {string[]}
 */
export function kinds(n) {
  return Array.from({ length: n }, (_, i) => {
    const known = OKABE_ITO[i] ?? FURTHER[i - OKABE_ITO.length];
    if (known) return known;
    const hue = (i * 137.508) % 360;
    return hslToHex(hue, 0.55, i % 2 ? 0.38 : 0.62);
  });
}

/** @param {number} h degrees @param {number} s @param {number} l @returns {string} */
function hslToHex(h, s, l) {
  const a = s * Math.min(l, 1 - l);
  const part = (/** @type {number} */ n) => {
    const k = (n + h / 30) % 12;
    const value = l - a * Math.max(-1, Math.min(k - 3, 9 - k, 1));
    return Math.round(255 * value)
      .toString(16)
      .padStart(2, "0");
  };
  return `#${part(0)}${part(8)}${part(4)}`;
}

// Eleven stops of matplotlib's viridis (BSD/CC0, van der Walt & Smith), linear between them.
const VIRIDIS = [
  [68, 1, 84],
  [72, 36, 117],
  [65, 68, 135],
  [53, 95, 141],
  [42, 120, 142],
  [33, 145, 140],
  [34, 168, 132],
  [68, 191, 112],
  [122, 209, 81],
  [189, 223, 38],
  [253, 231, 37],
];

/** @param {number} t 0..1 @returns {[number, number, number]} */
export function viridis(t) {
  const at = Math.min(Math.max(t, 0), 1) * (VIRIDIS.length - 1);
  const i = Math.min(Math.floor(at), VIRIDIS.length - 2);
  const f = at - i;
  const [a, b] = [VIRIDIS[i], VIRIDIS[i + 1]];
  const mix = (/** @type {number} */ c) => Math.round(a[c] + f * (b[c] - a[c]));
  return [mix(0), mix(1), mix(2)];
}

const STEPS = 64;

/**
 * A colour column made ready for drawing: a palette and one place in it a row.
 * Numbers get 64 steps, so that each step's point is drawn once and then stamped.
 * @param {{ kind: string, names?: string[], colors?: string[] | null, limits?: [number, number] } | null} column
 * @param {any} data codes or numbers
 * @param {number} n
 * @returns {{ palette: string[], places: Uint16Array }} place palette.length - 1 is "missing"
 */
export function paint(column, data, n) {
  if (!column) return { palette: [OKABE_ITO[0], MISSING], places: new Uint16Array(n) };
  const places = new Uint16Array(n);
  if (column.kind === "category") {
    const palette = column.colors ?? kinds(column.names?.length ?? 0);
    for (let i = 0; i < n; i++) places[i] = data[i] < palette.length ? data[i] : palette.length;
    return { palette: [...palette, MISSING], places };
  }
  const [low, high] = column.limits ?? [0, 1];
  const span = high - low || 1;
  for (let i = 0; i < n; i++) {
    const t = (data[i] - low) / span;
    places[i] = Number.isFinite(t)
      ? Math.min(STEPS - 1, Math.max(0, Math.floor(t * STEPS)))
      : STEPS;
  }
  const palette = Array.from({ length: STEPS }, (_, i) => {
    const [r, g, b] = viridis((i + 0.5) / STEPS);
    return `#${[r, g, b].map((c) => c.toString(16).padStart(2, "0")).join("")}`;
  });
  return { palette: [...palette, MISSING], places };
}

/**
 * Colours of the host's theme, read from the style sheet's variables.
 * @param {Element} el
 */
export function theme(el) {
  const style = getComputedStyle(el);
  const read = (/** @type {string} */ name) => style.getPropertyValue(`--cw-${name}`).trim();
  return {
    ground: read("ground") || "#fff",
    text: read("text") || "#222",
    faint: read("faint") || "#777",
    line: read("line") || "#ddd",
    accent: read("accent") || "#0072B2",
    font: style.fontFamily || "sans-serif",
  };
}

// @ts-check
// Colours of numbers in cells: ramps as tables of 256 colours, the ink that is read on them, the bar.
import { viridis } from "./color.js";
import { h } from "./dom.js";
import { number } from "./format.js";

/** @typedef {[number, number, number]} Rgb */

// ColorBrewer 2.0 RdBu of eleven classes (Brewer, Harrower & Penn State; marked safe for colour-blind
// readers), turned so that blue is low, linear between the stops.
/** @type {Rgb[]} */
const BLUE_RED = [
  [5, 48, 97],
  [33, 102, 172],
  [67, 147, 195],
  [146, 197, 222],
  [209, 229, 240],
  [247, 247, 247],
  [253, 219, 199],
  [244, 165, 130],
  [214, 96, 77],
  [178, 24, 43],
  [103, 0, 31],
];
// The same hues for a dark ground: zero is the darkest, so that what is large shines.
/** @type {Rgb[]} */
const BLUE_RED_DARK = [
  [209, 229, 240],
  [146, 197, 222],
  [67, 147, 195],
  [33, 102, 172],
  [24, 62, 107],
  [36, 41, 47],
  [94, 24, 38],
  [178, 24, 43],
  [214, 96, 77],
  [244, 165, 130],
  [253, 219, 199],
];

/** @param {Rgb[]} stops @param {number} t 0..1 @returns {Rgb} */
function between(stops, t) {
  const at = Math.min(Math.max(t, 0), 1) * (stops.length - 1);
  const i = Math.min(Math.floor(at), stops.length - 2);
  const mix = (/** @type {number} */ c) => Math.round(stops[i][c] + (at - i) * (stops[i + 1][c] - stops[i][c]));
  return [mix(0), mix(1), mix(2)];
}

/**
 * Colours from the low limit to the high one.
 * @param {"viridis" | "diverging" | "shade"} kind shade: from the ground to blue, for texts
 * @param {boolean} dark is the ground dark? viridis is the same on both
 * @returns {Rgb[]} 256 colours
 */
export function ramp(kind, dark) {
  const stops = dark ? BLUE_RED_DARK : BLUE_RED;
  const blues = stops.slice(0, 6).reverse();
  return Array.from({ length: 256 }, (_, i) => {
    const t = i / 255;
    if (kind === "viridis") return viridis(t);
    return between(kind === "shade" ? blues : stops, t);
  });
}

/**
 * Place in a ramp; limits that are one number put it in the middle.
 * @param {number} value @param {number} low @param {number} high
 * @returns {number} 0..255, or -1 for NaN
 */
export function step(value, low, high) {
  if (value !== value) return -1;
  const t = high > low ? (value - low) / (high - low) : value === low ? 0.5 : value > low ? 1 : 0;
  return Math.round(255 * Math.min(1, Math.max(0, t)));
}

/** @param {Rgb} rgb @returns {number} relative luminance as in WCAG 2.2 */
export function luminance(rgb) {
  const [r, g, b] = rgb.map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** @param {Rgb} a @param {Rgb} b @returns {number} contrast ratio as in WCAG 2.2, 1..21 */
export function contrast(a, b) {
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (high + 0.05) / (low + 0.05);
}

/** Black or white, whichever is read better on a colour: 4.5 or more on any. @param {Rgb} rgb */
export const ink = (rgb) => (contrast(rgb, [0, 0, 0]) >= contrast(rgb, [255, 255, 255]) ? "#000" : "#fff");

/** @param {Rgb} rgb */
export const css = (rgb) => `rgb(${rgb.join(",")})`;

/**
 * Colour bar with its limits and unit.
 * @param {HTMLElement} el filled anew
 * @param {{ name: string, unit: string, low: number, high: number, beyond?: boolean }} about
 *   beyond: are there numbers outside the limits?
 * @param {Rgb[]} colors
 */
export function bar(el, { name, unit, low, high, beyond }, colors) {
  const stops = Array.from({ length: 17 }, (_, i) => css(colors[Math.round((255 * i) / 16)]));
  const label = [name, unit && `(${unit})`].filter(Boolean).join(" ");
  const [least, most] = beyond ? ["≤ ", "≥ "] : ["", ""];
  el.replaceChildren(
    ...(label ? [h("span", { class: "cw-legend-name" }, label)] : []),
    h("span", {}, least + number(low)),
    h("span", { class: "cw-ramp", style: `background: linear-gradient(to right, ${stops})` }),
    h("span", {}, most + number(high)),
  );
}

/**
 * Is the ground of a view dark? Decides which ramp is read on it.
 * @param {CanvasRenderingContext2D} ctx @param {string} ground a CSS colour
 */
export function isDark(ctx, ground) {
  ctx.fillStyle = "#ffffff";
  ctx.fillStyle = ground;
  const read = String(ctx.fillStyle);
  const parts = read.startsWith("#")
    ? [1, 3, 5].map((i) => parseInt(read.slice(i, i + 2), 16))
    : (read.match(/[\d.]+/g) ?? []).slice(0, 3).map(Number);
  return luminance(/** @type {Rgb} */ (parts)) < 0.18;
}

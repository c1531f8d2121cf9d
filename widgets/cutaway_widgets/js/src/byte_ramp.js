// @ts-check
// Colours of numbers that arrive as bytes: 0 … 254 between two limits, 255 for a missing one.
import { viridis } from "./color.js";

export const LAST = 254;
export const MISSING = 255;

/** @typedef {[number, number, number]} Rgb */

// Blue and vermilion of Okabe-Ito, by way of a light grey: told apart by all eyes.
const BELOW = [0, 114, 178];
const ZERO = [246, 246, 246];
const ABOVE = [213, 94, 0];

/** @param {number} t -1..1 @returns {Rgb} */
export function diverging(t) {
  const f = Math.min(Math.abs(t), 1);
  const end = t < 0 ? BELOW : ABOVE;
  const mix = (/** @type {number} */ c) => Math.round(ZERO[c] + f * (end[c] - ZERO[c]));
  return [mix(0), mix(1), mix(2)];
}

/** The end colour towards which a signed number goes. @param {number} t @returns {Rgb} */
export const side = (t) => /** @type {Rgb} */ (t < 0 ? BELOW : ABOVE);

/** @param {string} name @param {number} t 0..1 @returns {Rgb} */
export function shade(name, t) {
  if (name === "diverging") return diverging(2 * t - 1);
  if (name === "viridis") return viridis(t);
  const grey = Math.round(255 * Math.min(Math.max(t, 0), 1));
  return [grey, grey, grey];
}

/** Limits of a ramp for data limits; a diverging one has zero in its middle.
 * @param {string} name @param {number} low @param {number} high @returns {[number, number]} */
export function ends(name, low, high) {
  if (name !== "diverging") return [low, high];
  const most = Math.max(Math.abs(low), Math.abs(high));
  return [-most, most];
}

/**
 * Colours of all bytes: three numbers each.
 * @param {string} name of the ramp
 * @param {[number, number]} data what byte 0 and the last stand for
 * @param {[number, number]} shown what the ends of the ramp stand for
 * @returns {Uint8ClampedArray}
 */
export function table(name, data, shown) {
  const found = new Uint8ClampedArray(3 * 256).fill(153); // grey where a number is missing
  const span = shown[1] - shown[0];
  for (let q = 0; q <= LAST; q++) {
    const value = data[0] + (q / LAST) * (data[1] - data[0]);
    // All values equal: the middle says neither low nor high.
    found.set(shade(name, span > 0 ? (value - shown[0]) / span : 0.5), 3 * q);
  }
  return found;
}

/** CSS gradient of a ramp, left to right. @param {string} name @returns {string} */
export function gradient(name) {
  const stops = Array.from({ length: 11 }, (_, i) => `rgb(${shade(name, i / 10).join(",")})`);
  return `linear-gradient(to right, ${stops})`;
}

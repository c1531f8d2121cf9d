// @ts-check
// Signed bytes over a picture: which colour, how strong, and what number it was.
import { LAST, MISSING, diverging, side } from "./byte_ramp.js";

const ZERO = LAST / 2;

/** Number behind a byte; NaN for a missing one. @param {number} byte @param {number} peak */
export const value = (byte, peak) => (byte === MISSING ? NaN : ((byte - ZERO) / ZERO) * peak);

/**
 * Colours of all bytes: four numbers each.
 * @param {"attribution" | "overlay"} layer opaque, or the stronger the less of the picture shows
 * @param {number} peak largest size in the sample @param {number} limit size at the end of the ramp
 * @param {number} opacity of the largest, over a picture
 */
export function colors(layer, peak, limit, opacity) {
  const found = new Uint8ClampedArray(4 * 256);
  for (let q = 0; q <= LAST; q++) {
    const t = limit > 0 ? value(q, peak) / limit : 0;
    const [r, g, b] = layer === "overlay" ? side(t) : diverging(t);
    found.set([r, g, b, layer === "overlay" ? 255 * Math.abs(t) * opacity : 255], 4 * q);
  }
  if (layer !== "overlay") found.set([153, 153, 153, 255], 4 * MISSING);
  return found;
}

/**
 * Where a picture of some shape lies, centred, in a square.
 * @param {number} high @param {number} wide @param {number} room side of the square
 * @returns {[number, number, number, number]} left, top, width, height
 */
export function inside(high, wide, room) {
  const k = room / Math.max(high, wide, 1);
  return [(room - wide * k) / 2, (room - high * k) / 2, wide * k, high * k];
}

/**
 * Which pixel lies under a place of the square; null for none.
 * @param {number} high @param {number} wide @param {number} room @param {number} x @param {number} y
 */
export function pixelAt(high, wide, room, x, y) {
  const [left, top, w, h] = inside(high, wide, room);
  const column = Math.floor(((x - left) / w) * wide);
  const row = Math.floor(((y - top) / h) * high);
  return row >= 0 && row < high && column >= 0 && column < wide ? { row, column } : null;
}

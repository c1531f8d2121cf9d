// @ts-check
// The camera between data and page, boxes around points, ticks of axes.

/**
 * @typedef {object} Camera Data to page: px = x * kx + ox, py = y * ky + oy (ky is negative).
 * @property {number} kx
 * @property {number} ky
 * @property {number} ox
 * @property {number} oy
 */

/**
 * Smallest box around the finite points.
 * @param {Float32Array} points x, y, x, y, …
 * @returns {[number, number, number, number]} x0, y0, x1, y1
 */
export function bounds(points) {
  let [x0, y0, x1, y1] = [Infinity, Infinity, -Infinity, -Infinity];
  for (let i = 0; i < points.length; i += 2) {
    const x = points[i];
    const y = points[i + 1];
    if (!(Number.isFinite(x) && Number.isFinite(y))) continue;
    if (x < x0) x0 = x;
    if (x > x1) x1 = x;
    if (y < y0) y0 = y;
    if (y > y1) y1 = y;
  }
  return x0 <= x1 ? [x0, y0, x1, y1] : [0, 0, 1, 1];
}

/**
 * Box around points and outlines together.
 * @param {Float32Array} points @param {Float32Array} table six numbers an outline
 * @returns {[number, number, number, number]}
 */
export function extent(points, table) {
  const corners = [];
  for (let k = 0; k < table.length; k += 6) {
    const [cx, cy, a, b, angle] = table.subarray(k, k + 5);
    const w = Math.hypot(a * Math.cos(angle), b * Math.sin(angle));
    const h = Math.hypot(a * Math.sin(angle), b * Math.cos(angle));
    corners.push(cx - w, cy - h, cx + w, cy + h);
  }
  const some = bounds(points);
  return corners.length ? bounds(Float32Array.from([...some, ...corners])) : some;
}

/**
 * Camera that shows a box inside a page rectangle.
 * @param {[number, number, number, number]} box
 * @param {{ left: number, top: number, width: number, height: number }} area
 * @param {boolean} equal one scale for both axes
 * @returns {Camera}
 */
export function fit([x0, y0, x1, y1], area, equal) {
  const w = x1 - x0 || Math.abs(x0) || 1;
  const h = y1 - y0 || Math.abs(y0) || 1;
  let kx = area.width / w;
  let ky = area.height / h;
  if (equal) kx = ky = Math.min(kx, ky);
  const cx = (x0 + x1) / 2;
  const cy = (y0 + y1) / 2;
  return {
    kx,
    ky: -ky,
    ox: area.left + area.width / 2 - cx * kx,
    oy: area.top + area.height / 2 + cy * ky,
  };
}

/**
 * Camera zoomed by a factor about a page place.
 * @param {Camera} camera @param {number} factor @param {number} px @param {number} py
 * @returns {Camera}
 */
export function zoom(camera, factor, px, py) {
  return {
    kx: camera.kx * factor,
    ky: camera.ky * factor,
    ox: px + (camera.ox - px) * factor,
    oy: py + (camera.oy - py) * factor,
  };
}

/** @param {number} x0 @param {number} y0 @param {number} x1 @param {number} y1 */
export const rectangle = (x0, y0, x1, y1) => [x0, y0, x1, y0, x1, y1, x0, y1];

/**
 * Round places for axis ticks.
 * @param {number} low @param {number} high @param {number} about how many
 * @returns {number[]}
 */
export function ticks(low, high, about) {
  if (!(high > low) || !Number.isFinite(high - low)) return [];
  const raw = (high - low) / Math.max(2, about);
  const power = 10 ** Math.floor(Math.log10(raw));
  // The nearest of 1, 2, 5, 10 by ratio: between them lie the geometric means.
  const step = power * (raw < 1.41 * power ? 1 : raw < 3.16 * power ? 2 : raw < 7.07 * power ? 5 : 10);
  const found = [];
  for (let k = Math.ceil(low / step); k * step <= high; k++) found.push(k * step);
  return found;
}

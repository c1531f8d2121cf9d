// @ts-check
// Planes: which points lie in an outline, which is nearest, and the camera between data and page.
import * as mask from "./mask.js";

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

/**
 * Is a place inside a closed outline? Even-odd rule.
 * @param {number} x @param {number} y
 * @param {ArrayLike<number>} outline x, y, x, y, …
 */
export function inside(x, y, outline) {
  let within = false;
  const n = outline.length;
  for (let i = 0, j = n - 2; i < n; j = i, i += 2) {
    const yi = outline[i + 1];
    const yj = outline[j + 1];
    if (yi > y !== yj > y) {
      const cross = ((outline[j] - outline[i]) * (y - yi)) / (yj - yi) + outline[i];
      if (x < cross) within = !within;
    }
  }
  return within;
}

/**
 * Rows whose point lies in a page outline.
 * @param {Float32Array} points
 * @param {Camera} camera
 * @param {number[]} outline page x, y, …
 * @returns {mask.Mask}
 */
export function lasso(points, camera, outline) {
  const n = points.length / 2;
  const found = mask.none(n);
  if (outline.length < 6) return found;
  const [x0, y0, x1, y1] = bounds(Float32Array.from(outline));
  for (let i = 0; i < n; i++) {
    const x = points[2 * i] * camera.kx + camera.ox;
    const y = points[2 * i + 1] * camera.ky + camera.oy;
    if (x >= x0 && x <= x1 && y >= y0 && y <= y1 && inside(x, y, outline)) mask.add(found, i);
  }
  return found;
}

/** @param {number} x0 @param {number} y0 @param {number} x1 @param {number} y1 */
export const rectangle = (x0, y0, x1, y1) => [x0, y0, x1, y0, x1, y1, x0, y1];

/**
 * Nearest row to a page place within a reach.
 * @param {Float32Array} points @param {Camera} camera
 * @param {number} px @param {number} py @param {number} reach pixels
 * @returns {number} row or -1
 */
export function nearest(points, camera, px, py, reach) {
  let best = -1;
  let limit = reach * reach;
  for (let i = 0; i < points.length / 2; i++) {
    const dx = points[2 * i] * camera.kx + camera.ox - px;
    const dy = points[2 * i + 1] * camera.ky + camera.oy - py;
    const d = dx * dx + dy * dy;
    if (d <= limit) {
      limit = d;
      best = i;
    }
  }
  return best;
}

/**
 * Next row from a row in a direction, for the arrow keys: nearest by distance, sideways counts
 * twice.
 * @param {Float32Array} points @param {Camera} camera @param {number} from
 * @param {number} dx @param {number} dy page direction, one of them ±1
 * @returns {number} row, or `from` if there is none
 */
export function step(points, camera, from, dx, dy) {
  const px = points[2 * from] * camera.kx + camera.ox;
  const py = points[2 * from + 1] * camera.ky + camera.oy;
  let best = from;
  let limit = Infinity;
  for (let i = 0; i < points.length / 2; i++) {
    const x = points[2 * i] * camera.kx + camera.ox - px;
    const y = points[2 * i + 1] * camera.ky + camera.oy - py;
    const along = x * dx + y * dy;
    const aside = Math.abs(x * dy) + Math.abs(y * dx);
    const cost = along + 2 * aside;
    if (along > 0.5 && aside <= 2 * along && cost < limit) {
      limit = cost;
      best = i;
    }
  }
  return best;
}

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

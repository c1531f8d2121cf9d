// Slow and obviously right: every point is looked at.
import * as mask from "../src/mask.js";

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
  for (let i = 0; i < n; i++) {
    const x = points[2 * i] * camera.kx + camera.ox;
    const y = points[2 * i + 1] * camera.ky + camera.oy;
    if (inside(x, y, outline)) mask.add(found, i);
  }
  return found;
}

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

/** Chance that is the same in every run (Lehmer's generator). */
export const random = (seed) => () => {
  seed = (seed * 48271) % 2147483647;
  return seed / 2147483647;
};

/** Points of blobs, with duplicates, outliers and some without a place. */
export function planted(n, seed) {
  const next = random(seed);
  const points = new Float32Array(2 * n);
  for (let i = 0; i < n; i++) {
    const blob = i % 5;
    points[2 * i] = blob * 3 + next() + next() + next();
    points[2 * i + 1] = (blob % 2) * 4 + next() + next();
    if (i % 11 === 3) points.copyWithin(2 * i, 2 * i - 2, 2 * i);
    if (i % 97 === 5) points[2 * i] = points[2 * i + 1] = NaN;
  }
  if (n > 50) points.set([900, -700, -300, 20], 20);
  return points;
}

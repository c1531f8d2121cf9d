// @ts-check
// How many points lie on each pixel: viridis by logarithmic count, the selected over the rest.
import { rgb } from "./cloud.js";
import { viridis } from "./color.js";

const CELL = 2; // px of a cell's side: single points must still be seen
const STEPS = 64;

/**
 * @typedef {object} Counts
 * @property {number} columns
 * @property {number} lines
 * @property {Uint32Array} all points a cell, row by row
 * @property {Uint32Array} picked selected ones; empty when nothing is selected
 * @property {number} most of the cells that are coloured
 */

/**
 * @param {{ points: Float32Array, mask: import("./mask.js").Mask, dim: boolean }} cloud
 * @param {import("./geometry.js").Camera} camera @param {import("./cloud.js").Area} area
 * @param {number} [cell] CSS pixels
 * @returns {Counts}
 */
export function counts({ points, mask: bits, dim }, camera, area, cell = CELL) {
  const columns = Math.max(1, Math.ceil(area.width / cell));
  const lines = Math.max(1, Math.ceil(area.height / cell));
  const all = new Uint32Array(columns * lines);
  const picked = new Uint32Array(dim ? columns * lines : 0);
  const kx = camera.kx / cell;
  const ky = camera.ky / cell;
  const ox = (camera.ox - area.left) / cell;
  const oy = (camera.oy - area.top) / cell;
  for (let i = 0; i < points.length / 2; i++) {
    const x = points[2 * i] * kx + ox;
    const y = points[2 * i + 1] * ky + oy;
    // Written so that NaN fails.
    if (!(x >= 0 && y >= 0 && x < columns && y < lines)) continue;
    const at = (y | 0) * columns + (x | 0);
    all[at]++;
    if (dim) picked[at] += (bits[i >> 3] >> (i & 7)) & 1;
  }
  const shown = dim ? picked : all;
  let most = 0;
  for (let k = 0; k < shown.length; k++) if (shown[k] > most) most = shown[k];
  return { columns, lines, all, picked, most };
}

/**
 * Place on the colour scale: 0 for one point, 1 for the most.
 * @param {number} count @param {number} most
 */
export const level = (count, most) => (most > 1 ? Math.log(count) / Math.log(most) : 1);

/**
 * Colours of the cells as one number a pixel, alpha highest.
 * @param {Counts} found @param {{ ground: string, faint: string }} shades
 * @returns {Uint32Array}
 */
export function colors({ all, picked, most }, shades) {
  const packed = (/** @type {number[]} */ [r, g, b]) => ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
  const scale = Uint32Array.from({ length: STEPS + 1 }, (_, k) => packed(viridis(k / STEPS)));
  const [ground, faint] = [rgb(shades.ground), rgb(shades.faint)];
  const greys = Uint32Array.from({ length: STEPS + 1 }, (_, k) => {
    const part = 0.15 + (0.3 * k) / STEPS;
    return packed(ground.map((one, c) => Math.round(one + part * (faint[c] - one))));
  });
  const dim = picked.length > 0;
  let crowded = 0;
  for (let k = 0; dim && k < all.length; k++) if (all[k] > crowded) crowded = all[k];
  const pixels = new Uint32Array(all.length);
  for (let k = 0; k < all.length; k++) {
    const count = dim ? picked[k] : all[k];
    if (count) pixels[k] = scale[Math.round(STEPS * level(count, most))];
    else if (all[k]) pixels[k] = greys[Math.round(STEPS * level(all[k], crowded))];
  }
  return pixels;
}

/**
 * @param {CanvasRenderingContext2D} ctx @param {Counts} found
 * @param {import("./cloud.js").Area} area @param {{ ground: string, faint: string }} shades
 */
export function paint(ctx, found, area, shades) {
  const { columns, lines } = found;
  const sheet = document.createElement("canvas");
  sheet.width = columns;
  sheet.height = lines;
  const pen = /** @type {CanvasRenderingContext2D} */ (sheet.getContext("2d"));
  const image = pen.createImageData(columns, lines);
  new Uint32Array(image.data.buffer).set(colors(found, shades));
  pen.putImageData(image, 0, 0);
  ctx.save();
  ctx.beginPath();
  ctx.rect(area.left, area.top, area.width, area.height);
  ctx.clip();
  ctx.imageSmoothingEnabled = false;
  ctx.drawImage(sheet, area.left, area.top, columns * CELL, lines * CELL);
  ctx.restore();
}

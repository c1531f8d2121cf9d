// @ts-check
// Points written straight into pixels by the processor: where there is no graphics processor this
// is many times faster than WebGL or a canvas call for each.
import * as mask from "./mask.js";

/**
 * @typedef {import("./geometry.js").Camera} Camera
 * @typedef {{ left: number, top: number, width: number, height: number }} Area
 *
 * @typedef {object} Cloud
 * @property {Float32Array} points
 * @property {Uint16Array} places of their colours in the palette
 * @property {string[]} palette CSS colours
 * @property {mask.Mask} mask
 * @property {unknown} stamp another one when the mask is another
 * @property {boolean} dim unselected points are faint
 * @property {number} radius CSS pixels
 * @property {number} crowd points that the camera may show
 *
 * @typedef {object} Stamp Pixels of one point: r, g, b and coverage 0..1, row by row.
 * @property {number} side
 * @property {Float32Array} pixels
 */

export const FAINT = 0.15;
export const FULL = 0.92;
const CROWD = 20_000; // points from which soft edges cost more than they show

/**
 * Radius that keeps points apart: they shrink as more of them share the view.
 * @param {number} crowd points in sight
 * @returns {number} CSS pixels
 */
export const radius = (crowd) => Math.min(4.5, Math.max(1, 8.9 * Math.max(1, crowd) ** -0.17));

/** Widths of a plain and of a selected point's rim. @param {number} radius @returns {[number, number]} */
export const rimOf = (radius) => (radius < 1.5 ? [0, 0] : [0.5, 0.9]);

/** Writes points of one view; keeps its pixels between frames. */
export class PixelPoints {
  /** @type {ImageData | null} */
  image = null;

  /**
   * @param {CanvasRenderingContext2D} ctx @param {Cloud} cloud @param {Camera} camera @param {Area} area
   * @param {{ ground: string, text: string }} shades
   */
  draw(ctx, cloud, camera, area, shades) {
    const ratio = ctx.getTransform().a;
    const left = Math.round(area.left * ratio);
    const top = Math.round(area.top * ratio);
    const width = Math.max(1, Math.round(area.width * ratio));
    const height = Math.max(1, Math.round(area.height * ratio));
    if (this.image?.width !== width || this.image.height !== height) this.image = ctx.createImageData(width, height);
    else this.image.data.fill(0);
    const device = {
      kx: camera.kx * ratio,
      ky: camera.ky * ratio,
      ox: camera.ox * ratio - left,
      oy: camera.oy * ratio - top,
    };
    if (cloud.crowd > CROWD) dots(this.image, cloud, device, ratio, shades);
    else stamps(this.image, cloud, device, ratio, shades);
    ctx.putImageData(this.image, left, top);
  }
}

/**
 * Small discs with hard edges: a store a pixel.
 * @param {ImageData} image @param {Cloud} cloud @param {Camera} camera to pixels of the image
 * @param {number} ratio @param {{ ground: string }} shades
 */
export function dots({ width, height, data }, cloud, camera, ratio, shades) {
  const pixels = new Uint32Array(data.buffer);
  const ground = rgb(shades.ground);
  const ink = (/** @type {number} */ alpha) =>
    Uint32Array.from(cloud.palette, (css) => {
      const [r, g, b] = rgb(css).map((one, c) => Math.round(one * alpha + ground[c] * (1 - alpha)));
      return ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
    });
  const r = cloud.radius * ratio;
  const edge = Math.ceil(r);
  const disc = [];
  for (let y = -edge; y <= edge; y++) {
    for (let x = -edge; x <= edge; x++) if (x * x + y * y <= r * r + 0.25) disc.push(y * width + x);
  }
  const offsets = Int32Array.from(disc);
  const { points, places, mask: bits, dim } = cloud;
  const { kx, ky, ox, oy } = camera;
  const [right, bottom] = [width - edge - 1, height - edge - 1];
  // Selected points last, so that faint ones never cover them.
  for (const picked of dim ? [0, 1] : [1]) {
    const inks = ink(picked ? 1 : FAINT);
    for (let i = 0; i < places.length; i++) {
      if (dim && ((bits[i >> 3] >> (i & 7)) & 1) !== picked) continue;
      const x = points[2 * i] * kx + ox;
      const y = points[2 * i + 1] * ky + oy;
      // Written so that NaN fails.
      if (!(x >= edge && y >= edge && x < right && y < bottom)) continue;
      const at = ((y + 0.5) | 0) * width + ((x + 0.5) | 0);
      const color = inks[places[i]];
      for (let k = 0; k < offsets.length; k++) pixels[at + offsets[k]] = color;
    }
  }
}

/**
 * Discs with soft edges and rims.
 * @param {ImageData} image @param {Cloud} cloud @param {Camera} camera to pixels of the image
 * @param {number} ratio @param {{ ground: string, text: string }} shades
 */
function stamps(image, cloud, camera, ratio, shades) {
  const { points, places, palette, mask: bits, dim } = cloud;
  const [thin, thick] = rimOf(cloud.radius);
  const made = (/** @type {string} */ edge, /** @type {number} */ width) => {
    const rim = rgb(edge);
    return palette.map((one) => stamp(rgb(one), cloud.radius * ratio, rim, width * ratio));
  };
  const plain = made(shades.ground, thin);
  const front = dim ? made(shades.text, thick) : plain;
  for (const selected of dim ? [false, true] : [false]) {
    const alpha = dim && !selected ? FAINT : FULL;
    for (let i = 0; i < places.length; i++) {
      if (dim && mask.has(bits, i) !== selected) continue;
      const x = points[2 * i] * camera.kx + camera.ox;
      const y = points[2 * i + 1] * camera.ky + camera.oy;
      if (x === x && y === y) press(image, (selected ? front : plain)[places[i]], x, y, alpha);
    }
  }
}

/** @type {Map<string, [number, number, number]>} */
const known = new Map();
/** @type {CanvasRenderingContext2D | null} */
let reader = null;

/**
 * Red, green and blue of any CSS colour, by a canvas's own reading of it.
 * @param {string} css
 * @returns {[number, number, number]}
 */
export function rgb(css) {
  const short = /^#[0-9a-f]{6}$/i.test(css);
  if (short) return [parseInt(css.slice(1, 3), 16), parseInt(css.slice(3, 5), 16), parseInt(css.slice(5), 16)];
  let found = known.get(css);
  if (found) return found;
  reader ??= document.createElement("canvas").getContext("2d");
  if (!reader) return [128, 128, 128];
  reader.fillStyle = "#808080";
  reader.fillStyle = css;
  const read = String(reader.fillStyle);
  found = read.startsWith("#") ? rgb(read) : /** @type {any} */ ((read.match(/[\d.]+/g) ?? []).slice(0, 3).map(Number));
  known.set(css, /** @type {[number, number, number]} */ (found));
  return /** @type {[number, number, number]} */ (found);
}

/**
 * A disc with a rim, its edge smoothed over one pixel.
 * @param {number[]} color @param {number} r device pixels @param {number[]} rim @param {number} width
 * @returns {Stamp}
 */
export function stamp(color, r, rim, width) {
  const half = Math.ceil(r + width / 2);
  const side = 2 * half + 1;
  const pixels = new Float32Array(4 * side * side);
  const covered = (/** @type {number} */ radius, /** @type {number} */ d) =>
    Math.min(1, Math.max(0, radius + 0.5 - d));
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const d = Math.hypot(x - half, y - half);
      const whole = covered(r + width / 2, d);
      const inner = Math.min(whole, covered(r - width / 2, d));
      if (!whole) continue;
      const at = 4 * (y * side + x);
      for (let c = 0; c < 3; c++) pixels[at + c] = (color[c] * inner + rim[c] * (whole - inner)) / whole;
      pixels[at + 3] = whole;
    }
  }
  return { side, pixels };
}

/**
 * Lay a stamp over the image, centred on a place ("over" of Porter and Duff, straight alpha).
 * @param {{ width: number, height: number, data: Uint8ClampedArray }} image
 * @param {Stamp} stamp @param {number} x @param {number} y @param {number} alpha
 */
export function press(image, { side, pixels }, x, y, alpha) {
  const { width, height, data } = image;
  const x0 = Math.round(x) - (side >> 1);
  const y0 = Math.round(y) - (side >> 1);
  if (x0 <= -side || y0 <= -side || x0 >= width || y0 >= height) return;
  for (let dy = Math.max(0, -y0); dy < side && y0 + dy < height; dy++) {
    for (let dx = Math.max(0, -x0); dx < side && x0 + dx < width; dx++) {
      const from = 4 * (dy * side + dx);
      const a = pixels[from + 3] * alpha;
      if (a === 0) continue;
      const to = 4 * ((y0 + dy) * width + x0 + dx);
      const below = (data[to + 3] / 255) * (1 - a);
      const out = a + below;
      data[to] = (pixels[from] * a + data[to] * below) / out;
      data[to + 1] = (pixels[from + 1] * a + data[to + 1] * below) / out;
      data[to + 2] = (pixels[from + 2] * a + data[to + 2] * below) / out;
      data[to + 3] = 255 * out;
    }
  }
}

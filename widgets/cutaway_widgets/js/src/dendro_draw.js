// @ts-check
// Drawing of a dendrogram: functions of a 2D context and plain values.
import { marks } from "./line_model.js";
import * as mask from "./mask.js";

/**
 * @typedef {{ left: number, top: number, width: number, height: number }} Area
 * @typedef {{ text: string, faint: string, line: string, accent: string, ground: string, font: string }} Shades
 *
 * @typedef {object} Scene
 * @property {import("./dendro_model.js").Forest} tree
 * @property {Int32Array} clusterOf of each node, -1 above the cut
 * @property {string[]} colors of clusters, empty for none
 * @property {Area} area
 * @property {(x: number) => number} sx leaves to pixels
 * @property {import("./line_model.js").Scale} sy
 */

export const STRIP = 14; // px below the leaves for clusters and selection
const FAINT = 0.22;
const LONGEST = 18; // letters of a label

/** @param {string} text */
export const short = (text) => (text.length > LONGEST ? `${text.slice(0, LONGEST - 1)}…` : text);

/** @param {CanvasRenderingContext2D} ctx @param {Scene} scene @param {string} label @param {Shades} shades */
export function axis(ctx, { area, sy }, label, shades) {
  ctx.fillStyle = shades.faint;
  ctx.textAlign = "right";
  ctx.textBaseline = "middle";
  for (const { at, text } of marks(sy, area.height / 40)) {
    ctx.fillText(text, area.left - 8, sy.px(at));
    ctx.fillRect(area.left - 6, Math.round(sy.px(at)), 4, 1);
  }
  ctx.fillStyle = shades.text;
  ctx.textAlign = "center";
  ctx.textBaseline = "alphabetic";
  ctx.save();
  ctx.translate(11, area.top + area.height / 2);
  ctx.rotate(-Math.PI / 2);
  ctx.fillText(label, 0, 0, area.height);
  ctx.restore();
}

/**
 * Lines of all merges, and below each leaf its cluster and whether it is selected.
 * @param {CanvasRenderingContext2D} ctx @param {Scene} scene @param {mask.Mask} bits @param {Shades} shades
 */
export function branches(ctx, { tree, clusterOf, colors, area, sx, sy }, bits, shades) {
  const before = new Uint32Array(tree.n + 1); // selected leaves left of a place
  tree.order.forEach((leaf, i) => {
    before[i + 1] = before[i] + Number(mask.has(bits, leaf));
  });
  const chosen = before[tree.n] > 0;
  ctx.lineWidth = tree.n > 300 ? 1 : 1.5;
  for (let node = tree.x.length - 1; node >= tree.n; node--) {
    const [a, b] = [tree.left[node], tree.right[node]];
    ctx.strokeStyle = colors[clusterOf[node]] || shades.text;
    ctx.globalAlpha = chosen && before[tree.last[node]] === before[tree.first[node]] ? FAINT : 1;
    ctx.beginPath();
    ctx.moveTo(sx(tree.x[a]), sy.px(tree.height[a]));
    ctx.lineTo(sx(tree.x[a]), sy.px(tree.height[node]));
    ctx.lineTo(sx(tree.x[b]), sy.px(tree.height[node]));
    ctx.lineTo(sx(tree.x[b]), sy.px(tree.height[b]));
    ctx.stroke();
  }
  ctx.globalAlpha = 1;
  const foot = area.top + area.height + 3;
  const wide = area.width / Math.max(1, tree.n);
  const gap = wide > 4 ? 1 : 0;
  tree.order.forEach((leaf, i) => {
    ctx.fillStyle = colors[clusterOf[leaf]] || shades.line;
    ctx.fillRect(sx(i), foot, Math.max(0.5, wide - gap), 3);
    ctx.fillStyle = shades.accent;
    // Two pixels at least: one picked leaf among hundreds must be seen.
    if (mask.has(bits, leaf)) ctx.fillRect(sx(i), foot + 4, Math.max(2, wide - gap), 5);
  });
}

/**
 * Names of leaves from left to right, those not selected paler.
 * @param {CanvasRenderingContext2D} ctx @param {Scene} scene @param {string[]} words @param {boolean} flat
 * @param {mask.Mask} bits @param {string} color
 */
export function labels(ctx, { tree, area, sx }, words, flat, bits, color) {
  const chosen = mask.count(bits) > 0;
  ctx.fillStyle = color;
  ctx.textBaseline = "middle";
  words.forEach((one, i) => {
    ctx.globalAlpha = chosen && !mask.has(bits, tree.order[i]) ? 0.55 : 1;
    ctx.save();
    ctx.translate(sx(i + 0.5), area.top + area.height + STRIP + (flat ? 8 : 3));
    if (!flat) ctx.rotate(-Math.PI / 2);
    ctx.textAlign = flat ? "center" : "right";
    ctx.fillText(short(one), 0, 0);
    ctx.restore();
  });
  ctx.globalAlpha = 1;
}

/** @param {CanvasRenderingContext2D} ctx @param {Area} area @param {number} y @param {Shades} shades */
export function cut(ctx, area, y, shades) {
  ctx.strokeStyle = shades.accent;
  ctx.lineWidth = 1.5;
  ctx.setLineDash([6, 4]);
  ctx.beginPath();
  ctx.moveTo(area.left, y);
  ctx.lineTo(area.left + area.width + 8, y);
  ctx.stroke();
  ctx.setLineDash([]);
}

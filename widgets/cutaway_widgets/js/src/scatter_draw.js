// @ts-check
// Drawing of the scatter but for its points: axes and outlines. Functions of a 2D context and plain values.
import { ticks } from "./geometry.js";
import { number } from "./format.js";

/**
 * @typedef {import("./geometry.js").Camera} Camera
 * @typedef {{ left: number, top: number, width: number, height: number }} Area
 */

/**
 * @param {CanvasRenderingContext2D} ctx @param {Camera} camera @param {Area} area
 * @param {{ x: string, y: string }} labels @param {{ text: string, faint: string, line: string, font: string }} colors
 */
export function axes(ctx, camera, area, labels, colors) {
  const bottom = area.top + area.height;
  ctx.font = `11px ${colors.font}`;
  ctx.strokeStyle = colors.line;
  ctx.fillStyle = colors.faint;
  ctx.lineWidth = 1;
  ctx.strokeRect(area.left - 0.5, area.top - 0.5, area.width + 1, area.height + 1);
  ctx.textAlign = "center";
  ctx.textBaseline = "top";
  const x0 = (area.left - camera.ox) / camera.kx;
  const x1 = (area.left + area.width - camera.ox) / camera.kx;
  const across = ticks(x0, x1, area.width / 80);
  tickTexts(across).forEach((text, i) => ctx.fillText(text, across[i] * camera.kx + camera.ox, bottom + 4));
  const y0 = (bottom - camera.oy) / camera.ky;
  const y1 = (area.top - camera.oy) / camera.ky;
  ctx.textAlign = "right";
  ctx.textBaseline = "middle";
  const upward = ticks(y0, y1, area.height / 50);
  tickTexts(upward).forEach((text, i) => ctx.fillText(text, area.left - 5, upward[i] * camera.ky + camera.oy));
  ctx.fillStyle = colors.text;
  ctx.textAlign = "center";
  ctx.textBaseline = "alphabetic";
  ctx.fillText(labels.x, area.left + area.width / 2, bottom + 29, area.width);
  ctx.save();
  ctx.translate(11, area.top + area.height / 2);
  ctx.rotate(-Math.PI / 2);
  ctx.fillText(labels.y, 0, 0, area.height);
  ctx.restore();
}

/**
 * Texts of ticks: as many decimals as their step needs.
 * @param {number[]} places
 * @returns {string[]}
 */
export function tickTexts(places) {
  const step = places.length > 1 ? places[1] - places[0] : Math.abs(places[0]) || 1;
  const most = places.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
  if (most >= 1e5 || step < 1e-4) return places.map((one) => number(one));
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  return places.map((one) => one.toFixed(digits).replace(/^-(?=0\.?0*$)/, "").replace("-", "−"));
}

/**
 * Outlines of components: rows of centre x, y, half axes a, b, angle, category.
 * @param {CanvasRenderingContext2D} ctx @param {Float32Array} table
 * @param {Camera} camera @param {Area} area @param {string[]} palette
 */
export function ellipses(ctx, table, camera, area, palette) {
  ctx.save();
  ctx.beginPath();
  ctx.rect(area.left, area.top, area.width, area.height);
  ctx.clip();
  ctx.lineWidth = 1.5;
  ctx.setLineDash([5, 3]);
  for (let k = 0; k < table.length; k += 6) {
    const [cx, cy, a, b, angle, category] = table.subarray(k, k + 6);
    ctx.beginPath();
    for (let step = 0; step <= 72; step++) {
      const t = (2 * Math.PI * step) / 72;
      const u = a * Math.cos(t);
      const v = b * Math.sin(t);
      const x = (cx + u * Math.cos(angle) - v * Math.sin(angle)) * camera.kx + camera.ox;
      const y = (cy + u * Math.sin(angle) + v * Math.cos(angle)) * camera.ky + camera.oy;
      if (step) ctx.lineTo(x, y);
      else ctx.moveTo(x, y);
    }
    ctx.strokeStyle = palette[category] ?? palette[palette.length - 1];
    ctx.stroke();
  }
  ctx.restore();
}

/**
 * @param {CanvasRenderingContext2D} ctx @param {number[]} outline page x, y, …
 * @param {{ accent: string }} colors
 */
export function outline(ctx, outline, colors) {
  if (outline.length < 4) return;
  ctx.beginPath();
  for (let i = 0; i < outline.length; i += 2) ctx.lineTo(outline[i], outline[i + 1]);
  ctx.closePath();
  ctx.strokeStyle = colors.accent;
  ctx.lineWidth = 1.5;
  ctx.stroke();
  ctx.globalAlpha = 0.12;
  ctx.fillStyle = colors.accent;
  ctx.fill();
  ctx.globalAlpha = 1;
}

/**
 * @param {CanvasRenderingContext2D} ctx @param {number} x @param {number} y @param {number} r
 * @param {string} color
 */
export function ring(ctx, x, y, r, color) {
  ctx.beginPath();
  ctx.arc(x, y, r, 0, 2 * Math.PI);
  ctx.strokeStyle = color;
  ctx.lineWidth = 2;
  ctx.stroke();
}

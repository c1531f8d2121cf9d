// @ts-check
// Drawing of lines over an axis: functions of a 2D context and plain values.
import { marks, runs, thinned } from "./line_model.js";

/**
 * @typedef {import("./line_model.js").Series} Series
 * @typedef {import("./line_model.js").Scale} Scale
 * @typedef {{ left: number, top: number, width: number, height: number }} Area
 * @typedef {{ text: string, faint: string, line: string, accent: string, ground: string, font: string }} Shades
 */

// Told apart without colour too.
export const DASHES = [[], [7, 4], [2, 3], [9, 3, 2, 3], [4, 2], [12, 4], [1, 2], [6, 2, 1, 2, 1, 2]];

/** @param {CanvasRenderingContext2D} ctx @param {Area} area */
function clip(ctx, area) {
  ctx.save();
  ctx.beginPath();
  ctx.rect(area.left - 4, area.top - 4, area.width + 8, area.height + 8);
  ctx.clip();
}

/**
 * @param {CanvasRenderingContext2D} ctx @param {Area} area @param {Scale} sx @param {Scale} sy
 * @param {{ x: string, y: string }} labels @param {Shades} shades @param {boolean} whole are the places whole numbers?
 */
export function axes(ctx, area, sx, sy, labels, shades, whole) {
  const bottom = area.top + area.height;
  ctx.font = `11px ${shades.font}`;
  ctx.lineWidth = 1;
  ctx.textBaseline = "middle";
  ctx.textAlign = "right";
  for (const { at, text } of marks(sy, area.height / 45)) {
    const y = Math.round(sy.px(at));
    ctx.fillStyle = shades.line;
    ctx.globalAlpha = 0.6;
    ctx.fillRect(area.left, y, area.width, 1);
    ctx.globalAlpha = 1;
    ctx.fillStyle = shades.faint;
    ctx.fillText(text, area.left - 5, y);
  }
  ctx.textAlign = "center";
  ctx.textBaseline = "top";
  ctx.fillStyle = shades.faint;
  for (const { at, text } of marks(sx, area.width / 80, whole)) {
    ctx.fillRect(Math.round(sx.px(at)), bottom, 1, 4);
    ctx.fillText(text, sx.px(at), bottom + 6);
  }
  ctx.fillStyle = shades.line;
  ctx.fillRect(area.left, bottom, area.width, 1);
  ctx.fillStyle = shades.text;
  ctx.textBaseline = "alphabetic";
  ctx.fillText(labels.x, area.left + area.width / 2, bottom + 31, area.width);
  ctx.save();
  ctx.translate(11, area.top + area.height / 2);
  ctx.rotate(-Math.PI / 2);
  ctx.fillText(labels.y, 0, 0, area.height);
  ctx.restore();
}

/**
 * Bands of series, pale.
 * @param {CanvasRenderingContext2D} ctx @param {Area} area @param {Series} series @param {Scale} sx @param {Scale} sy
 * @param {string} color
 */
export function band(ctx, area, series, sx, sy, color) {
  const { low, high } = series;
  if (!low || !high) return;
  clip(ctx, area);
  ctx.globalAlpha = 0.18;
  ctx.fillStyle = color;
  // On a logarithm a low end of zero or below runs to the foot of the plot.
  const known = series.x.map((one, i) => (Number.isFinite(low[i]) && Number.isFinite(high[i]) ? one : NaN));
  const feet = sy.log ? low.map((one) => (one > 0 ? one : sy.low)) : low;
  const tops = runs(known, high, sx, sy);
  runs(known, feet, sx, sy).forEach((foot, k) => {
    ctx.beginPath();
    for (let i = 0; i < foot.length; i += 2) ctx.lineTo(foot[i], foot[i + 1]);
    for (let i = (tops[k]?.length ?? 0) - 2; i >= 0; i -= 2) ctx.lineTo(tops[k][i], tops[k][i + 1]);
    ctx.fill();
  });
  ctx.restore();
}

/**
 * A series: lines between neighbours that have a value, a dot where a point stands alone.
 * @param {CanvasRenderingContext2D} ctx @param {Area} area @param {Series} series @param {Scale} sx @param {Scale} sy
 * @param {string} color @param {number[]} dash
 */
export function line(ctx, area, series, sx, sy, color, dash) {
  clip(ctx, area);
  ctx.strokeStyle = ctx.fillStyle = color;
  ctx.lineWidth = 2;
  ctx.lineJoin = "round";
  ctx.setLineDash(dash);
  for (const every of runs(series.x, series.y, sx, sy)) {
    const run = every.length > 8 * area.width ? thinned(every) : every;
    if (run.length === 2) {
      dot(ctx, run[0], run[1], 2.5);
      continue;
    }
    ctx.beginPath();
    for (let i = 0; i < run.length; i += 2) ctx.lineTo(run[i], run[i + 1]);
    ctx.stroke();
  }
  ctx.restore();
}

/** @param {CanvasRenderingContext2D} ctx @param {number} x @param {number} y @param {number} r */
export function dot(ctx, x, y, r) {
  ctx.beginPath();
  ctx.arc(x, y, r, 0, 2 * Math.PI);
  ctx.fill();
}

/**
 * Upright lines at the selected rows, under the series.
 * @param {CanvasRenderingContext2D} ctx @param {Area} area @param {number[]} places px @param {Shades} shades
 */
export function picked(ctx, area, places, shades) {
  ctx.fillStyle = shades.accent;
  // One mark a pixel: thousands of rows must not make a heap of paint.
  for (const x of new Set(places.map(Math.round))) {
    ctx.globalAlpha = 0.16;
    ctx.fillRect(x - 2.5, area.top, 5, area.height);
    ctx.globalAlpha = 1;
    ctx.fillRect(x - 2.5, area.top + area.height - 3, 5, 4);
  }
}

/**
 * The cursor with its handle.
 * @param {CanvasRenderingContext2D} ctx @param {Area} area @param {number} x px @param {Shades} shades
 */
export function cursor(ctx, area, x, shades) {
  ctx.fillStyle = shades.text;
  ctx.fillRect(Math.round(x) - 0.75, area.top, 1.5, area.height);
  ctx.beginPath();
  ctx.moveTo(x - 6, area.top - 7);
  ctx.lineTo(x + 6, area.top - 7);
  ctx.lineTo(x + 6, area.top - 2);
  ctx.lineTo(x, area.top + 5);
  ctx.lineTo(x - 6, area.top - 2);
  ctx.closePath();
  ctx.fill();
}

/**
 * A short piece of a series' line, for the legend.
 * @param {HTMLCanvasElement} el @param {string} color @param {number[]} dash
 */
export function sample(el, color, dash) {
  const ctx = /** @type {CanvasRenderingContext2D} */ (el.getContext("2d"));
  ctx.clearRect(0, 0, el.width, el.height);
  ctx.scale(2, 2);
  ctx.strokeStyle = color;
  ctx.lineWidth = 2.5;
  ctx.setLineDash(dash);
  ctx.beginPath();
  ctx.moveTo(0, 5);
  ctx.lineTo(26, 5);
  ctx.stroke();
}

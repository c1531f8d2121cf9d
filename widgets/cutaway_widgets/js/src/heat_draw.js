// @ts-check
// Drawing of a heat-map around and over its cells: functions of a 2D context and plain values.
import { counted, number } from "./format.js";
import { block } from "./heat_model.js";

/**
 * @typedef {import("./heat_model.js").Span} Span
 * @typedef {{ left: number, top: number, width: number, height: number }} Area
 * @typedef {{ text: string, faint: string, line: string, accent: string, ground: string, font: string }} Shades
 */

export const STRIP = 10; // px of the margins that mark and select rows and columns
const LEAST = 10; // px that a name needs
const WIDE = 0.3; // part of the view that names of rows may take

/**
 * Room for names, and the cells inside it.
 * @param {CanvasRenderingContext2D} ctx @param {number} width @param {number} height
 * @param {string[]} rows names in sight, empty if there are too many @param {string[]} columns
 * @param {string} font
 * @param {{ down: number, across: number }} counts of cells in sight
 */
export function layout(ctx, width, height, rows, columns, font, { down, across }) {
  ctx.font = `11px ${font}`;
  const longest = (/** @type {string[]} */ names) =>
    names.reduce((most, one) => Math.max(most, ctx.measureText(one).width), 0);
  const left = (rows.length ? Math.min(width * WIDE, Math.max(12, longest(rows)) + 4) : 16) + STRIP + 3;
  const wide = width - left - 4;
  const reach = columns.length ? longest(columns) : 0;
  const upright = columns.length > 0 && reach + 6 > wide / Math.max(1, across);
  const foot = upright ? Math.min(72, reach + 6) : 18;
  const area = { left, top: STRIP + 3, width: wide, height: height - STRIP - 3 - foot };
  // A matrix of few cells must not become a flag of three stripes.
  area.height = Math.min(area.height, Math.max(1, down) * 64);
  return { area, upright, foot };
}

/** Are names of n cells read in this room? @param {number} n @param {number} room px */
export const roomy = (n, room) => n > 0 && room / n >= LEAST;

/** Grey lines where a number is missing. @param {CanvasRenderingContext2D} ctx @param {Area} area @param {Shades} shades */
export function hatch(ctx, area, shades) {
  ctx.save();
  ctx.beginPath();
  ctx.rect(area.left, area.top, area.width, area.height);
  ctx.clip();
  ctx.strokeStyle = shades.faint;
  ctx.globalAlpha = 0.55;
  ctx.lineWidth = 1;
  ctx.beginPath();
  for (let x = area.left - area.height; x < area.left + area.width; x += 6) {
    ctx.moveTo(x, area.top + area.height);
    ctx.lineTo(x + area.height, area.top);
  }
  ctx.stroke();
  ctx.restore();
}

/**
 * Names beside rows and below columns, cut where the room ends.
 * @param {CanvasRenderingContext2D} ctx @param {Area} area
 * @param {{ rows: string[], columns: string[], upright: boolean, down: string, across: string }} words
 *   down, across: what to write where there are no names
 * @param {Shades} shades @param {number} foot px below the cells
 */
export function names(ctx, area, words, shades, foot) {
  ctx.font = `11px ${shades.font}`;
  ctx.fillStyle = shades.text;
  ctx.textBaseline = "middle";
  ctx.textAlign = "right";
  const tall = area.height / words.rows.length;
  words.rows.forEach((one, i) => {
    const room = area.left - STRIP - 7;
    ctx.fillText(clipped(ctx, one, room), area.left - STRIP - 5, area.top + (i + 0.5) * tall);
  });
  const wide = area.width / words.columns.length;
  const bottom = area.top + area.height;
  words.columns.forEach((one, i) => {
    const x = area.left + (i + 0.5) * wide;
    if (!words.upright) {
      ctx.textAlign = "center";
      ctx.fillText(one, x, bottom + 10);
      return;
    }
    ctx.save();
    ctx.translate(x, bottom + 4);
    ctx.rotate(-Math.PI / 2);
    ctx.textAlign = "right";
    ctx.fillText(clipped(ctx, one, foot - 4), 0, 0);
    ctx.restore();
  });
  ctx.fillStyle = shades.faint;
  ctx.textAlign = "center";
  if (!words.columns.length) ctx.fillText(words.across, area.left + area.width / 2, bottom + 10, area.width);
  if (words.rows.length) return;
  ctx.save();
  ctx.translate(8, area.top + area.height / 2);
  ctx.rotate(-Math.PI / 2);
  ctx.fillText(words.down, 0, 0, area.height);
  ctx.restore();
}

/** @param {CanvasRenderingContext2D} ctx @param {string} text @param {number} room */
function clipped(ctx, text, room) {
  if (ctx.measureText(text).width <= room) return text;
  let end = text.length - 1;
  while (end > 1 && ctx.measureText(`${text.slice(0, end)}…`).width > room) end--;
  return `${text.slice(0, end)}…`;
}

/**
 * Margins: a bar at each selected row and column.
 * @param {CanvasRenderingContext2D} ctx @param {Area} area @param {boolean[] | null} down @param {boolean[] | null} across
 * @param {Shades} shades
 */
export function margins(ctx, area, down, across, shades) {
  const rails = { x: area.left - STRIP - 1, y: area.top - STRIP - 1 };
  ctx.fillStyle = shades.line;
  ctx.globalAlpha = 0.5;
  ctx.fillRect(rails.x, area.top, STRIP - 2, area.height);
  ctx.fillRect(area.left, rails.y, area.width, STRIP - 2);
  ctx.globalAlpha = 1;
  ctx.fillStyle = shades.accent;
  // Two pixels at least: one picked sample among 50,000 must be seen.
  const mark = (/** @type {number} */ at, /** @type {number} */ size, /** @type {number} */ n) => [at * size, Math.max(2, size - (n < 60 ? 1 : 0))];
  down?.forEach((on, i) => {
    const [from, length] = mark(i, area.height / down.length, down.length);
    if (on) ctx.fillRect(rails.x, area.top + from, STRIP - 2, length);
  });
  across?.forEach((on, i) => {
    const [from, length] = mark(i, area.width / across.length, across.length);
    if (on) ctx.fillRect(area.left + from, rails.y, length, STRIP - 2);
  });
  ctx.strokeStyle = shades.line;
  ctx.lineWidth = 1;
  ctx.strokeRect(area.left - 0.5, area.top - 0.5, area.width + 1, area.height + 1);
}

/**
 * Lines along a row and a column, and a frame around their cell.
 * @param {CanvasRenderingContext2D} ctx @param {Area} area @param {Span} down @param {Span} across
 * @param {number} row place in the order, or -1 @param {number} column @param {string} color @param {Shades} shades
 */
export function cross(ctx, area, down, across, row, column, color, shades) {
  const tall = area.height / (down.last - down.first);
  const wide = area.width / (across.last - across.first);
  const y = area.top + (row - down.first) * tall;
  const x = area.left + (column - across.first) * wide;
  const inRows = row >= down.first && row < down.last;
  const inColumns = column >= across.first && column < across.last;
  ctx.lineWidth = 1;
  for (const [style, grow] of /** @type {[string, number][]} */ ([[shades.ground, 1.5], [color, 0.5]])) {
    ctx.strokeStyle = style;
    if (inRows && inColumns) ctx.strokeRect(x - grow, y - grow, Math.max(3, wide) + 2 * grow, Math.max(3, tall) + 2 * grow);
  }
  ctx.fillStyle = color;
  if (inRows) ctx.fillRect(area.left - STRIP - 3, y + tall / 2 - 1, STRIP + 2, 2);
  if (inColumns) ctx.fillRect(x + wide / 2 - 1, area.top - STRIP - 3, 2, STRIP + 2);
}

/**
 * Which blocks of a span hold a selected row.
 * @param {(place: number) => boolean} selected @param {Span} span @param {number} k
 */
export const lit = (selected, span, k) =>
  Array.from({ length: k }, (_, b) => {
    const [from, to] = block(span, k, b);
    for (let at = from; at < to; at++) if (selected(at)) return true;
    return false;
  });

/**
 * Ground under the cells that are known, one strip a run of them.
 * @param {CanvasRenderingContext2D} ctx @param {Area} area
 * @param {Float32Array} numbers @param {{ ny: number, nx: number }} grid @param {string} color
 */
export function ground(ctx, area, numbers, { ny, nx }, color) {
  const [wide, tall] = [area.width / nx, area.height / ny];
  ctx.fillStyle = color;
  for (let y = 0; y < ny; y++) {
    for (let x = 0; x < nx; x++) {
      let end = x;
      while (end < nx && !Number.isNaN(numbers[y * nx + end])) end++;
      if (end > x) ctx.fillRect(area.left + x * wide, area.top + y * tall, (end - x) * wide, tall);
      x = end;
    }
  }
}

/** What a span shows: all, or which part. @param {Span} span @param {number} n @param {string} axis */
export const part = (span, n, axis) =>
  span.last - span.first === n
    ? counted(n, axis)
    : `${axis}s ${number(span.first + 1, true)} to ${number(span.last, true)} of ${number(n, true)}`;

// @ts-check
// A view as a picture: its canvases, and around them its boxes and words, painted again.

/** @typedef {{ left: number, top: number, right: number, bottom: number }} Box */

const LEFT_OUT = ".cw-head, .cw-unseen, .cw-error, .cw-note, .cw-tip, .cw-menu, script, style, select, input";
const TITLE = 30; // px

/** @param {string} colour @returns {boolean} */
const seen = (colour) => colour !== "transparent" && !/^rgba\(.*,\s*0\)$|\/\s*0\)$/.test(colour);

/** @param {Box} a @param {Box} b @returns {Box} */
const meet = (a, b) => ({
  left: Math.max(a.left, b.left),
  top: Math.max(a.top, b.top),
  right: Math.min(a.right, b.right),
  bottom: Math.min(a.bottom, b.bottom),
});

/** @param {Box} box */
const empty = (box) => box.right <= box.left || box.bottom <= box.top;

/** @param {CanvasRenderingContext2D} ctx @param {Element} el @param {CSSStyleDeclaration} style @param {DOMRect} box */
function paintBox(ctx, el, style, box) {
  const round = Number.parseFloat(style.borderTopLeftRadius) || 0;
  const shape = (/** @type {number} */ inset) => {
    ctx.beginPath();
    ctx.roundRect(box.left + inset, box.top + inset, box.width - 2 * inset, box.height - 2 * inset, Math.max(0, round - inset));
  };
  const ramp = /^linear-gradient\(to right, (.*)\)$/.exec(style.backgroundImage);
  if (ramp) {
    const stops = ramp[1].match(/rgba?\([^)]*\)/g) ?? [];
    const fill = ctx.createLinearGradient(box.left, 0, box.right, 0);
    stops.forEach((one, i) => fill.addColorStop(i / Math.max(1, stops.length - 1), one));
    ctx.fillStyle = fill;
    shape(0);
    ctx.fill();
  } else if (seen(style.backgroundColor)) {
    ctx.fillStyle = style.backgroundColor;
    shape(0);
    ctx.fill();
  }
  if (el instanceof HTMLCanvasElement && el.width && el.height) {
    ctx.imageSmoothingEnabled = false;
    ctx.drawImage(el, box.left, box.top, box.width, box.height);
  }
  const sides = /** @type {const} */ (["Top", "Right", "Bottom", "Left"]).map((side) => ({
    width: style[`border${side}Style`] === "none" ? 0 : Number.parseFloat(style[`border${side}Width`]),
    colour: style[`border${side}Color`],
  }));
  const corners = [[box.left, box.top], [box.right, box.top], [box.right, box.bottom], [box.left, box.bottom]];
  if (sides.every((one) => one.width > 0)) {
    [ctx.strokeStyle, ctx.lineWidth] = [sides[0].colour, sides[0].width];
    shape(sides[0].width / 2);
    ctx.stroke();
  } else {
    sides.forEach((one, i) => {
      if (!one.width || !seen(one.colour)) return;
      [ctx.strokeStyle, ctx.lineWidth] = [one.colour, one.width];
      const [inX, inY] = [[0, 0.5], [-0.5, 0], [0, -0.5], [0.5, 0]][i];
      ctx.beginPath();
      ctx.moveTo(corners[i][0] + inX, corners[i][1] + inY);
      ctx.lineTo(corners[(i + 1) % 4][0] + inX, corners[(i + 1) % 4][1] + inY);
      ctx.stroke();
    });
  }
  const ring = style.outlineStyle === "none" ? 0 : Number.parseFloat(style.outlineWidth);
  // The ring of the keyboard's focus is no part of the picture.
  if (ring && !el.matches(":focus-visible")) {
    [ctx.strokeStyle, ctx.lineWidth] = [style.outlineColor, ring];
    shape(-Number.parseFloat(style.outlineOffset) - ring / 2);
    ctx.stroke();
  }
}

/** @param {CanvasRenderingContext2D} ctx @param {Text} node @param {CSSStyleDeclaration} style */
function paintText(ctx, node, style) {
  const text = node.data;
  if (!text.trim()) return;
  ctx.font = `${style.fontStyle} ${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
  ctx.fillStyle = style.color;
  ctx.textAlign = "left";
  ctx.textBaseline = "alphabetic";
  const range = document.createRange();
  const write = (/** @type {number} */ from, /** @type {number} */ to) => {
    range.setStart(node, from);
    range.setEnd(node, to);
    const box = range.getBoundingClientRect();
    const size = ctx.measureText("x");
    const [up, down] = [size.fontBoundingBoxAscent, size.fontBoundingBoxDescent];
    ctx.fillText(text.slice(from, to).replace(/\s+/g, " "), box.left, box.top + (box.height - up - down) / 2 + up);
  };
  range.selectNodeContents(node);
  if (range.getClientRects().length <= 1) {
    write(text.length - text.trimStart().length, text.length);
    return;
  }
  for (const word of text.matchAll(/\S+/g)) write(word.index, word.index + word[0].length);
}

/** @param {CanvasRenderingContext2D} ctx @param {Element} el @param {Box} clip in CSS pixels of the window */
function paint(ctx, el, clip) {
  if (el.matches(LEFT_OUT)) return;
  const style = getComputedStyle(el);
  if (style.display === "none" || style.visibility === "hidden") return;
  const box = el.getBoundingClientRect();
  const cuts = style.overflowX !== "visible" || style.overflowY !== "visible";
  const inside = cuts ? meet(clip, box) : clip;
  if (cuts && empty(inside)) return;
  ctx.save();
  ctx.globalAlpha *= Number(style.opacity);
  if (!empty(meet(clip, box))) paintBox(ctx, el, style, box);
  if (cuts) {
    ctx.beginPath();
    ctx.rect(inside.left, inside.top, inside.right - inside.left, inside.bottom - inside.top);
    ctx.clip();
  }
  const above = [];
  for (const one of el.childNodes) {
    if (one instanceof Text) paintText(ctx, one, style);
    // What sticks lies over what scrolls below it.
    else if (one instanceof Element && getComputedStyle(one).position === "sticky") above.push(one);
    else if (one instanceof Element) paint(ctx, one, inside);
  }
  for (const one of above) paint(ctx, one, inside);
  ctx.restore();
}

/**
 * Canvas with a view on its theme's ground, its title on top, in device pixels.
 * @param {HTMLElement} root the view's section
 * @param {string} title
 */
export function picture(root, title) {
  const ratio = window.devicePixelRatio || 1;
  const frame = root.getBoundingClientRect();
  const head = root.querySelector(".cw-head")?.getBoundingClientRect();
  const style = getComputedStyle(root);
  const pad = Number.parseFloat(style.paddingTop) || 0;
  const top = title ? TITLE : pad;
  const from = head ? head.bottom : frame.top;
  const sheet = document.createElement("canvas");
  sheet.width = Math.round(frame.width * ratio);
  sheet.height = Math.round((frame.bottom - from + top) * ratio);
  const ctx = /** @type {CanvasRenderingContext2D} */ (sheet.getContext("2d"));
  ctx.fillStyle = style.backgroundColor;
  ctx.fillRect(0, 0, sheet.width, sheet.height);
  ctx.scale(ratio, ratio);
  if (title) {
    ctx.font = `600 14px ${style.fontFamily}`;
    ctx.fillStyle = style.color;
    ctx.textBaseline = "middle";
    ctx.fillText(title, pad, TITLE / 2, frame.width - 2 * pad);
  }
  ctx.translate(-frame.left, top - from);
  for (const one of root.children) paint(ctx, one, frame);
  return sheet;
}

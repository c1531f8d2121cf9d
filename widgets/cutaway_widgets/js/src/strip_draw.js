// @ts-check
// Drawing of strips: tiles of bytes, frames, and heads that stay at the edges.

export const LINE = 14; // px of a line of ids
export const HEAD = 30; // px of a sample's picture

/** @typedef {CanvasRenderingContext2D} Ctx */
/** @typedef {{ accent: string, text: string, faint: string, font: string }} Shades */
/** @typedef {{ row: number, text: string, box: number[], chosen: boolean, here: boolean }} Head */

/** Draw inside a box only. @param {Ctx} ctx @param {number[]} box @param {() => void} inside */
export function clipped(ctx, box, inside) {
  ctx.save();
  ctx.beginPath();
  ctx.rect(box[0], box[1], box[2], box[3]);
  ctx.clip();
  inside();
  ctx.restore();
}

/** A line around a box. @param {Ctx} ctx @param {string} color @param {number} width @param {number[]} box */
export function frame(ctx, color, width, box) {
  ctx.strokeStyle = color;
  ctx.lineWidth = width;
  ctx.strokeRect(box[0] - 1, box[1] - 1, box[2] + 2, box[3] + 2);
}

/**
 * One tile, by way of a canvas of the tile's own size.
 * @param {Ctx} ctx @param {HTMLCanvasElement} scratch @param {Uint8Array} bytes @param {number} start
 * @param {Uint8ClampedArray} colors three numbers a byte @param {number[]} box
 */
export function tile(ctx, scratch, bytes, start, colors, box) {
  const pen = /** @type {Ctx} */ (scratch.getContext("2d"));
  const image = pen.createImageData(scratch.width, scratch.height);
  for (let i = 0; i < scratch.width * scratch.height; i++) {
    const q = 3 * bytes[start + i];
    image.data[4 * i] = colors[q];
    image.data[4 * i + 1] = colors[q + 1];
    image.data[4 * i + 2] = colors[q + 2];
    image.data[4 * i + 3] = 255;
  }
  pen.putImageData(image, 0, 0);
  ctx.drawImage(scratch, box[0], box[1], box[2], box[3]);
}

/** The end of a text that fits: ids of one kind begin alike.
 * @param {Ctx} ctx @param {string} text @param {number} room @returns {string} */
function tail(ctx, text, room) {
  let cut = text;
  while (cut.length > 2 && ctx.measureText(cut).width > room) cut = `…${cut.slice(2)}`;
  return cut;
}

/** @param {Head} head @param {Shades} shades */
const ink = (head, shades) => (head.chosen ? shades.accent : head.here ? shades.text : shades.faint);

/**
 * Pictures and ids of samples along the top.
 * @param {Ctx} ctx @param {Head[]} heads @param {import("./strip_model.js").Strip} strip
 * @param {Shades} shades @param {import("./atlas.js").Atlas} atlas
 */
export function columnHeads(ctx, heads, strip, shades, atlas) {
  ctx.font = `11px ${shades.font}`;
  ctx.textBaseline = "middle";
  ctx.textAlign = "center";
  clipped(ctx, [strip.left - 2, 0, ctx.canvas.width, strip.top], () => {
    for (const head of heads) {
      const [x, , w] = head.box;
      if (atlas.wire) {
        const wide = Math.min(HEAD, HEAD * atlas.aspect, w);
        const box = [x + (w - wide) / 2, 3, wide, wide / atlas.aspect];
        atlas.draw(ctx, head.row, box[0], box[1], box[2], box[3]);
        if (head.chosen || head.here) frame(ctx, ink(head, shades), 2, box);
      }
      ctx.fillStyle = ink(head, shades);
      ctx.fillText(tail(ctx, head.text, w), x + w / 2, strip.top - LINE / 2 - 2);
    }
  });
}

/**
 * Ids of units along the left side.
 * @param {Ctx} ctx @param {Head[]} heads @param {import("./strip_model.js").Strip} strip @param {Shades} shades
 */
export function rowHeads(ctx, heads, strip, shades) {
  ctx.font = `11px ${shades.font}`;
  ctx.textBaseline = "middle";
  ctx.textAlign = "left";
  clipped(ctx, [0, strip.top - 2, strip.left, ctx.canvas.height], () => {
    for (const head of heads) {
      const [, y, , high] = head.box;
      ctx.fillStyle = ink(head, shades);
      if (head.chosen) ctx.fillRect(1, y, 3, high);
      ctx.fillText(tail(ctx, head.text, strip.left - 12), 8, y + high / 2);
    }
  });
}

// @ts-check
// Pictures in place of points where few are in sight, none over another.

/**
 * Which pictures have room: in the order given, each one that touches none before it.
 * @param {{ x: number, y: number }[]} places centres @param {number} side px
 * @returns {boolean[]}
 */
export function roomy(places, side) {
  /** @type {Map<string, { x: number, y: number }[]>} */
  const taken = new Map();
  return places.map(({ x, y }) => {
    const [i, j] = [Math.floor(x / side), Math.floor(y / side)];
    for (let dj = -1; dj <= 1; dj++) {
      for (let di = -1; di <= 1; di++) {
        for (const one of taken.get(`${i + di},${j + dj}`) ?? []) {
          if (Math.abs(one.x - x) < side && Math.abs(one.y - y) < side) return false;
        }
      }
    }
    const key = `${i},${j}`;
    taken.set(key, [...(taken.get(key) ?? []), { x, y }]);
    return true;
  });
}

/**
 * Draw pictures over their points, the selected ones first to find room, and framed.
 * @param {CanvasRenderingContext2D} ctx
 * @param {{ row: number, x: number, y: number, color: string, picked: boolean }[]} tiles
 * @param {import("./atlas.js").Atlas} atlas
 * @param {{ side: number, dim: boolean, area: import("./cloud.js").Area, accent: string, ground: string }} how
 */
export function pictures(ctx, tiles, atlas, { side, dim, area, accent, ground }) {
  const order = [...tiles].sort((a, b) => Number(b.picked) - Number(a.picked) || a.row - b.row);
  const room = roomy(order, side + 6);
  const w = atlas.aspect >= 1 ? side : side * atlas.aspect;
  const h = w / atlas.aspect;
  ctx.save();
  ctx.beginPath();
  ctx.rect(area.left, area.top, area.width, area.height);
  ctx.clip();
  order.forEach(({ row, x, y, color, picked }, k) => {
    if (!room[k]) return;
    const [left, top] = [Math.round(x - w / 2), Math.round(y - h / 2)];
    ctx.fillStyle = ground;
    ctx.fillRect(left - 2, top - 2, w + 4, h + 4);
    ctx.globalAlpha = dim && !picked ? 0.45 : 1;
    atlas.draw(ctx, row, left, top, w, h);
    // The frame keeps the point's colour; a selected one is thicker and the theme's.
    ctx.strokeStyle = dim && picked ? accent : color;
    ctx.lineWidth = dim && picked ? 3 : 1.5;
    ctx.strokeRect(left - 1, top - 1, w + 2, h + 2);
    ctx.globalAlpha = 1;
  });
  ctx.restore();
}

// @ts-check
// The picture of one row, alone on a small canvas.
import { h } from "./dom.js";

/** @param {import("./atlas.js").Atlas} atlas @param {number} side px */
export function portrait(atlas, side) {
  const canvas = h("canvas", { width: side, height: side, "aria-hidden": "true" });
  return {
    canvas,
    /** @param {number} row -1 for none */
    draw(row) {
      canvas.hidden = row < 0 || !atlas.update();
      if (canvas.hidden) return;
      const ctx = canvas.getContext("2d");
      ctx.clearRect(0, 0, side, side);
      const wide = Math.min(side, side * atlas.aspect);
      atlas.draw(ctx, row, 0, 0, wide, wide / atlas.aspect);
    },
  };
}

// @ts-check
// A box beside the pointer: lines of words, and the picture of a row where there is one.
import { h } from "./dom.js";

const SIDE = 56; // px

/**
 * @param {HTMLElement} parent @param {import("./atlas.js").Atlas} atlas
 */
export function hint(parent, atlas) {
  const picture = h("canvas", { width: 2 * SIDE, height: 2 * SIDE, "aria-hidden": "true" });
  const words = h("div");
  const box = h("div", { class: "cw-tip", role: "status", "aria-live": "off", hidden: true }, picture, words);
  parent.append(box);
  return {
    hide() {
      box.hidden = true;
    },
    /**
     * @param {string[]} lines the first one is the heading
     * @param {number} row whose picture, or -1
     * @param {number[]} at place in the parent @param {boolean} aloud read it out
     */
    show([head, ...lines], row, at, aloud) {
      box.setAttribute("aria-live", aloud ? "polite" : "off");
      words.replaceChildren(h("strong", {}, head), ...lines.map((one) => h("div", {}, one)));
      picture.hidden = row < 0 || !atlas.update();
      if (!picture.hidden) {
        const ctx = picture.getContext("2d");
        ctx.clearRect(0, 0, 2 * SIDE, 2 * SIDE);
        const wide = Math.min(2 * SIDE, 2 * SIDE * atlas.aspect);
        atlas.draw(ctx, row, 0, 0, wide, wide / atlas.aspect);
      }
      box.hidden = false;
      const right = at[0] + 14 + box.offsetWidth > parent.clientWidth;
      const low = at[1] + 14 + box.offsetHeight > parent.clientHeight;
      box.style.left = `${Math.max(0, right ? at[0] - 14 - box.offsetWidth : at[0] + 14)}px`;
      box.style.top = `${Math.max(0, low ? at[1] - 14 - box.offsetHeight : at[1] + 14)}px`;
    },
  };
}

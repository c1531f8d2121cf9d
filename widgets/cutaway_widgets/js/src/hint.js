// @ts-check
// A box beside the pointer: lines of words, and the picture of a row where there is one.
import { portrait } from "./portrait.js";
import { readout } from "./readout.js";

const SIDE = 112; // px

/**
 * @param {HTMLElement} parent @param {import("./atlas.js").Atlas} atlas
 */
export function hint(parent, atlas) {
  const picture = portrait(atlas, SIDE);
  const box = readout(parent, picture.canvas);
  return {
    hide: box.hide,
    /**
     * @param {string[]} lines the first one is the heading
     * @param {number} row whose picture, or -1
     * @param {number[]} at place in the parent @param {boolean} aloud read it out
     */
    show([head, ...lines], row, at, aloud) {
      picture.draw(row);
      box.show(head, lines, at, aloud);
    },
  };
}

// @ts-check
// What is under the pointer: picture, id and the value of every colour column.
import { number } from "./format.js";
import { portrait } from "./portrait.js";
import { readout } from "./readout.js";

const SIDE = 84; // px

/** @param {any} column @param {number} row @returns {string} */
export function valueOf(column, row) {
  const value = column.values[row];
  if (column.kind === "category") return column.names[value] ?? "none";
  return number(value) + (column.unit ? ` ${column.unit}` : "");
}

/**
 * @param {HTMLElement} parent
 * @param {import("./link.js").Link} link
 * @param {import("./atlas.js").Atlas} atlas
 * @param {() => any[]} columns @param {(row: number) => number} of a row's place in the columns
 */
export function tip(parent, link, atlas, columns, of) {
  const picture = portrait(atlas, SIDE);
  const box = readout(parent, picture.canvas);
  let row = -1;
  const refresh = () => {
    if (row >= 0) picture.draw(row);
  };
  return {
    refresh,
    hide() {
      row = -1;
      box.hide();
    },
    /** @param {number} which @param {number[]} at page place @param {boolean} aloud read it out */
    show(which, at, aloud) {
      if (which !== row) {
        row = which;
        const lines = columns().map((one) => `${one.name}: ${valueOf(one, of(row))}`);
        box.say(`${link.axis} ${link.id(row)}`, lines, aloud);
        refresh();
      }
      box.place(at);
    },
  };
}

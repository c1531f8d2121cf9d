// @ts-check
// What is under the pointer: picture, id and the value of every colour column.
import { h } from "./dom.js";
import { number } from "./format.js";

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
  const picture = h("canvas", { width: 84, height: 84, "aria-hidden": "true" });
  const words = h("div", {});
  const box = h("div", { class: "cw-tip", hidden: true, role: "status", "aria-live": "off" }, picture, words);
  parent.append(box);
  let row = -1;
  const refresh = () => {
    if (row < 0) return;
    picture.hidden = !atlas.update();
    if (picture.hidden) return;
    const ctx = picture.getContext("2d");
    const wide = Math.min(84, 84 * atlas.aspect);
    ctx.clearRect(0, 0, 84, 84);
    atlas.draw(ctx, row, 0, 0, wide, wide / atlas.aspect);
  };
  return {
    refresh,
    hide() {
      row = -1;
      box.hidden = true;
    },
    /** @param {number} which @param {number[]} at page place @param {boolean} aloud read it out */
    show(which, at, aloud) {
      if (which !== row) {
        row = which;
        box.setAttribute("aria-live", aloud ? "polite" : "off");
        words.replaceChildren(
          h("strong", {}, `${link.axis} ${link.id(row)}`),
          ...columns().map((one) => h("div", {}, `${one.name}: ${valueOf(one, of(row))}`)),
        );
        refresh();
      }
      box.hidden = false;
      const right = at[0] + 14 + box.offsetWidth > parent.clientWidth;
      const low = at[1] + 14 + box.offsetHeight > parent.clientHeight;
      box.style.left = `${Math.max(0, right ? at[0] - 14 - box.offsetWidth : at[0] + 14)}px`;
      box.style.top = `${Math.max(0, low ? at[1] - 14 - box.offsetHeight : at[1] + 14)}px`;
    },
  };
}

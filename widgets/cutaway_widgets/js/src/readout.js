// @ts-check
// Small box beside the pointer or the keyboard's place: a name and lines of values.
import { h } from "./dom.js";

/** @param {HTMLElement} parent */
export function readout(parent) {
  const words = h("div", {});
  const box = h("div", { class: "cw-tip", hidden: true, role: "status", "aria-live": "off" }, words);
  parent.append(box);
  return {
    hide() {
      box.hidden = true;
    },
    /**
     * @param {string} name @param {(string | Node)[]} lines
     * @param {number[]} at place in the parent @param {boolean} aloud read it out
     */
    show(name, lines, at, aloud) {
      box.setAttribute("aria-live", aloud ? "polite" : "off");
      words.replaceChildren(h("strong", {}, name), ...lines.map((one) => h("div", {}, one)));
      box.hidden = false;
      const right = at[0] + 14 + box.offsetWidth > parent.clientWidth;
      const low = at[1] + 14 + box.offsetHeight > parent.clientHeight;
      box.style.left = `${Math.max(0, right ? at[0] - 14 - box.offsetWidth : at[0] + 14)}px`;
      box.style.top = `${Math.max(0, low ? at[1] - 14 - box.offsetHeight : at[1] + 14)}px`;
    },
  };
}

// @ts-check
// Small box beside the pointer or the keyboard's place: a name and lines of values.
import { h } from "./dom.js";

const APART = 14; // px from the pointer

/** @param {HTMLElement} parent @param {Node[]} before what stands above the words */
export function readout(parent, ...before) {
  const words = h("div", {});
  const box = h("div", { class: "cw-tip", hidden: true, role: "status", "aria-live": "off" }, ...before, words);
  parent.append(box);
  return {
    hide() {
      box.hidden = true;
    },
    /** @param {string} name @param {(string | Node)[]} lines @param {boolean} aloud read it out */
    say(name, lines, aloud) {
      box.setAttribute("aria-live", aloud ? "polite" : "off");
      words.replaceChildren(h("strong", {}, name), ...lines.map((one) => h("div", {}, one)));
    },
    /** @param {number[]} at place in the parent; on its other side where there is no room */
    place(at) {
      box.hidden = false;
      const right = at[0] + APART + box.offsetWidth > parent.clientWidth;
      const low = at[1] + APART + box.offsetHeight > parent.clientHeight;
      box.style.left = `${Math.max(0, right ? at[0] - APART - box.offsetWidth : at[0] + APART)}px`;
      box.style.top = `${Math.max(0, low ? at[1] - APART - box.offsetHeight : at[1] + APART)}px`;
    },
    /**
     * @param {string} name @param {(string | Node)[]} lines
     * @param {number[]} at @param {boolean} aloud
     */
    show(name, lines, at, aloud) {
      this.say(name, lines, aloud);
      this.place(at);
    },
  };
}

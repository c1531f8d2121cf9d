// @ts-check
// Tools and keys of the scatter: what can be pressed, and what then is wished for.
import { button, h } from "./dom.js";

const TOOLS = { lasso: "Lasso", rectangle: "Box", pan: "Move" };

export const KEYS =
  "Arrows go from point to point, Enter selects, A all, I inverts, Escape none, D counts points, plus and minus zoom, 0 shows all.";

/**
 * @typedef {object} Wishes
 * @property {() => void} toggle select or leave the point in focus
 * @property {() => void} none
 * @property {() => void} all
 * @property {() => void} invert
 * @property {() => void} density
 * @property {(factor: number) => void} zoom
 * @property {() => void} fit
 * @property {(dx: number, dy: number) => void} step
 * @property {(dx: number, dy: number) => void} pan page pixels
 */

/**
 * @param {HTMLElement} el the row of tools @param {import("./wire.js").Model} model
 * @param {Wishes} wishes @param {(name: string) => void} colored asked for another colour column
 */
export function tools(el, model, wishes, colored) {
  const pick = h("div", { class: "cw-group", role: "radiogroup", "aria-label": "Pointer tool" });
  for (const [tool, text] of Object.entries(TOOLS)) {
    const one = button(text, `${text}: drag on the plot`, () => {
      model.set("tool", tool);
      model.save_changes();
    });
    one.setAttribute("role", "radio");
    one.dataset.tool = tool;
    pick.append(one);
  }
  const by = h("select", { "aria-label": "Colour by", onchange: () => colored(by.value) });
  const chooser = h("label", { class: "cw-choose" }, "Colour ", by);
  const density = button("Density", "Count the points on each place", wishes.density);
  el.append(
    chooser,
    pick,
    density,
    h(
      "div",
      { class: "cw-group" },
      button("+", "Zoom in", () => wishes.zoom(1.5)),
      button("−", "Zoom out", () => wishes.zoom(1 / 1.5)),
      button("Fit", "Show all points", wishes.fit),
    ),
  );
  return {
    /** @param {any[]} columns @param {any} chosen */
    columns(columns, chosen) {
      by.replaceChildren(...columns.map((one) => h("option", { value: one.name, selected: one === chosen }, one.name)));
      chooser.hidden = columns.length < 2;
    },
    /** Follow the model. @returns {string} the tool */
    show() {
      for (const one of pick.children) one.setAttribute("aria-checked", String(one.dataset.tool === model.get("tool")));
      density.setAttribute("aria-pressed", String(Boolean(model.get("density"))));
      by.disabled = Boolean(model.get("density"));
      return model.get("tool");
    },
  };
}

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** @param {HTMLElement} el @param {Wishes} wishes @param {AbortSignal} signal */
export function keys(el, wishes, signal) {
  const commands = {
    Enter: wishes.toggle,
    " ": wishes.toggle,
    Escape: wishes.none,
    a: wishes.all,
    i: wishes.invert,
    d: wishes.density,
    "+": () => wishes.zoom(1.5),
    "=": () => wishes.zoom(1.5),
    "-": () => wishes.zoom(1 / 1.5),
    0: wishes.fit,
  };
  el.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey) return;
    const arrow = ARROWS[/** @type {keyof ARROWS} */ (event.key)];
    const command = commands[/** @type {keyof commands} */ (event.key)];
    if (arrow && event.shiftKey) wishes.pan(-40 * arrow[0], -40 * arrow[1]);
    else if (arrow) wishes.step(arrow[0], arrow[1]);
    else if (command) command();
    else return;
    // The host's own shortcuts (JupyterLab: a adds a cell) must not run too.
    event.preventDefault();
    event.stopPropagation();
  }, { signal });
}

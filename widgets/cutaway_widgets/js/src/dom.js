// @ts-check
// The frame that all views share: heading, tools, body, summary, caption, error.
import { stateOf } from "./link_state.js";
import { saveMenu } from "./save.js";
import { watch } from "./wire.js";

/** @typedef {import("./wire.js").Model} Model */

/**
 * An element with attributes and children; `on…` attributes are listeners.
 * @param {string} tag
 * @param {Record<string, any>} [attributes]
 * @param {(Node | string)[]} children
 * @returns {any}
 */
export function h(tag, attributes = {}, ...children) {
  const el = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) el.addEventListener(name.slice(2), value);
    else if (value === true) el.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) {
      el.setAttribute(name, String(value));
    }
  }
  el.append(...children);
  return el;
}

/**
 * Heading, tools, body, summary line, caption and error line of a view.
 * @param {{ model: Model, el: HTMLElement, signal: AbortSignal }} context
 * @param {{ kind: string, label: string, link?: Model, saves?: boolean }} about saves: has a Save
 *   menu, as every view that shows data
 */
export function shell({ model, el, signal }, { kind, label, link, saves = true }) {
  const title = h("h3", { class: "cw-title" });
  const tools = h("div", { class: "cw-tools" });
  const body = h("div", { class: "cw-body" });
  const veil = h("div", { class: "cw-veil", role: "alert", hidden: true });
  const summary = h("div", { class: "cw-summary", role: "status", "aria-live": "polite" });
  const caption = h("div", { class: "cw-caption" });
  const error = h("div", { class: "cw-error", role: "alert", hidden: true });
  const root = h(
    "section",
    { class: `cw cw-${kind}`, "aria-label": label },
    h("div", { class: "cw-head" }, title, tools),
    h("div", { class: "cw-stage" }, body, veil),
    summary,
    caption,
    error,
  );
  const name = () => (model.get("title") ? `${label}: ${model.get("title")}` : label);
  const save = saveMenu(root, () => model.get("title") || label, () => model.get("title") ?? "", signal);
  if (saves) {
    root.querySelector(".cw-head").append(save.holder);
    summary.after(save.note);
  }
  if (link) undoKeys(root, link, signal);
  const words = () => {
    title.textContent = model.get("title") ?? "";
    title.hidden = !model.get("title");
    caption.textContent = model.get("caption") ?? "";
    caption.hidden = !model.get("caption");
    root.setAttribute("aria-label", name());
    error.textContent = model.get("error") || link?.get("error") || "";
    error.hidden = !error.textContent;
  };
  // The picture that stands in for this view in a notebook that is reopened.
  const still = model.get("_still");
  if (still) root.append(h("style", {}, `.${CSS.escape(still)} { display: none; }`));
  words();
  watch(model, ["title", "caption", "error"], words, signal);
  if (link) watch(link, ["error"], words, signal);
  el.replaceChildren(root);
  signal.addEventListener("abort", () => root.remove());

  return {
    root,
    tools,
    body,
    /**
     * What the Save menu offers besides the picture.
     * @param {import("./save.js").Saves} more
     */
    saves: (more) => save.add(more),
    /** @param {string} text */
    say(text) {
      if (summary.textContent !== text) summary.textContent = text;
    },
    /**
     * Hide the drawing behind a message; empty text lifts it.
     * @param {string} text
     */
    veil(text) {
      veil.textContent = text;
      veil.hidden = !text;
      body.toggleAttribute("inert", Boolean(text));
      body.style.visibility = text ? "hidden" : "";
    },
  };
}

/**
 * Ctrl or Cmd with Z, Shift+Z or Y: undo and redo of the selection, from anywhere in a view.
 * @param {HTMLElement} root @param {Model} link @param {AbortSignal} signal
 */
function undoKeys(root, link, signal) {
  root.addEventListener("keydown", (event) => {
    if (!(event.ctrlKey || event.metaKey) || event.altKey) return;
    const key = event.key.toLowerCase();
    const way = key === "z" ? (event.shiftKey ? "redo" : "undo") : key === "y" ? "redo" : "";
    const target = /** @type {Element} */ (event.target);
    // What is being typed has an undo of its own.
    if (!way || target.matches("input:not([type=checkbox], [type=radio], [type=range]), textarea")) return;
    stateOf(link)[way]();
    // The host's own undo would take a cell back.
    event.preventDefault();
    event.stopPropagation();
  }, { signal });
}

/**
 * Is the data about the same rows as the link? If not, says so on the view.
 * Never highlight rows of one data set in a picture of another.
 * @param {{ veil: (text: string) => void }} frame
 * @param {Model} model
 * @param {{ digest: string, axis: string }} link
 * @param {string} [blank] what to say instead of drawing; empty when there is something to draw
 */
export function sameRows(frame, model, link, blank = "") {
  const same = model.get("_digest") === link.digest;
  frame.veil(
    same ? blank : `This view and its selection are about different ${link.axis}s. Show the data again.`,
  );
  return same;
}

/**
 * A list box must have options; one that says only why it has none is a group.
 * @param {HTMLElement} port @param {boolean} filled
 */
export function listRole(port, filled) {
  port.setAttribute("role", filled ? "listbox" : "group");
  if (filled) port.setAttribute("aria-multiselectable", "true");
  else port.removeAttribute("aria-multiselectable");
}

/**
 * A button of the tool row. Its name has its words in it: people who speak to the page say those.
 * @param {string} text @param {string} label what it does, for hover and screen readers
 * @param {() => void} onclick
 */
export function button(text, label, onclick) {
  const said = /^\w/.test(text) && !new RegExp(`\\b${text}\\b`, "i").test(label);
  const name = said ? `${text}: ${label}` : label;
  return h("button", { class: "cw-button", type: "button", title: label, "aria-label": name, onclick }, text);
}

/**
 * A canvas that keeps its pixel size; calls `redraw` when its place or the theme changes.
 * @param {HTMLElement} parent @param {Record<string, any>} attributes
 * @param {() => void} redraw @param {AbortSignal} signal
 */
export function canvas(parent, attributes, redraw, signal) {
  const el = /** @type {HTMLCanvasElement} */ (h("canvas", attributes));
  parent.append(el);
  const sizes = new ResizeObserver(redraw);
  sizes.observe(parent);
  // JupyterLab switches themes by an attribute on the body, browsers by a media query.
  const themes = new MutationObserver(redraw);
  themes.observe(document.body, { attributes: true });
  themes.observe(document.documentElement, { attributes: true });
  const media = matchMedia("(prefers-color-scheme: dark)");
  media.addEventListener("change", redraw, { signal });
  signal.addEventListener("abort", () => {
    sizes.disconnect();
    themes.disconnect();
  });
  return {
    el,
    /**
     * Context scaled to CSS pixels, cleared, with the CSS size.
     * @param {number} height
     */
    begin(height) {
      const ratio = window.devicePixelRatio || 1;
      const width = Math.max(1, parent.clientWidth);
      el.style.height = `${height}px`;
      if (el.width !== Math.round(width * ratio)) el.width = Math.round(width * ratio);
      if (el.height !== Math.round(height * ratio)) el.height = Math.round(height * ratio);
      const ctx = /** @type {CanvasRenderingContext2D} */ (el.getContext("2d"));
      ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
      ctx.clearRect(0, 0, width, height);
      return { ctx, width, height };
    },
  };
}

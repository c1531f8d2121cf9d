// @ts-check
// The saved page: draws the tree of boxes and views from the state in the file itself.
import { h } from "./dom.js";
import bundle from "./index.js";
import { models } from "./page_model.js";

/** @typedef {import("./page_model.js").SavedModel} SavedModel */
/**
 * @typedef {object} Part
 * @property {"box" | "view" | "html" | "button"} part
 * @property {Record<string, string>} style
 * @property {string} [direction] of a box
 * @property {string[]} [classes] of a box, by which a choice shows or hides it
 * @property {Part[]} [children] of a box
 * @property {string} [model] of a view
 * @property {string} [text] of a button; label of html
 * @property {Markup[]} [value] of html
 */
/**
 * @typedef {string | { tag: string, attributes: Record<string, string>, style: Record<string, string>,
 *   children: Markup[] }} Markup
 */

const NEEDS = "needs a kernel";
const ASKING = new Set(["actions", "form", "guide", "progress"]); // views that only ask Python
const { render } = bundle.initialize();

/**
 * Elements of an HTML part. Its markup was read when the page was saved: nothing is parsed here.
 * @param {Markup} one @returns {Node | string}
 */
function built(one) {
  if (typeof one === "string") return one;
  const el = h(one.tag, one.attributes, ...one.children.map(built));
  for (const [name, value] of Object.entries(one.style)) el.style.setProperty(name, value);
  return el;
}

/** @param {Part} part @param {Record<string, SavedModel>} known @returns {Promise<HTMLElement>} */
async function draw(part, known) {
  const el = h("div", { class: `cwp-${part.part}` });
  for (const [name, value] of Object.entries(part.style)) el.style.setProperty(name, value);
  if (part.part === "box") {
    el.classList.add(`cwp-${part.direction}`, ...(part.classes ?? []));
    for (const one of part.children ?? []) el.append(await draw(one, known));
  } else if (part.part === "html") {
    if (part.text) el.append(h("span", { class: "cwp-label" }, part.text));
    el.append(h("div", {}, ...(part.value ?? []).map(built)));
  } else if (part.part === "button") {
    el.append(h("button", { type: "button", disabled: true, title: NEEDS }, part.text ?? ""));
  } else {
    await show(el, known[part.model ?? ""]);
  }
  return el;
}

/** @param {HTMLElement} el @param {SavedModel} model */
async function show(el, model) {
  try {
    await render({ model, el });
  } catch (error) {
    // The view says it in its place; the others still work.
    console.error(error);
  }
  const all = ASKING.has(model.get("_kind"));
  el.classList.toggle("cwp-off", all);
  if (all) el.title = NEEDS;
  // Other views ask by single buttons, which say so.
  for (const one of /** @type {NodeListOf<HTMLButtonElement>} */ (el.querySelectorAll(all ? "button, input, select" : "[data-asks]"))) {
    one.disabled = true;
    one.title = NEEDS;
  }
}

async function start() {
  const root = /** @type {HTMLElement} */ (document.querySelector("#cutaway"));
  const saved = JSON.parse(document.querySelector("#cutaway-state")?.textContent ?? "");
  const known = models(saved.models);
  // Texts that the kernel wrote about a selection cannot follow it here.
  const moved = () => root.classList.add("cwp-moved");
  for (const one of Object.values(known)) one.on("change:_mask", moved);
  root.replaceChildren(await draw(saved.tree, known));
  root.dataset.ready = "yes";
}

start();

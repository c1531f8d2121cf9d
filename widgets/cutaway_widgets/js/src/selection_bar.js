// @ts-check
// The selection as a bar: how many, undo, all, none, invert, and selections kept under a name.
import { csv } from "./csv.js";
import { button, h, shell } from "./dom.js";
import { download, fileName } from "./download.js";
import { counted, number } from "./format.js";
import { equal } from "./history.js";
import { Link } from "./link.js";
import * as mask from "./mask.js";
import { bytes, frame } from "./wire.js";

/** @type {["replace" | "and" | "or" | "minus", string, string][]} */
const WAYS = [
  ["replace", "Select", "select it"],
  ["and", "and", "keep only what is in both"],
  ["or", "or", "select what is in either"],
  ["minus", "minus", "take it away from the selection"],
];

const NOTHING = "Nothing is selected yet.";

/** @param {{ model: import("./wire.js").Model, el: HTMLElement, signal: AbortSignal }} context */
export async function selectionBar({ model, el, signal }) {
  const link = await Link.of(model, "selection bar", signal);
  if (signal.aborted) return;
  const view = shell({ model, el, signal }, { kind: "selection", label: "Selection", link: link.model, saves: false });
  let renaming = "";
  let told = "";
  const tell = (/** @type {string} */ text) => {
    told = text;
    redraw();
  };
  const plural = () => `${link.axis}s`;

  const count = h("div", { class: "cw-bar-count" });
  const undo = button("Undo", "Undo the last change of the selection (Ctrl+Z)", () => link.undo());
  const redo = button("Redo", "Redo it (Ctrl+Shift+Z)", () => link.redo());
  const all = button("All", `Select all ${plural()}`, () => link.select(mask.all(link.n)));
  const none = button("None", "Select nothing", () => link.select(mask.none(link.n)));
  const invert = button("Invert", "Select what is not selected", () => link.select(mask.invert(link.mask, link.n)));
  const ids = button("Save ids", "Save the selected ids as a CSV file", () => tell(link.count ? saveIds(link) : NOTHING));
  const groups = [[undo, redo], [all, none, invert]].map((some) => h("div", { class: "cw-group" }, ...some));
  const name = h("input", {
    type: "text",
    maxlength: 60,
    placeholder: "Name of this selection",
    "aria-label": "Name under which to keep this selection",
    oninput: () => redraw(),
    onkeydown: (/** @type {KeyboardEvent} */ event) => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      event.stopPropagation();
      keep();
    },
  });
  const keep = () => attempt(() => {
    const words = name.value.trim();
    if (!link.count) throw new Error(NOTHING);
    if (!words) {
      name.focus();
      throw new Error("Give it a name first.");
    }
    link.named.keep(words);
    name.value = "";
    tell(`Kept ${counted(link.count, link.axis)} as ${words}.`);
  });
  const keeper = button("Keep", "Keep this selection under the name", keep);
  const kept = h("ul", { class: "cw-kept", "aria-label": "Kept selections" });
  view.body.append(
    h(
      "div",
      { class: "cw-bar-rows" },
      h("div", { class: "cw-bar-row" }, count, ...groups, ids),
      h("div", { class: "cw-bar-row" }, h("div", { class: "cw-keep" }, name, keeper)),
      kept,
    ),
  );

  const attempt = (/** @type {() => void} */ act) => {
    try {
      act();
    } catch (error) {
      tell(error instanceof Error ? error.message : String(error));
    }
  };
  const rename = (/** @type {string} */ old, /** @type {string} */ fresh) => attempt(() => {
    renaming = "";
    if (fresh.trim() && fresh.trim() !== old) link.named.rename(old, fresh);
    redraw(fresh.trim() || old);
  });
  const field = (/** @type {string} */ old) => h("input", {
    type: "text",
    maxlength: 60,
    value: old,
    "aria-label": `New name of ${old}`,
    onkeydown: (/** @type {any} */ event) => {
      if (event.key !== "Enter" && event.key !== "Escape") return;
      event.preventDefault();
      event.stopPropagation();
      rename(old, event.key === "Enter" ? event.target.value : old);
    },
  });
  const line = (/** @type {import("./named.js").Kept} */ one) => {
    const bits = bytes(one.mask);
    const words = one.name;
    const ways = WAYS.map(([way, text, does]) =>
      button(text, `${text} ${words}: ${does}`, () => link.named.recall(words, way)));
    const change = [
      button("Rename", `Rename ${words}`, () => {
        renaming = words;
        redraw();
      }),
      button("Forget", `Forget ${words}`, () => {
        link.named.forget(words);
        name.focus();
        tell(`Forgot ${words}.`);
      }),
    ];
    const row = h(
      "li",
      { "data-now": String(equal(bits, link.mask)) },
      h(
        "span",
        { class: "cw-kept-name" },
        ...(renaming === words ? [field(words)] : [words, h("small", {}, number(mask.count(bits), true))]),
      ),
      h("div", { class: "cw-group" }, ...ways),
      h("div", { class: "cw-group" }, ...change),
    );
    row.dataset.name = words;
    return row;
  };
  const paint = () => {
    const picked = link.count;
    count.replaceChildren(h("strong", {}, number(picked, true)), ` of ${counted(link.n, link.axis)} selected`);
    set(undo, link.state.canUndo);
    set(redo, link.state.canRedo);
    set(none, picked > 0);
    set(all, picked < link.n);
    set(invert, link.n > 0);
    set(ids, picked > 0);
    set(keeper, picked > 0 && name.value.trim() !== "");
    rebuild(kept, link.named.list.map(line));
    kept.hidden = !kept.childElementCount;
    const field = kept.querySelector("input");
    if (field && document.activeElement !== field) {
      field.focus();
      field.select();
    }
    const gone = /** @type {string[]} */ (link.model.get("_dropped") ?? []);
    const dropped = gone.length ? `Kept selections of the ${plural()} before are gone: ${gone.join(", ")}.` : "";
    // Also while something is selected: a line that went would move the views below under a lasso.
    const next = link.n === 0 ? `No ${plural()} to select yet.` : kept.childElementCount ? "" : `Select ${plural()} in a view, then keep them here under a name.`;
    view.say(told || dropped || next);
  };
  const drawn = frame(paint, signal);
  const redraw = (/** @type {string} */ focus = "") => {
    drawn();
    if (focus) requestAnimationFrame(() => focusOn(kept, focus, "Rename"));
  };

  link.watch(["_mask", "digest"], () => {
    told = "";
    drawn();
  });
  link.watch(["_named", "_dropped"], drawn);
  paint();
}

/** A button that cannot act says so, but keeps the keyboard's focus. @param {any} el @param {boolean} can */
function set(el, can) {
  el.setAttribute("aria-disabled", String(!can));
}

/** New lines in place of the old; the button with the focus keeps it. @param {any} list @param {any[]} lines */
function rebuild(list, lines) {
  const active = /** @type {HTMLElement | null} */ (document.activeElement);
  const row = active && list.contains(active) ? active.closest("li") : null;
  const [words, text] = row ? [row.dataset.name, active?.textContent ?? ""] : ["", ""];
  const typed = /** @type {HTMLInputElement | null} */ (list.querySelector("input"))?.value;
  list.replaceChildren(...lines);
  const field = list.querySelector("input");
  if (field && typed !== undefined) field.value = typed;
  else if (words) focusOn(list, words, text);
}

/** @param {any} list @param {string} words @param {string} text of the button */
function focusOn(list, words, text) {
  const row = [...list.children].find((one) => one.dataset.name === words);
  [...(row?.querySelectorAll("button") ?? [])].find((one) => one.textContent === text)?.focus();
}

/** @param {Link} link @returns {string} what to tell */
function saveIds(link) {
  const lines = mask.rows(link.mask).map((row) => [link.id(row)]);
  const blob = new Blob([csv([link.axis], lines)], { type: "text/csv;charset=utf-8" });
  return download(blob, fileName(`selected ${link.axis}s`, "csv"));
}

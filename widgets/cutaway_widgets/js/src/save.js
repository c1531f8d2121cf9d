// @ts-check
// The "Save" menu in a view's head: its picture, and where it has rows their table.
import { download, fileName } from "./download.js";
import { h } from "./dom.js";
import { picture } from "./picture.js";

/**
 * What a view adds to its menu.
 * @typedef {object} Saves
 * @property {() => string} [csv] the rows it shows as CSV
 * @property {() => void} [repaint] draw now what a canvas forgets between frames (WebGL)
 */

/**
 * @param {HTMLElement} root the view's section
 * @param {() => string} name what the view is called
 * @param {() => string} title its heading, or empty
 * @param {AbortSignal} signal
 */
export function saveMenu(root, name, title, signal) {
  /** @type {Saves} */
  let saves = {};
  const note = h("div", { class: "cw-note", role: "status" });
  const tell = (/** @type {string} */ text) => {
    note.textContent = text;
  };
  const attempt = (/** @type {() => void | Promise<void>} */ act) => async () => {
    close(true);
    try {
      await act();
    } catch (error) {
      tell(`Nothing was saved: ${error instanceof Error ? error.message : error}`);
    }
  };
  const png = attempt(async () => {
    saves.repaint?.();
    const sheet = picture(root, title());
    const blob = await new Promise((done) => sheet.toBlob(done, "image/png"));
    if (!blob) throw new Error("the picture is too large for this browser; make the view smaller");
    tell(download(blob, fileName(name(), "png")));
  });
  const csv = attempt(() => {
    const text = saves.csv?.() ?? "";
    tell(download(new Blob([text], { type: "text/csv;charset=utf-8" }), fileName(name(), "csv")));
  });
  const item = (/** @type {string} */ text, /** @type {() => void} */ onclick) =>
    h("button", { type: "button", role: "menuitem", tabindex: -1, onclick }, text);
  const table = item("Table (CSV)", csv);
  table.hidden = true;
  const menu = h("div", { class: "cw-menu", role: "menu", "aria-label": "Save", hidden: true }, item("Picture (PNG)", png), table);
  const opener = h(
    "button",
    {
      class: "cw-button",
      type: "button",
      title: "Save this view",
      "aria-label": "Save this view",
      "aria-haspopup": "menu",
      "aria-expanded": "false",
      onclick: () => (menu.hidden ? open() : close(true)),
    },
    "Save",
  );
  const holder = h("div", { class: "cw-save" }, opener, menu);
  const items = () => [...menu.children].filter((/** @type {any} */ one) => !one.hidden);

  const open = () => {
    tell("");
    menu.hidden = false;
    opener.setAttribute("aria-expanded", "true");
    items()[0].focus();
  };
  const close = (/** @type {boolean} */ back) => {
    if (menu.hidden) return;
    menu.hidden = true;
    opener.setAttribute("aria-expanded", "false");
    if (back) opener.focus();
  };
  holder.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    if (menu.hidden) {
      if (event.key !== "ArrowDown") return;
      open();
    } else {
      const all = items();
      const at = all.indexOf(document.activeElement);
      if (event.key === "ArrowDown") all[(at + 1) % all.length].focus();
      else if (event.key === "ArrowUp") all[(at + all.length - 1) % all.length].focus();
      else if (event.key === "Home") all[0].focus();
      else if (event.key === "End") all[all.length - 1].focus();
      else if (event.key === "Escape") close(true);
      else {
        if (event.key === "Tab") close(false);
        return;
      }
    }
    event.preventDefault();
    event.stopPropagation();
  }, { signal });
  document.addEventListener("pointerdown", (event) => {
    if (!holder.contains(/** @type {Node} */ (event.target))) close(false);
  }, { signal });

  return {
    holder,
    note,
    /** @param {Saves} more */
    add(more) {
      saves = { ...saves, ...more };
      table.hidden = !saves.csv;
    },
  };
}

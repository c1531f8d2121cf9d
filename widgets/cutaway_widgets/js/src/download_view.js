// @ts-check
// A file that Python made, for the reader to take: shown as text where it is one, copied, downloaded.
import { bytesText } from "./cost_model.js";
import { h, shell } from "./dom.js";
import { bytes, watch } from "./wire.js";

/** @param {{ model: import("./wire.js").Model, el: HTMLElement, signal: AbortSignal }} context */
export async function download({ model, el, signal }) {
  const view = shell({ model, el, signal }, { kind: "download", label: "File", saves: false });
  const link = h("a", { class: "cw-file" });
  const copy = h("button", { class: "cw-button", type: "button", onclick: () => take() }, "Copy");
  const text = h("pre", { class: "cw-code", tabindex: 0, "aria-label": "Text of the file" });
  const row = h("div", { class: "cw-row" }, link, copy);
  view.body.append(row, text);
  let url = "";
  const free = () => {
    if (url) URL.revokeObjectURL(url);
    url = "";
  };
  const select = () => {
    const range = document.createRange();
    range.selectNodeContents(text);
    const chosen = getSelection();
    chosen?.removeAllRanges();
    chosen?.addRange(range);
  };
  const take = async () => {
    try {
      await navigator.clipboard.writeText(text.textContent ?? "");
      view.say("Copied.");
    } catch {
      // Some pages may not touch the clipboard: the person can.
      select();
      view.say("Selected: press Ctrl+C to copy.");
    }
  };
  const show = () => {
    free();
    const name = model.get("file");
    const raw = bytes(model.get("_data"));
    row.hidden = !name;
    text.hidden = !name || !model.get("show");
    copy.hidden = text.hidden;
    text.textContent = text.hidden ? "" : new TextDecoder().decode(raw);
    view.say(name ? "" : (model.get("empty") ?? ""));
    if (!name) return;
    url = URL.createObjectURL(new Blob([raw.slice().buffer], { type: model.get("mime") }));
    link.href = url;
    link.download = name;
    link.textContent = `Download ${name} (${bytesText(raw.length)})`;
  };
  const started = model.get("_made");
  const made = () => {
    show();
    // Asked for by a click a moment ago; where the browser refuses, the link is there.
    if (model.get("_made") > started && model.get("file") && model.get("at_once")) link.click();
  };
  text.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    if ((event.ctrlKey || event.metaKey) && event.key === "a") {
      select();
      event.preventDefault();
      event.stopPropagation();
    }
  }, { signal });
  watch(model, ["_made"], made, signal);
  signal.addEventListener("abort", free);
  show();
}

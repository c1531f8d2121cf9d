// @ts-check
// One of a few: a row of tabs that shows one panel and hides the others, in the browser alone.
import { h, shell } from "./dom.js";
import { watch } from "./wire.js";

/**
 * Style that hides every panel but the chosen one. A style, and not an attribute of the panels:
 * it also holds for a panel that the host draws later.
 * @param {Record<string, string>} panels class of each value's panel @param {string} value
 */
export function hiding(panels, value) {
  return Object.entries(panels)
    .filter(([name, panel]) => name !== value && /^[\w-]+$/.test(panel))
    .map(([, panel]) => `.${panel}{display:none!important}`)
    .join("");
}

/** Place that a key leads to among n; -1 for a key that leads nowhere. @param {string} key @param {number} at @param {number} n */
export function led(key, at, n) {
  if (key === "ArrowRight" || key === "ArrowDown") return (at + 1) % n;
  if (key === "ArrowLeft" || key === "ArrowUp") return (at + n - 1) % n;
  if (key === "Home") return 0;
  return key === "End" ? n - 1 : -1;
}

/** @param {{ model: import("./wire.js").Model, el: HTMLElement, signal: AbortSignal }} context */
export async function choice({ model, el, signal }) {
  const view = shell({ model, el, signal }, { kind: "choice", label: "Choice", saves: false });
  const style = h("style");
  const tabs = Object.keys(model.get("_panels") ?? {}).length > 0;
  const list = h("div", { class: "cw-tabs", role: tabs ? "tablist" : "radiogroup", "aria-label": model.get("title") || "Panels" });
  view.body.append(list, style);

  /** @returns {{ value: string, label: string, help: string }[]} */
  const options = () => model.get("_options") ?? [];
  const chosen = tabs ? "aria-selected" : "aria-checked";
  /** @param {string} value */
  const choose = (value) => {
    model.set("value", value);
    model.save_changes();
  };
  const build = () => {
    const now = model.get("value");
    style.textContent = hiding(model.get("_panels") ?? {}, now);
    list.replaceChildren(
      ...options().map((one) =>
        h(
          "button",
          {
            type: "button",
            role: tabs ? "tab" : "radio",
            title: one.help || null,
            tabindex: one.value === now ? 0 : -1,
            [chosen]: String(one.value === now),
            onclick: () => choose(one.value),
          },
          one.label,
        ),
      ),
    );
  };
  const show = () => {
    const had = list.contains(document.activeElement);
    build();
    if (had) list.children[options().findIndex((one) => one.value === model.get("value"))]?.focus();
  };
  list.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    const all = options();
    const to = led(event.key, all.findIndex((one) => one.value === model.get("value")), all.length);
    if (to < 0) return;
    event.preventDefault();
    event.stopPropagation();
    choose(all[to].value);
  }, { signal });
  watch(model, ["_options", "value", "_panels"], show, signal);
  build();
}

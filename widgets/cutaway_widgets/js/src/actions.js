// @ts-check
// A heading with a row of buttons; Python hears each by its name.
import { h, shell } from "./dom.js";
import { watch } from "./wire.js";

/** @param {{ model: import("./wire.js").Model, el: HTMLElement, signal: AbortSignal }} context */
export async function actions({ model, el, signal }) {
  const view = shell({ model, el, signal }, { kind: "actions", label: "Actions", saves: false });
  // A group of its own: other tools of the frame stay where they are.
  const list = h("span", { class: "cw-actions-list" });
  view.tools.append(list);
  /** @param {string} name */
  const click = (name) => {
    const counts = model.get("_clicks") ?? {};
    model.set("_clicks", { ...counts, [name]: (counts[name] ?? 0) + 1 });
    model.save_changes();
  };
  const build = () => {
    const at = [...list.children].indexOf(/** @type {any} */ (document.activeElement));
    list.replaceChildren(
      ...(model.get("_items") ?? []).map((/** @type {any} */ one) =>
        h(
          "button",
          {
            class: `cw-button${one.primary ? " cw-primary" : ""}`,
            type: "button",
            title: one.help,
            "aria-label": one.help ? `${one.label}: ${one.help}` : null,
            "aria-pressed": one.pressed === null ? null : String(one.pressed),
            disabled: !one.enabled,
            onclick: () => click(one.name),
          },
          one.label,
        ),
      ),
    );
    if (at >= 0) list.children[at]?.focus();
    view.say(model.get("said") ?? "");
  };
  watch(model, ["_items", "said"], build, signal);
  build();
}

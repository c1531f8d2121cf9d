// @ts-check
// First steps: what is done, what comes next, and a button that shows an example.
import { h, shell } from "./dom.js";
import { watch } from "./wire.js";

const WORDS = { done: "done", now: "next", later: "later" };

/** @param {{ model: import("./wire.js").Model, el: HTMLElement, signal: AbortSignal }} context */
export async function guide({ model, el, signal }) {
  const view = shell({ model, el, signal }, { kind: "guide", label: "First steps", saves: false });
  const list = h("ol", { class: "cw-steps" });
  const example = h("button", {
    class: "cw-button cw-primary",
    type: "button",
    onclick: () => {
      model.set("_asks", model.get("_asks") + 1);
      model.save_changes();
    },
  });
  const hide = h("button", {
    class: "cw-button",
    type: "button",
    onclick: () => {
      model.set("dismissed", !model.get("dismissed"));
      model.save_changes();
    },
  });
  view.body.append(list);
  const buttons = h("span", { class: "cw-actions-list" }, example, hide);
  view.tools.append(buttons);

  const show = () => {
    const away = Boolean(model.get("dismissed"));
    list.hidden = away;
    view.root.classList.toggle("cw-away", away);
    hide.textContent = away ? "Show the guide" : "Hide";
    hide.title = away ? "Show the first steps again" : "Hide the first steps";
    example.textContent = model.get("example") ?? "";
    example.hidden = away || !model.get("example");
    example.disabled = Boolean(model.get("busy"));
    const steps = /** @type {{ label: string, hint: string, state: keyof typeof WORDS }[]} */ (model.get("_steps") ?? []);
    list.replaceChildren(
      ...steps.map((one, at) =>
        h(
          "li",
          { class: `cw-step cw-${one.state}`, "aria-current": one.state === "now" ? "step" : null },
          h("span", { class: "cw-dot", "aria-hidden": "true" }, one.state === "done" ? "✓" : String(at + 1)),
          h("span", { class: "cw-step-text" }, h("strong", {}, one.label), h("span", { class: "cw-hidden" }, ` (${WORDS[one.state]})`), h("span", { class: "cw-help" }, one.hint)),
        ),
      ),
    );
  };
  watch(model, ["_steps", "dismissed", "example", "busy"], show, signal);
  show();
}

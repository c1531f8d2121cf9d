// @ts-check
// Progress bar of a job, with Cancel.
import { button, h, shell } from "./dom.js";
import { watch } from "./wire.js";

const WORDS = {
  idle: "Not started",
  running: "",
  cancelling: "Cancelling…",
  done: "Done",
  cancelled: "Cancelled",
  failed: "Failed",
};

/** @param {number} seconds */
export function clock(seconds) {
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

/** @param {{ model: import("./wire.js").Model, el: HTMLElement, signal: AbortSignal }} context */
export async function progress({ model, el, signal }) {
  const view = shell({ model, el, signal }, { kind: "progress", label: "Progress", saves: false });
  const fill = h("div", { class: "cw-fill" });
  const bar = h(
    "div",
    { class: "cw-bar", role: "progressbar", "aria-valuemin": 0, "aria-valuemax": 100, "aria-label": "Progress" },
    fill,
  );
  const words = h("span", { class: "cw-words" });
  const failure = h("div", { class: "cw-error", role: "alert", hidden: true });
  const cancel = button("Cancel", "Cancel the running work", () => {
    cancel.disabled = true;
    model.set("_cancels", model.get("_cancels") + 1);
    model.save_changes();
  });
  view.body.append(h("div", { class: "cw-row" }, bar, cancel), words, failure);

  const show = () => {
    const status = model.get("_status") ?? {};
    const state = /** @type {keyof WORDS} */ (status.state ?? "idle");
    const percent = Math.round(100 * (status.fraction ?? 0));
    view.root.dataset.state = state;
    fill.style.width = `${percent}%`;
    bar.setAttribute("aria-valuenow", String(percent));
    const parts = [status.name, WORDS[state], state === "done" ? "" : status.message];
    if (state !== "idle") parts.push(state === "done" ? "" : `${percent} %`, clock(status.seconds ?? 0));
    words.textContent = parts.filter(Boolean).join(" · ");
    bar.setAttribute("aria-valuetext", words.textContent);
    cancel.disabled = state !== "running";
    cancel.hidden = !["running", "cancelling"].includes(state);
    failure.textContent = status.error ?? "";
    failure.hidden = !status.error;
  };
  watch(model, ["_status"], show, signal);
  show();
}

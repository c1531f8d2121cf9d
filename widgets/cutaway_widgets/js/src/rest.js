// @ts-check
// What a hand moves quickly is sent to Python once it rests.

const AFTER = 120; // ms

/**
 * @param {import("./wire.js").Model} model @param {AbortSignal} signal
 * @returns {() => void} to be called after each change; the last one is sent when the view goes away
 */
export function resting(model, signal) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const save = () => {
    clearTimeout(timer);
    timer = undefined;
    model.save_changes();
  };
  signal.addEventListener("abort", () => timer !== undefined && save());
  return () => {
    clearTimeout(timer);
    timer = setTimeout(save, AFTER);
  };
}

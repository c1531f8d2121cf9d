// @ts-check
// Which of the person's actions is going on: a press with the drag after it, a key, a click.

let serial = 0;

/** @param {Event} event */
function begin(event) {
  // A held key goes on with its action; a click that a press led to belongs to the press.
  if (/** @type {KeyboardEvent} */ (event).repeat) return;
  if (event.type === "click" && /** @type {MouseEvent} */ (event).detail > 0) return;
  serial += 1;
}

/**
 * Number of the action; the same from a press until the next one. -1 where there is no page.
 * @returns {number}
 */
export const gesture = () => (globalThis.document ? serial : -1);

/** @param {AbortSignal} signal */
export function listen(signal) {
  for (const name of ["pointerdown", "keydown", "click", "change"]) {
    globalThis.document?.addEventListener(name, begin, { capture: true, passive: true, signal });
  }
}

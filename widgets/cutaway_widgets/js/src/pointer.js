// @ts-check
// Pointer and keys of the scatter, told as intentions: outline, pan, click, hover, zoom, step.

/**
 * @typedef {object} Wishes
 * @property {() => string} tool "lasso", "rectangle" or "pan"
 * @property {(outline: number[]) => void} drawing outline so far; empty when it ends
 * @property {(outline: number[], event: PointerEvent) => void} enclose
 * @property {(dx: number, dy: number) => void} pan
 * @property {(x: number, y: number, event: PointerEvent) => void} click
 * @property {(x: number, y: number) => void} hover
 * @property {() => void} leave
 * @property {(factor: number, x: number, y: number) => void} zoom
 */
import { rectangle } from "./geometry.js";

const CLICK = 4; // px that a hand may slip in a click

/** @param {HTMLElement} el @param {Wishes} wishes @param {AbortSignal} signal */
export function pointer(el, wishes, signal) {
  /** @type {{ x: number, y: number, px: number, py: number, moved: boolean, outline: number[] } | null} */
  let drag = null;
  const at = (/** @type {MouseEvent} */ event) => {
    const box = el.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const down = (/** @type {PointerEvent} */ event) => {
    if (event.button !== 0) return;
    const [x, y] = at(event);
    el.setPointerCapture(event.pointerId);
    el.focus({ preventScroll: true });
    drag = { x, y, px: x, py: y, moved: false, outline: [x, y] };
    wishes.leave();
  };
  const move = (/** @type {PointerEvent} */ event) => {
    const [x, y] = at(event);
    if (!drag) {
      wishes.hover(x, y);
      return;
    }
    if (!drag.moved && Math.hypot(x - drag.x, y - drag.y) < CLICK) return;
    drag.moved = true;
    const tool = wishes.tool();
    if (tool === "pan") wishes.pan(x - drag.px, y - drag.py);
    else if (tool === "rectangle") drag.outline = rectangle(drag.x, drag.y, x, y);
    else drag.outline.push(x, y);
    drag.px = x;
    drag.py = y;
    if (tool !== "pan") wishes.drawing(drag.outline);
  };
  const up = (/** @type {PointerEvent} */ event) => {
    if (!drag) return;
    const done = drag;
    drag = null;
    wishes.drawing([]);
    if (!done.moved) wishes.click(done.x, done.y, event);
    else if (wishes.tool() !== "pan") wishes.enclose(done.outline, event);
  };
  const cancel = () => {
    drag = null;
    wishes.drawing([]);
  };
  const wheel = (/** @type {WheelEvent} */ event) => {
    // A page must scroll past a view that nobody clicked.
    if (!event.ctrlKey && !event.metaKey && document.activeElement !== el) return;
    event.preventDefault();
    const [x, y] = at(event);
    wishes.zoom(Math.exp(-event.deltaY * 0.002), x, y);
  };
  el.addEventListener("pointerdown", down, { signal });
  el.addEventListener("pointermove", move, { signal });
  el.addEventListener("pointerup", up, { signal });
  el.addEventListener("pointercancel", cancel, { signal });
  el.addEventListener("pointerleave", () => wishes.leave(), { signal });
  el.addEventListener("wheel", wheel, { signal, passive: false });
}

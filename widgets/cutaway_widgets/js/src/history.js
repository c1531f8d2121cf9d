// @ts-check
// Undo and redo of selections: the states that were, bounded; the same rules as _history.py.

/** @typedef {import("./mask.js").Mask} Mask */
/**
 * One state of a selection.
 * @typedef {{ mask: Mask, by: string, step: number }} Step
 */

const MOST_STEPS = 100;
const MOST_BYTES = 16_000_000; // 100 steps of a million rows are 12.5 MB

/** @param {Mask} a @param {Mask} b */
export function equal(a, b) {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Past, present and future of one link's selection. */
export class History {
  /** @param {Mask} mask the present */
  constructor(mask) {
    /** @type {Step} */
    this.now = { mask, by: "code", step: -1 };
    /** @type {Step[]} */
    this.past = [];
    /** @type {Step[]} */
    this.future = [];
  }

  /**
   * Take in a new present; one that was reached by undoing elsewhere moves back instead.
   * @param {Step} step
   */
  note(step) {
    if (equal(step.mask, this.now.mask)) return;
    if (step.by === "undo" && this.to(step, this.past, this.future)) return;
    if (step.by === "redo" && this.to(step, this.future, this.past)) return;
    // Code has no drags, and a later one starts with another number.
    const goesOn = step.step >= 0 && step.step === this.now.step && step.by === this.now.by;
    this.future = [];
    if (goesOn && this.before && equal(this.before, step.mask)) {
      // A drag that came back to where it began is no step.
      this.now = /** @type {Step} */ (this.past.pop());
      return;
    }
    if (!goesOn) this.past.push(this.now);
    this.now = step;
    const most = Math.min(MOST_STEPS, Math.max(1, Math.floor(MOST_BYTES / Math.max(1, step.mask.length))));
    if (this.past.length > most) this.past.splice(0, this.past.length - most);
  }

  /** @returns {Mask | undefined} what an undo would show */
  get before() {
    return this.past.at(-1)?.mask;
  }

  /** @returns {Mask | undefined} what a redo would show */
  get after() {
    return this.future.at(-1)?.mask;
  }

  /**
   * Move to the nearest state with this mask; the other side may have taken several steps.
   * @param {Step} step @param {Step[]} there @param {Step[]} here
   */
  to(step, there, here) {
    if (!there.some((one) => equal(one.mask, step.mask))) return false;
    do {
      here.push(this.now);
      this.now = /** @type {Step} */ (there.pop());
    } while (!equal(this.now.mask, step.mask));
    return true;
  }
}

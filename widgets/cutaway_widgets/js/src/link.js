// @ts-check
// The browser's side of the shared selection of one axis.
import { stateOf } from "./link_state.js";
import * as mask from "./mask.js";
import { resolve, watch } from "./wire.js";

/** @typedef {import("./wire.js").Model} Model */

/** One view's handle on the link model; what views share lies in its `state`. */
export class Link {
  /** @param {Model} model @param {string} by @param {AbortSignal} signal */
  constructor(model, by, signal) {
    this.model = model;
    this.by = by;
    this.signal = signal;
    this.state = stateOf(model);
    this.state.enter(signal);
  }

  /** @param {Model} model the view's @param {string} by @param {AbortSignal} signal */
  static async of(model, by, signal) {
    return new Link(await resolve(model, "link"), by, signal);
  }

  /** @returns {number} */
  get n() {
    return this.model.get("n");
  }

  /** @returns {string} */
  get axis() {
    return this.model.get("axis");
  }

  /** Bits of the selection: one object a state, shared by all views, never to be changed. */
  get mask() {
    return this.state.mask;
  }

  /** @returns {number} how many are selected; counted once for all views */
  get count() {
    return this.state.count;
  }

  /** Selections kept under a name: `list`, `keep`, `recall`, `rename`, `forget`. */
  get named() {
    return this.state.named;
  }

  /** @returns {string} */
  get digest() {
    return this.model.get("digest");
  }

  /** @param {number} i @returns {string} */
  id(i) {
    const ids = this.model.get("_ids");
    return String(ids ? ids[i] : i);
  }

  /** @returns {number} row under the pointer in some view, or -1 */
  get hover() {
    return this.model.get("_hover");
  }

  /**
   * Select rows. Other views follow at once; Python hears the last state after a short pause.
   * All that one press, drag or key selects is one step of undo.
   * @param {mask.Mask} fresh
   * @param {mask.How} how
   * @param {{ merge?: boolean }} options merge: part of the step before, whatever led to it
   */
  select(fresh, how = "replace", { merge = false } = {}) {
    this.state.write(mask.combine(this.mask, fresh, how), this.by, merge);
  }

  /** Back to the selection before the last step; false when there is none. */
  undo() {
    return this.state.undo();
  }

  /** Take the last undo back; false when there is none. */
  redo() {
    return this.state.redo();
  }

  /** @param {number} i row or -1; never sent to Python on its own */
  point(i) {
    if (i !== this.hover) this.model.set("_hover", i);
  }

  /** Tell Python now. */
  save() {
    this.state.save();
  }

  /** @param {string[]} names @param {() => void} fn */
  watch(names, fn) {
    watch(this.model, names, fn, this.signal);
  }
}

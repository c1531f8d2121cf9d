// @ts-check
// The browser's side of the shared selection of one axis.
import * as mask from "./mask.js";
import { bytes, resolve, watch } from "./wire.js";

/** @typedef {import("./wire.js").Model} Model */

const SAVE_AFTER = 120; // ms without a change before Python hears of it

/** One view's handle on the link model. */
export class Link {
  /** @param {Model} model @param {string} by @param {AbortSignal} signal */
  constructor(model, by, signal) {
    this.model = model;
    this.by = by;
    this.signal = signal;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    signal.addEventListener("abort", () => {
      if (this.timer !== undefined) this.save();
    });
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

  /** Bits of the selection; all zero when the stored ones are about other rows. */
  get mask() {
    const stored = bytes(this.model.get("_mask"));
    const fits = stored.length === (this.n + 7) >> 3 && this.model.get("_of") === this.digest;
    return fits ? stored : mask.none(this.n);
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
   * @param {mask.Mask} fresh
   * @param {"replace" | "add" | "subtract" | "toggle"} [how]
   */
  select(fresh, how = "replace") {
    const bits = mask.combine(this.mask, fresh, how);
    this.model.set("_by", this.by);
    this.model.set("_of", this.digest);
    // A new DataView each time: hosts compare by reference, and echo this form.
    this.model.set("_mask", new DataView(bits.buffer, bits.byteOffset, bits.byteLength));
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.save(), SAVE_AFTER);
  }

  /** @param {number} i row or -1; never sent to Python on its own */
  point(i) {
    if (i !== this.hover) this.model.set("_hover", i);
  }

  save() {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.model.save_changes();
  }

  /** @param {string[]} names @param {() => void} fn */
  watch(names, fn) {
    watch(this.model, names, fn, this.signal);
  }
}

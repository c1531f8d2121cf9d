// @ts-check
// What all views of a page share about one link: the mask with its count, history, kept selections.
import { History } from "./history.js";
import { gesture, listen } from "./gesture.js";
import * as mask from "./mask.js";
import { Named } from "./named.js";
import { bytes } from "./wire.js";

/** @typedef {import("./wire.js").Model} Model */
/** @typedef {import("./mask.js").Mask} Mask */

const SAVE_AFTER = 120; // ms without a change before Python hears of it

// The bundle is evaluated once a page, and hosts hand out one object for one link.
/** @type {WeakMap<Model, LinkState>} */
const known = new WeakMap();

export class LinkState {
  /** @param {Model} model */
  constructor(model) {
    this.model = model;
    this.named = new Named(this);
    this.digest = "";
    this.users = 0;
    this.action = -2;
    this.step = -1;
    /** @type {any} what `mask` was made of */
    this.source = undefined;
    this.key = "";
    /** @type {Mask} */
    this.bits = mask.none(0);
    this.total = 0;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    this.history = new History(this.bits);
    this.note = () => this.sync();
    this.sync();
  }

  /** @returns {number} */
  get n() {
    return this.model.get("n");
  }

  /** Bits of the selection; all zero when the stored ones are about other rows. One object a state. */
  get mask() {
    const source = this.model.get("_mask");
    const of = this.model.get("_of");
    const now = `${of}|${this.model.get("digest")}|${this.n}`;
    if (source === this.source && now === this.key) return this.bits;
    this.source = source;
    this.key = now;
    const stored = bytes(source);
    const fits = stored.length === (this.n + 7) >> 3 && of === this.model.get("digest");
    this.bits = fits ? stored : mask.none(this.n);
    this.total = mask.count(this.bits);
    return this.bits;
  }

  /** @returns {number} how many are selected; counted once a state */
  get count() {
    return this.mask && this.total;
  }

  /** Take what others did into the history; a change of rows begins a new one. */
  sync() {
    const digest = this.model.get("digest");
    const bits = this.mask;
    if (digest !== this.digest) {
      this.digest = digest;
      this.history = new History(bits);
    } else {
      this.history.note({ mask: bits, by: this.model.get("_by") ?? "", step: this.model.get("_step") ?? -1 });
    }
  }

  /**
   * @param {Mask} bits never changed afterwards
   * @param {string} by
   * @param {boolean} merge is this the same step as the last?
   */
  write(bits, by, merge = false) {
    this.sync();
    const action = gesture();
    const same = merge || (action >= 0 && action === this.action && by === this.model.get("_by"));
    this.action = action;
    // Goes on from the kernel's number: a page that is loaded anew must not repeat one.
    this.step = same && this.step >= 0 ? this.step : Math.max(this.step, this.model.get("_step") ?? -1) + 1;
    this.model.set("_by", by);
    this.model.set("_of", this.model.get("digest"));
    this.model.set("_step", this.step);
    // A new DataView each time: hosts compare by reference, and echo this form.
    this.model.set("_mask", new DataView(bits.buffer, bits.byteOffset, bits.byteLength));
    this.sync();
    this.later();
  }

  undo() {
    return this.go("undo");
  }

  redo() {
    return this.go("redo");
  }

  /** @param {"undo" | "redo"} way */
  go(way) {
    this.sync();
    const bits = way === "undo" ? this.history.before : this.history.after;
    if (!bits) return false;
    this.action = -2;
    this.write(bits.slice(), way);
    return true;
  }

  get canUndo() {
    return this.history.past.length > 0;
  }

  get canRedo() {
    return this.history.future.length > 0;
  }

  later() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.save(), SAVE_AFTER);
  }

  save() {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.model.save_changes();
  }

  /**
   * Listen while some view of the link is on the page.
   * @param {AbortSignal} signal the view's
   */
  enter(signal) {
    listen(signal);
    this.users += 1;
    if (this.users === 1) {
      this.sync();
      for (const name of ["_mask", "digest"]) this.model.on?.(`change:${name}`, this.note);
    }
    signal.addEventListener("abort", () => {
      if (this.timer !== undefined) this.save();
      this.users -= 1;
      if (this.users) return;
      for (const name of ["_mask", "digest"]) this.model.off?.(`change:${name}`, this.note);
    });
  }
}

/** @param {Model} model a link's @returns {LinkState} */
export function stateOf(model) {
  let found = known.get(model);
  if (!found) known.set(model, (found = new LinkState(model)));
  return found;
}

// @ts-check
// What stands in for a kernel on a saved page: models made of the saved state, shared by id.
import { bytes } from "./wire.js";

/** @typedef {import("./wire.js").Model} Model */

// What only a kernel can answer: the page keeps these traits as they were saved.
/** @type {Record<string, string[]>} */
const FIXED = {
  actions: ["_clicks"],
  form: ["_values", "_errors", "_submits", "_seen"],
  guide: ["_asks"],
  progress: ["_cancels"],
  site_tree: ["_picked", "_asked"],
};

/**
 * State as it was before `cutaway_widgets.export` wrote it: bytes from base64, NaN and infinities
 * from words; a doubled "$" of a key is one that the data had.
 * @param {any} value
 * @returns {any}
 */
export function decode(value) {
  if (Array.isArray(value)) return value.map(decode);
  if (value === null || typeof value !== "object") return value;
  if ("$bytes" in value) {
    const text = atob(value.$bytes);
    const raw = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) raw[i] = text.charCodeAt(i);
    return new DataView(raw.buffer);
  }
  if ("$number" in value) return Number(value.$number);
  return Object.fromEntries(
    Object.entries(value).map(([name, one]) => [name.startsWith("$$") ? name.slice(1) : name, decode(one)]),
  );
}

/** @param {any} a @param {any} b */
function same(a, b) {
  if (a === b) return true;
  if (!ArrayBuffer.isView(a) || !ArrayBuffer.isView(b) || a.byteLength !== b.byteLength) return false;
  const [left, right] = [bytes(a), bytes(b)];
  return left.every((one, i) => one === right[i]);
}

/**
 * A widget's model without a kernel: what is set stays on the page.
 * @implements {Model}
 */
export class SavedModel {
  /** @param {Record<string, any>} state @param {Model["widget_manager"]} [manager] */
  constructor(state, manager) {
    this.state = state;
    this.widget_manager = manager;
    this.fixed = FIXED[state._kind] ?? [];
    /** @type {[string, (...args: any[]) => void][]} */
    this.listeners = [];
  }

  /** @param {string} name */
  get(name) {
    return this.state[name];
  }

  /** @param {string} name @param {any} value */
  set(name, value) {
    if (this.fixed.includes(name) || same(this.state[name], value)) return;
    this.state[name] = value;
    for (const event of [`change:${name}`, "change"]) {
      for (const [heard, fn] of [...this.listeners]) if (heard === event) fn(this, value);
    }
  }

  /** @param {string} names one or more events, between blanks @param {(...args: any[]) => void} fn */
  on(names, fn) {
    for (const name of names.split(/\s+/)) this.listeners.push([name, fn]);
  }

  /** @param {string} names @param {(...args: any[]) => void} fn */
  off(names, fn) {
    const gone = names.split(/\s+/);
    this.listeners = this.listeners.filter(([name, one]) => one !== fn || !gone.includes(name));
  }

  // Nobody to tell.
  save_changes() {}
}

/**
 * State that says what has stopped: a saved page must not look as if it were computing.
 * @param {Record<string, any>} state
 * @returns {Record<string, any>}
 */
export function stopped(state) {
  const said = (/** @type {string} */ words) => [state.caption, words].filter(Boolean).join(" · ");
  if (state._kind === "site_tree") return { ...state, caption: said("Picking needs a kernel.") };
  if (state._kind !== "progress") return state;
  const running = ["running", "cancelling"].includes(state._status?.state);
  return { ...state, caption: said(running ? "Saved while running; going on needs a kernel." : "Running needs a kernel.") };
}

/**
 * All models of a page, by id; references between them resolve to the same object.
 * @param {Record<string, any>} saved
 * @returns {Record<string, SavedModel>}
 */
export function models(saved) {
  /** @type {Record<string, SavedModel>} */
  const made = {};
  const manager = {
    /** @param {string} id */
    async get_model(id) {
      if (!made[id]) throw new Error(`id must be one of this page's models, got ${id}`);
      return made[id];
    },
  };
  for (const [id, state] of Object.entries(saved)) made[id] = new SavedModel(stopped(decode(state)), manager);
  return made;
}

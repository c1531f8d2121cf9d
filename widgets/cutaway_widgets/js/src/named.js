// @ts-check
// Selections kept under a name, and set operations with them.
import * as mask from "./mask.js";
import { bytes } from "./wire.js";

/**
 * @typedef {object} Kept
 * @property {string} name
 * @property {any} mask its bytes
 * @property {string} of digest of the rows
 * @property {string} by who selected
 */

const LONGEST = 60;
/** @type {Record<string, "replace" | "intersect" | "add" | "subtract">} */
const WAYS = { replace: "replace", and: "intersect", or: "add", minus: "subtract" };

export class Named {
  /** @param {import("./link_state.js").LinkState} state */
  constructor(state) {
    this.state = state;
  }

  /** @returns {Kept[]} those about the present rows, in the order they were kept */
  get list() {
    const digest = this.state.model.get("digest");
    return (this.state.model.get("_named") ?? []).filter((/** @type {Kept} */ one) => one.of === digest);
  }

  /** @param {string} name @returns {mask.Mask | undefined} */
  get(name) {
    const found = this.list.find((one) => one.name === name);
    return found && bytes(found.mask);
  }

  /**
   * Keep the present selection; one of that name is replaced.
   * @param {string} name
   */
  keep(name) {
    const wanted = checked(name);
    const { model, mask: bits, count } = this.state;
    if (!count) throw new Error(`selection "${wanted}" must hold at least one ${model.get("axis")}, got none; select something first`);
    const copy = bits.slice();
    const fresh = { name: wanted, mask: new DataView(copy.buffer), of: model.get("digest"), by: model.get("_by") || "view" };
    const old = this.list;
    this.put(old.some((one) => one.name === wanted) ? old.map((one) => (one.name === wanted ? fresh : one)) : [...old, fresh]);
  }

  /**
   * Select what is kept, or combine it with the present selection: one step.
   * @param {string} name
   * @param {"replace" | "and" | "or" | "minus"} how
   */
  recall(name, how = "replace") {
    const found = this.get(name);
    if (!found) return;
    this.state.write(mask.combine(this.state.mask, found, WAYS[how]), `kept: ${name}`);
  }

  /** @param {string} name */
  forget(name) {
    this.put(this.list.filter((one) => one.name !== name));
  }

  /** @param {string} old @param {string} name one of that name is replaced */
  rename(old, name) {
    const wanted = checked(name);
    const rest = this.list.filter((one) => one.name === old || one.name !== wanted);
    this.put(rest.map((one) => (one.name === old ? { ...one, name: wanted } : one)));
  }

  /** @param {Kept[]} list always a new one: hosts compare by reference */
  put(list) {
    this.state.model.set("_named", list);
    this.state.save();
  }
}

/** @param {string} name */
function checked(name) {
  const found = name.trim();
  if (!found || found.length > LONGEST) {
    throw new Error(`name must have 1 to ${LONGEST} characters, got ${found.length}; give a short name`);
  }
  return found;
}

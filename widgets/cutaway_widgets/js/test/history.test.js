import { describe, expect, it } from "vitest";
import { History, equal } from "../src/history.js";
import { Link } from "../src/link.js";
import * as mask from "../src/mask.js";

const N = 12;
const bits = (...rows) => mask.of(rows, N);
const step = (rows, by = "scatter", number = -1) => ({ mask: bits(...rows), by, step: number });
const shown = (history) => mask.rows(history.now.mask);
const back = (history) => history.note({ mask: history.before, by: "undo", step: 99 });
const forth = (history) => history.note({ mask: history.after, by: "redo", step: 99 });

describe("history", () => {
  it("goes back through the states and forth again, as a list of states does", () => {
    const history = new History(bits());
    const states = [[], [1], [1, 2], [5]];
    for (const rows of states.slice(1)) history.note(step(rows));
    for (const rows of states.slice(0, 3).reverse()) {
      back(history);
      expect(shown(history)).toEqual(rows);
    }
    expect(history.before).toBeUndefined();
    for (const rows of states.slice(1)) {
      forth(history);
      expect(shown(history)).toEqual(rows);
    }
    expect(history.after).toBeUndefined();
  });

  it("loses the future when something else is selected", () => {
    const history = new History(bits());
    history.note(step([1]));
    history.note(step([2]));
    back(history);
    history.note(step([3]));
    expect(history.after).toBeUndefined();
    back(history);
    expect(shown(history)).toEqual([1]);
  });

  it("takes what one drag selects for one step, and a drag that comes back for none", () => {
    const history = new History(bits(9));
    for (const rows of [[1], [1, 2], [1, 2, 3]]) history.note(step(rows, "histogram", 4));
    history.note(step([5], "scatter", 4));
    expect(history.past.map((one) => mask.rows(one.mask))).toEqual([[9], [1, 2, 3]]);
    history.note(step([6], "scatter", 5));
    history.note(step([5], "scatter", 5));
    expect(history.past.length).toBe(2);
    back(history);
    expect(shown(history)).toEqual([1, 2, 3]);
  });

  it("never merges what code selects, and counts no step without a change", () => {
    const history = new History(bits());
    history.note(step([1], "code"));
    history.note(step([2], "code"));
    history.note(step([2], "code"));
    expect(history.past.length).toBe(2);
  });

  it("moves several states at once when the other side did", () => {
    const history = new History(bits());
    for (const rows of [[1], [2], [3], [4]]) history.note(step(rows));
    history.note(step([1], "undo"));
    expect([history.past.length, history.future.length]).toEqual([1, 3]);
    history.note(step([3], "redo"));
    expect([history.past.length, history.future.length]).toEqual([3, 1]);
    // A state that this side never saw is a new one.
    history.note(step([7], "undo"));
    expect(shown(history)).toEqual([7]);
    expect(history.future.length).toBe(0);
  });

  it("is bounded in steps, and in bytes where masks are long", () => {
    const history = new History(bits());
    for (let i = 0; i < 250; i++) history.note(step([i % N], "code"));
    expect(history.past.length).toBe(100);
    const long = new History(new Uint8Array(2_000_000));
    for (let i = 1; i < 20; i++) long.note({ mask: new Uint8Array(2_000_000).fill(i), by: "code", step: -1 });
    expect(long.past.length).toBe(8);
    expect(long.past[0].mask[0]).toBe(11);
  });

  it("compares masks by their bits", () => {
    expect(equal(bits(3), bits(3))).toBe(true);
    expect(equal(bits(3), bits(4))).toBe(false);
    expect(equal(bits(3), mask.of([3], 30))).toBe(false);
  });
});

/** A model that tells its listeners, as hosts do. */
function host(state) {
  const heard = [];
  return {
    state,
    heard,
    saved: 0,
    get: (name) => state[name],
    set(name, value) {
      if (state[name] === value) return;
      state[name] = value;
      for (const [event, fn] of [...heard]) if (event === `change:${name}`) fn();
    },
    on: (event, fn) => heard.push([event, fn]),
    off: (event, fn) => heard.splice(0, heard.length, ...heard.filter(([e, f]) => e !== event || f !== fn)),
    save_changes() {
      this.saved += 1;
    },
  };
}

const view = (rows) => new DataView(bits(...rows).buffer);

describe("the links of one page", () => {
  const page = () => {
    const model = host({ n: N, digest: "d1", axis: "sample", _of: "d1", _by: "code", _step: -1, _mask: view([]), _named: [], _hover: -1 });
    const ends = [new AbortController(), new AbortController()];
    const [one, two] = ends.map((end, i) => new Link(model, `view ${i}`, end.signal));
    return { model, ends, one, two };
  };

  it("share undo and redo, of each other's steps and of the kernel's", () => {
    const { model, one, two } = page();
    one.select(bits(1));
    two.select(bits(2), "add");
    model.state._by = "code";
    model.set("_mask", view([7]));
    expect(one.undo()).toBe(true);
    expect(mask.rows(two.mask)).toEqual([1, 2]);
    expect([two.undo(), two.undo(), two.undo()]).toEqual([true, true, false]);
    expect(one.count).toBe(0);
    expect(model.state._by).toBe("undo");
    for (let i = 0; i < 3; i++) one.redo();
    expect(mask.rows(one.mask)).toEqual([7]);
    expect(one.redo()).toBe(false);
    one.save();
  });

  it("merge on demand", () => {
    const { one } = page();
    one.select(bits(1));
    one.select(bits(1, 2), "replace", { merge: true });
    one.select(bits(1, 2, 3), "replace", { merge: true });
    one.undo();
    expect(one.count).toBe(0);
    one.save();
  });

  it("never undo into other rows", () => {
    const { model, one } = page();
    one.select(bits(1));
    model.state._of = "d2";
    model.state._mask = view([]);
    model.set("digest", "d2");
    expect(one.undo()).toBe(false);
    one.select(bits(4));
    expect(one.undo()).toBe(true);
    expect(one.undo()).toBe(false);
    expect(one.count).toBe(0);
    one.save();
  });

  it("give one mask object a state, and stop listening with the last view", () => {
    const { model, ends, one, two } = page();
    one.select(bits(1, 5));
    expect(one.mask).toBe(two.mask);
    expect([one.count, two.count]).toEqual([2, 2]);
    ends[0].abort();
    expect(model.heard.length).toBeGreaterThan(0);
    ends[1].abort();
    expect(model.heard).toEqual([]);
  });

  it("keep selections by name and combine them as sets", () => {
    const { model, one, two } = page();
    one.select(bits(1, 2, 3));
    one.named.keep(" low ");
    one.select(bits(3, 4));
    for (const [how, rows] of [["and", [3]], ["or", [1, 2, 3, 4]], ["minus", [4]], ["replace", [1, 2, 3]]]) {
      two.named.recall("low", how);
      expect(mask.rows(one.mask)).toEqual(rows);
      one.undo();
    }
    expect(mask.rows(one.mask)).toEqual([3, 4]);
    one.named.keep("high");
    one.named.keep("low");
    expect(two.named.list.map((kept) => kept.name)).toEqual(["low", "high"]);
    expect(mask.rows(two.named.get("low"))).toEqual([3, 4]);
    one.named.rename("low", "both");
    one.named.forget("high");
    expect(two.named.list.map((kept) => kept.name)).toEqual(["both"]);
    one.select(mask.none(N));
    expect(() => one.named.keep("nothing")).toThrow('"nothing" must hold at least one sample');
    expect(() => one.named.keep("  ")).toThrow("name must have 1 to 60 characters, got 0");
    model.set("digest", "d2");
    expect(one.named.list).toEqual([]);
    one.save();
  });
});

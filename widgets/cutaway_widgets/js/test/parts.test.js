import { describe, expect, it } from "vitest";
import { binned } from "../src/bins.js";
import { shown, visible } from "../src/image_grid.js";
import { Link } from "../src/link.js";
import * as mask from "../src/mask.js";
import { between, tally } from "../src/mask_fast.js";
import { clock } from "../src/progress.js";
import { tickTexts } from "../src/scatter_draw.js";
import { flat, folded, nest, shapeText, size } from "../src/tree_model.js";
import { bytes, typed } from "../src/wire.js";

describe("wire", () => {
  it("reads any buffer form, also at odd offsets", () => {
    const raw = new Uint8Array(9);
    raw.set(new Uint8Array(new Float32Array([1.5, -2]).buffer), 1);
    const view = new DataView(raw.buffer, 1, 8);
    expect([...typed({ dtype: "f4", shape: [2], data: view })]).toEqual([1.5, -2]);
    expect([...bytes(raw.buffer)]).toEqual([...raw]);
    expect([...bytes(raw.subarray(2, 4))]).toEqual([...raw.subarray(2, 4)]);
    expect(bytes(null).length).toBe(0);
    expect(typed(null).length).toBe(0);
  });
});

describe("bins", () => {
  it("count each finite value once, the largest in the last", () => {
    const values = new Float32Array([0, 0.1, 0.5, 1, NaN, Infinity]);
    const { low, high, places, counts, missing } = binned(values, 4);
    expect([low, high, missing]).toEqual([0, 1, 2]);
    expect([...counts]).toEqual([2, 0, 1, 1]);
    expect([...places]).toEqual([0, 0, 2, 3, -1, -1]);
    expect(mask.rows(between(places, 0, 2))).toEqual([0, 1, 2]);
    expect([...tally(places, mask.of([1, 3, 4], 6), 4)]).toEqual([1, 0, 0, 1]);
  });

  it("of one value or none are still bins", () => {
    expect(binned(new Float32Array([3, 3]), 5).counts.reduce((a, b) => a + b)).toBe(2);
    expect(binned(new Float32Array([NaN]), 5).missing).toBe(1);
  });
});

describe("grid", () => {
  it("shows the order, or its selected part in that order", () => {
    const list = (rows) => Array.from({ length: rows.length }, (_, k) => rows.at(k));
    const order = Uint32Array.from([4, 1, 3]);
    expect(list(shown(order, mask.of([1, 4], 5), "selected", 5))).toEqual([4, 1]);
    expect(list(shown(order, mask.none(5), "ranked", 5))).toEqual([4, 1, 3]);
    expect(list(shown(null, mask.of([1, 4], 5), "selected", 5))).toEqual([1, 4]);
    expect(list(shown(null, mask.none(5), "ranked", 5))).toEqual([0, 1, 2, 3, 4]);
  });

  it("builds only the tiles in sight", () => {
    expect(visible(100, 5, 50, 0, 120)).toEqual({ first: 0, last: 15 });
    expect(visible(100, 5, 50, 910, 120)).toEqual({ first: 90, last: 100 });
    expect(visible(0, 5, 50, 0, 120)).toEqual({ first: 0, last: 0 });
  });
});

describe("tree", () => {
  const site = (path) => ({ path, type: "Conv2d", shape: [6, 28, 28], layout: "n c h w", parameters: 156, units: 6, pickable: true });
  const roots = nest(["a.conv1", "a.block.conv2", "fc"].map(site));

  it("nests dotted paths and fills in parents that are no sites", () => {
    expect(flat(roots, new Set()).map((one) => [one.path, one.depth, one.site !== null])).toEqual([
      ["a", 0, false],
      ["a.conv1", 1, true],
      ["a.block", 1, false],
      ["a.block.conv2", 2, true],
      ["fc", 0, true],
    ]);
    expect(flat(roots, new Set(["a"])).map((one) => one.path)).toEqual(["a", "fc"]);
  });

  it("folds a large model but for the way to what is picked", () => {
    expect(folded(roots, [], 60).size).toBe(0);
    expect([...folded(roots, ["a.conv1"], 2)]).toEqual(["a.block"]);
    expect([...folded(roots, [], 2)].sort()).toEqual(["a", "a.block"]);
  });

  it("writes shapes and sizes", () => {
    expect(shapeText([6, 28, 28])).toBe("6 × 28 × 28");
    expect([size(940), size(61706), size(4.65e6), size(1.345e8)]).toEqual(["940", "61.7 k", "4.65 M", "135 M"]);
  });
});

describe("small texts", () => {
  it("ticks have the decimals of their step and no minus zero", () => {
    expect(tickTexts([-0.5, -0, 0.5])).toEqual(["−0.5", "0.0", "0.5"]);
    expect(tickTexts([0, 20, 40])).toEqual(["0", "20", "40"]);
  });

  it("clock", () => {
    expect([clock(1.23), clock(42.4), clock(125)]).toEqual(["1.2 s", "42 s", "2 min 5 s"]);
    expect([clock(9.97), clock(59.6), clock(119.7)]).toEqual(["10 s", "1 min 0 s", "2 min 0 s"]);
  });
});

describe("link", () => {
  const model = (state) => ({
    state,
    saved: 0,
    get: (name) => state[name],
    set: (name, value) => {
      state[name] = value;
    },
    save_changes() {
      this.saved += 1;
    },
  });
  const fresh = () => {
    const shared = model({ n: 10, digest: "d1", axis: "sample", _of: "d1", _mask: new DataView(new ArrayBuffer(2)), _ids: null, _hover: -1 });
    const end = new AbortController();
    return { shared, end, link: new Link(shared, "test", end.signal) };
  };

  it("writes a new DataView each time, with who and of what", () => {
    const { shared, link } = fresh();
    link.select(mask.of([1, 9], 10));
    const first = shared.state._mask;
    link.select(mask.of([2], 10), "add");
    expect(shared.state._mask).toBeInstanceOf(DataView);
    expect(shared.state._mask).not.toBe(first);
    expect(mask.rows(link.mask)).toEqual([1, 2, 9]);
    expect([shared.state._by, shared.state._of]).toEqual(["test", "d1"]);
    link.save();
  });

  it("takes bits about other rows for none", () => {
    const { shared, link } = fresh();
    link.select(mask.of([1], 10));
    shared.state.digest = "d2";
    expect(mask.count(link.mask)).toBe(0);
    link.save();
  });

  it("saves what is unsaved when its view goes away, and a hover never", () => {
    const { shared, end, link } = fresh();
    link.point(3);
    expect(shared.saved).toBe(0);
    link.select(mask.of([1], 10));
    expect(shared.saved).toBe(0);
    end.abort();
    expect(shared.saved).toBe(1);
  });

  it("names rows by id, or by place where ids are places", () => {
    const { shared, link } = fresh();
    expect(link.id(3)).toBe("3");
    shared.state._ids = [..."abcdefghij"];
    expect(link.id(3)).toBe("d");
  });
});

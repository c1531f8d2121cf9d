import { describe, expect, it } from "vitest";
import * as mask from "../src/mask.js";

describe("masks", () => {
  it("hold rows lowest bit first and give them back", () => {
    const bits = mask.of([0, 3, 8, 16], 17);
    expect([...bits]).toEqual([0b1001, 1, 1]);
    expect(mask.rows(bits)).toEqual([0, 3, 8, 16]);
    expect(mask.count(bits)).toBe(4);
    expect(mask.has(bits, 3)).toBe(true);
    expect(mask.has(bits, 4)).toBe(false);
  });

  it.each([0, 1, 7, 8, 9, 64, 65])("select all of %i rows and no bit beyond", (n) => {
    expect(mask.count(mask.all(n))).toBe(n);
    expect(mask.count(mask.invert(mask.none(n), n))).toBe(n);
    expect(mask.count(mask.invert(mask.all(n), n))).toBe(0);
  });

  it("combine as sets do", () => {
    const a = new Set([1, 2, 9]);
    const b = new Set([2, 3, 9, 10]);
    const sets = {
      replace: [...b],
      add: [...new Set([...a, ...b])],
      subtract: [...a].filter((one) => !b.has(one)),
      intersect: [...a].filter((one) => b.has(one)),
      toggle: [...new Set([...a, ...b])].filter((one) => a.has(one) !== b.has(one)),
    };
    for (const [how, want] of Object.entries(sets)) {
      const got = mask.rows(mask.combine(mask.of(a, 12), mask.of(b, 12), how));
      expect(got).toEqual(want.sort((x, y) => x - y));
    }
  });

  it("never change the mask they are made from", () => {
    const old = mask.of([1], 8);
    mask.combine(old, mask.of([2], 8), "add");
    const fresh = mask.combine(old, old, "replace");
    fresh[0] = 0;
    expect(mask.rows(old)).toEqual([1]);
  });

  it("read the modifier keys", () => {
    expect(mask.how({ shiftKey: false, altKey: false })).toBe("replace");
    expect(mask.how({ shiftKey: true, altKey: false })).toBe("add");
    expect(mask.how({ shiftKey: true, altKey: true })).toBe("subtract");
  });
});

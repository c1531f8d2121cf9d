import { describe, expect, it } from "vitest";
import { amount, share, stepOf } from "../src/bars_model.js";

describe("bars", () => {
  it("shows the first selected step, else the first of all", () => {
    expect(stepOf([2, 4], 5)).toBe(2);
    expect(stepOf([], 5)).toBe(0);
    expect(stepOf([7], 5)).toBe(0);
  });
  it("fills the part of the track that is left, never more than all", () => {
    expect(share(49, 84)).toBeCloseTo(49 / 84, 12);
    expect(share(9, 8)).toBe(1);
    for (const [value, whole] of [[NaN, 8], [3, 0], [3, NaN], [-1, 8]]) expect(share(value, whole)).toBe(0);
  });
  it("says amounts with their whole and unit", () => {
    expect(amount(49, 84)).toBe("49 of 84");
    expect(amount(1.5, NaN, "nats")).toBe("1.500 nats");
    expect(amount(NaN, 84)).toBe("– of 84");
  });
});

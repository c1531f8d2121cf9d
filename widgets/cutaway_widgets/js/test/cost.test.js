import { describe, expect, it } from "vitest";
import { bytesText, duration, percent, sorted, verdict } from "../src/cost_model.js";

describe("numbers of a cost card", () => {
  it("write sizes as Python's card does", () => {
    expect([0, 999, 1000, 999_999, 3_210_000_000, 2e15].map(bytesText)).toEqual([
      "0 B", "999 B", "1.0 kB", "1.0 MB", "3.2 GB", "2000.0 TB",
    ]);
  });
  it("write shares, and never zero for something", () => {
    expect(percent(1, 4)).toBe("25 %");
    expect(percent(1, 100_000)).toBe("< 0.1 %");
    expect(percent(0, 10)).toBe("0.0 %");
    expect(percent(257, 100)).toBe("257 %");
    expect(percent(1, 0)).toBe("–");
  });
  it("write times in the unit that people use", () => {
    expect([0.01, 1.23, 42, 600, 7200].map(duration)).toEqual([
      "under 0.1 s", "about 1.2 s", "about 42 s", "about 10 min", "about 2.0 h",
    ]);
  });
});

describe("lines of a cost card", () => {
  const columns = { bytes: [5, 9, 5, 1], macs: [] };
  it("sort by numbers, equal ones as in the network", () => {
    expect(sorted(4, "bytes", true, columns)).toEqual([1, 0, 2, 3]);
    expect(sorted(4, "bytes", false, columns)).toEqual([3, 0, 2, 1]);
    expect(sorted(4, "order", false, columns)).toEqual([0, 1, 2, 3]);
    expect(sorted(4, "order", true, columns)).toEqual([3, 2, 1, 0]);
    expect(sorted(4, "macs", true, columns)).toEqual([0, 1, 2, 3]);
  });
  it("say what helps when the plan does not fit", () => {
    expect(verdict(5, 10, null)).toEqual({ fits: true, words: "" });
    expect(verdict(11, 10, 100).words).toMatch(/over the limit.*raise max_bytes/);
    expect(verdict(8, 10, 7).words).toMatch(/more than the disk has free.*another disk/);
    expect(verdict(8, 10, 7).fits).toBe(false);
  });
});

import { describe, expect, it } from "vitest";
import { LAST, MISSING, diverging, ends, gradient, shade, table } from "../src/byte_ramp.js";
import { hit, range, reveal, span, step } from "../src/strip_model.js";

const strip = { rows: 3, columns: 5, wide: 50, high: 40, left: 100, top: 30 };

describe("tiles of a strip", () => {
  it("shows the places that a window covers, partly or whole", () => {
    expect(span(0, 100, 50, 9)).toEqual([0, 2]);
    expect(span(49, 100, 50, 9)).toEqual([0, 3]);
    expect(span(50, 100, 50, 9)).toEqual([1, 3]);
    expect(span(0, 1000, 50, 2)).toEqual([0, 2]);
    expect(span(0, 100, 50, 0)).toEqual([0, 0]);
  });
  it("finds tiles, heads and nothing, scrolled or not", () => {
    expect(hit(strip, 101, 31, 0, 0)).toEqual({ row: 0, column: 0 });
    expect(hit(strip, 101, 31, 120, 45)).toEqual({ row: 1, column: 2 });
    expect(hit(strip, 99, 75, 120, 0)).toEqual({ row: 1, column: -1 });
    expect(hit(strip, 160, 10, 0, 45)).toEqual({ row: -1, column: 1 });
    expect(hit(strip, 10, 10, 0, 0)).toBeNull();
    expect(hit(strip, 100 + 250, 40, 0, 0)).toBeNull();
    expect(hit(strip, 110, 30 + 120, 0, 0)).toBeNull();
  });
  it("goes by keys as far as there are tiles, and not into the corner", () => {
    expect(step(strip, { row: 0, column: 0 }, "ArrowRight", 2)).toEqual({ row: 0, column: 1 });
    expect(step(strip, { row: 0, column: 4 }, "ArrowRight", 2)).toEqual({ row: 0, column: 4 });
    expect(step(strip, { row: 2, column: 4 }, "PageUp", 2)).toEqual({ row: 0, column: 4 });
    expect(step(strip, { row: 0, column: 0 }, "ArrowUp", 2)).toEqual({ row: -1, column: 0 });
    expect(step(strip, { row: -1, column: 0 }, "ArrowLeft", 2)).toEqual({ row: -1, column: 0 });
    expect(step(strip, { row: 1, column: 3 }, "Home", 2)).toEqual({ row: 1, column: -1 });
    expect(step(strip, { row: 1, column: 3 }, "End", 2)).toEqual({ row: 1, column: 4 });
    expect(step(strip, { row: 1, column: 3 }, "x", 2)).toBeNull();
  });
  it("scrolls no further than needed", () => {
    expect(reveal(0, 1, 50, 200)).toBe(0);
    expect(reveal(0, 5, 50, 200)).toBe(100);
    expect(reveal(400, 5, 50, 200)).toBe(250);
    expect(reveal(77, -1, 50, 200)).toBe(77);
    expect(range(2, 5, (i) => i * i)).toEqual([4, 9, 16]);
    expect(range(5, 2, (i) => i)).toEqual([]);
  });
});

describe("colours of bytes", () => {
  it("puts the limits of the data where they lie on the ramp", () => {
    const own = table("gray", [0, 10], [0, 10]);
    expect([...own.slice(0, 3)]).toEqual([0, 0, 0]);
    expect([...own.slice(3 * LAST, 3 * LAST + 3)]).toEqual([255, 255, 255]);
    const shared = table("gray", [5, 10], [0, 20]);
    expect(shared[0]).toBe(Math.round(255 * 0.25));
    expect(shared[3 * LAST]).toBe(Math.round(255 * 0.5));
    expect([...own.slice(3 * MISSING)]).toEqual([153, 153, 153]);
  });
  it("shows one value alone as the middle", () => {
    expect(table("gray", [3, 3], [3, 3])[0]).toBe(128);
  });
  it("is symmetric about zero where colours diverge", () => {
    expect(ends("diverging", -1, 4)).toEqual([-4, 4]);
    expect(ends("viridis", -1, 4)).toEqual([-1, 4]);
    expect(diverging(0)).toEqual([246, 246, 246]);
    expect(diverging(-1)).toEqual([0, 114, 178]);
    expect(diverging(1)).toEqual(diverging(7));
    expect(shade("diverging", 1)).toEqual([213, 94, 0]);
    expect(gradient("diverging")).toContain("rgb(0,114,178)");
  });
});

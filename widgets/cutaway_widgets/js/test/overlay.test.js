import { describe, expect, it } from "vitest";
import { colors, inside, pixelAt, value } from "../src/overlay_model.js";
import { LAST, MISSING } from "../src/byte_ramp.js";

const of = (table, q) => [...table.slice(4 * q, 4 * q + 4)];

describe("signed bytes", () => {
  it("read back as numbers, zero in the middle", () => {
    expect(value(127, 5)).toBe(0);
    expect(value(0, 5)).toBe(-5);
    expect(value(LAST, 5)).toBe(5);
    expect(value(MISSING, 5)).toBeNaN();
  });
  it("cover a picture the more the larger they are", () => {
    const table = colors("overlay", 2, 2, 0.5);
    expect(of(table, 127)[3]).toBe(0);
    expect(of(table, LAST)).toEqual([213, 94, 0, 128]);
    expect(of(table, 0)).toEqual([0, 114, 178, 128]);
    expect(of(table, MISSING)[3]).toBe(0);
  });
  it("are opaque alone, and weaker on a shared scale", () => {
    const own = colors("attribution", 2, 2, 0.5);
    const shared = colors("attribution", 2, 8, 0.5);
    expect(of(own, LAST)).toEqual([213, 94, 0, 255]);
    expect(of(shared, LAST)).not.toEqual(of(own, LAST));
    expect(of(shared, 127)).toEqual([246, 246, 246, 255]);
    expect(of(colors("attribution", 0, 0, 1), LAST)).toEqual([246, 246, 246, 255]);
  });
});

describe("a picture in a square", () => {
  it("lies in its middle", () => {
    expect(inside(10, 20, 100)).toEqual([0, 25, 100, 50]);
    expect(inside(20, 10, 100)).toEqual([25, 0, 50, 100]);
  });
  it("has the pixel under a place, or none", () => {
    expect(pixelAt(10, 20, 100, 0, 25)).toEqual({ row: 0, column: 0 });
    expect(pixelAt(10, 20, 100, 99.9, 74.9)).toEqual({ row: 9, column: 19 });
    expect(pixelAt(10, 20, 100, 50, 10)).toBeNull();
  });
});

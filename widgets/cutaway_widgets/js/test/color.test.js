import { describe, expect, it } from "vitest";
import { kinds, OKABE_ITO, paint, viridis } from "../src/color.js";

describe("colours", () => {
  it("of few kinds are Okabe and Ito's, of many all different", () => {
    expect(kinds(3)).toEqual(OKABE_ITO.slice(0, 3));
    expect(new Set(kinds(40)).size).toBe(40);
    for (const one of kinds(40)) expect(one).toMatch(/^#[0-9a-fA-F]{6}$/);
  });

  it("of ten kinds are told apart: no two are near in red, green and blue", () => {
    const parts = kinds(20).map((one) => [1, 3, 5].map((i) => parseInt(one.slice(i, i + 2), 16)));
    for (let i = 0; i < 20; i++)
      for (let j = 0; j < i; j++) {
        const d = Math.hypot(...parts[i].map((c, k) => c - parts[j][k]));
        expect(d).toBeGreaterThan(i < 10 ? 60 : 35);
      }
  });

  it("of numbers run from dark to bright with growing luminance", () => {
    const light = Array.from({ length: 21 }, (_, i) => {
      const [r, g, b] = viridis(i / 20);
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    });
    for (let i = 1; i < light.length; i++) expect(light[i]).toBeGreaterThan(light[i - 1]);
    expect(viridis(-1)).toEqual([68, 1, 84]);
    expect(viridis(2)).toEqual([253, 231, 37]);
  });

  it("paint kinds by code and missing ones grey", () => {
    const { palette, places } = paint({ kind: "category", names: ["a", "b"] }, [1, 0, 65535], 3);
    expect([...places]).toEqual([1, 0, 2]);
    expect(palette[2]).toBe("#999999");
  });

  it("paint numbers by their share of the limits, outside ones at the ends, NaN grey", () => {
    const { palette, places } = paint({ kind: "number", limits: [0, 10] }, [0, 10, 5, -3, 99, NaN], 6);
    expect(places[0]).toBe(0);
    expect(places[1]).toBe(palette.length - 2);
    expect(places[2]).toBe(32);
    expect([places[3], places[4]]).toEqual([places[0], places[1]]);
    expect(places[5]).toBe(palette.length - 1);
    expect(palette[0]).toMatch(/^#[0-9a-f]{6}$/);
  });

  it("paint a constant column without dividing by nothing", () => {
    const { places } = paint({ kind: "number", limits: [2, 2] }, [2, 2], 2);
    expect([...places]).toEqual([0, 0]);
  });
});

import { describe, expect, it } from "vitest";
import { enclosed } from "../src/enclose.js";
import * as plane from "../src/geometry.js";
import { Cells } from "../src/hit.js";
import * as mask from "../src/mask.js";
import { inside, random } from "./oracle.js";

const AREA = { left: 40, top: 8, width: 200, height: 100 };
describe("camera", () => {
  it("puts the corners of the box on the corners of the area, y upwards", () => {
    const camera = plane.fit([-1, 2, 3, 4], AREA, false);
    expect(-1 * camera.kx + camera.ox).toBeCloseTo(40);
    expect(3 * camera.kx + camera.ox).toBeCloseTo(240);
    expect(2 * camera.ky + camera.oy).toBeCloseTo(108);
    expect(4 * camera.ky + camera.oy).toBeCloseTo(8);
  });

  it("has one scale when asked, and survives a box without width", () => {
    const equal = plane.fit([0, 0, 1, 1], AREA, true);
    expect(equal.kx).toBe(-equal.ky);
    expect(Number.isFinite(plane.fit([5, 5, 5, 5], AREA, false).kx)).toBe(true);
  });

  it("zooms about a fixed place", () => {
    const camera = plane.fit([0, 0, 1, 1], AREA, false);
    const x = (100 - camera.ox) / camera.kx;
    const zoomed = plane.zoom(camera, 3, 100, 50);
    expect(x * zoomed.kx + zoomed.ox).toBeCloseTo(100);
    expect(zoomed.kx / camera.kx).toBeCloseTo(3);
  });
});

describe("outlines", () => {
  it("agree with the winding of the angle on random points and a star", () => {
    const next = random(7);
    const star = [];
    for (let k = 0; k < 12; k++) {
      const r = k % 2 ? 0.3 : 1;
      star.push(r * Math.cos((k * Math.PI) / 6), r * Math.sin((k * Math.PI) / 6));
    }
    for (let i = 0; i < 500; i++) {
      const [x, y] = [2 * next() - 1, 2 * next() - 1];
      let turn = 0;
      for (let k = 0; k < 12; k++) {
        const at = (j) => Math.atan2(star[2 * (j % 12) + 1] - y, star[2 * (j % 12)] - x);
        let step = at(k + 1) - at(k);
        if (step > Math.PI) step -= 2 * Math.PI;
        if (step < -Math.PI) step += 2 * Math.PI;
        turn += step;
      }
      expect(inside(x, y, star)).toBe(Math.abs(turn) > 1);
    }
  });

  it("select the points whose page place is inside, and never a missing one", () => {
    const points = new Float32Array([0, 0, 1, 1, NaN, NaN, 0.9, 0.9]);
    const camera = plane.fit([0, 0, 1, 1], AREA, false);
    const found = enclosed(points, camera, plane.rectangle(200, 0, 250, 40));
    expect(mask.rows(found)).toEqual([1, 3]);
    expect(mask.count(enclosed(points, camera, [1, 2]))).toBe(0);
  });
});

describe("points", () => {
  const camera = { kx: 1, ky: -1, ox: 0, oy: 0 };
  const points = new Float32Array([0, 0, 10, 0, 25, 2, 10, -30, NaN, NaN]);

  it("nearest is within reach or none", () => {
    expect(new Cells(points).nearest(camera, 11, 1, 5)).toBe(1);
    expect(new Cells(points).nearest(camera, 100, 100, 5)).toBe(-1);
  });

  it("arrow keys go to the next point in that direction, or stay", () => {
    expect(new Cells(points).step(camera, 0, 1, 0)).toBe(1);
    expect(new Cells(points).step(camera, 1, 1, 0)).toBe(2);
    expect(new Cells(points).step(camera, 1, 0, 1)).toBe(3);
    expect(new Cells(points).step(camera, 2, 1, 0)).toBe(2);
  });

  it("bounds leave missing points out, extent takes outlines in", () => {
    expect(plane.bounds(points)).toEqual([0, -30, 25, 2]);
    const table = new Float32Array([0, 0, 100, 5, 0, 0]);
    expect(plane.extent(points, table)).toEqual([-100, -30, 100, 5]);
  });
});

describe("ticks", () => {
  it.each([
    [0, 1, 5],
    [-3.2, 8.9, 4],
    [1e-5, 9e-5, 6],
    [1000, 1001, 3],
  ])("of %f to %f are round, inside and about as many as asked", (low, high, about) => {
    const found = plane.ticks(low, high, about);
    expect(found.length).toBeGreaterThanOrEqual(about / 2);
    expect(found.length).toBeLessThanOrEqual(2 * about + 1);
    const step = found[1] - found[0];
    const lead = step / 10 ** Math.floor(Math.log10(step * 1.0001));
    expect([1, 2, 5].some((one) => Math.abs(one - lead) < 1e-6)).toBe(true);
    for (const one of found) expect(one >= low - 1e-12 && one <= high + 1e-12).toBe(true);
  });

  it("of an empty or infinite span are none", () => {
    expect(plane.ticks(1, 1, 5)).toEqual([]);
    expect(plane.ticks(0, Infinity, 5)).toEqual([]);
  });
});

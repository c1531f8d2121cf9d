import { describe, expect, it } from "vitest";
import { enclosed } from "../src/enclose.js";
import * as plane from "../src/geometry.js";
import { Cells } from "../src/hit.js";
import * as mask from "../src/mask.js";
import { lasso, nearest, planted, random, step } from "./oracle.js";

const AREA = { left: 40, top: 8, width: 500, height: 300 };
const CLOUDS = {
  blobs: planted(3000, 3),
  few: planted(7, 5),
  "one column": Float32Array.from({ length: 400 }, (_, k) => (k % 2 ? k : 3)),
  "one place": new Float32Array(60).fill(2),
  "no place": new Float32Array(20).fill(NaN),
  none: new Float32Array(0),
};
/** Cameras: all, closer, much closer, stretched. */
const cameras = (points) => {
  const all = plane.fit(plane.bounds(points), AREA, false);
  const blobs = plane.fit([0, 0, 15, 7], AREA, false);
  return [all, blobs, plane.zoom(blobs, 9, 200, 120), { ...blobs, kx: blobs.kx * 40, ox: -900 }];
};

describe.each(Object.entries(CLOUDS))("in %s", (_, points) => {
  const cells = new Cells(points);

  it("nearest is what looking at every point finds", () => {
    const next = random(11);
    for (const camera of cameras(points)) {
      for (let k = 0; k < 150; k++) {
        const [x, y] = [700 * next() - 80, 500 * next() - 80];
        for (const reach of [9, 60, 1e9]) {
          expect(cells.nearest(camera, x, y, reach)).toBe(nearest(points, camera, x, y, reach));
        }
      }
    }
  });

  it("step is what looking at every point finds", () => {
    const next = random(13);
    for (const camera of cameras(points)) {
      for (let k = 0; k < 60 && points.length; k++) {
        const from = Math.floor((next() * points.length) / 2);
        for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
          expect(cells.step(camera, from, dx, dy)).toBe(step(points, camera, from, dx, dy));
        }
      }
    }
  });

  it("within finds the points of a rectangle, or says that there are too many", () => {
    for (const camera of cameras(points)) {
      const found = cells.within(camera, AREA, 1e6);
      const wanted = [];
      for (let i = 0; i < points.length / 2; i++) {
        const [x, y] = [points[2 * i] * camera.kx + camera.ox, points[2 * i + 1] * camera.ky + camera.oy];
        if (x >= 40 && x <= 540 && y >= 8 && y <= 308) wanted.push(i);
      }
      // The rectangle's own edge may round to either side.
      const odd = wanted.filter((i) => !found.includes(i)).concat(found.filter((i) => !wanted.includes(i)));
      expect(odd.length).toBeLessThanOrEqual(points === CLOUDS.blobs ? 2 : 60);
      if (found.length > 1) expect(cells.within(camera, AREA, found.length - 1)).toBe(null);
    }
  });

  it("the outlines drawn by hand hold what the even-odd rule says, to the last point", () => {
    const next = random(17);
    for (const camera of cameras(points)) {
      for (let k = 0; k < 12; k++) {
        // From triangles to scribbles that cross themselves, some far beyond the page.
        const corners = 3 + Math.floor(next() * (k < 6 ? 6 : 80));
        const size = k % 3 === 2 ? 5000 : 400;
        const outline = Array.from({ length: 2 * corners }, () => size * next() - (k % 3) * 80);
        if (k % 4 === 1) for (let i = 0; i < outline.length; i++) outline[i] = Math.round(outline[i] / 50) * 50;
        expect(enclosed(points, camera, outline)).toEqual(lasso(points, camera, outline));
      }
    }
  });
});

it("outlines without extent hold nothing, and points on cell borders are decided exactly", () => {
  const camera = { kx: 1, ky: 1, ox: 0, oy: 0 };
  const lattice = new Float32Array(2 * 41 * 41);
  for (let i = 0; i < 41 * 41; i++) lattice.set([i % 41, Math.floor(i / 41)], 2 * i);
  const flat = [3, 5, 30, 5, 12, 5];
  expect(mask.count(enclosed(lattice, camera, flat))).toBe(0);
  for (const shape of [plane.rectangle(4, 4, 20, 36), [0, 0, 40, 0, 40, 40], [20, 0, 40, 20, 20, 40, 0, 20]]) {
    expect(enclosed(lattice, camera, shape)).toEqual(lasso(lattice, camera, shape));
  }
});

it("one far outlier does not put all others into one cell", () => {
  const points = planted(3000, 3);
  points.set([1e7, -1e7], 0);
  const cells = new Cells(points);
  let fullest = 0;
  for (let c = 0; c + 1 < cells.starts.length; c++) fullest = Math.max(fullest, cells.starts[c + 1] - cells.starts[c]);
  expect(fullest).toBeLessThan(300);
});

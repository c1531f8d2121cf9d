import { describe, expect, it } from "vitest";
import { block, blocks, byRow, cells, extent, holding, peak, pixels, value, zoomed } from "../src/heat_model.js";
import { contrast, ink, ramp, step } from "../src/ramp.js";

/** Numbers that look random and are the same each time. */
function noise(n, seed = 1) {
  let state = seed;
  return Float32Array.from({ length: n }, () => {
    state = (1103515245 * state + 12345) % 2147483648;
    return state % 17 === 0 ? NaN : state / 1073741824 - 1;
  });
}

/** Slow and obviously right: look at every cell for every block. */
function slow(codes, n, rows, columns, down, across, ny, nx, far) {
  const out = [];
  for (let y = 0; y < ny; y++) {
    for (let x = 0; x < nx; x++) {
      const some = [];
      for (let r = down.first; r < down.last; r++) {
        for (let c = across.first; c < across.last; c++) {
          const [r0, r1] = block(down, ny, y);
          const [c0, c1] = block(across, nx, x);
          const one = codes[rows[r] * n + columns[c]];
          if (r >= r0 && r < r1 && c >= c0 && c < c1 && !Number.isNaN(one)) some.push(one);
        }
      }
      some.sort((a, b) => (far ? Math.abs(b) - Math.abs(a) : b - a));
      out.push(some.length ? some[0] : NaN);
    }
  }
  return out;
}

describe("heat-map", () => {
  const codes = noise(12 * 40);
  const some = cells({ dtype: "f4", shape: [12, 40] }, codes);
  const rows = Uint32Array.from([3, 1, 0, 11, 7, 5]);
  const columns = Uint32Array.from({ length: 37 }, (_, i) => (i * 7) % 40);

  for (const far of [false, true]) {
    it(`puts the ${far ? "farthest" : "largest"} number of a block in its pixel, as the slow way does`, () => {
      for (const [down, across, ny, nx] of [
        [{ first: 0, last: 6 }, { first: 0, last: 37 }, 6, 37],
        [{ first: 1, last: 6 }, { first: 2, last: 35 }, 2, 7],
        [{ first: 0, last: 6 }, { first: 0, last: 37 }, 1, 1],
      ]) {
        const fast = blocks(some, rows, columns, down, across, ny, nx, far);
        expect([...fast]).toEqual(slow(codes, 40, rows, columns, down, across, ny, nx, far));
      }
    });
  }

  it("blocks hold every place once", () => {
    const span = { first: 4, last: 41 };
    const places = Array.from({ length: 10 }, (_, b) => block(span, 10, b)).flatMap(([a, b]) => Array.from({ length: b - a }, (_, i) => a + i));
    expect(places).toEqual(Array.from({ length: 37 }, (_, i) => i + 4));
  });

  it("finds the cell that a block shows", () => {
    const at = peak(some, rows, columns, [1, 5], [3, 20], true);
    const most = Math.max(...slow(codes, 40, rows, columns, { first: 1, last: 5 }, { first: 3, last: 20 }, 1, 1, true).map(Math.abs));
    expect(Math.abs(value(some, rows[at[0]], columns[at[1]]))).toBe(most);
  });

  it("reads quantised numbers and their missing code", () => {
    const small = cells({ dtype: "u1", shape: [1, 3], low: -1, step: 0.5 }, Uint8Array.from([0, 4, 255]));
    expect([0, 1, 2].map((c) => value(small, 0, c))).toEqual([-1, 1, NaN]);
    expect(extent(small, [-1, 0.9])).toEqual({ finite: 2, beyond: true });
    expect(extent(small, [-1, 1])).toEqual({ finite: 2, beyond: false });
    expect([...blocks(small, [0], [0, 1, 2], { first: 0, last: 1 }, { first: 0, last: 3 }, 1, 1, false)]).toEqual([1]);
  });

  it("sorts columns by a row: largest first, missing last, equal ones as they were", () => {
    const line = cells({ dtype: "f4", shape: [1, 5] }, Float32Array.from([1, NaN, 3, 1, 2]));
    expect([...byRow(line, 0, Uint32Array.from([0, 1, 2, 3, 4]))]).toEqual([2, 4, 0, 3, 1]);
    expect([...byRow(line, 0, Uint32Array.from([3, 1, 0]))]).toEqual([3, 0, 1]);
  });

  it("zooms about a place and never out of the whole", () => {
    expect(zoomed({ first: 0, last: 100 }, 100, 0.5, 80)).toEqual({ first: 40, last: 90 });
    expect(zoomed({ first: 40, last: 90 }, 100, 4, 80)).toEqual({ first: 0, last: 100 });
    expect(zoomed({ first: 10, last: 12 }, 100, 0.5, 10)).toEqual({ first: 10, last: 12 });
    expect(zoomed({ first: 0, last: 1 }, 1, 0.5, 0)).toEqual({ first: 0, last: 1 });
    expect(holding({ first: 10, last: 20 }, 25)).toEqual({ first: 16, last: 26 });
    expect(holding({ first: 10, last: 20 }, 3)).toEqual({ first: 3, last: 13 });
  });

  it("colours nothing where nothing is known and fades what is not selected", () => {
    const colors = Array.from({ length: 256 }, (_, i) => [i, 0, 0]);
    const out = pixels(Float32Array.from([0, 1, NaN, 0.5]), 2, [0, 1], colors, [true, false], [true, true]);
    expect([...out]).toEqual([0, 0, 0, 255, 255, 0, 0, 255, 0, 0, 0, 0, 128, 0, 0, 70]);
  });
});

describe("ramps", () => {
  it("place numbers between their limits", () => {
    expect([step(0, 0, 1), step(1, 0, 1), step(-5, 0, 1), step(9, 0, 1), step(Infinity, 0, 1)]).toEqual([0, 255, 0, 255, 255]);
    expect([step(NaN, 0, 1), step(2, 2, 2)]).toEqual([-1, 128]);
  });

  it("have ink that is read on every colour", () => {
    for (const kind of ["viridis", "diverging", "shade"]) {
      for (const dark of [false, true]) {
        for (const rgb of ramp(kind, dark)) {
          const on = ink(rgb) === "#000" ? [0, 0, 0] : [255, 255, 255];
          expect(contrast(rgb, on)).toBeGreaterThanOrEqual(4.5);
        }
      }
    }
    // The two ends of the scale by definition of WCAG.
    expect(contrast([0, 0, 0], [255, 255, 255])).toBe(21);
  });

  it("diverging is blue below and red above, and least in the middle", () => {
    for (const dark of [false, true]) {
      const colors = ramp("diverging", dark);
      expect(colors[60][2]).toBeGreaterThan(colors[60][0]);
      expect(colors[195][0]).toBeGreaterThan(colors[195][2]);
      const ground = dark ? [22, 25, 29] : [255, 255, 255];
      const least = colors.map((one) => contrast(one, ground)).reduce((best, one, i, all) => (one < all[best] ? i : best), 0);
      expect(Math.abs(least - 127.5)).toBeLessThan(8);
    }
  });
});

import { describe, expect, it } from "vitest";
import { limits, marks, nearest, runs, scale, stops, thinned, valueAt } from "../src/line_model.js";

describe("scales", () => {
  it("go there and back, upside down too, and on logarithms", () => {
    for (const log of [false, true]) {
      const one = scale([0.01, 100], log, 300, 20);
      for (const value of [0.01, 0.3, 7, 100]) expect(one.value(one.px(value))).toBeCloseTo(value, 9);
      expect(one.px(0.01)).toBeCloseTo(300, 9);
      expect(one.px(100)).toBeCloseTo(20, 9);
    }
    expect(scale([0.01, 100], true, 0, 400).px(1)).toBeCloseTo(200, 9);
    expect(scale([1, 10], true, 0, 1).px(0)).toBeNaN();
  });

  it("limits leave room and see only what an axis can show", () => {
    expect(limits([[1, 3, NaN, Infinity], null], false, 0.5)).toEqual([0, 4]);
    expect(limits([[5]], false, 0.1)).toEqual([2.5, 7.5]);
    expect(limits([[0]], false, 0.1)).toEqual([-0.5, 0.5]);
    expect(limits([[-1, 0, 1, 100]], true, 0.5)[0]).toBeCloseTo(0.1, 9);
    expect(limits([[-1, 0]], true, 0.5)).toBe(null);
    expect(limits([], false, 0.5)).toBe(null);
  });

  it("ticks of logarithms are round and inside", () => {
    const texts = (low, high, about) => marks(scale([low, high], true, 0, 1), about).map((one) => one.text);
    expect(texts(0.5, 200, 6)).toEqual(["0.5", "1", "2", "5", "10", "20", "50", "100", "200"]);
    expect(texts(1, 1e8, 4)).toEqual(["1", "100", "10,000", "1e6", "1e8"]);
    expect(texts(2, 6, 5)).toEqual(["2", "3", "5"]);
    expect(marks(scale([0, 4], false, 0, 1), 9, true).map((one) => one.text)).toEqual(["0", "1", "2", "3", "4"]);
    expect(marks(scale([0, 1], false, 0, 1), 4).map((one) => one.text)).toEqual(["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
  });
});

describe("cursor", () => {
  it("stands at each x once, in order", () => {
    expect([...stops([Float64Array.of(3, 1, 1), Float64Array.of(2, 3, -5)])]).toEqual([-5, 1, 2, 3]);
    expect(stops([]).length).toBe(0);
  });

  it("snaps as the slow way does, to the lower of two equally near", () => {
    const places = [-2, 0, 0.5, 1, 7, 100];
    const slow = (x) => places.reduce((best, one, i) => (Math.abs(one - x) < Math.abs(places[best] - x) ? i : best), 0);
    for (let x = -10; x < 120; x += 0.25) expect(nearest(places, x)).toBe(slow(x));
    expect([nearest([], 1), nearest(places, NaN), nearest([1, 3], 2)]).toEqual([-1, -1, 0]);
  });
});

describe("lines", () => {
  const one = scale([0, 10], false, 0, 10);
  it("break at gaps", () => {
    expect(runs([0, 1, 2, 3, 4], [5, 6, NaN, 7, NaN], one, one)).toEqual([[0, 5, 1, 6], [3, 7]]);
    expect(runs([], [], one, one)).toEqual([]);
    expect(runs([1, 2], [0, 5], one, scale([1, 10], true, 0, 1)).length).toBe(1);
  });

  it("thinned reach as low and as high in every pixel, and start and end where they did", () => {
    const run = Array.from({ length: 5000 }, (_, i) => [i / 50, 100 * Math.sin(i * 12.9898)]).flat();
    const thin = thinned(run);
    expect(thin.length).toBeLessThanOrEqual(2 * 4 * 100);
    const reach = (points, pixel) => {
      const ys = points.filter((_, k) => k % 2 && Math.floor(points[k - 1]) === pixel);
      return [Math.min(...ys), Math.max(...ys), ys[0], ys[ys.length - 1]];
    };
    for (let pixel = 0; pixel < 100; pixel++) expect(reach(thin, pixel)).toEqual(reach(run, pixel));
    expect(thin.every((x, k) => k % 2 || k === 0 || x >= thin[k - 2])).toBe(true);
    const back = [0.1, 1, 0.5, 2, 0.2, 3, 7, 1];
    expect(thinned(back)).toBe(back);
    expect(thinned([5, 1, 3, 2])).toEqual([5, 1, 3, 2]);
    expect(thinned([])).toEqual([]);
  });

  it("have a value at their own places only", () => {
    const series = { name: "a", x: Float64Array.of(1, 3), y: Float64Array.of(5, NaN), low: null, high: null };
    expect([valueAt(series, 1), valueAt(series, 3), valueAt(series, 2)]).toEqual([5, NaN, NaN]);
  });
});

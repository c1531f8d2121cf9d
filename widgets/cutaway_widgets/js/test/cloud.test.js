import { describe, expect, it } from "vitest";
import { press, radius, stamp } from "../src/cloud.js";

const image = (width, height) => ({ width, height, data: new Uint8ClampedArray(4 * width * height) });
const at = ({ data, width }, x, y) => [...data.slice(4 * (y * width + x), 4 * (y * width + x) + 4)];

describe("stamps", () => {
  it("cover the area of their disc", () => {
    for (const r of [1, 2.6, 4.5, 9]) {
      const { pixels } = stamp([255, 0, 0], r, [255, 0, 0], 0);
      let area = 0;
      for (let i = 3; i < pixels.length; i += 4) area += pixels[i];
      // The smoothed edge is off by a fraction of a pixel along the rim at most.
      expect(Math.abs(area - Math.PI * r * r)).toBeLessThan(0.1 * 2 * Math.PI * r + 0.5);
    }
  });

  it("are the colour inside and the rim at the edge", () => {
    const { side, pixels } = stamp([10, 20, 30], 6, [200, 210, 220], 2);
    const middle = 4 * (Math.floor(side / 2) * side + Math.floor(side / 2));
    expect([...pixels.slice(middle, middle + 4)]).toEqual([10, 20, 30, 1]);
    // The rim reaches from 5 to 7 pixels: half of it in the pixel at 5, all in the one at 6.
    const right = (steps) => [...pixels.slice(middle + 4 * steps, middle + 4 * steps + 3)];
    expect(right(4)).toEqual([10, 20, 30]);
    expect(right(5).map(Math.round)).toEqual([105, 115, 125]);
    expect(right(6)).toEqual([200, 210, 220]);
  });
});

describe("pressing", () => {
  const red = stamp([255, 0, 0], 2, [255, 0, 0], 0);
  const blue = stamp([0, 0, 255], 2, [0, 0, 255], 0);

  it("blends as the over operator does", () => {
    const page = image(9, 9);
    press(page, red, 4, 4, 0.5);
    expect(at(page, 4, 4)).toEqual([255, 0, 0, 128]);
    press(page, blue, 4, 4, 0.5);
    // alpha 0.5 + 0.5 * 0.5; a third red, two thirds blue.
    const [r, , b, a] = at(page, 4, 4);
    expect(Math.abs(r - 85)).toBeLessThan(2);
    expect(Math.abs(b - 170)).toBeLessThan(2);
    expect(Math.abs(a - 191)).toBeLessThan(2);
  });

  it("outside the page changes nothing, at its border a part", () => {
    const page = image(6, 6);
    press(page, red, -20, 3, 1);
    press(page, red, 3, 60, 1);
    expect(page.data.every((one) => one === 0)).toBe(true);
    press(page, red, 0, 0, 1);
    expect(at(page, 0, 0)).toEqual([255, 0, 0, 255]);
    expect(at(page, 5, 0)).toEqual([0, 0, 0, 0]);
  });
});

it("points shrink as they grow many", () => {
  const sizes = [10, 500, 2_000, 10_000, 100_000].map(radius);
  expect([...sizes].sort((a, b) => b - a)).toEqual(sizes);
});

import { describe, expect, it } from "vitest";
import { dots, press, radius, stamp } from "../src/cloud.js";
import { kinds } from "../src/color.js";

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

describe("dots", () => {
  const camera = { kx: 1, ky: 1, ox: 0, oy: 0 };
  const shades = { ground: "#ffffff", text: "#000000" };

  it("of every class of 1,000 keep its colour", () => {
    const palette = kinds(1000);
    const points = new Float32Array(2000);
    const places = new Uint16Array(1000);
    for (let i = 0; i < 1000; i++) {
      points.set([4 + 5 * (i % 40), 4 + 5 * Math.floor(i / 40)], 2 * i);
      places[i] = i;
    }
    const page = image(210, 140);
    dots(page, { points, places, palette, mask: new Uint8Array(125), dim: false, radius: 1 }, camera, 1, shades);
    for (let i = 0; i < 1000; i++) {
      const hex = at(page, points[2 * i], points[2 * i + 1]).slice(0, 3).map((one) => one.toString(16).padStart(2, "0"));
      expect(`#${hex.join("")}`).toBe(palette[i].toLowerCase());
    }
  });

  it("that are selected lie over the faint ones, whatever their order", () => {
    const cloud = { points: new Float32Array([5, 5, 5, 5, NaN, 5]), places: new Uint16Array([0, 1, 0]), palette: ["#ff0000", "#0000ff"], radius: 1 };
    const page = image(11, 11);
    dots(page, { ...cloud, mask: new Uint8Array([1]), dim: true }, camera, 1, shades);
    expect(at(page, 5, 5)).toEqual([255, 0, 0, 255]);
    const other = image(11, 11);
    dots(other, { ...cloud, mask: new Uint8Array([4]), dim: true }, camera, 1, shades);
    // 15 % of blue on white.
    expect(at(other, 5, 5)).toEqual([217, 217, 255, 255]);
  });

  it("at the border never wrap to the other side", () => {
    const page = image(8, 8);
    const points = new Float32Array([-0.4, 3, 7.6, 4, 3, -1, 3, 7.7]);
    dots(page, { points, places: new Uint16Array(4), palette: ["#ff0000"], mask: new Uint8Array(1), dim: false, radius: 1.3 }, camera, 1, shades);
    expect(page.data.every((one) => one === 0)).toBe(true);
  });
});

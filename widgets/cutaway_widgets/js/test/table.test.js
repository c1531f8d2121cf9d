import { describe, expect, it } from "vitest";
import { number } from "../src/format.js";
import { cell, head, matcher, sorted, width } from "../src/table_model.js";

const columns = [
  { name: "site", kind: "text", unit: "", names: ["conv10", "conv2"], values: [0, 1, 1, 0] },
  { name: "loss", kind: "number", unit: "nats", values: [0.5, NaN, 1e-7, 0.5] },
  { name: "n", kind: "number", unit: "", whole: true, values: [1200, 3, -4, 0] },
];
const rows = [0, 1, 2, 3];

describe("sorting", () => {
  it("of numbers puts missing last both ways and keeps equal rows in order", () => {
    expect(sorted(rows, columns[1], false)).toEqual([2, 0, 3, 1]);
    expect(sorted(rows, columns[1], true)).toEqual([0, 3, 2, 1]);
  });

  it("of texts knows that conv2 comes before conv10", () => {
    expect(sorted(rows, columns[0], false)).toEqual([1, 2, 0, 3]);
  });

  it("by no column leaves the order and the input alone", () => {
    expect(sorted(rows, undefined, true)).toEqual(rows);
    sorted(rows, columns[1], true);
    expect(rows).toEqual([0, 1, 2, 3]);
  });
});

describe("filter", () => {
  const found = (text) => rows.filter(matcher(text, columns));
  it.each([
    ["", [0, 1, 2, 3]],
    ["CONV2", [1, 2]],
    ["conv10 n>0", [0]],
    ["loss<=0.5", [0, 2, 3]],
    ["loss <= 0.1", [2]],
    ["n=-4", [2]],
    ["site=conv2", [1, 2]],
    ["zebra", []],
    ["zebra>1", []],
  ])("%s", (text, want) => expect(found(text)).toEqual(want));
});

describe("cells", () => {
  it("are written as people read them", () => {
    expect(cell(columns[2], 0)).toBe("1,200");
    expect(cell(columns[2], 2)).toBe("−4");
    expect(cell(columns[1], 1)).toBe("–");
    expect(cell(columns[1], 2)).toBe("1.00e−7");
    expect(cell(columns[0], 1)).toBe("conv2");
    expect(head(columns[1])).toBe("loss (nats)");
    expect(width(columns[0], 4)).toBe(6 + 2);
  });

  it.each([
    [0, "0"],
    [0.12345, "0.1235"],
    [12.3456, "12.35"],
    [-1234567.8, "−1.23e6"],
    [Infinity, "∞"],
    [-Infinity, "−∞"],
  ])("number %d", (value, text) => expect(number(value)).toBe(text));
});

import { describe, expect, it } from "vitest";
import { cell, csv, sheetOf, single, titled } from "../src/csv.js";
import { fileName } from "../src/download.js";
import * as mask from "../src/mask.js";
import { sheet } from "../src/table_model.js";

describe("csv", () => {
  it("quotes what would break a line, and writes numbers in full", () => {
    expect(["a", 'say "x"', "a,b", "a\nb", "é"].map(cell)).toEqual(["a", '"say ""x"""', '"a,b"', '"a\nb"', "é"]);
    expect([1 / 3, -2, NaN, Infinity, -Infinity, 0].map(cell)).toEqual(["0.3333333333333333", "-2", "", "inf", "-inf", "0"]);
    expect(csv(["id", "p"], [["s,1", 0.5], ["s2", NaN]])).toBe('id,p\n"s,1",0.5\ns2,\n');
  });

  it("writes 32-bit floats as short as they are exact", () => {
    for (const value of [0.1, 3.4e38, 1e-40, 1 / 3, 16777217, -0.7]) {
      const stored = Math.fround(value);
      expect(Math.fround(single(stored))).toBe(stored);
    }
    expect(String(single(Math.fround(0.1)))).toBe("0.1");
    expect(single(NaN)).toBeNaN();
  });

  it("is what a table shows: its rows in their order, with ids and what is selected", () => {
    const columns = [
      { name: "p", kind: "number", unit: "nats", values: [1e-7, 0.25, NaN] },
      { name: "flag", kind: "text", unit: "", names: ["", "likely, or not"], values: [1, 0, 0] },
    ];
    const text = sheet(columns, [2, 0], "unit", (row) => `c:${row}`, mask.of([0], 3));
    expect(text).toBe('unit,p (nats),flag,selected\nc:2,,,0\nc:0,1e-7,"likely, or not",1\n');
    const own = [{ ...columns[1], name: "unit" }];
    expect(sheet(own, [1], "unit", String, mask.none(3))).toBe("unit,selected\n,0\n");
  });
});

describe("rows of a view", () => {
  const link = { axis: "sample", id: (/** @type {number} */ row) => `s${row}`, mask: mask.of([4], 6) };

  it("are what it shows, in its order, with what is selected", () => {
    const rows = [4, 1];
    const columns = [
      { title: titled("loss", "nats"), at: (/** @type {number} */ k) => [0.5, NaN][k] },
      { title: titled("class"), at: (/** @type {number} */ k) => ["a,b", ""][k] },
    ];
    const text = sheetOf(link, { length: 2, at: (k) => rows[k] }, columns);
    expect(text).toBe('sample,loss (nats),class,selected\ns4,0.5,"a,b",1\ns1,,,0\n');
  });

  it("are their ids alone where nothing is said about them", () => {
    expect(sheetOf(link, { length: 1, at: () => 3 }, [])).toBe("sample,selected\ns3,0\n");
  });
});

describe("file names", () => {
  it("are plain, short and never empty", () => {
    expect(fileName("Samples of conv1, filter 3 · é/../x", "png")).toBe("samples-of-conv1-filter-3-e-x.png");
    expect(fileName("…", "csv")).toBe("cutaway.csv");
    expect(fileName("a".repeat(99), "csv").length).toBe(64);
  });
});

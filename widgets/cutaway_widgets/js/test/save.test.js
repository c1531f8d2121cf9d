import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { cell, csv, inert, sheetOf, single, titled } from "../src/csv.js";
import { fileName } from "../src/download.js";
import * as mask from "../src/mask.js";
import { sheet } from "../src/table_model.js";

// Python's own code is tested on the same cells.
const CELLS = JSON.parse(readFileSync(new URL("../../../../tests/csv_cells.json", import.meta.url), "utf8"));

describe("cells that a spreadsheet could run", () => {
  it.each(CELLS)("%j: %s", (text, runs) => {
    expect(inert(text)).toBe(runs ? `'${text}` : text);
    const plain = runs ? `'${text}` : text;
    expect(cell(text)).toBe(/[",\r\n]/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain);
  });

  it("are inert in heads, ids and columns, and numbers stay numbers", () => {
    expect([-0.5, -1e-7, -Infinity].map(cell)).toEqual(["-0.5", "-1e-7", "-inf"]);
    expect(csv(["=a", "b"], [["+c", -1], ["@d", 2]])).toBe("'=a,b\n'+c,-1\n'@d,2\n");
    const link = { axis: "=axis", id: () => "-id", mask: mask.none(2) };
    expect(sheetOf(link, { length: 1, at: () => 0 }, [{ title: titled("+t", "u"), at: () => "=x" }]))
      .toBe("'=axis,'+t (u),selected\n'-id,'=x,0\n");
    const columns = [{ name: "@flag", kind: "text", unit: "", names: ["=y"], values: [0] }];
    expect(sheet(columns, [0], "row", () => "-1", mask.none(1))).toBe("row,'@flag,selected\n'-1,'=y,0\n");
  });
});

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

import { describe, expect, it } from "vitest";
import { colors, counts, level } from "../src/density.js";
import { describe as words, known, offer } from "../src/describe.js";
import * as mask from "../src/mask.js";
import * as fast from "../src/mask_fast.js";
import { roomy } from "../src/tiles.js";
import { planted, random } from "./oracle.js";

const chance = (n, part, seed) => {
  const next = random(seed);
  const bits = mask.none(n);
  for (let i = 0; i < n; i++) if (next() < part) mask.add(bits, i);
  return bits;
};
const list = (rows) => Array.from({ length: rows.length }, (_, k) => rows.at(k));

describe.each([0, 1, 9, 4097, 20_003])("selections of %i rows", (n) => {
  it.each([0, 0.003, 0.5, 1])("are listed by rank without a list (part %f)", (part) => {
    const bits = chance(n, part, 3 + n);
    expect(list(fast.selected(bits))).toEqual(mask.rows(bits));
    const order = Uint32Array.from({ length: n }, (_, i) => (i * 7919) % Math.max(1, n));
    expect(list(fast.selectedOf(order, bits))).toEqual([...order].filter((row) => mask.has(bits, row)));
  });

  it("are gathered and spread by row", () => {
    const bits = chance(n, 0.4, 5);
    const rows = Uint32Array.from(Array.from({ length: n }, (_, i) => i).filter((i) => i % 3 !== 1));
    const part = fast.gather(bits, rows);
    expect(mask.rows(part).map((j) => rows[j])).toEqual(mask.rows(bits).filter((i) => i % 3 !== 1));
    expect(fast.gather(fast.scatter(part, rows, n), rows)).toEqual(part);
    expect(mask.count(fast.scatter(part, rows, n))).toBe(mask.count(part));
  });

  it("are counted by kind", () => {
    const next = random(9);
    const codes = Int16Array.from({ length: n }, () => Math.floor(next() * 12) - 1);
    const bits = chance(n, 0.3, 7);
    const wanted = new Uint32Array(10);
    for (const i of mask.rows(bits)) if (codes[i] >= 0 && codes[i] < 10) wanted[codes[i]]++;
    expect(fast.tally(codes, bits, 10)).toEqual(wanted);
  });
});

it("what follows from a selection is made once for it", () => {
  const state = { _mask: new DataView(new ArrayBuffer(1)), _of: "a" };
  const link = { digest: "a", n: 3, model: { get: (name) => state[name] }, get mask() { return mask.of([1], 3); } };
  let made = 0;
  const ask = fast.once(link, () => ++made);
  expect([ask(), ask()]).toEqual([1, 1]);
  state._mask = new DataView(new ArrayBuffer(1));
  expect(ask()).toBe(2);
  state._of = "b"; // the same bits are about other rows now
  expect(ask()).toBe(3);
});

describe("density", () => {
  const points = planted(2000, 4);
  const camera = { kx: 20, ky: -20, ox: 30, oy: 150 };
  const area = { left: 20, top: 10, width: 201, height: 120 };

  it("counts every point in sight once, the selected ones too", () => {
    const bits = chance(2000, 0.5, 8);
    const found = counts({ points, mask: bits, dim: true }, camera, area, 2);
    const wanted = new Map();
    let chosen = 0;
    for (let i = 0; i < 2000; i++) {
      const x = Math.floor((points[2 * i] * 20 + 30 - 20) / 2);
      const y = Math.floor((points[2 * i + 1] * -20 + 150 - 10) / 2);
      if (!(x >= 0 && y >= 0 && x < found.columns && y < found.lines)) continue;
      wanted.set(y * found.columns + x, (wanted.get(y * found.columns + x) ?? 0) + 1);
      chosen += Number(mask.has(bits, i));
    }
    const total = (list) => list.reduce((a, b) => a + b, 0);
    // Single and double precision may differ about a border.
    expect(Math.abs(total(found.all) - total([...wanted.values()]))).toBeLessThanOrEqual(2);
    expect(Math.abs(total(found.picked) - chosen)).toBeLessThanOrEqual(2);
    const same = [...wanted].filter(([cell, count]) => found.all[cell] === count).length;
    expect(same).toBeGreaterThanOrEqual(wanted.size - 4);
  });

  it("is coloured by the logarithm: yellow at most, purple at one, empty is clear, the rest grey", () => {
    const found = { columns: 4, lines: 1, all: Uint32Array.from([0, 1, 10, 100]), picked: new Uint32Array(0), most: 100 };
    const shades = { ground: "#ffffff", faint: "#000000" };
    const channels = (one) => [one & 255, (one >> 8) & 255, (one >> 16) & 255, one >>> 24];
    const drawn = [...colors(found, shades)].map(channels);
    expect(drawn[0]).toEqual([0, 0, 0, 0]);
    expect(drawn[1]).toEqual([68, 1, 84, 255]);
    expect(drawn[2]).toEqual([33, 145, 140, 255]);
    expect(drawn[3]).toEqual([253, 231, 37, 255]);
    const part = [...colors({ ...found, picked: Uint32Array.from([0, 0, 0, 7]), most: 7 }, shades)].map(channels);
    expect(part[3]).toEqual([253, 231, 37, 255]);
    expect(new Set(part[2].slice(0, 3)).size).toBe(1);
    expect(part[2][0]).toBeLessThan(part[1][0]);
    expect([level(1, 1), level(1, 50), level(50, 50)]).toEqual([1, 0, 1]);
  });
});

describe("a selection in words", () => {
  const columns = [
    { name: "loss", kind: "number", values: new Float32Array(6) },
    { name: "cluster", kind: "category", names: ["cluster 0", "cluster 1"], values: Uint16Array.from([1, 1, 1, 0, 1, 65535]) },
    { name: "class", kind: "category", names: ["4", "7", "8", "9"], values: Uint16Array.from([1, 1, 0, 2, 3, 1]) },
    { name: "outlier", kind: "category", names: ["False", "True"], values: Uint16Array.from([0, 1, 1, 0, 0, 0]) },
  ];

  it("names the most frequent kinds of every column, and how many more there are", () => {
    expect(words(columns, mask.of([0, 1, 2], 6))).toBe("cluster 1: 3; class 7: 2, class 4: 1; 2 outliers");
    expect(words(columns, mask.of([1], 6))).toBe("cluster 1: 1; class 7: 1; 1 outlier");
    expect(words(columns, mask.all(6))).toBe("cluster 1: 4, cluster 0: 1; class 7: 3, class 4: 1, class 8: 1, 1 more; 2 outliers");
    expect(words(columns, mask.none(6))).toBe("");
    expect(words([], mask.all(6))).toBe("");
  });

  it("is known to the other views of the link, as long as the rows are the same", () => {
    const model = {};
    offer(model, { digest: "d", columns, rows: null });
    expect(known({ model, digest: "d" })?.columns).toBe(columns);
    offer(model, { digest: "d", columns: columns.slice(0, 1), rows: null });
    expect(known({ model, digest: "d" })?.columns).toBe(columns);
    expect(known({ model, digest: "e" })).toBe(null);
    expect(known({ model: {}, digest: "d" })).toBe(null);
  });
});

it("pictures have room where they touch none before", () => {
  const next = random(2);
  const places = Array.from({ length: 150 }, () => ({ x: 300 * next(), y: 200 * next() }));
  const room = roomy(places, 30);
  const apart = (a, b) => Math.abs(a.x - b.x) >= 30 || Math.abs(a.y - b.y) >= 30;
  places.forEach((one, k) => {
    const before = places.slice(0, k).filter((_, j) => room[j]);
    expect(room[k]).toBe(before.every((two) => apart(one, two)));
  });
  expect(room.filter(Boolean).length).toBeGreaterThan(20);
});

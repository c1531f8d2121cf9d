import { describe, expect, it } from "vitest";
import { branchAt, cuts, forest, nextCut, step, tops } from "../src/dendro_model.js";

// Leaves 0..4; 5 = (0, 3), 6 = (1, 4), 7 = (5, 2); 6 and 7 stay apart.
const tree = forest([0, 3, 0.5, 1, 4, 1, 5, 2, 2], 5);

/** Members by following merges: slow and obviously right. */
const members = (merges, n, node) =>
  node < n ? [node] : [...members(merges, n, merges[3 * (node - n)]), ...members(merges, n, merges[3 * (node - n) + 1])];

describe("dendrogram", () => {
  it("puts the leaves of every branch side by side", () => {
    let state = 5;
    const random = (k) => (state = (1103515245 * state + 12345) % 2147483648) % k;
    const n = 40;
    const merges = [];
    const open = Array.from({ length: n }, (_, i) => i);
    for (let i = 0; i < n - 4; i++) {
      const [a] = open.splice(random(open.length), 1);
      const [b] = open.splice(random(open.length), 1);
      merges.push(a, b, i);
      open.push(n + i);
    }
    const one = forest(merges, n);
    expect([...one.order].sort((a, b) => a - b)).toEqual(Array.from({ length: n }, (_, i) => i));
    expect(one.roots.length).toBe(4);
    for (let node = 0; node < 2 * n - 4; node++) {
      const mine = [...one.order.subarray(one.first[node], one.last[node])].sort((a, b) => a - b);
      expect(mine).toEqual(members(merges, n, node).sort((a, b) => a - b));
    }
  });

  it("places leaves evenly, branches over the middle of their children, branches before lone leaves", () => {
    expect([...tree.order]).toEqual([0, 3, 2, 1, 4]);
    expect(tree.roots).toEqual([7, 6]);
    expect(tree.x[5]).toBe(1);
    expect(tree.x[7]).toBe((1 + 2.5) / 2);
    expect([...tree.height]).toEqual([0, 0, 0, 0, 0, 0.5, 1, 2]);
  });

  it("cuts at and below a height", () => {
    expect(tops(tree, null)).toEqual([7, 6]);
    expect(tops(tree, 2)).toEqual([7, 6]);
    expect(tops(tree, 1)).toEqual([5, 2, 6]);
    expect(tops(tree, 0.4)).toEqual([0, 3, 2, 1, 4]);
    expect(tops(forest([], 2), 1)).toEqual([0, 1]);
  });

  it("has one cut for each number of clusters, also with ties", () => {
    expect(cuts(tree).map((cut) => tops(tree, cut).length)).toEqual([5, 4, 3, 2]);
    const tied = forest([0, 1, 1, 2, 3, 1, 4, 5, 1], 4);
    expect(cuts(tied).map((cut) => tops(tied, cut).length)).toEqual([4, 1]);
    expect(cuts(forest([], 3))).toEqual([]);
    const sorted = cuts(tree);
    // From anywhere between two merges to the next number of clusters, never to the same.
    for (const from of [0.5, 0.7, 0.99]) expect([-1, 1].map((by) => nextCut(tree, from, by))).toEqual([sorted[0], sorted[2]]);
    expect(nextCut(tree, Infinity, -1)).toBe(sorted[2]);
    expect([nextCut(tree, -9, -1), nextCut(tree, 9, 1)]).toEqual([sorted[0], sorted[3]]);
  });

  it("finds the branch under the pointer, the lower one on a line between two", () => {
    const [sx, sy] = [(x) => 100 * x, (height) => 300 - 100 * height];
    expect(branchAt(tree, 100, 250, sx, sy, 8)).toBe(5);
    expect(branchAt(tree, 100, 180, sx, sy, 8)).toBe(5);
    expect(branchAt(tree, 200, 98, sx, sy, 8)).toBe(7);
    expect(branchAt(tree, 251, 200, sx, sy, 8)).toBe(2);
    expect(branchAt(tree, 180, 260, sx, sy, 8)).toBe(-1);
  });

  it("walks by arrows", () => {
    expect(step(tree, 0, "ArrowUp")).toBe(5);
    expect(step(tree, 7, "ArrowUp")).toBe(7);
    expect(step(tree, 7, "ArrowDown")).toBe(5);
    expect(step(tree, 2, "ArrowDown")).toBe(2);
    expect(step(tree, 5, "ArrowRight")).toBe(2);
    expect(step(tree, 2, "ArrowRight")).toBe(1);
    expect(step(tree, 4, "ArrowRight")).toBe(4);
    expect(step(tree, 7, "ArrowRight")).toBe(6);
    expect(step(tree, 7, "ArrowLeft")).toBe(7);
  });

  it("is no recursion: a chain of 100,000", () => {
    const n = 100_000;
    const merges = new Float64Array(3 * (n - 1));
    for (let i = 0; i < n - 1; i++) merges.set([i ? n + i - 1 : 0, i + 1, i], 3 * i);
    expect(tops(forest(merges, n), 0).length).toBe(n - 1);
  });
});

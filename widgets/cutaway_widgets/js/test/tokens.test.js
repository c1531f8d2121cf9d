import { describe, expect, it } from "vitest";
import { drawn, Stack, textOf } from "../src/token_model.js";

describe("tokens", () => {
  it("show what would be unseen", () => {
    const texts = (...tokens) => tokens.map((one) => drawn(one).text);
    expect(texts("the", " the", "a b ")).toEqual(["the", " the", "a b "]);
    expect(texts(" ", "  ", "\n", "\n\n", "\t", "\r\n", "")).toEqual(["␣", "␣␣", "⏎", "⏎⏎", "⇥", "␍⏎", "∅"]);
    expect(texts("x\n", ":\n    ", "\u200b", "a\u202eb")).toEqual(["x⏎", ":⏎    ", "⟨200B⟩", "a⟨202E⟩b"]);
    expect(["a", "\n", "x\n\n"].map((one) => drawn(one).breaks)).toEqual([0, 1, 2]);
  });

  it("belong to the text that holds their position, empty texts to none", () => {
    const starts = [0, 0, 3, 3, 5];
    expect([0, 1, 2, 3, 4].map((position) => textOf(starts, position))).toEqual([1, 1, 1, 3, 3]);
  });
});

describe("stack", () => {
  it("finds what a window shows as the slow way does", () => {
    const heights = Array.from({ length: 60 }, (_, i) => 20 + ((i * 37) % 90));
    const stack = new Stack(60, (i) => heights[i]);
    const tops = heights.map((_, i) => heights.slice(0, i).reduce((a, b) => a + b, 0));
    for (let top = 0; top < stack.height; top += 13) {
      const slow = heights.map((one, i) => i).filter((i) => tops[i] + heights[i] > top && tops[i] < top + 200);
      expect(stack.inSight(top, 200)).toEqual([slow[0], slow[slow.length - 1] + 1]);
    }
    expect(new Stack(0, () => 1).inSight(0, 100)).toEqual([0, 0]);
  });

  it("keeps what is in sight in place when blocks above turn out higher", () => {
    const stack = new Stack(5, () => 100);
    expect(stack.measure(new Map([[0, 160]]), 250)).toEqual({ changed: true, shift: 60 });
    expect(stack.height).toBe(560);
    expect(stack.measure(new Map([[0, 160], [4, 100.2]]), 250)).toEqual({ changed: false, shift: 0 });
    expect(stack.measure(new Map([[4, 40]]), 250)).toEqual({ changed: true, shift: 0 });
  });
});

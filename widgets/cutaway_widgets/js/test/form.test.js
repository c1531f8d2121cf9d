import { describe, expect, it } from "vitest";
import { hiding, led } from "../src/choice.js";
import { bytesText } from "../src/cost_model.js";
import { defaults, expected, problem, problems } from "../src/form_model.js";

const field = (more) => ({
  name: "k", label: "k", kind: "whole", help: "", unit: "", options: [], optional: false, low: null, high: null, default: "5", ...more,
});

describe("a field", () => {
  it("takes what its kind says", () => {
    for (const [more, texts] of [
      [{ kind: "whole" }, ["0", " 12 ", "-3", "+4"]],
      [{ kind: "number" }, ["1", ".5", "1.", "-2e-3", "1E5"]],
      [{ kind: "wholes" }, ["1", "1,2", "8, 16"]],
      [{ kind: "choice", options: [{ value: "a", label: "A" }] }, ["a"]],
      [{ kind: "text" }, ["anything"]],
      [{ kind: "text", optional: true }, ["", "  "]],
    ]) {
      for (const text of texts) expect(problem(field(more), text)).toBe("");
    }
    expect(problem(field({ kind: "check" }), false)).toBe("");
  });

  it("refuses the rest with name, expected, got and remedy", () => {
    expect(problem(field({ low: 1, high: 9 }), "x")).toBe("k must be a whole number from 1 to 9, got x; e.g. 5");
    expect(problem(field({ low: 1 }), "0")).toBe("k must be a whole number, 1 or more, got 0; e.g. 5");
    expect(problem(field({ high: 9 }), "10")).toBe("k must be a whole number, 9 or less, got 10; e.g. 5");
    expect(problem(field({}), "1.5")).toContain("got 1.5");
    expect(problem(field({}), "")).toBe("k must be a whole number, got nothing; fill it in, e.g. 5");
    expect(problem(field({ kind: "number" }), "nan")).toContain("k must be a number, got nan");
    expect(problem(field({ kind: "wholes", default: "" }), "1;2")).toContain("got 1;2; correct it");
    expect(problem(field({ kind: "choice", options: [{ value: "a", label: "A" }] }), "b")).toBe(
      "k must be one of A, got b; choose one of these",
    );
  });

  it("says what it expects", () => {
    expect(expected(field({ kind: "text" }))).toBe("a text");
  });
});

it("problems and defaults go by name", () => {
  const fields = [field({}), field({ name: "seed", default: "0" })];
  expect(defaults(fields)).toEqual({ k: "5", seed: "0" });
  expect(Object.keys(problems(fields, { k: "5", seed: "zero" }))).toEqual(["seed"]);
});

describe("a choice", () => {
  it("hides every panel but the chosen one, and nothing by a name that is none", () => {
    expect(hiding({ a: "p-a", b: "p-b", c: "p-c" }, "b")).toBe(".p-a{display:none!important}.p-c{display:none!important}");
    expect(hiding({ a: "p}*{" }, "b")).toBe("");
  });

  it("is led by arrows around, and by Home and End", () => {
    expect([led("ArrowRight", 2, 3), led("ArrowLeft", 0, 3), led("Home", 2, 3), led("End", 0, 3)]).toEqual([0, 2, 0, 2]);
    expect(led("a", 1, 3)).toBe(-1);
  });
});

it("sizes are read by people", () => {
  expect([12, 1234, 2_500_000].map(bytesText)).toEqual(["12 B", "1.2 kB", "2.5 MB"]);
});

import { describe, expect, it } from "vitest";
import { SavedModel, decode, models, stopped } from "../src/page_model.js";

const view = (...raw) => new DataView(Uint8Array.from(raw).buffer);

describe("decode", () => {
  it("gives bytes, numbers that JSON lacks, and keys with a dollar back", () => {
    const saved = {
      data: { $bytes: btoa("\x00\x7f\xff") },
      loss: [1.5, { $number: "NaN" }, { $number: "-Infinity" }],
      $$bytes: "a column of the data",
      none: null,
    };
    const found = decode(saved);
    expect([...new Uint8Array(found.data.buffer)]).toEqual([0, 127, 255]);
    expect(found.loss).toEqual([1.5, NaN, -Infinity]);
    expect(found.$bytes).toBe("a column of the data");
    expect(found.none).toBe(null);
  });
});

describe("saved model", () => {
  it("tells listeners of a change, first by name, and not of the same value or bytes", () => {
    const heard = [];
    const model = new SavedModel({ title: "a", _mask: view(1, 2) });
    model.on("change", () => heard.push("any"));
    model.on("change:title change:_mask", (_model, value) => heard.push(value));
    model.set("title", "a");
    model.set("_mask", view(1, 2));
    expect(heard).toEqual([]);
    model.set("title", "b");
    expect(heard).toEqual(["b", "any"]);
    const fresh = view(1, 3);
    model.set("_mask", fresh);
    expect(heard.slice(2)).toEqual([fresh, "any"]);
    expect(model.get("_mask")).toBe(fresh);
    model.save_changes();
  });

  it("stops telling who left, also when one leaves while being told", () => {
    const heard = [];
    const model = new SavedModel({ n: 0 });
    const once = () => {
      heard.push("once");
      model.off("change:n", once);
    };
    model.on("change:n", once);
    model.on("change:n", () => heard.push("always"));
    model.set("n", 1);
    model.set("n", 2);
    expect(heard).toEqual(["once", "always", "always"]);
  });

  it("keeps what only a kernel can answer", () => {
    const tree = new SavedModel({ _kind: "site_tree", _picked: ["conv1"] });
    tree.set("_picked", []);
    expect(tree.get("_picked")).toEqual(["conv1"]);
    const bar = new SavedModel({ _kind: "progress", _cancels: 0 });
    bar.set("_cancels", 1);
    expect(bar.get("_cancels")).toBe(0);
  });
});

describe("models of a page", () => {
  it("are shared by id, and an unknown id is named", async () => {
    const made = models({ m0: { link: "m2" }, m1: { link: "m2" }, m2: { n: 3 } });
    const [one, two] = await Promise.all(["m0", "m1"].map((id) => made[id].widget_manager.get_model(made[id].get("link"))));
    expect(one).toBe(two);
    await expect(made.m0.widget_manager.get_model("m9")).rejects.toThrow("one of this page's models, got m9");
  });

  it("say what has stopped", () => {
    expect(stopped({ _kind: "scatter", caption: "x" })).toEqual({ _kind: "scatter", caption: "x" });
    expect(stopped({ _kind: "site_tree", caption: "x" }).caption).toBe("x · Picking needs a kernel.");
    expect(stopped({ _kind: "progress", caption: "", _status: { state: "done" } }).caption).toBe("Running needs a kernel.");
    expect(stopped({ _kind: "progress", _status: { state: "running" } }).caption).toMatch(/^Saved while running/);
  });
});

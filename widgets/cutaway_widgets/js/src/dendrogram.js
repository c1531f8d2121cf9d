// @ts-check
// Dendrogram: a click on a branch selects its leaves, a cut colours the clusters below it.
import { kinds, theme } from "./color.js";
import { canvas, h, sameRows, shell } from "./dom.js";
import * as draw from "./dendro_draw.js";
import * as trees from "./dendro_model.js";
import { counted, named, number } from "./format.js";
import { scale } from "./line_model.js";
import { Link } from "./link.js";
import * as mask from "./mask.js";
import { pointer } from "./pointer.js";
import { readout } from "./readout.js";
import { resting } from "./rest.js";
import { frame, typed, watch } from "./wire.js";

const KEYS =
  "Up goes to the parent of a branch, down to its left child, left and right to the other child or the next leaf; Enter selects its leaves, Escape none.";
const NEAR = 8; // px around a line that take hold of it
const LEAST = 11; // px that a label needs

/** @param {{ model: import("./wire.js").Model, el: HTMLElement, signal: AbortSignal }} context */
export async function dendrogram({ model, el, signal }) {
  const link = await Link.of(model, "dendrogram", signal);
  if (signal.aborted) return;
  const view = shell({ model, el, signal }, { kind: "dendrogram", label: "Dendrogram", link: link.model });
  const base = canvas(view.body, { class: "cw-canvas" }, () => redraw(), signal);
  const top = canvas(
    view.body,
    { class: "cw-canvas cw-over", tabindex: 0, role: "application", "aria-roledescription": "dendrogram" },
    () => redraw(),
    signal,
  );
  const handle = h("div", { class: "cw-cut", tabindex: 0, role: "slider", "aria-orientation": "vertical", title: "Cut: drag, or move by the arrow keys" });
  view.body.append(handle);
  const hint = readout(view.body);
  let tree = trees.forest([], 0);
  /** Tops of clusters from left to right. @type {number[]} */
  let tops = [];
  /** Cluster of each node at or below the cut, -1 above it. @type {Int32Array} */
  let clusterOf = new Int32Array(0);
  /** @type {string[]} */
  let colors = [];
  let area = { left: 0, top: 0, width: 1, height: 1 };
  let sy = scale([0, 1], false, 1, 0);
  let active = -1; // node of the keyboard
  let under = -1; // node under the pointer
  /** What a drag does. @type {"cut" | "leaves" | null} */
  let drag = null;
  /** @type {number[]} */
  let brush = [];

  const cut = () => /** @type {number | null} */ (model.get("cut"));
  const save = resting(model, signal);
  const put = (/** @type {number | null} */ height) => {
    if (height === cut()) return;
    model.set("cut", height);
    save();
  };
  const label = (/** @type {number} */ leaf) => (model.get("_labels") ?? [])[leaf] ?? link.id(leaf);
  const sx = (/** @type {number} */ x) => area.left + (x / Math.max(1, tree.n)) * area.width;
  const within = (/** @type {number} */ height) => Math.min(sy.high, Math.max(sy.low, height));
  const read = () => {
    // Merges of other rows make no forest over these.
    const same = model.get("_digest") === link.digest;
    tree = trees.forest(same ? typed(model.get("_merges")) : [], same ? link.n : 0);
    active = under = -1;
    divide();
  };
  const divide = () => {
    tops = trees.tops(tree, cut());
    clusterOf = new Int32Array(tree.x.length).fill(-1);
    tops.forEach((node, k) => {
      clusterOf[node] = k;
    });
    // Parents have larger numbers than their children.
    for (let node = tree.x.length - 1; node >= 0; node--) {
      if (clusterOf[node] < 0 && tree.parent[node] >= 0) clusterOf[node] = clusterOf[tree.parent[node]];
    }
    // Only clusters of two leaves and more take a colour from the palette; a lone leaf has none.
    const shared = tops.filter((node) => node >= tree.n);
    const some = kinds(shared.length);
    colors = tops.map((node) => (cut() === null ? "" : (some[shared.indexOf(node)] ?? "")));
    redraw();
  };
  const leavesOf = (/** @type {number} */ node) => tree.order.subarray(tree.first[node], tree.last[node]);
  const size = (/** @type {number} */ node) => tree.last[node] - tree.first[node];
  const about = (/** @type {number} */ node) =>
    node < tree.n ? named(link.axis, label(node)) : `branch at ${number(tree.height[node])}${unit()}, ${counted(size(node), link.axis)}`;
  const unit = () => (model.get("unit") ? ` ${model.get("unit")}` : "");

  const clusters = () => {
    if (cut() === null) return `no cut, ${counted(tree.roots.length, "tree")}`;
    const sizes = tops.map(size);
    const alone = sizes.filter((one) => one === 1).length;
    const words = [`cut ${number(cut() ?? NaN)}${unit()}: ${counted(tops.length, "cluster")}`];
    words.push(`largest ${number(Math.max(0, ...sizes), true)} of ${counted(tree.n, link.axis)}`);
    if (alone) words.push(`${number(alone, true)} alone`);
    return words.join(", ");
  };
  const summary = () => {
    const picked = mask.count(link.mask);
    const parts = [counted(tree.n, link.axis), clusters(), picked ? `${number(picked, true)} selected` : "none selected"];
    view.say(parts.join(", "));
    const told = active >= 0 ? ` At ${about(active)}.` : "";
    top.el.setAttribute("aria-label", `Dendrogram of ${parts.join(", ")}.${told} ${KEYS}`);
    const is = { min: sy.low, max: sy.high, now: within(cut() ?? sy.high), text: clusters() };
    for (const [name, value] of Object.entries(is)) handle.setAttribute(`aria-value${name}`, String(value));
    handle.setAttribute("aria-label", "Cut. Up and down go to the next number of clusters, Delete removes the cut.");
    handle.style.top = `${cut() === null ? area.top - 14 : sy.px(within(cut() ?? 0)) - 8}px`;
    handle.classList.toggle("cw-off", cut() === null);
  };

  const paint = () => {
    const merges = tree.x.length - tree.n;
    const blank = merges ? "" : `No merges of ${link.axis}s to show yet.`;
    const same = sameRows(view, model, link, blank) && tree.n === link.n;
    const { ctx, width, height } = base.begin(model.get("height"));
    view.body.style.height = `${height}px`;
    handle.hidden = !same || Boolean(blank);
    if (!same || blank) {
      view.say(`${counted(link.n, link.axis)}, no merges`);
      return;
    }
    const shades = theme(view.root);
    ctx.font = `11px ${shades.font}`;
    const wide = width - 58 - 22;
    const words = wide / tree.n >= LEAST ? Array.from(tree.order, label) : [];
    const longest = words.reduce((most, one) => Math.max(most, ctx.measureText(draw.short(one)).width), 0);
    const flat = longest + 6 <= wide / tree.n;
    const foot = draw.STRIP + (words.length ? (flat ? 18 : longest + 8) : 4);
    area = { left: 58, top: 14, width: wide, height: Math.max(20, height - 14 - foot) };
    const heights = tree.height.subarray(tree.n);
    const [least, most] = [Math.min(0, ...heights), Math.max(...heights)];
    sy = scale([least, most + 0.04 * (most - least || 1)], false, area.top + area.height, area.top);
    const bits = link.mask;
    const scene = { tree, clusterOf, colors, area, sx, sy };
    draw.axis(ctx, scene, [model.get("name"), model.get("unit") && `(${model.get("unit")})`].filter(Boolean).join(" "), shades);
    draw.branches(ctx, scene, bits, shades);
    draw.labels(ctx, scene, words, flat, bits, shades.text);
    paintOver();
  };
  const paintOver = () => {
    const { ctx } = top.begin(model.get("height"));
    const shades = theme(view.root);
    summary();
    if (brush.length) {
      ctx.fillStyle = shades.accent;
      ctx.globalAlpha = 0.14;
      ctx.fillRect(Math.min(...brush), area.top, Math.abs(brush[1] - brush[0]), area.height);
      ctx.globalAlpha = 1;
    }
    const height = cut();
    if (height !== null) draw.cut(ctx, area, sy.px(within(height)), shades);
    const shown = under >= 0 ? under : link.hover;
    for (const [node, color] of /** @type {[number, string][]} */ ([[shown, shades.text], [active, shades.accent]])) {
      if (node < 0 || node >= tree.x.length) continue;
      ctx.strokeStyle = color;
      ctx.lineWidth = 2;
      const [x0, x1] = [sx(tree.first[node]), sx(tree.last[node])];
      const y = sy.px(tree.height[node]) - 3;
      ctx.strokeRect(x0 + 0.5, y, Math.max(2, x1 - x0 - 1), area.top + area.height + draw.STRIP - y);
    }
  };
  const redraw = frame(paint, signal);
  const redrawOver = frame(paintOver, signal);

  const nodeAt = (/** @type {number} */ x, /** @type {number} */ y) => {
    const place = Math.floor(((x - area.left) / area.width) * tree.n);
    if (y > area.top + area.height) return tree.order[place] ?? -1;
    return trees.branchAt(tree, x, y, sx, sy.px, NEAR);
  };
  const choose = (/** @type {number} */ node, /** @type {{ shiftKey: boolean, altKey: boolean }} */ event) =>
    link.select(mask.of(leavesOf(node), link.n), mask.how(event));
  const tell = (/** @type {number} */ node, /** @type {boolean} */ aloud) => {
    const k = clusterOf[node];
    const lines = k >= 0 && cut() !== null ? [`cluster ${number(k + 1, true)} of ${number(tops.length, true)}, ${counted(size(tops[k]), link.axis)}`] : [];
    hint.show(about(node), lines, [sx(tree.x[node]), sy.px(tree.height[node])], aloud);
  };
  const leave = () => {
    under = -1;
    hint.hide();
    link.point(-1);
    redrawOver();
  };
  const atCut = (/** @type {number} */ y) => cut() !== null && Math.abs(y - sy.px(cut() ?? 0)) <= NEAR / 2;
  const heightAt = (/** @type {number} */ y) => within(sy.value(y));
  // Nothing to zoom: the page goes on scrolling over a focused tree.
  top.el.addEventListener("wheel", (event) => event.stopImmediatePropagation(), { signal, passive: true });
  pointer(
    top.el,
    {
      tool: () => "rectangle",
      drawing(shape) {
        if (shape.length) drag ??= atCut(shape[1]) ? "cut" : "leaves";
        brush = shape.length && drag === "leaves" ? [shape[0], shape[4]] : [];
        if (shape.length && drag === "cut") put(heightAt(shape[5]));
        redrawOver();
      },
      enclose(shape, event) {
        const places = [shape[0], shape[4]].sort((a, b) => a - b).map((x) => ((x - area.left) / area.width) * tree.n);
        // Leaves whose middle lies in the range.
        if (drag === "leaves") link.select(mask.of(tree.order.filter((_, i) => i + 0.5 >= places[0] && i + 0.5 <= places[1]), link.n), mask.how(event));
        drag = null;
      },
      pan() {},
      click(x, y, event) {
        drag = null;
        active = nodeAt(x, y);
        if (active >= 0) choose(active, event);
        else if (mask.how(event) === "replace") link.select(mask.none(link.n));
        redrawOver();
      },
      hover(x, y) {
        under = nodeAt(x, y);
        top.el.style.cursor = under < 0 && atCut(y) ? "ns-resize" : under < 0 ? "default" : "pointer";
        link.point(under < tree.n ? under : -1);
        if (under < 0) hint.hide();
        else tell(under, false);
        redrawOver();
      },
      leave,
      zoom() {},
    },
    signal,
  );
  const listen = (/** @type {HTMLElement} */ to, /** @type {(event: KeyboardEvent) => boolean} */ act) =>
    to.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || !act(event)) return;
      event.preventDefault();
      event.stopPropagation();
    }, { signal });
  listen(top.el, (event) => {
    if (event.key.startsWith("Arrow")) {
      active = active < 0 ? tree.roots[0] : trees.step(tree, active, /** @type {any} */ (event.key));
      tell(active, true);
    } else if (event.key === "Enter" && active >= 0) choose(active, event);
    else if (event.key === " " && active >= 0) link.select(mask.of(leavesOf(active), link.n), "toggle");
    else if (event.key === "Escape") link.select(mask.none(link.n));
    else return false;
    redrawOver();
    return true;
  });
  top.el.addEventListener("blur", hint.hide, { signal });
  listen(handle, ({ key }) => {
    const sorted = trees.cuts(tree);
    const way = { ArrowUp: 1, ArrowRight: 1, PageUp: 1, ArrowDown: -1, ArrowLeft: -1, PageDown: -1 }[key];
    if (way) put(trees.nextCut(tree, cut() ?? Infinity, way));
    else if (key === "Home" || key === "End") put(sorted[key === "Home" ? 0 : sorted.length - 1]);
    else if (key === "Delete" || key === "Backspace") put(null);
    else return false;
    return true;
  });
  handle.addEventListener("pointerdown", (/** @type {PointerEvent} */ event) => {
    handle.setPointerCapture(event.pointerId);
    handle.focus({ preventScroll: true });
  }, { signal });
  handle.addEventListener("pointermove", (/** @type {PointerEvent} */ event) => {
    if (handle.hasPointerCapture(event.pointerId)) put(heightAt(event.clientY - top.el.getBoundingClientRect().top));
  }, { signal });

  watch(model, ["_merges", "_digest"], read, signal);
  watch(model, ["cut"], divide, signal);
  watch(model, ["_labels", "name", "unit", "height"], redraw, signal);
  link.watch(["_mask"], redraw);
  link.watch(["digest"], read);
  link.watch(["_hover"], redrawOver);
  read();
}

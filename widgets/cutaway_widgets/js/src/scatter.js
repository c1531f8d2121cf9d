// @ts-check
// Scatter of rows: lasso, rectangle, pan, zoom, click, hover with picture, keys, legend.
import { Atlas } from "./atlas.js";
import { points as drawPoints, radius } from "./cloud.js";
import { paint, theme } from "./color.js";
import { button, canvas, h, sameRows, shell } from "./dom.js";
import { counted, number } from "./format.js";
import * as plane from "./geometry.js";
import { legend } from "./legend.js";
import { Link } from "./link.js";
import * as mask from "./mask.js";
import { pointer } from "./pointer.js";
import * as draw from "./scatter_draw.js";
import { tip } from "./tip.js";
import { frame, typed, watch } from "./wire.js";

const TOOLS = { lasso: "Lasso", rectangle: "Box", pan: "Move" };
const KEYS =
  "Arrows go from point to point, Enter selects, A all, I inverts, Escape none, plus and minus zoom, 0 shows all.";

/** @param {{ model: import("./wire.js").Model, el: HTMLElement, signal: AbortSignal }} context */
export async function scatter({ model, el, signal }) {
  const link = await Link.of(model, "scatter", signal);
  if (signal.aborted) return;
  const view = shell({ model, el, signal }, { kind: "scatter", label: "Scatter plot", link: link.model });
  const atlas = new Atlas(link.model, () => hint.refresh());
  let points = new Float32Array(0);
  /** @type {any[]} */
  let columns = [];
  /** @type {any} */
  let column;
  let colors = paint(null, [], 0);
  let camera = plane.fit([0, 0, 1, 1], { left: 0, top: 0, width: 1, height: 1 }, false);
  let area = { left: 0, top: 0, width: 1, height: 1 };
  let framed = false; // does the camera show all, and follow the size of the view?
  let focus = -1;
  /** @type {number[]} */
  let outline = [];

  const keys = h("div", { class: "cw-legend" });
  const base = canvas(view.body, { class: "cw-canvas" }, () => redraw(), signal);
  const top = canvas(
    view.body,
    { class: "cw-canvas cw-over", tabindex: 0, role: "application", "aria-roledescription": "scatter plot" },
    () => redraw(),
    signal,
  );
  view.body.after(keys);
  const hint = tip(view.body, link, atlas, () => columns);

  const readPoints = () => {
    points = typed(model.get("_points"));
    framed = false;
    focus = -1;
    readColors();
  };
  const readColors = () => {
    columns = (model.get("_colors") ?? []).map((/** @type {any} */ one) => ({ ...one, values: typed(one.data) }));
    const wanted = link.model.get("color_by");
    column = columns.find((one) => one.name === wanted) ?? columns[0];
    colors = paint(column ?? null, column?.values ?? [], points.length / 2);
    by.replaceChildren(...columns.map((one) => h("option", { value: one.name, selected: one === column }, one.name)));
    chooser.hidden = columns.length < 2;
    legend(keys, column, colors, (fresh, event) => link.select(fresh, mask.how(event)));
    redraw();
  };
  const summary = () => {
    const n = points.length / 2;
    const picked = mask.count(link.mask);
    let missing = 0;
    for (let i = 0; i < n; i++) if (Number.isNaN(points[2 * i])) missing++;
    const parts = [counted(n, link.axis)];
    parts.push(picked ? `${number(picked, true)} selected` : "none selected");
    if (missing) parts.push(`${number(missing, true)} without a place`);
    view.say(parts.join(", "));
    top.el.setAttribute("aria-label", `Scatter plot of ${parts.join(", ")}. ${KEYS}`);
  };

  const paintBase = () => {
    const blank = points.some((one) => !Number.isNaN(one)) ? "" : `No ${link.axis} has a place yet.`;
    const same = sameRows(view, model, link, blank);
    const { ctx, width, height } = base.begin(model.get("height"));
    view.body.style.height = `${height}px`;
    const left = model.get("y_label") ? 52 : 40;
    area = { left, top: 8, width: width - left - 10, height: height - (model.get("x_label") ? 42 : 28) };
    const rings = typed(model.get("_ellipses"));
    if (!framed) {
      const pad = { left: area.left + 10, top: area.top + 10, width: area.width - 20, height: area.height - 20 };
      camera = plane.fit(plane.extent(points, rings), pad, model.get("equal"));
    }
    if (!same) return;
    const shades = theme(view.root);
    const bits = link.mask;
    const cloud = { points, places: colors.places, palette: colors.palette, mask: bits, dim: mask.count(bits) > 0 };
    drawPoints(ctx, cloud, camera, area, shades);
    draw.axes(ctx, camera, area, { x: model.get("x_label"), y: model.get("y_label") }, shades);
    const kinds = columns.find((one) => one.kind === "category");
    draw.ellipses(ctx, rings, camera, area, paint(kinds ?? null, kinds?.values ?? [], 0).palette);
    summary();
    paintOver();
  };
  const paintOver = () => {
    const { ctx } = top.begin(model.get("height"));
    const shades = theme(view.root);
    draw.outline(ctx, outline, shades);
    for (const [row, color] of /** @type {[number, string][]} */ ([[link.hover, shades.text], [focus, shades.accent]])) {
      if (row < 0 || row >= points.length / 2 || Number.isNaN(points[2 * row])) continue;
      const [x, y] = place(row);
      draw.ring(ctx, x, y, radius(points.length / 2) + 3, color);
    }
  };
  const redraw = frame(paintBase, signal);
  const redrawOver = frame(paintOver, signal);
  const place = (/** @type {number} */ row) => [
    points[2 * row] * camera.kx + camera.ox,
    points[2 * row + 1] * camera.ky + camera.oy,
  ];
  const near = (/** @type {number} */ x, /** @type {number} */ y) => plane.nearest(points, camera, x, y, 9);
  const move = (/** @type {plane.Camera} */ next) => {
    camera = next;
    framed = true;
    hint.hide();
    redraw();
  };
  const zoomBy = (/** @type {number} */ factor) =>
    move(plane.zoom(camera, factor, area.left + area.width / 2, area.top + area.height / 2));
  const showAll = () => {
    framed = false;
    redraw();
  };

  const pick = h("div", { class: "cw-group", role: "radiogroup", "aria-label": "Pointer tool" });
  const showTool = () => {
    for (const one of pick.children) one.setAttribute("aria-checked", String(one.dataset.tool === model.get("tool")));
    top.el.style.cursor = model.get("tool") === "pan" ? "grab" : "crosshair";
  };
  for (const [tool, text] of Object.entries(TOOLS)) {
    const one = button(text, `${text}: drag on the plot`, () => {
      model.set("tool", tool);
      model.save_changes();
    });
    one.setAttribute("role", "radio");
    one.dataset.tool = tool;
    pick.append(one);
  }
  const by = h("select", { "aria-label": "Colour by", onchange: () => {
    link.model.set("color_by", by.value);
    link.save();
  } });
  const chooser = h("label", { class: "cw-choose" }, "Colour ", by);
  view.tools.append(
    chooser,
    pick,
    h(
      "div",
      { class: "cw-group" },
      button("+", "Zoom in", () => zoomBy(1.5)),
      button("−", "Zoom out", () => zoomBy(1 / 1.5)),
      button("Fit", "Show all points", showAll),
    ),
  );

  const pointAt = (/** @type {number} */ row, /** @type {boolean} */ tell) => {
    link.point(row);
    if (row < 0) hint.hide();
    else hint.show(row, place(row), tell);
  };
  pointer(
    top.el,
    {
      tool: () => model.get("tool"),
      drawing(next) {
        outline = next;
        redrawOver();
      },
      enclose: (shape, event) => link.select(plane.lasso(points, camera, shape), mask.how(event)),
      pan: (dx, dy) => move({ ...camera, ox: camera.ox + dx, oy: camera.oy + dy }),
      click(x, y, event) {
        const row = near(x, y);
        focus = row;
        const how = event.shiftKey ? "toggle" : mask.how(event);
        if (row >= 0) link.select(mask.of([row], link.n), how);
        else if (how === "replace") link.select(mask.none(link.n));
        redrawOver();
      },
      hover: (x, y) => pointAt(near(x, y), false),
      leave: () => pointAt(-1, false),
      zoom: (factor, x, y) => move(plane.zoom(camera, factor, x, y)),
    },
    signal,
  );
  const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const commands = {
    Enter: () => focus >= 0 && link.select(mask.of([focus], link.n), "toggle"),
    " ": () => focus >= 0 && link.select(mask.of([focus], link.n), "toggle"),
    Escape: () => link.select(mask.none(link.n)),
    a: () => link.select(mask.all(link.n)),
    i: () => link.select(mask.invert(link.mask, link.n)),
    "+": () => zoomBy(1.5),
    "=": () => zoomBy(1.5),
    "-": () => zoomBy(1 / 1.5),
    0: showAll,
  };
  top.el.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey) return;
    const arrow = arrows[/** @type {keyof arrows} */ (event.key)];
    const command = commands[/** @type {keyof commands} */ (event.key)];
    if (arrow && event.shiftKey) move({ ...camera, ox: camera.ox - 40 * arrow[0], oy: camera.oy - 40 * arrow[1] });
    else if (arrow) {
      const middle = [area.left + area.width / 2, area.top + area.height / 2];
      focus = focus < 0 ? plane.nearest(points, camera, middle[0], middle[1], 1e9) : plane.step(points, camera, focus, arrow[0], arrow[1]);
      pointAt(focus, true);
      redrawOver();
    } else if (command) command();
    else return;
    // The host's own shortcuts (JupyterLab: a adds a cell) must not run too.
    event.preventDefault();
    event.stopPropagation();
  }, { signal });

  watch(model, ["_points"], readPoints, signal);
  watch(model, ["_colors"], readColors, signal);
  watch(model, ["_ellipses", "_digest", "height", "x_label", "y_label", "equal"], redraw, signal);
  watch(model, ["tool"], showTool, signal);
  link.watch(["color_by"], readColors);
  link.watch(["_mask", "digest"], redraw);
  link.watch(["_hover"], redrawOver);
  link.watch(["_thumbnails"], () => atlas.update());
  atlas.update();
  showTool();
  readPoints();
}

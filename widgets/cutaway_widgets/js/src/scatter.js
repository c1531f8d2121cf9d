// @ts-check
// Scatter of rows: lasso, rectangle, pan, zoom, click, hover with picture, keys, density, legend.
import { Atlas } from "./atlas.js";
import { radius } from "./cloud.js";
import { paint, theme } from "./color.js";
import * as crowd from "./density.js";
import { describe, teller } from "./describe.js";
import { canvas, h, sameRows, shell } from "./dom.js";
import { counted, number } from "./format.js";
import * as plane from "./geometry.js";
import { densityLegend, legend } from "./legend.js";
import { Link } from "./link.js";
import * as mask from "./mask.js";
import { Painter } from "./painter.js";
import { pointer } from "./pointer.js";
import { Points } from "./scatter_data.js";
import * as draw from "./scatter_draw.js";
import { KEYS, keys, tools } from "./scatter_tools.js";
import { pictures } from "./tiles.js";
import { tip } from "./tip.js";
import { frame, typed, watch } from "./wire.js";

const CROWDED = 200_000; // points from which counting them shows more than drawing them
const FEW = 200; // points in sight from which their pictures have room
const TILE = 30; // px

/** @param {{ model: import("./wire.js").Model, el: HTMLElement, signal: AbortSignal }} context */
export async function scatter({ model, el, signal }) {
  const link = await Link.of(model, "scatter", signal);
  if (signal.aborted) return;
  const view = shell({ model, el, signal }, { kind: "scatter", label: "Scatter plot", link: link.model });
  const atlas = new Atlas(link.model, () => {
    hint.refresh();
    redraw();
  });
  const data = new Points(model, link);
  let rings = new Float32Array(0);
  let camera = plane.fit([0, 0, 1, 1], { left: 0, top: 0, width: 1, height: 1 }, false);
  let whole = camera; // that shows all
  let area = { left: 0, top: 0, width: 1, height: 1 };
  let framed = false; // has the camera been moved away from showing all?
  let focus = -1; // point of the keyboard
  /** @type {number[]} */
  let outline = [];

  const signs = h("div", { class: "cw-legend" });
  const base = canvas(view.body, { class: "cw-canvas" }, () => redraw(), signal);
  const top = canvas(
    view.body,
    { class: "cw-canvas cw-over", tabindex: 0, role: "application", "aria-roledescription": "scatter plot" },
    () => redraw(),
    signal,
  );
  view.body.after(signs);
  const painter = new Painter(view.body, () => redraw(), signal);
  const hint = tip(view.body, link, atlas, () => data.columns, (row) => data.of(row));
  const tell = teller((text) => {
    view.say(text);
    top.el.setAttribute("aria-label", `Scatter plot of ${text}. ${KEYS}`);
  }, signal);

  const readPoints = () => {
    data.read();
    framed = false;
    focus = -1;
    showColors();
  };
  const readColors = () => {
    data.readColors();
    showColors();
  };
  const showColors = () => {
    bar.columns(data.columns, data.column);
    legend(signs, data.column, data.colors, (fresh, event) => link.select(data.toRows(fresh), mask.how(event)));
    redraw();
  };
  const summary = (/** @type {mask.Mask} */ bits, /** @type {number} */ picked) => {
    const rows = data.rows ? link.n : data.n;
    /** @type {string[]} */
    const note = [];
    if (data.missing) note.push(`${number(data.missing, true)} without a place`);
    if (model.get("_note")) note.push(model.get("_note"));
    if (data.n > CROWDED && !model.get("density")) note.push("points hide one another: Density counts them");
    tell(
      data.n,
      (details) => [
        `${counted(rows, link.axis)}, ${picked ? `${number(picked, true)} selected` : "none selected"}${details && `: ${details}`}`,
        ...note,
      ].join(details ? "; " : ", "),
      () => (picked ? describe(data.columns, bits) : ""),
    );
  };

  const paintBase = () => {
    const blank = data.missing < data.n ? "" : `No ${link.axis} has a place yet.`;
    const same = sameRows(view, model, link, blank);
    const page = base.begin(model.get("height"));
    const { ctx, width, height } = page;
    view.body.style.height = `${height}px`;
    const left = model.get("y_label") ? 52 : 40;
    area = { left, top: 8, width: width - left - 10, height: height - (model.get("x_label") ? 42 : 28) };
    const pad = { left: area.left + 10, top: area.top + 10, width: area.width - 20, height: area.height - 20 };
    whole = plane.fit(data.box(rings), pad, model.get("equal"));
    if (!framed) camera = whole;
    if (!same) return;
    const shades = theme(view.root);
    const bits = data.mask();
    const picked = mask.count(link.mask);
    const closer = Math.max(1, (camera.kx / whole.kx) * (camera.ky / whole.ky));
    const cloud = {
      points: data.points,
      places: data.colors.places,
      palette: data.colors.palette,
      mask: bits,
      stamp: bits,
      dim: picked > 0,
      crowd: data.n / closer,
      radius: radius(data.n / closer),
    };
    if (model.get("density")) {
      painter.clear();
      const found = crowd.counts(cloud, camera, area);
      crowd.paint(ctx, found, area, shades);
      densityLegend(signs, found.most, cloud.dim);
    } else {
      painter.prepare(model.get("engine"));
      painter.draw(page, cloud, camera, area, shades);
      paintPictures(ctx, cloud, shades);
    }
    draw.axes(ctx, camera, area, { x: model.get("x_label"), y: model.get("y_label") }, shades);
    draw.ellipses(ctx, rings, camera, area, paint(data.kinds ?? null, data.kinds?.values ?? [], 0).palette);
    summary(bits, picked);
    paintOver();
  };
  const paintPictures = (/** @type {CanvasRenderingContext2D} */ ctx, /** @type {any} */ cloud, /** @type {any} */ shades) => {
    // Not before somebody has come closer: the whole is a picture of its own.
    if (!framed || cloud.crowd > 20 * FEW || !atlas.update()) return;
    const found = data.near.within(camera, area, FEW);
    if (!found) return;
    const tiles = found.map((i) => {
      const [x, y] = place(i);
      return { row: data.row(i), x, y, color: cloud.palette[cloud.places[i]], picked: mask.has(cloud.mask, i) };
    });
    pictures(ctx, tiles, atlas, { side: TILE, dim: cloud.dim, area, accent: shades.accent, ground: shades.ground });
  };
  const paintOver = () => {
    const { ctx } = top.begin(model.get("height"));
    const shades = theme(view.root);
    draw.outline(ctx, outline, shades);
    const r = radius(data.n / Math.max(1, (camera.kx / whole.kx) * (camera.ky / whole.ky))) + 3;
    for (const [i, color] of /** @type {[number, string][]} */ ([[data.of(link.hover), shades.text], [focus, shades.accent]])) {
      if (i < 0 || i >= data.n || Number.isNaN(data.points[2 * i])) continue;
      const [x, y] = place(i);
      draw.ring(ctx, x, y, r, color);
    }
  };
  const redraw = frame(paintBase, signal);
  const redrawOver = frame(paintOver, signal);
  const place = (/** @type {number} */ i) => [
    data.points[2 * i] * camera.kx + camera.ox,
    data.points[2 * i + 1] * camera.ky + camera.oy,
  ];
  const near = (/** @type {number} */ x, /** @type {number} */ y) => data.near.nearest(camera, x, y, 9);
  const move = (/** @type {plane.Camera} */ next) => {
    camera = next;
    framed = true;
    hint.hide();
    redraw();
  };
  const pointAt = (/** @type {number} */ i, /** @type {boolean} */ aloud) => {
    link.point(data.row(i));
    if (i < 0) hint.hide();
    else hint.show(data.row(i), place(i), aloud);
  };
  const one = (/** @type {number} */ i) => mask.of([data.row(i)], link.n);

  /** @type {import("./scatter_tools.js").Wishes} */
  const wishes = {
    toggle: () => focus >= 0 && link.select(one(focus), "toggle"),
    none: () => link.select(mask.none(link.n)),
    all: () => link.select(mask.all(link.n)),
    invert: () => link.select(mask.invert(link.mask, link.n)),
    density() {
      model.set("density", !model.get("density"));
      model.save_changes();
    },
    zoom: (factor) => move(plane.zoom(camera, factor, area.left + area.width / 2, area.top + area.height / 2)),
    fit() {
      framed = false;
      redraw();
    },
    pan: (dx, dy) => move({ ...camera, ox: camera.ox + dx, oy: camera.oy + dy }),
    step(dx, dy) {
      focus =
        focus < 0
          ? data.near.nearest(camera, area.left + area.width / 2, area.top + area.height / 2, 1e9)
          : data.near.step(camera, focus, dx, dy);
      pointAt(focus, true);
      redrawOver();
    },
  };
  const bar = tools(view.tools, model, wishes, (name) => {
    link.model.set("color_by", name);
    link.save();
  });
  keys(top.el, wishes, signal);
  const follow = () => {
    top.el.style.cursor = bar.show() === "pan" ? "grab" : "crosshair";
  };
  const followDensity = () => {
    follow();
    showColors();
  };
  pointer(
    top.el,
    {
      tool: () => model.get("tool"),
      drawing(next) {
        outline = next;
        redrawOver();
      },
      enclose(shape, event) {
        if (data.rows) {
          // Rows that are not on the page are found by the kernel, by the same outline.
          const corners = shape.map((at, k) => (k % 2 ? (at - camera.oy) / camera.ky : (at - camera.ox) / camera.kx));
          model.set("_drawn", { outline: corners, how: mask.how(event) });
          model.save_changes();
        }
        link.select(data.enclosed(camera, shape), mask.how(event));
      },
      pan: wishes.pan,
      click(x, y, event) {
        focus = near(x, y);
        const how = event.shiftKey ? "toggle" : mask.how(event);
        if (focus >= 0) link.select(one(focus), how);
        else if (how === "replace") link.select(mask.none(link.n));
        redrawOver();
      },
      hover: (x, y) => pointAt(near(x, y), false),
      leave: () => pointAt(-1, false),
      zoom: (factor, x, y) => move(plane.zoom(camera, factor, x, y)),
    },
    signal,
  );

  const readRings = () => {
    rings = typed(model.get("_ellipses"));
    redraw();
  };
  watch(model, ["_points", "_shown"], readPoints, signal);
  watch(model, ["_colors"], readColors, signal);
  watch(model, ["_ellipses"], readRings, signal);
  watch(model, ["_digest", "_note", "height", "x_label", "y_label", "equal", "engine"], redraw, signal);
  watch(model, ["tool"], follow, signal);
  watch(model, ["density"], followDensity, signal);
  link.watch(["color_by"], readColors);
  link.watch(["_mask", "digest"], redraw);
  link.watch(["_hover"], redrawOver);
  link.watch(["_thumbnails"], () => atlas.update());
  view.saves({ csv: () => data.sheet(), repaint: paintBase });
  atlas.update();
  follow();
  readRings();
  readPoints();
}

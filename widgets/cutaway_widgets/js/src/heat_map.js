// @ts-check
// Heat-map of a matrix: click, drag and keys select rows on one link and columns on the other.
import { theme } from "./color.js";
import { button, canvas, h, sameRows, shell } from "./dom.js";
import { counted, named, number } from "./format.js";
import * as draw from "./heat_draw.js";
import * as heat from "./heat_model.js";
import { Link } from "./link.js";
import * as mask from "./mask.js";
import { pointer } from "./pointer.js";
import { bar, isDark, ramp } from "./ramp.js";
import { readout } from "./readout.js";
import { outline } from "./scatter_draw.js";
import { frame, resolve, typed, watch } from "./wire.js";

const KEYS =
  "Arrows go from cell to cell, Enter selects its row and column, R the row, C the column, S sorts columns by the row, plus and minus zoom, 0 shows all, Escape none.";
const SORT = "Sort columns by the row of the cursor, else by the selected row; press again for the order given";
const ROOM = 24; // px of a cell that need not be larger

/** @param {{ model: import("./wire.js").Model, el: HTMLElement, signal: AbortSignal }} context */
export async function heatMap({ model, el, signal }) {
  const link = await Link.of(model, "heat-map", signal);
  const rowLink = new Link(await resolve(model, "row_link"), "heat-map", signal);
  if (signal.aborted) return;
  const view = shell({ model, el, signal }, { kind: "heat-map", label: "Heat-map", link: link.model });
  const base = canvas(view.body, { class: "cw-canvas" }, () => redraw(), signal);
  const top = canvas(
    view.body,
    { class: "cw-canvas cw-over", tabindex: 0, role: "application", "aria-roledescription": "heat-map" },
    () => redraw(),
    signal,
  );
  const key = h("div", { class: "cw-legend" });
  view.body.after(key);
  const hint = readout(view.body);
  const sheet = document.createElement("canvas");
  let cells = heat.cells({}, []);
  let rows = new Uint32Array(0); // order from top to bottom
  /** @type {Uint32Array} */
  let columns = new Uint32Array(0);
  let down = { first: 0, last: 0 };
  let across = { first: 0, last: 0 };
  let area = { left: 0, top: 0, width: 1, height: 1 };
  let grid = { ny: 1, nx: 1 };
  let known = { finite: 0, beyond: false };
  /** Place of the keyboard in the two orders. @type {[number, number] | null} */
  let focus = null;
  /** @type {{ id: string, numbers: Float32Array }} */
  let kept = { id: "", numbers: new Float32Array(0) };
  let fresh = 0; // counts changes of the numbers or orders
  /** @type {number[]} */
  let dragged = []; // outline of the rectangle

  const aboutRows = /** @type {any} */ ({ get: () => model.get("_row_digest") });
  const far = () => model.get("diverging");
  const rowName = (/** @type {number} */ row) => (model.get("_row_names") ?? [])[row] ?? rowLink.id(row);
  const columnName = (/** @type {number} */ column) => (model.get("_column_names") ?? [])[column] ?? link.id(column);
  const read = () => {
    const wired = model.get("_values") ?? {};
    cells = heat.cells(wired, typed(wired));
    known = heat.extent(cells, model.get("_limits") ?? [0, 1]);
    order();
    showAll();
  };
  const order = () => {
    rows = typed(model.get("_row_order"));
    columns = Uint32Array.from(typed(model.get("_column_order")));
    const by = model.get("_sort_row");
    if (by >= 0 && cells.columns) columns = heat.byRow(cells, by, columns);
    sorting.setAttribute("aria-pressed", String(by >= 0));
    const text = by >= 0 ? `Columns by ${rowName(by)}` : "Sort columns";
    sorting.textContent = text.length > 28 ? `${text.slice(0, 27)}…` : text;
    sorting.setAttribute("aria-label", by >= 0 ? `${text}. ${SORT}` : SORT);
    fresh++;
    redraw();
  };
  const showAll = () => {
    down = { first: 0, last: rows.length };
    across = { first: 0, last: columns.length };
    focus = null;
    redraw();
  };
  const sort = (/** @type {number} */ row) => {
    model.set("_sort_row", row);
    model.save_changes();
  };
  const sorting = button("Sort columns", SORT, () => {
    const picked = mask.rows(rowLink.mask);
    if (model.get("_sort_row") >= 0) sort(-1);
    else if (focus) sort(rows[focus[0]]);
    else if (picked.length) sort(picked[0]);
    else view.say("Click a cell or a row first: columns are sorted by its numbers.");
  });
  const zoom = (/** @type {number} */ factor, /** @type {number[] | null} */ at = null) => {
    const place = at ?? focus ?? [(down.first + down.last) / 2, (across.first + across.last) / 2];
    const small = { down: area.height / (down.last - down.first) < ROOM, across: area.width / (across.last - across.first) < ROOM };
    if (factor > 1 || small.down) down = heat.zoomed(down, rows.length, factor, place[0]);
    if (factor > 1 || small.across) across = heat.zoomed(across, columns.length, factor, place[1]);
    hint.hide();
    redraw();
  };
  const zooms = h("div", { class: "cw-group" });
  zooms.append(button("+", "Zoom in", () => zoom(0.5)), button("−", "Zoom out", () => zoom(2)), button("Fit", "Fit: show all cells", showAll));
  view.tools.append(sorting, zooms);

  const summary = (/** @type {{ rows: mask.Mask, columns: mask.Mask }} */ bits) => {
    const [r, c] = [mask.count(bits.rows), mask.count(bits.columns)];
    const parts = [`${counted(rows.length, rowLink.axis)} by ${counted(columns.length, link.axis)}`];
    const picked = [r && counted(r, rowLink.axis), c && counted(c, link.axis)].filter(Boolean).join(" and ");
    parts.push(`${picked || "none"} selected`);
    const missing = cells.codes.length - known.finite;
    if (missing) parts.push(`${number(missing, true)} without a finite value`);
    const shared = (across.last - across.first) / grid.nx > 1 || (down.last - down.first) / grid.ny > 1;
    if (shared) parts.push(`several cells a pixel: ${far() ? "the farthest from zero" : "the largest"} is drawn`);
    view.say(parts.join(", "));
    top.el.setAttribute("aria-label", `Heat-map of ${parts.join(", ")}. ${KEYS}`);
  };
  const paint = () => {
    const blank = known.finite ? "" : "No cell has a value yet.";
    const same = sameRows(view, model, link, blank) && sameRows(view, aboutRows, rowLink, blank);
    const height = model.get("height");
    const { ctx, width } = base.begin(height);
    view.body.style.height = `${height}px`;
    top.begin(height);
    key.hidden = !same;
    if (!same) return;
    const shades = theme(view.root);
    const counts = { down: down.last - down.first, across: across.last - across.first };
    const inSight = draw.roomy(counts.down, height - 40) ? Array.from(rows.subarray(down.first, down.last), rowName) : [];
    const below = draw.roomy(counts.across, width * 0.75) ? Array.from(columns.subarray(across.first, across.last), columnName) : [];
    const place = draw.layout(ctx, width, height, inSight, below, shades.font, counts);
    area = place.area;
    if (area.width < 8 || area.height < 8 || !counts.down || !counts.across) return;
    grid = { ny: Math.min(counts.down, Math.floor(area.height)), nx: Math.min(counts.across, Math.floor(area.width)) };
    const bits = { rows: rowLink.mask, columns: link.mask };
    const lit = {
      down: mask.count(bits.rows) ? draw.lit((at) => mask.has(bits.rows, rows[at]), down, grid.ny) : null,
      across: mask.count(bits.columns) ? draw.lit((at) => mask.has(bits.columns, columns[at]), across, grid.nx) : null,
    };
    const id = [fresh, down.first, down.last, across.first, across.last, grid.ny, grid.nx].join();
    if (kept.id !== id) kept = { id, numbers: heat.blocks(cells, rows, columns, down, across, grid.ny, grid.nx, far()) };
    const colors = ramp(far() ? "diverging" : "viridis", isDark(ctx, shades.ground));
    sheet.width = grid.nx;
    sheet.height = grid.ny;
    const shown = heat.pixels(kept.numbers, grid.nx, model.get("_limits"), colors, lit.down, lit.across);
    sheet.getContext("2d")?.putImageData(new ImageData(shown, grid.nx, grid.ny), 0, 0);
    if (known.finite < cells.codes.length) {
      draw.hatch(ctx, area, shades);
      // Faint cells must fade into the ground, not into the hatching of missing ones.
      draw.ground(ctx, area, kept.numbers, grid, shades.ground);
    }
    ctx.imageSmoothingEnabled = false;
    ctx.drawImage(sheet, area.left, area.top, area.width, area.height);
    draw.margins(ctx, area, lit.down, lit.across, shades);
    const words = { ...place, rows: inSight, columns: below, down: draw.part(down, rows.length, rowLink.axis), across: draw.part(across, columns.length, link.axis) };
    draw.names(ctx, area, words, shades, place.foot);
    const [low, high] = model.get("_limits");
    bar(key, { name: model.get("name"), unit: model.get("unit"), low, high, beyond: known.beyond }, colors);
    summary(bits);
    paintOver();
  };
  const paintOver = () => {
    const { ctx } = top.begin(model.get("height"));
    const shades = theme(view.root);
    outline(ctx, dragged, shades);
    const hover = [rows.indexOf(rowLink.hover), columns.indexOf(link.hover)];
    if (hover[0] >= 0 || hover[1] >= 0) draw.cross(ctx, area, down, across, hover[0], hover[1], shades.text, shades);
    if (focus) draw.cross(ctx, area, down, across, focus[0], focus[1], shades.accent, shades);
  };
  const redraw = frame(paint, signal);
  const redrawOver = frame(paintOver, signal);

  const blockAt = (/** @type {number} */ part, /** @type {heat.Span} */ span, /** @type {number} */ k) =>
    heat.block(span, k, Math.min(k - 1, Math.max(0, Math.floor(part * k))));
  const rowsAt = (/** @type {number} */ y) => blockAt((y - area.top) / area.height, down, grid.ny);
  const columnsAt = (/** @type {number} */ x) => blockAt((x - area.left) / area.width, across, grid.nx);
  const cellAt = (/** @type {number[]} */ [x, y]) =>
    heat.peak(cells, rows, columns, rowsAt(y), columnsAt(x), far());
  const part = (/** @type {number[]} */ [x, y]) => ({
    rows: y >= area.top && y <= area.top + area.height,
    columns: x >= area.left && x <= area.left + area.width,
  });
  const choose = (
    /** @type {number[] | null} */ places, /** @type {number[] | null} */ across, /** @type {{ shiftKey: boolean, altKey: boolean }} */ event) => {
    const pick = (/** @type {Link} */ to, /** @type {Uint32Array} */ order, /** @type {number[] | null} */ span) =>
      span && to.select(mask.of(order.subarray(span[0], span[1]), to.n), mask.how(event));
    pick(rowLink, rows, places);
    pick(link, columns, across);
  };
  const none = () => {
    for (const one of [rowLink, link]) one.select(mask.none(one.n));
  };
  const tell = (/** @type {[number, number]} */ [r, c], /** @type {boolean} */ aloud) => {
    const [row, column] = [rows[r], columns[c]];
    if (row === undefined || column === undefined) return;
    const value = heat.value(cells, row, column);
    const said = Number.isNaN(value) ? "no finite value" : `${number(value)}${model.get("unit") ? ` ${model.get("unit")}` : ""}`;
    const x = area.left + ((c + 0.5 - across.first) / (across.last - across.first)) * area.width;
    const y = area.top + ((r + 0.5 - down.first) / (down.last - down.first)) * area.height;
    const name = model.get("name");
    hint.show(`${named(rowLink.axis, rowName(row))}, ${named(link.axis, columnName(column))}`, [name ? `${name}: ${said}` : said], [x, y], aloud);
  };
  const leave = () => {
    hint.hide();
    link.point(-1);
    rowLink.point(-1);
  };
  const span = (/** @type {number[]} */ a, /** @type {number[]} */ b) => [Math.min(a[0], b[0]), Math.max(a[1], b[1])];
  const enclose = (/** @type {number[]} */ from, /** @type {number[]} */ to, /** @type {PointerEvent} */ event) => {
    if (!kept.numbers.length) return;
    const inside = part(from);
    if (!inside.rows && !inside.columns) return none();
    const picked = inside.rows ? span(rowsAt(from[1]), rowsAt(to[1])) : null;
    choose(picked, inside.columns ? span(columnsAt(from[0]), columnsAt(to[0])) : null, event);
    if (picked && !inside.columns) focus = [picked[0], focus?.[1] ?? across.first];
    redraw();
  };
  pointer(
    top.el,
    {
      tool: () => "rectangle",
      drawing(shape) {
        dragged = shape;
        redrawOver();
      },
      enclose: (shape, event) => enclose(shape.slice(0, 2), shape.slice(4, 6), event),
      pan() {},
      click(x, y, event) {
        const inside = part([x, y]);
        if (!kept.numbers.length || !inside.rows || !inside.columns) return enclose([x, y], [x, y], event);
        // Of the cells that share a pixel, the one that is drawn there and read out.
        focus = cellAt([x, y]);
        choose([focus[0], focus[0] + 1], [focus[1], focus[1] + 1], event);
        redraw();
      },
      hover(x, y) {
        const inside = part([x, y]);
        if (!kept.numbers.length || (!inside.rows && !inside.columns)) return leave();
        const cell = cellAt([x, y]);
        rowLink.point(inside.rows ? rows[cell[0]] : -1);
        link.point(inside.columns ? columns[cell[1]] : -1);
        if (inside.rows && inside.columns) tell(cell, false);
        else hint.hide();
      },
      leave,
      zoom: (factor, x, y) => kept.numbers.length && zoom(1 / factor, cellAt([x, y])),
    },
    signal,
  );
  const step = (/** @type {number} */ dr, /** @type {number} */ dc, /** @type {boolean} */ extend) => {
    if (!rows.length || !columns.length) return;
    const within = (/** @type {number} */ one, /** @type {number} */ n) => Math.min(n - 1, Math.max(0, one));
    focus = focus ? [within(focus[0] + dr, rows.length), within(focus[1] + dc, columns.length)] : [down.first, across.first];
    down = heat.holding(down, focus[0]);
    across = heat.holding(across, focus[1]);
    if (extend) choose([focus[0], focus[0] + 1], [focus[1], focus[1] + 1], { shiftKey: true, altKey: false });
    tell(focus, true);
    redraw();
  };
  const pick = (/** @type {KeyboardEvent} */ event, /** @type {boolean} */ row, /** @type {boolean} */ column) =>
    focus && choose(row ? [focus[0], focus[0] + 1] : null, column ? [focus[1], focus[1] + 1] : null, event);
  /** @type {Record<string, (event: KeyboardEvent) => void>} */
  const commands = {
    ArrowUp: (event) => step(-1, 0, event.shiftKey),
    ArrowDown: (event) => step(1, 0, event.shiftKey),
    ArrowLeft: (event) => step(0, -1, event.shiftKey),
    ArrowRight: (event) => step(0, 1, event.shiftKey),
    Enter: (event) => pick(event, true, true),
    " ": (event) => pick(event, true, true),
    r: (event) => pick(event, true, false),
    c: (event) => pick(event, false, true),
    s: () => sorting.click(),
    Escape: none,
    "+": () => zoom(0.5),
    "=": () => zoom(0.5),
    "-": () => zoom(2),
    0: showAll,
  };
  top.el.addEventListener("keydown", (event) => {
    const command = commands[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!command || event.ctrlKey || event.metaKey) return;
    command(event);
    event.preventDefault();
    event.stopPropagation();
  }, { signal });
  top.el.addEventListener("blur", hint.hide, { signal });

  watch(model, ["_values"], read, signal);
  watch(model, ["_row_order", "_column_order", "_sort_row"], order, signal);
  watch(model, ["_digest", "_row_digest", "_limits", "_row_names", "_column_names", "name", "unit", "height", "diverging"], redraw, signal);
  for (const one of [link, rowLink]) {
    one.watch(["_mask", "digest"], redraw);
    one.watch(["_hover"], redrawOver);
  }
  read();
}

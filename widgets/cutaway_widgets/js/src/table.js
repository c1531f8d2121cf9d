// @ts-check
// Table: sort by heads, filter by typing, pick rows; only visible rows are in the page.
import { h, sameRows, shell } from "./dom.js";
import { counted, number } from "./format.js";
import { Link } from "./link.js";
import * as mask from "./mask.js";
import * as cells from "./table_model.js";
import { frame, typed, watch } from "./wire.js";

const ROW = 26; // px

/** @param {{ model: import("./wire.js").Model, el: HTMLElement, signal: AbortSignal }} context */
export async function table({ model, el, signal }) {
  const link = await Link.of(model, "table", signal);
  if (signal.aborted) return;
  const view = shell({ model, el, signal }, { kind: "table", label: "Table", link: link.model });
  const header = h("div", { class: "cw-header", role: "row" });
  const sheet = h("div", { class: "cw-sheet", role: "rowgroup" });
  const port = h(
    "div",
    { class: "cw-port", tabindex: 0, role: "grid", "aria-label": "Rows", "aria-multiselectable": "true" },
    header,
    sheet,
  );
  const nothing = h("div", { class: "cw-nothing", hidden: true });
  view.body.append(port, nothing);
  /** @type {cells.Column[]} */
  let columns = [];
  /** @type {number[]} */
  let rows = [];
  let sort = { column: "", descending: true };
  let active = -1;
  let reveal = false;
  const serial = Math.random().toString(36).slice(2, 8);

  const query = h("input", {
    type: "search",
    class: "cw-query",
    placeholder: "Filter, e.g. conv1 or score>0.9",
    "aria-label": "Filter rows: words, or conditions such as score>0.9",
    oninput: () => arrange(),
  });
  const only = h("input", { type: "checkbox", onchange: () => arrange() });
  view.tools.append(query, h("label", { class: "cw-choose" }, only, " selected only"));

  const read = () => {
    columns = (model.get("_columns") ?? []).map((/** @type {any} */ one) => ({ ...one, values: typed(one.data) }));
    sort = { ...sort, ...model.get("_sort") };
    active = -1;
    reveal = true;
    // Shares in proportion to the text: every row is a grid of its own, and all must line up.
    const widths = columns.map((one) => cells.width(one, link.n));
    const template = widths.map((one) => `minmax(${one}ch, ${one}fr)`).join(" ");
    port.style.setProperty("--cw-columns", template || "1fr");
    port.style.setProperty("--cw-wide", `${widths.reduce((a, b) => a + b, 0)}ch`);
    arrange();
  };
  const heads = () => {
    const old = header.querySelectorAll("button");
    const at = [...old].indexOf(/** @type {any} */ (document.activeElement));
    header.replaceChildren(
      ...columns.map((one) => {
        const here = one.name === sort.column;
        const order = here ? (sort.descending ? "descending" : "ascending") : "none";
        return h(
          "div",
          { role: "columnheader", "aria-sort": order, class: `cw-${one.kind}` },
          h(
            "button",
            {
              type: "button",
              title: `Sort by ${one.name}`,
              onclick: () => {
                const descending = here ? !sort.descending : one.kind === "number";
                sort = { column: one.name, descending };
                arrange();
              },
            },
            cells.head(one),
            h("span", { class: "cw-sort", "aria-hidden": "true" }, here ? (sort.descending ? "▾" : "▴") : ""),
          ),
        );
      }),
    );
    if (at >= 0) header.querySelectorAll("button")[at]?.focus();
  };
  const arrange = () => {
    const row = active >= 0 ? rows[active] : -1;
    const bits = link.mask;
    const fits = cells.matcher(query.value, columns);
    const n = columns.length ? columns[0].values.length : 0;
    const left = [];
    for (let i = 0; i < n; i++) if ((!only.checked || mask.has(bits, i)) && fits(i)) left.push(i);
    rows = cells.sorted(left, columns.find((one) => one.name === sort.column), sort.descending);
    active = row >= 0 ? rows.indexOf(row) : -1;
    heads();
    redraw();
  };
  const line = (/** @type {number} */ at, /** @type {mask.Mask} */ bits) => {
    const row = rows[at];
    const el = h(
      "div",
      {
        class: `cw-tr${at === active ? " cw-active" : ""}`,
        role: "row",
        id: `cw-${serial}-${at}`,
        "aria-selected": String(mask.has(bits, row)),
        "aria-rowindex": at + 2,
      },
      ...columns.map((one) => {
        const text = cells.cell(one, row);
        return h("div", { role: "gridcell", class: `cw-${one.kind}`, title: text }, text);
      }),
    );
    el.style.top = `${at * ROW}px`;
    el.dataset.at = String(at);
    return el;
  };
  const paint = () => {
    const same = sameRows(view, model, link);
    const bits = link.mask;
    // A short table takes no more room than its rows; a filter does not change its height.
    const whole = header.offsetHeight + ROW * (columns[0]?.values.length ?? 0) + 18;
    port.style.height = `${Math.min(model.get("height"), Math.max(whole, 90))}px`;
    port.setAttribute("aria-rowcount", String(rows.length + 1));
    sheet.style.height = `${rows.length * ROW}px`;
    if (reveal && same) {
      // Another view's choice, or a new frame: bring its first row into sight.
      const at = rows.findIndex((row) => mask.has(bits, row));
      if (at >= 0) scrollTo(at);
      reveal = false;
    }
    const first = Math.max(0, Math.floor(port.scrollTop / ROW) - 2);
    const last = Math.min(rows.length, Math.ceil((port.scrollTop + port.clientHeight) / ROW) + 2);
    const lines = [];
    for (let at = first; same && at < last; at++) lines.push(line(at, bits));
    sheet.replaceChildren(...lines);
    point();
    if (active >= first && active < last) port.setAttribute("aria-activedescendant", `cw-${serial}-${active}`);
    else port.removeAttribute("aria-activedescendant");
    nothing.hidden = rows.length > 0;
    nothing.textContent = link.n ? "No row matches the filter." : `No ${link.axis}s to show yet.`;
    const picked = link.count;
    const n = columns.length ? columns[0].values.length : 0;
    view.say(
      [
        rows.length === n ? counted(n, link.axis) : `${number(rows.length, true)} of ${counted(n, link.axis)}`,
        picked ? `${number(picked, true)} selected` : "none selected",
      ].join(", "),
    );
  };
  const redraw = frame(paint, signal);
  // Classes only: new elements under a pressed pointer would swallow the click.
  const point = () => {
    for (const one of sheet.children) one.classList.toggle("cw-hover", rows[one.dataset.at] === link.hover);
  };
  const scrollTo = (/** @type {number} */ at) => {
    const top = at * ROW;
    const room = port.clientHeight - header.offsetHeight - ROW;
    port.scrollTop = Math.min(top, Math.max(port.scrollTop, top - room));
  };
  const choose = (/** @type {number} */ at, /** @type {"replace" | "add" | "subtract" | "toggle"} */ how) => {
    active = at;
    link.select(mask.of([rows[at]], link.n), how);
  };
  const at = (/** @type {Event} */ event) => {
    const row = /** @type {HTMLElement | null} */ (/** @type {Element} */ (event.target).closest(".cw-tr"));
    return row ? Number(row.dataset.at) : -1;
  };
  sheet.addEventListener("click", (/** @type {MouseEvent} */ event) => {
    const place = at(event);
    if (place < 0) return;
    if (event.shiftKey && active >= 0) {
      const [from, to] = [Math.min(active, place), Math.max(active, place)];
      link.select(mask.of(rows.slice(from, to + 1), link.n), "add");
    } else choose(place, event.ctrlKey || event.metaKey ? "toggle" : mask.how(event));
  }, { signal });
  sheet.addEventListener("pointerover", (/** @type {Event} */ event) => link.point(at(event) >= 0 ? rows[at(event)] : -1), { signal });
  sheet.addEventListener("pointerleave", () => link.point(-1), { signal });
  port.addEventListener("scroll", redraw, { signal, passive: true });
  port.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    if (event.target !== port) return;
    const page = Math.max(1, Math.floor(port.clientHeight / ROW) - 2);
    const steps = { ArrowUp: -1, ArrowDown: 1, PageUp: -page, PageDown: page, Home: -1e9, End: 1e9 };
    const step = steps[/** @type {keyof typeof steps} */ (event.key)];
    if (step && rows.length) {
      const next = active < 0 ? 0 : Math.min(rows.length - 1, Math.max(0, active + step));
      scrollTo(next);
      choose(next, event.shiftKey ? "add" : "replace");
    } else if (event.key === " " && active >= 0) choose(active, "toggle");
    else if (event.key === "Enter" && active >= 0) choose(active, "replace");
    else if (event.key === "Escape") link.select(mask.none(link.n));
    else if (event.key === "a" && (event.ctrlKey || event.metaKey)) link.select(mask.of(rows, link.n));
    else return;
    event.preventDefault();
    event.stopPropagation();
  }, { signal });

  const sizes = new ResizeObserver(redraw);
  sizes.observe(port);
  signal.addEventListener("abort", () => sizes.disconnect());
  view.saves({ csv: () => cells.sheet(columns, rows, link.axis, (row) => link.id(row), link.mask) });
  watch(model, ["_columns", "_sort"], read, signal);
  watch(model, ["height", "_digest"], redraw, signal);
  link.watch(["_mask"], () => {
    reveal = link.model.get("_by") !== "table";
    if (only.checked) arrange();
    else redraw();
  });
  link.watch(["digest"], redraw);
  link.watch(["_hover"], point);
  read();
}

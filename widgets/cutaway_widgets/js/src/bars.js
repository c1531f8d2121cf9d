// @ts-check
// Bars: a row each, at one of several steps; the slider is a selection on the link of the steps.
import { amount, share, stepOf } from "./bars_model.js";
import { kinds } from "./color.js";
import { h, listRole, sameRows, shell } from "./dom.js";
import { counted, number } from "./format.js";
import { Link } from "./link.js";
import * as mask from "./mask.js";
import { frame, resolve, typed, watch } from "./wire.js";

/** @param {{ model: import("./wire.js").Model, el: HTMLElement, signal: AbortSignal }} context */
export async function bars({ model, el, signal }) {
  const link = await Link.of(model, "bars", signal);
  const steps = new Link(await resolve(model, "step_link"), "bars", signal);
  if (signal.aborted) return;
  const view = shell({ model, el, signal }, { kind: "bars", label: "Bars", link: link.model });
  const serial = Math.random().toString(36).slice(2, 8);
  const slider = h("input", { type: "range", min: 0, step: 1, id: `cw-step-${serial}` });
  const told = h("output", { for: slider.id, class: "cw-bars-step" });
  const label = h("label", { for: slider.id });
  const lever = h("div", { class: "cw-lever" }, label, slider, told);
  const note = h("div", { class: "cw-bars-note", role: "status" });
  const legend = h("div", { class: "cw-bars-legend" });
  const port = h("div", { class: "cw-port", tabindex: 0, "aria-label": "Rows" });
  view.body.append(lever, note, legend, port);

  /** @type {import("./bars_model.js").Series[]} */ let series = [];
  /** @type {Float64Array} */ let marks = new Float64Array(0);
  let active = -1;

  const read = () => {
    series = (model.get("_series") ?? []).map((/** @type {any} */ one) => ({ name: one.name, values: typed(one.values), whole: typed(one.whole) }));
    marks = typed(model.get("_marks"));
    active = -1;
    keys();
    redraw();
  };
  const step = () => stepOf(mask.rows(steps.mask), steps.n);
  const colors = () => (series.length > 1 ? kinds(series.length) : ["var(--cw-accent)"]);
  const keys = () => {
    const inks = colors();
    const lines = series.length > 1 ? series.map((one, i) => {
      const swatch = h("i", { class: "cw-bars-swatch", "aria-hidden": "true" });
      swatch.style.background = inks[i];
      return h("span", {}, swatch, one.name);
    }) : [];
    if (marks.some((one) => !Number.isNaN(one)) && model.get("mark")) lines.push(h("span", {}, h("i", { class: "cw-bars-tick", "aria-hidden": "true" }), model.get("mark")));
    legend.replaceChildren(...lines);
    legend.hidden = !lines.length;
  };
  const told1 = (/** @type {import("./bars_model.js").Series} */ one, /** @type {number} */ at, /** @type {number} */ row) =>
    amount(one.values[at * link.n + row], one.whole[row], model.get("unit"));
  const line = (/** @type {number} */ row, /** @type {number} */ at, /** @type {mask.Mask} */ bits) => {
    const inks = colors();
    const tick = marks[at * link.n + row];
    const tracks = series.map((one, i) => {
      const bar = h("div", { class: "cw-bars-fill" });
      bar.style.width = `${100 * share(one.values[at * link.n + row], one.whole[row])}%`;
      bar.style.background = inks[i];
      bar.hidden = Number.isNaN(one.values[at * link.n + row]);
      const track = h("div", { class: "cw-bars-track" }, bar);
      if (i === 0 && tick >= 0) {
        const mark = h("div", { class: "cw-bars-mark" });
        mark.style.left = `${100 * share(tick, one.whole[row])}%`;
        track.append(mark);
      }
      const who = series.length > 1 ? [h("span", { class: "cw-unseen" }, `${one.name}: `)] : [];
      return h("div", { class: "cw-bars-line" }, track, ...who, h("span", { class: "cw-bars-amount" }, told1(one, at, row)));
    });
    const detail = model.get("_details")?.[row];
    const marked = tick >= 0 && model.get("mark") ? [h("span", { class: "cw-unseen" }, `${model.get("mark")}: ${number(tick)}`)] : [];
    const item = h(
      "div",
      { class: `cw-bars-row${row === active ? " cw-active" : ""}`, role: "option", id: `cw-${serial}-${row}`, "aria-selected": String(mask.has(bits, row)) },
      h("div", { class: "cw-bars-name", title: link.id(row) }, link.id(row)),
      h("div", { class: "cw-bars-lines" }, ...tracks, ...marked, ...(detail ? [h("div", { class: "cw-bars-detail" }, detail)] : [])),
    );
    item.dataset.row = String(row);
    return item;
  };
  const lift = (/** @type {number} */ at) => {
    lever.hidden = steps.n < 2;
    label.textContent = steps.axis;
    slider.max = String(Math.max(0, steps.n - 1));
    if (Number(slider.value) !== at) slider.value = String(at);
    slider.setAttribute("aria-valuetext", `${steps.axis} ${steps.n ? steps.id(at) : "none"}`);
    told.textContent = steps.n ? steps.id(at) : "";
    const words = model.get("_notes")?.[at] ?? "";
    if (note.textContent !== words) note.textContent = words;
    note.hidden = !words;
  };
  const paint = () => {
    const foreign = steps.digest !== model.get("_step_digest");
    const blank = foreign ? `These bars and their steps are about different ${steps.axis}s. Show the data again.` : series.length && link.n ? "" : "No rows to draw yet.";
    const good = sameRows(view, model, link, blank) && !blank;
    port.hidden = !good;
    listRole(port, good);
    if (!good) {
      lever.hidden = note.hidden = true;
      port.replaceChildren();
      view.say("No bars.");
      return;
    }
    const at = step();
    lift(at);
    const bits = link.mask;
    const top = port.scrollTop;
    port.style.maxHeight = `${model.get("height")}px`;
    port.replaceChildren(...Array.from({ length: link.n }, (_, row) => line(row, at, bits)));
    port.scrollTop = top;
    if (active >= 0) port.setAttribute("aria-activedescendant", `cw-${serial}-${active}`);
    else port.removeAttribute("aria-activedescendant");
    point();
    summary(at, bits);
  };
  const summary = (/** @type {number} */ at, /** @type {mask.Mask} */ bits) => {
    const chosen = mask.rows(bits);
    const first = [...chosen].slice(0, 1).map((row) => ` (${link.id(row)}: ${series.map((one) => told1(one, at, row)).join(", ")})`);
    const where = steps.n > 1 ? ` at ${steps.axis} ${steps.id(at)}` : "";
    view.say(`${counted(link.n, link.axis)}${where}, ${chosen.length ? `${number(chosen.length, true)} selected${first}` : "none selected"}`);
  };
  const point = () => {
    for (const one of port.children) one.classList.toggle("cw-hover", Number(one.dataset.row) === link.hover);
  };
  const redraw = frame(paint, signal);
  const rowAt = (/** @type {Event} */ event) => {
    const item = /** @type {HTMLElement | null} */ (/** @type {Element} */ (event.target).closest(".cw-bars-row"));
    return item ? Number(item.dataset.row) : -1;
  };
  const choose = (/** @type {number} */ row, /** @type {mask.How} */ how) => {
    active = row;
    link.select(mask.of([row], link.n), how);
    redraw();
  };
  const on = (/** @type {HTMLElement} */ target, /** @type {string} */ name, /** @type {(event: any) => void} */ fn) => target.addEventListener(name, fn, { signal });
  on(slider, "input", () => steps.select(mask.of([Number(slider.value)], steps.n)));
  on(port, "click", (/** @type {MouseEvent} */ event) => {
    if (rowAt(event) >= 0) choose(rowAt(event), event.ctrlKey || event.metaKey ? "toggle" : mask.how(event));
  });
  on(port, "pointerover", (event) => link.point(rowAt(event)));
  on(port, "pointerleave", () => link.point(-1));
  on(port, "keydown", (/** @type {KeyboardEvent} */ event) => {
    const moves = { ArrowUp: -1, ArrowDown: 1, Home: -1e9, End: 1e9 };
    const move = moves[/** @type {keyof typeof moves} */ (event.key)];
    if (move && link.n) {
      active = active < 0 ? 0 : Math.min(link.n - 1, Math.max(0, active + move));
      port.children[active]?.scrollIntoView({ block: "nearest" });
      link.point(active);
      redraw();
    } else if ((event.key === "Enter" || event.key === " ") && active >= 0) choose(active, event.key === " " ? "toggle" : mask.how(event));
    else if (event.key === "Escape") link.select(mask.none(link.n));
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  watch(model, ["_series", "_marks"], read, signal);
  watch(model, ["mark"], () => {
    keys();
    redraw();
  }, signal);
  watch(model, ["_details", "_notes", "height", "_digest", "_step_digest", "unit"], redraw, signal);
  link.watch(["_mask", "digest"], redraw);
  link.watch(["_hover"], point);
  steps.watch(["_mask", "digest"], redraw);
  read();
}

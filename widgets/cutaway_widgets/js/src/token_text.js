// @ts-check
// Texts as tokens on coloured ground, one block a row of the link, only those in sight in the page.
import { theme } from "./color.js";
import { button, h, sameRows, shell } from "./dom.js";
import { counted, named, number } from "./format.js";
import { Link } from "./link.js";
import * as mask from "./mask.js";
import { bar, css, ink, isDark, ramp, step } from "./ramp.js";
import { readout } from "./readout.js";
import { drawn, Stack, textOf } from "./token_model.js";
import { frame, resolve, typed, watch } from "./wire.js";

const HEAD = 46; // px of a block besides its lines
const LINE = 24; // px of a line of tokens
const LETTER = 7.2; // px, to guess how high a block will be
const MOST = 2000; // tokens of a text at first; a button shows the rest
const KEYS = "Up and down go from text to text, left and right from token to token, Enter selects, plus shows the whole of a long text, Escape none.";

/** @param {{ model: import("./wire.js").Model, el: HTMLElement, signal: AbortSignal }} context */
export async function tokenText({ model, el, signal }) {
  const link = await Link.of(model, "token text", signal);
  const places = model.get("position_link") ? new Link(await resolve(model, "position_link"), "token text", signal) : null;
  if (signal.aborted) return;
  const view = shell({ model, el, signal }, { kind: "tokens", label: "Token text", link: link.model });
  const sheet = h("div", { class: "cw-sheet" });
  const nothing = h("div", { class: "cw-nothing" });
  const port = h("div", { class: "cw-port", tabindex: 0, role: "listbox", "aria-multiselectable": "true" }, sheet, nothing);
  const key = h("div", { class: "cw-legend" });
  view.body.append(port);
  view.body.parentElement?.after(key);
  const hint = readout(view.body);
  const ctx = /** @type {CanvasRenderingContext2D} */ (document.createElement("canvas").getContext("2d"));
  const serial = Math.random().toString(36).slice(2, 8);
  /** @type {string[]} */
  let words = [];
  let codes = new Uint32Array(0);
  let starts = new Uint32Array(1);
  let values = new Float32Array(0);
  let missing = 0; // tokens without a value
  /** Rows from top to bottom. @type {Uint32Array} */
  let rows = new Uint32Array(0);
  let stack = new Stack(0, () => 0);
  let colors = ramp("shade", false);
  /** Blocks made so far, by row. @type {Map<number, any>} */
  const made = new Map();
  /** Rows whose text is shown to its end. @type {Set<number>} */
  const whole = new Set();
  let active = { at: -1, token: -1 }; // place in rows, and token of its text

  const modes = h("div", { class: "cw-group", role: "radiogroup", "aria-label": "What to show" });
  for (const [mode, text, label] of [["ranked", "All", "Show all in order"], ["selected", "Selected", "Show the selected only"]]) {
    const one = button(text, label, () => {
      model.set("mode", mode);
      model.save_changes();
    });
    one.setAttribute("role", "radio");
    one.dataset.mode = mode;
    modes.append(one);
  }
  view.tools.append(modes);

  const limits = () => /** @type {[number, number]} */ (model.get("_limits") ?? [0, 1]);
  const unit = () => (model.get("unit") ? ` ${model.get("unit")}` : "");
  const read = () => {
    words = model.get("_words") ?? [];
    codes = typed(model.get("_codes"));
    starts = typed(model.get("_starts"));
    values = typed(model.get("_values"));
    missing = values.reduce((sum, one) => sum + Number(Number.isNaN(one)), 0);
    active = { at: -1, token: -1 };
    whole.clear();
    port.scrollTop = 0;
    restyle();
    arrange();
  };
  const restyle = () => {
    const dark = isDark(ctx, theme(view.root).ground);
    colors = ramp(model.get("diverging") ? "diverging" : "shade", dark);
    made.clear();
    const [low, high] = limits();
    key.hidden = !values.length;
    const beyond = values.some((one) => one < low - 1e-6 * Math.abs(low) || one > high + 1e-6 * Math.abs(high));
    bar(key, { name: model.get("name"), unit: model.get("unit"), low, high, beyond }, colors);
    redraw();
  };
  /** Which rows to show; the block under the eye stays where it is as far as it can. */
  const arrange = () => {
    const order = typed(model.get("_order"));
    const bits = link.mask;
    rows = model.get("mode") === "selected" ? order.filter((/** @type {number} */ row) => mask.has(bits, row)) : order;
    const wide = Math.max(80, port.clientWidth - 40);
    stack = new Stack(rows.length, (at) => HEAD + LINE * Math.ceil((length(rows[at]) * LETTER) / wide));
    active = { at: -1, token: -1 };
    redraw();
  };
  const length = (/** @type {number} */ row) => {
    let letters = 0;
    for (let i = starts[row]; i < Math.min(starts[row + 1], starts[row] + MOST); i++) letters += words[codes[i]].length + 0.5;
    return letters;
  };
  const token = (/** @type {number} */ position) => {
    const { text, breaks } = drawn(words[codes[position]]);
    const one = h("span", { class: "cw-token" }, text);
    one.dataset.position = String(position);
    const at = step(values[position] ?? NaN, ...limits());
    if (at >= 0) one.style.cssText = `background:${css(colors[at])};color:${ink(colors[at])}`;
    return breaks ? [one, "\n".repeat(breaks)] : [one];
  };
  const block = (/** @type {number} */ row) => {
    const known = made.get(row);
    if (known) return known;
    const n = starts[row + 1] - starts[row];
    const shown = whole.has(row) ? n : Math.min(n, MOST);
    const label = (model.get("_labels") ?? [])[row];
    // The text's own direction; tokens are never markup.
    const text = h("p", { class: "cw-running", dir: "auto" });
    for (let i = 0; i < shown; i++) text.append(...token(starts[row] + i));
    const name = named(link.axis, link.id(row));
    const one = h(
      "div",
      { class: "cw-passage", role: "option" },
      h("div", { class: "cw-passage-head" }, h("strong", {}, name), label ? ` ${label}` : "", h("small", {}, ` ${counted(n, "token")}`)),
      text,
    );
    if (shown < n) one.append(h("div", { class: "cw-more", title: "Show the rest of this text (plus key)" }, `… ${number(n - shown, true)} more tokens`));
    one.dataset.row = String(row);
    made.set(row, one);
    return one;
  };

  const paint = () => {
    const ready = sameRows(view, model, link) && (!places || sameRows(view, aboutPlaces, places));
    port.style.height = `${model.get("height")}px`;
    for (const one of modes.children) one.setAttribute("aria-checked", String(one.dataset.mode === model.get("mode")));
    nothing.hidden = rows.length > 0;
    nothing.textContent = model.get("mode") === "selected" ? `Select ${link.axis}s in another view to read them here.` : `No ${link.axis}s to show yet.`;
    const [first, last] = ready ? stack.inSight(port.scrollTop, port.clientHeight) : [0, 0];
    const wanted = [];
    for (let at = first; at < last; at++) {
      const one = block(rows[at]);
      one.id = `cw-${serial}-${at}`;
      one.dataset.at = String(at);
      wanted.push(one);
    }
    // Blocks that stay are not touched, so that a press on one is not lost.
    for (const one of [...sheet.children]) if (!wanted.includes(one)) one.remove();
    wanted.forEach((one, i) => sheet.children[i] !== one && sheet.insertBefore(one, sheet.children[i] ?? null));
    if (made.size > 400) for (const row of [...made.keys()]) if (!made.get(row).isConnected) made.delete(row);
    const measured = new Map(wanted.map((one) => [Number(one.dataset.at), one.offsetHeight]));
    const { changed, shift } = stack.measure(measured, port.scrollTop);
    sheet.style.height = `${stack.height}px`;
    for (const one of wanted) one.style.top = `${stack.tops[Number(one.dataset.at)]}px`;
    if (shift) port.scrollTop += shift;
    if (changed) redraw();
    mark();
  };
  const aboutPlaces = /** @type {any} */ ({ get: () => model.get("_position_digest") });
  /** What is selected, hovered and under the keyboard: classes only. */
  const mark = () => {
    const bits = link.mask;
    const picked = places?.mask;
    for (const one of sheet.children) {
      const row = Number(one.dataset.row);
      one.setAttribute("aria-selected", String(mask.has(bits, row)));
      one.classList.toggle("cw-hover", row === link.hover);
      one.classList.toggle("cw-active", Number(one.dataset.at) === active.at);
      for (const token of one.querySelectorAll(".cw-token")) {
        const position = Number(token.dataset.position);
        token.classList.toggle("cw-picked", Boolean(picked && mask.has(picked, position)));
        token.classList.toggle("cw-hover", Boolean(places && position === places.hover));
        token.classList.toggle("cw-active", Number(one.dataset.at) === active.at && position === starts[row] + active.token);
      }
    }
    if (active.at >= 0) port.setAttribute("aria-activedescendant", `cw-${serial}-${active.at}`);
    else port.removeAttribute("aria-activedescendant");
    const chosen = [counted(mask.count(bits), link.axis), ...(picked && places ? [counted(mask.count(picked), places.axis)] : [])];
    const any = mask.count(bits) || (picked && mask.count(picked));
    const parts = [`${counted(rows.length, link.axis)} shown`, counted(codes.length, "token"), any ? `${chosen.join(" and ")} selected` : "none selected"];
    if (missing) parts.push(`${counted(missing, "token")} without a value`);
    view.say(parts.join(", "));
    port.setAttribute("aria-label", `Texts: ${parts.join(", ")}. ${KEYS}`);
  };
  const redraw = frame(paint, signal);
  const remark = frame(mark, signal);

  const tell = (/** @type {any} */ el, /** @type {boolean} */ aloud) => {
    const position = Number(el.dataset.position);
    const row = textOf(starts, position);
    const box = view.body.getBoundingClientRect();
    const place = el.getBoundingClientRect();
    const value = values[position] ?? NaN;
    const lines = [`token ${number(position - starts[row] + 1, true)} of ${number(starts[row + 1] - starts[row], true)}`];
    if (values.length) lines.unshift(`${model.get("name") || "value"}: ${Number.isNaN(value) ? "none" : number(value) + unit()}`);
    hint.show(`“${drawn(words[codes[position]]).text}”`, lines, [place.right - box.left - 8, place.bottom - box.top - 8], aloud);
  };
  const part = (/** @type {Event} */ event) => {
    const from = /** @type {Element} */ (event.target);
    const text = /** @type {any} */ (from.closest(".cw-passage"));
    return { text, token: /** @type {any} */ (from.closest(".cw-token")), more: from.closest(".cw-more") };
  };
  const choose = (/** @type {number} */ row, /** @type {number} */ position, /** @type {"replace" | "add" | "subtract" | "toggle"} */ how) => {
    link.select(mask.of([row], link.n), how);
    if (places) places.select(mask.of(position >= 0 ? [position] : [], places.n), how);
  };
  const none = () => {
    for (const one of [link, places]) one?.select(mask.none(one.n));
  };
  const showWhole = (/** @type {number} */ row) => {
    whole.add(row);
    made.delete(row);
    redraw();
  };
  sheet.addEventListener("click", (/** @type {MouseEvent} */ event) => {
    const { text, token, more } = part(event);
    if (!text) return;
    const row = Number(text.dataset.row);
    if (more) return showWhole(row);
    active = { at: Number(text.dataset.at), token: token ? Number(token.dataset.position) - starts[row] : -1 };
    const how = event.ctrlKey || event.metaKey ? "toggle" : mask.how(event);
    choose(row, token ? Number(token.dataset.position) : -1, how);
    remark();
  }, { signal });
  sheet.addEventListener("pointerover", (/** @type {Event} */ event) => {
    const { text, token } = part(event);
    link.point(text ? Number(text.dataset.row) : -1);
    places?.point(token ? Number(token.dataset.position) : -1);
    if (token) tell(token, false);
    else hint.hide();
  }, { signal });
  sheet.addEventListener("pointerleave", () => {
    hint.hide();
    for (const one of [link, places]) one?.point(-1);
  }, { signal });
  port.addEventListener("blur", hint.hide, { signal });
  port.addEventListener("scroll", () => {
    hint.hide();
    redraw();
  }, { signal, passive: true });
  const walk = (/** @type {number} */ texts, /** @type {number} */ tokens) => {
    if (!rows.length) return;
    const from = active.at < 0 ? (texts > 1 ? 0 : -texts) : active.at; // the first press finds the first text
    const at = Math.min(rows.length - 1, Math.max(0, from + texts));
    const n = starts[rows[at] + 1] - starts[rows[at]];
    const shown = whole.has(rows[at]) ? n : Math.min(n, MOST);
    active = { at, token: texts ? -1 : Math.min(shown - 1, Math.max(0, active.token + tokens)) };
    // Again once the blocks on the way there are measured.
    for (let again = 0; again < 3; again++) {
      if (texts) port.scrollTop = Math.min(stack.tops[at], Math.max(port.scrollTop, stack.tops[at + 1] - port.clientHeight));
      paint();
    }
    const one = sheet.querySelector(".cw-token.cw-active");
    if (one) {
      const [place, window] = [one.getBoundingClientRect(), port.getBoundingClientRect()];
      port.scrollTop += Math.min(0, place.top - window.top - 4) + Math.max(0, place.bottom - window.bottom + 4);
      tell(one, true);
    } else hint.hide();
  };
  port.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    const way = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1], Home: [-1e9, 0], End: [1e9, 0] }[event.key];
    const row = rows[active.at];
    if (event.ctrlKey || event.metaKey) return;
    if (way) walk(way[0], way[1]);
    else if (event.key === "Enter" || event.key === " ") {
      if (row === undefined) return;
      choose(row, active.token < 0 ? -1 : starts[row] + active.token, event.key === " " ? "toggle" : mask.how(event));
    } else if (event.key === "+" && row !== undefined) showWhole(row);
    else if (event.key === "Escape") none();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }, { signal });

  let wide = 0;
  const sizes = new ResizeObserver(() => {
    if (port.clientWidth === wide) return;
    if (!wide) restyle(); // hosts draw it before it is in the page, where no theme can be read
    wide = port.clientWidth;
    arrange();
  });
  sizes.observe(port);
  const themes = new MutationObserver(restyle);
  themes.observe(document.body, { attributes: true });
  themes.observe(document.documentElement, { attributes: true });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", restyle, { signal });
  signal.addEventListener("abort", () => {
    sizes.disconnect();
    themes.disconnect();
  });
  watch(model, ["_codes", "_starts", "_values", "_words"], read, signal);
  watch(model, ["_labels", "_limits", "name", "unit", "diverging"], restyle, signal);
  watch(model, ["_order", "mode"], arrange, signal);
  watch(model, ["height", "_digest", "_position_digest"], redraw, signal);
  link.watch(["_mask"], () => (model.get("mode") === "selected" ? arrange() : remark()));
  link.watch(["digest"], redraw);
  link.watch(["_hover"], remark);
  places?.watch(["_mask", "_hover"], remark);
  places?.watch(["digest"], redraw);
  read();
}

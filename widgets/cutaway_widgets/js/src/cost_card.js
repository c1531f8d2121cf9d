// @ts-check
// Cost card: the whole against its limit, and a sortable line a site with its share as a bar.
import { h, sameRows, shell } from "./dom.js";
import { bytesText, duration, percent, sorted, verdict } from "./cost_model.js";
import { counted, number } from "./format.js";
import { Link } from "./link.js";
import * as mask from "./mask.js";
import { range, reveal, span } from "./strip_model.js";
import { size } from "./tree_model.js";
import { frame, typed, watch } from "./wire.js";

const ROW = 26; // px
const HEADS = [
  ["order", "site", "Sort in the order of the network"],
  ["shape", "keeps", ""],
  ["parameters", "params", "Sort by parameters"],
  ["macs", "MACs", "Sort by multiply-accumulates for one sample"],
  ["bytes", "bytes", "Sort by bytes for all samples"],
];

/** @param {{ model: import("./wire.js").Model, el: HTMLElement, signal: AbortSignal }} context */
export async function costCard({ model, el, signal }) {
  const link = await Link.of(model, "cost card", signal);
  if (signal.aborted) return;
  const view = shell({ model, el, signal }, { kind: "cost", label: "Cost of a capture", link: link.model });
  const fill = h("div", { class: "cw-fill" });
  const bar = h("div", { class: "cw-bar", role: "meter", "aria-label": "Share of the limit", "aria-valuemin": 0 }, fill);
  const amount = h("strong");
  const advice = h("div", { class: "cw-advice", role: "alert", hidden: true });
  const plan = h("div", { class: "cw-plan" });
  const header = h("div", { class: "cw-header", role: "row" });
  const sheet = h("div", { class: "cw-sheet", role: "rowgroup" });
  const port = h("div", { class: "cw-port", tabindex: 0, role: "grid", "aria-label": "Sites", "aria-multiselectable": "true" }, h("div", { role: "rowgroup", class: "cw-heads" }, header), sheet);
  view.body.append(h("div", { class: "cw-row" }, bar, amount), advice, plan, port);
  const serial = Math.random().toString(36).slice(2, 8);

  /** @type {any} */ let card = {};
  /** @type {Uint32Array} */ let sites;
  /** @type {Record<string, ArrayLike<any>>} */ let columns = { order: [] };
  let sort = { by: "order", descending: false };
  /** @type {number[]} */ let places = [];
  let active = -1; // place in places
  let total = 0;
  let most = 0;

  const read = () => {
    card = model.get("_card") ?? {};
    sites = typed(model.get("_sites"));
    const bytes = typed(model.get("_sizes"));
    columns = {
      order: [...sites].map((row) => link.id(row) || "(model)"),
      shape: card.shapes ?? [],
      parameters: typed(model.get("_parameters")),
      macs: typed(model.get("_macs")),
      bytes,
    };
    total = bytes.reduce((/** @type {number} */ sum, /** @type {number} */ one) => sum + one, 0);
    most = bytes.reduce((/** @type {number} */ a, /** @type {number} */ b) => Math.max(a, b), 0);
    active = -1;
    arrange();
  };
  const wished = () => {
    const by = model.get("_sort");
    sort = { by, descending: by !== "order" };
  };
  const arrange = () => {
    const kept = active >= 0 ? places[active] : -1;
    places = sorted(sites.length, sort.by, sort.descending, columns);
    active = kept >= 0 ? places.indexOf(kept) : -1;
    heads();
    redraw();
  };
  const known = (/** @type {string} */ name) => columns[name]?.length > 0;
  const heads = () => {
    const at = [...header.querySelectorAll("button")].indexOf(/** @type {any} */ (document.activeElement));
    header.replaceChildren(
      ...HEADS.filter(([name]) => known(name) || !sites.length).map(([name, text, about]) => {
        const here = name === sort.by;
        const order = here ? (sort.descending ? "descending" : "ascending") : "none";
        const mark = h("span", { class: "cw-sort", "aria-hidden": "true" }, here ? (sort.descending ? "▾" : "▴") : "");
        const onclick = () => {
          sort = { by: name, descending: here ? !sort.descending : name !== "order" };
          arrange();
        };
        if (!about) return h("div", { role: "columnheader", class: `cw-at-${name}` }, text);
        const one = h("button", { type: "button", title: about, onclick }, text, mark);
        return h("div", { role: "columnheader", "aria-sort": order, class: `cw-at-${name}` }, one);
      }),
    );
    port.style.setProperty("--cw-extra", String(["parameters", "macs"].filter(known).length));
    if (at >= 0) header.querySelectorAll("button")[at]?.focus();
  };
  const cellsOf = (/** @type {number} */ place) => {
    const bytes = columns.bytes[place];
    const share = h("div", { class: "cw-share" });
    share.style.width = `${most ? (100 * bytes) / most : 0}%`;
    const texts = { order: columns.order[place], shape: columns.shape[place], parameters: "", macs: "" };
    for (const name of /** @type {const} */ (["parameters", "macs"])) if (known(name)) texts[name] = size(columns[name][place]);
    const cells = Object.entries(texts)
      .filter(([name]) => known(name))
      .map(([name, text]) => h("div", { role: "gridcell", class: `cw-at-${name}`, title: text }, text));
    const told = `${number(bytes, true)} bytes, ${percent(bytes, total)} of all`;
    return [...cells, h("div", { role: "gridcell", class: "cw-at-bytes", title: told }, h("div", { class: "cw-track", "aria-hidden": "true" }, share), h("span", {}, bytesText(bytes)))];
  };
  const line = (/** @type {number} */ at, /** @type {mask.Mask} */ bits) => {
    const row = sites[places[at]];
    const one = h(
      "div",
      { class: `cw-tr${at === active ? " cw-active" : ""}`, role: "row", id: `cw-${serial}-${at}`, "aria-selected": String(mask.has(bits, row)), "aria-rowindex": at + 2 },
      ...cellsOf(places[at]),
    );
    one.style.top = `${at * ROW}px`;
    one.dataset.at = String(at);
    return one;
  };
  const paint = () => {
    const blank = sites.length ? "" : "Pick sites and data to see what capturing them costs.";
    const good = sameRows(view, model, link, blank) && !blank;
    port.hidden = !good;
    if (!good) {
      sheet.replaceChildren();
      view.say("No plan.");
      return;
    }
    whole();
    const bits = link.mask;
    port.style.height = `${Math.min(model.get("height"), header.offsetHeight + ROW * places.length + 4)}px`;
    port.setAttribute("aria-rowcount", String(places.length + 1));
    sheet.style.height = `${places.length * ROW}px`;
    const [first, last] = span(port.scrollTop, port.clientHeight, ROW, places.length);
    sheet.replaceChildren(...range(first, last, (at) => line(at, bits)));
    point();
    if (active >= first && active < last) port.setAttribute("aria-activedescendant", `cw-${serial}-${active}`);
    else port.removeAttribute("aria-activedescendant");
    summary(bits);
  };
  const whole = () => {
    const { fits, words } = verdict(total, card.limit, card.free);
    view.root.dataset.fits = fits ? "yes" : "no";
    fill.style.width = `${Math.min(100, (100 * total) / card.limit)}%`;
    bar.setAttribute("aria-valuemax", String(card.limit));
    bar.setAttribute("aria-valuenow", String(Math.min(total, card.limit)));
    bar.setAttribute("aria-valuetext", `${bytesText(total)} of ${bytesText(card.limit)}`);
    amount.textContent = `${bytesText(total)} of ${bytesText(card.limit)} (${percent(total, card.limit)})`;
    advice.hidden = fits;
    if (advice.textContent !== words) advice.textContent = words;
    const free = card.free === null ? "" : `, ${bytesText(card.free)} free`;
    plan.textContent = `${card.model} on ${counted(card.n, "sample")} of ${card.data}, ${card.dtype}, into ${card.where}${free}; ${duration(card.seconds)} in batches of ${number(card.batch_size, true)}`;
  };
  const summary = (/** @type {mask.Mask} */ bits) => {
    const chosen = range(0, sites.length, (i) => i).filter((i) => mask.has(bits, sites[i]));
    const theirs = chosen.reduce((sum, i) => sum + columns.bytes[i], 0);
    const picked = chosen.length ? `${number(chosen.length, true)} selected with ${bytesText(theirs)}` : "none selected";
    view.say(`${counted(sites.length, link.axis)}, ${bytesText(total)} in all, ${picked}`);
  };
  const redraw = frame(paint, signal);
  // Classes only: new elements under a pressed pointer would swallow the click.
  const point = () => {
    for (const one of sheet.children) one.classList.toggle("cw-hover", sites[places[one.dataset.at]] === link.hover);
  };
  const rowAt = (/** @type {Event} */ event) => {
    const row = /** @type {HTMLElement | null} */ (/** @type {Element} */ (event.target).closest(".cw-tr"));
    return row ? Number(row.dataset.at) : -1;
  };
  const choose = (/** @type {number} */ at, /** @type {"replace" | "add" | "subtract" | "toggle"} */ how) => {
    active = at;
    link.select(mask.of([sites[places[at]]], link.n), how);
    redraw();
  };
  const on = (/** @type {HTMLElement} */ target, /** @type {string} */ name, /** @type {(event: any) => void} */ fn) => target.addEventListener(name, fn, { signal });
  on(sheet, "click", (/** @type {MouseEvent} */ event) => {
    if (rowAt(event) >= 0) choose(rowAt(event), event.ctrlKey || event.metaKey ? "toggle" : mask.how(event));
  });
  on(sheet, "pointerover", (event) => link.point(rowAt(event) >= 0 ? sites[places[rowAt(event)]] : -1));
  on(sheet, "pointerleave", () => link.point(-1));
  on(port, "scroll", redraw);
  on(port, "keydown", (/** @type {KeyboardEvent} */ event) => {
    if (event.target !== port) return;
    const steps = { ArrowUp: -1, ArrowDown: 1, Home: -1e9, End: 1e9 };
    const step = steps[/** @type {keyof typeof steps} */ (event.key)];
    if (step && places.length) {
      active = active < 0 ? 0 : Math.min(places.length - 1, Math.max(0, active + step));
      port.scrollTop = reveal(port.scrollTop, active, ROW, port.clientHeight - header.offsetHeight);
      link.point(sites[places[active]]);
      redraw();
    } else if ((event.key === "Enter" || event.key === " ") && active >= 0) choose(active, event.key === " " ? "toggle" : mask.how(event));
    else if (event.key === "Escape") link.select(mask.none(link.n));
    else return;
    event.preventDefault();
    event.stopPropagation();
  });

  const sizes = new ResizeObserver(redraw);
  sizes.observe(port);
  signal.addEventListener("abort", () => sizes.disconnect());
  watch(model, ["_card", "_sites", "_sizes", "_parameters", "_macs"], read, signal);
  watch(model, ["_sort"], () => {
    wished();
    arrange();
  }, signal);
  watch(model, ["height", "_digest"], redraw, signal);
  link.watch(["_mask", "digest"], redraw);
  link.watch(["_hover"], point);
  wished();
  read();
}

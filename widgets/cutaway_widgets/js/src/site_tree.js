// @ts-check
// Tree of a model's sites: fold, look, pick, and do something with what is picked.
import { button, h, shell } from "./dom.js";
import { counted, number } from "./format.js";
import { flat, folded, nest, shapeText, size } from "./tree_model.js";
import { frame, watch } from "./wire.js";

const ROOM = 60; // lines up to which a model is shown unfolded

/** @param {{ model: import("./wire.js").Model, el: HTMLElement, signal: AbortSignal }} context */
export async function siteTree({ model, el, signal }) {
  const view = shell({ model, el, signal }, { kind: "tree", label: "Sites of the model" });
  const port = h("div", {
    class: "cw-port",
    tabindex: 0,
    role: "tree",
    "aria-label": "Sites",
  });
  const act = h("button", { class: "cw-button cw-primary", type: "button", "data-asks": true, onclick: () => ask() });
  const foot = h("div", { class: "cw-row cw-tree-foot" }, act);
  view.body.append(port, foot);
  /** @type {import("./tree_model.js").Site[]} */
  let sites = [];
  /** @type {import("./tree_model.js").Node[]} */
  let roots = [];
  /** @type {import("./tree_model.js").Node[]} */
  let lines = [];
  /** @type {Set<string>} */
  let closed = new Set();
  let active = "";
  const serial = Math.random().toString(36).slice(2, 8);
  view.tools.append(
    button("Unfold", "Unfold all", () => fold(false)),
    button("Fold", "Fold all", () => fold(true)),
  );

  const read = () => {
    sites = model.get("_sites") ?? [];
    roots = nest(sites);
    closed = folded(roots, model.get("_picked"), ROOM);
    active = "";
    redraw();
  };
  const fold = (/** @type {boolean} */ all) => {
    const every = flat(roots, new Set());
    closed = new Set(all ? every.filter((one) => one.children.length).map((one) => one.path) : []);
    redraw();
  };
  const toggle = (/** @type {import("./tree_model.js").Node} */ node, open = closed.has(node.path)) => {
    if (!node.children.length) return;
    if (open) closed.delete(node.path);
    else closed.add(node.path);
    redraw();
  };
  const pick = (/** @type {import("./tree_model.js").Node} */ node) => {
    if (!node.site?.pickable) return;
    const old = /** @type {string[]} */ (model.get("_picked"));
    const had = old.includes(node.path);
    if (model.get("_pick") === "one") {
      if (had) return;
      model.set("_picked", [node.path]);
    } else model.set("_picked", had ? old.filter((one) => one !== node.path) : [...old, node.path]);
    model.save_changes();
  };
  const ask = () => {
    if (act.disabled) return;
    // With what is picked now: a click must not meet picks that came later or never.
    model.set("_asked", { count: (model.get("_asked")?.count ?? 0) + 1, picked: model.get("_picked") });
    model.save_changes();
  };
  const offer = () => {
    act.textContent = model.get("action") ?? "";
    foot.hidden = !model.get("action");
    act.disabled = Boolean(model.get("busy"));
  };
  const line = (/** @type {import("./tree_model.js").Node} */ node, /** @type {number} */ at, /** @type {Set<string>} */ picked) => {
    const { site } = node;
    const open = !closed.has(node.path);
    const one = model.get("_pick") === "one";
    const el = h(
      "div",
      {
        class: `cw-site${node.path === active ? " cw-active" : ""}`,
        role: "treeitem",
        id: `cw-${serial}-${at}`,
        "aria-level": node.depth + 1,
        "aria-expanded": node.children.length ? String(open) : null,
        "aria-checked": site?.pickable ? String(picked.has(node.path)) : null,
        title: site
          ? `${node.path}: ${site.type}, ${site.layout} = ${shapeText(site.shape)}, ${number(site.parameters, true)} parameters`
          : node.path,
      },
      h("span", { class: "cw-fold", "aria-hidden": "true" }, node.children.length ? (open ? "▾" : "▸") : ""),
      h("span", {
        class: `cw-mark${one ? " cw-round" : ""}${site?.pickable ? "" : " cw-none"}${picked.has(node.path) ? " cw-on" : ""}`,
        "aria-hidden": "true",
      }),
      // The name that is heard has the whole path; its last part is what is seen of it.
      h("span", { class: "cw-unseen" }, `${node.path || node.name}, `),
      h("span", { class: "cw-name", "aria-hidden": "true" }, node.name),
      h("span", { class: "cw-type" }, site?.type ?? ""),
      h("span", { class: "cw-shape" }, site ? shapeText(site.shape) : ""),
      h("span", { class: "cw-size" }, site ? size(site.parameters) : "", h("span", { class: "cw-unseen" }, site ? " parameters" : "")),
    );
    el.style.paddingLeft = `${4 + 14 * node.depth}px`;
    el.dataset.at = String(at);
    return el;
  };
  const paint = () => {
    lines = flat(roots, closed);
    const picked = new Set(/** @type {string[]} */ (model.get("_picked")));
    port.style.maxHeight = `${model.get("height")}px`;
    const top = port.scrollTop;
    port.replaceChildren(
      h(
        "div",
        { class: "cw-site cw-site-head", "aria-hidden": "true" },
        h("span", { class: "cw-fold" }),
        h("span", { class: "cw-mark cw-none" }),
        h("span", { class: "cw-name" }, "site"),
        h("span", { class: "cw-type" }, "type"),
        h("span", { class: "cw-shape" }, "output"),
        h("span", { class: "cw-size" }, "params"),
      ),
      ...lines.map((one, at) => line(one, at, picked)),
    );
    port.scrollTop = top;
    const place = lines.findIndex((one) => one.path === active);
    if (place >= 0) {
      port.setAttribute("aria-activedescendant", `cw-${serial}-${place}`);
      if (document.activeElement === port) port.children[place + 1].scrollIntoView({ block: "nearest" });
    } else port.removeAttribute("aria-activedescendant");
    view.say(`${counted(sites.length, "site")}, ${picked.size ? `${picked.size} picked: ${[...picked].join(", ")}` : "none picked"}`);
  };
  const redraw = frame(paint, signal);

  port.addEventListener("click", (/** @type {MouseEvent} */ event) => {
    const target = /** @type {Element} */ (event.target);
    const row = /** @type {HTMLElement | null} */ (target.closest("[data-at]"));
    if (!row) return;
    const node = lines[Number(row.dataset.at)];
    active = node.path;
    if (target.classList.contains("cw-fold") || !node.site?.pickable) toggle(node);
    else pick(node);
    redraw();
  }, { signal });
  port.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    const at = lines.findIndex((one) => one.path === active);
    const node = lines[at];
    const to = (/** @type {number} */ place) => {
      active = lines[Math.min(lines.length - 1, Math.max(0, place))]?.path ?? "";
    };
    if (event.key === "ArrowDown") to(at + 1);
    else if (event.key === "ArrowUp") to(at - 1);
    else if (event.key === "Home") to(0);
    else if (event.key === "End") to(lines.length - 1);
    else if (event.key === "ArrowRight" && node) {
      if (closed.has(node.path)) toggle(node, true);
      else if (node.children.length) to(at + 1);
    } else if (event.key === "ArrowLeft" && node) {
      if (node.children.length && !closed.has(node.path)) toggle(node, false);
      else active = node.path.includes(".") ? node.path.slice(0, node.path.lastIndexOf(".")) : active;
    } else if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !foot.hidden) ask();
    else if ((event.key === " " || event.key === "Enter") && node) pick(node);
    else return;
    event.preventDefault();
    event.stopPropagation();
    redraw();
  }, { signal });

  watch(model, ["_sites"], read, signal);
  watch(model, ["_picked", "_pick", "height"], redraw, signal);
  watch(model, ["action", "busy"], offer, signal);
  offer();
  read();
}

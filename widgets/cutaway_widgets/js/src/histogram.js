// @ts-check
// Histogram with a brush; the selected rows stand in front.
import { binned } from "./bins.js";
import { theme } from "./color.js";
import { sheetOf, single, titled } from "./csv.js";
import { button, canvas, sameRows, shell } from "./dom.js";
import { counted, number } from "./format.js";
import { ticks } from "./geometry.js";
import { Link } from "./link.js";
import * as mask from "./mask.js";
import { between, once, tally } from "./mask_fast.js";
import { tickTexts } from "./scatter_draw.js";
import { frame, typed, watch } from "./wire.js";

/** @param {{ model: import("./wire.js").Model, el: HTMLElement, signal: AbortSignal }} context */
export async function histogram({ model, el, signal }) {
  const link = await Link.of(model, "histogram", signal);
  if (signal.aborted) return;
  const view = shell({ model, el, signal }, { kind: "histogram", label: "Histogram", link: link.model });
  const page = canvas(
    view.body,
    { class: "cw-canvas", tabindex: 0, role: "application", "aria-roledescription": "histogram" },
    () => redraw(),
    signal,
  );
  let values = new Float32Array(0);
  let bins = binned(values, 1);
  const reckon = () =>
    once(link, (bits) => ({ picked: tally(bins.places, bits, bins.counts.length), chosen: mask.count(bits) }));
  let selection = reckon();
  let area = { left: 0, top: 0, width: 1, height: 1 };
  let active = -1; // bin of the keyboard
  let anchor = -1; // where the brush began
  const log = button("log", "Logarithmic counts", () => {
    model.set("log", !model.get("log"));
    model.save_changes();
  });
  view.tools.append(log);

  const read = () => {
    values = typed(model.get("_values"));
    bins = binned(values, model.get("bins"));
    selection = reckon();
    active = anchor = -1;
    redraw();
  };
  const edge = (/** @type {number} */ bin) => bins.low + ((bins.high - bins.low) * bin) / bins.counts.length;
  const named = () => titled(model.get("name"), model.get("unit"));

  const paint = () => {
    const blank = bins.missing < values.length ? "" : `No ${link.axis} has a value yet.`;
    const same = sameRows(view, model, link, blank);
    const { ctx, width, height } = page.begin(model.get("height"));
    log.setAttribute("aria-pressed", String(model.get("log")));
    area = { left: 44, top: 8, width: width - 54, height: height - (named() ? 42 : 28) };
    if (!same) return;
    const shades = theme(view.root);
    const n = bins.counts.length;
    const { picked, chosen } = selection();
    const size = model.get("log") ? Math.log1p : (/** @type {number} */ one) => one;
    const most = size(bins.counts.reduce((a, b) => Math.max(a, b), 1));
    const tall = (/** @type {number} */ one) => (size(one) / most) * area.height;
    const bottom = area.top + area.height;
    ctx.font = `11px ${shades.font}`;
    ctx.fillStyle = shades.faint;
    ctx.textAlign = "right";
    ctx.textBaseline = "middle";
    const marks = model.get("log") ? decades(Math.expm1(most)) : ticks(0, most, area.height / 40).filter(Number.isInteger);
    for (const one of marks) {
      const y = bottom - tall(one);
      ctx.fillText(number(one, true), area.left - 5, y);
      ctx.fillRect(area.left - 3, Math.round(y), 3, 1);
    }
    for (let bin = 0; bin < n; bin++) {
      const x0 = area.left + (area.width * bin) / n;
      const x1 = area.left + (area.width * (bin + 1)) / n;
      const gap = x1 - x0 > 4 ? 1 : 0;
      // A bin of one row must still be seen among thousands.
      const full = bins.counts[bin] ? Math.max(1.5, tall(bins.counts[bin])) : 0;
      ctx.fillStyle = shades.accent;
      ctx.globalAlpha = chosen ? 0.25 : 0.85;
      ctx.fillRect(x0, bottom - full, x1 - x0 - gap, full);
      ctx.globalAlpha = 1;
      if (picked[bin]) {
        const part = Math.max(1.5, tall(picked[bin]));
        ctx.fillRect(x0, bottom - part, x1 - x0 - gap, part);
      }
      if (bin === active) {
        ctx.strokeStyle = shades.text;
        ctx.strokeRect(x0 + 0.5, area.top + 0.5, x1 - x0 - 1, area.height - 1);
      }
    }
    ctx.fillStyle = shades.line;
    ctx.fillRect(area.left, bottom, area.width, 1);
    const hover = link.hover >= 0 ? values[link.hover] : NaN;
    if (Number.isFinite(hover)) {
      const x = area.left + ((hover - bins.low) / (bins.high - bins.low)) * area.width;
      ctx.fillStyle = shades.text;
      ctx.fillRect(Math.round(x) - 1, area.top, 2, area.height);
    }
    ctx.fillStyle = shades.faint;
    ctx.textAlign = "center";
    ctx.textBaseline = "top";
    const across = ticks(bins.low, bins.high, area.width / 70);
    tickTexts(across).forEach((text, i) => {
      const x = area.left + ((across[i] - bins.low) / (bins.high - bins.low)) * area.width;
      ctx.fillText(text, x, bottom + 4);
    });
    ctx.fillStyle = shades.text;
    ctx.textBaseline = "alphabetic";
    ctx.fillText(named(), area.left + area.width / 2, bottom + 29, area.width);
    const parts = [counted(values.length, link.axis), chosen ? `${number(chosen, true)} selected` : "none selected"];
    if (bins.missing) parts.push(`${number(bins.missing, true)} without a finite value`);
    if (active >= 0) parts.push(`bin ${number(edge(active))} to ${number(edge(active + 1))}: ${number(bins.counts[active], true)}`);
    view.say(parts.join(", "));
    page.el.setAttribute(
      "aria-label",
      `Histogram of ${model.get("name") || "values"}: ${parts.join(", ")}. Arrows go from bin to bin, shift extends, Enter selects, Escape none.`,
    );
  };
  const redraw = frame(paint, signal);

  const binAt = (/** @type {PointerEvent} */ event) => {
    const x = event.clientX - page.el.getBoundingClientRect().left - area.left;
    return Math.min(bins.counts.length - 1, Math.max(0, Math.floor((x / area.width) * bins.counts.length)));
  };
  /** @type {{ from: number, before: mask.Mask, how: "replace" | "add" | "subtract" } | null} */
  let drag = null;
  let brushed = -1;
  const brush = (/** @type {number} */ to) => {
    if (!drag || to === brushed) return; // still in the same bin
    brushed = to;
    const fresh = between(bins.places, Math.min(drag.from, to), Math.max(drag.from, to));
    link.select(mask.combine(drag.before, fresh, drag.how));
  };
  page.el.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    page.el.setPointerCapture(event.pointerId);
    drag = { from: binAt(event), before: link.mask.slice(), how: mask.how(event) };
    brushed = -1;
    brush(drag.from);
  }, { signal });
  page.el.addEventListener("pointermove", (event) => brush(binAt(event)), { signal });
  for (const name of ["pointerup", "pointercancel"]) {
    page.el.addEventListener(name, () => {
      drag = null;
    }, { signal });
  }
  page.el.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step) {
      active = active < 0 ? 0 : Math.min(bins.counts.length - 1, Math.max(0, active + step));
      if (event.shiftKey && anchor >= 0) {
        link.select(between(bins.places, Math.min(anchor, active), Math.max(anchor, active)));
      } else anchor = active;
    } else if ((event.key === "Enter" || event.key === " ") && active >= 0) {
      anchor = active;
      link.select(between(bins.places, active, active));
    } else if (event.key === "Escape") link.select(mask.none(link.n));
    else return;
    event.preventDefault();
    event.stopPropagation();
    redraw();
  }, { signal });

  view.saves({
    csv: () =>
      sheetOf(link, { length: values.length, at: (row) => row }, [
        { title: named() || "value", at: (row) => single(values[row]) },
      ]),
  });
  watch(model, ["_values", "bins"], read, signal);
  watch(model, ["name", "unit", "log", "height", "_digest"], redraw, signal);
  link.watch(["_mask", "_hover", "digest"], redraw);
  read();
}

/** @param {number} most @returns {number[]} 1, 10, 100, … up to it */
function decades(most) {
  const found = [];
  for (let one = 1; one <= most * 1.001; one *= 10) found.push(one);
  return found;
}

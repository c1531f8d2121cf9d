// @ts-check
// Legend of a colour column: kinds as buttons that select, numbers as a bar.
import { viridis } from "./color.js";
import { h } from "./dom.js";
import { number } from "./format.js";
import * as mask from "./mask.js";

const STOPS = Array.from({ length: 11 }, (_, i) => `rgb(${viridis(i / 10).join(",")})`);
const ramp = () => h("span", { class: "cw-ramp", style: `background: linear-gradient(to right, ${STOPS})` });

/**
 * What the colours of a density mean.
 * @param {HTMLElement} el filled anew @param {number} most points on a place @param {boolean} picked
 */
export function densityLegend(el, most, picked) {
  el.replaceChildren(
    h("span", { class: "cw-legend-name" }, `${picked ? "selected points" : "points"} on 2 × 2 px, logarithmic`),
    ...(most ? [h("span", {}, "1"), ramp(), h("span", {}, number(most, true))] : ["none in sight"]),
    ...(picked ? [h("span", { class: "cw-legend-name" }, "grey: not selected")] : []),
  );
}

/**
 * @param {HTMLElement} el filled anew
 * @param {any} column on the wire, or undefined
 * @param {{ palette: string[], places: Uint16Array }} paint
 * @param {(fresh: mask.Mask, event: MouseEvent) => void} select
 */
export function legend(el, column, paint, select) {
  el.replaceChildren();
  if (!column) return;
  if (column.kind === "number") {
    const [low, high] = column.limits;
    el.append(
      h("span", { class: "cw-legend-name" }, column.unit ? `${column.name} (${column.unit})` : column.name),
      h("span", {}, number(low)),
      ramp(),
      h("span", {}, number(high)),
    );
    return;
  }
  const n = paint.places.length;
  const counts = new Uint32Array(paint.palette.length);
  for (let i = 0; i < n; i++) counts[paint.places[i]]++;
  el.append(h("span", { class: "cw-legend-name" }, column.name));
  [...column.names, "none"].forEach((name, k) => {
    if (!counts[k]) return;
    const pick = (/** @type {MouseEvent} */ event) => {
      const fresh = mask.none(n);
      for (let i = 0; i < n; i++) if (paint.places[i] === k) mask.add(fresh, i);
      select(fresh, event);
    };
    el.append(
      h(
        "button",
        {
          class: "cw-key",
          type: "button",
          "aria-label": `Select ${column.name} ${name}, ${counts[k]}`,
          title: `Select ${name} (shift adds, alt takes away)`,
          onclick: pick,
        },
        h("span", { class: "cw-swatch", style: `background: ${paint.palette[k]}` }),
        `${name} `,
        h("small", {}, number(counts[k], true)),
      ),
    );
  });
}

// @ts-check
// The bundle's only export. Named exports are forbidden: with one called `render` the host takes
// this for the old form and drops `initialize`. See build.mjs.
import { actions } from "./actions.js";
import { attributionOverlay } from "./attribution_overlay.js";
import { bars } from "./bars.js";
import { choice } from "./choice.js";
import { costCard } from "./cost_card.js";
import { dendrogram } from "./dendrogram.js";
import { h } from "./dom.js";
import { download } from "./download_view.js";
import { featureMaps } from "./feature_maps.js";
import { form } from "./form.js";
import { guide } from "./guide.js";
import { heatMap } from "./heat_map.js";
import { histogram } from "./histogram.js";
import { imageGrid } from "./image_grid.js";
import { lineChart } from "./line_chart.js";
import { progress } from "./progress.js";
import { scatter } from "./scatter.js";
import { selectionBar } from "./selection_bar.js";
import { siteTree } from "./site_tree.js";
import { table } from "./table.js";
import { tokenText } from "./token_text.js";

/** @type {Record<string, (context: { model: any, el: HTMLElement, signal: AbortSignal }) => Promise<void>>} */
const views = {
  actions,
  attribution_overlay: attributionOverlay,
  bars,
  choice,
  cost_card: costCard,
  dendrogram,
  download,
  feature_maps: featureMaps,
  form,
  guide,
  heat_map: heatMap,
  histogram,
  image_grid: imageGrid,
  line_chart: lineChart,
  progress,
  scatter,
  selection_bar: selectionBar,
  site_tree: siteTree,
  table,
  token_text: tokenText,
};

/**
 * Draw one view; returns how to take it away. Used by notebooks, dashboards and static pages.
 * @param {{ model: any, el: HTMLElement, signal?: AbortSignal }} context
 */
async function render({ model, el, signal }) {
  const end = new AbortController();
  signal?.addEventListener("abort", () => end.abort());
  const kind = model.get("_kind");
  try {
    if (!views[kind]) throw new Error(`kind must be one of ${Object.keys(views)}, got ${kind}`);
    await views[kind]({ model, el, signal: end.signal });
  } catch (error) {
    // A blank cell explains nothing.
    el.replaceChildren(h("div", { class: "cw cw-error", role: "alert" }, String(error)));
    throw error;
  }
  return () => end.abort();
}

export default { initialize: () => ({ render, kinds: Object.keys(views) }) };

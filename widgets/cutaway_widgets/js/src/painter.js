// @ts-check
// Draws points by the best means at hand: WebGL2 with a graphics processor, else pixels.
import { PixelPoints } from "./cloud.js";
import { h } from "./dom.js";
import { context } from "./gl.js";
import { GlPoints } from "./points_gl.js";

/** @typedef {import("./cloud.js").Cloud} Cloud */

/** Points of one view; a lost context is survived by writing pixels until it is back. */
export class Painter {
  /**
   * @param {HTMLElement} body where a canvas for WebGL may lie, beneath the others
   * @param {() => void} redraw @param {AbortSignal} signal
   */
  constructor(body, redraw, signal) {
    this.body = body;
    this.redraw = redraw;
    this.signal = signal;
    this.pixels = new PixelPoints();
    /** @type {HTMLCanvasElement | null} */
    this.el = null;
    /** @type {GlPoints | null} */
    this.gl = null;
    this.asked = "";
    this.lost = false;
  }

  /** @param {string} engine "auto", "webgl" or "pixels" */
  prepare(engine) {
    if (engine === this.asked) return;
    this.asked = engine;
    if (engine === "pixels" || this.gl) return;
    const el = /** @type {HTMLCanvasElement} */ (h("canvas", { class: "cw-gl", "aria-hidden": "true" }));
    const gl = context(el, engine === "webgl", this.signal);
    if (!gl) return;
    this.el = el;
    this.gl = new GlPoints(gl);
    this.body.append(el);
    el.addEventListener("webglcontextlost", (event) => {
      event.preventDefault(); // without this it would never be given back
      this.lost = true;
      this.redraw();
    }, { signal: this.signal });
    el.addEventListener("webglcontextrestored", () => {
      this.gl?.start();
      this.lost = false;
      this.redraw();
    }, { signal: this.signal });
  }

  /** @returns {"webgl" | "pixels"} */
  get engine() {
    return this.gl && !this.lost && this.asked !== "pixels" ? "webgl" : "pixels";
  }

  /** Leave the sheet beneath empty; whoever copies all sheets of the view must find nothing there. */
  clear() {
    if (!this.el || this.el.style.visibility === "hidden") return;
    this.el.style.visibility = "hidden";
    this.gl?.wipe();
  }

  /**
   * @param {{ ctx: CanvasRenderingContext2D, width: number, height: number }} page
   * @param {Cloud} cloud @param {import("./geometry.js").Camera} camera
   * @param {import("./cloud.js").Area} area @param {{ ground: string, text: string }} shades
   */
  draw({ ctx, width, height }, cloud, camera, area, shades) {
    this.body.dataset.engine = this.engine;
    if (this.engine === "pixels" || !this.gl || !this.el) {
      this.clear();
      this.pixels.draw(ctx, cloud, camera, area, shades);
      return;
    }
    const ratio = ctx.getTransform().a;
    const { el } = this;
    el.style.visibility = "";
    el.style.height = `${height}px`;
    if (el.width !== Math.round(width * ratio)) el.width = Math.round(width * ratio);
    if (el.height !== Math.round(height * ratio)) el.height = Math.round(height * ratio);
    this.gl.draw(cloud, camera, area, shades, { width, height, ratio });
  }
}

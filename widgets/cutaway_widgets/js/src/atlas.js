// @ts-check
// Thumbnails of rows: PNG pages of tiles on the link model.
import { bytes } from "./wire.js";

/** @typedef {import("./wire.js").Model} Model */

/** Decoded pages of the pictures on a link; draws a row's tile. */
export class Atlas {
  /** @param {Model} link @param {() => void} ready called when new pages can be drawn */
  constructor(link, ready) {
    this.link = link;
    this.ready = ready;
    /** @type {any} */
    this.wire = null;
    /** @type {HTMLImageElement[]} */
    this.pages = [];
  }

  /** Follow the link's present pictures. @returns {boolean} are there any? */
  update() {
    const wire = this.link.get("_thumbnails");
    if (wire === this.wire) return Boolean(wire);
    this.wire = wire;
    this.pages = (wire?.pages ?? []).map((/** @type {any} */ page) => {
      const image = new Image();
      const url = URL.createObjectURL(new Blob([bytes(page).slice()], { type: "image/png" }));
      image.onload = () => {
        URL.revokeObjectURL(url);
        this.ready();
      };
      image.src = url;
      return image;
    });
    return Boolean(wire);
  }

  /** Width over height of a tile. */
  get aspect() {
    return this.wire ? this.wire.width / this.wire.height : 1;
  }

  /**
   * @param {CanvasRenderingContext2D} ctx @param {number} row
   * @param {number} x @param {number} y @param {number} w @param {number} h
   */
  draw(ctx, row, x, y, w, h) {
    if (!this.wire || row < 0 || row >= this.wire.n) return;
    const { width, height, columns, per_page } = this.wire;
    const page = this.pages[Math.floor(row / per_page)];
    if (!page?.complete || !page.naturalWidth) return;
    const within = row % per_page;
    const sx = (within % columns) * width;
    const sy = Math.floor(within / columns) * height;
    const smooth = ctx.imageSmoothingEnabled;
    ctx.imageSmoothingEnabled = w < width;
    ctx.drawImage(page, sx, sy, width, height, x, y, w, h);
    ctx.imageSmoothingEnabled = smooth;
  }
}

// @ts-check
// Which point is near a place: points sorted into square cells once, so that few are looked at.

/** @typedef {import("./geometry.js").Camera} Camera */

const PER_CELL = 8; // points a cell, on average
const MOST = 512; // cells a side
const SAMPLE = 4096; // points that fix the box

/** Points sorted by cell (a counting sort in typed arrays). */
export class Cells {
  /** @param {Float32Array} points x, y, x, y, …; NaN: no place */
  constructor(points) {
    this.points = points;
    const n = points.length / 2;
    const [x0, x1] = spread(points, 0);
    const [y0, y1] = spread(points, 1);
    this.side = Math.min(MOST, Math.max(1, Math.ceil(Math.sqrt(n / PER_CELL))));
    this.x0 = x0;
    this.y0 = y0;
    this.perX = x1 > x0 ? this.side / (x1 - x0) : 0;
    this.perY = y1 > y0 ? this.side / (y1 - y0) : 0;
    const cells = this.side * this.side;
    const starts = new Uint32Array(cells + 1);
    for (let i = 0; i < n; i++) {
      const cell = this.cell(points[2 * i], points[2 * i + 1]);
      if (cell >= 0) starts[cell + 1]++;
    }
    for (let c = 0; c < cells; c++) starts[c + 1] += starts[c];
    const next = starts.slice(0, cells);
    this.order = new Uint32Array(starts[cells]);
    for (let i = 0; i < n; i++) {
      const cell = this.cell(points[2 * i], points[2 * i + 1]);
      if (cell >= 0) this.order[next[cell]++] = i;
    }
    this.starts = starts;
  }

  /** @param {number} x data @returns {number} column; what lies outside the box is put on its rim */
  column(x) {
    return Math.max(0, Math.min(this.side - 1, Math.floor((x - this.x0) * this.perX)));
  }

  /** @param {number} y data @returns {number} */
  line(y) {
    return Math.max(0, Math.min(this.side - 1, Math.floor((y - this.y0) * this.perY)));
  }

  /** @param {number} x @param {number} y @returns {number} -1 without a place */
  cell(x, y) {
    return x === x && y === y ? this.line(y) * this.side + this.column(x) : -1;
  }

  /**
   * Visit points in rings of cells around a place, until no nearer one can come.
   * Points beyond the box lie in its rim cells: a place and its cell's are never farther apart than
   * place and point, so the bound holds for them too.
   * @param {Camera} camera @param {number} px @param {number} py page
   * @param {(i: number) => void} look @param {() => number} limit pixels beyond which none is wanted
   */
  around(camera, px, py, look, limit) {
    const { side, starts, order } = this;
    const ci = this.column((px - camera.ox) / camera.kx);
    const cj = this.line((py - camera.oy) / camera.ky);
    // A side without extent has all its points in one column: the others never hold any.
    const wide = this.perX ? Math.abs(camera.kx) / this.perX : Infinity;
    const tall = this.perY ? Math.abs(camera.ky) / this.perY : Infinity;
    const unit = Math.min(wide, tall);
    const last = Math.max(ci, side - 1 - ci, cj, side - 1 - cj);
    for (let ring = 0; ring <= last; ring++) {
      if (ring > 1 && (ring - 1) * unit > limit()) return;
      const top = Math.max(0, cj - ring);
      const bottom = Math.min(side - 1, cj + ring);
      for (let j = top; j <= bottom; j++) {
        const whole = Math.abs(j - cj) === ring;
        for (let i = ci - ring; i <= ci + ring; i += whole || ring === 0 ? 1 : 2 * ring) {
          if (i < 0 || i >= side) continue;
          const c = j * side + i;
          for (let at = starts[c]; at < starts[c + 1]; at++) look(order[at]);
        }
      }
    }
  }

  /**
   * Nearest point to a page place within a reach; of equally near ones the last.
   * @param {Camera} camera @param {number} px @param {number} py @param {number} reach pixels
   * @returns {number} point or -1
   */
  nearest(camera, px, py, reach) {
    const { points } = this;
    let best = -1;
    let limit = reach * reach;
    const look = (/** @type {number} */ i) => {
      const dx = points[2 * i] * camera.kx + camera.ox - px;
      const dy = points[2 * i + 1] * camera.ky + camera.oy - py;
      const d = dx * dx + dy * dy;
      if (d < limit || (d === limit && i > best)) {
        limit = d;
        best = i;
      }
    };
    this.around(camera, px, py, look, () => Math.sqrt(limit));
    return best;
  }

  /**
   * Next point from a point in a direction, for the arrow keys: nearest by distance, sideways
   * counts twice; of equally near ones the first.
   * @param {Camera} camera @param {number} from
   * @param {number} dx @param {number} dy page direction, one of them ±1
   * @returns {number} point, or `from` if there is none
   */
  step(camera, from, dx, dy) {
    const { points } = this;
    const px = points[2 * from] * camera.kx + camera.ox;
    const py = points[2 * from + 1] * camera.ky + camera.oy;
    let best = from;
    let limit = Infinity;
    const look = (/** @type {number} */ i) => {
      const x = points[2 * i] * camera.kx + camera.ox - px;
      const y = points[2 * i + 1] * camera.ky + camera.oy - py;
      const along = x * dx + y * dy;
      const aside = Math.abs(x * dy) + Math.abs(y * dx);
      const cost = along + 2 * aside;
      if (along > 0.5 && aside <= 2 * along && (cost < limit || (cost === limit && i < best))) {
        limit = cost;
        best = i;
      }
    };
    // The cost of a step is never below its distance.
    this.around(camera, px, py, look, () => limit);
    return best;
  }

  /**
   * Points in a page rectangle, at most some.
   * @param {Camera} camera
   * @param {{ left: number, top: number, width: number, height: number }} area @param {number} most
   * @returns {number[] | null} ascending; null when there are more
   */
  within(camera, area, most) {
    const { points, side, starts, order } = this;
    const [x0, x1] = [area.left, area.left + area.width].map((x) => (x - camera.ox) / camera.kx);
    const [y1, y0] = [area.top, area.top + area.height].map((y) => (y - camera.oy) / camera.ky);
    const found = [];
    for (let j = this.line(y0); j <= this.line(y1); j++) {
      for (let c = j * side + this.column(x0); c <= j * side + this.column(x1); c++) {
        for (let at = starts[c]; at < starts[c + 1]; at++) {
          const i = order[at];
          const [x, y] = [points[2 * i], points[2 * i + 1]];
          if (x < x0 || x > x1 || y < y0 || y > y1) continue;
          if (found.length === most) return null;
          found.push(i);
        }
      }
    }
    return found.sort((a, b) => a - b);
  }
}

/**
 * Range of one coordinate without its rarest ends, of a part of the points: one outlier far away
 * must not put all others into one cell.
 * @param {Float32Array} points @param {number} axis 0: x, 1: y
 */
function spread(points, axis) {
  const n = points.length / 2;
  const stride = Math.max(1, Math.floor(n / SAMPLE));
  const some = [];
  for (let i = 0; i < n; i += stride) {
    const one = points[2 * i + axis];
    if (Number.isFinite(one)) some.push(one);
  }
  some.sort((a, b) => a - b);
  const cut = Math.floor(some.length * 0.005);
  return some.length ? [some[cut], some[some.length - 1 - cut]] : [0, 0];
}

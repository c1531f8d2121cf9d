// @ts-check
// Merges as a forest: places of leaves and branches, clusters below a cut, the branch under a pointer.

/**
 * @typedef {object} Forest Nodes 0 … n-1 are leaves (rows of the link), n + i is merge i.
 * @property {number} n leaves
 * @property {Int32Array} left child of a node, -1 for leaves
 * @property {Int32Array} right
 * @property {Int32Array} parent -1 for roots
 * @property {Float64Array} height 0 or the lowest merge for leaves
 * @property {Float64Array} x middle of a node in leaves from the left
 * @property {Uint32Array} first place of a node's first leaf in `order`
 * @property {Uint32Array} last one past its last
 * @property {Uint32Array} order leaves from left to right
 * @property {number[]} roots from left to right
 */

/**
 * @param {ArrayLike<number>} merges a, b, height, three numbers a merge
 * @param {number} n leaves
 * @returns {Forest}
 */
export function forest(merges, n) {
  const m = merges.length / 3;
  const total = n + m;
  const left = new Int32Array(total).fill(-1);
  const right = new Int32Array(total).fill(-1);
  const parent = new Int32Array(total).fill(-1);
  const height = new Float64Array(total);
  let least = 0;
  for (let i = 0; i < m; i++) {
    const [a, b] = [merges[3 * i], merges[3 * i + 1]];
    // Branches left of lone leaves: so clusters are numbered from left to right as SciPy numbers them.
    [left[n + i], right[n + i], height[n + i]] = a < n && b >= n ? [b, a, merges[3 * i + 2]] : [a, b, merges[3 * i + 2]];
    parent[left[n + i]] = parent[right[n + i]] = n + i;
    least = Math.min(least, height[n + i]);
  }
  height.fill(least, 0, n);
  const roots = [];
  for (let node = 0; node < total; node++) if (parent[node] < 0) roots.push(node);
  // Trees before lone leaves, each kind by its number: what was merged last comes first.
  roots.sort((a, b) => (a < n ? 1 : 0) - (b < n ? 1 : 0) || (a < n ? a - b : b - a));
  const order = new Uint32Array(n);
  const first = new Uint32Array(total);
  const last = new Uint32Array(total);
  let place = 0;
  // Left to right without recursion: a chain of 10,000 merges is as deep.
  const todo = [...roots].reverse();
  while (todo.length) {
    const node = /** @type {number} */ (todo.pop());
    if (node < n) {
      order[place] = node;
      first[node] = place++;
      last[node] = place;
    } else todo.push(right[node], left[node]);
  }
  const x = new Float64Array(total);
  for (let node = 0; node < total; node++) {
    // Children have smaller numbers, so they are ready.
    if (node >= n) {
      first[node] = Math.min(first[left[node]], first[right[node]]);
      last[node] = Math.max(last[left[node]], last[right[node]]);
    }
    x[node] = node < n ? first[node] + 0.5 : (x[left[node]] + x[right[node]]) / 2;
  }
  return { n, left, right, parent, height, x, first, last, order, roots };
}

/**
 * Highest nodes at or below a cut, from left to right; without a cut the roots.
 * @param {Forest} tree @param {number | null} cut
 * @returns {number[]}
 */
export function tops(tree, cut) {
  const found = [];
  const todo = [...tree.roots].reverse();
  while (todo.length) {
    const node = /** @type {number} */ (todo.pop());
    if (node < tree.n || cut === null || tree.height[node] <= cut) found.push(node);
    else todo.push(tree.right[node], tree.left[node]);
  }
  return found;
}

/**
 * Cuts that differ: below all merges, between neighbours, above all.
 * @param {Forest} tree
 * @returns {number[]} ascending
 */
export function cuts(tree) {
  const heights = [...new Set(tree.height.subarray(tree.n))].sort((a, b) => a - b);
  if (!heights.length) return [];
  const between = heights.slice(1).map((one, i) => (one + heights[i]) / 2);
  const edge = heights.length > 1 ? (heights[heights.length - 1] - heights[0]) / heights.length / 2 : Math.abs(heights[0]) / 10 || 1;
  return [heights[0] - edge, ...between, heights[heights.length - 1] + edge];
}

/**
 * The cut with one level of merges more or less below it.
 * @param {Forest} tree @param {number} from Infinity for none @param {number} by ±1
 */
export function nextCut(tree, from, by) {
  const every = cuts(tree);
  const below = new Set(tree.height.subarray(tree.n).filter((one) => one <= from)).size;
  return every[Math.min(every.length - 1, Math.max(0, below + by))];
}

/**
 * Branch whose lines are nearest to a page place.
 * @param {Forest} tree @param {number} px @param {number} py
 * @param {(x: number) => number} sx leaves to pixels @param {(height: number) => number} sy
 * @param {number} reach px
 * @returns {number} node, or -1
 */
export function branchAt(tree, px, py, sx, sy, reach) {
  let best = -1;
  let limit = reach;
  const within = (/** @type {number} */ value, /** @type {number} */ a, /** @type {number} */ b) =>
    Math.max(0, Math.min(a, b) - value, value - Math.max(a, b));
  for (let node = 0; node < tree.x.length; node++) {
    const x = sx(tree.x[node]);
    const y = sy(tree.height[node]);
    const up = tree.parent[node];
    // The line up to its parent belongs to the lower branch: a click there takes what hangs on it.
    let d = up < 0 ? Infinity : Math.hypot(px - x, within(py, y, sy(tree.height[up])));
    if (node >= tree.n) {
      d = Math.min(d, Math.hypot(py - y, within(px, sx(tree.x[tree.left[node]]), sx(tree.x[tree.right[node]]))));
    }
    if (d < limit) {
      limit = d;
      best = node;
    }
  }
  return best;
}

/**
 * Where the arrow keys go from a branch: up to its parent, down to its left child, aside to the
 * other child of its parent, or among leaves to the next leaf, among roots to the next tree.
 * @param {Forest} tree @param {number} node @param {"ArrowUp" | "ArrowDown" | "ArrowLeft" | "ArrowRight"} key
 */
export function step(tree, node, key) {
  const up = tree.parent[node];
  if (key === "ArrowUp") return up < 0 ? node : up;
  if (key === "ArrowDown") return tree.left[node] < 0 ? node : tree.left[node];
  const by = key === "ArrowRight" ? 1 : -1;
  if (node < tree.n) return tree.order[tree.first[node] + by] ?? node;
  if (up < 0) return tree.roots[tree.roots.indexOf(node) + by] ?? node;
  return by > 0 ? tree.right[up] : tree.left[up];
}

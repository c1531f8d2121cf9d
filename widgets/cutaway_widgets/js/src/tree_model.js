// @ts-check
// Nesting of dotted paths, as functions of the list of sites.

/**
 * @typedef {object} Site On the wire.
 * @property {string} path
 * @property {string} type
 * @property {number[]} shape
 * @property {string} layout
 * @property {number} parameters
 * @property {number} units
 * @property {boolean} pickable
 *
 * @typedef {object} Node
 * @property {string} path
 * @property {string} name last part of the path
 * @property {number} depth
 * @property {Site | null} site null for a module that is no site itself
 * @property {Node[]} children
 */

/**
 * Tree of the sites; parents that are no sites are filled in.
 * @param {Site[]} sites
 * @returns {Node[]}
 */
export function nest(sites) {
  /** @type {Node[]} */
  const roots = [];
  /** @type {Map<string, Node>} */
  const known = new Map();
  const node = (/** @type {string} */ path) => {
    const old = known.get(path);
    if (old) return old;
    const cut = path.lastIndexOf(".");
    const parent = cut < 0 ? null : node(path.slice(0, cut));
    /** @type {Node} */
    const fresh = {
      path,
      name: path === "" ? "(whole model)" : path.slice(cut + 1),
      depth: parent ? parent.depth + 1 : 0,
      site: null,
      children: [],
    };
    known.set(path, fresh);
    (parent ? parent.children : roots).push(fresh);
    return fresh;
  };
  for (const site of sites) node(site.path).site = site;
  return roots;
}

/**
 * Nodes from top to bottom, without what is inside closed ones.
 * @param {Node[]} nodes @param {Set<string>} closed
 * @returns {Node[]}
 */
export function flat(nodes, closed) {
  return nodes.flatMap((one) => [one, ...(closed.has(one.path) ? [] : flat(one.children, closed))]);
}

/**
 * Which nodes to close at first: in a large model all but the way to the picked sites.
 * @param {Node[]} nodes @param {string[]} picked @param {number} room lines that fit
 * @returns {Set<string>}
 */
export function folded(nodes, picked, room) {
  const every = flat(nodes, new Set());
  if (every.length <= room) return new Set();
  return new Set(
    every
      .filter((one) => one.children.length && !picked.some((path) => path.startsWith(`${one.path}.`)))
      .map((one) => one.path),
  );
}

/** @param {number[]} shape @returns {string} */
export const shapeText = (shape) => (shape.length ? shape.join(" × ") : "–");

/** @param {number} n @returns {string} short: 940, 61.7 k, 4.65 M */
export function size(n) {
  if (n < 1000) return String(n);
  const [value, letter] = n < 1e6 ? [n / 1e3, "k"] : n < 1e9 ? [n / 1e6, "M"] : [n / 1e9, "G"];
  return `${value.toPrecision(3)} ${letter}`;
}

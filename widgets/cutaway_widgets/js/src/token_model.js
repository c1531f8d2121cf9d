// @ts-check
// Tokens and blocks of text as functions of plain values.

const MARKS = /** @type {Record<string, string>} */ ({ " ": "␣", "\n": "⏎", "\r": "␍", "\t": "⇥", "\u00a0": "⍽" });
// Controls, and marks that would turn the direction of what follows: shown, never obeyed.
const HIDDEN = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/**
 * A token as it is drawn: blanks that stand alone and all line ends get a mark, hidden ones their
 * code point.
 * @param {string} token
 * @returns {{ text: string, breaks: number }} breaks: lines that end after it
 */
export function drawn(token) {
  if (token === "") return { text: "∅", breaks: 0 };
  const breaks = token.split("\n").length - 1;
  const alone = token.trim() === "" ? / |\u00a0/g : /(?!)/g;
  const text = token
    .replace(alone, (one) => MARKS[one])
    .replace(/[\n\r\t]/g, (one) => MARKS[one])
    .replace(HIDDEN, (one) => `⟨${one.codePointAt(0)?.toString(16).toUpperCase().padStart(4, "0")}⟩`);
  return { text, breaks };
}

/** Blocks of unequal height below each other, of which a window shows some. */
export class Stack {
  /** @param {number} n @param {(i: number) => number} guess height of a block not yet measured */
  constructor(n, guess) {
    this.heights = Float64Array.from({ length: n }, (_, i) => guess(i));
    this.tops = new Float64Array(n + 1);
    this.settle();
  }

  /** Add up the heights. */
  settle() {
    for (let i = 0; i < this.heights.length; i++) this.tops[i + 1] = this.tops[i] + this.heights[i];
  }

  /** @returns {number} height of all */
  get height() {
    return this.tops[this.heights.length];
  }

  /**
   * Blocks that a window shows.
   * @param {number} top @param {number} height
   * @returns {[number, number]} first, one past the last
   */
  inSight(top, height) {
    const n = this.heights.length;
    let [low, high] = [0, n];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.tops[middle + 1] <= top) low = middle + 1;
      else high = middle;
    }
    let last = low;
    while (last < n && this.tops[last] < top + height) last++;
    return [low, last];
  }

  /**
   * Put measured heights in place of guesses.
   * @param {Map<number, number>} measured
   * @param {number} top of the window
   * @returns {{ changed: boolean, shift: number }} shift: how far what lies at `top` moved
   */
  measure(measured, top) {
    const [anchor] = this.inSight(top, 1);
    const before = this.tops[anchor];
    let changed = false;
    for (const [i, height] of measured) {
      if (Math.abs(this.heights[i] - height) < 0.5) continue;
      this.heights[i] = height;
      changed = true;
    }
    if (changed) this.settle();
    return { changed, shift: this.tops[anchor] - before };
  }
}

/** Text that a position belongs to. @param {ArrayLike<number>} starts @param {number} position */
export function textOf(starts, position) {
  let [low, high] = [0, starts.length - 2];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (starts[middle] <= position) low = middle;
    else high = middle - 1;
  }
  return low;
}

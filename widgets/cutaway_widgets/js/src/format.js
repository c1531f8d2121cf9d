// @ts-check
// Numbers as people read them.

/**
 * Short text of a number: thousands separated, four digits, tiny and huge ones in powers of ten.
 * @param {number} value
 * @param {boolean} [whole]
 * @returns {string}
 */
export function number(value, whole = false) {
  if (Number.isNaN(value)) return "–";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  if (whole || (Number.isInteger(value) && Math.abs(value) < 1e15)) {
    return value.toLocaleString("en-US", { maximumFractionDigits: 0 }).replace("-", "−");
  }
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e6)) {
    const [head, power] = value.toExponential(2).split("e");
    return `${head}e${power.replace("+", "")}`.replaceAll("-", "−");
  }
  const digits = size >= 100 ? 1 : size >= 10 ? 2 : size >= 1 ? 3 : 4;
  return value.toFixed(digits).replace("-", "−");
}

/**
 * A number with its noun: 1 sample, 2 samples.
 * @param {number} n @param {string} noun
 */
export const counted = (n, noun) => `${number(n, true)} ${noun}${n === 1 ? "" : "s"}`;

/**
 * A row's name with what it is, unless it says so itself: "unit conv1:3", "layer 2".
 * @param {string} axis @param {string} name
 */
export const named = (axis, name) => (name.toLowerCase().startsWith(axis.toLowerCase()) ? name : `${axis} ${name}`);

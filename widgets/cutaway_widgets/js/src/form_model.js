// @ts-check
// What a form knows without a kernel: which texts are no value of a field.

/**
 * @typedef {object} Field
 * @property {string} name
 * @property {string} label
 * @property {"choice" | "check" | "whole" | "number" | "text" | "wholes"} kind
 * @property {string} help
 * @property {string} unit
 * @property {{ value: string, label: string }[]} options
 * @property {boolean} optional
 * @property {number | null} low
 * @property {number | null} high
 * @property {string | boolean} default
 */

const WHOLE = /^[+-]?\d+$/;
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/** @param {Field} field */
function span({ low, high }) {
  if (low !== null && high !== null) return ` from ${low} to ${high}`;
  if (low !== null) return `, ${low} or more`;
  return high !== null ? `, ${high} or less` : "";
}

/** @param {Field} field @param {number} value */
const outside = ({ low, high }, value) => (low !== null && value < low) || (high !== null && value > high);

/** What the field takes, in words. @param {Field} field */
export function expected(field) {
  if (field.kind === "whole") return `a whole number${span(field)}`;
  if (field.kind === "number") return `a number${span(field)}`;
  if (field.kind === "wholes") return "whole numbers with commas between them";
  if (field.kind === "choice") return `one of ${field.options.map((one) => one.label).join(", ")}`;
  return "a text";
}

/**
 * Why this text is no value of the field, with what to do; empty if it is one.
 * Python judges again: this only spares the way there.
 * @param {Field} field @param {string | boolean} raw
 */
export function problem(field, raw) {
  if (field.kind === "check") return "";
  const text = String(raw).trim();
  if (!text) {
    if (field.optional) return "";
    return `${field.name} must be ${expected(field)}, got nothing; fill it in${field.default ? `, e.g. ${field.default}` : ""}`;
  }
  const wrong = `${field.name} must be ${expected(field)}, got ${text}; `;
  const remedy = field.default === "" ? "correct it" : `e.g. ${field.default}`;
  if (field.kind === "whole" && !WHOLE.test(text)) return wrong + remedy;
  if (field.kind === "number" && !NUMBER.test(text)) return wrong + remedy;
  if (field.kind === "wholes" && !text.split(",").every((one) => WHOLE.test(one.trim()))) return wrong + remedy;
  if (field.kind === "choice" && !field.options.some((one) => one.value === text)) return `${wrong}choose one of these`;
  if (["whole", "number"].includes(field.kind) && outside(field, Number(text))) return wrong + remedy;
  return "";
}

/**
 * Problems by field name; without those that are fine.
 * @param {Field[]} fields @param {Record<string, string | boolean>} values
 */
export function problems(fields, values) {
  return Object.fromEntries(
    fields.map((one) => [one.name, problem(one, values[one.name] ?? "")]).filter(([, text]) => text),
  );
}

/** Values to start from. @param {Field[]} fields */
export const defaults = (fields) => Object.fromEntries(fields.map((one) => [one.name, one.default]));

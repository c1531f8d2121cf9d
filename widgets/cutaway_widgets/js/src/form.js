// @ts-check
// Labelled fields with help and an error at each; Enter or the button submits.
import { h, shell } from "./dom.js";
import { defaults, problem, problems } from "./form_model.js";
import { behind, watch } from "./wire.js";

/** @typedef {import("./form_model.js").Field} Field */

/** @param {{ model: import("./wire.js").Model, el: HTMLElement, signal: AbortSignal }} context */
export async function form({ model, el, signal }) {
  const view = shell({ model, el, signal }, { kind: "form", label: "Settings", saves: false });
  const serial = Math.random().toString(36).slice(2, 8);
  const list = h("div", { class: "cw-fields" });
  const note = h("span", { class: "cw-note", role: "status" });
  const submit = h("button", { class: "cw-button cw-primary", type: "submit" });
  const reset = h("button", { class: "cw-button", type: "button", title: "Put every field back to its default" }, "Reset");
  const root = h("form", { novalidate: true, autocomplete: "off" }, list, h("div", { class: "cw-row" }, submit, reset, note));
  view.body.append(root);
  /** @type {Record<string, { row: HTMLElement, input: any, error: HTMLElement }>} */
  let parts = {};

  /** @returns {Field[]} */
  const fields = () => model.get("_fields") ?? [];
  const values = () => ({ ...defaults(fields()), ...model.get("_values") });
  /** @param {Record<string, any>} state */
  const send = (state) => {
    for (const [name, value] of Object.entries(state)) model.set(name, value);
    model.save_changes();
  };
  /** @param {Field} field */
  const read = (field) => {
    const { input } = parts[field.name];
    return field.kind === "check" ? input.checked : input.value;
  };
  const gather = () => Object.fromEntries(fields().map((one) => [one.name, read(one)]));

  /** @param {Field} field */
  const changed = (field) => {
    const errors = { ...model.get("_errors") };
    const text = problem(field, read(field));
    if (text) errors[field.name] = text;
    else delete errors[field.name];
    send({ _values: gather(), _errors: errors });
  };

  // While typing an error only goes: one that came would move the buttons away from the pointer,
  // and so would one that went when the field is left for them.
  /** @param {Field} field */
  const typed = (field) => {
    if (!model.get("_errors")?.[field.name] || problem(field, read(field))) return;
    const { [field.name]: _gone, ...left } = model.get("_errors");
    send({ _values: gather(), _errors: left });
  };

  /** @param {Field} field */
  const control = (field) => {
    const id = `cw-${serial}-${field.name}`;
    const common = {
      id,
      name: field.name,
      "aria-describedby": `${id}-help ${id}-error`,
      onchange: () => changed(field),
      oninput: () => typed(field),
    };
    if (field.kind === "choice") {
      const options = field.options.map((one) => h("option", { value: one.value }, one.label));
      return h("select", common, ...(field.optional ? [h("option", { value: "" }, "–")] : []), ...options);
    }
    if (field.kind === "check") return h("input", { ...common, type: "checkbox" });
    const numeric = ["whole", "number"].includes(field.kind);
    return h("input", {
      ...common,
      type: "text",
      inputmode: numeric ? "decimal" : "text",
      spellcheck: "false",
      placeholder: field.optional ? "none" : "",
    });
  };
  const build = () => {
    parts = {};
    list.replaceChildren(
      ...fields().map((field) => {
        const input = control(field);
        const error = h("div", { class: "cw-error", id: `${input.id}-error`, role: "alert", hidden: true });
        const label = h("label", { for: input.id }, field.label || field.name);
        const unit = h("span", { class: "cw-unit", hidden: !field.unit }, field.unit);
        const row = h(
          "div",
          { class: `cw-field cw-field-${field.kind}` },
          label,
          h("span", { class: "cw-control" }, input, unit),
          h("div", { class: "cw-help", id: `${input.id}-help`, hidden: !field.help }, field.help),
          error,
        );
        parts[field.name] = { row, input, error };
        return row;
      }),
    );
    fill();
    judge();
  };
  const fill = () => {
    const now = values();
    for (const field of fields()) {
      const { input } = parts[field.name] ?? {};
      if (!input) continue;
      if (field.kind === "check") input.checked = Boolean(now[field.name]);
      else if (input.value !== String(now[field.name] ?? "")) input.value = String(now[field.name] ?? "");
    }
    const same = fields().every((one) => String(now[one.name]) === String(one.default));
    reset.hidden = same;
  };
  const judge = () => {
    const errors = model.get("_errors") ?? {};
    for (const [name, { row, input, error }] of Object.entries(parts)) {
      error.textContent = errors[name] ?? "";
      error.hidden = !errors[name];
      row.classList.toggle("cw-bad", Boolean(errors[name]));
      input.setAttribute("aria-invalid", String(Boolean(errors[name])));
    }
  };
  const state = () => {
    submit.textContent = model.get("submit");
    submit.hidden = !model.get("submit");
    submit.disabled = Boolean(model.get("busy"));
    note.textContent = model.get("note") ?? "";
  };

  root.addEventListener("submit", (/** @type {Event} */ event) => {
    event.preventDefault();
    event.stopPropagation();
    if (submit.disabled) return;
    const now = gather();
    const found = problems(fields(), now);
    if (Object.keys(found).length) {
      send({ _values: now, _errors: found });
      parts[Object.keys(found)[0]].input.focus();
      return;
    }
    const sent = { _values: now, _errors: {}, _submits: model.get("_submits") + 1 };
    const refs = model.get("_beside") ?? {};
    // One message holds all that this click is about: hosts may bring those of two models in another order.
    Promise.all(Object.entries(refs).map(async ([name, [ref, trait]]) => [name, (await behind(model, ref, name)).get(trait)]))
      .then((found) => send({ ...sent, _seen: Object.fromEntries(found) }));
  }, { signal });
  // A notebook would take Enter and letters for its own commands.
  root.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => event.stopPropagation(), { signal });
  reset.addEventListener("click", () => send({ _values: defaults(fields()), _errors: {} }), { signal });

  watch(model, ["_fields"], build, signal);
  watch(model, ["_values"], fill, signal);
  watch(model, ["_errors"], judge, signal);
  watch(model, ["submit", "busy", "note"], state, signal);
  build();
  state();
}

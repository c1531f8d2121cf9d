// @ts-check
// What arrives from the kernel or a page: bytes in any form, typed arrays, models by reference.

/**
 * The part of a widget model that views use.
 * @typedef {object} Model
 * @property {(name: string) => any} get
 * @property {(name: string, value: any) => void} set
 * @property {(names: string, fn: (...args: any[]) => void) => void} on
 * @property {(names: string, fn: (...args: any[]) => void) => void} off
 * @property {() => void} save_changes
 * @property {{ get_model: (id: string) => Promise<Model> }} [widget_manager]
 *
 * @typedef {object} Wired Array on the wire.
 * @property {string} dtype
 * @property {number[]} shape
 * @property {DataView | ArrayBuffer | ArrayBufferView} data
 */

const KINDS = {
  f4: Float32Array,
  f8: Float64Array,
  i4: Int32Array,
  u4: Uint32Array,
  u2: Uint16Array,
  u1: Uint8Array,
};

/**
 * Bytes of any buffer form; hosts hand over DataView, ArrayBuffer or typed arrays.
 * @param {any} value
 * @returns {Uint8Array}
 */
export function bytes(value) {
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  if (ArrayBuffer.isView(value)) {
    return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  }
  return new Uint8Array(0);
}

/**
 * Typed array of a wired array. Copied: the bytes may start at an odd offset.
 * @param {Wired | null | undefined} wired
 * @returns {any}
 */
export function typed(wired) {
  if (!wired || !wired.dtype) return new Float32Array(0);
  const Kind = KINDS[/** @type {keyof typeof KINDS} */ (wired.dtype)];
  return new Kind(bytes(wired.data).slice().buffer);
}

/**
 * The model behind a reference such as "IPY_MODEL_<id>".
 * @param {Model} model
 * @param {string} name
 * @returns {Promise<Model>}
 */
export async function resolve(model, name) {
  return behind(model, model.get(name), name);
}

/**
 * The model behind a reference that lies inside another trait.
 * @param {Model} model whose host resolves it @param {any} ref @param {string} name for the error
 * @returns {Promise<Model>}
 */
export async function behind(model, ref, name) {
  const id = String(ref).replace(/^(IPY_MODEL_|anywidget:)/, "");
  if (!model.widget_manager) throw new Error(`${name} must resolve, but this host has no manager`);
  return model.widget_manager.get_model(id);
}

/**
 * Calls `draw` once in the next frame, however often it is asked.
 * @param {() => void} draw
 * @param {AbortSignal} signal
 */
export function frame(draw, signal) {
  let asked = 0;
  signal.addEventListener("abort", () => cancelAnimationFrame(asked));
  return () => {
    if (asked || signal.aborted) return;
    asked = requestAnimationFrame(() => {
      asked = 0;
      draw();
    });
  };
}

/**
 * Listens until the signal aborts. Shared models come unproxied, so nobody else unsubscribes.
 * @param {Model} model
 * @param {string[]} names
 * @param {() => void} fn
 * @param {AbortSignal} signal
 */
export function watch(model, names, fn, signal) {
  for (const name of names) model.on(`change:${name}`, fn);
  signal.addEventListener("abort", () => {
    for (const name of names) model.off(`change:${name}`, fn);
  });
}

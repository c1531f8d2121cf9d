// @ts-check
// WebGL2 contexts: whether one is to be had, programs, textures of numbers.

const MOST = 12; // browsers drop the oldest of about 16 contexts without a word
const SOFTWARE = /swiftshader|llvmpipe|software|basic render/i;

let live = 0;

/**
 * A context of this canvas, or null: no WebGL2, too many contexts on the page, or (unless forced)
 * one that is computed by the processor, where writing pixels ourselves is many times faster.
 * @param {HTMLCanvasElement} el @param {boolean} forced @param {AbortSignal} signal frees it
 * @returns {WebGL2RenderingContext | null}
 */
export function context(el, forced, signal) {
  if (live >= MOST || signal.aborted) return null;
  const gl = el.getContext("webgl2", {
    alpha: true,
    antialias: false, // the points have soft edges of their own
    depth: true,
    premultipliedAlpha: true,
    preserveDrawingBuffer: true, // pictures of the page are taken at any time
  });
  if (!gl) return null;
  const leave = () => gl.getExtension("WEBGL_lose_context")?.loseContext();
  if (!forced && software(gl)) {
    leave();
    return null;
  }
  live += 1;
  signal.addEventListener("abort", () => {
    live -= 1;
    leave();
  });
  return gl;
}

/** @param {WebGL2RenderingContext} gl */
function software(gl) {
  const names = gl.getExtension("WEBGL_debug_renderer_info");
  const renderer = gl.getParameter(names ? names.UNMASKED_RENDERER_WEBGL : gl.RENDERER);
  return SOFTWARE.test(String(renderer));
}

/**
 * @param {WebGL2RenderingContext} gl @param {string} vertex @param {string} fragment sources
 * @returns {WebGLProgram}
 */
export function program(gl, vertex, fragment) {
  const made = /** @type {WebGLProgram} */ (gl.createProgram());
  for (const [kind, source] of /** @type {[number, string][]} */ ([[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]])) {
    const shader = /** @type {WebGLShader} */ (gl.createShader(kind));
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(made, shader);
  }
  gl.linkProgram(made);
  if (!gl.getProgramParameter(made, gl.LINK_STATUS) && !gl.isContextLost()) {
    throw new Error(`points cannot be drawn: ${gl.getProgramInfoLog(made)}`);
  }
  return made;
}

/**
 * A texture read number by number.
 * @param {WebGL2RenderingContext} gl @param {number} unit
 * @returns {WebGLTexture}
 */
export function texture(gl, unit) {
  const made = /** @type {WebGLTexture} */ (gl.createTexture());
  gl.activeTexture(gl.TEXTURE0 + unit);
  gl.bindTexture(gl.TEXTURE_2D, made);
  for (const name of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(gl.TEXTURE_2D, name, gl.NEAREST);
  for (const name of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) gl.texParameteri(gl.TEXTURE_2D, name, gl.CLAMP_TO_EDGE);
  gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
  return made;
}

// @ts-check
// Points drawn by the graphics processor: one buffer of places, one of colours' places in a palette,
// the selection as bits in a texture. Only what changed is sent again.
import { program, texture } from "./gl.js";
import { FAINT, FULL, rgb, rimOf } from "./cloud.js";

const WIDE = 4096; // texels of a row of the selection's texture
const PALETTE = 256; // texels of a row of the palette's
const FAR = 3e38; // where points without a place go: clipped by any camera

const VERTEX = `#version 300 es
precision highp float;
precision highp int;
layout(location = 0) in vec2 place;
layout(location = 1) in uint color;
uniform vec2 centre;
uniform vec2 scale;
uniform float size;
uniform float faint;
uniform bool dim;
uniform vec3 rims[2];
uniform highp usampler2D bits;
uniform highp sampler2D palette;
flat out vec4 ink;
flat out vec3 rim;
flat out float thick;
uniform vec2 thicks;
uniform float full;
void main() {
  int i = gl_VertexID;
  uint eight = texelFetch(bits, ivec2((i >> 3) & 4095, i >> 15), 0).r;
  bool picked = dim && ((eight >> uint(i & 7)) & 1u) == 1u;
  // Selected points lie in front, so that faint ones never cover them.
  gl_Position = vec4((place - centre) * scale, dim && !picked ? 0.5 : 0.0, 1.0);
  gl_PointSize = size;
  int k = int(color);
  ink = vec4(texelFetch(palette, ivec2(k & 255, k >> 8), 0).rgb, dim && !picked ? faint : full);
  rim = rims[picked ? 1 : 0];
  thick = picked ? thicks.y : thicks.x;
}`;

const FRAGMENT = `#version 300 es
precision highp float;
flat in vec4 ink;
flat in vec3 rim;
flat in float thick;
uniform float size;
uniform float radius;
out vec4 pixel;
void main() {
  float d = length(gl_PointCoord - 0.5) * size;
  float whole = clamp(radius + thick / 2.0 + 0.5 - d, 0.0, 1.0);
  if (whole <= 0.0) discard;
  float inner = min(whole, clamp(radius - thick / 2.0 + 0.5 - d, 0.0, 1.0));
  float alpha = whole * ink.a;
  pixel = vec4(mix(rim, ink.rgb, inner / whole) * alpha, alpha);
}`;

/** @typedef {import("./cloud.js").Cloud} Cloud */

/** What is kept on the graphics processor for one scatter. */
export class GlPoints {
  /** @param {WebGL2RenderingContext} gl */
  constructor(gl) {
    this.gl = gl;
    this.kept = keep(gl);
  }

  /** Make everything again: a lost context came back empty. */
  start() {
    this.kept = keep(this.gl);
  }

  /** Nothing drawn. */
  wipe() {
    const { gl } = this;
    gl.disable(gl.SCISSOR_TEST);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
  }

  /** @param {Cloud} cloud */
  send(cloud) {
    const { gl } = this;
    const { places, colors, sent } = this.kept;
    if (sent.points !== cloud.points) {
      gl.bindBuffer(gl.ARRAY_BUFFER, places);
      gl.bufferData(gl.ARRAY_BUFFER, finite(cloud.points), gl.STATIC_DRAW);
    }
    if (sent.places !== cloud.places) {
      gl.bindBuffer(gl.ARRAY_BUFFER, colors);
      gl.bufferData(gl.ARRAY_BUFFER, cloud.places, gl.STATIC_DRAW);
    }
    if (sent.palette !== cloud.palette) this.sendPalette(cloud.palette);
    if (sent.stamp !== cloud.stamp) this.sendBits(cloud.mask);
    this.kept.sent = { ...cloud };
  }

  /** @param {string[]} palette */
  sendPalette(palette) {
    const { gl } = this;
    const lines = Math.ceil(palette.length / PALETTE);
    const texels = new Uint8Array(4 * PALETTE * lines).fill(255);
    palette.forEach((css, k) => texels.set(rgb(css), 4 * k));
    gl.activeTexture(gl.TEXTURE1);
    gl.bindTexture(gl.TEXTURE_2D, this.kept.palette);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, PALETTE, lines, 0, gl.RGBA, gl.UNSIGNED_BYTE, texels);
  }

  /** @param {import("./mask.js").Mask} bits */
  sendBits(bits) {
    const { gl } = this;
    const lines = Math.max(1, Math.ceil(bits.length / WIDE));
    const texels = new Uint8Array(WIDE * lines);
    texels.set(bits);
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D, this.kept.bits);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.R8UI, WIDE, lines, 0, gl.RED_INTEGER, gl.UNSIGNED_BYTE, texels);
  }

  /**
   * @param {Cloud} cloud @param {import("./geometry.js").Camera} camera
   * @param {import("./cloud.js").Area} area
   * @param {{ ground: string, text: string }} shades
   * @param {{ width: number, height: number, ratio: number }} page CSS size, device pixels in one
   */
  draw(cloud, camera, area, shades, { width, height, ratio }) {
    const { gl, kept } = this;
    this.send(cloud);
    const at = (/** @type {string} */ name) => gl.getUniformLocation(kept.program, name);
    const radius = cloud.radius * ratio;
    const [plain, picked] = rimOf(cloud.radius).map((one) => one * ratio);
    const size = 2 * Math.ceil(radius + Math.max(plain, picked) / 2 + 0.5) + 1;
    gl.viewport(0, 0, gl.canvas.width, gl.canvas.height);
    this.wipe();
    gl.enable(gl.SCISSOR_TEST);
    const low = height - area.top - area.height;
    const device = (/** @type {number} */ one) => Math.round(one * ratio);
    gl.scissor(device(area.left), device(low), device(area.width), device(area.height));
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    gl.enable(gl.DEPTH_TEST);
    gl.depthFunc(gl.LEQUAL);
    gl.useProgram(kept.program);
    gl.uniform2f(at("centre"), (width / 2 - camera.ox) / camera.kx, (height / 2 - camera.oy) / camera.ky);
    gl.uniform2f(at("scale"), (2 * camera.kx) / width, (-2 * camera.ky) / height);
    gl.uniform1f(at("size"), size);
    gl.uniform1f(at("radius"), radius);
    gl.uniform1f(at("faint"), FAINT);
    gl.uniform1f(at("full"), FULL);
    gl.uniform2f(at("thicks"), plain, picked);
    gl.uniform1i(at("dim"), Number(cloud.dim));
    gl.uniform3fv(at("rims[0]"), [...rgb(shades.ground), ...(cloud.dim ? rgb(shades.text) : rgb(shades.ground))].map((one) => one / 255));
    gl.uniform1i(at("bits"), 0);
    gl.uniform1i(at("palette"), 1);
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D, kept.bits);
    gl.activeTexture(gl.TEXTURE1);
    gl.bindTexture(gl.TEXTURE_2D, kept.palette);
    gl.enableVertexAttribArray(0);
    gl.bindBuffer(gl.ARRAY_BUFFER, kept.places);
    gl.vertexAttribPointer(0, 2, gl.FLOAT, false, 0, 0);
    gl.enableVertexAttribArray(1);
    gl.bindBuffer(gl.ARRAY_BUFFER, kept.colors);
    gl.vertexAttribIPointer(1, 1, gl.UNSIGNED_SHORT, 0, 0);
    gl.drawArrays(gl.POINTS, 0, cloud.points.length / 2);
  }
}

/** @param {WebGL2RenderingContext} gl */
function keep(gl) {
  return {
    program: program(gl, VERTEX, FRAGMENT),
    places: gl.createBuffer(),
    colors: gl.createBuffer(),
    bits: texture(gl, 0),
    palette: texture(gl, 1),
    /** @type {Partial<Cloud>} what was sent last */
    sent: {},
  };
}

/** Same points, those without a place out of any camera's sight. @param {Float32Array} points */
function finite(points) {
  let whole = true;
  for (let i = 0; whole && i < points.length; i++) whole = points[i] === points[i];
  return whole ? points : points.map((one) => (Number.isNaN(one) ? FAR : one));
}

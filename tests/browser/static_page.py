"""Pages of real views on fake models: the bundle as shipped, no kernel, no network."""

import base64
import json
import os
from pathlib import Path

import ipywidgets

from cutaway_widgets._code import STATIC

SITE = "http://cutaway.test"
LINKS = ("link", "row_link", "position_link", "unit_link", "step_link")
ARTIFACTS = Path(__file__).parents[1] / "artifacts"

SHELL = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>views</title>
<link rel="icon" href="data:,"><link rel="stylesheet" href="/cutaway.css">
<style>body{margin:0;padding:8px;background:%(ground)s;display:grid;gap:8px;
grid-template-columns:%(columns)s}</style></head><body>
<script type="module" src="/page.js"></script></body></html>"""

# The part of a host that views rely on: a model with get/set/on/off and a manager.
PAGE = """
import bundle from "/cutaway.js";
const decode = (value) => {
  if (Array.isArray(value)) return value.map(decode);
  if (value && typeof value === "object") {
    if ("$bytes" in value) {
      const text = atob(value.$bytes);
      return new DataView(Uint8Array.from(text, (c) => c.charCodeAt(0)).buffer);
    }
    return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, decode(v)]));
  }
  return value;
};
class Model {
  constructor(state, manager) {
    this.state = state; this.listeners = []; this.saved = 0; this.widget_manager = manager;
  }
  get(name) { return this.state[name]; }
  set(name, value) {
    if (this.state[name] === value) return;
    this.state[name] = value;
    for (const [event, fn] of [...this.listeners]) if (event === `change:${name}`) fn();
  }
  on(event, fn) { this.listeners.push([event, fn]); }
  off(event, fn) { this.listeners = this.listeners.filter(([e, f]) => e !== event || f !== fn); }
  save_changes() { this.saved += 1; }
}
const { models, shown } = await (await fetch("/state.json")).json();
const manager = { get_model: async (id) => window.models[id] };
window.models = Object.fromEntries(
  Object.entries(models).map(([id, state]) => [id, new Model(decode(state), manager)]));
const api = bundle.initialize();
window.api = api;
window.ends = [];
for (const id of shown) {
  const el = document.createElement("div");
  el.id = `view-${id}`;
  el.style.minWidth = "0";
  document.body.append(el);
  window.ends.push(await api.render({ model: window.models[id], el }));
}
window.bits = (id) => {
  const view = window.models[id].state._mask;
  const found = [];
  for (let i = 0; i < 8 * view.byteLength; i++) {
    if ((view.getUint8(i >> 3) >> (i & 7)) & 1) found.push(i);
  }
  return found;
};
document.body.dataset.ready = "yes";
"""


def encode(value):
    """State as JSON, bytes as base64."""
    if isinstance(value, bytes | memoryview | bytearray):
        return {"$bytes": base64.b64encode(bytes(value)).decode()}
    if isinstance(value, dict):
        return {name: encode(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [encode(one) for one in value]
    return value


def open_views(browser, views, *, dark=False, width=900, height=900, columns="1fr"):
    """Page with these views; ``page.strays`` lists requests and errors that must not be."""
    shown = [one.model_id for one in views]
    held = (getattr(one, name, None) for one in views for name in LINKS)
    links = {one.model_id: one for one in held if one is not None}
    everything = {**{one.model_id: one for one in views}, **links}
    models = {
        model_id: {
            name: encode(value)
            for name, value in one.get_state().items()
            if name not in {"_esm", "_css"}
        }
        for model_id, one in everything.items()
    }
    files = {
        "/": ("text/html", SHELL % {"ground": "#111" if dark else "#fff", "columns": columns}),
        "/page.js": ("text/javascript", PAGE),
        "/state.json": ("application/json", json.dumps({"models": models, "shown": shown})),
        "/cutaway.js": ("text/javascript", (STATIC / "cutaway.js").read_text()),
        "/cutaway.css": ("text/css", (STATIC / "cutaway.css").read_text()),
    }
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light"
    )
    page = context.new_page()
    strays: list[str] = []

    def serve(route):
        path = route.request.url.removeprefix(SITE)
        if route.request.url.startswith(SITE) and path in files:
            kind, body = files[path]
            route.fulfill(content_type=kind, body=body)
        else:
            strays.append(route.request.url)
            route.abort()

    page.route(lambda url: not url.startswith(("data:", "blob:")), serve)
    page.on("pageerror", lambda error: strays.append(str(error)))
    page.on("console", lambda one: strays.append(one.text) if one.type == "error" else None)
    page.strays = strays
    page.goto(f"{SITE}/")
    page.locator("body[data-ready=yes]").wait_for()
    return page


# Views draw once a frame: what changed is drawn in the next one, pictures once they are decoded.
DRAWN = """async (frames) => {
  await Promise.all([...document.images].map((one) => one.decode().catch(() => {})));
  for (let k = 0; k < frames; k++) await new Promise((done) => requestAnimationFrame(done));
  await new Promise((done) => setTimeout(done));
}"""


def drawn(page, frames=4):
    """Wait until the page has drawn what has changed."""
    page.evaluate(DRAWN, frames)


def snapshot(page, name):
    """Picture of the page among the test artifacts, for a person to look at; if asked for."""
    if not os.environ.get("CUTAWAY_SCREENSHOTS"):
        return
    ARTIFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTIFACTS / f"{name}.png", full_page=True)


def of(page, view: ipywidgets.Widget):
    """Locator of one view on the page."""
    return page.locator(f"#view-{view.model_id}")


def take_away(page):
    """Take all views off the page; nothing of them may go on listening."""
    page.evaluate("() => window.ends.forEach((end) => end())")
    left = page.evaluate("() => Object.values(window.models).map((m) => m.listeners.length)")
    assert set(left) == {0}

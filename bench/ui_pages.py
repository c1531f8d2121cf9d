"""Notebooks of the view benchmark: the same points in our views, jupyter-scatter and plotly."""

import json
from pathlib import Path

# The first lines of every page: when the kernel was up, and the same data for all.
DATA = """
import time
born = time.time()
import ipywidgets, numpy as np
from IPython.display import display
n = {n}
rng = np.random.default_rng(0)
kind = rng.integers(0, 10, n)
turn = 2 * np.pi * kind / 10
points = rng.normal(0, 0.35, (n, 2)) + 1.6 * np.c_[np.cos(turn), np.sin(turn)]
points = points.astype(np.float32)
loss = rng.gamma(1.0, 0.4, n).astype(np.float32)
heard = ipywidgets.HTML()
times = 0
def hear(count):
    global times
    times += 1
    heard.value = f'<span class="bench-heard" data-born="{{born}}">{{count}} {{times}}</span>'
hear(0)
"""

OURS = """
import io
from types import SimpleNamespace
from PIL import Image
import cutaway_widgets as cw
from cutaway.core import Index
pictures = None
if n <= 1_000_000:
    side, columns = 4, 1000
    pixels = np.zeros((-(-n // columns) * side, columns * side, 3), np.uint8)
    for k in range(3):
        shade = np.zeros(pixels.shape[0] // side * columns, np.uint8)
        shade[:n] = (kind * (20 + 2 * k)).astype(np.uint8)
        pixels[..., k] = shade.reshape(-1, columns).repeat(side, 0).repeat(side, 1)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=1)
    pictures = SimpleNamespace(pages=(file.getvalue(),), n=n, columns=columns, tile=(side, side),
                               per_page=pixels.shape[0] // side * columns)
link = cw.Link(Index.count(n), thumbnails=pictures)
link.on_selection(lambda chosen: hear(len(chosen) if chosen else 0))
first = cw.Scatter(points, link=link, colors={{"kind": kind}}, height=420)
second = cw.Scatter(points[:, ::-1], link=link, colors={{"loss": loss}}, height=420)
rest = [cw.Histogram(loss, link=link, name="loss"), cw.ImageGrid(link=link, mode="selected")]
if n > 1_000_000:
    second, rest = rest[0], []
box = ipywidgets.GridBox([first, second, *rest],
                         layout=ipywidgets.Layout(grid_template_columns="1fr 1fr"))
display(box, heard)
"""

JSCATTER = """
import jscatter, pandas as pd
frame = pd.DataFrame({{"x": points[:, 0], "y": points[:, 1], "kind": pd.Categorical(kind),
                      "loss": loss}})
first = jscatter.Scatter(data=frame, x="x", y="y", color_by="kind", height=420)
second = jscatter.Scatter(data=frame, x="y", y="x", color_by="loss", height=420)
for one in (first, second):
    one.mouse("lasso")
first.widget.observe(lambda change: hear(len(change["new"])), "selection")
display(jscatter.compose([first, second], sync_selection=True, rows=1, row_height=420), heard)
"""

PLOTLY = """
import plotly.graph_objects as go
def figure(x, y, color):
    trace = go.Scattergl(x=x, y=y, mode="markers", marker=dict(size=3, color=color))
    return go.FigureWidget([trace], dict(height=420, dragmode="lasso", hovermode="closest"))
first = figure(points[:, 0], points[:, 1], kind)
second = figure(points[:, 1], points[:, 0], loss)
third = go.FigureWidget([go.Histogram(x=loss, nbinsx=40)], dict(height=420))
def follow(trace, chosen, state):
    hear(len(chosen.point_inds))
    second.data[0].selectedpoints = chosen.point_inds
    third.data[0].selectedpoints = chosen.point_inds
first.data[0].on_selection(follow)
first.data[0].on_click(lambda trace, chosen, state: hear(len(chosen.point_inds)))
display(ipywidgets.GridBox([first, second, third],
                           layout=ipywidgets.Layout(grid_template_columns="1fr 1fr")), heard)
"""

KINDS = {"Cutaway": OURS, "jupyter-scatter": JSCATTER, "plotly": PLOTLY}
# What to drag on: the first scatter of each page.
TARGETS = {
    "Cutaway": "section.cw-scatter canvas.cw-over",
    "jupyter-scatter": ".widget-output canvas, .jp-OutputArea canvas",
    "plotly": ".js-plotly-plot .nsewdrag",
}

# Counts as drawing: any call that puts something on a canvas, of whatever library.
TRACKER = """
(() => {
  const m = window.bench = { up: 0, last: 0, frames: [], python: 0, loaded: 0 };
  const mark = () => { m.last = performance.now(); };
  const wrap = (kind, names) => names.forEach((name) => {
    const own = kind.prototype[name];
    if (own) kind.prototype[name] = function (...rest) { mark(); return own.apply(this, rest); };
  });
  const gl = ["drawArrays", "drawElements", "drawArraysInstanced", "drawElementsInstanced"];
  wrap(WebGLRenderingContext, gl);
  wrap(WebGL2RenderingContext, gl);
  wrap(CanvasRenderingContext2D, ["putImageData", "drawImage", "fillRect", "stroke", "fill"]);
  addEventListener("pointerup", () => { m.up ||= performance.now(); }, true);
  const tick = () => {
    if (m.up && m.frames.length < 4000) m.frames.push(performance.now());
    requestAnimationFrame(tick);
  };
  requestAnimationFrame(tick);
  m.arm = () => { m.up = m.last = m.python = 0; m.frames = []; };
  m.said = () => document.querySelector(".bench-heard")?.textContent ?? "";
  addEventListener("DOMContentLoaded", () => {
    let old = "";
    new MutationObserver(() => {
      if (m.said() !== old) { old = m.said(); m.python = performance.now(); }
    }).observe(document.body, { subtree: true, childList: true, characterData: true });
  });
})();
"""


def notebook(folder: Path, kind: str, n: int) -> Path:
    """A notebook of one page."""
    source = (DATA + KINDS[kind]).format(n=n)
    cell = {"cell_type": "code", "id": "a", "metadata": {}, "source": source, "outputs": [],
            "execution_count": None}  # fmt: skip
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    path = folder / f"{kind}-{n}.ipynb"
    whole = {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {"kernelspec": kernel},
        "cells": [cell],
    }
    path.write_text(json.dumps(whole), encoding="utf-8")
    return path

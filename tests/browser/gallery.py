"""One of every view: on a link of samples, and beside each other on one page."""

import io
import sys
from pathlib import Path
from types import SimpleNamespace

import ipywidgets
import numpy as np
import pandas as pd
from PIL import Image

import cutaway_widgets as cw
from cutaway.core import Index
from cutaway.data import load_data
from cutaway.model.card import CostCard

sys.path.append(str(Path(__file__).parents[1] / "widgets"))
from attributed import attributed

N, SIDE = 60, 12
KINDS = ("cat", "dog", "owl")
CARD = CostCard(
    model="net", data="planted", n=1000, batch_size=256, sites=("", "conv1", "conv2", "fc"),
    shapes=((10,), (6, 28, 28), (16, 10, 10), (120,)), dtype="float32",
    sizes=(40_000, 18_816_000, 6_400_000, 480_000), limit=100_000_000, free=5_000_000_000,
    seconds=1.23, where="acts", parameters=(61_706, 156, 2416, 48_120),
    macs=(416_520, 117_600, 240_000, 48_000),
)  # fmt: skip
SITES = [
    SimpleNamespace(path=path, type=kind, shape=(4, 5, 5), layout="n c h w",
                    n_parameters=9, n_units=4)
    for path, kind in (("net", "Sequential"), ("net.conv1", "Conv2d"))
]  # fmt: skip


def planted_atlas(n=N, columns=16):
    """Tile i is filled with the colour (i, 255 - i, 40): which tile is drawn can be read back."""
    rows = -(-n // columns)
    pixels = np.zeros((rows * SIDE, columns * SIDE, 3), np.uint8)
    for i in range(n):
        y, x = divmod(i, columns)
        pixels[y * SIDE : (y + 1) * SIDE, x * SIDE : (x + 1) * SIDE] = (i % 256, 255 - i % 256, 40)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return SimpleNamespace(
        pages=(file.getvalue(),), n=n, columns=columns, tile=(SIDE, SIDE), per_page=rows * columns
    )


def samples():
    """A link of the planted samples."""
    return cw.Link(Index.count(N), thumbnails=planted_atlas())


def draw():
    """Numbers that are the same at each call, whatever was made before."""
    return np.random.default_rng(0)


def frame():
    return pd.DataFrame({"name": [f"s{i}" for i in range(N)], "loss": draw().gamma(1, 1, N)})


def scatter(link):
    points = draw().normal(size=(N, 2))
    kinds = cw.Categories(np.arange(N) % 3, list(KINDS))
    colors = {"kind": kinds, "loss": cw.Values(frame()["loss"], "nats")}
    return cw.Scatter(points, link=link, colors=colors, title="Points", caption="planted")


def bar(link):
    link.keep("the first", [0, 1, 2])
    return cw.SelectionBar(link, title="Selection")


def progress(_link):
    view = cw.Progress(cw.Job(inline=True), title="Screen")
    view._status = {**view._status, "state": "running", "fraction": 0.4, "message": "EM 4 of 10"}
    return view


def heat_map(link):
    units = cw.Link(Index([f"conv1:{i}" for i in range(6)], "unit"))
    values = draw().normal(size=(6, N))
    return cw.HeatMap(values, row_link=units, link=link, name="tail", unit="nats", title="Tails",
                      diverging=True, height=180)  # fmt: skip


def lines(link):
    curves = {"train": np.linspace(2, 1, N), "test": np.linspace(2.1, 1.4, N)}
    return cw.LineChart(curves, link=link, x_label="sample", y_label="loss", unit="nats",
                        cursor=5, title="Loss")  # fmt: skip


def dendrogram(link):
    merges = [(0, 1, 0.5)] + [(i + 1, N + i - 1, 0.5 + i / 20) for i in range(1, N - 1)]
    return cw.Dendrogram(merges, link=link, cut=1.2, title="Merges", height=200)


def tokens(link):
    words = [["the", " cat", f" {i}"] for i in range(N)]
    return cw.TokenText(words, draw().normal(size=(N, 3)), link=link, diverging=True, name="logit",
                        labels=[KINDS[i % 3] for i in range(N)], title="Texts")  # fmt: skip


def maps(link):
    units = cw.Link(Index([f"conv1:{i}" for i in range(3)], "unit"))
    return cw.FeatureMaps(draw().normal(size=(3, 8, 5, 5)), units=units.index, unit_link=units,
                          samples=link.index.ids[:8], link=link, title="Maps")  # fmt: skip


def overlay(link):
    pictures = np.full((N, 8, 8), 255, np.uint8)
    data = load_data(pictures, ids=link.index.ids, name="planted")
    return cw.AttributionOverlay(attributed(link.index.ids[:8]), data=data, link=link, title="Why")


def bars(link):
    left = draw().integers(1, 9, size=(3, N))
    return cw.Bars(
        {"A": left, "B": left[::-1]}, whole=np.full(N, 8), link=link, marks=np.full(N, 7),
        steps=Index(["0.01", "0.1", "0.2"], "beta"), mark="untrained", title="Left",
        notes=["none", "some", "most"], details=["closest 0.2"] * N, height=200,
    )  # fmt: skip


def form(_link):
    fields = [
        cw.Field("kind", "choice", "a", "Kind", help="What to run", options=("a", "b")),
        cw.Field("all", "check", True, help="Whether to take all"),
        cw.Field("k_max", "whole", 4, unit="components", low=1, help="The most components"),
        cw.Field("seed", "number", 0.5, optional=True),
    ]
    view = cw.Form(fields, submit="Run", title="Lens")
    view.blame("k_max must be 1 or more, got 0; give a whole number")
    return view


def actions(_link):
    items = [
        cw.Action("run", "Run", "Start the work", primary=True),
        cw.Action("keep", "Keep", pressed=True),
        cw.Action("off", "Take away", "Nothing to take away", enabled=False),
    ]
    return cw.Actions(items, title="screen: conv1")


def guide(_link):
    steps = [
        cw.Step("Open", "Choose a model", "done"),
        cw.Step("Pick", "Tick layers", "now"),
        cw.Step("Run", "Choose a lens"),
        cw.Step("Look", "Brush"),
    ]
    return cw.Guide(steps, example="Show me an example", title="First steps")


def download(_link):
    view = cw.Download(title="Files")
    view.offer("import cutaway as ct\n", "code.py", mime="text/x-python", show=True)
    return view


VIEWS = {
    "scatter": scatter,
    "histogram": lambda link: cw.Histogram(
        frame()["loss"], link=link, name="loss", unit="nats", title="Loss of the samples"
    ),
    "grid": lambda link: cw.ImageGrid(
        link=link, labels=[KINDS[i % 3] for i in range(N)], title="Pictures"
    ),
    "table": lambda link: cw.Table(frame(), link=link, sort="loss", title="Rows"),
    "tree": lambda _link: cw.SiteTree(
        SITES, picked=["net.conv1"], action="Screen picked layers", title="Sites"
    ),
    "bar": bar,
    "progress": progress,
    "heat-map": heat_map,
    "lines": lines,
    "dendrogram": dendrogram,
    "tokens": tokens,
    "maps": maps,
    "overlay": overlay,
    "cost": lambda _link: cw.CostCard(CARD, title="Capture"),
    "bars": bars,
    "form": form,
    "choice": lambda _link: cw.Choice(["open", "lens"], title="Panels"),
    "actions": actions,
    "guide": guide,
    "download": download,
}
EMPTY = {
    "scatter": lambda link: cw.Scatter(np.zeros((0, 2)), link=link),
    "histogram": lambda link: cw.Histogram(np.zeros(0), link=link),
    "grid": lambda link: cw.ImageGrid(link=link, empty="Screen a layer first."),
    "table": lambda link: cw.Table(pd.DataFrame({"a": []}), link=link),
    "tree": lambda _link: cw.SiteTree([], action="Screen picked layers"),
    "bar": cw.SelectionBar,
    "heat-map": lambda link: cw.HeatMap(np.zeros((0, 0)), link=link),
    "lines": lambda _link: cw.LineChart({}),
    "dendrogram": lambda link: cw.Dendrogram([], link=link),
    "tokens": lambda link: cw.TokenText([], link=link),
    "maps": lambda link: cw.FeatureMaps(link=link),
    "overlay": lambda link: cw.AttributionOverlay(link=link),
    "cost": lambda _link: cw.CostCard(),
    "bars": lambda link: cw.Bars(np.zeros((0, 0)), link=link),
    "form": lambda _link: cw.Form([]),
    "actions": lambda _link: cw.Actions([]),
    "download": lambda _link: cw.Download(empty="Nothing to take yet."),
}


def gallery():
    """Every view on one page, all of them on one link of samples, and what Python hears of it."""
    link = samples()
    heard = ipywidgets.HTML()

    def hear(selection):
        heard.value = f"{len(selection) if selection else 'No'} samples selected: by Python"

    link.on_selection(hear)
    layout = ipywidgets.Layout(width="100%", min_width="0")
    return ipywidgets.VBox([*(make(link) for make in VIEWS.values()), heard], layout=layout)


def started(bench):
    """The workbench with its example: a model opened, two layers screened."""
    bench.example()
    return bench

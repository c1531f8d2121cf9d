"""Views of the effect of an edit: in words, among random edits, and sample by sample."""

import textwrap
from typing import Any

import ipywidgets
import numpy as np

from cutaway.causal import Effect
from cutaway.core import Index
from cutaway.data import Dataset
from cutaway_widgets._color import Values
from cutaway_widgets.explorers._edits import edits_text, effect_text
from cutaway_widgets.explorers._layout import column, line, row
from cutaway_widgets.explorers._result_views import Shown, views_of
from cutaway_widgets.explorers._scene import Scene
from cutaway_widgets.histogram import Histogram
from cutaway_widgets.image_grid import ImageGrid
from cutaway_widgets.table import Table

UNITS = {"loss": "nats", "margin": "logits"}
EDIT = "this edit"


@views_of.register
def effect_views(result: Effect, scene: Scene) -> Shown:
    """A sentence; the edit among its controls; samples by how much they changed."""
    link = scene.link_of(result.rows)
    text = ipywidgets.HTML(line(effect_text(result)))
    parts: list[Any] = [text]
    top: list[Any] = []
    if len(result.control_changes):
        parts.append(_among_controls(result, scene))
        top.append(column(parts[-1:], "260px", 1))
    frame = result.to_frame()[["change", "before", "after"]]
    changes = Histogram(
        frame["change"], index=result.rows, link=link, name=f"change of {result.metric}",
        unit=UNITS.get(result.metric, ""), log=True, title="Change of each sample",
    )  # fmt: skip
    # What got worse comes first: for a loss that is what rose.
    worse_up = result.metric == "loss"
    table = Table(
        frame.reset_index(names=result.rows.axis), index=result.rows, link=link, sort="change",
        descending=worse_up,
        units=dict.fromkeys(frame.columns, UNITS.get(result.metric, "")),
        title="Samples, worst change first", height=260,
    )  # fmt: skip
    parts += [changes, table]
    if link is scene.samples:
        column_name = f"change of {result.metric}, {edits_text(result.edits)}"
        values = Values(frame["change"], UNITS.get(result.metric, ""))
        parts.append(scene.add_column(column_name, values))
    top.append(column([changes], "260px", 1))
    below: list[Any] = [column([table], "260px", 1)]
    data = scene.data_of(result)
    if data is not None:
        grid = _most_changed(result, scene, data, worse_up=worse_up)
        parts.append(grid)
        below.append(column([grid], "220px", 1))
    return Shown(ipywidgets.VBox([text, row(top), row(below)]), parts)


def _among_controls(result: Effect, scene: Scene) -> Histogram:
    """Changes by random edits, with this one in front, as the selected row of its own link."""
    n = len(result.control_changes)
    names = [EDIT, *(f"random {one + 1}" for one in range(n))]
    index = Index(np.array(names, dtype=np.str_), "edit")
    link = scene.link_of(index)
    link.select([EDIT])
    return Histogram(
        np.concatenate([[result.change], result.control_changes]), index=index, link=link,
        name=f"change of {result.metric}", unit=UNITS.get(result.metric, ""),
        title=f"This edit among {n} random ones",
    )  # fmt: skip


def _most_changed(result: Effect, scene: Scene, data: Dataset, *, worse_up: bool) -> ImageGrid:
    change = result.per_sample_after - result.per_sample_before
    badness = np.nan_to_num(change if worse_up else -change)
    order = np.argsort(-badness, kind="stable")
    ids = result.rows.ids[order[badness[order] > 0]].tolist()
    pairs = zip(result.per_sample_before, result.per_sample_after, strict=True)
    if result.metric == "accuracy" and set(np.unique(result.per_sample_before)) <= {0.0, 1.0}:
        names = {-1: "now wrong", 0: "as before", 1: "now right"}
        labels = [names[int(b - a)] for a, b in pairs]
    else:
        labels = [f"{a:.2f} → {b:.2f}".replace("-", "−") for a, b in pairs]
    if data.kind == "text":
        lines = zip(data.index, labels, strict=True)
        labels = [f"{textwrap.shorten(data.text(one), 80)} · {said}" for one, said in lines]
    return ImageGrid(
        index=result.rows, link=scene.link_of(result.rows), order=ids, labels=labels, height=240,
        title="Samples that the edit made worse", empty="The edit made no sample worse.",
    )  # fmt: skip

"""Views of a result, chosen by its type; a new result type registers its own here."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

import ipywidgets

from cutaway.core import Index, Result
from cutaway.filters import FilterScreen
from cutaway.merging import ComplexityCurve, Merge
from cutaway.projection import Projection
from cutaway_widgets.explorers import _complexity_words as complexity
from cutaway_widgets.explorers import _filter_views as words
from cutaway_widgets.explorers._complexity_curve import CurveViews
from cutaway_widgets.explorers._complexity_tree import MergeViews
from cutaway_widgets.explorers._layout import column, row
from cutaway_widgets.explorers._scene import Scene
from cutaway_widgets.explorers._screen_views import ScreenViews
from cutaway_widgets.image_grid import ImageGrid
from cutaway_widgets.scatter import Scatter
from cutaway_widgets.table import Table


@dataclass(frozen=True)
class Shown:
    """Views of one result.

    Parameters
    ----------
    box : ipywidgets.Box
        What the card holds.
    parts : sequence of object with ``close()``
        What ends with the card.
    """

    box: Any
    parts: Sequence[Any]


@singledispatch
def views_of(result: Result, scene: Scene) -> Shown:
    """Views of a result: its table, unless its type registered linked views.

    Parameters
    ----------
    result : Result
        Any.
    scene : Scene
        Samples and links of the page.
    """
    return table_of(result, scene)


def table_of(result: Result, scene: Scene) -> Shown:
    """The table of a result, on the selection of its rows."""
    frame = result.to_frame()
    name = str(frame.index.name or result.rows.axis)
    ids = Index(frame.index.to_numpy(), name) if len(frame) != len(result.rows) else result.rows
    # A frame by other rows than the result's has a link of its own.
    table = Table(
        frame.reset_index(names=name) if name not in frame.columns else frame,
        index=ids, link=scene.link_of(ids), title=type(result).__name__, height=420,
    )  # fmt: skip
    return Shown(ipywidgets.VBox([table]), [table])


@views_of.register
def _screen(result: FilterScreen, scene: Scene) -> Shown:
    """Filters above, the samples of the picked one below; as in the filter explorer."""
    found = ScreenViews(scene.link_of(result.rows), scene.link_of(words.filter_index(result)))
    found.show(result, scene.data_of(result), scene.predictions_of(result))
    return Shown(found.box(), [found])


@views_of.register
def _projection(result: Projection, scene: Scene) -> Shown:
    """Points of samples, coloured by what is known of them, beside the selected pictures."""
    link = scene.link_of(result.rows)
    data, predictions = scene.data_of(result), scene.predictions_of(result)
    x_label, y_label = result.axes()
    known = words.sample_colors(data, predictions, None, 0)
    scatter = Scatter(
        result.points, index=result.rows, link=link, colors=known, x_label=x_label,
        y_label=y_label, title="Samples in the plane", height=420,
    )  # fmt: skip
    parts: list[Any] = [scatter]
    if link is scene.samples:
        parts.append(scene.paint(lambda more: scatter.set_colors({**known, **more})))
    if data is None:
        return Shown(ipywidgets.VBox([scatter]), parts)
    grid = ImageGrid(
        index=result.rows, link=link, mode="selected", title="Selected samples", height=360,
        labels=words.sample_labels(data, predictions, None),
        empty="Lasso samples in the plane to see them here.",
    )  # fmt: skip
    box = row([column([scatter], "320px", 3), column([grid], "220px", 2)])
    return Shown(box, [*parts, grid])


@views_of.register
def _curve(result: ComplexityCurve, scene: Scene) -> Shown:
    """Slider over beta with the layers as bars, and the curves; as in the complexity explorer."""
    found = CurveViews(scene.link_of(result.rows), scene.link_of(complexity.beta_index(result)))
    found.show(result)
    return Shown(found.box(), [found])


@views_of.register
def _merge(result: Merge, scene: Scene) -> Shown:
    """Layers as bars, and the merge tree of the picked one."""
    found = MergeViews(scene.link_of(result.rows))
    found.show(result)
    return Shown(found.box, [found])

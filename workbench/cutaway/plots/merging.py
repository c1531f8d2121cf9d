"""Figures of merging features: how many are left of each group."""

from typing import Any

from cutaway.merging import Merge
from cutaway.plots.base import OKABE_ITO, empty_figure, plot


@plot.register
def _merge(result: Merge) -> Any:
    """Features of each group before and after, and the biggest of those after."""
    figure = empty_figure(result, repr(result))
    names = list(result.features_left)
    for name, values, color in (
        ("before", result.size, OKABE_ITO[4]),
        ("after", result.left, OKABE_ITO[0]),
        ("units in the biggest", result.biggest, OKABE_ITO[1]),
    ):
        figure.add_bar(x=names, y=values, name=name, marker_color=color)
    figure.update_xaxes(title="group of features", type="category")
    figure.update_yaxes(title="number")
    return figure

"""Figures of the observables lens: maps of heads, and paths."""

from typing import Any

import numpy as np

from cutaway.core import check
from cutaway.observables import HeadMap, Paths
from cutaway.plots.base import OKABE_ITO, draws, empty_figure

_UNITS = {"norm": "length", "attribution": "logits", "ov_patching": "logits", "patching": "logits"}
_TITLES = {
    "norm": "length of the feature vector",
    "attribution": "direct attribution",
    "ov_patching": "OV-only patching",
    "patching": "whole-head patching",
}


@draws
def _head_map(result: HeadMap) -> Any:
    """Layers by heads; signed kinds on a scale about zero."""
    figure = empty_figure(result, f"{result.observable}: {_TITLES.get(result.kind, result.kind)}")
    layers, heads = result.values.shape
    signed = result.kind != "norm"
    most = float(np.abs(result.values).max(initial=0.0)) or 1.0
    around = np.where(
        np.isnan(result.low), "", [
            [f" [{low:.3g}, {high:.3g}]" for low, high in zip(*row, strict=True)]
            for row in zip(result.low, result.high, strict=True)
        ],
    )  # fmt: skip
    figure.add_heatmap(
        z=result.values, x=np.arange(heads), y=np.arange(layers), zmax=most, customdata=around,
        zmin=-most if signed else 0.0, colorbar_title=_UNITS.get(result.kind, ""),
        colorscale=[[0.0, OKABE_ITO[0]], [0.5, "#f6f6f6"], [1.0, OKABE_ITO[5]]] if signed
        else [[0.0, "#f6f6f6"], [1.0, OKABE_ITO[0]]],
        hovertemplate="L%{y}H%{x}: %{z:.3g}%{customdata}<extra></extra>",
    )  # fmt: skip
    figure.update_xaxes(title="head", dtick=1 if heads <= 16 else None, constrain="domain")
    figure.update_yaxes(title="layer", dtick=1 if layers <= 12 else None)
    return figure


@draws
def _paths(result: Paths, *, n: int = 25) -> Any:
    """Scores of the n strongest paths with intervals; crosses: through the real modules."""
    check.whole("n", n, 1)
    shown = min(n, len(result.rows))
    names = [str(one) for one in result.rows.ids[:shown]]
    merged = np.array([bool(one) for one in result.merged_into])[:shown]
    found = f"{result.observable}: {shown} of {len(result.rows)} paths, gap {result.gap:.3g} logits"
    figure = empty_figure(result, found)
    for name, chosen, color in (
        ("from a part", ~result.embedding[:shown] & ~merged, OKABE_ITO[0]),
        ("from the embedding", result.embedding[:shown], OKABE_ITO[2]),
        ("same vector as a stronger one", merged, "#bbbbbb"),
    ):
        places = np.flatnonzero(chosen)
        if len(places):
            score = result.score[places]
            figure.add_bar(
                y=[names[one] for one in places], x=score, orientation="h", name=name,
                marker_color=color,
                error_x={
                    "type": "data", "symmetric": False, "array": result.high[places] - score,
                    "arrayminus": score - result.low[places], "thickness": 1, "color": "#555555",
                },
            )  # fmt: skip
    figure.add_scatter(
        y=names, x=result.patched[:shown], mode="markers", name="through the real modules",
        marker={"symbol": "x-thin", "size": 8, "line": {"width": 2, "color": OKABE_ITO[5]}},
    )  # fmt: skip
    figure.update_xaxes(title="change of the measure, positive − negative prompt (logits)")
    figure.update_yaxes(
        title="path", categoryorder="array", categoryarray=names[::-1], automargin=True
    )
    figure.update_layout(height=160 + 22 * shown, legend={"orientation": "h", "y": -0.14})
    return figure

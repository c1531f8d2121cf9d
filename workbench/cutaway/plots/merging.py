"""Figures of the merging lens: groups, merge trees, complexity curves, measures of layers."""

import textwrap
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cutaway.core import check
from cutaway.merging import ComplexityCurve, FeatureGroups, LayerMeasures, Merge
from cutaway.plots.base import OKABE_ITO, draws, empty_figure

_GREY = "#b5b5b5"
_FEW = 7  # lines that a legend can name; black is the whole network
_LINE = 110  # letters of a finding that fit above a figure
_CELLS = 12  # sites up to which the similarities are written into their cells


@draws
def _groups(result: FeatureGroups) -> Any:
    """Features of each group in network order, and of what could not be grouped."""
    refused = len(result.refused)
    figure = empty_figure(
        result, f"{len(result.groups)} groups of {int(result.size.sum())} features; "
        f"{refused} refused",
    )  # fmt: skip
    told = [
        f"made by {_paths(one['producers'])}<br>read by {_paths(one['consumers'])}"
        for one in result.groups
    ]
    figure.add_bar(
        x=[str(one) for one in result.rows], y=result.size, hovertext=told, name="grouped",
        marker_color=OKABE_ITO[0],
    )  # fmt: skip
    if refused:
        figure.add_bar(
            x=[one["name"] for one in result.refused], y=[one["size"] for one in result.refused],
            hovertext=[one["reason"] for one in result.refused], name="refused", marker_color=_GREY,
        )  # fmt: skip
    figure.update_layout(showlegend=bool(refused))
    figure.update_xaxes(title="group, by its first layer", type="category")
    figure.update_yaxes(title="features")
    return figure


def _paths(parts: list[dict[str, Any]]) -> str:
    names = [str(one["path"]) for one in parts]
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")


@draws
def _merge(result: Merge, *, group: str | None = None) -> Any:
    """Features left of each group, and the merge tree of one: that with most merges by default."""
    names = [str(one) for one in result.rows]
    if group is None:
        group = names[int(np.argmax(result.size - result.left))]
    check.one_of("group", group, names)
    size = int(result.size[names.index(group)])
    tree = result.tree[result.tree["group"] == group]
    lines, order = _dendrogram(tree, size)
    alone = size - len(order)
    before, after = int(result.size.sum()), int(result.left.sum())
    figure = empty_figure(
        result,
        f"{result.rule}, beta {result.beta:.4g}: {before} → {after} features, "
        f"{result.kept_parameters / result.parameters:.1%} of the parameters",
        rows=1, cols=2, horizontal_spacing=0.12,
        subplot_titles=["features left", f"merge tree of {group} ({alone} units stay alone)"],
    )  # fmt: skip
    figure.add_bar(
        x=names, y=result.left, row=1, col=1, name="left", marker_color=OKABE_ITO[0],
    )  # fmt: skip
    figure.add_bar(
        x=names, y=result.size - result.left, row=1, col=1, name="merged away", marker_color=_GREY
    )
    figure.add_scatter(
        x=lines[:, 0], y=lines[:, 1], row=1, col=2, mode="lines", name="merges",
        line={"color": OKABE_ITO[5], "width": 1}, showlegend=False,
    )  # fmt: skip
    figure.update_layout(barmode="stack", legend={"orientation": "h", "y": -0.2, "yanchor": "top"})
    figure.update_xaxes(title="group", type="category", row=1, col=1)
    figure.update_yaxes(title="features", row=1, col=1)
    few = len(order) <= 40
    figure.update_xaxes(
        title=f"unit of {group}, similar ones side by side", row=1, col=2, showgrid=False,
        tickvals=np.arange(len(order)) if few else [], ticktext=[str(one) for one in order],
    )  # fmt: skip
    figure.update_yaxes(title="squared distance at the merge", rangemode="tozero", row=1, col=2)
    return figure


def _dendrogram(tree: pd.DataFrame, size: int) -> tuple[NDArray[np.float64], list[int]]:
    """Corners of all brackets, NaN between them, and the merged units from left to right."""
    merges = {
        int(made): (int(first), int(second), float(height))
        for made, first, second, height in zip(
            tree["made"], tree["first"], tree["second"], tree["distance"], strict=True
        )
    }
    inner = {node for first, second, _ in merges.values() for node in (first, second)}
    order: list[int] = []
    waiting = [node for node in sorted(merges, reverse=True) if node not in inner][::-1]
    while waiting:  # no recursion: a chain of merges may be as deep as the layer is wide
        node = waiting.pop()
        if node in merges:
            waiting += [merges[node][1], merges[node][0]]
        else:
            order.append(node)
    at: dict[int, tuple[float, float]] = {unit: (float(x), 0.0) for x, unit in enumerate(order)}
    corners = []
    for made, (first, second, height) in sorted(merges.items()):
        (x1, y1), (x2, y2) = at[first], at[second]
        corners += [(x1, y1), (x1, height), (x2, height), (x2, y2), (np.nan, np.nan)]
        at[made] = ((x1 + x2) / 2, height)
    unmerged = [unit for unit in order if unit >= size]
    if unmerged:
        raise ValueError(f"tree must lead to units below {size}, got {unmerged[0]}; merge again")
    return np.array(corners, dtype=np.float64).reshape(-1, 2), order


@draws
def _curve(result: ComplexityCurve) -> Any:
    """Share of features left against beta, by group and whole, and what the rest is worth."""
    scored = bool(np.isfinite(result.score).any())
    finding = textwrap.wrap(result.why, _LINE)
    figure = empty_figure(
        result, "<br>".join(finding), rows=1, cols=2, horizontal_spacing=0.12,
        subplot_titles=["features left", "score of what is left" if scored else "size of it"],
    )  # fmt: skip
    figure.update_layout(margin_t=figure.layout.margin.t + 18 * max(len(finding) - 1, 0))
    figure.update_layout(legend={"orientation": "h", "y": -0.25, "yanchor": "top"})
    x, ticks, words = _places(result.betas)
    share = 100 * result.features_left / result.size
    names = [str(one) for one in result.rows]
    for place, name in enumerate(names):
        figure.add_scatter(
            x=x, y=share[:, place], row=1, col=1, mode="lines", name=name,
            line={"width": 1.5, "color": _colour(place, len(names))},
        )  # fmt: skip
    total = result.features_left.sum(axis=1) / result.size.sum()
    figure.add_scatter(
        x=x, y=100 * total, row=1, col=1, mode="lines+markers", name="whole network",
        line={"width": 3, "color": OKABE_ITO[7]}, marker={"size": 5},
    )  # fmt: skip
    if not result.baseline_reason:
        figure.add_scatter(
            x=x, y=100 * result.baseline_left.sum(axis=1) / result.size.sum(), row=1, col=1,
            mode="lines", name="whole, random initialisation",
            line={"width": 2, "color": "#777777", "dash": "dot"},
        )  # fmt: skip
    kept = 100 * result.kept_parameters / result.parameters
    if scored:
        figure.add_scatter(
            x=kept, y=result.score, row=1, col=2, mode="lines+markers", showlegend=False,
            name="score", text=[f"beta {one:.4g}" for one in result.betas],
            line={"color": OKABE_ITO[0]},
        )  # fmt: skip
        figure.add_hline(
            y=result.score_before, row=1, col=2, line={"color": "#777777", "dash": "dot"},
            annotation_text="before", annotation_position="bottom left",
        )  # fmt: skip
        figure.update_xaxes(title="parameters kept (%)", row=1, col=2)
        figure.update_yaxes(title="score", row=1, col=2)
    else:
        figure.add_scatter(
            x=x, y=kept, row=1, col=2, mode="lines+markers", showlegend=False, name="parameters",
            line={"color": OKABE_ITO[0]},
        )  # fmt: skip
        figure.update_yaxes(title="parameters kept (%)", range=[0, 103], row=1, col=2)
    for column in (1,) if scored else (1, 2):
        figure.update_xaxes(
            title="beta (of the largest squared distance)", type="log", tickvals=ticks,
            ticktext=words, row=1, col=column,
        )  # fmt: skip
    figure.update_yaxes(title="features left (%)", range=[0, 103], row=1, col=1)
    return figure


def _places(betas: NDArray[np.float64]) -> tuple[NDArray[np.float64], list[float], list[str]]:
    """Places of betas on a logarithmic axis, with 0 at half the smallest other one, and ticks."""
    positive = betas[betas > 0]
    if len(positive) == 0:
        return np.ones(len(betas)), [1.0], ["0"]
    low, high = float(positive.min()), float(positive.max())
    x = np.where(betas > 0, betas, low / 2)
    decades = 10.0 ** np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    wide = high / low
    steps = [1.0, 1.5, 2.0, 3.0, 5.0, 7.0] if wide < 4 else [1.0, 2.0, 5.0] if wide < 1e3 else [1.0]
    ticks = [one for one in np.outer(decades, steps).ravel() if low / 1.1 <= one <= high * 1.1]
    words = [f"{one:g}" for one in ticks]
    if (betas == 0).any():
        ticks, words = [low / 2, *ticks], ["0", *words]
    return x, ticks, words


def _colour(place: int, many: int) -> str:
    """A colour of its own for a few; for many, from light to dark in network order."""
    if many <= _FEW:
        return OKABE_ITO[place]
    part = place / (many - 1)
    light, dark = np.array([191, 217, 234]), np.array([0, 60, 105])
    red, green, blue = (light + part * (dark - light)).round().astype(int)
    return f"rgb({red},{green},{blue})"


@draws
def _measures(result: LayerMeasures) -> Any:
    """Ranks and intrinsic dimension by site, and how similar any two sites are."""
    figure = empty_figure(
        result, rows=1, cols=2, horizontal_spacing=0.16, column_widths=[0.55, 0.45],
        subplot_titles=["dimension", "similarity (linear CKA)"],
    )  # fmt: skip
    sites = [str(one) for one in result.rows]
    for name, values, colour in (
        ("units", result.units, _GREY),
        ("effective rank", result.effective_rank, OKABE_ITO[0]),
        ("participation ratio", result.participation, OKABE_ITO[4]),
    ):
        figure.add_scatter(
            x=sites, y=values, row=1, col=1, mode="lines+markers", name=name, line_color=colour
        )
    figure.add_scatter(
        x=sites, y=result.two_nn, row=1, col=1, mode="lines+markers",
        name="TwoNN dimension, 95 %", line_color=OKABE_ITO[5],
        error_y={
            "array": result.two_nn_high - result.two_nn,
            "arrayminus": result.two_nn - result.two_nn_low,
        },
    )  # fmt: skip
    figure.add_heatmap(
        z=result.cka, x=sites, y=sites, row=1, col=2, zmin=0, zmax=1, colorbar_title="CKA",
        colorscale=[[0.0, "#f6f6f6"], [1.0, OKABE_ITO[0]]],
        texttemplate="%{z:.2f}" if len(sites) <= _CELLS else None,
    )  # fmt: skip
    figure.update_layout(legend={"orientation": "h", "y": -0.25, "yanchor": "top"})
    figure.update_xaxes(title="site", type="category")
    figure.update_yaxes(title="dimensions", rangemode="tozero", row=1, col=1)
    if result.units.max() > 20 * result.units.min():
        figure.update_yaxes(type="log", dtick="D2", row=1, col=1)
    figure.update_yaxes(title="site", type="category", autorange="reversed", row=1, col=2)
    return figure

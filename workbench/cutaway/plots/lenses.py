"""Figures of what the lenses and the model give: screens, effects, maps, losses, points."""

from typing import Any

import numpy as np

from cutaway.causal import Attributions, Effect
from cutaway.filters import FilterScreen
from cutaway.model import Predictions
from cutaway.plots.base import OKABE_ITO, draws, empty_figure
from cutaway.projection import Projection


@draws
def _screen(result: FilterScreen, *, site: str | None = None, unit: int = 0) -> Any:
    """Ranking of all filters, or with `site` the samples of one filter by cluster."""
    figure = empty_figure(result)
    if site is None:
        frame = result.filters
        names = [f"{s}:{u}" for s, u in zip(frame["site"], frame["unit"], strict=True)]
        for place, flag in enumerate(("certain", "likely", "")):
            chosen = (frame["flag"] == flag).to_numpy()
            figure.add_bar(
                x=np.array(names)[chosen], y=frame["tail"].to_numpy()[chosen],
                name=flag or "not flagged", marker_color=OKABE_ITO[(5, 1, 0)[place]],
            )  # fmt: skip
        figure.update_xaxes(title="filter", categoryorder="array", categoryarray=names)
        figure.update_yaxes(title="largest tail (−log₁₀ p)")
        return figure
    picture = result.picture(site, unit)
    for cluster in np.unique(picture.assignment):
        chosen = picture.assignment == cluster
        if cluster >= 0:
            figure.add_scatter(
                x=picture.points[chosen, 0], y=picture.points[chosen, 1], mode="markers",
                text=[str(one) for one in result.rows.ids[chosen]], name=f"cluster {cluster + 1}",
                marker={"color": OKABE_ITO[int(cluster) % 8], "size": 5},
            )  # fmt: skip
    figure.update_xaxes(title=f"PC 1 of {site}, filter {unit}")
    figure.update_yaxes(title="PC 2")
    return figure


@draws
def _effect(result: Effect) -> Any:
    """Change under the edit beside the changes under random controls."""
    figure = empty_figure(result)
    figure.add_histogram(
        x=result.control_changes, name="random controls", marker_color=OKABE_ITO[4], nbinsx=30
    )
    figure.add_vline(
        x=result.change, line_color=OKABE_ITO[5], annotation_text=f"edit, p = {result.p:.3f}"
    )
    figure.update_xaxes(title=f"change of {result.metric}")
    figure.update_yaxes(title="number of controls")
    return figure


@draws
def _attributions(result: Attributions, *, sample: int | str | None = None) -> Any:
    """Map of one sample (the first by default); of texts and arrays, a line a sample."""
    figure = empty_figure(result)
    maps = result.values.ndim == 3
    place = 0 if sample is None else int(result.rows.positions([sample])[0])
    shown = result.values[place] if maps else result.values
    most = float(np.abs(shown[np.isfinite(shown)]).max(initial=0.0)) or 1.0
    figure.add_heatmap(
        z=shown, zmin=-most, zmax=most, colorbar_title="share",
        colorscale=[[0.0, OKABE_ITO[0]], [0.5, "#f6f6f6"], [1.0, OKABE_ITO[5]]],
        y=None if maps else [str(one) for one in result.rows],
    )  # fmt: skip
    if maps:
        figure.update_xaxes(title=f"column, {result.rows.axis} {result.rows.ids[place]}")
        figure.update_yaxes(title="row", autorange="reversed", scaleanchor="x")
    else:
        figure.update_xaxes(title="place")
        figure.update_yaxes(title=result.rows.axis, autorange="reversed", type="category")
    return figure


@draws
def _predictions(result: Predictions) -> Any:
    """How the loss is spread over samples, right and wrong ones apart."""
    if result.correct is None or result.loss is None:
        raise ValueError(
            "result must hold losses for this figure, got predictions without labels; "
            "give the data labels and predict again"
        )
    figure = empty_figure(result)
    for name, chosen, color in (
        ("correct", result.correct, OKABE_ITO[2]),
        ("wrong", ~result.correct, OKABE_ITO[5]),
    ):
        figure.add_histogram(x=result.loss[chosen], name=name, marker_color=color, nbinsx=40)
    figure.update_layout(barmode="stack")
    lost = result.n_nonfinite
    said = f"; {lost} samples without a class are not drawn" if lost else ""
    figure.update_xaxes(title=f"loss (nats){said}")
    figure.update_yaxes(title="samples", type="log")
    return figure


@draws
def _projection(result: Projection, *, labels: Any = None) -> Any:
    """Points of all rows; with `labels` (one a row) a colour a class."""
    figure = empty_figure(result)
    ok = result.status == "ok"
    classes = np.zeros(len(ok), np.int64) if labels is None else np.asarray(labels)
    if len(classes) != len(ok):
        raise ValueError(
            f"labels must have an entry for each of the {len(ok)} rows, got {len(classes)}; "
            "give them in the order of result.rows"
        )
    for place, one in enumerate(np.unique(classes[ok])):
        chosen = ok & (classes == one)
        figure.add_scattergl(
            x=result.points[chosen, 0], y=result.points[chosen, 1], mode="markers",
            text=[str(name) for name in result.rows.ids[chosen]], name=str(one),
            marker={"color": OKABE_ITO[place % 8], "size": 4}, showlegend=labels is not None,
        )  # fmt: skip
    first, second = result.axes()
    figure.update_xaxes(title=first)
    figure.update_yaxes(title=second)
    return figure

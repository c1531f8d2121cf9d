"""Figures of the three experiments on overfitting: growth, gradients, removal and impact."""

from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from cutaway.core import check
from cutaway.filters.overfitting import AnomalyGrowth, FilterImpact, OutlierGradients, Removal
from cutaway.filters.overfitting.statistics import mean_interval
from cutaway.plots.base import OKABE_ITO, draws, empty_figure

# Without yellow (too light for a thin line) and black (the mean).
_RUNS = OKABE_ITO[:6]
_ZERO = {"color": "#777777", "dash": "dot", "width": 1}
_BINS = 24


@draws
def _growth(result: AnomalyGrowth, *, gap: Literal["accuracy", "loss"] = "accuracy") -> Any:
    """Flagged share, mean score and train-test gap over epochs: a thin line a run, and the mean.

    `gap` chooses the gap: of accuracy (train - test, points) or of loss (test - train, nats).
    """
    check.one_of("gap", gap, ("accuracy", "loss"))
    rho = result.trends()["rho" if gap == "accuracy" else "rho_loss"]
    frame = result.to_frame()
    # Where no filter could be screened there is no share, rather than a share of zero.
    frame["share"] = 100 * frame["share"].where(frame["fitted"] > 0)
    frame["gap"] = 100 * frame["gap"] if gap == "accuracy" else frame["loss_gap"]
    unit = "train − test (points)" if gap == "accuracy" else "test − train (nats)"
    titles = {
        "share": "flagged filters (% of fitted)",
        "score": "mean score (−log₁₀ p)",
        "gap": f"{gap} gap, {unit}",
    }
    figure = empty_figure(
        result,
        f"rank correlation of flagged share and {gap} gap, mean over runs: "
        + _with_interval(*mean_interval(rho, result.origin.seed or 0), "+.2f"),
        rows=1, cols=3, horizontal_spacing=0.1,
    )  # fmt: skip
    for column, (what, title) in enumerate(titles.items(), start=1):
        _add_courses(figure, frame, what, column)
        figure.update_yaxes(title=title, title_standoff=4, rangemode="tozero", row=1, col=column)
    figure.add_hline(y=0.0, line=_ZERO, row=1, col=3)
    figure.update_xaxes(title="epoch")
    figure.update_layout(legend={"orientation": "h", "y": -0.2, "yanchor": "top"})
    return figure


def _add_courses(figure: Any, frame: pd.DataFrame, what: str, column: int) -> None:
    """Draw one column of the frame in one panel: a thin line a run, and their mean."""
    courses = dict(list(frame.groupby("run", sort=False)))
    few = len(courses) <= len(_RUNS)
    for place, (run, course) in enumerate(courses.items()):
        figure.add_scatter(
            x=course["epoch"], y=course[what], row=1, col=column, mode="lines+markers",
            name=str(run) if few else "a run", legendgroup=str(run) if few else "runs",
            hovertext=str(run), showlegend=column == 1 and (few or place == 0),
            line={"width": 1, "color": _RUNS[place] if few else OKABE_ITO[4]},
            marker={"size": 4},
        )  # fmt: skip
    # Only epochs that every run has: a mean of fewer runs would jump where one is missing.
    epochs = frame.groupby("epoch")
    shared = epochs["run"].nunique() == len(courses)
    mean = epochs[what].apply(lambda values: values.mean(skipna=False))[shared]
    if len(courses) > 1 and len(mean):
        figure.add_scatter(
            x=mean.index, y=mean, row=1, col=column, mode="lines+markers",
            name="mean of all runs", legendgroup="mean", showlegend=column == 1,
            line={"width": 3, "color": OKABE_ITO[7]}, marker={"size": 5},
        )  # fmt: skip


@draws
def _gradients(result: OutlierGradients, *, labels: ArrayLike | None = None) -> Any:
    """Cumulative distributions of the gradient norms, outliers against the others.

    With `labels` (one a sample) each norm is replaced by its rank within its class, which is what
    the AUC within classes compares: no difference is then two lines on the diagonal.
    """
    values = {"early in training": result.norms}
    if result.norms_initial is not None:
        values["at initialisation"] = result.norms_initial
    if labels is not None:
        classes = np.asarray(labels)
        check.same_length("labels", len(classes), "result", len(result.rows))
        values = {when: _class_ranks(norms, classes) for when, norms in values.items()}
    figure = empty_figure(
        result, _separation(result), rows=1, cols=len(values), shared_yaxes=True,
        subplot_titles=list(values),
    )  # fmt: skip
    # A norm of exactly zero has no place on a logarithmic axis.
    scale = "log" if labels is None and min(one.min() for one in values.values()) > 0 else "linear"
    for column, norms in enumerate(values.values(), start=1):
        for name, chosen, color in (
            ("outliers", result.outlier, OKABE_ITO[5]),
            ("others", ~result.outlier, OKABE_ITO[0]),
        ):
            order = np.argsort(norms[chosen], kind="stable")
            # The first sample twice: the line starts on the floor.
            steps = np.concatenate([order[:1], order])
            part = 100 * np.arange(len(steps)) / max(len(order), 1)
            figure.add_scatter(
                x=norms[chosen][steps], y=part, row=1, col=column, mode="lines",
                name=f"{name} ({len(order)})", legendgroup=name, showlegend=column == 1,
                text=[str(one) for one in result.rows.ids[chosen][steps]],
                line={"shape": "hv", "color": color, "width": 2},
            )  # fmt: skip
        if labels is not None:
            figure.add_shape(type="line", x0=0, y0=0, x1=100, y1=100, line=_ZERO, row=1, col=column)
    figure.update_xaxes(
        title="gradient norm (nats per unit of weight)" if labels is None
        else "rank of the norm within its class (%)",
        type=scale, exponentformat="power",
        range=None if labels is None else [0, 100],
    )  # fmt: skip
    figure.update_yaxes(title="samples at or below (%)", range=[0, 101], row=1, col=1)
    figure.update_yaxes(range=[0, 101])
    return figure


def _separation(result: OutlierGradients) -> str:
    """Line that says how well outliers and others come apart."""
    low, high = result.interval
    finding = (
        f"AUC within classes {_with_interval(result.auc_classes, low, high, '.3f')}, "
        f"over all pairs {result.auc:.3f}"
    )
    if np.isfinite(result.auc_initial):
        finding += f", within classes at initialisation {result.auc_initial:.3f}"
    return finding


@draws
def _removal(result: Removal) -> Any:
    """Change of test accuracy and of the gap by what was left out: mean, interval, every seed."""
    changes = result.differences()
    frame = result.to_frame()
    seeds = int(frame["seed"].nunique())
    figure = empty_figure(
        result,
        "change against training on all samples; "
        + (f"dots: {seeds} seeds, bars: 95 % interval of the mean" if seeds > 1
           else "one seed, so no interval"),
        rows=1, cols=2, shared_yaxes=True, horizontal_spacing=0.06,
    )  # fmt: skip
    groups = changes["group"].tolist()
    place = np.arange(len(groups))
    panels = {"accuracy_test": "test accuracy", "gap": "accuracy gap, train − test"}
    for column, (what, title) in enumerate(panels.items(), start=1):
        paired = frame.pivot_table(index="seed", columns="group", values=what)
        single = 100 * paired[groups].sub(paired["none"], axis=0)
        figure.add_scatter(
            x=single.to_numpy().ravel(), y=np.tile(place + 0.18, len(single)), row=1, col=column,
            mode="markers", name="one seed", legendgroup="seed", showlegend=column == 1,
            text=[f"seed {seed}" for seed in single.index for _ in groups],
            marker={"color": OKABE_ITO[4], "size": 7, "opacity": 0.7},
        )  # fmt: skip
        mean, low, high = (
            100 * changes[f"{what}{end}"].to_numpy() for end in ("", "_low", "_high")
        )
        figure.add_scatter(
            x=mean, y=place - 0.12, row=1, col=column, mode="markers", name="mean",
            legendgroup="mean", showlegend=column == 1,
            marker={"color": OKABE_ITO[0], "size": 9, "symbol": "diamond"},
            error_x={"type": "data", "symmetric": False, "array": high - mean,
                     "arrayminus": mean - low, "visible": seeds > 1},
        )  # fmt: skip
        figure.add_vline(x=0.0, line=_ZERO, row=1, col=column)
        figure.update_xaxes(title=f"change of {title} (points)", row=1, col=column)
    figure.update_yaxes(
        tickvals=place, ticktext=groups, range=[len(groups) - 0.5, -0.5], zeroline=False
    )
    figure.update_yaxes(title="left out of training", row=1, col=1)
    figure.update_layout(legend={"orientation": "h", "y": -0.2, "yanchor": "top"})
    return figure


@draws
def _impact(result: FilterImpact) -> Any:
    """Change of train and test accuracy and of the gap beside the changes under random draws."""
    observed, drawn = 100 * result.change, 100 * result.controls
    count = len(result.filters)
    figure = empty_figure(
        result,
        f"line: {count} {'filter' if count == 1 else 'filters'} off ({result.chosen}); bars: "
        f"{drawn.shape[1]} random draws of as many filters of the same layers",
        rows=3, cols=1, shared_xaxes=True, vertical_spacing=0.12,
        subplot_titles=[
            f"{name}: {change:+.2f} points, p = {p:.2g}"
            for name, change, p in zip(result.rows, observed, result.p, strict=True)
        ],
    )  # fmt: skip
    low, high = (float(end([observed, *drawn.T])) for end in (np.min, np.max))
    size = (high - low) / _BINS or 1.0
    # A bin is centred on zero, the commonest change: rounding cannot split it over two bars.
    bins = {
        "start": (np.floor(low / size) - 0.5) * size,
        "end": (np.ceil(high / size) + 0.5) * size,
        "size": size,
    }
    for row, (name, changes) in enumerate(zip(result.rows, drawn, strict=True), start=1):
        figure.add_histogram(
            x=changes, xbins=bins, row=row, col=1, name=f"random draws, {name}",
            marker_color=OKABE_ITO[4], showlegend=False,
        )  # fmt: skip
        figure.add_vline(x=0.0, line=_ZERO, row=row, col=1)
        figure.add_vline(
            x=float(observed[row - 1]), line={"color": OKABE_ITO[5], "width": 3}, row=row, col=1
        )
        figure.update_yaxes(title="draws", rangemode="tozero", row=row, col=1)
    figure.update_xaxes(range=[bins["start"] - size, bins["end"] + size], zeroline=False)
    figure.update_xaxes(title="change of accuracy (points)", row=3, col=1)
    return figure


def _class_ranks(norms: NDArray[np.float64], classes: NDArray[Any]) -> NDArray[np.float64]:
    """Mid-rank of each value within its class, in percent: 50 is the middle of the class."""
    ranks = np.empty(len(norms))
    for one in np.unique(classes):
        inside = classes == one
        ranks[inside] = 100 * (stats.rankdata(norms[inside]) - 0.5) / inside.sum()
    return ranks


def _with_interval(value: float, low: float, high: float, digits: str) -> str:
    """A number with its 95 % interval, or with the word that there is none."""
    if not np.isfinite(value):
        return "undefined"
    if not np.isfinite([low, high]).all():
        return f"{value:{digits}}, no interval"
    return f"{value:{digits}}, 95 % [{low:{digits}}, {high:{digits}}]"

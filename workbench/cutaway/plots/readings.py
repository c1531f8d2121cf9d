"""Figures of the observables lens: scores of texts, ends of a direction, steps, probes, slopes."""

from typing import Any

import numpy as np

from cutaway.observables import CoupledReadings, ProbeCurve, Steering, TokenRanks, TokenScores
from cutaway.plots.base import OKABE_ITO, draws, empty_figure

_MEASURES = {"auc": "AUC", "r2": "r²", "within": "r² within classes"}


@draws
def _scores(result: TokenScores, *, color: Any = None) -> Any:
    """Score of every token by its position; sinks hollow; with `color` (one a text) a colour each.

    A line of tokens is a text: hover to read its token and text.
    """
    figure = empty_figure(result, f"{result.vector} at {result.site}")
    groups = np.zeros(len(result.text_ids), np.int64) if color is None else np.asarray(color)
    if len(groups) != len(result.text_ids):
        raise ValueError(
            f"color must have an entry for each of the {len(result.text_ids)} texts, got "
            f"{len(groups)}; give them in the order of result.text_ids"
        )
    token = np.array(result.token)
    for place, one in enumerate(np.unique(groups)):
        for sink in (False, True):
            chosen = (groups[result.text] == one) & (result.sink == sink)
            if not chosen.any():
                continue
            figure.add_scattergl(
                x=result.position[chosen], y=result.score[chosen], mode="markers",
                text=[f"{t!r}, text {i}" for t, i in zip(
                    token[chosen], result.text_ids[result.text[chosen]], strict=True)],
                name="sinks" if sink else "tokens" if color is None else str(one),
                marker={"color": OKABE_ITO[place % 8], "size": 5,
                        "symbol": "circle-open" if sink else "circle"},
            )  # fmt: skip
    figure.update_xaxes(title="position in the text (tokens)")
    figure.update_yaxes(title="score at unit attention")
    return figure


@draws
def _ranks(result: TokenRanks) -> Any:
    """Tokens at both ends of a direction."""
    figure = empty_figure(result, f"{result.vector} at {result.site}")
    figure.add_bar(
        x=result.score, y=[f"{one!r}" for one in result.token], orientation="h",
        marker_color=np.where(result.score > 0, OKABE_ITO[5], OKABE_ITO[0]), showlegend=False,
    )  # fmt: skip
    unit = "change of the logit a unit length" if result.through == "unembedding" else "reading"
    figure.update_xaxes(title=f"{unit}, through the {result.through}")
    figure.update_yaxes(title="token", autorange="reversed", type="category")
    return figure


@draws
def _steering(result: Steering) -> Any:
    """Change and divergence of the step beside those of random directions."""
    figure = empty_figure(result, repr(result))
    figure.add_scatter(
        x=result.random_kl, y=result.random_change, mode="markers", name="random directions",
        marker={"color": OKABE_ITO[4], "size": 7},
    )  # fmt: skip
    figure.add_scatter(
        x=[result.kl.mean()], y=[result.change.mean()], mode="markers", name="the vector",
        marker={"color": OKABE_ITO[5], "size": 12, "symbol": "diamond"},
    )  # fmt: skip
    figure.update_xaxes(title="KL(before ‖ after), mean of the prompts (nats)")
    figure.update_yaxes(title=f"change of {result.observable} (logits)")
    return figure


@draws
def _probes(result: ProbeCurve, *, measure: str = "auc") -> Any:
    """Learning curves with their 95 % intervals; what needs no training as a level line."""
    if measure not in _MEASURES:
        raise ValueError(
            f"measure must be one of {', '.join(_MEASURES)}, got {measure!r}; choose one of these"
        )
    mean, low, high = (getattr(result, measure + end) for end in ("", "_low", "_high"))
    trained = result.size[result.size > 0]
    ends = [int(trained.min()), int(trained.max())]
    figure = empty_figure(result, f"{result.vector}: {result.n_test} texts held out")
    for place, name in enumerate(dict.fromkeys(result.method.tolist())):
        chosen = np.flatnonzero(result.method == name)
        free = result.size[chosen[0]] == 0
        x = ends if free else result.size[chosen].tolist()
        rows = np.repeat(chosen, 2) if free else chosen
        color = OKABE_ITO[(5, 0, 1, 2, 3, 4, 6, 7)[place % 8]]
        figure.add_scatter(
            x=[*x, *x[::-1]], y=[*high[rows], *low[rows][::-1]], fill="toself", opacity=0.15,
            fillcolor=color, line={"width": 0}, hoverinfo="skip", showlegend=False,
        )  # fmt: skip
        figure.add_scatter(
            x=x, y=mean[rows], mode="lines" if free else "lines+markers", name=name,
            line={"color": color, "dash": "dash" if free else "solid"},
        )  # fmt: skip
    figure.update_xaxes(title="texts trained on", type="log")
    figure.update_yaxes(title=f"{_MEASURES[measure]} on held-out texts")
    return figure


@draws
def _coupled(result: CoupledReadings) -> Any:
    """Readings at every token, the line that they show and the one that the weights predict."""
    figure = empty_figure(result, repr(result))
    figure.add_scattergl(
        x=result.a, y=result.b, mode="markers", name="tokens", text=list(result.rows.ids),
        marker={"color": OKABE_ITO[0], "size": 3, "opacity": 0.5},
    )  # fmt: skip
    ends = np.array([result.a.min(), result.a.max()])
    middle = float(result.a.mean())
    level = result.intercept + result.slope * middle
    for name, slope, color in (
        ("slope on the texts", result.slope, OKABE_ITO[1]),
        ("coupling of the weights", result.coupling, OKABE_ITO[5]),
    ):
        figure.add_scatter(
            x=ends, y=level + slope * (ends - middle), mode="lines", name=name,
            line={"color": color},
        )  # fmt: skip
    figure.update_xaxes(title=f"reading of {result.name_a}")
    figure.update_yaxes(title=f"reading of {result.name_b}")
    return figure

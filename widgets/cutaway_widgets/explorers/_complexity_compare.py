"""Features left in a second model or checkpoint, layer by layer, at the same betas."""

from collections.abc import Mapping
from typing import Any

import ipywidgets
import numpy as np

from cutaway.core import Tick, part
from cutaway.merging import ComplexityCurve
from cutaway.model import Model
from cutaway_widgets.bars import Bars
from cutaway_widgets.explorers import _complexity_words as words
from cutaway_widgets.explorers._complexity_desk import MergeDesk, curve_of, score_name
from cutaway_widgets.explorers._filter_desk import BUSY
from cutaway_widgets.explorers._layout import column, end, line, row
from cutaway_widgets.explorers._second_model import SecondModel
from cutaway_widgets.line_chart import LineChart

_NOTHING = (
    "There is nothing to compare with: this model keeps no checkpoints. Give a second model, e.g. "
    "ComplexityExplorer(model, data, compare=other)."
)
_HOW = "Computes the curve of the other one at the same betas; layers are matched by name."
_FIRST = "First compute the curve of this model, then compare."


class CompareSection:
    """Choose a checkpoint, or take the given model; both as bars and as curves.

    Parameters
    ----------
    desk : MergeDesk
        Results, selections, and the job.
    other : Model or None
        A second model; None offers the checkpoints that the first one keeps.
    """

    def __init__(self, desk: MergeDesk, other: Model | None) -> None:
        self._desk, self._second = desk, SecondModel(desk.workspace, other)
        self.form = self._second.form
        self._how = _HOW if self._second.possible else _NOTHING
        self.text = ipywidgets.HTML(line(self._how))
        groups, steps = desk.groups, desk.steps
        nothing = np.zeros((len(steps.index), len(groups.index)))
        self.bars = Bars(
            nothing, link=groups, step_link=steps, title="Features left in both", height=420
        )
        self.chart = LineChart(
            {}, np.zeros(len(steps.index)), link=steps, follow=True, x_label="beta",
            y_label="share", title="Both networks", height=300,
        )  # fmt: skip
        self._found = row([column([self.bars], "360px", 3), column([self.chart], "340px", 2)])
        self._found.layout.display = "none"
        self.box = ipywidgets.VBox([self.text, self.form, self._found])
        self._stop = self.form.on_submit(self.compare)

    def show(self, _curve: ComplexityCurve) -> None:
        """Another curve: what was compared is about other betas."""
        self._found.layout.display = "none"
        self.text.value = line(self._how)

    def compare(self, values: Mapping[str, Any]) -> None:
        """Compute the curve of the second model in the background."""
        desk, first = self._desk, self._desk.curve
        if first is None:
            self.text.value = line(_FIRST)
            return
        betas = tuple(float(one) for one in first.betas)

        def work(tick: Tick) -> tuple[ComplexityCurve, ComplexityCurve, str]:
            tick(0.0, "opening the second model")
            other, name = self._second.opened(values)
            rest = part(tick, 0.05, 1.0)
            return first, curve_of(desk.workspace, other, betas, first.rule, rest)[1], name

        if not desk.begin("compare", work, self._compared):
            self.text.value = line(BUSY)

    def close(self) -> None:
        """Stop listening and end the views."""
        self._stop()
        end(self.box)

    def _compared(self, found: tuple[ComplexityCurve, ComplexityCurve, str]) -> None:
        first, second, name = found
        desk = self._desk
        with desk.workspace.lock:
            if desk.curve is not first:
                return
            desk.workspace.results["complexity_compared"] = second
            here = desk.model.name
            other = f"{name} (other)" if name == here else name
            left, size = matched(first, second)
            self.bars.set_values(
                {here: first.features_left, other: left}, whole={here: first.size, other: size},
                caption=second.origin.caption(),
            )  # fmt: skip
            self.chart.log_x = bool((first.betas > 0).sum() > 1)
            self.chart.set_series(
                both_series(first, second, here, other, score_name(desk.data)),
                np.asarray(first.betas, np.float64), caption=second.origin.caption(),
            )  # fmt: skip
            self.text.value = line(difference_text(first, second, here, other))
            self._found.layout.display = None


def matched(first: ComplexityCurve, second: ComplexityCurve) -> tuple[Any, Any]:
    """Features left and sizes of the second curve, by the groups of the first; NaN for none.

    Returns
    -------
    features_left : ndarray of shape (betas, groups)
    size : ndarray of shape (groups,)
    """
    names = [str(one) for one in second.rows.ids]
    left = np.full(first.features_left.shape, np.nan)
    size = np.full(len(first.rows), np.nan)
    for g, name in enumerate(first.rows.ids):
        if str(name) in names:
            place = names.index(str(name))
            left[:, g], size[g] = second.features_left[:, place], second.size[place]
    return left, size


def both_series(
    first: ComplexityCurve, second: ComplexityCurve, here: str, other: str, score: str
) -> dict[str, Any]:
    """Features left and scores of two networks over beta."""
    wanted = ("features left", score) if score else ("features left",)
    series: dict[str, Any] = {}
    for name, curve in ((here, first), (other, second)):
        known = words.whole_series(curve, score or "score")
        series |= {f"{one}, {name}": known[one] for one in wanted if one in known}
    return series


def difference_text(first: ComplexityCurve, second: ComplexityCurve, here: str, other: str) -> str:
    """Where both differ most, and which layers only one of them has."""
    left, size = matched(first, second)
    known = np.isfinite(size)
    alone = [str(one) for one, both in zip(first.rows.ids, known, strict=True) if not both]
    names = {str(one) for one in first.rows.ids}
    missing = [str(one) for one in second.rows.ids if str(one) not in names]
    if not known.any():
        return (
            f"No layer of {other} has the name of one of {here}: the bars show {here} only; the "
            "curves beside them compare the whole networks."
        )
    gap = left[:, known] / size[known] - first.features_left[:, known] / first.size[known]
    k, g = np.unravel_index(int(np.nanargmax(np.abs(gap))), gap.shape)
    name = first.rows.ids[known][g]
    mine = first.features_left[k][known][g] / first.size[known][g]
    text = f"At no beta does a layer differ: {other} keeps as many features as {here}."
    if gap[k, g]:
        text = (
            f"The largest difference is in {name} at beta {first.betas[k]:.3g}: {here} keeps "
            f"{mine:.0%} of its features, {other} {mine + gap[k, g]:.0%}."
        )
    for who, lone in ((here, alone), (other, missing)):
        if lone:
            text += f" Only {who} has {', '.join(lone[: words.MOST_NAMED])}."
    return text

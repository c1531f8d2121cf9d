"""Linked views of one complexity curve: a slider over beta moves all of them in the browser."""

from typing import Any

import ipywidgets
import numpy as np

from cutaway.core import Index
from cutaway.merging import ComplexityCurve
from cutaway_widgets._link import Link
from cutaway_widgets.bars import Bars
from cutaway_widgets.explorers import _complexity_words as words
from cutaway_widgets.explorers._layout import column, row
from cutaway_widgets.heat_map import HeatMap
from cutaway_widgets.line_chart import LineChart

MOST_LINES = 8
"""Groups that are drawn as lines; more are a heat-map, which stays readable."""


class CurveViews:
    """Groups as bars at one beta; curves of the whole network and of each group over beta.

    Parameters
    ----------
    groups, steps : Link
        Selections of groups and of betas; they take the rows of the curve that is shown.
    """

    def __init__(self, groups: Link, steps: Link) -> None:
        self.groups, self.steps = groups, steps
        self.bars = Bars(
            np.zeros((len(steps.index), len(groups.index))), link=groups, step_link=steps,
            mark="left at random initialisation", title="Features left of each layer", height=460,
        )  # fmt: skip
        common: dict[str, Any] = {"link": steps, "follow": True, "x_label": "beta", "height": 280}
        nothing = np.zeros(len(steps.index))
        self.whole = LineChart({}, nothing, title="The whole network", **common)
        self.each = LineChart({}, nothing, title="Features left by layer", **common)
        self.heat = HeatMap(
            np.zeros((len(groups.index), len(steps.index))), row_link=groups, link=steps,
            name="features left", unit="of the layer's", title="Features left by layer and beta",
            limits=(0.0, 1.0), height=320,
        )  # fmt: skip
        self.heat.layout.display = "none"
        self.parts: tuple[Any, ...] = (self.bars, self.whole, self.each, self.heat)

    def charts(self) -> ipywidgets.Box:
        """Both curves beside each other."""
        right = column([self.each, self.heat], "340px", 1)
        return row([column([self.whole], "340px", 1), right])

    def box(self) -> ipywidgets.VBox:
        """All views for a card."""
        return ipywidgets.VBox([self.bars, self.charts()])

    def show(self, curve: ComplexityCurve, *, score: str = "score", n: int | None = None) -> None:
        """Show a curve, at the beta that is chosen already, else at one that is worth a look.

        Parameters
        ----------
        curve : ComplexityCurve
        score : str
            Name of its score.
        n : int or None
            Samples that it was measured on.
        """
        betas, groups = words.beta_index(curve), curve.rows
        chosen = self.steps.selection
        for link, index in ((self.groups, groups), (self.steps, betas)):
            if link.digest != index.digest:
                link.set_index(index)
        caption = curve.origin.caption()
        self.bars.set_values(
            curve.features_left, whole=curve.size, index=groups, steps=betas,
            marks=_marks(curve), details=words.details(curve), notes=words.notes(curve, score, n),
            caption=caption,
        )  # fmt: skip
        self._curves(curve, betas, score, caption)
        if self.steps.selection is None:
            kept = [one for one in chosen.ids if one in betas] if chosen is not None else []
            first = betas.ids[words.first_step(curve)].item()
            self.steps.select(kept[:1] or [first])

    def close(self) -> None:
        """Close the views."""
        for one in self.parts:
            one.close()

    def _curves(self, curve: ComplexityCurve, betas: Index, score: str, caption: str) -> None:
        log = bool((curve.betas > 0).sum() > 1)  # beta 0 has no place there: the slider has it
        for chart in (self.whole, self.each):
            chart.log_x = log
        x = np.asarray(curve.betas, np.float64)
        series = words.whole_series(curve, score)
        shares = all(np.nanmax(one, initial=0.0) <= 1.0 for one in series.values())
        self.whole.y_limits = [0.0, 1.02] if shares else None
        self.each.y_limits = [0.0, 1.02]
        hidden = [one for one in ("MACs kept",) if one in series]
        self.whole.set_series(
            series, x, index=betas, y_label="share", hidden=hidden, caption=caption
        )
        few = len(curve.rows) <= MOST_LINES
        self.each.set_series(
            words.group_series(curve) if few else {}, x, index=betas, y_label="share of the layer's"
        )
        self.each.layout.display = None if few else "none"
        self.heat.layout.display = "none" if few else None
        # Sent where it is shown only; both follow the same rows.
        left = (curve.features_left / curve.size).T
        self.heat.set_values(left, rows=curve.rows, columns=betas, limits=(0.0, 1.0))


def _marks(curve: ComplexityCurve) -> Any:
    """What is left untrained; None where that is not known."""
    return curve.baseline_left if np.isfinite(curve.baseline_left).any() else None

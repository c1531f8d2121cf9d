"""A film over the epochs: flagged filters beside the train-test gap; the cursor loads an epoch."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from ipywidgets import HTML, VBox

from cutaway.core import Tick, part
from cutaway.filters import FilterScreen
from cutaway.filters.overfitting import AnomalyGrowth, anomaly_growth
from cutaway.model import Model
from cutaway_widgets.explorers import _filter_checkpoints as checkpoints
from cutaway_widgets.explorers._filter_desk import BUSY, Desk
from cutaway_widgets.explorers._filter_effect import signed
from cutaway_widgets.explorers._layout import column, end, line, row
from cutaway_widgets.form import Field, Form
from cutaway_widgets.line_chart import LineChart

FRAMES, PROBE = 7, 500
_HOW = (
    "Screens the convolutions of each epoch on the first training samples, and sets the share of "
    "flagged filters beside the gap between training and test accuracy."
)
_CURSOR = "Click an epoch, or move the cursor with the arrow keys: the page then shows its filters."
_NOTHING = (
    "This model keeps no checkpoints. A film needs some, e.g. those of lenet5-digits-overfit."
)


class FilmSection:
    """Form of the epochs, two charts with one cursor.

    Parameters
    ----------
    desk : Desk
        Results, selections, and the job.
    look_at : callable
        Called with (model, epoch) when the cursor came to rest on an epoch.
    """

    def __init__(self, desk: Desk, look_at: Callable[[Callable[[], Model], int], None]) -> None:
        self._desk, self._look_at = desk, look_at
        # Another checkpoint may be on the page later; the film is about the model that was opened.
        self._model: Model = desk.workspace.model
        self._epochs = checkpoints.epochs_of(self._model)
        self.form = Form(
            self._fields(), submit="Run the film", title="Film", lock=desk.workspace.lock
        )
        self.text = HTML(line(_HOW if self._epochs else _NOTHING))
        self.form.layout.display = None if self._epochs else "none"
        self.form.layout.max_width = "480px"
        self.gap = LineChart(
            {}, x_label="epoch", y_label="share", title="Flagged filters and the train–test gap",
            height=300,
        )  # fmt: skip
        self.score = LineChart(
            {}, x_label="epoch", y_label="−log₁₀ p", title="Mean score of the filters", height=300
        )
        charts = [column([one], "320px", 1) for one in (self.gap, self.score)]
        self._charts = row(charts)
        self._charts.layout.display = "none"
        self.box = VBox([self.text, self.form, self._charts])
        self._stops = (
            self.form.on_submit(self.run),
            self.gap.on_cursor(self._moved),
            self.score.on_cursor(self._moved),
        )

    def show(self, _screen: FilterScreen) -> None:
        """The film is about all epochs: nothing to do for one screen."""

    def run(self, values: Mapping[str, Any]) -> None:
        """Screen the epochs in the background; the same ones again are not computed twice."""
        desk, model = self._desk, self._model
        epochs = tuple(dict.fromkeys(sorted(values["epochs"])))
        probe = int(values["samples"])
        unknown = [one for one in epochs if one not in self._epochs]
        if unknown:
            self.form.blame(
                f"epochs must be among {self._epochs[0]}..{self._epochs[-1]}, got {unknown[0]}; "
                "leave it out"
            )
            return

        def compute(tick: Tick) -> AnomalyGrowth:
            tick(0.0, "loading checkpoints")
            course = [(one, checkpoints.checkpoint(model, one)) for one in epochs]
            train, test = checkpoints.trained_on(model)
            step = part(tick, 0.05, 1.0)
            return anomaly_growth({model.name: course}, train, test, probe=probe, tick=step)

        key = {"model": model.digest, "epochs": list(epochs), "probe": probe}
        work = desk.workspace
        begun = desk.begin(
            "film", lambda tick: work.kept("growth", key, lambda: compute(tick)), self._filmed
        )
        if not begun:
            self.text.value = line(BUSY)

    def close(self) -> None:
        """Stop listening and end the views."""
        for stop in self._stops:
            stop()
        end(self.box)

    def _fields(self) -> list[Field]:
        shown = checkpoints.thinned(self._epochs, FRAMES)
        return [
            Field("epochs", "wholes", shown, "Epochs",
                  help="With commas between them; more take longer."),
            Field("samples", "whole", PROBE, "Samples", low=50, high=10_000,
                  help="Training samples that each epoch is screened on."),
        ]  # fmt: skip

    def _filmed(self, found: AnomalyGrowth) -> None:
        with self._desk.workspace.lock:
            self._desk.workspace.results["growth"] = found
            frame = found.to_frame()
            caption = found.origin.caption()
            self.gap.set_series(
                {"flagged share": frame["share"].to_numpy(), "accuracy gap": found.gap},
                found.epoch, caption=caption,
            )  # fmt: skip
            self.score.set_series({"mean score": found.score}, found.epoch, caption=caption)
            self._charts.layout.display = None
            self.text.value = line(f"{film_text(found)}\n{_CURSOR}")

    def _moved(self, x: float | None) -> None:
        if x is None or not self._epochs:
            return
        for chart in (self.gap, self.score):
            if chart.cursor != x:
                chart.cursor = x
        epoch, model = int(x), self._model
        self._look_at(lambda: checkpoints.checkpoint(model, epoch), epoch)


def film_text(growth: AnomalyGrowth) -> str:
    """First and last epoch in words, and how the share of flagged filters goes with the gap.

    Parameters
    ----------
    growth : AnomalyGrowth
        Of one run.
    """
    frame = growth.to_frame()
    first, last = frame.iloc[0], frame.iloc[-1]
    rho = float(growth.trends()["rho"].iloc[0])
    goes = "their rank correlation is not defined, as one of them does not change"
    if not math.isnan(rho):
        goes = (
            f"rank correlation {signed(rho, 2)} over {len(frame)} epochs of one run, "
            "which is no proof"
        )
    gaps = [signed(100 * float(one["gap"]), 1) for one in (first, last)]
    return (
        f"Epoch {first['epoch']} → {last['epoch']}: flagged filters {first['share']:.0%} → "
        f"{last['share']:.0%}, accuracy gap {gaps[0]} → {gaps[1]} points; {goes}."
    )

"""The same layers in another model or checkpoint: filters matched, scores side by side."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from ipywidgets import HTML, VBox

from cutaway.core import Tick, part
from cutaway.filters import FilterScreen
from cutaway.model import Model, load_model
from cutaway_widgets.explorers import _filter_views as views
from cutaway_widgets.explorers._differences import differences_text, filter_differences
from cutaway_widgets.explorers._filter_desk import BUSY, Desk
from cutaway_widgets.explorers._filter_screen import screen_of
from cutaway_widgets.explorers._layout import column, end, line, row
from cutaway_widgets.explorers._second_model import SecondModel
from cutaway_widgets.scatter import Scatter
from cutaway_widgets.table import Table

_NOTHING = (
    "There is nothing to compare with: this model keeps no checkpoints. Give a second model, e.g. "
    "FilterExplorer(model, data, compare=other)."
)
_HOW = (
    "Screens the same layers of the other one on the same samples; filters are matched by number."
)
_FIRST = "First screen a layer, then compare."


def given(compare: Any) -> Model | None:
    """Model that an argument `compare` names: a model, a name, or a name and an epoch."""
    if compare is None or isinstance(compare, Model):
        return compare
    if isinstance(compare, tuple):
        if len(compare) != 2:
            raise ValueError(
                f"compare must be a model, a name, or (name, epoch), got {len(compare)} values; "
                "e.g. ('lenet5-digits-overfit', 3)"
            )
        return load_model(compare[0], checkpoint=compare[1])
    return load_model(compare)


class CompareSection:
    """Choose a checkpoint, or take the given model; table and plane of matched filters.

    Parameters
    ----------
    desk : Desk
        Results, selections, and the job.
    other : Model or None
        A second model; None offers the checkpoints that the first one keeps.
    """

    def __init__(self, desk: Desk, other: Model | None) -> None:
        self._desk, self._second = desk, SecondModel(desk.workspace, other)
        units = desk.units
        self.form = self._second.form
        self._how = _HOW if self._second.possible else _NOTHING
        self.text = HTML(line(self._how))
        self.table = Table(pd.DataFrame(), index=units.index, link=units, title="Matched filters",
                           height=380)  # fmt: skip
        self.plane = Scatter(
            np.zeros((0, 2)), index=units.index, link=units, title="Scores, a filter each",
            height=380,
        )  # fmt: skip
        self._found = row([column([self.table], "420px", 3), column([self.plane], "300px", 2)])
        self._found.layout.display = "none"
        self.box = VBox([self.text, self.form, self._found])
        self._stop = self.form.on_submit(self.compare)

    def show(self, _screen: FilterScreen) -> None:
        """Another screen: what was compared is about other filters."""
        self._found.layout.display = "none"
        self.text.value = line(self._how)

    def compare(self, values: Mapping[str, Any]) -> None:
        """Screen the same layers of the second model in the background."""
        desk, first = self._desk, self._desk.screen
        if first is None:
            self.text.value = line(_FIRST)
            return
        picked = tuple(dict.fromkeys(first.filters["site"].astype(str)))

        def work(tick: Tick) -> tuple[FilterScreen, FilterScreen, str]:
            tick(0.0, "opening the second model")
            other, name = self._second.opened(values)
            second = screen_of(desk.workspace, other, picked, part(tick, 0.05, 1.0))
            return first, second[1], name

        if not desk.begin("compare", work, self._compared):
            self.text.value = line(BUSY)

    def close(self) -> None:
        """Stop listening and end the views."""
        self._stop()
        end(self.box)

    def _compared(self, found: tuple[FilterScreen, FilterScreen, str]) -> None:
        first, second, name = found
        desk = self._desk
        with desk.workspace.lock:
            if desk.screen is not first:
                return
            desk.workspace.results["screen_compared"] = second
            frame = filter_differences(first, second)
            index = views.filter_index(first)
            names = (frame["site"].astype(str) + ":" + frame["unit"].astype(str)).to_numpy()
            every = frame.set_index(pd.Index(names)).reindex(index.ids)
            every["site"], every["unit"] = first.filters[["site", "unit"]].to_numpy().T
            every["unit"] = every["unit"].astype(int)
            self.table.set_frame(
                every.replace({"flag_a": {"": "–"}, "flag_b": {"": "–"}}), index=index,
                units=views.UNITS_OF_TWO, sort="rank_change", caption=second.origin.caption(),
            )  # fmt: skip
            self.plane.set_points(
                every[["score_a", "score_b"]].to_numpy(float), index=index,
                colors={"layer": every["site"].to_numpy(str)},
                x_label=f"score in {desk.model.name}", y_label=f"score in {name}",
            )  # fmt: skip
            self.text.value = line(differences_text(frame, desk.model.name, name))
            self._found.layout.display = None

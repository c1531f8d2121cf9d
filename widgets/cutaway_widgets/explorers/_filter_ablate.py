"""Switch the picked filters off, and read what it did against random filters; undo."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ipywidgets import HTML, VBox

from cutaway.causal import Effect, ablate
from cutaway.core import Tick, part
from cutaway.filters import FilterScreen
from cutaway.model import Edit
from cutaway_widgets.actions import Action, Actions
from cutaway_widgets.explorers import _filter_effect as words
from cutaway_widgets.explorers._filter_desk import BUSY, Desk
from cutaway_widgets.explorers._layout import column, end, line, row
from cutaway_widgets.line_chart import LineChart

CONTROLS = 50
_KEPT = 16
_PICK = "First pick one filter or more in the table."
_NONE = (
    "No filter is switched off. Pick filters in the table, then switch them off: they are set to "
    "their mean, and the accuracy is set beside that without as many random filters."
)
_NO_LABELS = "Accuracy needs labels, and this data has none."
_UNMEASURED = "These edits were not measured on this model: switch filters off to measure."
Edits = tuple[Edit, ...]


@dataclass(frozen=True)
class Outcome:
    """What some edits do.

    Parameters
    ----------
    accuracy : Effect
        With random controls.
    loss : Effect
        Of each sample, without controls.
    """

    accuracy: Effect
    loss: Effect

    @property
    def edits(self) -> Edits:
        """The edits with their means filled in."""
        return tuple(Edit.from_json(one) for one in self.accuracy.edits)


class AblateSection:
    """Buttons, the effect in words, and the change beside those of the random controls.

    Parameters
    ----------
    desk : Desk
        Results, selections, and the job.
    changed : callable
        Called with the columns that samples gain, empty ones when nothing is switched off.
    """

    def __init__(self, desk: Desk, changed: Callable[[dict[str, Any]], None]) -> None:
        self._desk, self._changed = desk, changed
        self._known: dict[tuple[str, Edits], Outcome] = {}
        space = desk.workspace
        self.actions = Actions(
            [
                Action("off", "Switch the picked filters off", primary=True,
                       help=f"Sets them to their mean; {CONTROLS} random draws to compare"),
                Action("undo", "Undo", help="Take the last edit back", enabled=False),
                Action("redo", "Redo", help="Make it again", enabled=False),
            ],
            title="Edit", lock=space.lock,
        )  # fmt: skip
        self.actions.on_click("off", self.switch_off)
        self.actions.on_click("undo", self.undo)
        self.actions.on_click("redo", self.redo)
        self.text = HTML(line(_NONE))
        self.chart = LineChart(
            {"random filters": []}, x_label="change of accuracy", y_label="draws",
            title="Picked filters among random ones", height=280,
        )  # fmt: skip
        self.chart.layout.display = "none"
        left = column([self.actions, self.text], "320px", 1)
        self.box = VBox([row([left, column([self.chart], "360px", 1)])])
        self._stop = space.listen(self._edited, "edits")
        self._adopt()
        self._offer()

    def show(self, _screen: FilterScreen) -> None:
        """Say what holds for the model of a new screen."""
        self._tell()

    def switch_off(self) -> None:
        """Measure what the picked filters do for the accuracy, in the background."""
        desk = self._desk
        picked, data, model = desk.picked(), desk.data, desk.model
        if not picked or data.labels is None:
            self.text.value = line(_PICK if data.labels is not None else _NO_LABELS)
            return
        edits = words.mean_edits(picked)

        def work(tick: Tick) -> Outcome:
            accuracy = ablate(
                model, data, edits, metric="accuracy", controls=CONTROLS, tick=part(tick, 0.0, 0.9)
            )
            filled = [Edit.from_json(one) for one in accuracy.edits]
            loss = ablate(model, data, filled, metric="loss", controls=0, tick=part(tick, 0.9, 1.0))
            return Outcome(accuracy, loss)

        name = ", ".join(f"{site}:{unit}" for site, unit in picked[:3])
        more = f" and {len(picked) - 3} more" if len(picked) > 3 else ""
        if not desk.begin(f"switch off {name}{more}", work, self._measured):
            self.text.value = line(BUSY)

    def undo(self) -> None:
        """Take the last edit back."""
        self._desk.workspace.undo()

    def redo(self) -> None:
        """Make the edit again that was taken back; its effect is still known."""
        self._desk.workspace.redo()

    def close(self) -> None:
        """Stop listening and end the views."""
        self._stop()
        end(self.box)

    def _measured(self, found: Outcome) -> None:
        space = self._desk.workspace
        with space.lock:
            key = (self._desk.model.digest, found.edits)
            self._known.pop(key, None)
            self._known[key] = found
            self._desk.samples.color_by = words.RIGHT
            while len(self._known) > _KEPT:
                del self._known[next(iter(self._known))]
            if space.edits == found.edits:
                self._tell()
            else:
                space.edits = found.edits

    def _edited(self, _name: str, _old: Any, _new: Any) -> None:
        self._tell()

    def _tell(self) -> None:
        """Words, chart, slots and columns for the edits that hold now."""
        space = self._desk.workspace
        with space.lock:
            edits: Edits = tuple(space.edits or ())
            found = self._known.get((self._desk.model.digest, edits))
            self._offer()
            self.chart.layout.display = "none" if found is None else None
            self._changed({} if found is None else words.columns(found.accuracy, found.loss))
            if found is None:
                self.text.value = line(_UNMEASURED if edits else _NONE)
                self._forget()
                return
            space.effect = found.accuracy
            space.results["effect"], space.results["effect_loss"] = found.accuracy, found.loss
            self.text.value = line(words.effect_text(found.accuracy, found.loss))
            series, places = words.among_controls(found.accuracy)
            self.chart.set_series(series, places, caption=found.accuracy.origin.caption())

    def _forget(self) -> None:
        """These edits have no effect yet: what was measured here for others goes."""
        space = self._desk.workspace
        shown = space.results.get("effect")
        if space.read_only or not any(one.accuracy is shown for one in self._known.values()):
            return
        space.effect = None
        for name in ("effect", "effect_loss"):
            space.results.pop(name, None)

    def _adopt(self) -> None:
        """Take what a saved session has measured, if it is what this page measures."""
        results = self._desk.workspace.results
        accuracy, loss = results.get("effect"), results.get("effect_loss")
        if not (isinstance(accuracy, Effect) and isinstance(loss, Effect)):
            return
        same = accuracy.edits == loss.edits and accuracy.rows.digest == loss.rows.digest
        means = all(one["edit"] == "Mean" for one in accuracy.edits)
        if same and means and accuracy.rows.digest == self._desk.data.index.digest:
            found = Outcome(accuracy, loss)
            self._known[accuracy.origin.weights, found.edits] = found

    def _offer(self) -> None:
        """Buttons that can be pressed now."""
        space = self._desk.workspace
        self.actions.change("undo", enabled=space.can_undo)
        self.actions.change("redo", enabled=space.can_redo)

"""Switch units off, or hold them at their mean, and measure what that does."""

from collections.abc import Callable, Mapping
from typing import Any

import ipywidgets

from cutaway.causal import Effect, ablate
from cutaway.core import Tick
from cutaway.workspace import Workspace
from cutaway_widgets.actions import Action, Actions
from cutaway_widgets.explorers._edits import edits_of, edits_text
from cutaway_widgets.explorers._layout import end, line
from cutaway_widgets.explorers._work import Opened
from cutaway_widgets.form import Field, Form

HOW = (
    "Pick filters in a table of results, or write units below. The effect is measured on the open "
    "samples, beside random edits of as many units of the same layer."
)
NOTHING = "No edit is in force."
_FIELDS = (
    Field(
        "units", "text", "", "Units", optional=True,
        help="Layer and number, with commas: conv1:3, conv1:5.",
    ),
    Field(
        "edit", "choice", "zero", "What to do", options=("zero", "mean"),
        titles=("Zero: switch them off", "Mean: hold them at their mean"),
    ),
    Field(
        "together", "check", default=False, label="Keep the others",
        help="Add to the edits in force instead of replacing them.",
    ),
    Field(
        "metric", "choice", "accuracy", "Metric", options=("accuracy", "loss", "margin"),
        titles=("accuracy", "loss (nats)", "margin of the right answer (logits)"),
    ),
    Field("controls", "whole", 100, "Random controls", low=0, high=1000),
    Field("seed", "whole", 0, "Seed", low=0, help="Of the controls and the interval."),
)  # fmt: skip


class EditPanel:
    """Form of an edit, and the edits in force with undo and redo.

    Parameters
    ----------
    workspace : Workspace
        Holds the edits.
    apply : callable
        Called with the edits, and the values of the form.
    """

    def __init__(
        self, workspace: Workspace, apply: Callable[[tuple[Any, ...], Mapping[str, Any]], None]
    ) -> None:
        self._space, self._apply, lock = workspace, apply, workspace.lock
        self.text = ipywidgets.HTML(line(HOW))
        self.form = Form(_FIELDS, submit="Apply and measure", lock=lock)
        self.history = Actions(self._buttons(), title="Edits in force", lock=lock)
        self.box = ipywidgets.VBox([self.text, self.form, self.history])
        self.history.on_click("undo", self._undo)
        self.history.on_click("redo", self._redo)
        self.history.on_click("clear", self._clear)
        self._stops = (self.form.on_submit(self._submitted), workspace.listen(self._heard, "edits"))
        self.refresh()

    def pick(self, ids: tuple[str, ...]) -> None:
        """Put units that were picked in a view into the form."""
        self.form.set_values(units=", ".join(ids))

    def refresh(self) -> None:
        """Say what is in force, and what can be undone."""
        self.history.set_items(self._buttons())
        self.history.caption = edits_text(_listed(self._space.edits)) or NOTHING

    def close(self) -> None:
        """Stop listening, and end the views."""
        for stop in self._stops:
            stop()
        for one in (self.text, self.form, self.history, self.box):
            end(one)

    def _buttons(self) -> list[Action]:
        space = self._space
        clear = bool(_listed(space.edits)) and not space.read_only
        return [
            Action("undo", "Undo", "Take the last change back", enabled=space.can_undo),
            Action("redo", "Redo", "Make it again", enabled=space.can_redo),
            Action("clear", "Clear", "Put no edit in force", enabled=clear),
        ]

    def _heard(self, _name: str, _old: Any, _new: Any) -> None:
        """The edits changed; the effect in the workspace is theirs, or none."""
        space = self._space
        wanted = [one.to_json() for one in _listed(space.edits)]
        known = [one for one in space.results.values() if isinstance(one, Effect)]
        if not space.read_only:
            space.effect = next((one for one in known[::-1] if one.edits == wanted), None)
        self.refresh()

    def _submitted(self, values: Mapping[str, Any]) -> None:
        try:
            fresh = edits_of(values["units"] or "", values["edit"])
        except ValueError as error:
            self.form.blame(str(error))
            return
        kept = _listed(self._space.edits) if values["together"] else ()
        self._apply((*kept, *fresh), values)

    def _undo(self) -> None:
        self._space.undo()

    def _redo(self) -> None:
        self._space.redo()

    def _clear(self) -> None:
        self._space.edits = None


def measure(
    opened: Opened, edits: tuple[Any, ...], values: Mapping[str, Any], tick: Tick
) -> Effect:
    """Effect of the edits as the form asks for it."""
    return ablate(
        opened.model, opened.data, edits, metric=values["metric"], controls=values["controls"],
        seed=values["seed"], tick=tick,
    )  # fmt: skip


def _listed(edits: Any) -> tuple[Any, ...]:
    if edits is None:
        return ()
    return tuple(edits) if isinstance(edits, (list, tuple)) else (edits,)

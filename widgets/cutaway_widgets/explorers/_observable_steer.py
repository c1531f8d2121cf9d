"""Steer along the vector: a curve over the step, its cursor as the slider, random steps beside."""

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
from ipywidgets import VBox

from cutaway.core import Index, Tick, part
from cutaway.model import Edit, Steer
from cutaway.observables import FeatureVector, Steering, steer
from cutaway_widgets.actions import Action, Actions
from cutaway_widgets.explorers import _observable_steer_words as words
from cutaway_widgets.explorers._layout import column, end, line, row
from cutaway_widgets.explorers._observable_desk import Desk, said, show_if
from cutaway_widgets.explorers._observable_words import read_prompts, write_prompts
from cutaway_widgets.form import Field, Form
from cutaway_widgets.line_chart import LineChart
from cutaway_widgets.table import Table

_EMPTY = (
    "Steer to see what steps along the vector do to the next token, and what as long steps in "
    "random directions do. Then drag the cursor of the curve: it is the slider."
)
_NO_VECTOR = "There is no vector to steer along yet: ask for an observable first."
_STEPS = 3  # of each sign
_SHARE = 0.25  # of the median length of the stream: the largest step where none is given
Edits = tuple[Edit, ...]


class SteerSection:
    """Form, curve with a cursor, divergence, table of next tokens; undo.

    Parameters
    ----------
    desk : Desk
        Vector, question and the worker. Where the cursor stands is the workspace's edit.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._curve: dict[float, Steering] = {}
        self._vector: FeatureVector | None = None
        lock = desk.workspace.lock
        self.form = Form(
            [
                Field("prompts", "text", label="Prompts", optional=True,
                      help="With | between them; empty takes those where the observable is low"),
                Field("largest", "number", None, "Largest step", optional=True, low=0,
                      help="In units of the residual stream; empty: a quarter of its length"),
                Field("positions", "choice", "path", "Where", options=("path", "last", "all"),
                      titles=("where the path reads", "at the last token", "at all tokens"),
                      help="Tokens whose residual stream takes the step"),
                Field("controls", "whole", 20, "Random directions", low=0, high=200,
                      help="As long steps in random directions, to compare with"),
            ],
            submit="Steer", title="Steer along the vector", lock=lock,
        )  # fmt: skip
        self.form.on_submit(self._submitted)
        self.actions = Actions(
            [
                Action("undo", "Undo", help="Back to the step before", enabled=False),
                Action("redo", "Redo", help="Take that back", enabled=False),
                Action("none", "No step", help="Take the step away", enabled=False),
            ],
            title="Step", lock=lock,
        )  # fmt: skip
        self.actions.on_click("undo", self.undo)
        self.actions.on_click("redo", self.redo)
        self.actions.on_click("none", lambda: self._hold(0.0))
        self.text = said(_EMPTY)
        self.curve = LineChart({}, x_label="step", title="Change of the observable", height=260)
        self.divergence = LineChart({}, x_label="step", title="Divergence", height=180)
        self.table = Table(
            pd.DataFrame(columns=words.COLUMNS), index=Index.count(0, "next token"), height=320,
            title="Next tokens before and after",
        )  # fmt: skip
        self.views = row(
            [
                column([self.curve, self.divergence], "320px", 1),
                column([self.actions, self.table], "320px", 1),
            ]
        )
        show_if(self.views, shown=False)
        for chart in (self.curve, self.divergence):
            # Not `on_cursor`, which holds the chart's lock: a worker that holds the workspace's
            # waits for that one, and this needs the workspace's.
            chart.observe(self._slid(chart), "cursor")
        side = column([self.form, self.text], "280px", 1)
        self.box = VBox([row([side, column([self.views], "400px", 3)])])
        self._stop = desk.workspace.listen(self._edited, "edits")

    @property
    def by(self) -> float:
        """The step that is held now; 0 for none."""
        edits, first = self._desk.workspace.edits or (), next(iter(self._curve.values()), None)
        for one in edits:
            if isinstance(one, Steer) and first is not None and one.site == first.edit_site:
                return float(one.by)
        return 0.0

    def clear(self) -> None:
        """Another vector came: what was steered along the last one goes, and so does its edit."""
        self._desk.drop("steer", "controls")
        if self._curve:
            self._hold(0.0)
        self._curve, self._vector = {}, None
        show_if(self.views, shown=False)
        self.text.value = line(_EMPTY)

    def undo(self) -> None:
        """Go back to the step that was held before."""
        self._desk.workspace.undo()

    def redo(self) -> None:
        """Take the last undo back."""
        self._desk.workspace.redo()

    def close(self) -> None:
        """Stop listening and end the views."""
        self._stop()
        end(self.box)

    def _submitted(self, values: dict[str, Any]) -> None:
        desk, question, vector = self._desk, self._desk.question, self._desk.vector
        if question is None or vector is None:
            self.text.value = line(_NO_VECTOR)
            return
        prompts = read_prompts(values["prompts"]) or [low for _, low in question.prompts]
        if not prompts:
            self.form.blame("prompts must hold a text, got nothing; write one")
            return
        self.form.set_values(prompts=write_prompts(prompts))
        model, observable, largest = desk.model, question.observable, values["largest"]
        where, controls = words.position_of(vector, values["positions"]), values["controls"]

        def curve(tick: Tick, steps: Sequence[float], count: int) -> list[Steering]:
            return [
                steer(
                    model, prompts, vector, by=one, observable=observable, positions=where,
                    controls=count, tick=part(tick, place / len(steps), (place + 1) / len(steps)),
                )
                for place, one in enumerate(steps)
            ]  # fmt: skip

        def plain(tick: Tick) -> list[Steering]:
            length = largest or _SHARE * words.stream_length(model, vector, prompts)
            return curve(tick, words.steps(length, _STEPS), 0)

        def done(found: list[Steering]) -> None:
            self._take(vector, found)
            self._hold(min(one for one in self._curve if one > 0))
            if controls:
                desk.ask(
                    "controls", f"{controls} random directions, {len(found)} steps each",
                    lambda tick: curve(tick, list(self._curve), controls),
                    lambda more: self._take(vector, more), self._refused,
                )  # fmt: skip

        desk.ask("steer", f"Steer along {vector.path}", plain, done, self._refused,
                 instead_of=("controls",))  # fmt: skip

    def _take(self, vector: FeatureVector, curve: list[Steering]) -> None:
        """Show a curve; first without random directions, and with them when they are there."""
        held, self._vector = self.by, vector
        self._curve = {float(one.by or 0.0): one for one in curve}
        show_if(self.views, shown=True)
        series, bands = words.change_series(curve)
        x = words.places(curve)
        band = "Band: random directions, lowest to highest. " if bands else ""
        self.curve.set_series(
            series, x, bands=bands, unit="logits", cursor=held, y_label="mean change",
            title=f"Change of {curve[0].observable}", caption=f"{band}{curve[0].origin.caption()}",
        )  # fmt: skip
        self.divergence.set_series(
            words.divergence_series(curve), x, unit="nats", y_label="KL", cursor=held,
            title="How far the next-token distribution moves",
        )  # fmt: skip
        self._show(held)

    def _refused(self, told: str) -> None:
        if not self.form.blame(told, otherwise="prompts"):
            self.text.value = line(told)

    def _slid(self, chart: LineChart) -> Callable[[Any], None]:
        """What to do when a chart's cursor was put somewhere: hold that step."""

        def hold(by: float | None) -> None:
            if by is not None and self._curve:
                self._hold(by)

        return lambda change: chart.guarded(hold)(change["new"])

    def _hold(self, by: float) -> None:
        """Make the step the workspace's edit, which can be undone, and show what it does."""
        space = self._desk.workspace
        with space.lock:
            edits = self._edits(by)
            if tuple(space.edits or ()) == edits or space.read_only:
                self._show(by)
            else:
                space.edits = edits  # and so `_edited` shows it

    def _edits(self, by: float) -> Edits:
        """The workspace's edits, with this step in the place of the one that was held."""
        one, vector = next(iter(self._curve.values()), None), self._vector
        others = tuple(self._desk.workspace.edits or ())
        if one is not None:
            others = tuple(
                edit
                for edit in others
                if not (isinstance(edit, Steer) and edit.site == one.edit_site)
            )
        if one is None or vector is None or not by:
            return others
        position = words.edit_position(one)
        step = Steer(one.edit_site, tuple(vector.vector.tolist()), by, position=position)
        return (*others, step)

    def _edited(self, _name: str, _old: Any, _new: Any) -> None:
        self._show(self.by)

    def _show(self, by: float) -> None:
        """Cursor, words and table of a step."""
        space = self._desk.workspace
        self.actions.change("undo", enabled=space.can_undo)
        self.actions.change("redo", enabled=space.can_redo)
        self.actions.change("none", enabled=bool(by))
        if not self._curve:
            return
        nearest = min([0.0, *self._curve], key=lambda one: abs(one - by))
        for chart in (self.curve, self.divergence):
            if chart.cursor != nearest:
                chart.cursor = nearest
        found = self._curve.get(nearest)
        every: Sequence[Steering] = list(self._curve.values())
        self.text.value = line(words.step_text(found))
        shown = found or min(every, key=lambda one: abs(float(one.by or 0.0)))
        self.table.set_frame(
            words.tokens_frame(shown, steered=found is not None), sort="change",
            title="Next tokens before and after" if found else "Next tokens, no step held",
            caption=words.CAPTION,
        )  # fmt: skip
        if found is not None:
            self._desk.put("steering", found)

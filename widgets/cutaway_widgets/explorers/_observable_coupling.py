"""Kept vectors beside each other: coupling, cosine, and the cosine of what they were made from."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from ipywidgets import VBox

from cutaway.core import Index, Selection, Tick, part
from cutaway.observables import (
    CoupledReadings,
    FeatureVector,
    coupling_on_texts,
    coupling_table,
    feature_vector,
)
from cutaway.observables.head_map import HeadMap
from cutaway_widgets._link import Link
from cutaway_widgets.actions import Action, Actions
from cutaway_widgets.explorers import _observable_words as words
from cutaway_widgets.explorers._layout import column, end, line, row
from cutaway_widgets.explorers._observable_desk import Desk, said, show_if
from cutaway_widgets.explorers._observable_heads import heads_by_size
from cutaway_widgets.heat_map import HeatMap

_EMPTY = (
    "No vectors are kept. Keep the one on the page, or those of the strongest heads; ask for "
    "another observable and keep its vectors too: then see how they go together."
)
_ONE = "One vector is kept; keep another one to compare them."
_PICK = "Click a cell to read a pair."
MAPS = {
    "coupling": "Coupling: slope of the column's reading on the row's",
    "cosine": "Cosine of the vectors",
    "observable_cosine": "Cosine of the observables themselves",
}
_STRONGEST = 3  # heads whose vectors a button keeps
PREFIX = "kept: "


class CouplingSection:
    """Buttons, three maps of kept vectors by kept vectors, and the picked pair in words.

    Parameters
    ----------
    desk : Desk
        Vector, question and the worker.
    texts : callable
        Gives the texts that a pair is measured on.
    changed : callable
        Called with the kept vectors by name.
    """

    def __init__(
        self,
        desk: Desk,
        texts: Callable[[], Sequence[str]],
        changed: Callable[[Mapping[str, FeatureVector]], object],
    ) -> None:
        self._desk, self._texts, self._changed = desk, texts, changed
        self._kept: dict[str, FeatureVector] = {}
        lock = desk.workspace.lock
        self.a = Link(Index.count(0, "vector"), lock=lock)
        self.b = Link(Index.count(0, "vector"), lock=lock)
        self.actions = Actions(
            [
                Action("strongest", f"Keep the {_STRONGEST} strongest heads", enabled=False,
                       help="Their vectors for the observable on the page"),
                Action("measure", "Measure on the texts", enabled=False,
                       help="Slope and r² of the picked pair over the texts' tokens"),
                Action("forget", "Forget the picked", enabled=False,
                       help="Drop the vectors of the picked rows"),
            ],
            title="Kept vectors", lock=lock,
        )  # fmt: skip
        self.actions.on_click("strongest", self.keep_strongest)
        self.actions.on_click("measure", self.measure)
        self.actions.on_click("forget", self.forget)
        self.text = said(_EMPTY)
        self.maps = {
            name: HeatMap(
                np.zeros((0, 0)), row_link=self.a, link=self.b, diverging=True, height=240,
                name="coupling" if name == "coupling" else "cosine", title=title,
            )
            for name, title in MAPS.items()
        }  # fmt: skip
        self.grid = row([column([one], "280px", 1) for one in self.maps.values()])
        show_if(self.grid, shown=False)
        self.box = VBox([self.actions, self.text, self.grid])
        for link in (self.a, self.b):
            link.on_selection(self._picked)
        self._adopt()

    @property
    def kept(self) -> dict[str, FeatureVector]:
        """Kept vectors by name, in the order they were kept."""
        return dict(self._kept)

    def keep(self, vector: FeatureVector) -> None:
        """Keep a vector, unless the same one is kept."""
        if vector.digest in {one.digest for one in self._kept.values()}:
            return
        name = words.kept_name(vector, tuple(self._kept))
        self._kept[name] = vector
        self._desk.put(f"{PREFIX}{name}", vector)
        self._redraw()

    def keep_strongest(self) -> None:
        """Keep the vectors of the heads of the largest norms."""
        desk, question = self._desk, self._desk.question
        norms = desk.workspace.results.get("heads by norm")
        if question is None or not isinstance(norms, HeadMap):
            return
        names = heads_by_size(norms)[:_STRONGEST]
        model = desk.model

        def work(tick: Tick) -> list[FeatureVector]:
            return [
                feature_vector(
                    model, question.observable, name,
                    tick=part(tick, place / len(names), (place + 1) / len(names)),
                )
                for place, name in enumerate(names)
            ]  # fmt: skip

        def done(found: list[FeatureVector]) -> None:
            for one in found:
                self.keep(one)

        desk.ask("strongest", "Vectors of the strongest heads", work, done, self._refused)

    def measure(self) -> None:
        """Measure the slope of the picked pair on the texts of the page."""
        pair, model, texts = self._pair(), self._desk.model, list(self._texts())
        if pair is None:
            return
        first, second = (self._kept[one] for one in pair)

        def work(tick: Tick) -> CoupledReadings:
            return coupling_on_texts(model, first, second, texts, tick=tick)

        def done(found: CoupledReadings) -> None:
            self._desk.put("coupled", found)
            if self._pair() == pair:
                self.text.value = line(f"{self._pair_text(*pair)}\n{words.slope_text(found)}")

        self._desk.ask("coupled", "Slope on the texts", work, done, self._refused)

    def forget(self) -> None:
        """Drop the vectors of the picked rows."""
        chosen = self.a.selection
        results = self._desk.workspace.results
        for name in () if chosen is None else map(str, chosen.ids):
            del self._kept[name]
            if f"{PREFIX}{name}" in results and not self._desk.workspace.read_only:
                del results[f"{PREFIX}{name}"]
        self._redraw()

    def offer(self) -> None:
        """Buttons that can be pressed now."""
        pair = self._pair()
        self.actions.change("strongest", enabled=self._desk.question is not None)
        comparable = pair is not None and pair[0] != pair[1] and self._line(*pair)["same_space"]
        self.actions.change("measure", enabled=bool(comparable))
        self.actions.change("forget", enabled=self.a.selection is not None)

    def close(self) -> None:
        """End the views and the links."""
        for one in (self.box, self.a, self.b):
            end(one)

    def _adopt(self) -> None:
        """Take the vectors that a saved session kept."""
        for name, one in self._desk.workspace.results.items():
            if name.startswith(PREFIX) and isinstance(one, FeatureVector):
                self._kept[name.removeprefix(PREFIX)] = one
        self._redraw()

    def _redraw(self) -> None:
        names = list(self._kept)
        index = Index(np.array(names, dtype=np.str_), "vector")
        for link in (self.a, self.b):
            link.set_index(index)
        show_if(self.grid, shown=len(names) > 1)
        if len(names) > 1:
            self._draw(coupling_table(self._kept), names, index)
        self.text.value = line({0: _EMPTY, 1: f"{_ONE}\n{''.join(names)}"}.get(len(names), _PICK))
        self.offer()
        self._changed(self.kept)

    def _draw(self, table: pd.DataFrame, names: list[str], index: Index) -> None:
        for column_name, view in self.maps.items():
            values = words.square(table, column_name, names)
            most = 1.0 if column_name != "coupling" else float(np.nanmax(np.abs(values)))
            apart = int(np.isnan(values).sum())
            view.set_values(
                values, rows=index, columns=index, limits=(-most, most),
                caption=f"{apart} pairs live at different sites, or norms were passed otherwise: "
                "they have no coupling" if apart else "",
            )  # fmt: skip

    def _pair(self) -> tuple[str, str] | None:
        a, b = self.a.selection, self.b.selection
        if a is None or b is None or len(a.ids) != 1 or len(b.ids) != 1:
            return None
        return str(a.ids[0]), str(b.ids[0])

    def _picked(self, _selection: Selection | None) -> None:
        pair = self._pair()
        self.offer()
        if pair is not None and len(self._kept) > 1:
            self.text.value = line(self._pair_text(*pair))

    def _pair_text(self, a: str, b: str) -> str:
        if a == b:
            return f"{a}: with itself, coupling and cosine are 1."
        return words.pair_text(self._line(a, b))

    def _line(self, a: str, b: str) -> "pd.Series[Any]":
        """The line of the table about a pair."""
        return coupling_table({name: self._kept[name] for name in (a, b)}).iloc[0]

    def _refused(self, told: str) -> None:
        self.text.value = line(told)

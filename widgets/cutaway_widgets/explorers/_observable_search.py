"""The strongest paths that a search finds; a row of its table becomes the path on the page."""

from collections.abc import Callable
from typing import Any

import pandas as pd
from ipywidgets import VBox

from cutaway.core import Index, Selection, Tick
from cutaway.observables.search import SIGNS, Paths, search_paths
from cutaway_widgets._link import Link
from cutaway_widgets.explorers._layout import column, end, line, row
from cutaway_widgets.explorers._observable_desk import Desk, said, show_if
from cutaway_widgets.form import Field, Form
from cutaway_widgets.table import Table

_EMPTY = (
    "Search for the paths that carry the observable: from the logits back, a few at a time. A row "
    "of the table that appears then becomes the path above."
)
_COLUMNS = ["path", "score", "low", "high", "patched", "merged_into"]
_MEANING = (
    "score: what goes along the path to first order, logits, mean over the pairs with its 95 % "
    "interval; patched: the same through the real norms and MLPs."
)
_NO_PROMPTS = "A search needs a pair of prompts in which the observable differs: give one above."


class SearchSection:
    """Form of a beam search, and the table of what it found.

    Parameters
    ----------
    desk : Desk
        Question and the worker.
    picked : callable
        Called with a path that was picked.
    """

    def __init__(self, desk: Desk, picked: Callable[[str], object]) -> None:
        self._desk, self._picked = desk, picked
        self.link = Link(Index.count(0, "path"), lock=desk.workspace.lock)
        self.form = Form(
            [
                Field("max_length", "whole", 3, "Longest path", unit="parts", low=1, high=8),
                Field("beam", "whole", 20, "Beam", unit="paths", low=1, high=1000,
                      help="Paths that are kept after each step back"),
                Field("sign", "choice", "both", "Sign", options=SIGNS,
                      help="Paths that raise the observable, lower it, or both"),
            ],
            submit="Search", title="Search", lock=desk.workspace.lock,
        )  # fmt: skip
        self.form.on_submit(self._submitted)
        self.text = said(_EMPTY)
        self.table = Table(pd.DataFrame(columns=["path"]), link=self.link, title="Paths",
                           height=320)  # fmt: skip
        show_if(self.table, shown=False)
        left = column([self.form, self.text], "260px", 1)
        self.box = VBox([row([left, column([self.table], "380px", 3)])])
        self.link.on_selection(self._of_table)

    def clear(self) -> None:
        """Nothing was searched for this question yet."""
        self._desk.drop("search")
        show_if(self.table, shown=False)
        self.text.value = line(_EMPTY)

    def show(self, found: Paths) -> None:
        """Show what a search found."""
        frame = found.to_frame().reset_index(names="path")
        self.link.set_index(found.rows)
        show_if(self.table, shown=True)
        self.table.set_frame(
            frame, columns=_COLUMNS, caption=f"{_MEANING} {found.origin.caption()}",
        )  # fmt: skip
        n = len(found.rows)
        self.text.value = line(
            f"{n} {'path' if n == 1 else 'paths'}, the strongest first. Pick a row to put its path "
            "above."
        )

    def close(self) -> None:
        """End the views and the link."""
        end(self.box)
        end(self.link)

    def _submitted(self, values: dict[str, Any]) -> None:
        question = self._desk.question
        if question is None or not question.prompts:
            self.text.value = line(_NO_PROMPTS)
            return
        model, observable, prompts = self._desk.model, question.observable, question.prompts

        def work(tick: Tick) -> Paths:
            return search_paths(model, observable, prompts, **values, tick=tick)

        self._desk.ask("search", "Search for paths", work, self._done, self._refused)

    def _done(self, found: Paths) -> None:
        self._desk.put("paths", found)
        self.show(found)

    def _refused(self, told: str) -> None:
        if not self.form.blame(told):
            self.text.value = line(told)

    def _of_table(self, selection: Selection | None) -> None:
        found = self._desk.workspace.results.get("paths")
        if selection is None or len(selection.ids) != 1 or not isinstance(found, Paths):
            return
        place = int(found.rows.positions(selection.ids)[0])
        self._picked(str(found.path[place]))

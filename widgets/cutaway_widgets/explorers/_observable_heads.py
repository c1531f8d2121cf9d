"""Which heads carry the observable: maps of four kinds as grids to click, and a table of all."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from ipywidgets import VBox
from numpy.typing import NDArray

from cutaway.core import Index, Selection, Tick
from cutaway.observables.head_map import MAP_KINDS, HeadMap, MapKind, head_map
from cutaway_widgets.choice import Choice
from cutaway_widgets.explorers import _observable_words as words
from cutaway_widgets.explorers._layout import column, end, line, row
from cutaway_widgets.explorers._observable_desk import Desk, Question, said, show_if
from cutaway_widgets.heat_map import HeatMap
from cutaway_widgets.table import Table

KINDS: dict[str, str] = {
    "norm": "Norms",
    "attribution": "Attribution",
    "ov_patching": "OV patching",
    "patching": "Full patching",
}
COLUMNS: dict[str, str] = {
    "norm": "norm",
    "attribution": "attribution",
    "ov_patching": "OV",
    "patching": "full",
}
MEANING: dict[str, str] = {
    "norm": "Length of each head's vector: from the weights alone, without a sign.",
    "attribution": "What each head writes towards the observable, as the model ran.",
    "ov_patching": "Change of the observable when a head's values come from the other prompt.",
    "patching": "Change of the observable when all that a head writes comes from the other prompt.",
}
_TALLEST, _AROUND, _ROW = 420, 90, 30  # pixels of a map: its margins, and a layer
_PROMPTLESS = "This kind needs prompts: give a pair in which the observable differs, then ask."


class HeadSection:
    """Four maps of layers by heads under tabs; a table of heads with all kinds side by side.

    Parameters
    ----------
    desk : Desk
        Question, links, and the worker.
    picked : callable
        Called with the name of a head, e.g. "L1H0", when one is picked.
    """

    def __init__(self, desk: Desk, picked: Callable[[str], object]) -> None:
        self._desk, self._picked = desk, picked
        self._moving = False
        self._known: dict[str, HeadMap] = {}
        self.maps = {kind: self._map(kind) for kind in KINDS}
        self.texts = {kind: said(MEANING[kind]) for kind in KINDS}
        panels = {kind: VBox([self.texts[kind], self.maps[kind]]) for kind in KINDS}
        self.choice = Choice(list(KINDS), titles=KINDS, panels=panels, title="Heads")
        self.choice.on_choice(lambda _kind: self._tabulate())
        self.table = Table(
            pd.DataFrame(columns=["head"]), index=Index.count(0, "head"), link=desk.heads,
            title="Heads, all kinds side by side", height=260,
        )  # fmt: skip
        show_if(self.table, shown=False)
        left = column([self.choice, *panels.values()], "300px", 1)
        self.box = VBox([row([left, column([self.table], "300px", 1)])])
        for link in (desk.layers, desk.in_layer):
            link.on_selection(self._of_grid)
        desk.heads.on_selection(self._of_heads)

    def ask(self, question: Question, then: Callable[[HeadMap], object]) -> None:
        """Map the heads by every kind that can be had: those but the norms need prompts.

        Parameters
        ----------
        question : Question
            The new one.
        then : callable
            Called with the first map that says which head to look at: patched values where there
            are prompts, since a head may be long that looks elsewhere; else norms.
        """
        self._known.clear()
        self._desk.drop(*(f"map {kind}" for kind in KINDS))
        for kind in KINDS:
            self._say(kind)

        def done(found: HeadMap) -> None:
            self._done(found)
            then(found)

        first: MapKind = "ov_patching" if question.prompts else "norm"
        self._ask(first, question, done)
        for kind in MAP_KINDS:
            if kind != first and (question.prompts or kind == "norm"):
                self._ask(kind, question, self._done)

    def pick(self, head: str | None) -> None:
        """Mark a head as the one on the page, without asking for it again."""
        if head is not None and head in self._desk.heads.index:
            self._mark(head)

    def close(self) -> None:
        """End the views."""
        self.choice.close()
        end(self.box)

    def _map(self, kind: str) -> HeatMap:
        desk = self._desk
        return HeatMap(
            np.zeros((0, 0)), row_link=desk.layers, link=desk.in_layer, height=260,
            diverging=kind != "norm", name=KINDS[kind].lower(), title="",
            unit="" if kind == "norm" else "logits",
        )  # fmt: skip

    def _ask(self, kind: MapKind, question: Question, done: Callable[[HeadMap], object]) -> None:
        model, given = self._desk.model, question.prompts or None

        def work(tick: Tick) -> HeadMap:
            prompts = None if kind == "norm" else given
            return head_map(model, question.observable, kind=kind, prompts=prompts, tick=tick)

        self._desk.ask(
            f"map {kind}", f"{KINDS[kind]} of the heads", work, done,
            lambda told: self._refuse(kind, told),
        )  # fmt: skip

    def _done(self, found: HeadMap) -> None:
        desk = self._desk
        self._known[found.kind] = found
        desk.put(f"heads by {found.kind}", found)
        values = values_of(found)
        n_layers, n_heads = values.shape
        layers = Index(np.array([f"L{one}" for one in range(n_layers)]), "layer")
        heads = Index(np.array([f"H{one}" for one in range(n_heads)]), "head")
        self._moving = True
        try:
            for link, index in (
                (desk.layers, layers), (desk.in_layer, heads), (desk.heads, found.rows),
            ):  # fmt: skip
                if link.digest != index.digest:
                    link.set_index(index)
        finally:
            self._moving = False
        for kind, view in self.maps.items():
            if view.rows.digest != layers.digest or view.index.digest != heads.digest:
                view.set_values(np.full(values.shape, np.nan), rows=layers, columns=heads)
            if kind == found.kind:
                view.height = min(_TALLEST, _AROUND + _ROW * n_layers)
                view.set_values(values, rows=layers, columns=heads, caption=found.origin.caption())
                self._say(kind)
        self._tabulate()

    def _refuse(self, kind: str, told: str) -> None:
        self.texts[kind].value = line(f"{MEANING[kind]}\n{told}")

    def _say(self, kind: str) -> None:
        found, question = self._known.get(kind), self._desk.question
        text = MEANING[kind]
        if found is not None and kind != "norm":
            pairs = len(found.pairs)
            many = "one pair" if pairs == 1 else f"mean of {pairs} pairs"
            text += f"\nThe prompts differ by {words.signed(float(found.gap))} logits ({many})."
        elif found is None and kind != "norm" and (question is None or not question.prompts):
            text += f"\n{_PROMPTLESS}"
        self.texts[kind].value = line(text)

    def _tabulate(self) -> None:
        show_if(self.table, shown=bool(self._known))
        if not self._known:
            return
        first = next(iter(self._known.values()))
        frame = pd.DataFrame({"head": first.rows.ids.astype(str)})
        for kind, title in COLUMNS.items():
            if kind in self._known:
                frame[title] = values_of(self._known[kind]).ravel()
        shown = self.choice.value if self.choice.value in self._known else first.kind
        found = self._known[shown]
        if shown != "norm" and len(found.pairs) > 1:
            frame["low"], frame["high"] = found.low.ravel(), found.high.ravel()
        interval = f"; low, high: 95 % interval of {COLUMNS[shown]}" if "low" in frame else ""
        self.table.set_frame(
            frame, index=first.rows, sort=COLUMNS[shown],
            caption=f"norms in units of the residual stream, the others in logits{interval}",
        )  # fmt: skip

    def _of_grid(self, _selection: Selection | None) -> None:
        """A cell of a map was clicked: that head, once both of its axes have arrived."""
        layers, heads = self._desk.layers.selection, self._desk.in_layer.selection
        if self._moving or layers is None or heads is None:
            return
        if len(layers.ids) == len(heads.ids) == 1:
            name = f"{layers.ids[0]}{heads.ids[0]}"
            chosen = self._desk.heads.selection
            if chosen is None or chosen.ids != (name,):
                self._desk.heads.select([name], by="heat map")

    def _of_heads(self, selection: Selection | None) -> None:
        if selection is None or len(selection.ids) != 1:
            return
        head = str(selection.ids[0])
        moved = self._moving
        self._mark(head)
        if not moved:
            self._picked(head)

    def _mark(self, head: str) -> None:
        """Select a head in the table; the maps have their colours back, which a click dims."""
        self._moving = True
        try:
            chosen = self._desk.heads.selection
            if chosen is None or chosen.ids != (head,):
                self._desk.heads.select([head])
            for link in (self._desk.layers, self._desk.in_layer):
                if link.selection is not None:
                    link.clear()
        finally:
            self._moving = False


def values_of(found: HeadMap) -> NDArray[np.float64]:
    """Values of a map of shape (layers, heads)."""
    return np.asarray(found.values)


def heads_by_size(found: HeadMap) -> list[str]:
    """Heads from the largest value to the smallest, whatever its sign."""
    sizes = np.nan_to_num(np.abs(values_of(found).ravel()), nan=-1.0)
    return [str(found.rows.ids[one]) for one in np.argsort(-sizes, kind="stable")]

"""The vector: its path as a text, its card, and the tokens that it stands for."""

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
from ipywidgets import VBox

from cutaway.core import Index, Tick, part
from cutaway.observables import (
    FeatureVector,
    Path,
    TokenRanks,
    components_of,
    feature_vector,
    logit_lens,
)
from cutaway.observables.linearise import MLP_POINTS
from cutaway.observables.norms import MODES
from cutaway_widgets.actions import Action, Actions
from cutaway_widgets.choice import Choice
from cutaway_widgets.explorers import _observable_words as words
from cutaway_widgets.explorers._layout import column, end, line, row
from cutaway_widgets.explorers._observable_desk import OF_VECTOR, Desk, said, show_if
from cutaway_widgets.form import Field, Form
from cutaway_widgets.table import Table

_EMPTY = "Ask for an observable first; then click a head above, or write a path."
_TOKENS = 10
_POINTS = (
    "error +, −: of the tangent on the positive and the negative prompt, in logits; t: place on "
    "the way from the negative to the positive one"
)
LENSES = {
    "unembedding": "Tokens whose logits it raises and lowers",
    "embedding": "Tokens whose embeddings read highest and lowest",
}
_TABS = {"unembedding": "Logits that it raises", "embedding": "Words that it reads"}
_MEANING = {
    "unembedding": "The direction at length 1, as if it stood in the last residual stream.",
    "embedding": "What an early vector sees in single words; later ones read more than embeddings.",
}
Found = tuple[FeatureVector, list[TokenRanks]]


class VectorSection:
    """Form of the path, card of its vector, its highest and lowest tokens.

    Parameters
    ----------
    desk : Desk
        Question and the worker.
    found : callable
        Called with a new vector.
    keep : callable
        Called with the vector on the page when it is to be kept.
    """

    def __init__(
        self,
        desk: Desk,
        found: Callable[[FeatureVector], object],
        keep: Callable[[FeatureVector], object],
    ) -> None:
        self._desk, self._found, self._keep = desk, found, keep
        lock = desk.workspace.lock
        self.form = Form(
            [
                Field("path", "text", label="Path", optional=True,
                      help="Parts from early to late, e.g. L0H2@1 > M0@1 > L1H0"),
                Field("norm", "choice", "skip", "Norms", options=MODES,
                      help="How norms are passed; all but skip read the first pair of prompts"),
                Field("mlp_point", "choice", "boundary", "MLPs at", options=MLP_POINTS,
                      help="Where on the way between the two prompts an MLP is linearised"),
            ],
            submit="Compute", title="Path", lock=lock,
        )  # fmt: skip
        self.form.on_change(self.check)
        self.form.on_submit(self._submitted)
        self.text = said(_EMPTY)
        self.actions = Actions(
            [Action("keep", "Keep this vector", help="To compare it with others", enabled=False)],
            title="Vector", lock=lock,
        )  # fmt: skip
        self.actions.on_click("keep", self._kept)
        self.points = Table(
            pd.DataFrame(columns=words.POINT_COLUMNS), index=Index.count(0, "part"), height=180,
            title="Where it is linearised",
        )  # fmt: skip
        self.tokens = {
            name: Table(pd.DataFrame(columns=["highest", "lowest"]), index=Index.count(0, "rank"),
                        height=300, title=title)
            for name, title in LENSES.items()
        }  # fmt: skip
        panels = {name: VBox([one]) for name, one in self.tokens.items()}
        self.lens = Choice(
            list(LENSES), titles=_TABS,
            panels=panels, title="Tokens of the vector",
        )  # fmt: skip
        self.side = VBox([self.lens, *panels.values()])
        show_if(self.points, shown=False)
        show_if(self.side, shown=False)
        left = column([self.form, self.actions, self.text, self.points], "300px", 1)
        self.box = VBox([row([left, column([self.side], "300px", 1)])])

    def take(self, path: str) -> None:
        """Compute the vector of this path."""
        self.form.set_values(path=path)
        self.form.send()

    def check(self) -> None:
        """Say at the field if the path cannot be read."""
        try:
            Path(str(self.form.raw["path"]))
        except ValueError as error:
            self.form.blame(str(error), otherwise="path")

    def show(self, vector: FeatureVector | None, ranks: Sequence[TokenRanks] = ()) -> None:
        """Show a vector and its tokens; None for none."""
        self.actions.change("keep", enabled=vector is not None)
        self.text.value = line(_EMPTY if vector is None else words.card_text(vector))
        frame = pd.DataFrame() if vector is None else words.points_frame(vector)
        show_if(self.points, shown=bool(len(frame)))
        if vector is not None and len(frame):
            self.points.set_frame(frame, caption=_POINTS)
        show_if(self.side, shown=bool(ranks))
        for one in ranks:
            self.tokens[one.through].set_frame(
                words.ranks_frame(one), caption=f"{_MEANING[one.through]} {one.origin.caption()}"
            )

    def close(self) -> None:
        """End the views."""
        self.lens.close()
        end(self.box)

    def _submitted(self, values: dict[str, Any]) -> None:
        desk, question = self._desk, self._desk.question
        if question is None:
            self.text.value = line(_EMPTY)
            return
        model, path = desk.model, values.pop("path") or ""

        def work(tick: Tick) -> Found:
            vector = feature_vector(
                model, question.observable, path, prompts=question.pair, **values,
                tick=part(tick, 0.0, 0.7),
            )  # fmt: skip
            k = min(_TOKENS, components_of(model).n_tokens // 2)
            return vector, [
                logit_lens(model, vector, k=k, through=one) for one in ("unembedding", "embedding")
            ]

        desk.ask(
            "vector", f"Vector through {path or 'the final norm'}", work, self._done,
            self._refused, instead_of=OF_VECTOR,
        )  # fmt: skip

    def _done(self, found: Found) -> None:
        vector, ranks = found
        self._desk.put("vector", vector)
        for name, one in zip(("vector_tokens", "vector_words"), ranks, strict=True):
            self._desk.put(name, one)
        if vector.path != self.form.raw["path"]:
            self.form.set_values(path=vector.path)
        self.show(vector, ranks)
        self._found(vector)

    def _refused(self, told: str) -> None:
        self.form.blame(told, otherwise="path")

    def _kept(self) -> None:
        vector = self._desk.vector
        if vector is not None:
            self._keep(vector)

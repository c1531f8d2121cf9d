"""Texts coloured by the vector's reading, linked to a scatter of their tokens."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from ipywidgets import VBox

from cutaway.core import Index, Selection, Tick
from cutaway.data import Dataset
from cutaway.observables import FeatureVector, TokenScores, score_texts
from cutaway.observables.scores import Sinks
from cutaway_widgets._color import Categories, Values
from cutaway_widgets.choice import Choice
from cutaway_widgets.explorers import _observable_score_words as words
from cutaway_widgets.explorers._layout import column, end, line, row
from cutaway_widgets.explorers._observable_desk import Desk, said, show_if
from cutaway_widgets.explorers._observable_plane import stream_plane
from cutaway_widgets.form import Field, Form
from cutaway_widgets.histogram import Histogram
from cutaway_widgets.scatter import Scatter
from cutaway_widgets.selection_bar import SelectionBar
from cutaway_widgets.table import Table
from cutaway_widgets.token_text import TokenText

_EMPTY = "Texts that the vector reads appear here, coloured by their scores."
_NO_TEXTS = "There are no texts yet: write some above with | between them, or give texts=."
_ENDS = 10  # rows of the tables of the highest and of the lowest tokens


class TextSection:
    """Form for texts of one's own; texts, scatter, histogram and bar of their tokens.

    Parameters
    ----------
    desk : Desk
        Links and the worker.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._texts: list[str] = []
        self._labels: list[str] | None = None
        self._ids = Index.count(0, "text")
        self._scores: TokenScores | None = None
        self._others: dict[str, FeatureVector] = {}
        lock = desk.workspace.lock
        self.form = Form(
            [
                Field("texts", "text", label="Texts", optional=True,
                      help="Your own, with | between them; empty takes those the page began with"),
                Field("sinks", "choice", "mark", "Sinks", options=("mark", "drop"),
                      titles=("mark them", "leave them out"),
                      help="Position 0 and tokens with streams ten times as long as usual"),
            ],
            submit="Score", title="Texts", lock=lock,
        )  # fmt: skip
        self.form.on_submit(self._submitted)
        self.text = said(_EMPTY)
        self.bar = SelectionBar(desk.tokens, title="Selected tokens")
        self.chosen = said()
        self.words = TokenText(
            [], link=desk.texts, position_link=desk.tokens, diverging=True, name="score",
            title="Texts by score", height=420,
        )  # fmt: skip
        none = np.zeros((0, 2))
        self.scatter = Scatter(none, link=desk.tokens, title="Tokens", height=340)
        self.histogram = Histogram(np.zeros(0), link=desk.tokens, title="Scores", height=150)
        self.against = Choice(list(words.AGAINST), titles=words.AGAINST, title="Score against")
        self.against.on_choice(lambda _value: self._draw())
        self.ends = {
            which: Table(words.no_ends(), title=f"{which.capitalize()} tokens", height=300)
            for which in ("highest", "lowest")
        }
        self.end_row = row([column([one], "320px", 1) for one in self.ends.values()])
        left = column([self.form, self.text, self.words], "340px", 1)
        right = column([self.against, self.scatter, self.histogram], "340px", 1)
        show_if(self.end_row, shown=False)
        self.box = VBox([self.bar, self.chosen, row([left, right]), self.end_row])
        self._given: tuple[list[str], Index, list[str] | None] = ([], self._ids, None)
        desk.tokens.on_selection(self._selected)
        self._selected(None)

    @property
    def texts(self) -> list[str]:
        """What is scored."""
        return self._texts

    def put(self, texts: Dataset | Sequence[str]) -> None:
        """Take these texts, also when the form is empty."""
        self._given = words.texts_of(texts)
        self._texts, self._ids, self._labels = self._given

    def set_others(self, kept: Mapping[str, FeatureVector]) -> None:
        """Vectors that the score can be drawn against; the last one is."""
        self._others = dict(kept)
        if self.against.value == "vector":
            self._draw()

    def score(self) -> None:
        """Score the texts on the vector of the page, in the background."""
        desk, vector, texts = self._desk, self._desk.vector, self._texts
        if vector is None:
            return
        if not texts:
            self.text.value = line(_NO_TEXTS)
            return
        model = desk.model
        sinks: Sinks = "drop" if self.form.raw["sinks"] == "drop" else "mark"

        def work(tick: Tick) -> TokenScores:
            return score_texts(model, vector, texts, sinks=sinks, tick=tick)

        desk.ask("texts", f"Scores of {len(texts)} texts", work, self._done, self._refused)

    def show(self, scores: TokenScores) -> None:
        """Show scores of the texts on the page."""
        desk = self._desk
        self._scores = scores
        # Rows of one's own: texts by the ids of the data, tokens by text and position.
        names = words.token_index(scores, self._ids)
        if desk.texts.digest != self._ids.digest:
            desk.texts.set_index(self._ids)
        if desk.tokens.digest != names.digest:
            desk.tokens.set_index(names)
        tokens, values = words.by_text(scores, len(self._ids))
        order = words.text_order(scores, self._ids)
        self.words.set_texts(
            tokens, values, index=self._ids, labels=words.text_labels(scores, self._labels),
            order=order, title=f"Texts by {scores.vector}, highest first",
            limits=words.limits(scores), caption=scores.origin.caption(),
        )  # fmt: skip
        self.text.value = line(words.scores_text(scores))
        for which, frame in words.ends(scores, self._ids, _ENDS).items():
            self.ends[which].set_frame(frame)
        show_if(self.end_row, shown=True)
        self._draw()

    def close(self) -> None:
        """End the views."""
        end(self.box)

    def _done(self, scores: TokenScores) -> None:
        self._desk.put("token_scores", scores)
        self.show(scores)

    def _refused(self, told: str) -> None:
        self.form.blame(told, otherwise="texts")

    def _submitted(self, values: dict[str, Any]) -> None:
        own = words.read_texts(values["texts"])
        if own:
            self._texts, self._labels = own, None
            self._ids = Index.count(len(own), "text")
        else:
            self._texts, self._ids, self._labels = self._given
        self.score()

    def _draw(self) -> None:
        """Scatter and histogram of the scores; the axes from the choice."""
        scores = self._scores
        if scores is None:
            return
        self._desk.drop("against")
        # A few sinks would take the axis for themselves.
        self.histogram.set_values(np.where(scores.sink, np.nan, scores.score), name="score")
        name = list(self._others)[-1] if self._others else ""
        if self.against.value == "plane":
            self._draw_plane(scores)
        elif self.against.value == "vector" and name:
            self._draw_other(scores, name)
        else:
            told = " (keep a vector to draw it against that one)"
            label = "position in the text" + (told if self.against.value == "vector" else "")
            self._place(np.column_stack([scores.position, scores.score]), label, "score")

    def _draw_other(self, scores: TokenScores, name: str) -> None:
        """Scores against those on another vector."""
        model, texts, vector = self._desk.model, self._texts, self._others[name]

        def done(other: TokenScores) -> None:
            x = words.matched(scores, other)
            self._place(np.column_stack([x, scores.score]), name, "score")

        self._desk.ask(
            "against", f"Scores on {name}",
            lambda tick: score_texts(model, vector, texts, sinks="mark", tick=tick),
            done, self._refused,
        )  # fmt: skip

    def _draw_plane(self, scores: TokenScores) -> None:
        """Principal components of what was read, coloured by score."""
        model, texts = self._desk.model, self._texts

        def done(found: tuple[Any, tuple[float, float]]) -> None:
            points, shares = found
            x, y = (f"component {one + 1} ({share:.0%})" for one, share in enumerate(shares))
            self._place(points, x, y)

        self._desk.ask(
            "against", "Principal components of the tokens",
            lambda tick: stream_plane(model, scores, texts, tick), done, self._refused,
        )  # fmt: skip

    def _place(self, points: Any, x_label: str, y_label: str) -> None:
        scores = self._scores
        if scores is None or len(points) != len(scores.rows):
            return
        colors: dict[str, Any] = {
            "kind of token": Categories(words.kinds(scores), words.KINDS),
            "score": Values(np.where(scores.sink, np.nan, scores.score)),
        }
        if self._labels:
            names = sorted(set(self._labels))
            codes = np.array([names.index(one) for one in self._labels])
            colors["text"] = Categories(codes[scores.text], names)
        if y_label != "score":
            colors = {"score": colors["score"], **colors}
        self.scatter.set_points(
            points, colors=colors, x_label=x_label, y_label=y_label, title="Tokens",
            caption=scores.origin.caption(),
        )  # fmt: skip

    def _selected(self, selection: Selection | None) -> None:
        self.chosen.value = line(
            words.chosen_text(self._scores, self._desk.tokens.index, selection)
        )

"""The question: tokens and prompts in a form, checked as soon as a field is left."""

from collections.abc import Callable, Sequence
from typing import Any

from ipywidgets import VBox

from cutaway.core import Tick
from cutaway.observables import Observable, components_of
from cutaway.observables.prompts import pair_of
from cutaway_widgets.explorers import _observable_words as words
from cutaway_widgets.explorers._layout import end, line
from cutaway_widgets.explorers._observable_desk import Desk, Pair, Question, said
from cutaway_widgets.form import Field, Form

_EMPTY = (
    "Name one token or more whose logits count for it, and some that count against it: then the "
    "heads that carry the difference appear."
)
FIELDS = ("plus", "minus", "positive", "negative")


class QuestionSection:
    """Form of the observable and its prompts; a line that says which tokens these are.

    Parameters
    ----------
    desk : Desk
        The model, and what the question goes to.
    asked : callable
        Called with a `Question` after a good one was submitted.
    """

    def __init__(self, desk: Desk, asked: Callable[[Question], object]) -> None:
        self._desk, self._asked = desk, asked
        self.form = Form(
            [
                Field("plus", "text", label="Plus", optional=True,
                      help="Tokens whose logits are added, e.g. she, her; quotes keep a blank"),
                Field("minus", "text", label="Minus", optional=True,
                      help="Tokens whose logits are taken away"),
                Field("positive", "text", label="Prompts where it is high", optional=True,
                      help="Texts; a bar | between several"),
                Field("negative", "text", label="Prompts where it is low", optional=True,
                      help="As many, each as long in tokens as its partner"),
            ],
            submit="Ask", title="What is measured", lock=desk.workspace.lock,
        )  # fmt: skip
        self.text = said(_EMPTY)
        self.form.on_change(self._changed)
        self.form.on_submit(self._submitted)
        self.box = VBox([self.form, self.text])

    def put(
        self, plus: Sequence[str | int], minus: Sequence[str | int], prompts: Sequence[Pair]
    ) -> None:
        """Put a question into the fields."""
        self.form.set_values(
            plus=words.write_words(plus), minus=words.write_words(minus),
            positive=words.write_prompts([one for one, _ in prompts]),
            negative=words.write_prompts([two for _, two in prompts]),
        )  # fmt: skip

    def check(self) -> Question | None:
        """The question in the fields; None if it is none, which the field at fault then says."""
        raw = {name: str(self.form.raw[name]) for name in FIELDS}
        if not raw["plus"].strip() and not raw["minus"].strip():
            self.text.value = line(_EMPTY)
            return None
        field = "plus"
        try:
            observable, named = self._observable(raw)
            field = "positive"
            prompts = self._prompts(raw)
        except (ValueError, TypeError) as error:
            self.form.blame(_about(str(error), field), otherwise=field)
            return None
        self.text.value = line(words.token_text(self._desk.model, named, observable))
        return Question(observable, prompts)

    def ask(self) -> None:
        """Ask what stands in the fields."""
        self.form.send()

    def close(self) -> None:
        """End the views."""
        end(self.box)

    def _observable(self, raw: dict[str, str]) -> tuple[Observable, list[str | int]]:
        model = self._desk.model
        found: dict[str, list[str | int]] = {}
        for name in ("plus", "minus"):
            try:
                read, bare = words.read_words(raw[name])
            except ValueError as error:
                raise ValueError(f"{name} {error}") from None
            found[name] = words.spelled(model, read, bare)
        observable = Observable.from_tokens(model, **found)
        return observable, [*found["plus"], *found["minus"]]

    def _prompts(self, raw: dict[str, str]) -> tuple[Pair, ...]:
        high = words.read_prompts(raw["positive"])
        low = words.read_prompts(raw["negative"])
        if len(high) != len(low):
            raise ValueError(
                f"negative must hold as many prompts as there are positive ones ({len(high)}), got "
                f"{len(low)}; each has a partner"
            )
        model = self._desk.model
        n_tokens = components_of(model).n_tokens
        pairs = tuple(zip(high, low, strict=True))
        for one in pairs:
            try:
                pair_of(model, one, n_tokens)
            except ValueError as error:
                many = f" in {one[0]!r}, {one[1]!r}" if len(pairs) > 1 else ""
                raise ValueError(f"{error}{many}") from None
        return pairs

    def _changed(self) -> None:
        self.check()

    def _submitted(self, _values: dict[str, Any]) -> None:
        def work(tick: Tick) -> Question | None:
            found = self.check()  # the first time it also takes the model apart
            tick(1.0, "question")
            return found

        self._desk.ask("question", "Check the tokens", work, self._checked, self._refused)

    def _checked(self, question: Question | None) -> None:
        if question is not None:
            self._asked(question)
        elif not self.form.errors:
            self.form.blame("plus must hold a token, got nothing; e.g. she")

    def _refused(self, said_line: str) -> None:
        self.text.value = line(said_line)


def _about(error: str, field: str) -> str:
    """An error line that begins with the name of a field."""
    return error if error.split(" ", 1)[0] in FIELDS else f"{field} {error}"

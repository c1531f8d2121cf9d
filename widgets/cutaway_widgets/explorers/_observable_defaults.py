"""What the observable explorer asks at first, of models that are known."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from cutaway.data import Dataset, load_data

MODEL = "gpt-occupations"
_LIMIT = 60  # texts: a page of them, scored in a second
_NAMES = (
    (" Mary", " John"), (" Anna", " Peter"), (" Susan", " David"), (" Laura", " Paul"),
    (" Emily", " Mark"), (" Julia", " Thomas"), (" Helen", " Henry"), (" Alice", " Frank"),
)  # fmt: skip


@dataclass(frozen=True)
class First:
    """A question to begin with.

    Parameters
    ----------
    plus, minus : sequence of str or int
        Tokens whose logits are added and taken away.
    prompts : sequence of (str, str)
        Positive and negative prompts.
    texts : Dataset or sequence of str
        What to score.
    """

    plus: Sequence[str | int] = ()
    minus: Sequence[str | int] = ()
    prompts: Sequence[tuple[Any, Any]] = ()
    texts: Dataset | Sequence[str] = field(default_factory=tuple)


def first_of(name: str) -> First:
    """What to ask a model of this name at first; nothing where it is not known."""
    made = {"gpt-occupations": _occupations, "smollm2-135m": _smollm2}.get(name)
    return First() if made is None else made()


def _occupations() -> First:
    people = (
        ("nurse", "plumber"), ("nanny", "doctor"), ("secretary", "mechanic"),
        ("librarian", "carpenter"),
    )  # fmt: skip
    ends = ("said that", "left because", "said that", "left because")
    pairs = tuple(
        (f"The {one} {end}", f"The {two} {end}")
        for (one, two), end in zip(people, ends, strict=True)
    )
    texts = load_data("occupations", split="test", limit=_LIMIT)
    return First(("she",), ("he",), pairs, texts)


def _smollm2() -> First:
    start = "My friend{} went to the store because"
    pairs = tuple((start.format(one), start.format(two)) for one, two in _NAMES[:4])
    frames = ("Yesterday{} was late, because", "I know that{} is tired, so")
    texts = [frame.format(name) for pair in _NAMES for name in pair for frame in frames]
    return First((" she",), (" he",), pairs, texts)

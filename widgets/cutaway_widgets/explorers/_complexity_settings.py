"""Settings of a complexity curve: the form's fields, and betas from a text."""

import math
import re
from collections.abc import Sequence

from cutaway.merging.rules import RULES
from cutaway_widgets.form import Field

AUTO = "automatic"
_REMEDY = "give some with commas between them, e.g. 0.01, 0.05, 0.1, or " + AUTO


def fields(betas: tuple[float, ...] | None) -> list[Field]:
    """Fields of the form, at the given betas."""
    text = AUTO if betas is None else ", ".join(f"{one:g}" for one in betas)
    return [
        Field("betas", "text", text, "Betas",
              help="Parts of a layer's largest squared distance, in [0, 1], or automatic."),
        Field("rule", "choice", "auto", "Rule", options=("auto", *RULES),
              help="How two features become one; auto takes what does best on such a network."),
    ]  # fmt: skip


def parsed(text: str) -> tuple[float, ...] | None:
    """Betas that a text means, ascending; None for automatic ones.

    Raises
    ------
    ValueError
        If it holds no numbers, or one outside [0, 1].
    """
    if text.strip() in {"", AUTO}:
        return None
    found = []
    for one in re.split(r"[,;\s]+", text.strip().strip(",;")):
        try:
            found.append(float(one))
        except ValueError:
            raise ValueError(f"betas must be numbers in [0, 1], got {one!r}; {_REMEDY}") from None
    return checked(found)


def checked(betas: Sequence[float] | None) -> tuple[float, ...] | None:
    """The same betas, ascending, each once.

    Raises
    ------
    ValueError
        If there is none, or one lies outside [0, 1].
    """
    if betas is None:
        return None
    wrong = [one for one in betas if not (math.isfinite(one) and 0 <= one <= 1)]
    if wrong or not len(betas):
        got = wrong[0] if wrong else "none"
        raise ValueError(f"betas must be numbers in [0, 1], got {got}; {_REMEDY}")
    return tuple(sorted({float(one) for one in betas}))

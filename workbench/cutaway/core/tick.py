"""Progress and cancel as one callable.

Long work takes ``tick: Tick = silent`` and calls ``tick(fraction, message)`` at least every 0.2 s,
the last time with 1.0. Whoever passed the tick may raise `Cancelled` from inside it; the work needs
no other code for that, because files, hooks and modes are closed by ``with``.
"""

from collections.abc import Callable
from typing import TypeAlias

Tick: TypeAlias = Callable[[float, str], None]


class Cancelled(Exception):  # noqa: N818 - a decision of the user, not an error
    """Raised from inside a tick when the caller wants the work to stop."""


def silent(fraction: float, message: str) -> None:
    """Ignore progress; the default tick."""


def part(tick: Tick, start: float, stop: float) -> Tick:
    """Tick of a sub-task that covers ``start..stop`` of the whole.

    Parameters
    ----------
    tick : Tick
        The tick of the whole task.
    start, stop : float
        Fractions of the whole, 0 <= start <= stop <= 1.

    Returns
    -------
    Tick
        A tick whose 0..1 arrives as start..stop.
    """
    if not 0.0 <= start <= stop <= 1.0:
        raise ValueError(
            f"start, stop must satisfy 0 <= start <= stop <= 1, got {start}, {stop}; "
            "give fractions of the whole task"
        )

    def scaled(fraction: float, message: str) -> None:
        tick(start + (stop - start) * min(max(fraction, 0.0), 1.0), message)

    return scaled

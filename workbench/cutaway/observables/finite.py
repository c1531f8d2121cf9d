"""Numbers that are not finite, told by name before they become a rank, a class or a mean."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_SHOWN = 5


def lost(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Places along the first axis of which a number is NaN or infinite."""
    good = np.isfinite(values.reshape(len(values), int(np.prod(values.shape[1:]))))
    return np.asarray(np.flatnonzero(~good.all(1)), dtype=np.int64)


def some(names: Sequence[Any]) -> str:
    """The first few names, and that there are more."""
    shown = ", ".join(str(name) for name in names[:_SHOWN])
    return f"{shown}, …" if len(names) > _SHOWN else shown


def all_finite(what: str, values: Any, names: Sequence[Any], remedy: str) -> None:
    """Raise unless all numbers are finite.

    Parameters
    ----------
    what : str
        What must be finite, e.g. "logits".
    values : array_like of shape (n, …)
        The numbers.
    names : sequence of length n
        How the message names each.
    remedy : str
        What to do.

    Raises
    ------
    ValueError
        With how many are not finite, and which.
    """
    array = np.asarray(values, dtype=np.float64)
    places = lost(array)
    if len(places):
        raise ValueError(
            f"{what} must be finite, got NaN or infinite numbers in {len(places)} of {len(array)}: "
            f"{some([names[place] for place in places])}; {remedy}"
        )

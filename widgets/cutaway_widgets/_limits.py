"""Numbers at the ends of a colour scale."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def ends(
    numbers: NDArray[Any], limits: tuple[float, float] | None, *, diverging: bool
) -> list[float]:
    """The given limits, else those of the finite numbers.

    Parameters
    ----------
    numbers : ndarray
        Any shape and unit.
    limits : (float, float) or None
        None takes the smallest and the largest, or plus and minus the largest magnitude where the
        scale diverges.
    diverging : bool
        Does zero lie in the middle?

    Returns
    -------
    list of float
        Low, high; without any finite number 0, 1 or -1, 1.

    Raises
    ------
    ValueError
        If limits are no interval.
    """
    if limits is not None:
        low, high = (float(one) for one in limits)
        if not (np.isfinite([low, high]).all() and low < high):
            raise ValueError(
                f"limits must be two finite numbers, the smaller first, got {limits}; "
                "None takes the smallest and the largest"
            )
        return [low, high]
    finite = numbers[np.isfinite(numbers)]
    if not finite.size:
        return [-1.0, 1.0] if diverging else [0.0, 1.0]
    low, high = float(finite.min()), float(finite.max())
    if not diverging:
        return [low, high]
    most = max(abs(low), abs(high)) or 1.0
    return [-most, most]

"""Powers of two that keep squares of numbers in the range of float64; no digit changes."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

_SAFE = 60  # sizes of 2^-60 .. 2^60: their fourth powers, and themselves in float32, are ordinary


def size_exponents(values: NDArray[Any], axis: int) -> NDArray[np.int64]:
    """Powers of two that the slices along an axis are to be divided by before they are squared.

    Parameters
    ----------
    values : ndarray
        Of any type; NaN and infinity do not count.
    axis : int
        Of the slices.

    Returns
    -------
    ndarray of shape (slices,)
        Exponent of each one's largest finite size; 0 where sizes are ordinary, and for every type
        whose squares float64 holds anyway.
    """
    if values.dtype.kind != "f" or values.dtype.itemsize < 8 or not values.size:
        return np.zeros(values.shape[axis], np.int64)
    slices = np.moveaxis(values, axis, 0)
    axes = tuple(range(1, slices.ndim))
    with np.errstate(invalid="ignore"):
        largest = np.maximum(slices.max(axis=axes), -slices.min(axis=axes))
    for place in np.flatnonzero(~np.isfinite(largest)):
        some = slices[place]
        largest[place] = np.abs(some[np.isfinite(some)]).max(initial=0.0)
    return _beyond(largest)


def size_exponent(rows: NDArray[Any], step: int) -> int:
    """The same for all numbers of a matrix (n, …) at once; rows that are not finite do not count.

    Parameters
    ----------
    rows : ndarray of shape (n, …)
        Of any type; may lie on disk.
    step : int
        Rows that are looked at together.
    """
    if rows.dtype.kind != "f" or rows.dtype.itemsize < 8 or not rows.size:
        return 0
    axes = tuple(range(1, rows.ndim))
    with np.errstate(invalid="ignore"):
        largest = max(float(rows.max()), -float(rows.min()))
    if not np.isfinite(largest):
        largest = 0.0
        for start in range(0, len(rows), step):
            some = rows[start : start + step]
            some = some[np.isfinite(some).all(axis=axes)]
            largest = max(largest, float(np.abs(some).max(initial=0.0)))
    return int(_beyond(np.array([largest]))[0])


def _beyond(largest: NDArray[Any]) -> NDArray[np.int64]:
    exponents: NDArray[np.int64] = np.frexp(largest)[1].astype(np.int64)
    exponents[(largest == 0.0) | (np.abs(exponents) <= _SAFE)] = 0
    return exponents

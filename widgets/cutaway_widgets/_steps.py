"""Numbers as bytes for pictures on the page: 255 even steps, and how far off they can be."""

import math

import numpy as np
from numpy.typing import NDArray

MISSING = 255


def steps(values: NDArray[np.float32], limits: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Bytes 0 … 254 between two limits a row; 255 where a value is not finite.

    Parameters
    ----------
    values : ndarray of shape (n, …)
        Numbers.
    limits : ndarray of shape (n, 2)
        What 0 and 254 stand for, a row; values outside are cut off there. A number read back is
        off by at most half a step, (high − low) / 508.
    """
    shape = (-1, *[1] * (values.ndim - 1))
    low = limits[:, 0].astype(np.float64).reshape(shape)
    span = limits[:, 1].astype(np.float64).reshape(shape) - low
    finite = np.isfinite(values)
    share = (np.where(finite, values, 0.0) - low) / np.where(span > 0, span, 1.0)
    found = np.rint(np.clip(share, 0.0, 1.0) * 254.0).astype(np.uint8)
    return np.where(finite, found, np.uint8(MISSING)).astype(np.uint8)


def extremes(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Smallest and largest finite value of each row, (n, 2); zeros where there is none."""
    flat = values.reshape(len(values), math.prod(values.shape[1:])).astype(np.float64)
    finite = np.isfinite(flat)
    some = finite.any(axis=1)
    low = np.where(finite, flat, np.inf).min(axis=1, initial=np.inf)
    high = np.where(finite, flat, -np.inf).max(axis=1, initial=-np.inf)
    found = np.stack([np.where(some, low, 0.0), np.where(some, high, 0.0)], axis=1)
    return found.astype(np.float32)

"""A part of very many points that looks like all: sparse places whole, dense ones thinned."""

import math
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

_MOST = 1024  # places a side: no screen shows more


def thin(points: NDArray[np.float32], keys: NDArray[Any], limit: int, seed: int) -> NDArray[Any]:
    """Rows to draw of more points than a page can hold.

    The plane is cut into square places, at most 1,024 x 1,024 and no more than half of `limit`.
    Each keeps its first ``t`` points, ``t`` the largest whole number that uses at most half of
    `limit`; so what is sparse is kept whole, and no place is emptied. The rest of `limit` is
    shared among the fuller places in proportion to what they have left. Which points of a place
    are kept is decided by a hash of their key and the seed, not by their order.

    Parameters
    ----------
    points : ndarray of shape (n, 2)
        Rows with NaN are never kept.
    keys : ndarray of shape (n,)
        The rows' ids: the same ids are kept in whatever order the rows come.
    limit : int
        Rows to keep at most, 2 or more.
    seed : int
        Another seed keeps others.

    Returns
    -------
    ndarray of shape (k,)
        Rows in ascending order, k ≤ limit.
    """
    rows = np.flatnonzero(np.isfinite(points).all(axis=1))
    if len(rows) <= limit:
        return rows
    side = min(_MOST, math.isqrt(limit // 2))
    place = _places(points[rows], side)
    counts = np.bincount(place, minlength=side * side)
    kept = _shares(counts, limit)
    mixed = _hash(keys[rows], seed)
    order = np.argsort((place.astype(np.uint64) << np.uint64(44)) | (mixed >> np.uint64(20)))
    starts = np.cumsum(counts) - counts
    sorted_places = place[order]
    rank = np.arange(len(rows)) - starts[sorted_places]
    return np.sort(rows[order[rank < kept[sorted_places]]])


def _places(points: NDArray[np.float32], side: int) -> NDArray[np.int64]:
    low, high = points.min(axis=0).astype(float), points.max(axis=0).astype(float)
    span = np.where(high > low, high - low, 1.0)
    cells = np.minimum(((points - low) / span * side).astype(np.int64), side - 1)
    return np.asarray(cells[:, 1] * side + cells[:, 0])


def _shares(counts: NDArray[np.int64], limit: int) -> NDArray[np.int64]:
    """How many points each place keeps."""
    low, high = 1, int(counts.max())
    while low < high:
        middle = (low + high + 1) // 2
        if int(np.minimum(counts, middle).sum()) <= limit // 2:
            low = middle
        else:
            high = middle - 1
    whole = np.minimum(counts, low)
    left = counts - whole
    spare = limit - int(whole.sum())
    return np.asarray(whole + left * spare // max(int(left.sum()), 1))


def _hash(keys: NDArray[Any], seed: int) -> NDArray[np.uint64]:
    """One number a key, well mixed (the finalizer of splitmix64, Steele et al. 2014)."""
    if keys.dtype.kind in "iu":
        bits = keys.astype(np.uint64)
    else:
        bits = pd.util.hash_array(keys.astype(object), categorize=False)
    start = (0x9E3779B97F4A7C15 * (seed + 1)) % 2**64
    bits = bits + np.uint64(start)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        bits = (bits ^ (bits >> np.uint64(shift))) * np.uint64(factor)
    return np.asarray(bits ^ (bits >> np.uint64(31)), np.uint64)


def inside(points: NDArray[np.float32], outline: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which points lie in a closed outline, by the even-odd rule.

    Parameters
    ----------
    points : ndarray of shape (n, 2)
    outline : ndarray of shape (k, 2)
        Corners, in the units of the points.

    Returns
    -------
    ndarray of shape (n,) of bool
    """
    found = np.zeros(len(points), np.bool_)
    low, high = outline.min(axis=0), outline.max(axis=0)
    near = np.flatnonzero(((points >= low) & (points <= high)).all(axis=1))
    x, y = points[near].astype(np.float64).T
    within = np.zeros(len(near), np.bool_)
    for (xi, yi), (xj, yj) in zip(outline, np.roll(outline, 1, axis=0), strict=True):
        across = np.flatnonzero((yi > y) != (yj > y))
        within[across] ^= x[across] < (xj - xi) * (y[across] - yi) / (yj - yi) + xi
    found[near] = within
    return found

"""How well scores of held-out texts tell two classes and a real number, with intervals.

Notation
--------
S       scores, (r, n), a row a resample: its first p columns are of class 1
V       targets, (r, n)
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Array: TypeAlias = NDArray[np.float64]
_RESAMPLES = 1000


def auc(scores: Array, p: int) -> Array:
    """Area under the ROC curve of every row, ties counted half: (r,).

    Scores within 1e-5 of their spread are ties: equal texts in other batches round otherwise.
    """
    n = scores.shape[1] - p
    spread = np.maximum(scores.std(1, keepdims=True), 1e-30)
    ranks = rankdata(np.round((scores - scores.mean(1, keepdims=True)) / spread, 5), axis=1)[
        :, :p
    ].sum(1)
    return np.asarray((ranks - p * (p + 1) / 2) / (p * n))


def r2(scores: Array, targets: Array) -> Array:
    """Squared correlation of every row: (r,); NaN where one of both is constant."""
    return _squared(_centred(scores), _centred(targets))


def r2_within(scores: Array, targets: Array, p: int) -> Array:
    """Squared correlation after each class's own mean is taken off both: (r,).

    A score that only tells the classes apart has a large `r2` and a small one of these.
    """
    parts = slice(None, p), slice(p, None)
    x, y = (
        np.concatenate([_centred(one[:, part]) for part in parts], axis=1)
        for one in (scores, targets)
    )
    return _squared(x, y)


def measured(
    scores: Array, z: NDArray[np.int64], targets: Array, *, seed: int
) -> dict[str, tuple[float, float, float]]:
    """Mean of each measure over the training draws, and its 95 % interval.

    Parameters
    ----------
    scores : ndarray of shape (m, n)
        Of the held-out texts, a row a training draw.
    z : ndarray of shape (n,)
        Labels 0 and 1.
    targets : ndarray of shape (n,)
        Real numbers.
    seed : int
        Of the bootstrap.

    Returns
    -------
    dict of str to (float, float, float)
        "auc", "r2", "within": mean, low, high. Each of 1000 resamples takes a training draw and
        draws the held-out texts of each class with replacement, so the interval covers both.
    """
    ones, zeros = np.flatnonzero(z == 1), np.flatnonzero(z == 0)
    p, rng = len(ones), np.random.default_rng(seed)
    order = np.concatenate([ones, zeros])
    drawn = np.concatenate(
        [rng.choice(group, (_RESAMPLES, len(group))) for group in (ones, zeros)], axis=1
    )
    draw = np.arange(_RESAMPLES) % len(scores)
    means = _all(scores[:, order], np.broadcast_to(targets[order], scores.shape), p)
    spread = _all(scores[draw[:, None], drawn], targets[drawn], p)
    found = {}
    for name, values in means.items():
        known = spread[name][np.isfinite(spread[name])]
        low, high = np.quantile(known, [0.025, 0.975]) if len(known) else (np.nan, np.nan)
        found[name] = (float(values.mean()), float(low), float(high))
    return found


def _all(scores: Array, targets: Array, p: int) -> dict[str, Array]:
    return {
        "auc": auc(scores, p),
        "r2": r2(scores, targets),
        "within": r2_within(scores, targets, p),
    }


def _centred(values: Array) -> Array:
    return np.asarray(values - values.mean(1, keepdims=True))


def _squared(x: Array, y: Array) -> Array:
    xx, yy, xy = (x * x).sum(1), (y * y).sum(1), (x * y).sum(1)
    # What centring leaves of a constant row is rounding.
    flat = (xx <= 1e-24 * len(x.T)) | (yy <= 1e-24 * len(x.T))
    return np.where(flat, np.nan, xy**2 / np.where(flat, 1.0, xx * yy))

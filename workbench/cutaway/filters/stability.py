"""Whether the links of a flagged filter are found again in half of the samples."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from cutaway.core import Tick, silent
from cutaway.filters.calibration import calibrated
from cutaway.filters.evidence import hit_level
from cutaway.filters.tails import chi2_median, one_filter

Array: TypeAlias = NDArray[np.float64]
DRAWS = 10


def half_samples(n: int, seed: int, draws: int = DRAWS) -> list[NDArray[np.int64]]:
    """Sorted places of random halves of n samples."""
    rng = np.random.default_rng(seed)
    return [np.sort(rng.permutation(n)[: (n + 1) // 2]) for _ in range(draws)]


def found_again(
    rows: Array,
    gain: Array,
    hits: NDArray[np.bool_],
    *,
    shape: float,
    halves: list[NDArray[np.int64]],
    labels: NDArray[np.int64] | None = None,
    tick: Tick = silent,
) -> float:
    """How well half-samples repeat the links of one filter.

    Parameters
    ----------
    rows : ndarray of shape (n, p)
        What describes its maps; finite.
    gain : ndarray of shape (n,)
        Factor that the screen divided the squared distances by.
    hits : ndarray of shape (n,)
        Samples that hit it in the whole data.
    shape : float
        Of its tail.
    halves : list of ndarray
        Places of the samples of each draw.
    labels : ndarray of shape (n,), optional
        Classes, for a class-conditional screen.
    tick : Tick
        Progress.

    Returns
    -------
    float
        Links found in both over links found in either, added up over the draws and among the
        samples of each: 1 where the same samples stand out of every half, with a bulk and a
        calibration of its own; NaN where no half holds any.
    """
    both, either = 0, 0
    for i, half in enumerate(halves):
        tick(i / len(halves), "repeating with half of the samples")
        squared, rank = one_filter(rows[half], None if labels is None else labels[half])
        ranks = np.array([rank])
        relative = squared * chi2_median(ranks)[0] / gain[half]
        sharp, _ = calibrated(relative[None], ranks, np.array([shape]))
        again = sharp[0] > hit_level(sharp)[0]
        both += int((again & hits[half]).sum())
        either += int((again | hits[half]).sum())
    return both / either if either else float("nan")

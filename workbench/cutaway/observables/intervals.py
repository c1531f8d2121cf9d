"""Intervals of means over pairs of prompts."""

import numpy as np
from numpy.typing import NDArray

_RESAMPLES = 2000


def interval(
    values: NDArray[np.float64], seed: int = 0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """95 % percentile bootstrap interval of the mean over the first axis.

    Parameters
    ----------
    values : ndarray of shape (n, …)
        A row a pair; whole rows are drawn, so that what goes together stays together.
    seed : int
        Of the resampling.

    Returns
    -------
    low, high : ndarray of shape (…)
        NaN for fewer than two rows.
    """
    n = len(values)
    if n < 2:
        nothing = np.full(values.shape[1:], np.nan)
        return nothing, nothing.copy()
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(n, np.full(n, 1 / n), size=_RESAMPLES) / n
    means = counts @ values.reshape(n, -1)
    low, high = np.quantile(means, [0.025, 0.975], axis=0)
    return low.reshape(values.shape[1:]), high.reshape(values.shape[1:])

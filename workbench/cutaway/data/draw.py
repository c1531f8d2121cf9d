"""A smaller data set that stands for the whole: a random draw, never the first n."""

import numpy as np
from numpy.typing import NDArray

from cutaway.core import check


def draw(
    n: int, limit: int | None, labels: NDArray[np.int64] | None = None, *, seed: int = 0
) -> NDArray[np.int64]:
    """Places of at most `limit` samples, drawn at random and kept in their order.

    Parameters
    ----------
    n : int
        Number of samples.
    limit : int or None
        How many to keep; None, or more than there are, keeps all.
    labels : ndarray of shape (n,), optional
        Classes; each then keeps its share of the draw, to less than one sample in balanced data.
    seed : int
        Seed of the draw.

    Returns
    -------
    ndarray of shape (min(n, limit),)
        Places, increasing, int64.

    Notes
    -----
    Sample r (in a random order) of a class c with n_c samples gets the key (r + u_c) / n_c, with
    u_c uniform in [0, 1); the smallest keys win. The keys of every class fill [0, 1] evenly, so
    every threshold takes the same fraction of each class.
    """
    if limit is not None:
        check.whole("limit", limit, 1, remedy="give how many samples to keep")
    if limit is None or limit >= n:
        return np.arange(n)
    rng = np.random.default_rng(seed)
    if labels is None:
        return np.sort(rng.choice(n, size=limit, replace=False))
    keys = np.empty(n)
    for one in np.unique(labels):
        places = np.flatnonzero(labels == one)
        keys[rng.permutation(places)] = (np.arange(len(places)) + rng.random()) / len(places)
    return np.sort(np.argsort(keys, kind="stable")[:limit])

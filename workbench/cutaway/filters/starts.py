"""Starting responsibilities for EM: k-means++ with a few Lloyd steps, and two made for outliers.

All filters share the same uniform draws, and draws walk through the samples in the order of their
first coordinate: a filter's start depends neither on its neighbours nor on the order of samples.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from cutaway.filters.em import Samples
from cutaway.filters.robust import bulk_distances, whitened

Array: TypeAlias = NDArray[np.float64]
_LLOYD_STEPS = 5
FAR_FRACTIONS = (0.005, 0.02)  # of the samples, at least 3: a start for few and one for more


def starting_responsibilities(
    samples: Samples, k: int, far: NDArray[np.bool_], *, n_random: int, seed: int
) -> Array:
    """Hard responsibilities (b, starts, k, n): random ones, then outlier ones; one for k = 1.

    Parameters
    ----------
    samples : Samples
        A block of filters.
    k : int
        Components.
    far : ndarray of shape (b, outlier starts, n)
        The farthest samples (`farthest`); they make one component of an outlier start.
    n_random : int
        k-means++ starts.
    seed : int
        Of the draws.
    """
    b, n, _ = samples.x.shape
    if k == 1:
        return np.ascontiguousarray(samples.kept[:, None, None, :])
    uniform = np.random.default_rng(seed).random((n_random + 1, k))
    made = [_cluster(samples.x, samples.kept, uniform[:n_random], k)]
    for few in far.transpose(1, 0, 2):
        outlier = np.empty((b, 1, k, n))
        outlier[:, 0, k - 1] = samples.kept * few
        outlier[:, :, : k - 1] = _cluster(samples.x, samples.kept * ~few, uniform[n_random:], k - 1)
        made.append(outlier)
    return np.concatenate(made, axis=1)


def farthest(samples: Samples) -> NDArray[np.bool_]:
    """(b, 2, n) True for each filter's 0.5 % and 2 % of largest robust distance, 3 at least."""
    b, n = samples.kept.shape
    far = np.zeros((b, len(FAR_FRACTIONS), n), bool)
    for f, keep in enumerate(samples.kept > 0):
        places = np.flatnonzero(keep)
        if len(places) < 2:
            continue
        distances = bulk_distances(whitened(samples.x[f, places]))
        order = places[np.argsort(-distances, kind="stable")]
        for i, fraction in enumerate(FAR_FRACTIONS):
            far[f, i, order[: max(3, round(fraction * len(places)))]] = True
    return far


def _cluster(x: Array, kept: Array, uniform: Array, k: int) -> Array:
    """One-hot k-means labels (b, s, k, n) of the kept samples, one start a line of `uniform`."""
    across = np.ascontiguousarray(x.transpose(0, 2, 1))
    order = np.argsort(np.where(kept > 0, x[:, :, 0], np.inf), axis=1, kind="stable")
    centres = _spread_centres(x, kept, order, uniform, k)
    b, s = centres.shape[:2]
    for step in range(_LLOYD_STEPS + 1):
        flat = centres.reshape(b, s * k, -1)
        closeness = flat @ across - 0.5 * (flat**2).sum(axis=2)[:, :, None]
        labels = closeness.reshape(b, s, k, -1).argmax(axis=2)
        hot = (labels[:, :, None] == np.arange(k)[:, None]) * kept[:, None, None]
        if step < _LLOYD_STEPS:
            mass = hot.sum(axis=3)
            sums = (hot.reshape(b, s * k, -1) @ x).reshape(b, s, k, -1)
            moved = sums / np.maximum(mass, 1.0)[..., None]
            centres = np.where(mass[..., None] > 0, moved, centres)
    return np.asarray(hot)


def _spread_centres(
    x: Array, kept: Array, order: NDArray[np.int64], uniform: Array, k: int
) -> Array:
    """k-means++ centres (b, s, k, d): each drawn with probability ~ squared distance so far."""
    b, n, d = x.shape
    s = len(uniform)
    centres = np.empty((b, s, k, d))
    distance = np.broadcast_to(kept[:, None], (b, s, n))
    filters = np.arange(b)[:, None]
    for j in range(k):
        walked = np.take_along_axis(distance, order[:, None], axis=2).cumsum(axis=2)
        target = uniform[None, :, j] * walked[:, :, -1]
        place = np.minimum((walked <= target[:, :, None]).sum(axis=2), n - 1)
        chosen = x[filters, order[filters, place]]
        centres[:, :, j] = chosen
        apart = ((x[:, None] - chosen[:, :, None]) ** 2).sum(axis=3) * kept[:, None]
        distance = apart if j == 0 else np.minimum(distance, apart)
    return centres

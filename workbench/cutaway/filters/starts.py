"""Starting responsibilities for EM: k-means++ with a few Lloyd steps, and two made for outliers.

All filters share the same uniform draws, and draws walk through the samples in the order of their
first coordinate: a filter's start depends neither on its neighbours nor on the order of samples.
"""

import numpy as np
from numpy.typing import NDArray

from cutaway.filters.samples import Array, Samples

LLOYD_STEPS = 5
SCATTER_STEPS, FREEDOM, RIDGE = 11, 3.0, 1e-6  # of the robust scatter: the first is the plain one
FAR_FRACTIONS = (0.005, 0.02)  # of the samples, at least 3: a start for few and one for more


def draws(n_random: int, k: int, seed: int) -> Array:
    """Uniform numbers (n_random + 1, k): a line for each random start, one for the outlier ones."""
    return np.random.default_rng(seed).random((n_random + 1, k))


def starting_responsibilities(
    samples: Samples, k: int, far: NDArray[np.bool_], uniform: Array
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
    uniform : ndarray of shape (random starts + 1, k)
        Of `draws`.
    """
    if k == 1:
        return np.ascontiguousarray(samples.kept[:, None, None, :])
    made = [_cluster(samples, samples.kept, uniform[:-1], k)]
    for few in far.transpose(1, 0, 2):
        outlier = np.empty((len(few), 1, k, few.shape[1]))
        outlier[:, 0, k - 1] = samples.kept * few
        outlier[:, :, : k - 1] = _cluster(samples, samples.kept * ~few, uniform[-1:], k - 1)
        made.append(outlier)
    return np.concatenate(made, axis=1)


def farthest(samples: Samples, distances: Array) -> NDArray[np.bool_]:
    """(b, 2, n) True for each filter's 0.5 % and 2 % of largest distance (b, n), 3 at least."""
    b, n = distances.shape
    far = np.zeros((b, len(FAR_FRACTIONS), n), bool)
    for f, count in enumerate(samples.count.tolist()):
        if count < 2:
            continue
        most = min(count, max(3, round(max(FAR_FRACTIONS) * count)))
        one = distances[f, :count]
        few = np.flatnonzero(one >= np.partition(one, count - most)[count - most])
        few = few[np.argsort(-one[few], kind="stable")]
        for i, fraction in enumerate(FAR_FRACTIONS):
            far[f, i, few[: max(3, round(fraction * count))]] = True
    return far


def robust_distances(samples: Samples) -> Array:
    """Squared distances (b, n) under each filter's robust scatter; zero where nothing varies.

    Notes
    -----
    Ten steps of EM for a multivariate t with 3 degrees of freedom: a sample at squared distance q
    weighs (3 + d) / (3 + q), so that a few far ones hardly widen the scatter [1]_. No sorting, and
    one walk through the samples a step.

    References
    ----------
    .. [1] Kent, Tyler and Vardi, "A curious likelihood identity for the multivariate
       t-distribution", Commun. Stat. Simul. 23, 1994.
    """
    d = samples.across.shape[1]
    n = np.maximum(samples.count, 1)
    weight, distances = samples.kept, np.zeros(samples.kept.shape)
    ridge, varies = np.zeros(len(n)), np.ones(len(n), bool)
    for step in range(SCATTER_STEPS):
        mass = np.maximum(weight.sum(axis=1), 1e-300)
        mean = (samples.across @ weight[:, :, None])[:, :, 0] / mass[:, None]
        around = (samples.across - mean[:, :, None]) * samples.kept[:, None]
        scatter = (around * weight[:, None]) @ around.swapaxes(1, 2) / n[:, None, None]
        if step == 0:
            ridge = RIDGE * np.trace(scatter, axis1=1, axis2=2) / d
            varies = ridge > 0.0
        scatter += ridge[:, None, None] * np.eye(d)
        scatter[~varies] = np.eye(d)
        white = np.linalg.inv(np.linalg.cholesky(scatter)) @ around
        distances = (white**2).sum(axis=1) * varies[:, None]
        weight = (FREEDOM + d) / (FREEDOM + distances) * samples.kept
    return np.asarray(distances)


def _cluster(samples: Samples, used: Array, uniform: Array, k: int) -> Array:
    """One-hot k-means labels (b, s, k, n) of the used samples, one start a line of `uniform`."""
    centres = _spread_centres(samples.across, used, uniform, k)
    b, s = centres.shape[:2]
    for step in range(LLOYD_STEPS + 1):
        flat = centres.reshape(b, s * k, -1)
        closeness = flat @ samples.across - 0.5 * (flat**2).sum(axis=2)[:, :, None]
        labels = closeness.reshape(b, s, k, -1).argmax(axis=2)
        hot = (labels[:, :, None] == np.arange(k)[:, None]) * used[:, None, None]
        if step < LLOYD_STEPS:
            mass = hot.sum(axis=3)
            sums = (hot.reshape(b, s * k, -1) @ samples.across.swapaxes(1, 2)).reshape(b, s, k, -1)
            moved = sums / np.maximum(mass, 1.0)[..., None]
            centres = np.where(mass[..., None] > 0, moved, centres)
    return np.asarray(hot)


def _spread_centres(across: Array, used: Array, uniform: Array, k: int) -> Array:
    """k-means++ centres (b, s, k, d): each drawn with probability ~ squared distance so far."""
    b, d, n = across.shape
    s = len(uniform)
    centres = np.empty((b, s, k, d))
    distance = np.broadcast_to(used[:, None], (b, s, n))
    filters = np.arange(b)[:, None]
    for j in range(k):
        walked = distance.cumsum(axis=2)
        target = uniform[None, :, j] * walked[:, :, -1]
        place = (walked <= target[:, :, None]).sum(axis=2)
        place = np.where(place < n, place, 0)  # nothing left to draw from: all samples are centres
        chosen = across[filters, :, place]
        centres[:, :, j] = chosen
        apart = ((across[:, None] - chosen[:, :, :, None]) ** 2).sum(axis=2) * used[:, None]
        distance = apart if j == 0 else np.minimum(distance, apart)
    return centres

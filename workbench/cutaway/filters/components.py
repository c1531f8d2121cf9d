"""Which component of a filter's mixture is small, apart from the rest, and needed by the data."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from cutaway.filters import em

Array: TypeAlias = NDArray[np.float64]
MOST_OVERLAP = 0.5


@dataclass(frozen=True, eq=False)
class Minor:
    """The minor component that the data need most, for every filter of a block.

    Parameters
    ----------
    weight, overlap, deviance : ndarray of shape (b,)
        Its mixing weight, its largest Bhattacharyya coefficient with a main component (0 apart,
        1 the same), and twice the log-likelihood in nats that deleting it costs. NaN without one.
    evident : ndarray of shape (b,)
        True where overlap is at most 0.5 and deviance exceeds the price of its parameters.
    responsibility : ndarray of shape (b, n)
        Probability that the sample belongs to any minor component.
    """

    weight: Array
    overlap: Array
    deviance: Array
    evident: NDArray[np.bool_]
    responsibility: Array


def minor_component(
    samples: em.Samples, weights: Array, means: Array, covariances: Array, tau: float
) -> Minor:
    """Return the minor component of each filter's mixture.

    Parameters
    ----------
    samples : Samples
        A block of filters.
    weights, means, covariances : ndarray of shape (b, k), (b, k, d), (b, k, d, d)
        The fitted mixtures; means about the block's centre.
    tau : float
        A component of at most this weight is minor; the heaviest never is.

    Returns
    -------
    Minor
        One entry a filter.

    Notes
    -----
    Deletion deviance 2 Σ_n [ln p(x_n) - ln p_(-k)(x_n)], where p_(-k) lacks component k and has
    its weights renormalised; evident beyond (d (d + 1) / 2 + d + 1) ln n.
    """
    b, k = weights.shape
    n, d = samples.kept.sum(axis=1), samples.x.shape[2]
    heaviest = np.arange(k) == weights.argmax(axis=1)[:, None]
    minor = (weights <= tau) & ~heaviest
    density = em.densities(samples, weights[:, None], means[:, None], covariances[:, None])
    deviance = _deletion_deviance(density[:, 0], weights, samples.kept)
    resp, _ = em.soften(density)
    resp = resp[:, 0] * samples.kept[:, None]
    overlap = np.where(~minor[:, None, :], bhattacharyya(means, covariances), 0.0).max(axis=2)
    chosen = np.where(minor, deviance, -np.inf).argmax(axis=1)
    row, some = np.arange(b), minor.any(axis=1)
    price = (d * (d + 1) / 2 + d + 1) * np.log(np.maximum(n, 1.0))
    apart, needed = overlap[row, chosen], deviance[row, chosen]
    return Minor(
        weight=np.where(some, weights[row, chosen], np.nan),
        overlap=np.where(some, apart, np.nan),
        deviance=np.where(some, needed, np.nan),
        evident=some & (apart <= MOST_OVERLAP) & (needed > price),
        responsibility=(resp * minor[:, :, None]).sum(axis=1),
    )


def _deletion_deviance(density: Array, weights: Array, kept: Array) -> Array:
    """(b, k) deviances; in the log domain, since 1 - responsibility rounds to 0 for outliers."""
    deviance = np.zeros(weights.shape)
    whole = np.logaddexp.reduce(density, axis=1)
    for j in range(weights.shape[1] if weights.shape[1] > 1 else 0):
        rest = np.logaddexp.reduce(np.delete(density, j, axis=1), axis=1)
        rest -= np.log1p(-np.minimum(weights[:, j, None], 1.0 - 1e-12))
        deviance[:, j] = 2.0 * ((whole - rest) * kept).sum(axis=1)
    return deviance


def bhattacharyya(means: Array, covariances: Array) -> Array:
    """Bhattacharyya coefficients (b, k, k) between Gaussian components, in 0..1.

    Notes
    -----
    exp(-B), B = (1/8) δ' S^-1 δ + (1/2) ln(|S| / sqrt(|S_i| |S_j|)), S the mean covariance.
    """
    delta = means[:, :, None] - means[:, None, :]
    middle = (covariances[:, :, None] + covariances[:, None, :]) / 2.0
    apart = (delta * np.linalg.solve(middle, delta[..., None])[..., 0]).sum(axis=-1)
    single = np.linalg.slogdet(covariances)[1]
    shape = np.linalg.slogdet(middle)[1] - (single[:, :, None] + single[:, None, :]) / 2.0
    return np.asarray(np.exp(-(apart / 8.0 + shape / 2.0)))

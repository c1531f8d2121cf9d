"""Which component of a filter's mixture is small, apart from the rest, and needed by the data."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cutaway.filters import em
from cutaway.filters.samples import Array, Fit, Samples

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


def minor_component(samples: Samples, fit: Fit, resp: Array, tau: float) -> Minor:
    """Return the minor component of each filter's mixture.

    Parameters
    ----------
    samples : Samples
        A block of filters.
    fit : Fit
        Their mixtures.
    resp : ndarray of shape (b, k, n)
        The responsibilities, zero in dropped samples.
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
    weights, d = fit.weights, fit.means.shape[2]
    b, k = weights.shape
    heaviest = np.arange(k) == weights.argmax(axis=1)[:, None]
    minor = (weights <= tau) & ~heaviest
    some = minor.any(axis=1)
    found = Minor(
        weight=np.full(b, np.nan),
        overlap=np.full(b, np.nan),
        deviance=np.full(b, np.nan),
        evident=np.zeros(b, bool),
        responsibility=np.where(minor[:, :, None], resp, 0.0).sum(axis=1),
    )
    places = np.flatnonzero(some)
    if not len(places):
        return found
    minor, fit, samples = minor[places], fit.at(places), samples.take(places)
    deviance = _deletion_deviance(samples, fit, minor)
    overlap = bhattacharyya(fit.means, fit.covariances)
    overlap = np.where(~minor[:, None, :], overlap, 0.0).max(axis=2)
    row, chosen = np.arange(len(places)), np.where(minor, deviance, -np.inf).argmax(axis=1)
    price = (d * (d + 1) / 2 + d + 1) * np.log(samples.count)
    apart, needed = overlap[row, chosen], deviance[row, chosen]
    found.weight[places] = fit.weights[row, chosen]
    found.overlap[places] = apart
    found.deviance[places] = needed
    found.evident[places] = (apart <= MOST_OVERLAP) & (needed > price)
    return found


def _deletion_deviance(samples: Samples, fit: Fit, minor: NDArray[np.bool_]) -> Array:
    """(b, k) deviances of minor components, else 0.

    In the log domain, since 1 - responsibility rounds to 0 for outliers.
    """
    density = em.densities(
        samples, fit.weights[:, None], fit.means[:, None], fit.covariances[:, None]
    )[:, 0]
    deviance = np.zeros(minor.shape)
    whole = _log_sum(density)
    for j in np.flatnonzero(minor.any(axis=0)):
        here = np.flatnonzero(minor[:, j])
        rest = _log_sum(np.delete(density[here], j, axis=1))
        rest -= np.log1p(-np.minimum(fit.weights[here, j, None], 1.0 - 1e-12))
        deviance[here, j] = 2.0 * ((whole[here] - rest) * samples.kept[here]).sum(axis=1)
    return deviance


def _log_sum(density: Array) -> Array:
    """Logarithm (b, n) of the sum over components of exp(density) (b, k, n)."""
    top = density.max(axis=1)
    return np.asarray(top + np.log(np.exp(density - top[:, None]).sum(axis=1)))


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

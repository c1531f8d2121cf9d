"""Likelihood, information criteria and cluster index of fitted mixtures."""

import numpy as np
from numpy.typing import NDArray

from cutaway.filters import em
from cutaway.filters.samples import Array, Fit, Samples


def criteria(
    measured: Array, count: NDArray[np.int64], fit: Fit, covariance: str
) -> dict[str, Array]:
    """Log-likelihood, BIC, AIC, ICL and CH (b,) of fits whose (b, 3) an engine has measured."""
    (_, k), d = fit.weights.shape, fit.means.shape[2]
    total, entropy, index = np.where(fit.failed[:, None], np.nan, measured).T
    n = np.maximum(count, 1)
    free = n_parameters(k, d, covariance)
    bic = -2.0 * total + free * np.log(n)
    return {
        "log_likelihood": total / n,
        "bic": bic,
        "aic": -2.0 * total + 2.0 * free,
        "icl": bic + 2.0 * entropy,
        "ch": index,
    }


def measure(samples: Samples, fit: Fit, *, soft: bool) -> tuple[Array, Array]:
    """(b, 3) log-likelihood in nats, entropy and CH index; responsibilities (b, k, n) if soft."""
    stacked = fit.weights[:, None], fit.means[:, None], fit.covariances[:, None]
    resp, each = em.soften(em.densities(samples, *stacked))
    resp = resp[:, 0] * samples.kept[:, None]
    total = (each[:, 0] * samples.kept).sum(axis=1)
    entropy = -(resp * np.log(np.maximum(resp, 1e-300))).sum(axis=(1, 2))
    found = np.stack([total, entropy, calinski_harabasz(samples, resp)], axis=1)
    return found, resp if soft else resp[:, :, :0]


def calinski_harabasz(samples: Samples, resp: Array) -> Array:
    """CH index (b,) of the hard labels of responsibilities (b, k, n); NaN for one cluster.

    References
    ----------
    Calinski and Harabasz, "A dendrite method for cluster analysis", Commun. Stat. 3, 1974.
    """
    k = resp.shape[1]
    hot = (resp.argmax(axis=1)[:, None] == np.arange(k)[:, None]) * samples.kept[:, None]
    mass = hot.sum(axis=2)
    means = (hot @ samples.across.swapaxes(1, 2)) / np.maximum(mass, 1.0)[..., None]
    between = (mass * (means**2).sum(axis=2)).sum(axis=1)  # the block is centred
    within = (samples.across**2).sum(axis=(1, 2)) - between
    clusters, n = (mass > 0).sum(axis=1), samples.count
    with np.errstate(divide="ignore", invalid="ignore"):
        index = (between / (clusters - 1)) / (within / (n - clusters))
    return np.where((clusters > 1) & (within > 0), index, np.nan)


def n_parameters(k: int, d: int, covariance: str) -> int:
    """Free parameters of a mixture: k - 1 weights, k means, and the covariances."""
    shape = {
        "full": k * d * (d + 1) // 2,
        "tied": d * (d + 1) // 2,
        "diag": k * d,
        "spherical": k,
    }
    return k - 1 + k * d + shape[covariance]

"""Likelihood, information criteria and cluster index of fitted mixtures."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from cutaway.filters import em

Array: TypeAlias = NDArray[np.float64]


def criteria(samples: em.Samples, state: em.State, covariance: str) -> dict[str, Array]:
    """Log-likelihood, BIC, AIC, ICL, CH and responsibilities (b, k, n) of a one-start state."""
    resp, each = em.soften(em.densities(samples, state.weights, state.means, state.covariances))
    resp = resp[:, 0] * samples.kept[:, None]
    total = (each[:, 0] * samples.kept).sum(axis=1)
    n = np.maximum(samples.kept.sum(axis=1), 1.0)
    total = np.where(state.failed[:, 0], np.nan, total)
    free = n_parameters(resp.shape[1], samples.x.shape[2], covariance)
    bic = -2.0 * total + free * np.log(n)
    entropy = -(resp * np.log(np.maximum(resp, 1e-300))).sum(axis=(1, 2))
    return {
        "log_likelihood": total / n,
        "bic": bic,
        "aic": -2.0 * total + 2.0 * free,
        "icl": bic + 2.0 * entropy,
        "ch": calinski_harabasz(samples, resp),
        "resp": resp,
    }


def calinski_harabasz(samples: em.Samples, resp: Array) -> Array:
    """CH index (b,) of the hard labels of responsibilities (b, k, n); NaN for one cluster.

    References
    ----------
    Calinski and Harabasz, "A dendrite method for cluster analysis", Commun. Stat. 3, 1974.
    """
    k = resp.shape[1]
    hot = (resp.argmax(axis=1)[:, None] == np.arange(k)[:, None]) * samples.kept[:, None]
    mass = hot.sum(axis=2)
    means = (hot @ samples.x) / np.maximum(mass, 1.0)[..., None]
    between = (mass * (means**2).sum(axis=2)).sum(axis=1)  # the block is centred
    within = (samples.x**2).sum(axis=(1, 2)) - between
    clusters, n = (mass > 0).sum(axis=1), samples.kept.sum(axis=1)
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

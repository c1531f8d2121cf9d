"""The compiled mixture engine: hands a block's arrays to `em_numba` and wraps what comes back."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutaway.filters import em_numba, starts_numba
from cutaway.filters.samples import Array, Fit, Samples, Settings

_KINDS = {"full": 0, "tied": em_numba.TIED, "diag": em_numba.DIAG, "spherical": em_numba.SPHERICAL}


def robust_distances(samples: Samples) -> Array:
    """As `starts.robust_distances`."""
    out = np.zeros((len(samples.count), samples.across.shape[2]))
    starts_numba.robust_distances(samples.across, samples.count, out, _marker(samples))
    return out


def best_fit(samples: Samples, far: NDArray[np.bool_], uniform: Array, settings: Settings) -> Fit:
    """As `engines.BestFit`."""
    run, fit = _blank(samples, uniform.shape[1], settings)
    em_numba.fit_best(samples.across, samples.count, uniform, far, *run)
    return fit()


def fit_from(samples: Samples, resp: Array, settings: Settings) -> Fit:
    """As `engines.Engine.fit_from`."""
    run, fit = _blank(samples, resp.shape[1], settings)
    em_numba.fit_from(samples.across, samples.count, np.ascontiguousarray(resp), *run)
    return fit()


def measure(samples: Samples, fit: Fit, *, soft: bool) -> tuple[Array, Array]:
    """As `engines.Engine.measure`."""
    b, k = fit.weights.shape
    found = np.empty((b, 3))
    resp = np.zeros((b, k, samples.across.shape[2] if soft else 0))
    mixtures = (
        np.ascontiguousarray(fit.weights),
        np.ascontiguousarray(fit.means),
        np.ascontiguousarray(fit.covariances),
    )
    em_numba.measure(samples.across, samples.count, mixtures, resp, found, _marker(samples))
    return found, resp


def _marker(samples: Samples) -> tuple[int, ...]:
    """A tuple as long as the dimensions, up to 5: beyond 4 the code is the same for all."""
    d: int = samples.across.shape[1]
    return (0,) * min(5, d)


def _blank(
    samples: Samples, k: int, settings: Settings
) -> tuple[tuple[Any, ...], Callable[[], Fit]]:
    """Arguments that the entries of `em_numba` share, and what makes a fit of them afterwards.

    Tuples of arrays of several types, hence Any.
    """
    b, d, _ = samples.across.shape
    mixtures = np.ones((b, k)), np.zeros((b, k, d)), np.zeros((b, k, d, d))
    n_iter, code = np.zeros(b, np.int64), np.zeros(b, np.int64)
    trace = np.full((b, settings.max_iter), np.nan)
    rule = settings.max_iter, settings.tol, settings.reg, _KINDS[settings.covariance]
    ends = np.full(b, -np.inf), n_iter, code, trace

    def fit() -> Fit:
        longest = int(n_iter.max(initial=0))
        done, failed = code == em_numba.DONE, code == em_numba.FAILED
        return Fit(*mixtures, done, failed, n_iter, trace[:, :longest].copy())

    return (rule, mixtures, ends, _marker(samples)), fit

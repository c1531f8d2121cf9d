"""Gaussian mixtures of many filters at once, and the criteria that choose between them."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cutaway.core import Tick, check, part, silent
from cutaway.filters import em
from cutaway.filters.criteria import criteria
from cutaway.filters.starts import FAR_FRACTIONS, farthest, starting_responsibilities

Array: TypeAlias = NDArray[np.float64]
COVARIANCES = ("full", "tied", "diag", "spherical")
_N_RANDOM = 5  # k-means++ starts, beside those made for outliers
_SHORT = 8  # iterations before only the best starts go on
_SURVIVORS = 2
_BLOCK_BYTES = 3e6  # a block's working set: stays in the second-level cache


@dataclass(frozen=True, eq=False)
class Mixtures:
    """One Gaussian mixture a filter; NaN where a filter has no finite sample.

    Parameters
    ----------
    weights : ndarray of shape (filters, k)
        Mixing weights; components by falling weight, or in the order of `start`.
    means : ndarray of shape (filters, k, d)
        In the units of the coordinates.
    covariances : ndarray of shape (filters, k, d, d)
        Full matrices, whatever the covariance type.
    responsibilities : ndarray of shape (filters, n, k)
        Probability of each component given the sample; NaN for dropped samples.
    log_likelihood : ndarray of shape (filters,)
        Mean over the kept samples, in nats.
    converged : ndarray of shape (filters,)
        False where `max_iter` came first or a covariance was not positive definite.
    n_iter : ndarray of shape (filters,)
        EM iterations of the start that won.
    trace : ndarray of shape (filters, iterations)
        Mean log-likelihood before each M-step of that start, NaN after its end.
    bic, aic, icl, ch : ndarray of shape (filters,)
        Bayes and Akaike criterion and the integrated completed likelihood (low is good), and the
        Calinski-Harabasz index of the hard labels (high is good; NaN for one cluster).
    """

    weights: Array
    means: Array
    covariances: Array
    responsibilities: Array
    log_likelihood: Array
    converged: NDArray[np.bool_]
    n_iter: NDArray[np.int64]
    trace: Array
    bic: Array
    aic: Array
    icl: Array
    ch: Array

    def __post_init__(self) -> None:
        """Make the arrays read-only."""
        for one in fields(self):
            getattr(self, one.name).setflags(write=False)

    def __repr__(self) -> str:
        count, k = self.weights.shape
        return f"Mixtures({count} filters, k = {k}; {int(self.converged.sum())} converged)"


def fit_mixtures(
    x: ArrayLike,
    k: int,
    *,
    covariance: str = "full",
    start: ArrayLike | None = None,
    reg: float = 1e-3,
    tol: float = 1e-3,
    max_iter: int = 200,
    seed: int = 0,
    tick: Tick = silent,
) -> Mixtures:
    """Return a Gaussian mixture of `k` components for every filter.

    Parameters
    ----------
    x : array_like of shape (filters, n, d)
        Coordinates. Rows with a NaN are dropped, and so are dimensions that are NaN in all rows.
    k : int
        Components, 1 to n - 1.
    covariance : {"full", "tied", "diag", "spherical"}
        Shape of the components.
    start : array_like of shape (filters, n) or (filters, n, k), optional
        Labels 0..k-1 or responsibilities to start from. Default: five k-means++ starts and two
        that make the farthest samples a component; after eight iterations the best two go on.
    reg : float
        Variance added along every axis, in squared units of `x`. With 1e-3 of the largest
        variance a handful of near-equal samples cannot buy unlimited likelihood.
    tol : float
        A start has converged when its mean log-likelihood changes by less (nats a sample).
    max_iter : int
        Most EM iterations of a start.
    seed : int
        Of the starts. A filter's result does not depend on the other filters.
    tick : Tick
        Progress.

    Returns
    -------
    Mixtures
        Filters in the order of `x`.

    Raises
    ------
    ValueError
        If a shape or an option does not fit.

    Warns
    -----
    UserWarning
        If some filters did not converge.

    Notes
    -----
    EM [1]_ in float64; given the same start, the numbers are scikit-learn's. An iteration costs
    about 4 n k (1 + d + d (d + 1) / 2) flops a filter and n k exponentials.

    References
    ----------
    .. [1] Dempster, Laird and Rubin, "Maximum likelihood from incomplete data via the EM
       algorithm", J. R. Stat. Soc. B 39, 1977.
    """
    points = np.asarray(x, dtype=np.float64)
    check.n_dims("x", points, 3, "filters, samples, dimensions")
    settings = em.Settings(covariance, reg, tol, max_iter)
    _check(points, k, settings)
    first = None if start is None else _responsibilities(np.asarray(start), points, k)
    result = _blank(points, k)
    blocks = list(filter_blocks(points, k))
    traces: dict[int, Array] = {}
    for i, (filters, dims) in enumerate(blocks):
        samples = em.Samples.of(points[filters][:, :, dims])
        progress = part(tick, i / len(blocks), (i + 1) / len(blocks))
        if first is None:
            state = best_start(samples, k, farthest(samples), settings, seed=seed, tick=progress)
            state = by_falling_weight(state)
        else:
            begun = em.from_responsibilities(samples, first[filters] * samples.kept[:, None, None],
                                             settings)  # fmt: skip
            state = em.climb(samples, begun, settings, max_iter, progress)
        _write(result, (filters, dims), samples, state, covariance)
        traces |= dict(zip(filters.tolist(), state.trace[:, :, 0].T, strict=True))
    tick(1.0, "mixtures fitted")
    result["trace"] = _stack_traces(traces, len(points))
    fitted = np.isfinite(result["weights"][:, 0])
    open_ = int((fitted & ~result["converged"]).sum())
    if open_:
        warnings.warn(
            f"{open_} of {int(fitted.sum())} filters did not converge in {max_iter} iterations; "
            "raise max_iter or tol",
            stacklevel=2,
        )
    return Mixtures(**result)


def filter_blocks(x: Array, k: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Places of filters that share their used dimensions, in blocks that fit the cache, and those.

    Filters without a finite value are left out.
    """
    _, n, d = x.shape
    used: NDArray[np.bool_] = np.asarray(np.isfinite(x).any(axis=1))
    starts = _N_RANDOM + len(FAR_FRACTIONS)
    each = 8.0 * n * (1 + d + d * (d + 1) // 2 + 2 * starts * k)
    size = max(1, int(_BLOCK_BYTES / each))
    for pattern in np.unique(used[used.any(axis=1)], axis=0):
        filters = np.flatnonzero((used == pattern).all(axis=1))
        for begin in range(0, len(filters), size):
            yield filters[begin : begin + size], np.flatnonzero(pattern)


def best_start(
    samples: em.Samples,
    k: int,
    far: NDArray[np.bool_],
    settings: em.Settings,
    *,
    seed: int,
    tick: Tick = silent,
) -> em.State:
    """Converged state of the best start of every filter; `far` as `starts.farthest` gives it."""
    begin = starting_responsibilities(samples, k, far, n_random=_N_RANDOM, seed=seed)
    state = em.from_responsibilities(samples, begin, settings)
    short = min(_SHORT, settings.max_iter)
    state = em.climb(samples, state, settings, short, part(tick, 0.0, 0.3))
    if state.bound.shape[1] > _SURVIVORS:
        state = state.take(_best(state.bound, _SURVIVORS))
    state = em.climb(samples, state, settings, settings.max_iter - short, part(tick, 0.3, 1.0))
    return state.take(_best(state.bound, 1))


def by_falling_weight(state: em.State) -> em.State:
    """Return the state with the components of its only start by falling weight."""
    order = np.argsort(-state.weights[:, 0], axis=1, kind="stable")[:, None]
    return em.State(
        np.take_along_axis(state.weights, order, axis=2),
        np.take_along_axis(state.means, order[..., None], axis=2),
        np.take_along_axis(state.covariances, order[..., None, None], axis=2),
        *(getattr(state, name) for name in ("bound", "done", "failed", "n_iter", "trace")),
    )


def _best(bound: Array, count: int) -> NDArray[np.int64]:
    return np.argsort(-bound, axis=1, kind="stable")[:, :count]


def _check(x: Array, k: int, settings: em.Settings) -> None:
    check.one_of("covariance", settings.covariance, COVARIANCES)
    check.whole("k", k, 1, max(1, x.shape[1] - 1), remedy="lower k or capture more samples")
    check.in_range("reg", settings.reg, 0.0)
    check.in_range("tol", settings.tol, 0.0)
    check.whole("max_iter", settings.max_iter, 1)


def _responsibilities(start: NDArray[np.generic], x: Array, k: int) -> Array:
    """`start` as responsibilities (filters, 1, k, n)."""
    filters, n, _ = x.shape
    if start.shape == (filters, n) and start.dtype.kind in "iu":
        if start.min() < 0 or start.max() >= k:
            raise ValueError(
                f"start must hold labels 0..{k - 1}, got {start.min()}..{start.max()}; "
                "number the groups from 0"
            )
        return np.asarray(start[:, None, None] == np.arange(k)[:, None], np.float64)
    if start.shape != (filters, n, k):
        raise ValueError(
            f"start must be whole labels of shape {(filters, n)} or responsibilities of shape "
            f"{(filters, n, k)}, got {start.dtype} of shape {start.shape}; give one a sample"
        )
    return np.asarray(start, np.float64).transpose(0, 2, 1)[:, None]


def _blank(x: Array, k: int) -> dict[str, Any]:
    """Fields of `Mixtures` before any filter is fitted: arrays of several types, hence Any."""
    filters, n, d = x.shape
    shapes: dict[str, tuple[int, ...]] = {
        "weights": (k,),
        "means": (k, d),
        "covariances": (k, d, d),
        "responsibilities": (n, k),
    }
    shapes |= dict.fromkeys(("log_likelihood", "bic", "aic", "icl", "ch"), ())
    result: dict[str, Any] = {
        name: np.full((filters, *shape), np.nan) for name, shape in shapes.items()
    }
    return result | {"converged": np.zeros(filters, bool), "n_iter": np.zeros(filters, np.int64)}


def _write(
    result: dict[str, Any],
    places: tuple[NDArray[np.int64], NDArray[np.int64]],
    samples: em.Samples,
    state: em.State,
    covariance: str,
) -> None:
    """Put one block's mixtures into the lines and dimensions of `places`."""
    filters, dims = places
    components = np.arange(state.weights.shape[2])
    found = criteria(samples, state, covariance)
    resp = np.where(samples.kept[:, None] > 0, found.pop("resp"), np.nan)
    result["responsibilities"][filters] = resp.transpose(0, 2, 1)
    result["weights"][filters] = state.weights[:, 0]
    centred = state.means[:, 0] + samples.centre[:, None]
    result["means"][np.ix_(filters, components, dims)] = centred
    result["covariances"][np.ix_(filters, components, dims, dims)] = state.covariances[:, 0]
    result["converged"][filters] = state.done[:, 0]
    result["n_iter"][filters] = state.n_iter[:, 0]
    for name, values in found.items():
        result[name][filters] = values


def _stack_traces(traces: dict[int, Array], filters: int) -> Array:
    """Lines of unequal length as one array, NaN at the ends."""
    longest = max((int(np.isfinite(one).sum()) for one in traces.values()), default=0)
    stacked = np.full((filters, longest), np.nan)
    for f, one in traces.items():
        stacked[f, : min(longest, len(one))] = one[:longest]
    return stacked

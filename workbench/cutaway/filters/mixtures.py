"""Gaussian mixtures of many filters at once, and the criteria that choose between them."""

import warnings
from contextlib import closing
from dataclasses import dataclass, fields
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cutaway.core import Tick, check, silent
from cutaway.filters.criteria import criteria
from cutaway.filters.engines import Engine, pick, results
from cutaway.filters.samples import Array, Fit, Samples, Settings
from cutaway.filters.starts import FAR_FRACTIONS, draws, farthest

COVARIANCES = ("full", "tied", "diag", "spherical")
Block: TypeAlias = tuple[NDArray[np.int64], NDArray[np.int64]]  # filters, their used dimensions
N_RANDOM = 10  # k-means++ starts, beside those made for outliers
_LARGEST = 1e150
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
    engine: str = "auto",
    tick: Tick = silent,
) -> Mixtures:
    """Return a Gaussian mixture of `k` components for every filter.

    Parameters
    ----------
    x : array_like of shape (filters, n, d)
        Coordinates, of sizes up to 1e150. Rows with NaN or infinity are dropped (their
        responsibilities are NaN), and so are dimensions that are NaN in all rows. Masked entries
        count as NaN.
    k : int
        Components, 1 to n - 1.
    covariance : {"full", "tied", "diag", "spherical"}
        Shape of the components.
    start : array_like of shape (filters, n) or (filters, n, k), optional
        Labels 0..k-1 or responsibilities to start from. Default: the likeliest of ten k-means++
        starts and two that make the farthest samples a component, all followed to their end.
    reg : float
        Variance added along every axis, in squared units of `x`. With 1e-3 of the largest
        variance a handful of near-equal samples cannot buy unlimited likelihood.
    tol : float
        A start has converged when its mean log-likelihood changes by less (nats a sample).
    max_iter : int
        Most EM iterations of a start.
    seed : int
        Of the starts. A filter's result does not depend on the other filters.
    engine : {"auto", "numba", "numpy", "torch"}
        Who computes; the numbers are the same. "auto" is compiled code where numba is installed
        (on as many threads as OMP_NUM_THREADS allows), else numpy; "torch" uses a CUDA device
        where there is one.
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
    Not free of scale: `reg` is a variance, so that ``x`` times f needs `reg` times f². EM [1]_ in
    float64; given the same start, the numbers are scikit-learn's. An iteration costs
    about 4 n k (1 + d + d (d + 1) / 2) flops a filter and n k exponentials.

    References
    ----------
    .. [1] Dempster, Laird and Rubin, "Maximum likelihood from incomplete data via the EM
       algorithm", J. R. Stat. Soc. B 39, 1977.
    """
    points = _points(x)
    settings = Settings(covariance, reg, tol, max_iter)
    _check(points, k, settings)
    uniform = draws(N_RANDOM, k, seed)
    first = None if start is None else np.asarray(start)
    if first is not None:
        _check_start(first, points, k)
    machine = pick(engine, points.shape[2])
    result = _blank(points, k)
    traces: dict[int, Array] = {}

    def work(block: Block) -> None:
        filters, _ = block
        samples = samples_of(points, block)
        if first is None:
            far = farthest(samples, machine.robust_distances(samples))
            fit = best_fit(machine, samples, far, uniform, settings)
        else:
            begun = samples.sort(_responsibilities(first[filters], k)) * samples.kept[:, None]
            fit = machine.fit_from(samples, begun, settings)
        _write(result, block, samples, fit, engine=machine, covariance=covariance)
        traces.update(zip(filters.tolist(), fit.trace, strict=True))

    blocks = filter_blocks(points, k, machine)
    with closing(results(work, blocks, machine.threads)) as done:
        for i, _ in enumerate(done):
            tick(i / len(blocks), "fitting mixtures")
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


def filter_blocks(x: NDArray[np.floating[Any]], k: int, engine: Engine) -> list[Block]:
    """Places of filters that share their used dimensions, in blocks that fit the cache, and those.

    Filters without a finite value are left out.
    """
    _, n, d = x.shape
    used = np.array([np.isfinite(one).any(axis=0) for one in x], bool).reshape(-1, d)
    starts = N_RANDOM + len(FAR_FRACTIONS)
    held = 3 * d + k if engine.name == "numba" else 1 + d + d * (d + 1) // 2 + 2 * starts * k
    size = max(1, int(_BLOCK_BYTES * engine.block_scale / (8.0 * max(n, 1) * held)))
    if engine.threads > 1:
        size = min(size, max(1, len(x) // (2 * engine.threads)))
    blocks: list[Block] = []
    for pattern in np.unique(used[used.any(axis=1)], axis=0):
        filters, dims = np.flatnonzero((used == pattern).all(axis=1)), np.flatnonzero(pattern)
        begins = range(0, len(filters), size)
        blocks.extend((filters[begin : begin + size], dims) for begin in begins)
    return blocks


def samples_of(x: NDArray[np.floating[Any]], block: Block) -> Samples:
    """Samples of one block of coordinates (filters, n, d)."""
    filters, dims = block
    some = x[filters]
    return Samples.of(some if len(dims) == x.shape[2] else some[:, :, dims])


def best_fit(
    engine: Engine, samples: Samples, far: NDArray[np.bool_], uniform: Array, settings: Settings
) -> Fit:
    """Fit of the best start of every filter; `far` and `uniform` as `starts` makes them."""
    return engine.best_fit(samples, far, uniform, settings).by_falling_weight()


def _points(x: ArrayLike) -> NDArray[np.floating[Any]]:
    """Coordinates (filters, n, d) of anything array-like, without a mask and checked."""
    try:
        if isinstance(x, np.ma.MaskedArray):
            x = np.where(np.ma.getmaskarray(x), np.nan, x.data.astype(np.float64))
        points = np.asarray(x)
    except (TypeError, ValueError) as error:  # lists of unequal length, say
        raise TypeError(
            f"x must be an array of real numbers (filters, n, d), got {type(x).__name__} "
            f"({error}); convert it first"
        ) from error
    if points.dtype.kind not in "fiub":
        raise TypeError(
            f"x must be an array of real numbers (filters, n, d), got {type(x).__name__} of dtype "
            f"{points.dtype}; convert it first"
        )
    points = points if points.dtype.kind == "f" else points.astype(np.float64)
    check.n_dims("x", points, 3, "filters, samples, dimensions")
    if 0 in points.shape[1:]:
        raise ValueError(
            f"x must hold at least one sample and dimension, got shape {points.shape}; "
            "leave empty ones out"
        )
    if len(points) == 0:
        return points
    with np.errstate(invalid="ignore"):
        largest = max(float(points.max()), -float(points.min()))
    if not np.isfinite(largest):
        largest = float(np.abs(points[np.isfinite(points)]).max(initial=0.0))
    if largest > _LARGEST:
        raise ValueError(
            f"x must lie within ±{_LARGEST:g}, whose square is a number, got {largest:.3g}; divide "
            "it by a power of ten"
        )
    return points


def _check(x: NDArray[np.floating[Any]], k: int, settings: Settings) -> None:
    check.one_of("covariance", settings.covariance, COVARIANCES)
    check.whole("k", k, 1, max(1, x.shape[1] - 1), remedy="lower k or capture more samples")
    check.in_range("reg", settings.reg, 0.0)
    check.in_range("tol", settings.tol, 0.0)
    check.whole("max_iter", settings.max_iter, 1)


def _check_start(start: NDArray[np.generic], x: NDArray[np.floating[Any]], k: int) -> None:
    filters, n, _ = x.shape
    labels = start.shape == (filters, n) and start.dtype.kind in "iu"
    if not labels and start.shape != (filters, n, k):
        raise ValueError(
            f"start must be whole labels of shape {(filters, n)} or responsibilities of shape "
            f"{(filters, n, k)}, got {start.dtype} of shape {start.shape}; give one a sample"
        )
    if labels and start.size and (start.min() < 0 or start.max() >= k):
        raise ValueError(
            f"start must hold labels 0..{k - 1}, got {start.min()}..{start.max()}; "
            "number the groups from 0"
        )


def _responsibilities(start: NDArray[np.generic], k: int) -> Array:
    """Some filters' labels or responsibilities as responsibilities (b, k, n)."""
    if start.ndim == 2:
        return np.asarray(start[:, None] == np.arange(k)[:, None], np.float64)
    return np.asarray(start, np.float64).transpose(0, 2, 1)


def _blank(x: NDArray[np.floating[Any]], k: int) -> dict[str, Any]:
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
    block: Block,
    samples: Samples,
    fit: Fit,
    *,
    engine: Engine,
    covariance: str,
) -> None:
    """Put one block's mixtures into the lines and dimensions of its filters."""
    filters, dims = block
    components = np.arange(fit.weights.shape[1])
    measured, resp = engine.measure(samples, fit, soft=True)
    found = criteria(measured, samples.count, fit, covariance)
    result["responsibilities"][filters] = samples.restore(resp).transpose(0, 2, 1)
    result["weights"][filters] = fit.weights
    result["means"][np.ix_(filters, components, dims)] = fit.means + samples.centre[:, None]
    result["covariances"][np.ix_(filters, components, dims, dims)] = fit.covariances
    result["converged"][filters] = fit.done
    result["n_iter"][filters] = fit.n_iter
    for name, values in found.items():
        result[name][filters] = values


def _stack_traces(traces: dict[int, Array], filters: int) -> Array:
    """Lines of unequal length as one array, NaN at the ends."""
    longest = max((int(np.isfinite(one).sum()) for one in traces.values()), default=0)
    stacked = np.full((filters, longest), np.nan)
    for f, one in traces.items():
        stacked[f, : min(longest, len(one))] = one[:longest]
    return stacked

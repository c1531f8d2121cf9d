"""The number of components of every filter, and the mixture chosen for it."""

from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutaway.core import Tick, silent
from cutaway.filters.components import minor_component
from cutaway.filters.criteria import criteria
from cutaway.filters.engines import pick, results
from cutaway.filters.mixtures import N_RANDOM, Block, best_fit, filter_blocks, samples_of
from cutaway.filters.samples import Array, Fit, Samples, Settings
from cutaway.filters.starts import draws, farthest

_INDIFFERENT = 2.0  # a BIC difference that is not worth a component


@dataclass(frozen=True, eq=False)
class Search:
    """Chosen mixtures of all filters; NaN, -1 and 0 where a filter was not fitted.

    Parameters
    ----------
    k : ndarray of shape (filters,)
        Components chosen.
    bics, chs : ndarray of shape (filters, k_max)
        BIC (nats, doubled) and Calinski-Harabasz index for 1 .. k_max components.
    weights, means, covariances : ndarray of shape (filters, k_max, ...)
        Components by falling weight, NaN-padded.
    assignments : ndarray of shape (filters, n)
        Most probable component, int16.
    responsibility, minor_responsibility : ndarray of shape (filters, n)
        Probability of that component; of any minor component.
    weight, overlap, deviance : ndarray of shape (filters,)
        Of the minor component (see `Minor`).
    evident, converged : ndarray of shape (filters,)
        The minor component is apart and needed; EM converged.
    """

    k: NDArray[np.int64]
    bics: Array
    chs: Array
    weights: Array
    means: Array
    covariances: Array
    assignments: NDArray[np.int16]
    responsibility: Array
    minor_responsibility: Array
    weight: Array
    overlap: Array
    deviance: Array
    evident: NDArray[np.bool_]
    converged: NDArray[np.bool_]


def search_components(
    x: NDArray[np.floating[Any]],
    *,
    k_max: int,
    criterion: str,
    covariance: str,
    tau: float,
    seed: int,
    engine: str = "auto",
    tick: Tick = silent,
) -> Search:
    """Return the mixture of every filter with the number of components that a criterion picks.

    Parameters
    ----------
    x : ndarray of shape (filters, n, d)
        Coordinates; rows with a NaN are dropped.
    k_max, criterion, covariance, tau, seed, tick
        As in `screen_filters`.
    engine : str
        As in `fit_mixtures`.

    Returns
    -------
    Search
        Filters in the order of `x`.
    """
    found = _blank(x, k_max)
    settings = Settings(covariance)
    machine = pick(engine, x.shape[2])
    uniform = [draws(N_RANDOM, k, seed) for k in range(1, k_max + 1)]

    def work(block: Block) -> None:
        filters, dims = block
        samples = samples_of(x, block)
        far = farthest(samples, machine.robust_distances(samples))
        fits = [best_fit(machine, samples, far, one, settings) for one in uniform]
        tables = [
            criteria(machine.measure(samples, fit, soft=False)[0], samples.count, fit, covariance)
            for fit in fits
        ]
        found.bics[filters] = np.stack([one["bic"] for one in tables], axis=1)
        found.chs[filters] = np.stack([one["ch"] for one in tables], axis=1)
        chosen = choose_k(found.bics[filters], found.chs[filters], criterion)
        for k in np.unique(chosen):
            here = np.flatnonzero(chosen == k)
            some, fit = samples.take(here), fits[k - 1].at(here)
            _, resp = machine.measure(some, fit, soft=True)
            _write(found, (filters[here], dims), some, fit, resp=resp, tau=tau)

    blocks = filter_blocks(x, k_max, machine)
    with closing(results(work, blocks, machine.threads)) as done:
        for i, _ in enumerate(done):
            tick(i / len(blocks), "fitting mixtures")
    return found


def compile_ahead(dims: Iterable[int] = (1, 2, 4)) -> None:
    """Compile the search for these dimensions and keep it on disk: no first screen waits for it.

    Parameters
    ----------
    dims : iterable of int
        Dimensions; each takes about 15 s once, and a second when it lies on disk already. Nothing
        is to be done where numba is not installed.
    """
    rng = np.random.default_rng(0)
    for d in dims:
        search_components(
            rng.normal(size=(1, 40, d)),
            k_max=2, criterion="bic", covariance="full", tau=0.05, seed=0,
        )  # fmt: skip


def choose_k(bics: Array, chs: Array, criterion: str) -> NDArray[np.int64]:
    """(filters,) components by "bic" (smallest within 2 of the least) or "ch" (largest index).

    A filter without a finite criterion gets one component.
    """
    if criterion == "ch":
        return np.asarray(np.where(np.isfinite(chs), chs, -np.inf).argmax(axis=1) + 1)
    known = np.where(np.isfinite(bics), bics, np.inf)
    least = known.min(axis=1, keepdims=True)
    return np.asarray((known <= least + _INDIFFERENT).argmax(axis=1) + 1)


def _blank(x: NDArray[np.floating[Any]], k_max: int) -> Search:
    filters, n, d = x.shape

    def blank(*shape: int) -> Array:
        return np.full((filters, *shape), np.nan)

    return Search(
        k=np.zeros(filters, np.int64),
        bics=blank(k_max),
        chs=blank(k_max),
        weights=blank(k_max),
        means=blank(k_max, d),
        covariances=blank(k_max, d, d),
        assignments=np.full((filters, n), -1, np.int16),
        responsibility=blank(n),
        minor_responsibility=blank(n),
        weight=blank(),
        overlap=blank(),
        deviance=blank(),
        evident=np.zeros(filters, bool),
        converged=np.zeros(filters, bool),
    )


def _write(
    found: Search, block: Block, samples: Samples, fit: Fit, *, resp: Array, tau: float
) -> None:
    """Put mixtures and their responsibilities (b, k, n) into the lines of the block's filters."""
    filters, dims = block
    k = fit.weights.shape[1]
    components = np.arange(k)
    found.k[filters] = k
    found.weights[filters, :k] = fit.weights
    found.means[np.ix_(filters, components, dims)] = fit.means + samples.centre[:, None]
    found.covariances[np.ix_(filters, components, dims, dims)] = fit.covariances
    found.assignments[filters] = samples.restore(resp.argmax(axis=1).astype(np.int16), -1)
    found.responsibility[filters] = samples.restore(resp.max(axis=1))
    found.converged[filters] = fit.done
    minor = minor_component(samples, fit, resp, tau)
    found.weight[filters] = minor.weight
    found.overlap[filters] = minor.overlap
    found.deviance[filters] = minor.deviance
    found.evident[filters] = minor.evident
    found.minor_responsibility[filters] = samples.restore(minor.responsibility)

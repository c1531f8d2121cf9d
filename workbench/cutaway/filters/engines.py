"""The mixture engines behind one interface, which of them to take, and blocks on threads."""

import importlib.util
import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from cutaway.core import check
from cutaway.filters import criteria, em, starts
from cutaway.filters.samples import Array, Fit, Samples, Settings

ENGINES = ("auto", "numba", "numpy", "torch")
_MOST_COMPILED = 16  # dimensions: beyond, matrix products of all monomials are faster
Block = TypeVar("Block")
Result = TypeVar("Result")


class BestFit(Protocol):
    """Fit from the best of several starts.

    `far` (b, outlier starts, n) and `uniform` (random starts + 1, k) as in `starts`. All starts
    are followed to their end: to stop the worse ones early saves little at the usual tolerance,
    where most end early by themselves, and misses the best one for a filter in ten.
    """

    def __call__(
        self,
        samples: Samples,
        far: NDArray[np.bool_],
        uniform: Array,
        settings: Settings,
    ) -> Fit:
        """Fit one block."""
        ...


class Measure(Protocol):
    """(b, 3) log-likelihood in nats, entropy and CH index; responsibilities (b, k, n) if soft."""

    def __call__(self, samples: Samples, fit: Fit, *, soft: bool) -> tuple[Array, Array]:
        """Measure one block."""
        ...


@dataclass(frozen=True)
class Engine:
    """One way to compute mixtures; all give the same numbers from the same starts.

    Parameters
    ----------
    name : str
        "numba", "numpy" or "torch".
    threads : int
        Blocks of filters that it works on at a time.
    robust_distances, best_fit, fit_from, measure : callable
        Of a block (see `starts.robust_distances`, `BestFit`, `Measure`); `fit_from` takes
        responsibilities (b, k, n) to start from.
    block_scale : float
        How much larger its blocks of filters are than what fits a processor's cache.
    """

    name: str
    threads: int
    robust_distances: Callable[[Samples], Array]
    best_fit: BestFit
    fit_from: Callable[[Samples, Array, Settings], Fit]
    measure: Measure
    block_scale: float = 1.0


def pick(name: str, d: int) -> Engine:
    """Return the engine of this name for d dimensions.

    "auto" is "numba" where that is installed and pays, else "numpy"; the GPU is asked for by name.

    Raises
    ------
    ValueError
        For another name, or for "numba" where it is not installed.
    """
    check.one_of("engine", name, ENGINES)
    numba = importlib.util.find_spec("numba") is not None
    if name == "numba" and not numba:
        raise ValueError("engine 'numba' needs numba, which is not installed; pip install numba")
    if name == "torch":
        from cutaway.filters import em_torch

        return em_torch.engine(pick("auto", d))
    if name == "numpy" or not numba or (name == "auto" and d > _MOST_COMPILED):
        return Engine("numpy", 1, starts.robust_distances, _best_fit, _fit_from, criteria.measure)
    from cutaway.filters import engine_numba as compiled

    return Engine(
        "numba",
        n_threads(),
        compiled.robust_distances,
        compiled.best_fit,
        compiled.fit_from,
        compiled.measure,
    )


def _best_fit(samples: Samples, far: NDArray[np.bool_], uniform: Array, settings: Settings) -> Fit:
    begin = starts.starting_responsibilities(samples, uniform.shape[1], far, uniform)
    return em.best_fit(samples, begin, settings)


def _fit_from(samples: Samples, resp: Array, settings: Settings) -> Fit:
    return em.best_fit(samples, resp[:, None], settings)


def n_threads() -> int:
    """Processors that this process may use, or fewer by OMP_NUM_THREADS or NUMBA_NUM_THREADS."""
    counts = [
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    ]
    for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS"):
        asked = os.environ.get(name, "").split(",")[0].strip()
        if asked.isdigit() and int(asked) > 0:
            counts.append(int(asked))
    return min(counts)


def results(
    work: Callable[[Block], Result], blocks: Iterable[Block], threads: int
) -> Generator[tuple[Block, Result], None, None]:
    """Each block and what `work` makes of it, in order; at most 2 `threads` blocks are begun.

    Closing the iterator, or an exception, waits for the blocks that run and begins no more.
    """
    if threads == 1:
        yield from ((block, work(block)) for block in blocks)
        return
    waiting: deque[tuple[Block, Future[Result]]] = deque()
    with ThreadPoolExecutor(threads, "mixtures") as pool:
        try:
            for block in blocks:
                waiting.append((block, pool.submit(work, block)))
                if len(waiting) == 2 * threads:
                    first, future = waiting.popleft()
                    yield first, future.result()
            while waiting:
                first, future = waiting.popleft()
                yield first, future.result()
        finally:
            for _, future in waiting:
                future.cancel()

"""Data in batches, in order."""

from collections.abc import Iterator

import numpy as np

from cutaway.core import Tick, check, silent
from cutaway.data.dataset import Batch, Dataset


def batches(
    data: Dataset, batch_size: int, *, start: int = 0, tick: Tick = silent
) -> Iterator[Batch]:
    """Yield the samples in order, a batch at a time; the last one may be smaller.

    Parameters
    ----------
    data : Dataset
        What to read.
    batch_size : int
        Samples a batch.
    start : int
        Place of the first sample, for work that goes on where it stopped.
    tick : Tick
        Called when the caller asks for the next batch, with the fraction of all samples done.

    Yields
    ------
    Batch
        Ids, inputs and labels.

    Raises
    ------
    ValueError
        If `batch_size` is less than 1, or `start` lies outside ``0..len(data)``.
    """
    check.whole("batch_size", batch_size, 1)
    n = len(data)
    check.whole("start", start, 0, n)
    return _batches(data, batch_size, start, tick)


def _batches(data: Dataset, batch_size: int, start: int, tick: Tick) -> Iterator[Batch]:
    n = len(data)
    if start == n:
        tick(1.0, f"samples {n}/{n}")
    for first in range(start, n, batch_size):
        stop = min(first + batch_size, n)
        yield data.batch(np.arange(first, stop))
        tick(stop / n, f"samples {stop}/{n}")

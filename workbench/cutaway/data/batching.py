"""Data in batches, in order."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from cutaway.core import Tick, check, silent
from cutaway.data.content import contents, keep_content
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
        Ids, inputs, labels and content. A pass over all samples, from the first on, sets what
        `Samples.content` returns.

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
    digests: list[bytes] = []
    for first in range(start, n, batch_size):
        stop = min(first + batch_size, n)
        batch = data.batch(np.arange(first, stop))
        if batch.content is None:
            batch = replace(batch, content=contents(batch))
        digests += batch.content or ()
        if start == 0 and stop == n:  # before the last batch is given: the caller may stop there
            keep_content(data, digests)
        yield batch
        tick(stop / n, f"samples {stop}/{n}")

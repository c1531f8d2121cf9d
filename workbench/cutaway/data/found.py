"""From what a loader found to a data set: ids and labels checked, a part drawn, samples tried."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cutaway.core import Index, check
from cutaway.data.dataset import Samples, Skipped, Source
from cutaway.data.draw import draw
from cutaway.data.labels import number_labels


@dataclass(frozen=True, eq=False)
class Finished:
    """A source that was tried on the samples drawn.

    Parameters
    ----------
    source : Source
        Ready to read.
    bad : mapping of int to str
        Place among the drawn samples to the reason why it cannot be used.
    """

    source: Source
    bad: Mapping[int, str]


Finish: TypeAlias = Callable[[NDArray[np.int64], NDArray[Any]], Finished]


@dataclass(frozen=True, eq=False)
class Found:
    """What a loader found; nothing is read yet.

    Parameters
    ----------
    name : str
        Name of the data set.
    ids : array_like of shape (n,)
        Ids of all samples found.
    finish : callable
        Gets rows and ids of the samples drawn, tries them, and returns `Finished`.
    labels : array_like of shape (n,), optional
        Labels as found: any that `class_labels` takes.
    classes : tuple of str, optional
        Class names, if the source has them.
    rows : ndarray of shape (n,), optional
        Place of each sample in the source; 0 … n-1 by default.
    skipped : tuple of Skipped
        Samples that were left out before.
    read_labels : callable, optional
        Labels of some rows, or None, where they must be read sample by sample; called for the
        samples drawn only, and not at all if the caller gives labels.
    """

    name: str
    ids: ArrayLike
    finish: Finish
    labels: Any = None
    classes: tuple[str, ...] | None = None
    rows: NDArray[np.int64] | None = None
    skipped: tuple[Skipped, ...] = ()
    read_labels: Callable[[NDArray[np.int64]], Any] | None = None


def ready(source: Source) -> Finish:
    """`finish` of a source whose samples need no trying."""
    return lambda _rows, _ids: Finished(source, {})


def assembled(
    found: Found,
    *,
    limit: int | None = None,
    labels: Any = None,
    ids: ArrayLike | None = None,
    name: str | None = None,
    classes: tuple[str, ...] | tuple[int, ...] | None = None,
) -> Samples:
    """Data set of the usable samples; the caller's labels, ids and name win over those found.

    `classes`, from `class_order`, says what the labels are numbered by.

    Raises
    ------
    ValueError
        If there is no sample, or none that can be read, or labels or ids do not fit.
    """
    title = found.name if name is None else name
    n = len(found.ids)  # type: ignore[arg-type]  # every loader gives a list or an array
    if n == 0:
        raise ValueError(f"source must hold at least one sample, got none in {title}; check it")
    index = Index(found.ids if ids is None else ids)  # type: ignore[arg-type]  # it takes lists
    check.same_length("ids", len(index), "the samples found", n)
    raw, names = (found.labels, found.classes) if labels is None else (labels, None)
    numbers = None
    if raw is not None:
        numbers, names = number_labels(raw, names, classes)
        check.same_length("labels", len(numbers), "the samples found", n)

    places = draw(n, limit, numbers)
    index = index.take(places)
    rows = places if found.rows is None else found.rows[places]
    finished = found.finish(rows, index.ids)
    if numbers is not None:
        numbers = numbers[places]
    elif found.read_labels is not None and (late := found.read_labels(rows)) is not None:
        numbers, names = number_labels(late, None, classes)
    if classes is not None and numbers is None:
        raise ValueError(
            f"classes must be left out for data without labels, got {len(classes)} of them for "
            f"{title}; give labels= or label_column= too"
        )
    skipped = tuple(Skipped(index.ids[k].item(), why) for k, why in sorted(finished.bad.items()))
    if len(skipped) == len(index):
        raise ValueError(
            f"source must hold at least one sample that can be read, got {len(index)} broken in "
            f"{title} (the first: {skipped[0].id}, {skipped[0].reason}); check the files"
        )
    good = np.setdiff1d(np.arange(len(index)), np.array(sorted(finished.bad), np.int64))
    return Samples(
        name=title,
        source=finished.source,
        index=index.take(good),
        rows=rows[good],
        labels=None if numbers is None else numbers[good],
        classes=names,
        skipped=found.skipped + skipped,
    )

"""One filter in words."""

import numpy as np
from numpy.typing import ArrayLike

from cutaway.core import check
from cutaway.filters.filter_screen import FilterScreen


def summary(screen: FilterScreen, site: str, unit: int, labels: ArrayLike | None = None) -> str:
    """Text about one filter: its verdict, then a line a cluster with its size and main class.

    Parameters
    ----------
    screen : FilterScreen
        The screen that holds the filter.
    site : str
        Its site.
    unit : int
        Its number.
    labels : array_like of shape (n,), optional
        Class of each sample, in the order of ``screen.rows``: whole numbers or names.

    Returns
    -------
    str
        E.g. ``"cluster 3: 41 samples, 38 of class 7, 2 outliers"``, heaviest cluster first.

    Raises
    ------
    KeyError
        If the screen has no such filter.
    ValueError
        If there is not one label a sample.
    """
    f = screen.place(site, unit)
    line = screen.filters.iloc[f]
    classes = None if labels is None else np.asarray(labels)
    if classes is not None:
        check.same_length("labels", len(classes), "screen.rows", len(screen.rows))
    head = f"{site} unit {unit}"
    if int(line["k"]) == 0:
        return f"{head}: not fitted ({line['status']})"
    assigned = screen.assignments[f]
    kept = assigned >= 0
    outlier = screen.tails[f] > np.log10(max(int(kept.sum()), 1) / 0.01)
    verdict = line["flag"] or "not flagged"
    lines = [f"{head}: {verdict}, {_count(int(outlier.sum()), 'outlier')}"]
    if not kept.all():
        lines[0] += f", {_count(int((~kept).sum()), 'sample')} dropped (not finite)"
    for k in range(int(line["k"])):
        inside = assigned == k
        words = [_count(int(inside.sum()), "sample")]
        if classes is not None and inside.any():
            names, counts = np.unique(classes[inside], return_counts=True)
            words.append(f"{counts.max()} of class {names[counts.argmax()]}")
        if (inside & outlier).any():
            words.append(_count(int((inside & outlier).sum()), "outlier"))
        lines.append(f"cluster {k + 1}: " + ", ".join(words))
    return "\n".join(lines)


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"

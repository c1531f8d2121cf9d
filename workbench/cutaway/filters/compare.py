"""Two screens of the same filters, line by line: train against test, or two checkpoints."""

import numpy as np
import pandas as pd

from cutaway.filters.filter_screen import FilterScreen

_COLUMNS = ("status", "flag", "k", "tail", "score", "q")


def compare_screens(a: FilterScreen, b: FilterScreen) -> pd.DataFrame:
    """Table of the filters that two screens share.

    Parameters
    ----------
    a, b : FilterScreen
        E.g. of training and of test samples of one model, or of two checkpoints.

    Returns
    -------
    DataFrame
        A line a filter of both, in the order of `a`: ``site``, ``unit``; ``status``, ``flag``,
        ``k``, ``tail``, ``score`` and ``q`` of each with ``_a`` and ``_b``; ``hits_a``,
        ``hits_b`` samples that hit it; ``p`` that hits are as frequent in both (two-sided exact
        test of Fisher); ``verdict`` "both" (flagged in both: a detector of something rare), "a"
        or "b" (flagged there only: with a = train a candidate for memorisation), or "".

    Raises
    ------
    TypeError
        If one of them is no screen.
    ValueError
        If they have no filter in common.
    """
    from scipy.stats import fisher_exact  # 0.5 s, only needed here

    for name, one in (("a", a), ("b", b)):
        if not isinstance(one, FilterScreen):
            raise TypeError(
                f"{name} must be a FilterScreen, got {type(one).__name__}; use screen_filters"
            )
    keys = ["site", "unit"]
    first, second = (
        one.filters[keys + list(_COLUMNS)].assign(hits=one.hit_counts()) for one in (a, b)
    )
    table = first.merge(second, on=keys, suffixes=("_a", "_b"), sort=False)
    if table.empty:
        raise ValueError(
            "a and b must share filters, got none in common of "
            f"{', '.join(a.filters['site'].astype(str).unique())} and "
            f"{', '.join(b.filters['site'].astype(str).unique())}; screen the same sites"
        )
    n = len(a.rows), len(b.rows)
    table["p"] = [
        fisher_exact([[x, n[0] - x], [y, n[1] - y]])[1]
        for x, y in zip(table["hits_a"], table["hits_b"], strict=True)
    ]
    in_a, in_b = (table[f"flag_{one}"].to_numpy().astype(str) != "" for one in "ab")
    table["verdict"] = np.select([in_a & in_b, in_a, in_b], ["both", "a", "b"], "")
    return table

"""What differs between the filters of two screens: same layers, other model or checkpoint."""

import numpy as np
import pandas as pd

from cutaway.filters import FilterScreen


def filter_differences(a: FilterScreen, b: FilterScreen) -> pd.DataFrame:
    """Filters of two screens side by side, matched by site and unit.

    Parameters
    ----------
    a, b : FilterScreen
        Screens of the same layers on the same samples.

    Returns
    -------
    DataFrame
        A line a filter that both screens hold, in the order of `a`: ``site``, ``unit``,
        ``score_a``, ``score_b``, ``change`` (b minus a), ``rank_a``, ``rank_b`` (1 is the most
        anomalous among the filters of that screen that have a score; ties get the mean),
        ``rank_change`` (positive: more anomalous in `b`), ``flag_a``, ``flag_b``.

    Raises
    ------
    ValueError
        If the screens are about other samples, or share no filter.
    """
    if a.rows.digest != b.rows.digest:
        raise ValueError(
            f"screens must be about the same samples, got {a.origin.data} and {b.origin.data}; "
            "run both on one data set"
        )
    left, right = (
        one.filters[["site", "unit", "score", "flag"]].assign(
            rank=one.filters["score"].rank(ascending=False)
        )
        for one in (a, b)
    )
    both = left.merge(right, on=["site", "unit"], suffixes=("_a", "_b"))
    if both.empty:
        sites = [", ".join(dict.fromkeys(one.filters["site"])) for one in (a, b)]
        raise ValueError(
            f"screens must share filters, got sites {sites[0]} and {sites[1]}; "
            "pick layers that both models have"
        )
    return pd.DataFrame(
        {
            "site": both["site"],
            "unit": both["unit"],
            "score_a": both["score_a"],
            "score_b": both["score_b"],
            "change": both["score_b"] - both["score_a"],
            "rank_a": both["rank_a"],
            "rank_b": both["rank_b"],
            "rank_change": both["rank_a"] - both["rank_b"],
            "flag_a": both["flag_a"],
            "flag_b": both["flag_b"],
        }
    )


def differences_text(frame: pd.DataFrame, a: str, b: str) -> str:
    """One line about the differences: how many filters gained a flag, lost one, moved most.

    Parameters
    ----------
    frame : DataFrame
        What `filter_differences` gave.
    a, b : str
        Names of the two models.
    """
    flagged = [frame[f"flag_{side}"].astype(str) != "" for side in "ab"]
    gained, lost = int((~flagged[0] & flagged[1]).sum()), int((flagged[0] & ~flagged[1]).sum())
    n = len(frame)
    line = (
        f"{n} {'filter' if n == 1 else 'filters'} matched. "
        f"Flagged in {a}: {int(flagged[0].sum())}, in {b}: {int(flagged[1].sum())} "
        f"({gained} only there, {lost} no longer)."
    )
    moved = frame["change"].abs()
    if not np.isfinite(moved).any():
        return line
    top = frame.loc[moved.idxmax()]
    return (
        f"{line} Largest change of score: {top['site']} unit {top['unit']}, "
        f"{top['score_a']:.2f} → {top['score_b']:.2f}."
    )

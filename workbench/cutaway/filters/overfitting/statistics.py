"""Rank statistics that respect what is independent: runs, not epochs; classes, not the whole."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from sklearn.metrics import roc_auc_score

from cutaway.causal.ablate import bootstrap_interval


def spearman(a: ArrayLike, b: ArrayLike) -> float:
    """Rank correlation of two sequences, mid-ranks for ties; NaN where one is constant.

    Parameters
    ----------
    a, b : array_like of shape (n,)
        Paired values.
    """
    x, y = np.asarray(a), np.asarray(b)
    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan")
    return float(stats.spearmanr(x, y).statistic)


def shift_p(a: ArrayLike, b: ArrayLike) -> float:
    """P of a rank correlation of two time courses, by shifting one around the circle.

    Checkpoints of one run are no independent draws, so n = epochs would claim far too much.

    Parameters
    ----------
    a, b : array_like of shape (n,)
        Values in the order of time.

    Returns
    -------
    float
        Part of the n shifts (the observed one included) whose correlation is at least as large in
        size; at least 1 / n. NaN where the correlation is undefined.

    Notes
    -----
    Uniform for unrelated stationary courses. Two courses that both drift correlate anyway: for
    random walks of 20 steps p <= 0.05 in about a quarter of the cases (the textbook p: in over
    half). Judge by the mean over runs.
    """
    observed = spearman(a, b)
    if np.isnan(observed):
        return float("nan")
    second = np.asarray(b)
    all_shifts = [abs(spearman(a, np.roll(second, s))) for s in range(len(second))]
    return float(np.mean(np.asarray(all_shifts) >= abs(observed) - 1e-12))


def auc(scores: ArrayLike, positive: ArrayLike) -> float:
    """Area under the ROC curve: chance that a positive has the larger score, ties by half.

    Parameters
    ----------
    scores : array_like of shape (n,)
        Larger means "more positive"; NaN counts as smallest.
    positive : array_like of bool of shape (n,)
        Which ones are.

    Returns
    -------
    float
        NaN without positives or without others.
    """
    is_positive = np.asarray(positive, dtype=bool)
    if is_positive.all() or not is_positive.any():
        return float("nan")
    values = np.nan_to_num(np.asarray(scores, dtype=np.float64), nan=-np.inf, neginf=-np.inf)
    # Ranks, since infinite scores are refused.
    return float(roc_auc_score(is_positive, stats.rankdata(values)))


def auc_by_class(scores: ArrayLike, positive: ArrayLike, labels: ArrayLike) -> float:
    """Mean of the AUCs within classes, weighted by each class's pairs of positive and other.

    Parameters
    ----------
    scores, positive
        As for `auc`.
    labels : array_like of shape (n,)
        Class of each sample.

    Notes
    -----
    This is the AUC over pairs of one class only: a class that is hard as a whole adds nothing.
    """
    values, is_positive = np.asarray(scores), np.asarray(positive, dtype=bool)
    classes = np.asarray(labels)
    total, pairs = 0.0, 0
    for one in np.unique(classes):
        inside = classes == one
        count = int(is_positive[inside].sum()) * int((~is_positive[inside]).sum())
        if count:
            total += count * auc(values[inside], is_positive[inside])
            pairs += count
    return total / pairs if pairs else float("nan")


def mean_interval(values: ArrayLike, seed: int, n: int = 2000) -> tuple[float, float, float]:
    """Mean over runs with its 95 % percentile bootstrap interval; NaN runs are left out.

    Parameters
    ----------
    values : array_like of shape (runs,)
        One value a run.
    seed : int
        Of the resampling.
    n : int
        Resamples.

    Returns
    -------
    tuple of float
        Mean, low, high; NaN where fewer than two runs have a value.
    """
    known = np.asarray(values, dtype=np.float64)
    known = known[np.isfinite(known)]
    if len(known) < 2:
        return (float(known.mean()) if len(known) else float("nan"), float("nan"), float("nan"))
    low, high = bootstrap_interval(known, seed, n)
    return float(known.mean()), float(low), float(high)


def check_share(share: float) -> None:
    """Refuse a part of the samples that leaves none, or no others to compare with."""
    if not 0.0 < share < 0.5:
        raise ValueError(f"share must lie between 0 and 0.5, got {share}; 0.05 takes 5 %")


def top(scores: NDArray[np.float64], part: float) -> NDArray[np.bool_]:
    """The largest scores: `part` of the rows, at least one; ties by place."""
    count = max(1, round(part * len(scores)))
    chosen = np.zeros(len(scores), dtype=bool)
    chosen[np.argsort(-np.nan_to_num(scores, nan=-np.inf), kind="stable")[:count]] = True
    return chosen

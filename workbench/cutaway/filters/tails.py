"""How far each sample lies from the bulk of each filter's whole maps.

Notation: n samples, p numbers that describe a map, d² squared robust distance.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from cutaway.core import Tick, check, silent
from cutaway.filters.robust import bulk_distances, whitened

Array: TypeAlias = NDArray[np.float64]
GAIN_FILTERS = 8  # among fewer, the median over filters follows single filters
GAIN_DIRECTIONS = 128  # ranks added up: the gain's relative error is about sqrt(pi / this) = 0.16
CLASS_SAMPLES = 20  # smallest class whose own bulk can be estimated
PROFILE_DIRECTIONS = 32


@dataclass(frozen=True, eq=False)
class Distances:
    """Squared robust distances of many filters.

    Parameters
    ----------
    squared : ndarray of shape (filters, n)
        With the median of a chi-squared variable; NaN in dropped rows and unusable filters.
    rank : ndarray of shape (filters,)
        Degrees of freedom; 0 where the filter is unusable.
    """

    squared: Array
    rank: NDArray[np.int64]


def distances(
    rows: Array,
    kept: NDArray[np.bool_],
    fitted: NDArray[np.bool_],
    labels: NDArray[np.int64] | None = None,
    tick: Tick = silent,
) -> Distances:
    """Squared distances of all samples from the bulk of each filter's whole maps.

    Parameters
    ----------
    rows : ndarray of shape (n, filters, p)
        What describes a map (see `described`).
    kept : ndarray of shape (filters, n)
        Finite rows.
    fitted : ndarray of shape (filters,)
        Filters to use.
    labels : ndarray of shape (n,), optional
        Classes: the bulk is then that of the sample's own class.
    tick : Tick
        Progress.

    Returns
    -------
    Distances
        Class-conditional where `labels` are given.
    """
    squared = np.full(kept.shape, np.nan)
    rank = np.zeros(len(kept), np.int64)
    for f in np.flatnonzero(fitted):
        tick(f / len(kept), "measuring distances")
        at = np.flatnonzero(kept[f])
        classes = None if labels is None else labels[at]
        squared[f, at], rank[f] = one_filter(rows[at, f], classes)
    with np.errstate(invalid="ignore"):
        return Distances(squared * chi2_median(rank)[:, None], rank)


def one_filter(rows: Array, labels: NDArray[np.int64] | None = None) -> tuple[Array, int]:
    """Squared distances (n,) of one filter's rows over their median, and their rank.

    Notes
    -----
    Within classes, the rows less their class's mean are whitened together, so that a class needs
    no more samples than directions; then every class has its own bulk, and its own median.
    """
    if labels is None:
        white = whitened(rows)
        return _over_median(bulk_distances(white)), white.shape[1]
    groups = [np.flatnonzero(labels == one) for one in np.unique(labels)]
    centred = rows.copy()
    for group in groups:
        centred[group] -= np.median(rows[group], axis=0)
    most = max(1, min(len(group) for group in groups) // 5)
    white = whitened(centred, most=most)
    squared = np.zeros(len(rows))
    for group in groups:
        squared[group] = _over_median(bulk_distances(white[group]))
    return squared, white.shape[1]


def check_classes(labels: NDArray[np.int64], n: int) -> None:
    """Raise `ValueError` unless there is a label a sample and every class has enough samples."""
    check.same_length("labels", len(labels), "the activations", n)
    classes, counts = np.unique(labels, return_counts=True)
    if counts.min() < CLASS_SAMPLES:
        small = int(counts.argmin())
        raise ValueError(
            f"labels must give at least {CLASS_SAMPLES} samples a class, got {counts[small]} of "
            f"class {classes[small]}; capture more of it, merge it, or leave labels out"
        )


def log_gain(found: Distances) -> Array | None:
    """(n,) log of the factor that a sample's squared distances share, 0 for the middle sample.

    The median over filters of the log distance; None with fewer than 8 filters or 128 directions
    in all, whose error would itself make tails (a median of chi² variables varies by a fraction of
    about sqrt(pi / directions)).
    """
    used = found.rank > 0
    if used.sum() < GAIN_FILTERS or found.rank.sum() < GAIN_DIRECTIONS:
        return None
    relative = _log(found.squared[used] / chi2_median(found.rank[used])[:, None])
    present = np.isfinite(relative).any(axis=0)
    gain = np.zeros(relative.shape[1])
    gain[present] = np.nanmedian(relative[:, present], axis=0)
    return np.asarray(gain - np.median(gain[present]))


def without_gain(found: Distances) -> Distances:
    """Distances with the contrast that a sample shares across filters divided out.

    A bright image lies far out in every filter, and that says nothing about one filter. So each
    filter's squared distances are divided by the shared factor (see `log_gain`) to the power with
    which this filter follows it: the slope, in 0..1, of its log distances on the log gain over the
    middle 90 % of the samples. Where there is no shared contrast the slope is near 0 and little
    changes. Without a gain the distances stay.
    """
    gain = log_gain(found)
    if gain is None:
        return found
    low, high = np.quantile(gain, [0.05, 0.95])
    middle = (gain > low) & (gain < high)
    centred = gain - gain[middle].mean() if middle.any() else gain
    relative = found.squared.copy()
    for f in np.flatnonzero(found.rank > 0):
        logs = _log(found.squared[f])
        at = middle & np.isfinite(logs)
        weight = float(centred[at] @ centred[at])
        slope = float(centred[at] @ (logs[at] - logs[at].mean())) / weight if weight > 0 else 0.0
        relative[f] *= np.exp(-np.clip(slope, 0.0, 1.0) * gain)
    return Distances(relative, found.rank)


def profiles(found: Distances, group: NDArray[np.int64]) -> Distances:
    """Distances of samples by the profile of their distances over a site's filters; a line a site.

    Parameters
    ----------
    found : Distances
        With the gain in them.
    group : ndarray of shape (filters,)
        Number of each filter's site, counting from 0.

    Returns
    -------
    Distances
        One line a site; a sample that some filter dropped has none there.

    Notes
    -----
    The logs of a sample's distances are one row, whitened along at most 32 directions. An inverted
    image is far out in all filters, a faint one near the centre in all of them: both are far from
    the bulk of such rows, so this distance has two sides where a single filter's has one. A
    contrast that all samples vary in is one direction among many.
    """
    sites = int(group.max()) + 1 if len(group) else 0
    squared = np.full((sites, found.squared.shape[1]), np.nan)
    rank = np.zeros(sites, np.int64)
    for site in range(sites):
        logs = _log(found.squared[(group == site) & (found.rank > 0)]).T
        if not logs.shape[1]:
            continue
        at = np.flatnonzero(np.isfinite(logs).all(axis=1))
        most = max(1, min(PROFILE_DIRECTIONS, len(at) // 9))
        if len(at) > 2:
            white = whitened(logs[at], most=most)
            squared[site, at], rank[site] = _over_median(bulk_distances(white)), white.shape[1]
    with np.errstate(invalid="ignore"):
        return Distances(squared * chi2_median(rank)[:, None], rank)


def chi2_median(rank: NDArray[np.int64]) -> Array:
    """Median of chi² by degrees of freedom (exact to 1e-9 through the inverse gamma function)."""
    from scipy.special import gammaincinv  # 0.1 s, only needed here

    return np.asarray(2.0 * gammaincinv(np.maximum(rank, 1) / 2.0, 0.5))


def _over_median(squared: Array) -> Array:
    middle = float(np.median(squared)) if len(squared) else 0.0
    return squared / middle if middle > 0 else np.zeros(len(squared))


def _log(squared: Array) -> Array:
    """Log with a floor of e^-20: at distance 0 a sample is the centre itself."""
    return np.asarray(np.log(np.maximum(squared, 2e-9)))


def sides(coordinates: NDArray[np.float32]) -> NDArray[np.str_]:
    """(n,) "near" where a sample lies nearer the centre than the middle one in most filters.

    Else "far". `coordinates` are (filters, n, d): what the pictures show, not the whole maps, in
    which a faint picture is as far out as a glaring one.
    """
    used = np.flatnonzero(np.isfinite(coordinates).any(axis=(1, 2)))
    nearer = np.zeros(coordinates.shape[1], np.int64)
    for f in used:
        present = np.isfinite(coordinates[f]).any(axis=1)
        squared = np.nansum(coordinates[f].astype(np.float64) ** 2, axis=1)
        nearer += present & (squared < np.median(squared[present]))
    return np.where(nearer * 2 > len(used), "near", "far")

"""Labels in the screen: how well each sample's label fits its maps, and what hits have in common.

Notation: n samples, c classes, z features of one site, φ features of a kernel, λ ridge.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from cutaway.core import Tick, check, silent
from cutaway.filters.calibration import upper_tail
from cutaway.filters.coordinates import pooled, principal

if TYPE_CHECKING:
    from cutaway.filters.filter_screen import FilterScreen

Array: TypeAlias = NDArray[np.float64]
LANDMARKS = 1000
DIRECTIONS = 100
PURE_LEVEL = 0.01
_CELLS = 4096  # numbers of one site and sample that the features are made from
_RIDGES = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
_TO = 0.90  # up to a tenth of the labels may be wrong: the bulk ends there


def site_cells(small: Array, units: int) -> NDArray[np.float32]:
    """Maps (n, some units, ...) averaged to so few cells that all units of the site have 4,096."""
    side = max(1, min(4, int(np.sqrt(_CELLS / max(units, 1)))))
    return pooled(small, side).reshape(len(small), -1).astype(np.float32)


def joined_cells(
    groups: Sequence[tuple[NDArray[np.float32], NDArray[np.int64]]],
) -> NDArray[np.float32]:
    """Cells of all units of a site side by side, in one unit.

    Parameters
    ----------
    groups : sequence of (ndarray of shape (n, q), ndarray of shape (units,))
        Cells of some units, and the powers of two that these were divided by.

    Returns
    -------
    ndarray of shape (n, all q)
        Divided by the largest of these powers: of a site that float32 could not hold, too.
    """
    cells = np.concatenate([some for some, _ in groups], axis=1)
    exponents = np.concatenate(
        [np.repeat(powers, some.shape[1] // len(powers)) for some, powers in groups]
    )
    if not exponents.any():
        return cells
    alive = np.nan_to_num(cells, nan=0.0, posinf=0.0, neginf=0.0).any(axis=0)
    top = int(exponents[alive].max(initial=np.iinfo(np.int64).min)) if alive.any() else 0
    return np.asarray(np.ldexp(cells, np.maximum(exponents - top, -1000).astype(np.int32)))


def fitting_classes(
    sites: Sequence[NDArray[np.float32]],
    labels: NDArray[np.int64],
    seed: int,
    tick: Tick = silent,
) -> tuple[Array, NDArray[np.int64]]:
    """How badly each sample's own label fits its maps, and the class that fits best.

    Parameters
    ----------
    sites : sequence of ndarray of shape (n, q)
        Cells of all units of a site (see `site_cells`); values that are not finite count as mean.
        A sample without any finite value is left out.
    labels : ndarray of shape (n,)
        Classes.
    seed : int
        Of the landmarks.
    tick : Tick
        Progress.

    Returns
    -------
    margin : ndarray of shape (n,)
        Best score of another class less the score of the own, summed over sites: about -1 a site
        for a label that fits, positive for one that does not; NaN for a sample that is left out.
    best : ndarray of shape (n,)
        Class of the largest score; -1 for a sample that is left out.

    Notes
    -----
    Kernel ridge regression of the classes on each site's maps, read where the sample itself was
    left out: a network that memorised a wrong label still shows the maps of the true class, and a
    sample that votes for its own label would hide it. With a Gaussian kernel on 100 principal
    directions and 1,000 landmarks [1]_ all n left-out predictions cost one fit: f(i) without i is
    (f_i - h_i y_i) / (1 - h_i), h the diagonal of the hat matrix [2]_. λ is the one of the least
    left-out squared error.

    References
    ----------
    .. [1] Williams and Seeger, "Using the Nyström method to speed up kernel machines", NIPS 2000.
    .. [2] Hastie, Tibshirani and Friedman, "The Elements of Statistical Learning", 2009, 7.10.
    """
    seen = np.any([np.isfinite(cells).any(axis=1) for cells in sites], axis=0)
    if not seen.all():
        margin, best = np.full(len(labels), np.nan), np.full(len(labels), -1)
        if seen.any():
            some = [cells[seen] for cells in sites]
            margin[seen], best[seen] = fitting_classes(some, labels[seen], seed, tick)
        return margin, best
    classes, own = np.unique(labels, return_inverse=True)
    target = (labels[:, None] == classes).astype(np.float64)
    target -= target.mean(axis=0)
    rng = np.random.default_rng(seed)
    total = np.zeros(target.shape)
    for i, cells in enumerate(sites):
        tick(i / len(sites), "fitting classes")
        points = _directions(cells, rng)
        tick((i + 0.2) / len(sites), "fitting classes")
        features = _kernel_features(points, rng)
        tick((i + 0.6) / len(sites), "fitting classes")
        total += left_out(features, target)
    row = np.arange(len(labels))
    others = total.copy()
    others[row, own] = -np.inf
    return others.max(axis=1) - total[row, own], classes[total.argmax(axis=1)]


def left_out(features: Array, target: Array) -> Array:
    """(n, c) ridge predictions of `target`, each without its own row; λ by their squared error."""
    values, vectors = np.linalg.eigh(features.T @ features)
    basis = features @ vectors
    moments = basis.T @ target
    best, least = np.zeros(target.shape), np.inf
    for ridge in _RIDGES:
        weight = 1.0 / (np.maximum(values, 0.0) + ridge)
        hat = np.minimum((basis**2) @ weight, 1.0 - 1e-6)[:, None]
        predicted = (basis @ (weight[:, None] * moments) - hat * target) / (1.0 - hat)
        error = float(((predicted - target) ** 2).mean())
        if error < least:
            best, least = predicted, error
    return best


def label_tails(margin: Array) -> Array:
    """-log10 p of margins: how rare so bad a fit is, by the exponential tail of the bulk."""
    tails, known = np.full(len(margin), np.nan), np.isfinite(margin)
    if known.any():
        tails[known] = upper_tail(margin[known], to=_TO)
    return tails


def class_purity(screen: "FilterScreen", labels: ArrayLike) -> pd.DataFrame:
    """What class the hits of each flagged filter belong to.

    Parameters
    ----------
    screen : FilterScreen
        The screen.
    labels : array_like of shape (n,)
        Class of each sample, in the order of ``screen.rows``: whole numbers or names.

    Returns
    -------
    DataFrame
        A line a flagged filter: ``site``, ``unit``, ``hits``, ``label`` their commonest class,
        ``purity`` its share among them, ``p`` the probability of so large a share if hits had
        nothing to do with classes, ``pure`` whether p is at most 0.01. A pure filter may simply
        detect a rare class.

    Raises
    ------
    ValueError
        If there is not one label a sample.

    Notes
    -----
    Hypergeometric tail, times the number of classes (Bonferroni).
    """
    from scipy.stats import hypergeom  # 0.5 s, only needed here

    given = np.asarray(labels)
    check.same_length("labels", len(given), "screen.rows", len(screen.rows))
    names, own, counts = np.unique(given, return_inverse=True, return_counts=True)
    lines = []
    for (site, unit), links in screen.links.groupby(["site", "unit"], sort=False):
        inside = np.bincount(own[screen.rows.positions(links["id"].to_numpy())],
                             minlength=len(names))  # fmt: skip
        top = int(inside.argmax())
        chance = hypergeom.sf(inside - 1, len(given), counts, inside.sum())
        p = min(1.0, float(chance[top]) * len(names))
        lines.append((site, unit, int(inside.sum()), names[top], inside[top] / inside.sum(), p,
                      p <= PURE_LEVEL))  # fmt: skip
    return pd.DataFrame(lines, columns=["site", "unit", "hits", "label", "purity", "p", "pure"])


def _directions(cells: NDArray[np.float32], rng: np.random.Generator) -> Array:
    """(n, d) coordinates along the widest directions, by a random range finder with two passes.

    Halko, Martinsson and Tropp, SIAM Review 53, 2011, algorithm 4.4. Total variance 1.
    """
    values = cells.astype(np.float64)
    values[~np.isfinite(values)] = np.nan
    centred = np.nan_to_num(values - np.nan_to_num(_column_means(values)))
    wanted = min(DIRECTIONS + 10, *centred.shape)
    basis = rng.normal(size=(centred.shape[1], wanted))
    for _ in range(2):
        basis, _ = np.linalg.qr(centred.T @ (centred @ basis))
    reduced = centred @ basis
    _, loadings = principal(reduced)
    total = float((centred**2).sum()) / len(centred)
    return np.asarray(reduced @ loadings[:, :DIRECTIONS] / np.sqrt(total if total > 0 else 1.0))


def _column_means(values: Array) -> Array:
    present = np.isfinite(values)
    return np.asarray(
        np.where(present, values, 0.0).sum(axis=0) / np.maximum(present.sum(axis=0), 1)
    )


def _kernel_features(points: Array, rng: np.random.Generator) -> Array:
    """Nyström features (n, m) of the Gaussian kernel exp(-d² / median d²)."""
    some = points[rng.choice(len(points), min(LANDMARKS, len(points)), replace=False)]
    squared = _squared_distances(points, some)
    width = float(np.median(squared)) or 1.0
    values, vectors = np.linalg.eigh(np.exp(-_squared_distances(some, some) / width))
    used = values > 1e-8 * values[-1]
    return np.asarray(np.exp(-squared / width) @ (vectors[:, used] / np.sqrt(values[used])))


def _squared_distances(a: Array, b: Array) -> Array:
    squared = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2.0 * (a @ b.T)
    return np.asarray(np.maximum(squared, 0.0))

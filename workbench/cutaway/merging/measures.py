"""Measures beside feature complexity: effective rank, intrinsic dimension, similarity of layers."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from cutaway.core import Index, Origin, Result, Tick, check, part, silent
from cutaway.core.scale import size_exponent
from cutaway.model.activations import Activations

Array = NDArray[np.float64]

_KEPT = 0.9  # of the ratios: the usual part (the largest tenth is discarded)
_AT_ONCE = 2**22  # values read at a time
_ROUNDINGS = 8.0  # a unit whose values lie so many roundings apart is constant
_FEWEST = 4  # samples: the unbiased CKA needs so many


@dataclass(frozen=True, eq=False, repr=False)
class LayerMeasures(Result):
    """What layers hold, beside how many features merge; rows are sites.

    Parameters
    ----------
    units : ndarray of shape (sites,)
        Features: the most that the two ranks can be.
    effective_rank : ndarray of shape (sites,)
        Exponential of the entropy of the normalised singular values of the centred values, a
        column a unit; all samples and positions are rows.
    participation : ndarray of shape (sites,)
        Participation ratio of the same: (Σ λ)² / Σ λ², λ the variances along principal axes.
    two_nn, two_nn_low, two_nn_high : ndarray of shape (sites,)
        Intrinsic dimension of the samples by their two nearest neighbours, with its 95 % interval;
        NaN where fewer than four samples differ.
    cka : ndarray of shape (sites, sites)
        Linear CKA of two sites, with the unbiased estimate of HSIC: 1 for the same up to rotation,
        shift and scale, about 0 (also below) for unrelated ones; NaN for a constant site.
    samples : int
        Taken for `two_nn` and `cka`.
    """

    units: NDArray[np.int64]
    effective_rank: Array
    participation: Array
    two_nn: Array
    two_nn_low: Array
    two_nn_high: Array
    cka: Array
    samples: int

    _shapes: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(
            ("units", "effective_rank", "participation", "two_nn", "two_nn_low", "two_nn_high"), "n"
        ),
        "cka": "n n",
    }

    def to_frame(self) -> pd.DataFrame:
        """One line a site; its similarities in columns ``cka SITE``."""
        frame = super().to_frame()
        names = {f"cka_{j}": f"cka {site}" for j, site in enumerate(self.rows)}
        return frame.rename(columns=names)


def layer_measures(acts: Activations, *, samples: int = 1000, tick: Tick = silent) -> LayerMeasures:
    """Effective rank, participation ratio, TwoNN dimension and CKA of captured sites.

    Parameters
    ----------
    acts : Activations
        Of at least four samples.
    samples : int
        Most samples for `two_nn` and `cka`, whose cost grows with their square, spread evenly over
        the rows. The ranks take all.
    tick : Tick
        Called after each block of values.

    Raises
    ------
    ImportError
        If scikit-dimension or pytorch-cka is missing (the extra "peers").
    ValueError
        If there are fewer than four samples, or values that are not finite.

    Notes
    -----
    Every measure is free of scale: a site's values times any factor give the same numbers. Ranks
    are NaN for a site that is constant but for rounding. Ranks treat every position of a map as a
    sample of its units, so that they compare with features left. TwoNN and CKA take a sample whole,
    as a row of units times positions; of texts, the mean over its tokens, as their lengths differ.
    Values are read in blocks of samples.

    The interval of TwoNN takes the ratios as independent: with the total S of the k kept log
    ratios (the others censored at the largest), 2 d S is chi-squared with 2 k degrees of freedom.

    References
    ----------
    Roy, Vetterli, "The effective rank", EUSIPCO 2007, definition 1. Facco, d'Errico, Rodriguez,
    Laio, "Estimating the intrinsic dimension of datasets by a minimal neighborhood information",
    Scientific Reports 7 (2017), doi:10.1038/s41598-017-11873-y; on layers: Ansuini, Laio, Macke,
    Zoccolan, NeurIPS 2019, arXiv:1905.12784. Kornblith, Norouzi, Lee, Hinton, "Similarity of neural
    network representations revisited", ICML 2019, arXiv:1905.00414, equation 4; unbiased: Nguyen,
    Raghu, Kornblith, ICLR 2021, arXiv:2010.15327, equation 3.
    """
    began = time.perf_counter()
    check.whole("samples", samples, _FEWEST)
    if len(acts) < _FEWEST:
        raise ValueError(
            f"acts must hold at least {_FEWEST} samples, got {len(acts)}; capture more"
        )
    for site, bad in acts.n_nonfinite.items():
        if bad:
            raise ValueError(
                f"acts must be finite, got {bad} values that are not in {site!r}; "
                "capture without the samples that overflow"
            )
    many = len(acts.sites)
    ranks, dimensions, grams = [], [], []
    for place, site in enumerate(acts.sites):
        own = part(tick, 0.95 * place / many, 0.95 * (place + 1) / many)
        ranks.append(_ranks(_covariance(acts, site, part(own, 0.0, 0.4))))
        gram, points = _gram(acts, site, samples, part(own, 0.4, 0.8))
        dimensions.append(two_nn(*_two_nearest(points, gram, part(own, 0.8, 1.0))))
        grams.append(gram)
    tick(0.97, "measures: similarity of sites")
    rank, participation = np.array(ranks).T
    low_high = np.array(dimensions).T
    origin = Origin(
        "layer_measures",
        {"samples": samples},
        model=acts.origin.model,
        weights=acts.origin.weights,
        site=", ".join(acts.sites),
        data=acts.origin.data,
        rows=acts.rows.digest,
        content=acts.origin.content,
        given=acts.origin.given,
    )
    similar = linear_cka(np.array(grams))
    tick(1.0, f"measures: {many} sites")
    return LayerMeasures(
        rows=Index(np.array(acts.sites, dtype=np.str_), "site"),
        origin=origin.after(time.perf_counter() - began),
        units=np.array([acts.units(site).shape[1] for site in acts.sites], dtype=np.int64),
        effective_rank=rank,
        participation=participation,
        two_nn=low_high[0],
        two_nn_low=low_high[1],
        two_nn_high=low_high[2],
        cka=similar,
        samples=len(grams[0]),
    )


def _blocks(acts: Activations, site: str, tick: Tick) -> Iterator[tuple[slice, Array]]:
    """Some samples at a time, as float64 (samples, units, positions)."""
    seen = acts.units(site)
    size = max(1, _AT_ONCE // max(1, seen[0].size))
    exponent = size_exponent(seen, size)
    for place in range(0, len(seen), size):
        tick(place / len(seen), f"measures: {site}, {place}/{len(seen)} samples")
        rows = slice(place, place + size)
        block = np.asarray(seen[rows], dtype=np.float64)
        yield rows, np.ldexp(block, -exponent) if exponent else block


def _counted(acts: Activations, site: str, rows: slice) -> NDArray[np.bool_] | None:
    """Which positions hold a token; None where all do."""
    if acts.mask is None or acts.units(site).shape[2] != acts.mask.shape[1]:
        return None
    found: NDArray[np.bool_] = acts.mask[rows]
    return found


def _covariance(acts: Activations, site: str, tick: Tick) -> Array:
    """Covariance of the units over samples and positions, in one pass; 0 where only rounding is.

    Notes
    -----
    Blocks are joined by the pairwise update of Chan, Golub, LeVeque 1979: no cancellation where
    means are large.
    """
    units = acts.units(site).shape[1]
    count, mean, scatter = 0, np.zeros(units), np.zeros((units, units))
    first, low, high = np.zeros(0), np.full(units, np.inf), np.full(units, -np.inf)
    for rows, block in _blocks(acts, site, tick):
        values = block.transpose(0, 2, 1).reshape(-1, units)
        mask = _counted(acts, site, rows)
        values = values if mask is None else values[mask.ravel()]
        if len(values) == 0:
            continue
        low, high = np.minimum(low, values.min(axis=0)), np.maximum(high, values.max(axis=0))
        # From the first row on: the error of a mean of 0.3 is no variance.
        first = values[0].copy() if not len(first) else first
        values = values - first
        own = values.mean(axis=0)
        apart, both = own - mean, count + len(values)
        values -= own
        scatter += values.T @ values + np.outer(apart, apart) * (count * len(values) / both)
        mean, count = mean + apart * (len(values) / both), both
    kind = acts[site].dtype if acts[site].dtype.kind == "f" else np.dtype(np.float64)
    rounding = _ROUNDINGS * float(np.finfo(kind).eps) * np.maximum(-low, high)
    if not (high - low > rounding).any():
        return np.zeros_like(scatter)
    return scatter / max(count, 1)


def _ranks(covariance: Array) -> tuple[float, float]:
    """Effective rank and participation ratio; NaN for constant units."""
    spectrum = np.linalg.eigvalsh(covariance)
    # Below rounding an eigenvalue is zero; its root, 1e-8 of the largest, would count.
    spectrum = spectrum[spectrum > len(spectrum) * np.finfo(float).eps * spectrum.max(initial=0)]
    if len(spectrum) == 0:
        return float("nan"), float("nan")
    share = np.sqrt(spectrum) / np.sqrt(spectrum).sum()
    entropy = -float((share * np.log(share)).sum())
    return float(np.exp(entropy)), float(spectrum.sum() ** 2 / (spectrum**2).sum())


def _gram(acts: Activations, site: str, samples: int, tick: Tick) -> tuple[Array, Array]:
    """Products of all pairs of some samples, centred, and the samples themselves as rows."""
    n = len(acts)
    chosen = np.unique(np.linspace(0, n - 1, min(samples, n)).round().astype(int))
    rows = []
    for place, block in _blocks(acts, site, tick):
        own = chosen[(chosen >= place.start) & (chosen < place.stop)] - place.start
        mask = _counted(acts, site, place)
        if mask is None:
            rows.append(block[own].reshape(len(own), -1))
        else:
            weights = mask[own] / np.maximum(mask[own].sum(axis=1, keepdims=True), 1)
            rows.append(np.einsum("nut,nt->nu", block[own], weights))
    points = np.concatenate(rows)
    points -= points.mean(axis=0)
    return points @ points.T, points


def _two_nearest(points: Array, gram: Array, tick: Tick) -> tuple[Array, Array]:
    """Distances to the nearest and second nearest other sample.

    The Gram matrix finds three candidates; their distances are measured by differences, so that
    copies are at exactly 0.
    """
    norms = np.diagonal(gram)
    found = np.empty((len(points), 2))
    for row in range(len(points)):
        if row % 64 == 0:
            tick(row / len(points), f"measures: neighbours of {row}/{len(points)}")
        squared = norms[row] + norms - 2 * gram[row]
        squared[row] = np.inf
        near = np.argpartition(squared, 2)[:3]
        exact = np.sqrt(((points[near] - points[row]) ** 2).sum(axis=1))
        found[row] = np.sort(exact)[:2]
    return found[:, 0], found[:, 1]


def two_nn(nearest: Array, second: Array) -> tuple[float, float, float]:
    """Intrinsic dimension from distances to two neighbours, and its 95 % interval.

    Parameters
    ----------
    nearest, second : ndarray of shape (n,)
        Points at distance 0 of their nearest are copies and left out.

    Returns
    -------
    tuple of float
        Estimate, low, high; NaN where fewer than four points differ.
    """
    apart = nearest > 0
    if int(apart.sum()) < _FEWEST or bool((second == nearest)[apart].all()):
        return float("nan"), float("nan"), float("nan")
    estimator = _library("skdim.id", "scikit-dimension").TwoNN
    pairs = np.stack([nearest[apart], second[apart]], axis=1)
    fitted = estimator(discard_fraction=1 - _KEPT, dist=True, method="mle").fit(pairs)
    k = len(fitted.x_)
    dimension = float(fitted.dimension_)
    total = (k - 1) / dimension
    low, high = stats.chi2.ppf([0.025, 0.975], 2 * k) / (2 * total)
    return dimension, float(low), float(high)


def linear_cka(grams: Array) -> Array:
    """CKA of all pairs of sites from their Gram matrices, with unbiased HSIC.

    Parameters
    ----------
    grams : ndarray of shape (sites, n, n)
        At least four samples.

    Returns
    -------
    ndarray of shape (sites, sites)
        Not clipped: unrelated sites come out on both sides of 0. NaN for a constant site.
    """
    import torch

    cross = _library("cka.hsic", "pytorch-cka").hsic_cross
    given = torch.from_numpy(grams)
    hsic = np.asarray(cross(given, given))
    own = np.diagonal(hsic)
    scale = np.einsum("sii->s", grams) / grams.shape[1]
    known = own > (1e-12 * scale) ** 2
    size = np.sqrt(np.where(known, own, np.nan))
    found: Array = hsic / np.outer(size, size)
    return found


def _library(module: str, name: str) -> Any:
    import importlib

    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            f'{name} must be installed for this measure, got {error}; pip install "cutaway[peers]"'
        ) from error

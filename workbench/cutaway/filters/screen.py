"""The screen: which filters set a few samples apart, and which samples those are."""

import dataclasses
import time
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from cutaway.core import Tick, check, digest, part, silent
from cutaway.filters import calibration, classes, evidence, reading, stability, tails
from cutaway.filters.coordinates import pooled, prepare, scatter, shared_axes
from cutaway.filters.filter_screen import FilterScreen
from cutaway.filters.mixtures import COVARIANCES
from cutaway.filters.reading import Maps
from cutaway.filters.search import Search, search_components

Array: TypeAlias = NDArray[np.floating[Any]]
_PROFILE_WEIGHT = 0.95  # of a sample's profiles over filters, against its single filters
_SEARCH_BYTES = 128e6  # coordinates whose mixtures are sought at once


@dataclass(frozen=True, eq=False)
class _Read:
    """What is kept of the maps: a line a filter."""

    table: pd.DataFrame
    group: NDArray[np.int64]
    coordinates: NDArray[np.float32]
    kept: NDArray[np.bool_]
    found: tails.Distances
    cells: list[NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class _Ranked:
    """Tails of all filters and what was taken out of the distances before."""

    gain: Array
    shape: Array
    sharp: Array
    strict: Array


def screen_filters(
    acts: Maps,
    *,
    n_dims: int = 4,
    k_max: int = 5,
    criterion: str = "bic",
    covariance: str = "full",
    tau: float = 0.05,
    shared: bool = False,
    labels: ArrayLike | None = None,
    seed: int = 0,
    tick: Tick = silent,
) -> FilterScreen:
    """Return the filters that set a few samples apart, and those samples.

    Parameters
    ----------
    acts : Activations
        Captured maps of one or more sites.
    n_dims : int
        PCA coordinates a filter for the mixtures; 2 is the paper's setting and misses more.
    k_max : int
        Most components tried; all of 1 .. k_max are.
    criterion : {"bic", "ch"}
        "bic": the smallest number of components within 2 of the least BIC. "ch": the paper's,
        the largest Calinski-Harabasz index over 2 .. k_max; it never chooses one component.
    covariance : {"full", "tied", "diag", "spherical"}
        Shape of the components.
    tau : float
        Components of at most this weight are minor, 0 to 0.5.
    shared : bool
        One PCA for all filters of a site, so that their pictures have the same axes; maps are read
        twice. The ranking and the flags do not depend on it.
    labels : array_like of shape (n,), optional
        Classes as whole numbers. Tails are then measured from the bulk of the sample's own class,
        and samples are ranked by how badly their label fits their maps, which is what finds wrong
        labels; the mixtures stay as they are.
    seed : int
        Of the starts of EM, of the half-samples, and of the landmarks of the class fit.
    tick : Tick
        Progress.

    Returns
    -------
    FilterScreen
        Filters that cannot be fitted carry a status and no numbers. Maps with NaN or infinity are
        left out of their filter, and counted in both tables.

    Raises
    ------
    TypeError
        If `acts` are no activations or `labels` no whole numbers.
    ValueError
        If an option is out of range, or `labels` do not fit the samples.

    Notes
    -----
    Three looks at every filter. The picture: PCA and a Gaussian mixture [1]_, whose minor component
    (weight <= tau) explains a group of odd samples; ``minor`` in the table. The ranking: robust
    distance in the whole map (see `described`), divided by the contrast that the sample shares
    across filters (given 8 filters and 128 directions) as far as the filter follows it, and
    calibrated on the filter's own bulk, with the bend of the tail learnt from all filters of the
    site. The flag: two samples with p < 0.01 / n make a filter "likely", and "certain" if a
    power-law tail agrees. Samples are ranked by the profile of their distances over the filters of
    each site (weight 0.95) and by single filters. Without `labels` the screen is blind to wrong
    labels. A filter's maps times any factor give the same tails, ranks and flags.

    References
    ----------
    .. [1] Dou et al., "Explaining Model Overfitting in CNNs via GMM Clustering",
       arXiv:2412.10457, 2024. The paper's thresholds are not public; these are our own.
    """
    begun = time.perf_counter()
    _check_maps(acts)
    _check(n_dims, k_max, criterion, covariance, tau)
    given = None if labels is None else _classes(labels, len(acts.rows))
    axes = _axes(acts, part(tick, 0.0, 0.1)) if shared else None
    seen = _read(acts, n_dims, axes, given, part(tick, 0.1 if shared else 0.0, 0.4))
    options = {"n_dims": n_dims, "k_max": k_max, "criterion": criterion,
               "covariance": covariance, "tau": tau, "shared": shared}  # fmt: skip
    search = {name: value for name, value in options.items() if name not in {"n_dims", "shared"}}
    mixtures = _mixtures(seen.coordinates, search | {"seed": seed}, part(tick, 0.4, 0.85))
    ranked = _rank(seen, part(tick, 0.85, 0.92))
    table = _mark(seen.table, mixtures, ranked, k_max)
    table["n_nonfinite"] = (~seen.kept).sum(axis=1)
    table["stability"] = _stability(
        acts, seen, ranked, table, labels=given, seed=seed, tick=part(tick, 0.92, 0.96)
    )
    samples = _samples(acts, seen, ranked, labels=given, seed=seed, tick=part(tick, 0.96, 1.0))
    samples["n_nonfinite"] = (~seen.kept).sum(axis=0)
    parameters = options | {"labels": None if given is None else digest.of_arrays({"": given})}
    origin = replace(
        acts.origin, function="screen_filters", parameters=parameters, seed=seed,
        site=",".join(acts.sites), rows=acts.rows.digest,
    )  # fmt: skip
    screen = FilterScreen(
        rows=acts.rows,
        origin=origin.after(time.perf_counter() - begun),
        filters=table,
        samples=samples,
        links=_links(table, ranked.sharp, mixtures.minor_responsibility, acts.rows.ids),
        coordinates=seen.coordinates,
        tails=ranked.sharp,
        **{name: getattr(mixtures, name) for name in
           ("assignments", "responsibility", "bics", "weights", "means", "covariances")},
    )  # fmt: skip
    tick(1.0, "screened")
    return screen if given is None else _with_purity(screen, given)


def _check_maps(acts: object) -> None:
    if not isinstance(acts, Maps):
        raise TypeError(
            f"acts must be Activations, got {type(acts).__name__}; capture a model, or use "
            'cutaway.Activations.from_arrays({"conv1": maps})'
        )
    if not acts.sites:
        raise ValueError("acts must hold at least one site, got none; capture a site first")
    if not len(acts.rows):
        raise ValueError("acts must hold at least one sample, got none; capture more data")
    for site in acts.sites:
        array = acts[site]
        if array.ndim < 2 or 0 in array.shape:
            raise ValueError(
                f"site {site!r} must hold maps of one unit or more, got shape {array.shape}; "
                "capture other sites"
            )
        if array.dtype.kind not in "fiub":
            raise TypeError(
                f"site {site!r} must hold real numbers, got dtype {array.dtype}; convert it first"
            )


def _check(n_dims: int, k_max: int, criterion: str, covariance: str, tau: float) -> None:
    check.whole("n_dims", n_dims, 1, 64)
    check.one_of("criterion", criterion, ("bic", "ch"))
    check.whole("k_max", k_max, 2 if criterion == "ch" else 1, 20)
    check.one_of("covariance", covariance, COVARIANCES)
    check.in_range("tau", tau, 0.0, 0.5)


def _classes(labels: ArrayLike, n: int) -> NDArray[np.int64]:
    given = np.asarray(labels)
    check.n_dims("labels", given, 1, "one class a sample")
    if given.dtype.kind not in "iu":
        raise TypeError(
            f"labels must be whole numbers, got dtype {given.dtype}; number the classes from 0"
        )
    tails.check_classes(given.astype(np.int64), n)
    return given.astype(np.int64)


def _axes(acts: Maps, tick: Tick) -> list[reading.Array]:
    """The axes that the filters of each site share."""
    totals: list[reading.Array | float] = [0.0] * len(acts.sites)
    for one in reading.groups(acts, tick):
        totals[one.number] = totals[one.number] + scatter(pooled(one.small, 8))
    return [shared_axes(np.asarray(one)) for one in totals]


def _read(
    acts: Maps,
    n_dims: int,
    axes: list[reading.Array] | None,
    labels: NDArray[np.int64] | None,
    tick: Tick,
) -> _Read:
    """Status, coordinates and distances of all filters, a group of maps at a time."""
    lines, numbers, values, kept, squared, ranks = [], [], [], [], [], []
    cells: list[list[tuple[NDArray[np.float32], NDArray[np.int64]]]] = [[] for _ in acts.sites]
    for one in reading.groups(acts, tick):
        reduced = prepare(one.small, n_dims=n_dims, shared=axes[one.number] if axes else False)
        heard = part(tick, (one.span[0] + one.span[1]) / 2, one.span[1])
        far = tails.distances(one.rows, reduced.kept, reduced.fitted, labels, heard)
        values.append(np.asarray(reduced.values, dtype=np.float32))
        kept.append(reduced.kept)
        squared.append(far.squared)
        ranks.append(far.rank)
        numbers.append(np.full(len(one.units), one.number))
        lines.append(pd.DataFrame({"site": one.site, "unit": one.units, "status": reduced.status,
                                   "explained": reduced.explained}))  # fmt: skip
        if labels is not None:
            units = acts[one.site].shape[acts.unit_axis(one.site)]
            cells[one.number].append((classes.site_cells(one.small, units), one.exponents))
    return _Read(
        pd.concat(lines, ignore_index=True),
        np.concatenate(numbers),
        np.concatenate(values),
        np.concatenate(kept),
        tails.Distances(np.concatenate(squared), np.concatenate(ranks)),
        [classes.joined_cells(some) for some in cells if some],
    )


def _mixtures(coordinates: NDArray[np.float32], options: dict[str, Any], tick: Tick) -> Search:
    """Chosen mixtures of all filters, sought for so many at once as fit in memory."""
    filters, n, d = coordinates.shape
    size = max(1, int(_SEARCH_BYTES / (8.0 * max(n * d, 1))))
    found = []
    for first in range(0, filters, size):
        some = coordinates[first : first + size].astype(np.float64)
        span = first / filters, min(first + size, filters) / filters
        one = search_components(some, **options, tick=part(tick, *span))
        halved = {name: getattr(one, name).astype(np.float32)
                  for name in ("responsibility", "minor_responsibility")}  # fmt: skip
        found.append(replace(one, **halved))
    return Search(
        **{
            one.name: np.concatenate([getattr(some, one.name) for some in found])
            for one in dataclasses.fields(Search)
        }
    )


def _rank(seen: _Read, tick: Tick) -> _Ranked:
    """Tails of all filters, without the contrast that a sample shares across them."""
    relative = tails.without_gain(seen.found)
    rank, squared = seen.found.rank, relative.squared
    shape = calibration.shapes(squared, rank, seen.group, part(tick, 0.0, 0.5))
    sharp, strict = calibration.calibrated(squared, rank, shape, part(tick, 0.5, 1.0))
    with np.errstate(invalid="ignore", divide="ignore"):
        gain = np.where(squared > 0, seen.found.squared / squared, 1.0)
    return _Ranked(gain, shape, sharp, strict)


def _mark(table: pd.DataFrame, mixtures: Search, ranked: _Ranked, k_max: int) -> pd.DataFrame:
    """Return the table of filters with the mixtures' and the tails' columns."""
    likely, certain = (
        evidence.hits(one).sum(axis=1) >= evidence.PAIR_HITS
        for one in (ranked.sharp, ranked.strict)
    )
    largest = np.where(np.isfinite(ranked.sharp), ranked.sharp, -np.inf).max(
        axis=1, initial=-np.inf
    )
    return pd.DataFrame(
        {
            "site": table["site"],
            "unit": table["unit"],
            "status": table["status"],
            "k": mixtures.k,
            "weight": mixtures.weight,
            "overlap": mixtures.overlap,
            "deviance": mixtures.deviance,
            "minor": mixtures.evident,
            "tail": np.where(np.isfinite(largest), largest, np.nan).astype(np.float64),
            "score": evidence.second_largest(ranked.sharp),
            "flag": np.select([certain & likely, likely], ["certain", "likely"], ""),
            "q": evidence.benjamini_hochberg(evidence.pair_p(ranked.sharp)),
            "explained": table["explained"],
            "converged": mixtures.converged,
            "at_limit": (mixtures.k == k_max) & (k_max > 1),
            "shape": ranked.shape,
            "stability": np.nan,
            "purity": np.nan,
        }
    )


def _stability(
    acts: Maps,
    seen: _Read,
    ranked: _Ranked,
    table: pd.DataFrame,
    *,
    labels: NDArray[np.int64] | None,
    seed: int,
    tick: Tick,
) -> Array:
    """Stability of the flagged filters, whose maps are read once more; NaN for the others."""
    found = np.full(len(table), np.nan)
    flagged = np.flatnonzero(table["flag"].to_numpy().astype(str) != "")
    hits = evidence.hits(ranked.sharp)
    for i, f in enumerate(flagged):
        at = np.flatnonzero(seen.kept[f])
        site, unit = str(table["site"].iloc[f]), table["unit"].to_numpy()[[f]]
        _, rows, _ = reading.read(acts, site, unit)
        halves = stability.half_samples(len(at), seed)
        found[f] = stability.found_again(
            rows[at, 0], ranked.gain[f, at], hits[f, at], shape=float(ranked.shape[f]),
            halves=halves, labels=None if labels is None else labels[at],
            tick=part(tick, i / len(flagged), (i + 1) / len(flagged)),
        )  # fmt: skip
    return found


def _samples(
    acts: Maps,
    seen: _Read,
    ranked: _Ranked,
    *,
    labels: NDArray[np.int64] | None,
    seed: int,
    tick: Tick,
) -> pd.DataFrame:
    """Table of the samples."""
    tick(0.0, "ranking samples")
    hits = evidence.hits(ranked.sharp).sum(axis=0)
    if labels is not None:
        margin, best = classes.fitting_classes(seen.cells, labels, seed, tick)
        badly = classes.label_tails(margin)
        p_label = np.maximum(10.0**-badly, 1e-16)
        return pd.DataFrame({"id": acts.rows.ids, "score": badly, "p": p_label, "hits": hits,
                             "side": "", "fits": best})  # fmt: skip
    profile = tails.profiles(seen.found, seen.group)
    shape = calibration.shapes(profile.squared, profile.rank, np.arange(len(profile.rank)))
    dense, _ = calibration.calibrated(profile.squared, profile.rank, shape)
    both = np.stack([evidence.combine_samples(one)[0] for one in (ranked.sharp, dense)])
    score, p = evidence.combine_samples(both, np.array([1.0 - _PROFILE_WEIGHT, _PROFILE_WEIGHT]))
    side = tails.sides(seen.coordinates)
    return pd.DataFrame({"id": acts.rows.ids, "score": score, "p": p, "hits": hits,
                         "side": np.where(p < evidence.PAIR_LEVEL, side, "")})  # fmt: skip


def _links(table: pd.DataFrame, sharp: Array, minor: Array, ids: NDArray[Any]) -> pd.DataFrame:
    """Hits of flagged filters, each filter's farthest sample first."""
    hits = evidence.hits(sharp)
    flagged = np.flatnonzero(table["flag"].to_numpy().astype(str) != "")
    pairs: list[tuple[int, int]] = []
    for f in flagged:
        order = np.argsort(-np.nan_to_num(sharp[f]), kind="stable")
        pairs += [(int(f), int(i)) for i in order[: int(hits[f].sum())]]
    filters, samples = np.array(pairs, np.int64).reshape(-1, 2).T
    return pd.DataFrame(
        {
            "site": table["site"].to_numpy().astype(str)[filters],
            "unit": table["unit"].to_numpy()[filters],
            "id": ids[samples],
            "tail": sharp[filters, samples].astype(np.float64),
            "responsibility": minor[filters, samples].astype(np.float64),
        }
    )


def _with_purity(screen: FilterScreen, labels: NDArray[np.int64]) -> FilterScreen:
    """Return the screen with the purity of the flagged filters' hits."""
    found = classes.class_purity(screen, labels)
    table = screen.filters.copy()
    places = [screen.place(site, unit) for site, unit in zip(found["site"], found["unit"],
                                                              strict=True)]  # fmt: skip
    table.loc[places, "purity"] = found["purity"].to_numpy()
    return replace(screen, filters=table)

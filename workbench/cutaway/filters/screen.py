"""The screen: a table of filters, a table of samples, and the links between them."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol, TypeAlias, runtime_checkable

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from cutaway.core import Index, Origin, Result, Tick, check, digest, part, silent
from cutaway.filters import evidence, tails
from cutaway.filters.coordinates import prepare
from cutaway.filters.mixtures import COVARIANCES
from cutaway.filters.picture import FilterPicture, in_plane
from cutaway.filters.search import Search, search_components

Array: TypeAlias = NDArray[np.floating[Any]]
PAIR_LEVEL = 0.01  # a sample hits a filter when p is below this divided by the sample count
PAIR_HITS = 2  # hits that flag a filter: a single stray sample is none
_CHUNK_BYTES = 64e6


@runtime_checkable
class Maps(Protocol):
    """What the screen reads of `cutaway.Activations`."""

    @property
    def sites(self) -> tuple[str, ...]:
        """Names of the captured sites."""

    @property
    def rows(self) -> Index:
        """Ids of the samples."""

    @property
    def origin(self) -> Origin:
        """How they were captured."""

    def __getitem__(self, site: str) -> NDArray[Any]:
        """Array of a site, samples first."""

    def unit_axis(self, site: str) -> int:
        """Axis of its units."""


@dataclass(frozen=True, eq=False, repr=False)
class FilterScreen(Result):
    """Which filters set a few samples apart, and which samples those are.

    `rows` are the samples. The first axis of the arrays follows the lines of `filters`.

    Parameters
    ----------
    filters : DataFrame
        A line a filter, in the order of sites and units. ``site``, ``unit``; ``status`` (see
        `Coordinates`); ``k`` components (0: not fitted); ``weight``, ``overlap``, ``deviance`` of
        the minor component that the data need most (see `Minor`; NaN without one); ``minor``
        whether it is apart and needed; ``tail`` -log10 p of the farthest sample; ``score`` the
        second largest tail, for ranking; ``flag`` "certain", "likely" or ""; ``q`` the
        Benjamini-Hochberg value of the conservative evidence; ``explained`` fraction of variance
        in the coordinates; ``converged`` of the chosen mixture.
    samples : DataFrame
        A line a sample: ``id``, ``score`` -log10 of the combined p without a floor (for ranking),
        ``p``, ``hits`` (filters in which the sample's p is below 0.01 / n).
    links : DataFrame
        A line a hit of a flagged filter, filters in order and each one's farthest sample first:
        ``site``, ``unit``, ``id``, ``tail``, ``responsibility`` of all minor components.
    coordinates : ndarray of shape (filters, n, d)
        Float32, NaN where dropped.
    assignments : ndarray of shape (filters, n)
        Int16, component of each sample by falling weight; -1 where dropped or not fitted.
    responsibility : ndarray of shape (filters, n)
        Float32, probability of that component; NaN where dropped.
    tails : ndarray of shape (filters, n)
        Float32, -log10 p of the robust distance; NaN where dropped.
    bics : ndarray of shape (filters, k_max)
        BIC for 1 .. k_max components.
    weights, means, covariances : ndarray of shape (filters, k_max, ...)
        The chosen mixtures, NaN-padded.
    """

    filters: pd.DataFrame
    samples: pd.DataFrame
    links: pd.DataFrame
    coordinates: Array
    assignments: NDArray[np.int16]
    responsibility: Array
    tails: Array
    bics: Array
    weights: Array
    means: Array
    covariances: Array

    schema: ClassVar[int] = 1

    def place(self, site: str, unit: int) -> int:
        """Line of a filter in `filters` and in the arrays.

        Raises
        ------
        KeyError
            If this screen has no such filter; names the sites and the units of the site.
        """
        sites = self.filters["site"].to_numpy().astype(str)
        found = np.flatnonzero((sites == site) & (self.filters["unit"].to_numpy() == unit))
        if len(found):
            return int(found[0])
        units = int((sites == site).sum())
        if units:
            raise KeyError(f"unit must lie in 0..{units - 1} of {site}, got {unit}; see .filters")
        known = ", ".join(dict.fromkeys(sites.tolist()))
        raise KeyError(f"site must be one of {known}, got {site!r}; see .filters")

    def picture(self, site: str, unit: int) -> FilterPicture:
        """One filter's samples and components in the plane of its first two coordinates."""
        f = self.place(site, unit)
        mixture = (self.weights[f], self.means[f], self.covariances[f])
        return in_plane(
            self.coordinates[f], self.assignments[f], self.responsibility[f], self.tails[f], mixture
        )

    def to_frame(self) -> pd.DataFrame:
        """Table of the samples with their ids as the index (the filters are in `.filters`)."""
        return self.samples.drop(columns="id").set_index(pd.Index(self.rows.ids, name="id"))

    def __repr__(self) -> str:
        flags = self.filters["flag"].to_numpy().astype(str)
        return (
            f"FilterScreen({len(flags)} filters, {int((flags == 'certain').sum())} certain, "
            f"{int((flags == 'likely').sum())} likely; {len(self.rows)} samples; "
            f"{self.origin.caption()})"
        )

    def _repr_html_(self) -> str:
        top = self.filters.sort_values("score", ascending=False).head(5)
        return f"<div><p>{self!r}</p>{top.to_html(index=False, border=0)}</div>"


def screen_filters(
    acts: Maps,
    *,
    n_dims: int = 4,
    k_max: int = 5,
    criterion: str = "bic",
    covariance: str = "full",
    tau: float = 0.05,
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
        Most components tried.
    criterion : {"bic", "ch"}
        "bic": the smallest number of components within 2 of the least BIC. "ch": the paper's,
        the largest Calinski-Harabasz index over 2 .. k_max; it never chooses one component.
    covariance : {"full", "tied", "diag", "spherical"}
        Shape of the components.
    tau : float
        Components of at most this weight are minor, 0 to 0.5.
    labels : array_like of shape (n,), optional
        Classes as whole numbers. Tails are then measured from the bulk of the sample's own class,
        which is what finds wrong labels; the mixtures stay as they are.
    seed : int
        Of the starts of EM.
    tick : Tick
        Progress.

    Returns
    -------
    FilterScreen
        Filters that cannot be fitted carry a status and no numbers.

    Raises
    ------
    TypeError
        If `acts` are no activations or `labels` no whole numbers.
    ValueError
        If an option is out of range, or `labels` do not fit the samples.

    Notes
    -----
    Two looks at every filter. The picture: PCA and a Gaussian mixture [1]_, whose minor component
    (weight <= tau) explains a group of odd samples; ``minor`` in the table. The ranking: robust
    distance in the whole map, averaged to 4 x 4 pixels, divided by the contrast that the sample
    shares across filters (given 8 filters and 128 directions, and no labels), and calibrated on
    the filter's own bulk. A filter is flagged when two samples have p < 0.01 / n: "likely" by an
    exponential tail, "certain" if a power-law tail agrees. On real maps, which are curved
    continua, "likely" is common and only "certain" has a believable false-alarm rate. Without
    `labels` the screen is blind to wrong labels.

    References
    ----------
    .. [1] Dou et al., "Explaining Model Overfitting in CNNs via GMM Clustering",
       arXiv:2412.10457, 2024. The paper's thresholds are not public; these are our own.
    """
    begun = time.perf_counter()
    _check_maps(acts)
    _check(n_dims, k_max, criterion, covariance, tau)
    classes = None if labels is None else _classes(labels, len(acts.rows))
    table, coordinates, found = _read(acts, n_dims, classes, part(tick, 0.0, 0.3))
    options = {"n_dims": n_dims, "k_max": k_max, "criterion": criterion,
               "covariance": covariance, "tau": tau}  # fmt: skip
    mixtures = search_components(
        coordinates, k_max=k_max, criterion=criterion, covariance=covariance, tau=tau, seed=seed,
        tick=part(tick, 0.3, 0.9),
    )  # fmt: skip
    relative = tails.without_gain(found) if classes is None else found
    sharp, strict = tails.calibrated(relative, part(tick, 0.9, 0.98))
    tick(0.98, "ranking filters and samples")
    marked = _mark(table, mixtures, sharp, strict)
    score, p = evidence.combine_samples(sharp)
    hits = np.nansum(sharp > _level(sharp)[:, None], axis=0)
    parameters = options | {"labels": None if classes is None else digest.of_arrays({"": classes})}
    origin = replace(
        acts.origin, function="screen_filters", parameters=parameters, seed=seed,
        site=",".join(acts.sites), rows=acts.rows.digest,
    )  # fmt: skip
    screen = FilterScreen(
        rows=acts.rows,
        origin=origin.after(time.perf_counter() - begun),
        filters=marked,
        samples=pd.DataFrame({"id": acts.rows.ids, "score": score, "p": p, "hits": hits}),
        links=_links(marked, sharp, mixtures.minor_responsibility, acts.rows.ids),
        coordinates=coordinates.astype(np.float32),
        assignments=mixtures.assignments,
        responsibility=mixtures.responsibility.astype(np.float32),
        tails=sharp.astype(np.float32),
        bics=mixtures.bics,
        weights=mixtures.weights,
        means=mixtures.means,
        covariances=mixtures.covariances,
    )
    tick(1.0, "screened")
    return screen


def _check_maps(acts: object) -> None:
    if not isinstance(acts, Maps):
        raise TypeError(
            f"acts must be Activations, got {type(acts).__name__}; capture a model, or use "
            'cutaway.Activations.from_arrays({"conv1": maps})'
        )
    if not acts.sites:
        raise ValueError("acts must hold at least one site, got none; capture a site first")


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


def _read(
    acts: Maps, n_dims: int, classes: NDArray[np.int64] | None, tick: Tick
) -> tuple[pd.DataFrame, NDArray[np.float64], tails.Distances]:
    """Status table, coordinates and distances of all filters, a chunk of maps at a time."""
    lines, values, squared, ranks = [], [], [], []
    for fraction, site, first, maps in _chunks(acts):
        tick(fraction, f"reading {site}")
        some = prepare(maps, n_dims=n_dims)
        far = tails.distances(maps, some.kept, some.fitted, classes)
        values.append(some.values)
        squared.append(far.squared)
        ranks.append(far.rank)
        units = np.arange(first, first + maps.shape[1])
        lines.append(pd.DataFrame({"site": site, "unit": units, "status": some.status,
                                   "explained": some.explained}))  # fmt: skip
    table = pd.concat(lines, ignore_index=True)
    found = tails.Distances(np.concatenate(squared), np.concatenate(ranks))
    return table, np.concatenate(values), found


def _chunks(acts: Maps) -> Iterator[tuple[float, str, int, NDArray[Any]]]:
    """Progress, site, first unit and maps (n, some units, ...) of pieces of bounded memory."""
    for s, site in enumerate(acts.sites):
        # Not acts.units: flat positions would be averaged along rows, not in squares.
        maps = np.moveaxis(acts[site], acts.unit_axis(site), 1)
        units = maps.shape[1]
        each = 8.0 * maps.size / max(units, 1)
        # A chunk of at most 16,000 maps takes well under 0.2 s, the pace of the tick.
        size = max(1, min(int(_CHUNK_BYTES / max(each, 1.0)), 16_000 // max(len(maps), 1)))
        for first in range(0, units, size):
            fraction = (s + first / units) / len(acts.sites)
            yield fraction, site, first, maps[:, first : first + size]


def _level(tail: Array) -> Array:
    """(filters,) tail beyond which a sample hits the filter."""
    return np.asarray(np.log10(np.maximum(np.isfinite(tail).sum(axis=1), 1) / PAIR_LEVEL))


def _mark(
    table: pd.DataFrame, mixtures: Search, sharp: tails.Array, strict: tails.Array
) -> pd.DataFrame:
    """Return the table of filters with the mixtures' and the tails' columns."""
    likely = (sharp > _level(sharp)[:, None]).sum(axis=1) >= PAIR_HITS
    certain = (strict > _level(strict)[:, None]).sum(axis=1) >= PAIR_HITS
    largest = np.where(np.isfinite(sharp), sharp, -np.inf).max(axis=1)
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
            "tail": np.where(np.isfinite(largest), largest, np.nan),
            "score": evidence.second_largest(sharp),
            "flag": np.select([certain & likely, likely], ["certain", "likely"], ""),
            "q": evidence.benjamini_hochberg(evidence.pair_p(strict)),
            "explained": table["explained"],
            "converged": mixtures.converged,
        }
    )


def _links(table: pd.DataFrame, sharp: Array, minor: Array, ids: NDArray[Any]) -> pd.DataFrame:
    """Hits of flagged filters, each filter's farthest sample first."""
    level = _level(sharp)
    flagged = np.flatnonzero(table["flag"].to_numpy().astype(str) != "")
    pairs: list[tuple[int, int]] = []
    for f in flagged:
        order = np.argsort(-np.nan_to_num(sharp[f]), kind="stable")
        pairs += [(int(f), int(i)) for i in order[: int((sharp[f] > level[f]).sum())]]
    filters, samples = np.array(pairs, np.int64).reshape(-1, 2).T
    return pd.DataFrame(
        {
            "site": table["site"].to_numpy().astype(str)[filters],
            "unit": table["unit"].to_numpy()[filters],
            "id": ids[samples],
            "tail": sharp[filters, samples],
            "responsibility": minor[filters, samples],
        }
    )

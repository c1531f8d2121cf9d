"""The result of a screen: a table of filters, a table of samples, and the links between them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cutaway.core import Result
from cutaway.filters import evidence
from cutaway.filters.picture import FilterPicture, in_plane

Array: TypeAlias = NDArray[np.floating[Any]]


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
        Benjamini-Hochberg value over all filters of all sites; ``explained`` fraction of variance
        in the coordinates; ``converged`` of the chosen mixture; ``at_limit`` whether k is the most
        that was tried, so that more might fit better; ``shape`` of the tail (1 Gaussian, 0 a power
        law); ``stability`` share of its links that random halves of the samples find again, for
        flagged filters; ``purity`` share of the commonest class among its hits, given labels;
        ``n_nonfinite`` samples that are left out because their map holds NaN or infinity.
    samples : DataFrame
        A line a sample: ``id``, ``score`` -log10 of the combined p without a floor (for ranking),
        ``p``, ``hits`` (filters in which the sample's p is below 0.01 / n), ``side`` "far" or
        "near" of the centre for samples of p < 0.01 (a faint picture is near in all filters), ""
        for others. Given labels, p says how rarely a label fits its maps so badly, and ``fits`` is
        the class that fits best. ``n_nonfinite`` filters that leave the sample out; one that all
        leave out has no score and no p, and fits no class (-1).
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

    _shapes: ClassVar[Mapping[str, str]] = {
        "filters": "filters",
        "samples": "n",
        "coordinates": "filters n d",
        "assignments": "filters n",
        "tails": "filters n",
        "responsibility": "filters n ...",
        "bics": "filters k",
        **dict.fromkeys(("weights", "means", "covariances"), "filters ..."),
    }
    _columns: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "filters": {
            "site": "U",
            "unit": "i",
            "status": "U",
            "k": "i",
            "score": "f",
            "tail": "f",
            "flag": "U",
        },
        "samples": {"id": "iU", "score": "f", "p": "f", "hits": "i", "side": "U"},
        "links": {"site": "U", "unit": "i", "id": "iU", "tail": "f"},
    }

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

    def hit_counts(self) -> NDArray[np.int64]:
        """Samples that hit each filter (p < 0.01 / n), flagged or not."""
        return np.asarray(evidence.hits(self.tails).sum(axis=1))

    def picture(self, site: str, unit: int) -> FilterPicture:
        """One filter's samples and components in the plane of its first two coordinates."""
        f = self.place(site, unit)
        mixture = (self.weights[f], self.means[f], self.covariances[f])
        return in_plane(
            self.coordinates[f], self.assignments[f], self.responsibility[f], self.tails[f], mixture
        )

    def to_frame(self) -> pd.DataFrame:
        """Scores of the samples with their ids as the index; counts of what is left out stay away.

        The filters are in `.filters`, the counts in `.samples`.
        """
        columns = [name for name in self.samples if name not in {"id", "n_nonfinite"}]
        return self.samples[columns].set_index(pd.Index(self.rows.ids, name="id"))

    def __repr__(self) -> str:
        flags = self.filters["flag"].to_numpy().astype(str)
        return (
            f"FilterScreen({len(flags)} filters, {int((flags == 'certain').sum())} certain, "
            f"{int((flags == 'likely').sum())} likely; {len(self.rows)} samples{self._lost()}; "
            f"{self.origin.caption()})"
        )

    def _preview(self) -> pd.DataFrame:
        return self.filters.sort_values("score", ascending=False).head(5).set_index("site")

    def _lost(self) -> str:
        """How many filters leave samples out, in words; empty if none does."""
        if "n_nonfinite" not in self.filters:  # saved before they were counted
            return ""
        count = int((self.filters["n_nonfinite"].to_numpy() > 0).sum())
        some = "1 filter" if count == 1 else f"{count} filters"
        return f"; {some} with NaN or infinity in some" if count else ""

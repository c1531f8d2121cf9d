"""Points in a plane, one a row: lasso, rectangle, zoom, colour by any column."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import traitlets
from numpy.typing import ArrayLike, NDArray

from cutaway.core import Index, check
from cutaway_widgets import _color, _thin
from cutaway_widgets._array import Array
from cutaway_widgets._base import LinkedView
from cutaway_widgets._link import Link


@dataclass(frozen=True, eq=False)
class Ellipses:
    """Outlines of Gaussian components over the points.

    Parameters
    ----------
    means : array_like of shape (k, 2)
        Centres, in the units of the points.
    covariances : array_like of shape (k, 2, 2)
        Covariance of each component in the drawn plane.
    categories : sequence of int or None
        Place of each component in the names of the first categorical colour column; None for
        0 … k-1.
    level : float
        Part of a component's mass inside its outline, above 0 and below 1.
    """

    means: ArrayLike
    covariances: ArrayLike
    categories: ArrayLike | None = None
    level: float = 0.9

    def table(self) -> NDArray[np.float64]:
        """One line a component: centre x, y, half axes, angle in radians, category.

        Returns
        -------
        ndarray of shape (k, 6)
            Non-finite components are left out.
        """
        means = np.asarray(self.means, dtype=np.float64).reshape(-1, 2)
        covariances = np.asarray(self.covariances, dtype=np.float64)
        k = len(means)
        if covariances.shape != (k, 2, 2):
            raise ValueError(
                f"covariances must have shape ({k}, 2, 2), got {covariances.shape}; "
                "give one 2 x 2 matrix a component"
            )
        if not 0.0 < self.level < 1.0:
            raise ValueError(
                f"level must lie between 0 and 1, got {self.level}; 0.9 outlines 90 % of the mass"
            )
        places = np.arange(k) if self.categories is None else np.asarray(self.categories)
        check.same_length("categories", len(places), "means", k)
        good = np.isfinite(means).all(1) & np.isfinite(covariances).all((1, 2))
        values, vectors = np.linalg.eigh(covariances[good])
        # A plane Gaussian holds the mass `level` within this many standard deviations.
        radius = np.sqrt(-2.0 * np.log1p(-self.level))
        half = radius * np.sqrt(np.maximum(values[:, ::-1], 0.0))
        angle = np.arctan2(vectors[:, 1, 1], vectors[:, 0, 1])
        return np.column_stack([means[good], half, angle, places[good]])


class Scatter(LinkedView):
    """Scatter plot of rows.

    Parameters
    ----------
    points : array_like of shape (n, 2)
        Places, in any unit; rows with NaN are not drawn, and counted in the summary.
    index : Index or None
        Ids of the rows; None takes the link's.
    colors : mapping of str to Categories, Values or array_like
        Columns to colour by, the first one shown first. Floats are numbers (viridis), all else
        kinds (Okabe-Ito).
    link : Link or None
        Shared selection; None makes an own one.
    thumbnails : Atlas, Dataset or None
        Pictures on hover; put on the link, so that other views have them too.
    ellipses : Ellipses or None
        Outlines of components.
    x_label, y_label : str
        What the axes show, with the unit.
    equal : bool
        One scale for both axes.
    density : bool
        Draw how many points lie on each place, instead of the points.
    engine : "auto", "webgl" or "pixels"
        What draws the points: WebGL2 where the page has a graphics processor, else pixels written
        by the processor (the same picture; WebGL2 without graphics processor is slower).
    max_points : int
        Points to send to the page at most. Of more rows a part is shown that keeps every sparse
        place whole; the summary says so, and `complete` brings a selection to all rows.
    seed : int
        Of the choice of that part; the same seed shows the same rows.
    title, caption, height
        See `View`.
    """

    _kind = traitlets.Unicode("scatter").tag(sync=True)
    _points = Array("f4", (None, 2))
    _ellipses = Array("f4", (None, 6))
    _colors = traitlets.List().tag(sync=True)
    x_label = traitlets.Unicode("").tag(sync=True)
    y_label = traitlets.Unicode("").tag(sync=True)
    equal = traitlets.Bool(False).tag(sync=True)
    tool = traitlets.Enum(("lasso", "rectangle", "pan"), "lasso").tag(sync=True)
    density = traitlets.Bool(False).tag(sync=True)
    engine = traitlets.Enum(("auto", "webgl", "pixels"), "auto").tag(sync=True)
    # Row of each point, ascending; empty: all rows are shown.
    _shown = Array("u4", (None,))
    _note = traitlets.Unicode("").tag(sync=True)
    # The last outline on a part of the rows: corners x, y, … in the units of the points, and how.
    _drawn = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        points: ArrayLike,
        *,
        index: Index | None = None,
        colors: Mapping[str, Any] | None = None,
        link: Link | None = None,
        thumbnails: Any = None,
        ellipses: Ellipses | None = None,
        x_label: str = "",
        y_label: str = "",
        equal: bool = False,
        density: bool = False,
        engine: Literal["auto", "webgl", "pixels"] = "auto",
        max_points: int = 2_000_000,
        seed: int = 0,
        title: str = "",
        caption: str = "",
        height: int = 320,
    ) -> None:
        check.one_of("engine", engine, ("auto", "webgl", "pixels"))
        check.whole("max_points", max_points, 2, 20_000_000, remedy="2,000,000 is plenty")
        check.whole("seed", seed, 0, 2**32, remedy="give a small whole number")
        if link is None and index is None:
            index = Index.count(len(np.asarray(points)))
        super().__init__(index, link, title=title, caption=caption, height=height)
        self._put({"equal": equal, "density": density, "engine": engine})
        self._limit, self._seed = max_points, seed
        if thumbnails is not None:
            self.link.set_thumbnails(thumbnails)
        self.set_points(
            points,
            index=index,
            colors=colors,
            ellipses=ellipses,
            x_label=x_label,
            y_label=y_label,
            title=title,
            caption=caption,
        )

    def set_points(
        self,
        points: ArrayLike,
        *,
        index: Index | None = None,
        colors: Mapping[str, Any] | None = None,
        ellipses: Ellipses | None = None,
        x_label: str = "",
        y_label: str = "",
        title: str | None = None,
        caption: str | None = None,
    ) -> None:
        """Show other points; arguments as in the constructor, None keeps title and caption.

        Raises
        ------
        ValueError
            If points or a colour column do not have one entry a row.
        """
        index = self._take_index(index)
        places = np.array(points, dtype=np.float32)
        check.n_dims("points", places, 2, "rows, x and y")
        check.same_length("points", len(places), "index", len(index))
        places[~np.isfinite(places).all(axis=1)] = np.nan
        outlines = ellipses.table() if ellipses is not None else np.zeros((0, 6))
        self._rows = index
        # Without a part all points are on the page, and need not be kept here twice.
        self._part = self._all = None
        if len(places) > self._limit:
            self._all = places
            self._part = _thin.thin(places, index.ids, self._limit, self._seed)
        self._put(
            {
                "_points": places if self._part is None else places[self._part],
                "_shown": () if self._part is None else self._part,
                "_note": self._reduced(len(places)),
                "_drawn": {},
                "_colors": _color.wire(colors or {}, len(index), self._part),
                "_ellipses": outlines,
                "_digest": index.digest,
                "x_label": x_label,
                "y_label": y_label,
                "title": self.title if title is None else title,
                "caption": self.caption if caption is None else caption,
            }
        )

    def set_colors(self, colors: Mapping[str, Any]) -> None:
        """Offer other columns to colour by, for the same points."""
        self._put({"_colors": _color.wire(colors, len(self._rows), self._part)})

    def set_ellipses(self, ellipses: Ellipses | None) -> None:
        """Draw these outlines; None removes them."""
        self._put({"_ellipses": ellipses.table() if ellipses else np.zeros((0, 6))})

    def complete(self) -> None:
        """Select all rows inside the outline last drawn, also those that are not shown.

        Of more than `max_points` rows the page holds a part, so a lasso there selects shown rows
        only. This does for all rows what the lasso did for the shown ones: it adds them, or takes
        them away if alt was held. Where all rows are shown nothing is missing, and nothing is done.

        Raises
        ------
        ValueError
            If the selection is no longer the one that the outline made.
        """
        if self._all is None or self._part is None:
            return
        with self._lock:
            corners = np.asarray(self._drawn.get("outline", ()), np.float64).reshape(-1, 2)
            bits = self._selected()
            within = (
                _thin.inside(self._all, corners)
                if len(corners) > 2
                else np.zeros(len(bits), np.bool_)
            )
            wanted = self._drawn.get("how") != "subtract"
            shown = self._part[within[self._part]]
            if not len(shown) or (bits[shown] != wanted).any():
                raise ValueError(
                    "selection must be the one that the last outline made, got another; "
                    "draw the outline again, then complete it"
                )
            bits[within] = wanted
            packed = np.packbits(bits, bitorder="little").tobytes()
            self.link._put(packed, "scatter")  # noqa: SLF001 - by bits: ids of millions take seconds

    def _selected(self) -> NDArray[np.bool_]:
        link = self.link
        stored = np.frombuffer(link._mask, np.uint8)  # noqa: SLF001 - as above
        if link._of != link.digest or len(stored) != (link.n + 7) // 8:  # noqa: SLF001
            return np.zeros(link.n, np.bool_)
        return np.unpackbits(stored, count=link.n, bitorder="little").astype(np.bool_)

    def _reduced(self, n: int) -> str:
        if self._part is None:
            return ""
        return (
            f"shows {len(self._part):,} of {n:,} {self._rows.axis}s: every sparse place whole, "
            f"dense ones thinned, seed {self._seed}; a lasso selects shown ones"
        )

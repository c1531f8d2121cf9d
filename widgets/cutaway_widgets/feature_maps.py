"""Strips of feature maps: a row a unit, a column a sample; also the kernels of a convolution."""

from collections.abc import Iterable
from typing import Any, Literal, Protocol

import numpy as np
import traitlets
from ipywidgets import widget_serialization
from numpy.typing import ArrayLike, NDArray

from cutaway.core import Index, check
from cutaway_widgets._array import Array
from cutaway_widgets._base import LinkedView
from cutaway_widgets._link import Link
from cutaway_widgets._steps import extremes, steps

MOST = 20_000
"""Tiles that one view takes: beyond it a page would wait for megabytes that nobody looks at."""


class TilesLike(Protocol):
    """The fields of `cutaway.model.Tiles`."""

    @property
    def values(self) -> NDArray[np.float32]:
        """Numbers (units, samples, h, w)."""

    @property
    def units(self) -> Index:
        """Ids of the rows."""

    @property
    def samples(self) -> Index:
        """Ids of the columns."""


class FeatureMaps(LinkedView):
    """Feature maps of some units for some samples, or kernels by input channel.

    Parameters
    ----------
    maps : Tiles, array_like of shape (units, samples, h, w), or None
        From `cutaway.model.feature_maps` or `cutaway.model.kernel_tiles`; None shows the empty
        state until `set_maps`.
    units, samples : Index, iterable of ids, or None
        Rows and columns of an array; a `Tiles` brings its own.
    link : Link or None
        Shared selection of the samples; those shown must be among its ids. None makes an own one.
    unit_link : Link or None
        Shared selection of the units; those shown must be among its ids. None makes an own one.
    scale : "unit" or "shared"
        Colours between the extremes of each unit, or of all; also a switch on the page.
    colors : "viridis", "gray" or "diverging"
        The last is symmetric about zero, for kernels.
    tile : int
        Side of a tile on the page in CSS pixels.
    empty : str
        What to say when there is nothing to show.
    title, caption, height
        See `View`.
    """

    _kind = traitlets.Unicode("feature_maps").tag(sync=True)
    unit_link = traitlets.Instance(Link, allow_none=True).tag(sync=True, **widget_serialization)
    scale = traitlets.Enum(("unit", "shared"), "unit").tag(sync=True)
    colors = traitlets.Enum(("viridis", "gray", "diverging"), "viridis").tag(sync=True)
    tile = traitlets.Int(48, min=16, max=256).tag(sync=True)
    empty = traitlets.Unicode("").tag(sync=True)
    _tiles = Array("u1", (None, None, None, None))
    _limits = Array("f4", (None, 2))
    # Smallest, largest and mean value of each tile, from the numbers themselves.
    _stats = Array("f4", (None, None, 3))
    _samples = Array("u4", (None,))
    _units = Array("u4", (None,))
    _unit_digest = traitlets.Unicode("").tag(sync=True)

    def __init__(
        self,
        maps: TilesLike | ArrayLike | None = None,
        *,
        units: Index | Iterable[int | str] | None = None,
        samples: Index | Iterable[int | str] | None = None,
        link: Link | None = None,
        unit_link: Link | None = None,
        scale: Literal["unit", "shared"] = "unit",
        colors: Literal["viridis", "gray", "diverging"] = "viridis",
        tile: int = 48,
        empty: str = "",
        title: str = "",
        caption: str = "",
        height: int = 320,
    ) -> None:
        check.one_of("scale", scale, ("unit", "shared"))
        check.one_of("colors", colors, ("viridis", "gray", "diverging"))
        check.whole("tile", tile, 16, 256, remedy="give pixels")
        known = None if maps is None else _taken(maps, units, samples)
        own = known[2] if known is not None else Index.count(0)
        self._owns_units = unit_link is None
        unit_link = unit_link or Link(known[1] if known is not None else Index.count(0, "unit"))
        super().__init__(
            own if link is None else None, link, title=title, caption=caption, height=height
        )
        self._put({"unit_link": unit_link})
        self._put({"scale": scale, "colors": colors, "tile": tile, "empty": empty})
        if known is None:
            self.clear()
        else:
            self._show(*known)

    def set_maps(
        self,
        maps: TilesLike | ArrayLike,
        units: Index | Iterable[int | str] | None = None,
        samples: Index | Iterable[int | str] | None = None,
        *,
        title: str | None = None,
        caption: str | None = None,
    ) -> None:
        """Show other tiles; arguments as in the constructor, None keeps title and caption.

        Raises
        ------
        ValueError
            If lengths differ, or there are more than 20,000 tiles.
        KeyError
            If a unit or sample is not among the ids of its link.
        """
        self._show(*_taken(maps, units, samples), title=title, caption=caption)

    def clear(self) -> None:
        """Show the empty state."""
        nothing = np.zeros((0, 0, 1, 1), np.float32)
        units, samples = Index.count(0, self.unit_link.axis), Index.count(0, self.link.axis)
        self._show(nothing, units, samples, follow=False)

    def _show(
        self,
        values: NDArray[np.float32],
        units: Index,
        samples: Index,
        *,
        title: str | None = None,
        caption: str | None = None,
        follow: bool = True,
    ) -> None:
        if follow and self._owns_link and samples.digest != self.link.digest:
            self.link.set_index(samples)
        if follow and self._owns_units and units.digest != self.unit_link.digest:
            self.unit_link.set_index(units)
        columns = self.link.index.positions(samples.ids)
        rows = self.unit_link.index.positions(units.ids)
        limits = extremes(values)
        self._rows = self.link.index
        self._put(
            {
                "_tiles": steps(values, limits),
                "_limits": limits,
                "_stats": _stats(values),
                "_samples": columns,
                "_units": rows,
                "_digest": self.link.digest,
                "_unit_digest": self.unit_link.digest,
                "title": self.title if title is None else title,
                "caption": self.caption if caption is None else caption,
            }
        )

    def _summary(self) -> str:
        n_units, n_samples = self._tiles.shape[:2]
        about = f"{n_units} units × {n_samples} samples"
        return about + (f", {self.title}" if self.title else "")


def _taken(
    maps: Any,
    units: Index | Iterable[int | str] | None,
    samples: Index | Iterable[int | str] | None,
) -> tuple[NDArray[np.float32], Index, Index]:
    """Values, rows and columns, checked."""
    if hasattr(maps, "units") and hasattr(maps, "samples"):
        if units is not None or samples is not None:
            raise ValueError(
                "units and samples must be left out with Tiles, which bring theirs, got some; "
                "drop them"
            )
        values, units, samples = maps.values, maps.units, maps.samples
    else:
        values = np.asarray(maps)
    values = np.asarray(values, np.float32)
    check.n_dims("maps", values, 4, "units, samples, height and width")
    rows = _index(units, values.shape[0], "unit")
    columns = _index(samples, values.shape[1], "sample")
    check.same_length("units", len(rows), "maps", values.shape[0])
    check.same_length("samples", len(columns), "maps[0]", values.shape[1])
    count = values.shape[0] * values.shape[1]
    if count > MOST:
        raise ValueError(
            f"maps must hold at most {MOST:,} tiles, got {count:,}; choose fewer units or samples"
        )
    return values, rows, columns


def _index(ids: Index | Iterable[int | str] | None, n: int, axis: str) -> Index:
    if ids is None:
        return Index.count(n, axis)
    return ids if isinstance(ids, Index) else Index(np.array(list(ids)), axis)


def _stats(values: NDArray[np.float32]) -> NDArray[np.float32]:
    n_units, n_samples, high, wide = values.shape
    flat = values.reshape(n_units * n_samples, high * wide)
    finite = np.isfinite(flat)
    count = finite.sum(axis=1)
    total = np.where(finite, flat, 0.0).sum(axis=1, dtype=np.float64)
    mean = total / np.maximum(count, 1)
    found = np.concatenate([extremes(flat), mean[:, None]], axis=1)
    found[count == 0] = np.nan
    return found.reshape(n_units, n_samples, 3).astype(np.float32)

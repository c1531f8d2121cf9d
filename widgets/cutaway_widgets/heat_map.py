"""A matrix of numbers as colours: filters by samples, layers by heads."""

from collections.abc import Iterable
from typing import Any, Literal

import numpy as np
import traitlets
from ipywidgets import widget_serialization
from numpy.typing import ArrayLike, NDArray

from cutaway.core import Index, check
from cutaway_widgets import _array
from cutaway_widgets._array import Array
from cutaway_widgets._base import LinkedView
from cutaway_widgets._limits import ends
from cutaway_widgets._link import Link

# The highest code of each kind stands for "no number".
_LEVELS = {"u1": 254, "u2": 65534}


class HeatMap(LinkedView):
    """Heat-map of a matrix, linked by its rows and by its columns.

    A click selects the row and the column of a cell, a dragged rectangle its rows and columns; the
    margins select rows or columns alone. Where several cells share a pixel the largest is drawn
    (the farthest from zero where the map diverges), and the summary says so.

    Parameters
    ----------
    values : array_like of shape (r, c)
        Numbers in any unit; NaN and infinities are hatched, and counted in the summary.
    rows : Index or None
        Ids of the rows; None takes `row_link`'s, else 0 … r-1 of axis "unit".
    columns : Index or None
        Ids of the columns; None takes `link`'s, else 0 … c-1 of axis "sample".
    row_link, link : Link or None
        Shared selection of the rows and of the columns; None makes an own one.
    row_names, column_names : sequence of str or None
        What to write beside rows and below columns; None writes the ids.
    row_order, column_order : iterable of ids or None
        Rows from top to bottom, columns from left to right; ids left out are not drawn. None keeps
        the order of the index.
    sort_by : id or None
        Row whose numbers order the columns, largest first; readers can change it.
    name, unit : str
        What the numbers are, for the colour bar.
    diverging : bool
        Blue below zero and red above, symmetric limits; else viridis.
    limits : (float, float) or None
        Numbers at the ends of the colour scale; None takes the smallest and the largest, or plus
        and minus the largest magnitude where the map diverges.
    quantise : {None, "u1", "u2"}
        Send one or two bytes a number in place of four. The largest error is half a step, where a
        step is the range of the numbers over 254 or 65,534; `error_bound` says it.
    title, caption, height
        See `View`.

    Raises
    ------
    ValueError
        If the shape does not fit the rows and columns, or limits are no interval.
    KeyError
        If an order or `sort_by` names an unknown id.
    """

    _owns_row_link = False
    _kind = traitlets.Unicode("heat_map").tag(sync=True)
    _values = traitlets.Dict().tag(sync=True)
    _row_digest = traitlets.Unicode("").tag(sync=True)
    _row_names = traitlets.List().tag(sync=True)
    _column_names = traitlets.List().tag(sync=True)
    _row_order = Array("u4", (None,))
    _column_order = Array("u4", (None,))
    _limits = traitlets.List().tag(sync=True)
    # Place of the row that orders the columns; -1 for the order given.
    _sort_row = traitlets.Int(-1).tag(sync=True, echo_update=False)
    row_link = traitlets.Instance(Link).tag(sync=True, **widget_serialization)
    name = traitlets.Unicode("").tag(sync=True)
    unit = traitlets.Unicode("").tag(sync=True)
    diverging = traitlets.Bool(False, read_only=True).tag(sync=True)

    def __init__(
        self,
        values: ArrayLike,
        *,
        rows: Index | None = None,
        columns: Index | None = None,
        row_link: Link | None = None,
        link: Link | None = None,
        row_names: Iterable[str] | None = None,
        column_names: Iterable[str] | None = None,
        row_order: Iterable[int | str] | None = None,
        column_order: Iterable[int | str] | None = None,
        sort_by: int | str | None = None,
        name: str = "",
        unit: str = "",
        diverging: bool = False,
        limits: tuple[float, float] | None = None,
        quantise: Literal["u1", "u2"] | None = None,
        title: str = "",
        caption: str = "",
        height: int = 320,
    ) -> None:
        check.one_of("quantise", quantise, (None, *_LEVELS))
        numbers = _matrix(values)
        if link is None and columns is None:
            columns = Index.count(numbers.shape[1])
        if row_link is None:
            rows = rows if rows is not None else Index.count(numbers.shape[0], "unit")
            row_link, self._owns_row_link = Link(rows), True
        self._quantise = quantise
        self._error = 0.0
        self._row_index: Index = rows if rows is not None else row_link.index
        self.set_trait("row_link", row_link)
        super().__init__(columns, link, title=title, caption=caption, height=height)
        self.set_trait("diverging", bool(diverging))
        self.set_values(
            numbers,
            rows=rows,
            columns=columns,
            row_names=row_names,
            column_names=column_names,
            row_order=row_order,
            column_order=column_order,
            sort_by=sort_by,
            name=name,
            unit=unit,
            limits=limits,
        )

    @property
    def rows(self) -> Index:
        """The rows of the matrix that is drawn."""
        return self._row_index

    @property
    def error_bound(self) -> float:
        """Largest error of a number on the page, in the unit of the numbers; 0 when not quantised.

        Without `quantise` numbers are single precision.
        """
        return self._error

    @property
    def sort_by(self) -> int | str | None:
        """Id of the row whose numbers order the columns; None for the order given."""
        place = self._sort_row
        return self._row_index.ids[place].item() if 0 <= place < len(self._row_index) else None

    def set_values(
        self,
        values: ArrayLike,
        *,
        rows: Index | None = None,
        columns: Index | None = None,
        row_names: Iterable[str] | None = None,
        column_names: Iterable[str] | None = None,
        row_order: Iterable[int | str] | None = None,
        column_order: Iterable[int | str] | None = None,
        sort_by: int | str | None = None,
        name: str | None = None,
        unit: str | None = None,
        limits: tuple[float, float] | None = None,
        title: str | None = None,
        caption: str | None = None,
    ) -> None:
        """Show another matrix; arguments as in the constructor, None keeps name, unit and titles.

        Raises
        ------
        ValueError
            If the shape does not fit the rows and columns, or limits are no interval.
        KeyError
            If an order or `sort_by` names an unknown id.
        """
        numbers = _matrix(values)
        across = columns if columns is not None else self.link.index
        down = rows if rows is not None else self.row_link.index
        if numbers.shape != (len(down), len(across)):
            raise ValueError(
                f"values must have shape ({len(down)}, {len(across)}), one row a {down.axis} and "
                f"one column a {across.axis}, got {numbers.shape}; give rows= and columns="
            )
        state = {
            "_row_names": _names("row_names", row_names, down),
            "_column_names": _names("column_names", column_names, across),
            "_row_order": _places(row_order, down),
            "_column_order": _places(column_order, across),
            "_sort_row": -1 if sort_by is None else int(down.positions([sort_by])[0]),
            "_limits": ends(numbers, limits, diverging=self.diverging),
            "name": self.name if name is None else name,
            "unit": self.unit if unit is None else unit,
            "title": self.title if title is None else title,
            "caption": self.caption if caption is None else caption,
        }
        wire, error = _wire(numbers, self._quantise)
        self._rows = self._take_index(across)
        if self._owns_row_link and down.digest != self.row_link.digest:
            self.row_link.set_index(down)
        self._row_index, self._error = down, error
        digests = {"_digest": across.digest, "_row_digest": down.digest}
        self._put({"_values": wire, **state, **digests})

    def _summary(self) -> str:
        about = (
            f"{len(self._row_index)} {self._row_index.axis}s by "
            f"{len(self._rows)} {self._rows.axis}s"
        )
        return about + (f", {self.title}" if self.title else "")


def _matrix(values: ArrayLike) -> NDArray[np.float32]:
    numbers = np.array(values, dtype=np.float32)
    check.n_dims("values", numbers, 2, "rows, columns")
    return numbers


def _names(name: str, given: Iterable[str] | None, index: Index) -> list[str]:
    if given is None:
        return []
    found = [str(one) for one in given]
    check.same_length(name, len(found), "its index", len(index))
    return found


def _places(order: Iterable[int | str] | None, index: Index) -> NDArray[np.int64]:
    return np.arange(len(index)) if order is None else index.positions(list(order))


def _wire(numbers: NDArray[np.float32], quantise: str | None) -> tuple[dict[str, Any], float]:
    """Wire form of the matrix, and the largest error that it makes."""
    finite = np.isfinite(numbers)
    if quantise is None:
        return _array.encode(np.where(finite, numbers, np.float32(np.nan))), 0.0
    levels = _LEVELS[quantise]
    some = numbers[finite].astype(np.float64)
    low, high = (float(some.min()), float(some.max())) if some.size else (0.0, 0.0)
    step = (high - low) / levels or 1.0
    codes = np.full(numbers.shape, levels + 1, np.dtype(quantise))
    codes[finite] = np.rint((some - low) / step)
    error = step / 2 if high > low else 0.0
    return {**_array.encode(codes), "low": low, "step": step}, error

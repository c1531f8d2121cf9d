"""A data frame as a table: sort, filter, pick rows."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import traitlets

from cutaway.core import Index, check
from cutaway_widgets import _array
from cutaway_widgets._base import LinkedView
from cutaway_widgets._link import Link


class Table(LinkedView):
    """Sortable, filterable table; the picked rows are the selection of its link.

    Parameters
    ----------
    frame : DataFrame
        One line a row of the index, in its order.
    index : Index or None
        Ids of the rows; None takes the link's, else the frame's own index, which then is shown as
        the first column unless it only counts.
    link : Link or None
        Shared selection; None makes an own one.
    units : mapping of column to str
        Units, shown in the headers, e.g. ``{"loss": "nats"}``.
    sort : str or None
        Column to sort by at first; None keeps the frame's order.
    descending : bool
        Largest first.
    columns : sequence of str or None
        Which columns to show, in this order; None for all.
    title, caption, height
        See `View`.
    """

    _kind = traitlets.Unicode("table").tag(sync=True)
    _columns = traitlets.List().tag(sync=True)
    _sort = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        frame: pd.DataFrame,
        *,
        index: Index | None = None,
        link: Link | None = None,
        units: Mapping[str, str] | None = None,
        sort: str | None = None,
        descending: bool = True,
        columns: list[str] | None = None,
        title: str = "",
        caption: str = "",
        height: int = 320,
    ) -> None:
        if link is None and index is None:
            index, frame, columns = _with_ids(frame, columns)
        super().__init__(index, link, title=title, caption=caption, height=height)
        self.set_frame(
            frame, index=index, units=units, sort=sort, descending=descending, columns=columns
        )

    def set_frame(
        self,
        frame: pd.DataFrame,
        *,
        index: Index | None = None,
        units: Mapping[str, str] | None = None,
        sort: str | None = None,
        descending: bool = True,
        columns: list[str] | None = None,
        title: str | None = None,
        caption: str | None = None,
    ) -> None:
        """Show another frame; arguments as in the constructor.

        A table with a link of its own takes the rows of a frame of another length, too.

        Raises
        ------
        ValueError
            If the frame has not one line a row, or a named column is missing.
        """
        if index is None and self._owns_link and len(frame) != len(self.link.index):
            index, frame, columns = _with_ids(frame, columns)
        index = self._take_index(index)
        check.same_length("frame", len(frame), "index", len(index))
        names = [str(one) for one in frame.columns] if columns is None else list(columns)
        known = [str(one) for one in frame.columns]
        for one in [*names, *(units or {}), *([sort] if sort is not None else [])]:
            check.one_of("column", one, known)
        self._rows = index
        self._put(
            {
                "_columns": [
                    _column(one, frame.iloc[:, known.index(one)], (units or {}).get(one, ""))
                    for one in names
                ],
                "_sort": {"column": sort or "", "descending": bool(descending)},
                "_digest": index.digest,
                "title": self.title if title is None else title,
                "caption": self.caption if caption is None else caption,
            }
        )


def _with_ids(
    frame: pd.DataFrame, columns: list[str] | None
) -> tuple[Index, pd.DataFrame, list[str] | None]:
    """Rows of a frame by its own index, which becomes the first column unless it only counts."""
    index = Index(frame.index.to_numpy(), str(frame.index.name or "row"))
    if not isinstance(frame.index, pd.RangeIndex) and index.axis not in frame.columns:
        # Otherwise nothing on the page would say which row is which.
        frame = frame.reset_index(names=index.axis)
        columns = [index.axis, *columns] if columns is not None else None
    return index, frame, columns


def _column(name: str, values: "pd.Series[Any]", unit: str) -> dict[str, Any]:
    """Wire form of a column: numbers as bytes, texts as codes into their distinct values."""
    if pd.api.types.is_bool_dtype(values.dtype):
        values = values.map({True: "yes", False: ""})
    if pd.api.types.is_numeric_dtype(values.dtype):
        whole = pd.api.types.is_integer_dtype(values.dtype)
        numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
        return {
            "name": name,
            "kind": "number",
            "unit": unit,
            "whole": bool(whole),
            "data": _array.encode(numbers),
        }
    codes, names = pd.factorize(values.astype("string").fillna("").to_numpy(dtype=object))
    return {
        "name": name,
        "kind": "text",
        "unit": unit,
        "names": [str(one) for one in names],
        "data": _array.encode(np.asarray(codes, dtype=np.uint32)),
    }

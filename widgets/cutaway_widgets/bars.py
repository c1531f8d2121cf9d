"""Bars of rows at one of several steps, with a slider over the steps that needs no kernel."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import traitlets
from ipywidgets import widget_serialization
from numpy.typing import ArrayLike, NDArray

from cutaway.core import Index, check
from cutaway_widgets import _array
from cutaway_widgets._array import Array
from cutaway_widgets._base import LinkedView, texts
from cutaway_widgets._link import Link

Numbers: TypeAlias = Mapping[str, ArrayLike] | ArrayLike
Floats: TypeAlias = NDArray[np.float64]


class Bars(LinkedView):
    """A bar a row, or a few, e.g. features left of each layer; a slider goes over the steps.

    Parameters
    ----------
    values : array_like of shape (rows,) or (steps, rows), or mapping of str to such
        Length of each row's bar at each step, not negative; a mapping gives each row several bars.
        NaN draws none.
    whole : array_like of shape (rows,), or mapping of str to such, or None
        What a full bar stands for, e.g. all features of the layer. None measures all rows by the
        largest value.
    index : Index or None
        Ids of the rows; None takes the link's, else it counts.
    link : Link or None
        Shared selection of the rows; None makes an own one.
    steps : Index or None
        Ids of the steps; its axis says what they are, e.g. "beta". None takes those of `step_link`,
        else it counts.
    step_link : Link or None
        The first selected step is the one that is shown, the first of all where none is. Views of
        the same steps follow without a kernel. None makes an own one.
    marks : array_like of shape (rows,) or (steps, rows), or None
        Ticks on the bars, in the unit of the first bar, e.g. of an untrained model.
    mark : str
        What the ticks are.
    details : sequence of str, mapping of id to str, or None
        A small line under each row.
    notes : sequence of str or None
        Lines above the bars, one a step.
    unit : str
        Of the values.
    title, caption, height
        See `View`.

    Raises
    ------
    ValueError
        If lengths differ, or a value is negative or infinite.
    """

    _kind = traitlets.Unicode("bars").tag(sync=True)
    step_link = traitlets.Instance(Link, allow_none=True).tag(sync=True, **widget_serialization)
    _step_digest = traitlets.Unicode("").tag(sync=True)
    _series = traitlets.List().tag(sync=True)
    _marks = Array("f8", (None, None))
    _details = traitlets.List().tag(sync=True)
    _notes = traitlets.List().tag(sync=True)
    mark = traitlets.Unicode("").tag(sync=True)
    unit = traitlets.Unicode("").tag(sync=True)

    def __init__(
        self,
        values: Numbers,
        *,
        whole: Numbers | None = None,
        index: Index | None = None,
        link: Link | None = None,
        steps: Index | None = None,
        step_link: Link | None = None,
        marks: ArrayLike | None = None,
        mark: str = "",
        details: Sequence[str] | Mapping[Any, str] | None = None,
        notes: Sequence[str] | None = None,
        unit: str = "",
        title: str = "",
        caption: str = "",
        height: int = 320,
    ) -> None:
        tables = _tables(values)
        n_steps, n_rows = next(iter(tables.values())).shape if tables else (0, 0)
        if link is None and index is None:
            index = Index.count(n_rows)
        super().__init__(index, link, title=title, caption=caption, height=height)
        self._owns_steps = step_link is None
        if step_link is None:
            step_link = Link(steps or Index.count(n_steps, "step"), lock=self.link.lock)
        self._put({"step_link": step_link, "mark": mark, "unit": unit})
        self.set_values(
            tables, whole=whole, index=index, steps=steps, marks=marks, details=details,
            notes=notes,
        )  # fmt: skip

    @property
    def step(self) -> int:
        """Place of the step that is shown."""
        chosen = self.step_link.selection
        return 0 if chosen is None else int(self.step_link.index.positions(chosen.ids).min())

    def set_values(
        self,
        values: Numbers,
        *,
        whole: Numbers | None = None,
        index: Index | None = None,
        steps: Index | None = None,
        marks: ArrayLike | None = None,
        details: Sequence[str] | Mapping[Any, str] | None = None,
        notes: Sequence[str] | None = None,
        title: str | None = None,
        caption: str | None = None,
    ) -> None:
        """Show other bars; arguments as in the constructor, None keeps title and caption.

        Raises
        ------
        ValueError
            If lengths differ, or a value is negative or infinite.
        """
        tables = _tables(values)
        rows = index if index is not None else self.link.index
        if steps is None:
            counted = len(next(iter(tables.values()))) if tables and self._owns_steps else None
            known: Index = self.step_link.index
            steps = known if counted in (None, len(known)) else Index.count(counted, "step")
        for name, table in tables.items():
            check.same_length(f"values[{name!r}]", len(table), "steps", len(steps))
            check.same_length(f"values[{name!r}][0]", table.shape[1], "index", len(rows))
        ticks = _marks(marks, len(steps), len(rows))
        full = _full(whole, tables, len(rows))
        lines = [] if notes is None else [str(one) for one in notes]
        if notes is not None:
            check.same_length("notes", len(lines), "steps", len(steps))
        small = texts("details", details, rows)
        self._rows = self._take_index(rows)
        if self._owns_steps and steps.digest != self.step_link.digest:
            self.step_link.set_index(steps)
        self._put(
            {
                "_series": [
                    {"name": name, "values": _array.encode(one), "whole": _array.encode(full[name])}
                    for name, one in tables.items()
                ],
                "_marks": ticks,
                "_details": small,
                "_notes": lines,
                "_digest": rows.digest,
                "_step_digest": steps.digest,
                "title": self.title if title is None else title,
                "caption": self.caption if caption is None else caption,
            }
        )


def _tables(values: Any) -> dict[str, Floats]:
    """Each series as (steps, rows)."""
    given = values if isinstance(values, Mapping) else {"": values}
    return {str(name): _table(f"values[{name!r}]", one) for name, one in given.items()}


def _table(name: str, values: Any) -> Floats:
    table = np.array(values, dtype=np.float64)
    table = table[None] if table.ndim == 1 else table
    check.n_dims(name, table, 2, "steps, rows")
    wrong = ~np.isnan(table) & ~((table >= 0) & np.isfinite(table))
    if wrong.any():
        raise ValueError(
            f"{name} must be finite and not negative, got {table[wrong][0]}; "
            "a bar starts at 0, use NaN for none"
        )
    return table


def _marks(marks: ArrayLike | None, n_steps: int, n_rows: int) -> Floats:
    if marks is None:
        return np.zeros((0, 0))
    table = _table("marks", marks)
    if len(table) == 1:
        table = np.repeat(table, n_steps, axis=0)
    check.same_length("marks", len(table), "steps", n_steps)
    check.same_length("marks[0]", table.shape[1], "index", n_rows)
    return table


def _full(whole: Any, tables: Mapping[str, Floats], n_rows: int) -> dict[str, Floats]:
    """What a full bar of each row stands for, by series."""
    if whole is None:
        most = max((float(np.nanmax(one, initial=0.0)) for one in tables.values()), default=0.0)
        return {name: np.full(n_rows, most) for name in tables}
    given = whole if isinstance(whole, Mapping) else dict.fromkeys(tables, whole)
    full = {}
    for name in tables:
        if name not in given:
            raise ValueError(
                f"whole must name the series {list(tables)}, got {list(given)}; "
                "give one array for all, or one a series"
            )
        full[name] = _table(f"whole[{name!r}]", given[name])[0]
        check.same_length(f"whole[{name!r}]", len(full[name]), "index", n_rows)
    return full

"""Lines over an axis with a cursor: losses over epochs, a curve to choose a number on."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import traitlets
from ipywidgets import widget_serialization
from numpy.typing import ArrayLike, NDArray

from cutaway.core import Index, check
from cutaway_widgets import _array
from cutaway_widgets._array import Array
from cutaway_widgets._base import View
from cutaway_widgets._link import Link

Floats: TypeAlias = NDArray[np.float64]
Moved: TypeAlias = Callable[[float | None], None]


class LineChart(View):
    """Series over a common axis or each over its own, with a cursor that Python hears of.

    Lines differ by colour (Okabe-Ito) and by dash; the legend shows and hides them. The cursor is
    dragged, clicked or moved by the arrow keys, also without a kernel; `cursor` is its x. With a
    link each x is a row: a dragged range selects rows, and selected rows are marked.

    Parameters
    ----------
    series : mapping of str to array_like of shape (n,), or array_like of shape (k, n) or (n,)
        The numbers of each line; NaN and infinities are gaps.
    x : array_like of shape (n,), mapping of str to array_like, or None
        Places of the numbers; a mapping gives each series its own. None counts from 0.
    bands : mapping of str to (low, high)
        Range around a series, two arrays of its length, e.g. an interval over seeds.
    names : sequence of str or None
        Names of the lines where `series` is an array; None numbers them.
    x_label, y_label, unit : str
        What the axes show; `unit` is that of the numbers.
    cursor : float or None
        Where the cursor stands at first; None for none until someone clicks.
    snap : bool
        Cursor on the x of the data only.
    follow : bool
        The cursor stands at the selected place of the link, and moving it selects there: views of
        the same places, e.g. a slider, go with it. `cursor` is then not used.
    index : Index or None
        Ids of the places x, which makes them rows of an own link; None with `link` takes its rows.
    link : Link or None
        Shared selection of the places x.
    log_x, log_y : bool
        Logarithmic axes; what is not above zero is a gap.
    y_limits : (float, float) or None
        Ends of the y axis; None takes them from the data.
    hidden : iterable of str
        Series not shown at first.
    title, caption, height
        See `View`.

    Raises
    ------
    ValueError
        If lengths differ, x is not finite, or own x meet a link.
    """

    _kind = traitlets.Unicode("line_chart").tag(sync=True)
    _series = traitlets.List().tag(sync=True)
    _x = Array("f8", (None,))
    _digest = traitlets.Unicode("").tag(sync=True)
    link = traitlets.Instance(Link, allow_none=True).tag(sync=True, **widget_serialization)
    x_label = traitlets.Unicode("").tag(sync=True)
    y_label = traitlets.Unicode("").tag(sync=True)
    unit = traitlets.Unicode("").tag(sync=True)
    # No echo: one that arrives during a drag would put the cursor back.
    cursor = traitlets.Float(None, allow_none=True).tag(sync=True, echo_update=False)
    snap = traitlets.Bool(True).tag(sync=True)
    follow = traitlets.Bool(False).tag(sync=True)
    log_x = traitlets.Bool(False).tag(sync=True)
    log_y = traitlets.Bool(False).tag(sync=True)
    y_limits = traitlets.List(None, allow_none=True).tag(sync=True)
    hidden = traitlets.List(traitlets.Unicode()).tag(sync=True, echo_update=False)

    def __init__(
        self,
        series: Mapping[str, ArrayLike] | ArrayLike,
        x: ArrayLike | Mapping[str, ArrayLike] | None = None,
        *,
        bands: Mapping[str, Sequence[ArrayLike]] | None = None,
        names: Sequence[str] | None = None,
        x_label: str = "",
        y_label: str = "",
        unit: str = "",
        cursor: float | None = None,
        snap: bool = True,
        follow: bool = False,
        index: Index | None = None,
        link: Link | None = None,
        log_x: bool = False,
        log_y: bool = False,
        y_limits: tuple[float, float] | None = None,
        hidden: Iterable[str] = (),
        title: str = "",
        caption: str = "",
        height: int = 260,
    ) -> None:
        self._stops: Floats = np.zeros(0)
        self._heard: list[Moved] = []
        self._owns_link = False
        if link is None and index is not None:
            link, self._owns_link = Link(index), True
        if follow and link is None:
            raise ValueError("follow must be False without a link, got True; give link= or index=")
        lock = link.lock if link is not None else None
        super().__init__(title=title, caption=caption, height=height, lock=lock, link=link)
        self._put(
            {
                "snap": bool(snap),
                "follow": bool(follow),
                "log_x": bool(log_x),
                "log_y": bool(log_y),
                "y_limits": _interval(y_limits),
            }
        )
        self.set_series(
            series,
            x,
            bands=bands,
            names=names,
            index=index,
            x_label=x_label,
            y_label=y_label,
            unit=unit,
            cursor=cursor,
            hidden=hidden,
        )

    def set_series(
        self,
        series: Mapping[str, ArrayLike] | ArrayLike,
        x: ArrayLike | Mapping[str, ArrayLike] | None = None,
        *,
        bands: Mapping[str, Sequence[ArrayLike]] | None = None,
        names: Sequence[str] | None = None,
        index: Index | None = None,
        x_label: str | None = None,
        y_label: str | None = None,
        unit: str | None = None,
        cursor: float | None = None,
        hidden: Iterable[str] | None = None,
        title: str | None = None,
        caption: str | None = None,
    ) -> None:
        """Show other lines; arguments as in the constructor, None keeps words and cursor.

        Raises
        ------
        ValueError
            If lengths differ, x is not finite, or own x meet a link.
        """
        lines = _named(series, names)
        common, own = _places(x, lines)
        rows = index if index is not None else (self.link.index if self.link is not None else None)
        if rows is not None:
            if own:
                raise ValueError(
                    "x must be one array for all series where it is linked, got one a series; "
                    "leave link and index out"
                )
            check.same_length("x", len(common), "index", len(rows))
        wired = [_wire(name, y, own.get(name), bands or {}) for name, y in lines.items()]
        _known("bands", bands or {}, lines)
        off = [one for one in self.hidden if one in lines] if hidden is None else list(hidden)
        _known("hidden", off, lines)
        wanted = self.cursor if cursor is None else cursor
        self._stops = np.unique(np.concatenate([common, *own.values()]))
        if self._owns_link and index is not None and index.digest != self.link.digest:
            self.link.set_index(index)
        words = {"x_label": x_label, "y_label": y_label, "unit": unit}
        words |= {"title": title, "caption": caption}
        self._put(
            {
                "_x": common,
                "_series": wired,
                "_digest": rows.digest if rows is not None else "",
                "cursor": self._on_data(wanted),
                "hidden": off,
                **{name: one for name, one in words.items() if one is not None},
            }
        )

    def on_cursor(self, callback: Moved) -> Callable[[], None]:
        """Call ``callback(x or None)`` after the cursor moved; returns how to stop that.

        Quick moves are merged: a callback hears the last place, not every step. What it raises is
        shown under the chart.
        """
        self._heard.append(callback)
        return lambda: self._heard.remove(callback) if callback in self._heard else None

    def _on_data(self, x: float | None) -> float | None:
        """The place for the cursor that is nearest to x."""
        if x is None:
            return None
        if not np.isfinite(x):
            raise ValueError(f"cursor must be a finite number or None, got {x}; None removes it")
        if not self.snap or not len(self._stops):
            return float(x)
        return float(self._stops[np.argmin(np.abs(self._stops - x))])

    @traitlets.validate("cursor")
    def _snapped(self, proposal: Any) -> float | None:
        return self._on_data(proposal["value"])

    @traitlets.observe("cursor")
    def _tell(self, change: Any) -> None:
        with self._lock:
            for callback in tuple(self._heard):
                self.guarded(callback)(change["new"])

    def _summary(self) -> str:
        return f"{len(self._series)} series" + (f", {self.title}" if self.title else "")


def _known(name: str, given: Iterable[str], lines: Mapping[str, Any]) -> None:
    """Raise `ValueError` if `given` names a series that is not among `lines`."""
    for one in given:
        if one not in lines:
            known = ", ".join(repr(line) for line in lines)
            raise ValueError(f"{name} must name series among {known}, got {one!r}; check the name")


def _named(series: Any, names: Sequence[str] | None) -> dict[str, Floats]:
    """Each line's numbers by its name."""
    if isinstance(series, Mapping):
        if names is not None:
            raise ValueError(
                "names must be None where series is a mapping, got both; its keys are the names"
            )
        lines = {str(name): _line(f"series[{name!r}]", one) for name, one in series.items()}
    else:
        table = np.array(series, dtype=np.float64)
        table = table[None] if table.ndim == 1 else table
        check.n_dims("series", table, 2, "series, places")
        if names is None:
            names = [f"series {i}" for i in range(len(table))] if len(table) > 1 else ["value"]
        check.same_length("names", len(names), "series", len(table))
        lines = {str(name): one for name, one in zip(names, table, strict=True)}
        check.same_length("distinct names", len(lines), "series", len(table))
    return {name: np.where(np.isfinite(one), one, np.nan) for name, one in lines.items()}


def _line(name: str, values: Any) -> Floats:
    line = np.array(values, dtype=np.float64)
    check.n_dims(name, line, 1, "places")
    return line


def _places(x: Any, lines: Mapping[str, Floats]) -> tuple[Floats, dict[str, Floats]]:
    """The common x, or each series' own."""
    if isinstance(x, Mapping):
        own = {str(name): _line(f"x[{name!r}]", one) for name, one in x.items()}
        if set(own) != set(lines):
            raise ValueError(
                f"x must have an array for each of the series {list(lines)}, got {list(own)}; "
                "give one array for all, or one a series"
            )
        common = np.zeros(0)
    else:
        own = {}
        n = len(next(iter(lines.values()))) if lines else 0
        common = np.arange(n, dtype=np.float64) if x is None else _line("x", x)
    for name, y in lines.items():
        places = own.get(name, common)
        check.same_length(f"series[{name!r}]", len(y), "its x", len(places))
        if not np.isfinite(places).all():
            raise ValueError(
                f"x must be finite, got {places[~np.isfinite(places)][0]} in the x of {name!r}; "
                "leave such places out (a missing number is a NaN of the series)"
            )
    return common, own


def _wire(
    name: str, y: Floats, x: Floats | None, bands: Mapping[str, Sequence[ArrayLike]]
) -> dict[str, Any]:
    """Wire form of one line."""
    wired = {"name": name, "y": _array.encode(y), "x": None, "low": None, "high": None}
    if x is not None:
        wired["x"] = _array.encode(x)
    if name in bands:
        low, high = (_line(f"bands[{name!r}]", one) for one in bands[name])
        for one in (low, high):
            check.same_length(f"bands[{name!r}]", len(one), f"series[{name!r}]", len(y))
        if (low > high).any():
            at = int(np.argmax(low > high))
            raise ValueError(
                f"bands[{name!r}] must be low, then high, got {low[at]} above {high[at]} at place "
                f"{at}; swap the two"
            )
        wired |= {"low": _array.encode(low), "high": _array.encode(high)}
    return wired


def _interval(limits: tuple[float, float] | None) -> list[float] | None:
    if limits is None:
        return None
    low, high = (float(one) for one in limits)
    if not (np.isfinite([low, high]).all() and low < high):
        raise ValueError(
            f"y_limits must be two finite numbers, the smaller first, got {limits}; "
            "None takes them from the data"
        )
    return [low, high]

"""What all figures share: the dispatch by kind of result, the colours, the empty figure."""

import dataclasses
import html
from collections.abc import Callable
from functools import singledispatch, wraps
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cutaway.core import Index, Origin, Result

Figure = TypeVar("Figure", bound=Callable[..., Any])

OKABE_ITO = (
    "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000",
)  # fmt: skip
"""Colours that colour-blind readers can tell apart (Okabe and Ito 2008)."""


@singledispatch
def plot(result: Result, **_options: Any) -> Any:
    """Finished plotly figure of a result.

    Parameters
    ----------
    result : Result
        What to draw; each kind has its own figure.

    Returns
    -------
    plotly.graph_objects.Figure
        With axis titles, units and the result's origin as caption.

    Raises
    ------
    TypeError
        If there is no figure for this kind of result.
    """
    kinds = ", ".join(one.__name__ for one in plot.registry if one is not object)
    raise TypeError(
        f"result must be one of {kinds}, got {type(result).__name__}; use to_frame() and plot that"
    )


def draws(draw: Figure) -> Figure:
    """Register a function that draws one kind of result; the annotation says which.

    It is given a result whose texts are escaped, and options likewise: plotly reads titles, labels,
    names and hover texts as markup, and what a file says must never be any.
    """

    @wraps(draw)
    def drawn(result: Result, **options: Any) -> Any:
        return draw(
            _inert(result), **{name: _inert_value(value) for name, value in options.items()}
        )

    plot.register(drawn)
    return draw


def _inert(result: Result) -> Result:
    """Same result with every text in it escaped."""
    names = [field.name for field in dataclasses.fields(result)]
    changed = {name: _inert_value(getattr(result, name)) for name in names}
    return dataclasses.replace(result, **changed)


@singledispatch
def _inert_value(value: Any) -> Any:
    """Same value with every text in it escaped; numbers are passed on as they are."""
    return value


@_inert_value.register
def _(value: str) -> str:
    return html.escape(value, quote=False)


@_inert_value.register(list)
@_inert_value.register(tuple)
def _(value: Any) -> Any:
    return type(value)(map(_inert_value, value))


@_inert_value.register
def _(value: dict) -> dict[Any, Any]:  # type: ignore[type-arg]
    return {_inert_value(key): _inert_value(entry) for key, entry in value.items()}


@_inert_value.register
def _(value: np.ndarray) -> NDArray[Any]:
    if value.dtype.kind not in "UO":
        return value
    return np.array([_inert_value(text) for text in value.ravel()]).reshape(value.shape)


@_inert_value.register
def _(value: pd.Series) -> Any:
    return value if value.dtype.kind in "biufc" else value.astype(object).map(_inert_value)


@_inert_value.register
def _(value: pd.DataFrame) -> pd.DataFrame:
    return value.assign(**{name: _inert_value(value[name]) for name in value})


@_inert_value.register
def _(value: Index) -> Index:
    return Index(_inert_value(value.ids), _inert_value(value.axis))


@_inert_value.register
def _(value: Origin) -> Origin:
    names = ("function", "model", "site", "data")
    return dataclasses.replace(
        value, **{name: _inert_value(getattr(value, name)) for name in names}
    )


def empty_figure(result: Result, finding: str = "", **panels: Any) -> Any:
    """Figure without traces: the origin as caption, above it a line with what was found.

    Parameters
    ----------
    result : Result
        Gives the caption.
    finding : str
        Line above the caption; none by default.
    **panels
        Keywords of ``plotly.subplots.make_subplots``; one panel by default.
    """
    from plotly.subplots import make_subplots

    figure = make_subplots(**panels)
    figure.update_annotations(font_size=12)  # the titles of the panels
    top = 48 + 20 * bool(finding) + 20 * ("subplot_titles" in panels)
    caption = result.origin.caption()
    figure.update_layout(
        template="plotly_white",
        title={"text": f"{finding}<br>{caption}" if finding else caption, "font": {"size": 12}},
        margin={"t": top, "l": 64, "r": 16, "b": 56},
    )
    return figure

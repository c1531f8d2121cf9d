"""What all figures share: the dispatch by kind of result, the colours, the empty figure."""

from functools import singledispatch
from typing import Any

from cutaway.core import Result

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

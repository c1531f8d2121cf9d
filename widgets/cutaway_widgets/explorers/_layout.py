"""Boxes and lines that the pages share."""

import html
from collections.abc import Sequence
from typing import Any

import ipywidgets


def line(text: str) -> str:
    """A line, or a few, that screen readers announce when it changes."""
    style = "margin:0 6px;white-space:pre-line;line-height:1.4"
    return f"<p role='status' style='{style}'>{html.escape(text)}</p>"


def heading(text: str) -> str:
    """The line above a page."""
    return f"<h2 style='margin:0'>{html.escape(text)}</h2>"


def row(children: Sequence[Any]) -> ipywidgets.Box:
    """Side by side, wrapping where the cell is narrow."""
    layout = ipywidgets.Layout(display="flex", flex_flow="row wrap", width="100%")
    return ipywidgets.Box(children, layout=layout)


def column(children: Sequence[Any], width: str, grow: int) -> ipywidgets.VBox:
    """One above the other, at least `width` wide unless the cell is narrower."""
    layout = ipywidgets.Layout(flex=f"{grow} 1 {width}", min_width="0", padding="0 8px 0 0")
    return ipywidgets.VBox(children, layout=layout)


def side_and_main(side: Sequence[Any], main: Sequence[Any]) -> ipywidgets.Box:
    """A narrow column of panels beside a wide one; above it where the cell is narrow."""
    left = ipywidgets.VBox(
        side,
        layout=ipywidgets.Layout(flex="1 1 320px", min_width="0", margin="0 12px 8px 0"),
    )
    left.add_class("cw-bench-side")
    body = ipywidgets.Box(
        [left, column(main, "520px", 6)],
        layout=ipywidgets.Layout(
            display="flex", flex_flow="row wrap", width="100%", align_items="flex-start",
            margin="8px 0 0 0",
        ),
    )  # fmt: skip
    body.add_class("cw-bench-body")
    return body


def end(widget: Any) -> None:
    """Close a widget, or what else can be closed, and all in it, layouts and own links too."""
    for one in getattr(widget, "children", ()):
        end(one)
    for owns, link in (("_owns_link", "link"), ("_owns_row_link", "row_link")):
        if getattr(widget, owns, False):
            end(getattr(widget, link))
    own = [getattr(widget, name, None) for name in ("layout", "style")]
    widget.close()
    for one in own:
        if isinstance(one, ipywidgets.Widget):
            one.close()

"""Views as one HTML file: state, code and style inside; linked, without kernel or network."""

import base64
import hashlib
import html
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cutaway
from cutaway.core._io import whole_file
from cutaway_widgets._base import View
from cutaway_widgets._code import STATIC
from cutaway_widgets._link import Link
from cutaway_widgets._markup import markup

# Boxes by the name of their drawing, so that explorers, which are boxes, count too.
_BOXES = {"VBoxModel": "column", "HBoxModel": "row", "BoxModel": "row", "GridBoxModel": "grid"}
# What a host needs and a page does not: its code comes once, its boxes are made anew.
_HOST = frozenset({"_code", "_css", "_esm", "_still", "layout", "tabbable", "tooltip"})
_HOST_PREFIXES = ("_model_", "_view_", "_anywidget_", "_dom_")

# Nothing is fetched and nothing runs but the page's own code, whatever the state holds.
_POLICY = (
    "default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; "
    "img-src data: blob:; base-uri 'none'; form-action 'none'; frame-src 'none'; object-src 'none'"
)
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><link rel="icon" href="data:,">
<style>{style}</style></head>
<body class="cwp">{heading}<main id="cutaway">
<noscript>This page needs JavaScript.</noscript></main>
<footer>Saved by Cutaway {version}. Selecting works here, in all views at once; \
what has to be computed (another layer, filter or model) needs a kernel.</footer>
<script type="application/json" id="cutaway-state">{state}</script>
<script>{code}</script></body></html>
"""


def export_html(view: Any, path: str | os.PathLike[str], *, title: str = "") -> Path:
    """Write views as one self-contained HTML file that works without kernel and network.

    Parameters
    ----------
    view : View or ipywidgets box
        A view, an explorer, or a tree of VBox, HBox, Box and GridBox of views, HTML and Button.
    path : path-like
        Where the file shall lie, ending in .html; a file there is replaced by the whole new one.
    title : str
        Heading of the page and of its tab; empty for no heading.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    TypeError
        If a widget in the tree is of another kind; names the kind.
    ValueError
        If `path` does not end in .html or .htm.

    Notes
    -----
    The page shows the state at the time of the call. Selecting, hovering, zooming, sorting and
    colouring go on working and views of one link follow each other. Buttons and progress bars are
    drawn disabled. The page's own policy forbids any request and any script but its own. Of an HTML
    widget only what is listed is kept: words, lists, tables, pictures inside the text and plain
    styles. Links have lost their target, which stands behind them in words: nothing in a page
    leaves it.
    """
    target = Path(path)
    if target.suffix.lower() not in {".html", ".htm"}:
        raise ValueError(
            f"path must end in .html, got {str(path)!r}; browsers open it as a page by that ending"
        )
    page = page_html(view, title=title)
    with whole_file(target) as temporary:
        temporary.write_text(page, encoding="utf-8", newline="\n")
    return target


def page_html(view: Any, *, title: str = "") -> str:
    """Text of the page that `export_html` writes; the same views give the same text.

    Parameters
    ----------
    view : View or ipywidgets box
        As for `export_html`.
    title : str
        As for `export_html`.

    Raises
    ------
    TypeError
        If a widget in the tree is of another kind, or `title` is no str.
    """
    if not isinstance(title, str):
        raise TypeError(f"title must be a str, got {type(title).__name__}; give '' for none")
    state = _State()
    tree = state.part(view)
    saved = json.dumps(
        {"tree": tree, "models": state.models},
        allow_nan=False, separators=(",", ":"),
    )  # fmt: skip
    code = (STATIC / "page.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    return _PAGE.format(
        policy=_POLICY.format(digest=digest),
        title=html.escape(title or getattr(view, "title", "") or "Cutaway"),
        style=(STATIC / "page.css").read_text(encoding="utf-8"),
        heading=f"<h1>{html.escape(title)}</h1>" if title else "",
        version=cutaway.__version__,
        # Inside a script element only "<" could end the text.
        state=saved.replace("<", "\\u003c"),
        code=code,
    )


class _State:
    """Models met on the way through a tree of widgets, each once, numbered in that order."""

    def __init__(self) -> None:
        self.models: dict[str, dict[str, Any]] = {}
        self._names: dict[str, str] = {}

    def part(self, widget: Any) -> dict[str, Any]:
        """One widget, with its children, as the page draws it."""
        if isinstance(widget, View):
            return {"part": "view", "model": self.model(widget), "style": _style(widget)}
        kind = getattr(widget, "_model_name", None)
        if kind in _BOXES:
            children = [self.part(one) for one in widget.children]
            way, style = _BOXES[kind], _style(widget)
            # By these a choice on the page shows and hides panels.
            classes = [one for one in widget._dom_classes if one.startswith("cw-")]  # noqa: SLF001
            return {
                "part": "box", "direction": way, "children": children, "style": style,
                "classes": classes,
            }  # fmt: skip
        if kind == "HTMLModel":
            text, value = widget.description, markup(widget.value)
            return {"part": "html", "text": text, "value": value, "style": _style(widget)}
        if kind == "ButtonModel":
            return {"part": "button", "text": widget.description, "style": _style(widget)}
        raise TypeError(
            "view must be a Cutaway view, or a VBox, HBox, Box or GridBox of views, HTML and "
            f"Button, got {type(widget).__name__}; leave it out, or put an HTML in its place"
        )

    def model(self, widget: View | Link) -> str:
        """Short name of a view's or link's model, whose state is kept."""
        known = self._names.get(widget.model_id)
        if known is not None:
            return known
        name = self._names[widget.model_id] = f"m{len(self._names)}"
        state: dict[str, Any] = {}
        self.models[name] = state
        # Callbacks may write from any thread; a view shares its link's lock.
        with widget.lock if isinstance(widget, Link) else widget._lock:  # noqa: SLF001
            for trait, value in widget.get_state().items():
                if trait in _HOST or trait.startswith(_HOST_PREFIXES):
                    continue
                held = getattr(widget, trait)
                state[trait] = self.model(held) if isinstance(held, Link) else encode(value)
        if isinstance(widget, Link):
            # Python may have heard of a pointer that is long gone.
            state["_hover"] = -1
        return name


def encode(value: Any) -> Any:
    """State in JSON's own kinds: bytes as base64, NaN and infinities as words.

    Parameters
    ----------
    value : any
        None, bool, int, float, str, bytes, or a list, tuple or mapping of them.

    Raises
    ------
    TypeError
        If something else is in it.
    """
    if isinstance(value, bytes | bytearray | memoryview):
        return {"$bytes": base64.b64encode(value).decode()}
    if isinstance(value, Mapping):
        # A key of the data that looks like one of the marks gets a second "$".
        return {
            f"${name}" if str(name).startswith("$") else str(name): encode(one)
            for name, one in value.items()
        }
    if isinstance(value, list | tuple):
        return [encode(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return {"$number": "NaN" if math.isnan(value) else f"{'-' * (value < 0)}Infinity"}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(
        f"state must hold numbers, texts, bytes, lists and mappings, got {type(value).__name__}; "
        "convert it before it is shown"
    )


def _style(widget: Any) -> dict[str, str]:
    """CSS of a widget's layout: what was set, by its CSS name."""
    return {
        name.replace("_", "-"): str(value)
        for name, value in widget.layout.get_state().items()
        if value is not None and not name.startswith("_")
    }

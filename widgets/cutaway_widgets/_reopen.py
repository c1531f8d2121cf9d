"""What a notebook shows of a view when nothing runs: one line, and a picture or a short table."""

import html
from collections.abc import Iterator
from typing import Any

HINT = "As it was when the cell ran. Run the notebook to work with it."
MOST_BYTES = 60_000
MOST_VIEWS = 4


class Reopens:
    """Mix-in, named before the widget class: outputs that say something without a kernel.

    A notebook keeps, besides the reference to the widget, one line of text and a small HTML
    fallback. Hosts that cannot revive the widget (an untrusted or converted notebook, a page of a
    code host) show these.
    """

    def _line(self) -> str:
        """What this is, on one line; for text/plain."""
        return repr(self)

    def _repr_mimebundle_(self, **keywords: Any) -> Any:
        found = super()._repr_mimebundle_(**keywords)  # type: ignore[misc]
        if found is None:
            return None
        # anywidget gives data and metadata, ipywidgets' boxes the data alone.
        data, *rest = found if isinstance(found, tuple) else (found,)
        # What `show(static=True)` displays has its picture in an output of its own.
        twice = any(one._still for one in views(self))  # noqa: SLF001 - of our own package
        page = f"<div>{html.escape(self._line())}</div>" if twice else fallback(self)
        data = {**data, "text/plain": self._line(), "text/html": page}
        return (data, *rest) if rest else data


def views(widget: Any) -> Iterator[Any]:
    """The views in a widget: itself, or those in its boxes, from top to bottom."""
    from cutaway_widgets._base import View

    if isinstance(widget, View):
        yield widget
        return
    for one in getattr(widget, "children", ()):
        yield from views(one)


def fallback(widget: Any) -> str:
    """HTML that stands for a widget: its line, pictures of at most four views, and a hint.

    Parameters
    ----------
    widget : View or box of views
        What is shown.

    Returns
    -------
    str
        At most about 60 kB.
    """
    # Each kind of view is imported for its picture; a page of one view needs them only here.
    from cutaway_widgets._stills import still

    many = list(views(widget))
    parts: list[str] = []
    room = MOST_BYTES
    for one in many:
        try:
            picture = still(one)
        except Exception as error:  # noqa: BLE001 - a missing picture must not cost the view
            picture = f"<!-- no picture: {html.escape(type(error).__name__)} -->"
        if not picture or len(picture) > room:
            continue
        title = getattr(one, "title", "")
        head = f"<h4>{html.escape(title)}</h4>" if title and len(many) > 1 else ""
        caption = f"<div><small>{html.escape(one.caption)}</small></div>" if one.caption else ""
        parts.append(f"<div>{head}{picture}{caption}</div>")
        room -= len(picture)
        if len(parts) == MOST_VIEWS:
            break
    words = html.escape(widget._line() if isinstance(widget, Reopens) else repr(widget))  # noqa: SLF001
    return f"<div><div>{words}</div>{''.join(parts)}<div><small>{HINT}</small></div></div>"


def show(view: Any, *, static: bool = False) -> None:
    """Display a view; with `static`, also a picture that appears when the notebook is reopened.

    Parameters
    ----------
    view : View or box of views
        What to show.
    static : bool
        Add a second output with the picture. The living view hides it; a notebook that is opened
        without a kernel and without saved widget state shows it.

    Raises
    ------
    TypeError
        If there is no view in it.
    """
    from IPython.display import HTML, display

    found = list(views(view))
    if not found:
        raise TypeError(
            f"view must be a Cutaway view or a box of them, got {type(view).__name__}; "
            "display it by itself"
        )
    if not static:
        display(view)
        return
    name = f"cutaway-still-{view.model_id}"
    found[0]._still = name  # noqa: SLF001 - the living view hides the picture by this name
    display(view)
    display(HTML(f'<div class="{name}">{fallback(view)}</div>'))

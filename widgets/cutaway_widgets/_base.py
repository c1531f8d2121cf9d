"""What all views share: the page's code, the link, the title, the caption, the error line."""

import functools
import threading
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec

import anywidget
import traitlets
from ipywidgets import Layout, widget_serialization

from cutaway.core import Index, check
from cutaway_widgets._code import code
from cutaway_widgets._link import Link, one_line
from cutaway_widgets._reopen import Reopens
from cutaway_widgets._strict import Strict

P = ParamSpec("P")

_STUB = """export default {
  async render({ model, el, host, signal }) {
    const code = await host.getWidget(model.get("_code"));
    return code.exports.render({ model, el, signal });
  },
};"""


class View(Strict, Reopens, anywidget.AnyWidget):
    """Base of every view; subclasses are final and set `_kind`.

    Parameters
    ----------
    title : str
        Heading of the view; empty for none.
    caption : str
        Small line at its foot: where the numbers come from.
    height : int
        Height of the drawing in CSS pixels.
    """

    _esm = _STUB
    _kind = traitlets.Unicode("").tag(sync=True)
    _code = anywidget.WidgetTrait().tag(sync=True)
    title = traitlets.Unicode("").tag(sync=True)
    caption = traitlets.Unicode("").tag(sync=True)
    height = traitlets.Int(320, min=60).tag(sync=True)
    error = traitlets.Unicode("").tag(sync=True)
    # Class of a picture that stands in when the notebook is reopened; hidden while this view lives.
    _still = traitlets.Unicode("").tag(sync=True)

    def __init__(
        self, *, title: str, caption: str, height: int, lock: Any | None = None, **traits: Any
    ) -> None:
        check.whole("height", height, 60, 4000, remedy="give pixels")
        # Callbacks and jobs may write from any thread; ipywidgets itself holds no lock.
        self._lock = lock if lock is not None else threading.RLock()
        # A drawing has no width of its own: in a box it would shrink to nothing.
        layout = Layout(width="100%", min_width="0")
        super().__init__(
            _code=code(), title=title, caption=caption, height=height, layout=layout, **traits
        )

    def guarded(self, observer: Callable[P, None]) -> Callable[P, None]:
        """Same observer, whose exceptions become the error line under this view."""

        @functools.wraps(observer)
        def safe(*args: P.args, **keywords: P.kwargs) -> None:
            try:
                observer(*args, **keywords)
            except Exception as error:  # noqa: BLE001 - the page is the only place to show it
                self.error = one_line(error)
            else:
                self.error = ""

        return safe

    def _put(self, values: Mapping[str, Any]) -> None:
        """Set several traits and send them as one message, so that the view redraws once."""
        with self._lock, self.hold_sync():
            for name, value in values.items():
                setattr(self, name, value)

    def _summary(self) -> str:
        return str(self.title)

    def _line(self) -> str:
        about = self._summary()
        words = _words(type(self).__name__)
        return f"{words} of {about}" if about else words

    def __repr__(self) -> str:
        about = self._summary()
        return f"{type(self).__name__}({about})" if about else type(self).__name__


class LinkedView(View):
    """Base of views of rows: one link, and the digest of the index that the data follows."""

    _owns_link = False
    link = traitlets.Instance(Link).tag(sync=True, **widget_serialization)
    _digest = traitlets.Unicode("").tag(sync=True)

    def __init__(
        self, index: Index | None, link: Link | None, *, title: str, caption: str, height: int
    ) -> None:
        if link is None:
            if index is None:
                raise ValueError(
                    f"{type(self).__name__} must have an index or a link, got neither; "
                    "give index=Index.count(n) or link="
                )
            link, self._owns_link = Link(index), True
        # The link goes in with the first message: the page never sees a view without one.
        # One lock for a link and its views: no order of two to get wrong.
        super().__init__(title=title, caption=caption, height=height, lock=link.lock, link=link)
        self._rows: Index = index if index is not None else self.link.index
        self._digest = self._rows.digest

    @property
    def index(self) -> Index:
        """The rows of the data that this view draws."""
        return self._rows

    def _take_index(self, index: Index | None) -> Index:
        """Index for new data: the given one, else the link's; a link made here follows it."""
        if index is None:
            rows: Index = self.link.index
            return rows
        if self._owns_link and index.digest != self.link.digest:
            self.link.set_index(index)
        return index

    def _summary(self) -> str:
        n, axis = len(self._rows), self._rows.axis
        return f"{n:,} {axis}{'s' * (n != 1)}" + (f", {self.title}" if self.title else "")


def _words(name: str) -> str:
    """Name of a class as words: ImageGrid as Image grid."""
    apart = "".join(f" {one.lower()}" if one.isupper() else one for one in name)
    return apart.strip().capitalize()


def texts(name: str, values: Any, index: Index) -> list[str]:
    """One string a row.

    Parameters
    ----------
    name : str
        The argument's name, for the message.
    values : sequence, mapping of id to str, or None
        None gives an empty list (no texts).
    index : Index
        The rows.
    """
    if values is None:
        return []
    if isinstance(values, Mapping):
        return [str(values.get(one, "")) for one in index]
    found = [str(one) for one in values]
    check.same_length(name, len(found), "index", len(index))
    return found

"""The browser's code, once a page: every view asks this one widget for its functions."""

import threading
from pathlib import Path

import anywidget

STATIC = Path(__file__).parent / "static"


class Code(anywidget.AnyWidget):
    """Carrier of the bundle and the style sheet; never shown. Use `code` to get it."""

    _esm = STATIC / "cutaway.js"
    _css = STATIC / "cutaway.css"


_lock = threading.Lock()
_current: list[Code] = []


def code() -> Code:
    """The living `Code` of this process; a new one if ``Widget.close_all()`` ended the last."""
    with _lock:
        if not _current or _current[0].comm is None:
            _current[:] = [Code()]
        return _current[0]

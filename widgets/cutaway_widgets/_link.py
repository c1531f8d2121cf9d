"""The shared selection of one axis of ids: lives in the browser, heard in Python as state."""

import threading
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import anywidget
import numpy as np
import traitlets

from cutaway.core import Index, Selection
from cutaway_widgets import _atlas
from cutaway_widgets._strict import Strict

Heard: TypeAlias = Callable[[Selection | None], None]


class Link(Strict, anywidget.AnyWidget):
    """What views of the same rows share: selection, hover, colour column, thumbnails.

    Views draw from this model in the browser, so they follow each other without the kernel.
    Callbacks may run in any thread; they run under `lock`.

    Parameters
    ----------
    index : Index
        The rows; one bit of the selection each.
    thumbnails : Atlas, Dataset or None
        Pictures of the rows, sent once for all views.
    lock : threading.RLock or None
        Held while callbacks run; pass the workspace's to serialise with other work.
    """

    _esm = "export default { initialize() {} }"

    n = traitlets.Int(0, read_only=True).tag(sync=True)
    axis = traitlets.Unicode("sample", read_only=True).tag(sync=True)
    digest = traitlets.Unicode("", read_only=True).tag(sync=True)
    color_by = traitlets.Unicode("").tag(sync=True)
    error = traitlets.Unicode("").tag(sync=True)
    # Ids for captions; None stands for 0 … n-1.
    _ids = traitlets.Any(None).tag(sync=True)
    _thumbnails = traitlets.Any(None).tag(sync=True)
    # Bit i (lowest first) is row i of the index with digest `_of`. No echo: an echo that arrives
    # between two quick selections would put the older one back. CBytes, as plain Bytes refuses the
    # memoryview that a host delivers.
    _mask = traitlets.CBytes(b"").tag(sync=True, echo_update=False)
    _of = traitlets.Unicode("").tag(sync=True, echo_update=False)
    _by = traitlets.Unicode("").tag(sync=True, echo_update=False)
    _hover = traitlets.Int(-1).tag(sync=True, echo_update=False)

    def __init__(self, index: Index, *, thumbnails: Any = None, lock: Any | None = None) -> None:
        self._lock = lock if lock is not None else threading.RLock()
        self._heard: list[Heard] = []
        self._index = index
        super().__init__()
        self.set_index(index, thumbnails=thumbnails)

    @property
    def index(self) -> Index:
        """The rows that the selection is about."""
        return self._index

    @property
    def lock(self) -> Any:
        """Held while callbacks run (a `threading.RLock`)."""
        return self._lock

    @property
    def selection(self) -> Selection | None:
        """The selected ids, in the order of the index; None when nothing is selected."""
        with self._lock:
            # A message about rows that were replaced meanwhile selects nothing.
            if self._of != self.digest or len(self._mask) != (self.n + 7) // 8:
                return None
            bits = np.unpackbits(
                np.frombuffer(self._mask, np.uint8), count=self.n, bitorder="little"
            )
            positions = np.flatnonzero(bits)
            if not len(positions):
                return None
            ids = tuple(self._index.ids[positions].tolist())
            return Selection(ids, self.axis, self.digest, self._by or "view")

    def select(self, ids: Iterable[int | str], *, by: str = "code") -> None:
        """Select these ids in every view; an empty iterable clears the selection.

        Raises
        ------
        KeyError
            If an id is not in the index.
        """
        with self._lock:
            bits = np.zeros(self.n, np.uint8)
            bits[self._index.positions(list(ids))] = 1
            self._put(np.packbits(bits, bitorder="little").tobytes(), by)

    def clear(self) -> None:
        """Select nothing."""
        self.select(())

    def set_index(self, index: Index, *, thumbnails: Any = None) -> None:
        """Put other rows in place of these; the selection is cleared.

        Parameters
        ----------
        index : Index
            The new rows.
        thumbnails : Atlas, Dataset or None
            Their pictures; None for none.
        """
        pictures = _atlas.wire(thumbnails, index)
        plain = np.array_equal(index.ids, np.arange(len(index)))
        with self._lock, self.hold_sync():
            self._index = index
            self.set_trait("n", len(index))
            self.set_trait("axis", index.axis)
            self.set_trait("digest", index.digest)
            self._ids = None if plain else index.ids.tolist()
            self._thumbnails = pictures
            self._hover = -1
            self._put(bytes((len(index) + 7) // 8), "code")

    def set_thumbnails(self, thumbnails: Any) -> None:
        """Show these pictures of the rows (an Atlas in index order, a Dataset, or None)."""
        with self._lock:
            self._thumbnails = _atlas.wire(thumbnails, self._index)

    def on_selection(self, callback: Heard) -> Callable[[], None]:
        """Call `callback(selection or None)` after each change; returns how to stop that.

        Quick changes are merged: a callback hears the last state, not every step.
        """
        self._heard.append(callback)
        return lambda: self._heard.remove(callback) if callback in self._heard else None

    def _put(self, mask: bytes, by: str) -> None:
        with self.hold_sync():
            self._by = by
            self._of = self.digest
            self._mask = mask

    @traitlets.observe("_mask")
    def _tell(self, _change: Any) -> None:
        with self._lock:
            selection = self.selection
            for callback in tuple(self._heard):
                try:
                    callback(selection)
                except Exception as error:  # noqa: BLE001 - shown under the views, nowhere else seen
                    self.error = one_line(error)
                else:
                    self.error = ""

    def __repr__(self) -> str:
        chosen = self.selection
        return f"Link({self.n} {self.axis}s, {len(chosen) if chosen else 0} selected)"


def one_line(error: BaseException) -> str:
    """First line of an error with its type, as shown under a view."""
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0]}" if text else type(error).__name__

"""The shared selection of one axis of ids: lives in the browser, heard in Python as state."""

import threading
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

import anywidget
import numpy as np
import traitlets

from cutaway.core import Index, Selection
from cutaway_widgets import _atlas, _named
from cutaway_widgets._history import History, Step
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
    # Number of the step: the states of one drag have the same.
    _step = traitlets.Int(-1).tag(sync=True, echo_update=False)
    # Records of `_named.record`; those about other rows are kept out.
    _named = traitlets.List().tag(sync=True, echo_update=False)
    _dropped = traitlets.List(traitlets.Unicode()).tag(sync=True)
    _hover = traitlets.Int(-1).tag(sync=True, echo_update=False)

    def __init__(self, index: Index, *, thumbnails: Any = None, lock: Any | None = None) -> None:
        self._lock = lock if lock is not None else threading.RLock()
        self._heard: list[Heard] = []
        self._index = index
        self._history = History()
        self._last: tuple[bytes, Selection | None] | None = None
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
            if self._last is None or self._last[0] is not self._mask:
                flags = _named.flags(self._mask, self.n)
                by = self._by or "view"
                found = Selection.where(self._index, flags, by=by) if flags.any() else None
                self._last = (self._mask, found)
            return self._last[1]

    def select(self, ids: Iterable[int | str], *, by: str = "code") -> None:
        """Select these ids in every view; an empty iterable clears the selection.

        Raises
        ------
        KeyError
            If an id is not in the index.
        """
        with self._lock:
            self._put(_named.mask_of(ids, self._index), by)

    def undo(self) -> bool:
        """Go back to the selection before the last change; False when there is none.

        Python knows the states in which the selection rested; the views know every step.
        """
        return self._go("undo")

    def redo(self) -> bool:
        """Take the last `undo` back; False when there is none."""
        return self._go("redo")

    @property
    def named(self) -> Mapping[str, Selection]:
        """The selections kept under a name, in the order they were kept (read-only)."""
        with self._lock:
            return MappingProxyType(_named.selections(self._named, self._index))

    def keep(self, name: str, ids: Iterable[int | str] | None = None) -> None:
        """Keep a selection under a name; one of that name is replaced.

        Parameters
        ----------
        name : str
            Its name, 1 to 60 characters.
        ids : iterable of int or str, or None
            What to keep; None takes the present selection.

        Raises
        ------
        ValueError
            If the name is empty or too long, or nothing is selected.
        KeyError
            If an id is not in the index.
        """
        name = _named.checked(name)
        with self._lock:
            if ids is None:
                chosen, by = self.selection, self._by or "view"
                mask = self._mask if chosen else b""
            else:
                mask, by = _named.mask_of(ids, self._index), "code"
            if not any(mask):
                raise ValueError(
                    f"selection {name!r} must hold at least one {self.axis}, got none; "
                    "select something first, or give ids"
                )
            fresh = _named.record(name, mask, self.digest, by)
            self._named = _named.put(self._named, fresh)

    def recall(self, name: str, how: Literal["replace", "and", "or", "minus"] = "replace") -> None:
        """Select what a name keeps, or combine it with the present selection.

        Parameters
        ----------
        name : str
            One of `named`.
        how : {"replace", "and", "or", "minus"}
            "and" leaves what is in both, "or" what is in either, "minus" takes it away.

        Raises
        ------
        KeyError
            If nothing is kept under that name.
        ValueError
            If `how` is none of these.
        """
        with self._lock:
            found = _named.find(self._named, name)["mask"]
            present = self._mask if self.selection else bytes(len(found))
            self._put(_named.combine(present, found, how), "code")

    def rename(self, old: str, new: str) -> None:
        """Give a kept selection another name; one of that name is replaced."""
        new = _named.checked(new)
        with self._lock:
            found = _named.find(self._named, old)
            rest = [one for one in self._named if one["name"] != new or one is found]
            self._named = [{**one, "name": new} if one is found else one for one in rest]

    def forget(self, name: str) -> None:
        """Drop what was kept under a name.

        Raises
        ------
        KeyError
            If nothing is kept under that name.
        """
        with self._lock:
            found = _named.find(self._named, name)
            self._named = [one for one in self._named if one is not found]

    def clear(self) -> None:
        """Select nothing."""
        self.select(())

    def set_index(self, index: Index, *, thumbnails: Any = None) -> None:
        """Put other rows in place of these; the selection and its history are cleared.

        Named selections stay when the new rows have the same ids, in any order; others are dropped,
        and the selection bar says so.

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
            kept, dropped = _named.carry(self._named, self._index, index)
            self._index = index
            self.set_trait("n", len(index))
            self.set_trait("axis", index.axis)
            self.set_trait("digest", index.digest)
            self._ids = None if plain else index.ids.tolist()
            self._thumbnails = pictures
            self._hover = -1
            self._named, self._dropped = kept, dropped
            self._last = None
            self._put(bytes((len(index) + 7) // 8), "code")
            self._history.start(self._mask)

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

    def _go(self, way: Literal["undo", "redo"]) -> bool:
        with self._lock:
            steps = self._history.past if way == "undo" else self._history.future
            if not steps:
                return False
            self._put(steps[-1].mask, way)
            return True

    def _put(self, mask: bytes, by: str) -> None:
        with self.hold_sync():
            self._by = by
            self._of = self.digest
            self._step = -1
            self._mask = mask

    @traitlets.observe("_mask")
    def _tell(self, _change: Any) -> None:
        with self._lock:
            self._last = None
            if self._of == self.digest and len(self._mask) == (self.n + 7) // 8:
                self._history.note(Step(self._mask, self._by, self._step))
            if not self._heard:
                return
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

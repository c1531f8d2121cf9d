"""Named slots that hold what a person is working with, and tell listeners when one changes."""

import os
import threading
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any, TypeAlias, TypeVar

from cutaway.core import Result, digest
from cutaway.core.selection import Selection

Listener: TypeAlias = Callable[[str, Any, Any], None]
R = TypeVar("R")

SLOTS = ("model", "data", "sites", "picked", "activations", "selection", "edits", "effect")
_STEPS = 100  # of the history of edits
_KEPT = 16  # computations: a person who screens layer after layer would fill the memory
_FIXED = frozenset({"edits", "effect"})  # in a read-only session
_OWN = frozenset(
    {"lock", "results", "selections"}
    | {"_listeners", "_kept", "_past", "_future", "_awaited", "_why"}
)


class Workspace:
    """Slots with one writer each; results are frozen, so a slot only ever changes as a whole.

    Attributes
    ----------
    model, data, sites, picked, activations, selection, edits, effect : object or None
        Plain slots; assigning one notifies listeners with ``(name, old, new)``. `picked` are names
        of sites that a person chose. Changes of `edits` can be undone.
    results : MutableMapping of str to Result
        Named results; assigning ``results["screen"]`` notifies as ``"results.screen"``.
    selections : MutableMapping of str to Selection
        Named selections; assigning one notifies as ``"selections.NAME"``.
    lock : threading.RLock
        Held while a slot changes and listeners run. Hold it for a change of several slots.
    """

    model: Any
    data: Any
    sites: Any
    picked: Any
    activations: Any
    selection: Any
    edits: Any
    effect: Any

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._listeners: list[tuple[frozenset[str], Listener]] = []
        self._kept: dict[str, Any] = {}
        self._past: list[Any] = []
        self._future: list[Any] = []
        self._awaited: dict[str, dict[str, Any]] = {}
        self._why: dict[str, str] = {}
        for slot in SLOTS:
            object.__setattr__(self, slot, None)
        self.results: MutableMapping[str, Result] = _Named(self, "results", Result)
        self.selections: MutableMapping[str, Selection] = _Named(self, "selections", Selection)

    def __setattr__(self, name: str, value: object) -> None:
        if name not in SLOTS:
            if name not in _OWN or name in self.__dict__:
                raise AttributeError(
                    f"slot must be one of {', '.join(SLOTS)}, got {name!r}; "
                    "put results into ws.results[name]"
                )
            object.__setattr__(self, name, value)
            return
        with self.lock:
            old = getattr(self, name)
            if old is value:
                return
            if name in _FIXED:
                self._check_writable(name)
            if name in self._awaited and value is not None:
                self._check_awaited(name, value)
            if name == "edits":
                self._past[:] = [*self._past, old][-_STEPS:]
                self._future.clear()
            object.__setattr__(self, name, value)
            if name in {"model", "data"}:
                # Other arrays may bear the same ids and name, so a key cannot tell them apart.
                object.__setattr__(self, "_kept", {})
            self._tell(name, old, value)

    def listen(self, listener: Listener, *names: str) -> Callable[[], None]:
        """Call `listener(name, old, new)` when one of the named slots changes.

        Parameters
        ----------
        listener : callable
            Runs in the thread that assigned the slot, with the lock held.
        *names : str
            Slot names, ``"results.NAME"``; none means every change.

        Returns
        -------
        callable
            Call it to stop listening.
        """
        entry = (frozenset(names), listener)
        with self.lock:
            self._listeners.append(entry)

        def stop() -> None:
            with self.lock:
                if entry in self._listeners:
                    self._listeners.remove(entry)

        return stop

    def _tell(self, name: str, old: object, new: object) -> None:
        for names, listener in list(self._listeners):
            if not names or name in names:
                listener(name, old, new)

    def kept(self, what: str, parameters: Mapping[str, Any], make: Callable[[], R]) -> R:
        """What `make` returned for these parameters earlier, else make it now and keep it.

        The 16 used last are kept; another model or data set in the workspace ends them all.

        Parameters
        ----------
        what : str
            Name of the computation.
        parameters : mapping
            JSON values that decide its outcome, digests of model and data among them.
        make : callable
            Computes it; nothing is kept when it raises. Runs without the lock.
        """
        key = digest.of_json([what, dict(parameters)])
        with self.lock:
            # What is being made while another model comes in goes away with this dictionary.
            kept = self._kept
            if key in kept:
                found: R = kept.pop(key)
                kept[key] = found  # a dictionary is in order of arrival: the last one used last
                return found
        made = make()
        with self.lock:
            kept[key] = made
            while len(kept) > _KEPT:
                del kept[next(iter(kept))]
        return made

    @property
    def sources(self) -> dict[str, dict[str, Any] | None]:
        """How model and data were loaded, as arguments; None for a live object or an empty slot."""
        with self.lock:
            return {
                slot: self.awaited[slot].get("given")
                if slot in self.awaited
                else getattr(getattr(self, slot), "given", None)
                for slot in ("model", "data")
            }

    @property
    def missing(self) -> tuple[str, ...]:
        """One line for the model, and one for the data, that an opened session could not load."""
        return tuple(self._why.values())

    @property
    def read_only(self) -> bool:
        """Whether results, edits and effect are fixed, because model or data are missing."""
        return bool(self._why)

    @property
    def awaited(self) -> dict[str, dict[str, Any]]:
        """Name, digest and source of a missing model or data, by slot."""
        return dict(self._awaited)

    def wait_for(self, awaited: Mapping[str, dict[str, Any]], why: Mapping[str, str]) -> None:
        """Make the workspace read-only until the missing model and data are assigned."""
        with self.lock:
            self._awaited.clear()
            self._awaited.update(awaited)
            self._why.clear()
            self._why.update(why)

    def _check_awaited(self, slot: str, value: Any) -> None:
        from cutaway.session import digest_of

        wanted = self._awaited[slot]["digest"]
        found = digest_of(value)
        if found != wanted:
            raise ValueError(
                f"{slot} must have digest {wanted} as in the saved session, got {found}; "
                "use a new workspace for another one"
            )
        del self._awaited[slot], self._why[slot]

    def _check_writable(self, name: str) -> None:
        if self._why:
            raise PermissionError(
                f"{name} must stay as saved in a read-only session, got a new value; "
                f"first: {'; '.join(self._why.values())}"
            )

    @property
    def can_undo(self) -> bool:
        """Whether `undo` would change the edits."""
        return bool(self._past) and not self._why

    @property
    def can_redo(self) -> bool:
        """Whether `redo` would change the edits."""
        return bool(self._future) and not self._why

    def undo(self) -> bool:
        """Give the edits the value they had before; listeners hear ``"edits"``.

        Returns
        -------
        bool
            False if there is nothing to undo. The last 100 changes are kept.
        """
        return self._step(self._past, self._future)

    def redo(self) -> bool:
        """Take the last `undo` back, unless the edits were changed since.

        Returns
        -------
        bool
            False if there is nothing to redo.
        """
        return self._step(self._future, self._past)

    def _step(self, source: list[Any], target: list[Any]) -> bool:
        with self.lock:
            if not source or self._why:
                return False
            old, new = self.edits, source.pop()
            target.append(old)
            object.__setattr__(self, "edits", new)
            self._tell("edits", old, new)
            return True

    def forget_edits(self) -> None:
        """Begin a new history of edits with the present ones."""
        with self.lock:
            self._past.clear()
            self._future.clear()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the session into a new folder: JSON and npy only, no pickle, no model, no data.

        Parameters
        ----------
        path : path-like
            Folder to make. It will hold all results with their lens, parameters and seed, the
            selections, edits and picked sites, and how model and data were loaded.

        Raises
        ------
        FileExistsError
            If `path` exists.
        """
        from cutaway.session import save_workspace

        save_workspace(self, path)


class _Named(MutableMapping[str, R]):
    """Values of one kind by name; changes are told through the workspace."""

    def __init__(self, workspace: Workspace, slot: str, kind: type[R]) -> None:
        self._workspace = workspace
        self._slot = slot
        self._kind = kind
        self._items: dict[str, R] = {}

    def __getitem__(self, name: str) -> R:
        return self._items[name]

    def __setitem__(self, name: str, value: R) -> None:
        if not isinstance(value, self._kind):
            raise TypeError(
                f"{self._slot}[{name!r}] must be a {self._kind.__name__}, "
                f"got {type(value).__name__}; put other values into a slot"
            )
        self._change(name, value)

    def __delitem__(self, name: str) -> None:
        if name not in self._items:
            raise KeyError(name)
        self._change(name, None)

    def _change(self, name: str, value: R | None) -> None:
        space = self._workspace
        with space.lock:
            if self._slot == "results":
                space._check_writable(f"results[{name!r}]")  # noqa: SLF001 - one unit with it
            old = self._items.pop(name, None) if value is None else self._items.get(name)
            if value is not None:
                self._items[name] = value
            space._tell(f"{self._slot}.{name}", old, value)  # noqa: SLF001 - one unit with it

    def __iter__(self) -> Iterator[str]:
        return iter(dict(self._items))

    def __len__(self) -> int:
        return len(self._items)

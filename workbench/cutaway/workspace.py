"""Named slots that hold what a person is working with, and tell listeners when one changes."""

import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from cutaway.core import Result, digest
from cutaway.core.files import whole_folder
from cutaway.core.selection import Selection

Listener: TypeAlias = Callable[[str, Any, Any], None]
R = TypeVar("R")

SLOTS = ("model", "data", "sites", "activations", "selection", "edits", "effect")
_MANIFEST = "workspace.json"


class Workspace:
    """Slots with one writer each; results are frozen, so a slot only ever changes as a whole.

    Attributes
    ----------
    model, data, sites, activations, selection, edits, effect : object or None
        Plain slots; assigning one notifies listeners with ``(name, old, new)``.
    results : MutableMapping of str to Result
        Named results; assigning ``results["screen"]`` notifies as ``"results.screen"``.
    lock : threading.RLock
        Held while a slot changes and listeners run. Hold it for a change of several slots.
    """

    model: Any
    data: Any
    sites: Any
    activations: Any
    selection: Any
    edits: Any
    effect: Any

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._listeners: list[tuple[frozenset[str], Listener]] = []
        self._kept: dict[str, Any] = {}
        for slot in SLOTS:
            object.__setattr__(self, slot, None)
        self.results: MutableMapping[str, Result] = _Results(self)

    def __setattr__(self, name: str, value: object) -> None:
        if name not in SLOTS:
            if name not in {"lock", "results", "_listeners", "_kept"} or name in self.__dict__:
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

        Another model or data set in the workspace ends what was kept.

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
                found: R = kept[key]
                return found
        made = make()
        with self.lock:
            kept[key] = made
        return made

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write results and selection into a new folder: JSON and npy only, no pickle.

        Raises
        ------
        FileExistsError
            If `path` exists.
        """
        with self.lock, whole_folder(path) as folder:
            chosen = self.selection
            manifest = {
                "format": "cutaway-workspace",
                "schema": 1,
                "model": _name_and_digest(self.model),
                "data": _name_and_digest(self.data),
                "results": {name: type(one).__name__ for name, one in self.results.items()},
                "selection": vars(chosen) if isinstance(chosen, Selection) else None,
            }
            for name, one in self.results.items():
                one.save(folder / f"{name}.zip")
            (folder / _MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")


class _Results(MutableMapping[str, Result]):
    """Results by name; changes are told through the workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._items: dict[str, Result] = {}

    def __getitem__(self, name: str) -> Result:
        return self._items[name]

    def __setitem__(self, name: str, value: Result) -> None:
        if not isinstance(value, Result):
            raise TypeError(
                f"results[{name!r}] must be a Result, got {type(value).__name__}; "
                "put other values into a slot"
            )
        with self._workspace.lock:
            old = self._items.get(name)
            self._items[name] = value
            self._workspace._tell(f"results.{name}", old, value)  # noqa: SLF001 - one unit with it

    def __delitem__(self, name: str) -> None:
        with self._workspace.lock:
            old = self._items.pop(name)
            self._workspace._tell(f"results.{name}", old, None)  # noqa: SLF001 - one unit with it

    def __iter__(self) -> Iterator[str]:
        return iter(dict(self._items))

    def __len__(self) -> int:
        return len(self._items)


def _name_and_digest(value: Any) -> dict[str, str] | None:
    """Enough to recognise the model or data later; neither is stored."""
    if value is None:
        return None
    known = value.index.digest if hasattr(value, "index") else value.digest
    return {"name": value.name, "digest": known}


def open_workspace(path: str | os.PathLike[str]) -> Workspace:
    """Workspace with the results and selection that `Workspace.save` wrote; no model, no data.

    Raises
    ------
    ValueError
        If the folder is no saved workspace, is of a newer schema, or holds an unknown result.
    """
    from cutaway.causal import Effect
    from cutaway.lenses import LENSES
    from cutaway.model import Predictions

    folder = Path(path)
    try:
        manifest = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError) as error:
        raise ValueError(
            f"path must be a saved workspace, got {folder} ({error}); save one with ws.save(path)"
        ) from error
    if manifest["schema"] > 1:
        raise ValueError(
            f"schema must be at most 1, got {manifest['schema']} in {folder}; "
            "update cutaway to open it"
        )
    types: dict[str, type[Result]] = {
        one.__name__: one for one in (Effect, Predictions, *(lens.result_type() for lens in LENSES))
    }
    workspace = Workspace()
    for name, kind in manifest["results"].items():
        if kind not in types:
            raise ValueError(
                f"results must be of a known kind ({', '.join(types)}), got {kind} for {name!r}; "
                "update cutaway to open it"
            )
        workspace.results[name] = types[kind].load(folder / f"{name}.zip")
    if manifest["selection"] is not None:
        workspace.selection = Selection(**manifest["selection"])
    return workspace

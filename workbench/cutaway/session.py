"""Sessions: a workspace in a folder of JSON and npy, opened again with its model and data.

Model and data are not stored. The manifest says how each was loaded and what its digest was; what
cannot be loaded again, or is no longer the same, is missing and the workspace is read-only. Its
results are whole either way.
"""

import importlib
import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from cutaway.core import Result, digest
from cutaway.core._io import whole_folder
from cutaway.core.selection import Selection
from cutaway.lenses import LENSES
from cutaway.policy import Policy, current_policy
from cutaway.workspace import Workspace

MANIFEST = "workspace.json"
FORMAT = "cutaway-workspace"
SCHEMA = 2

# Results that no lens of the list makes.
_OTHERS = {
    "AnomalyGrowth": "cutaway.filters.overfitting",
    "Attributions": "cutaway.causal",
    "Completeness": "cutaway.observables.completeness",
    "ComplexityCurve": "cutaway.merging",
    "CoupledReadings": "cutaway.observables",
    "Effect": "cutaway.causal",
    "FeatureGroups": "cutaway.merging.groups",
    "FeatureVector": "cutaway.observables.vector",
    "FilterImpact": "cutaway.filters.overfitting",
    "HeadMap": "cutaway.observables.head_map",
    "LayerMeasures": "cutaway.merging",
    "Merge": "cutaway.merging.merge",
    "OutlierGradients": "cutaway.filters.overfitting",
    "Paths": "cutaway.observables.search",
    "Predictions": "cutaway.model.predict",
    "ProbeCurve": "cutaway.observables",
    "Removal": "cutaway.filters.overfitting",
    "Steering": "cutaway.observables",
    "TokenRanks": "cutaway.observables",
}
_OPTIONS = {
    "model": ("name", "checkpoint", "trust", "special_tokens"),
    "data": ("split", "limit", "name", "text_column", "label_column", "size"),
}
_LOADING = (OSError, ValueError, TypeError, KeyError, ImportError, RuntimeError, MemoryError)


def save_workspace(workspace: Workspace, path: str | os.PathLike[str]) -> None:
    """Write `workspace` into a new folder; see `Workspace.save`."""
    with workspace.lock, whole_folder(path) as folder:
        chosen = workspace.selection
        acts = workspace.activations
        manifest: dict[str, Any] = {
            "format": FORMAT,
            "schema": SCHEMA,
            **{slot: _recognised(workspace, slot) for slot in ("model", "data")},
            "picked": list(workspace.picked or getattr(acts, "sites", ())),
            "activations": _store(acts),
            "results": {},
            "effect": None,
            "selection": vars(chosen) if isinstance(chosen, Selection) else None,
            "selections": {name: vars(one) for name, one in workspace.selections.items()},
            "edits": [one.to_json() for one in _listed(workspace.edits)],
        }
        for place, (name, one) in enumerate(workspace.results.items()):
            manifest["results"][name] = _written(one, folder, f"result-{place}.zip")
        if isinstance(workspace.effect, Result):
            manifest["effect"] = _written(workspace.effect, folder, "effect.zip")
        (folder / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")


def _recognised(workspace: Workspace, slot: str) -> dict[str, Any] | None:
    """Enough to load the model or data later, and to know whether it is still the same."""
    value = getattr(workspace, slot)
    if value is None:  # still missing: what the session said before is still true
        return workspace.awaited.get(slot)
    return {
        "name": value.name,
        "digest": digest_of(value),
        "given": getattr(value, "given", None),
    }


def digest_of(value: Any) -> str:
    """Digest of a model's weights, or of the ids and labels of data."""
    if not hasattr(value, "index"):
        return str(value.digest)
    labels = value.labels
    if labels is None:
        return str(value.index.digest)
    return digest.of_arrays({"ids": value.index.ids, "labels": labels})


def _store(acts: Any) -> dict[str, str] | None:
    """Where captured activations lie; those in memory are captured again when needed."""
    if acts is None or getattr(acts, "path", None) is None:
        return None
    return {"path": str(Path(acts.path).resolve()), "digest": acts.digest}


def _written(one: Result, folder: Path, file: str) -> dict[str, Any]:
    _type(file, type(one).__name__)  # what could not be opened again is refused now
    one.save(folder / file)
    origin = one.origin
    return {
        "type": type(one).__name__,
        "file": file,
        "digest": one.digest,
        "function": origin.function,
        "parameters": dict(origin.parameters),
        "seed": origin.seed,
    }


def _listed(edits: Any) -> Iterable[Any]:
    if edits is None:
        return ()
    return tuple(edits) if isinstance(edits, Iterable) else (edits,)


def open_workspace(path: str | os.PathLike[str], *, policy: Policy | None = None) -> Workspace:
    """Workspace that `Workspace.save` wrote, with its model and data where they are still there.

    Parameters
    ----------
    path : path-like
        Folder of the session.
    policy : Policy or None
        What may be opened; None: `current_policy()`. Nothing is ever unpickled.

    Returns
    -------
    Workspace
        Read-only if `missing` is not empty: its lines say what could not be loaded, and why. Assign
        the right model or data, and it can be written again.

    Raises
    ------
    ValueError
        If the folder is no saved workspace, is of a newer schema, or holds an unknown or damaged
        result.
    PermissionError
        If the policy forbids the folder.
    """
    rules = current_policy() if policy is None else policy
    folder = rules.place(path)
    manifest = _manifest(folder)
    workspace = Workspace()
    for name, entry in manifest["results"].items():
        workspace.results[name] = _result(folder, name, entry)
    if manifest.get("effect") is not None:
        workspace.effect = _result(folder, "effect", manifest["effect"])
    if manifest["selection"] is not None:
        workspace.selection = Selection(**manifest["selection"])
    for name, one in manifest.get("selections", {}).items():
        workspace.selections[name] = Selection(**one)
    workspace.picked = tuple(manifest.get("picked", ())) or None
    if manifest.get("edits"):
        from cutaway.model.edits import Edit

        workspace.edits = tuple(Edit.from_json(one) for one in manifest["edits"])
    _reload(workspace, manifest, rules)
    return workspace


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        known = manifest["format"] == FORMAT and {"results", "selection"} <= manifest.keys()
        schema = int(manifest["schema"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"path must be a saved workspace, got {folder} ({error}); save one with ws.save(path)"
        ) from error
    if schema > SCHEMA:
        raise ValueError(
            f"schema must be at most {SCHEMA}, got {schema} in {folder}; update cutaway to open it"
        )
    if not known:
        raise ValueError(
            f"path must be a saved workspace, got {folder} with another manifest; "
            "save one with ws.save(path)"
        )
    return dict(manifest)


def _result(folder: Path, name: str, entry: Any) -> Result:
    # Schema 1 wrote the type alone, and named the file after the result.
    kind, file = (
        (entry, f"{name}.zip") if isinstance(entry, str) else (entry["type"], entry["file"])
    )
    if Path(file).name != file:
        raise ValueError(
            f"file of result {name!r} must lie in the session's folder, got {file!r}; "
            "save the session again"
        )
    found: type[Result] = _type(name, kind)
    result = found.load(folder / file)
    if not isinstance(entry, str) and result.digest != entry["digest"]:
        raise ValueError(
            f"result {name!r} must have digest {entry['digest']}, got {result.digest}; "
            f"{file} was changed: take it from a copy of the session"
        )
    return result


def _type(name: str, kind: str) -> type[Result]:
    for lens in LENSES:
        if lens.result.split(":")[1] == kind:
            return lens.result_type()
    if kind not in _OTHERS:
        known = ", ".join([*_OTHERS, *(lens.result.split(":")[1] for lens in LENSES)])
        raise ValueError(
            f"results must be of a known kind ({known}), got {kind} for {name!r}; "
            "update cutaway to open it"
        )
    found: type[Result] = getattr(importlib.import_module(_OTHERS[kind]), kind)
    return found


def _reload(workspace: Workspace, manifest: Mapping[str, Any], rules: Policy) -> None:
    """Load model and data, and the store of activations if it is whole."""
    awaited: dict[str, dict[str, Any]] = {}
    why: dict[str, str] = {}
    for slot, load in (("model", rules.open), ("data", rules.open_data)):
        entry = manifest.get(slot)
        if entry is None:
            continue
        value, line = _loaded(slot, entry, load)
        if line:
            awaited[slot], why[slot] = dict(entry), line
        else:
            setattr(workspace, slot, value)
    store = manifest.get("activations")
    if store is not None and not why:
        workspace.activations = _opened(store, rules)
    workspace.forget_edits()
    workspace.wait_for(awaited, why)


def _loaded(slot: str, entry: Mapping[str, Any], load: Callable[..., Any]) -> tuple[Any, str]:
    """The model or data, or a line that says why it is missing."""
    name, given = entry["name"], entry.get("given")
    remedy = f"load it and assign ws.{slot}"
    if given is None:
        return None, f"{slot} {name!r} must be supplied, got only its digest; {remedy}"
    source = given["source"]
    options = {key: given[key] for key in _OPTIONS[slot] if given.get(key) is not None}
    if isinstance(options.get("size"), list):
        options["size"] = tuple(options["size"])
    try:
        value = load(source, **options)
    except _LOADING as error:
        said = " ".join(str(error).split())
        return None, f"{slot} {name!r} must be at {source!r}, got {type(error).__name__} ({said})"
    found = digest_of(value)
    if found != entry["digest"]:
        return None, (
            f"{slot} {name!r} must have digest {entry['digest']}, got {found} from {source!r}; "
            f"it has changed since: put the old one back, or {remedy}"
        )
    return value, ""


def _opened(store: Mapping[str, str], rules: Policy) -> Any:
    from cutaway.model.activations import Activations

    try:
        acts = Activations.open(rules.place(store["path"]))
    except (OSError, ValueError):
        return None  # captured again when needed
    return acts if acts.digest == store["digest"] else None

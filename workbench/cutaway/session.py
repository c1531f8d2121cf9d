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
from cutaway.core._io import DamagedFile, damaged, inside, json_fits, read_json, whole_folder
from cutaway.core.selection import Selection
from cutaway.data.content import content_of, read_content
from cutaway.lenses import LENSES
from cutaway.policy import Policy, current_policy
from cutaway.workspace import Workspace

MANIFEST = "workspace.json"
FORMAT = "cutaway-workspace"
SCHEMA = 3  # since 3 the digests know the content of data and the structure of the model

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
    "data": (
        *("split", "limit", "name", "text_column", "label_column", "size"),
        *("classes", "max_pixels", "max_bytes"),
    ),
}
_WHAT = "a saved workspace"
_REMEDY = "save one with ws.save(path)"
# What the entries of a manifest are; those that may be empty may be absent or null.
_ENTRIES: dict[str, type[Any]] = {
    **dict.fromkeys(("results", "selections"), dict),
    **dict.fromkeys(("selection", "effect", "model", "data", "activations"), dict),
    **dict.fromkeys(("picked", "edits"), list),
}
_MAY_BE_EMPTY = frozenset({"results", "selections", "picked", "edits"})
_LOADING = (
    OSError,
    ValueError,
    TypeError,
    LookupError,
    ImportError,
    RuntimeError,
    MemoryError,
    ArithmeticError,
    AttributeError,
    EOFError,
)


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
        manifest["digest"] = digest.of_json(json.loads(json.dumps(manifest)))
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
    """Digest of a model's weights and structure, or of the ids, labels and content of data."""
    if not hasattr(value, "index"):
        return digest.of_json([value.digest, value.structure])
    labels = {} if value.labels is None else {"labels": value.labels}
    return digest.of_json([content_of(value), digest.of_arrays(labels)])


def inputs_of(model: Any, data: Any, *, fresh: bool = True) -> dict[str, str]:
    """What decides an outcome beside its own parameters: the key of a cached result.

    Parameters
    ----------
    model : Model
        Its weights and structure.
    data : Dataset
        Its ids, labels and content.
    fresh : bool
        Read the content anew, so that data changed in place or on disk are other data; False takes
        that of the last complete read.
    """
    if fresh:
        read_content(data)
    return {
        "model": digest_of(model), "data": digest_of(data),
        "names": f"{model.name} on {data.name}",
    }  # fmt: skip


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
        "origin": _origin_digest(one),
        "function": origin.function,
        "parameters": dict(origin.parameters),
        "seed": origin.seed,
    }


def _origin_digest(result: Result) -> str:
    """Of all that a result says of itself: its own digest leaves out time, versions, sources."""
    return digest.of_json(json.loads(json.dumps(result.origin.to_json())))


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
    try:
        _choose(workspace, manifest)
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise damaged(_WHAT, folder / MANIFEST, error, _REMEDY) from error
    _reload(workspace, manifest, rules, folder)
    return workspace


def _choose(workspace: Workspace, manifest: Mapping[str, Any]) -> None:
    """What a person had chosen: selections, sites and edits."""
    if manifest["selection"] is not None:
        workspace.selection = _selection(manifest["selection"])
    for name, entry in manifest.get("selections", {}).items():
        workspace.selections[name] = _selection(entry)
    picked = manifest.get("picked", [])
    if not all(isinstance(site, str) for site in picked):
        raise ValueError("picked holds something else than names of sites")
    workspace.picked = tuple(picked) or None
    if manifest.get("edits"):
        from cutaway.model.edits import Edit

        edits = tuple(Edit.from_json(entry) for entry in manifest["edits"])
        if not all(isinstance(edit.site, str) for edit in edits):
            raise ValueError("an edit names no site")
        workspace.edits = edits


def _selection(entry: object) -> Selection:
    if not json_fits(entry, {"ids": list, "axis": str, "of": str, "by": str}):
        raise ValueError("a selection is no ids, axis, of and by")
    made = Selection(**entry)  # type: ignore[arg-type]
    if not all(type(key) in {int, str} for key in made.ids):
        raise ValueError("a selection holds ids that are no whole numbers and no texts")
    return made


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        manifest = read_json(folder / MANIFEST, what=_WHAT, remedy=_REMEDY)
    except (FileNotFoundError, NotADirectoryError):
        raise ValueError(
            f"path must be {_WHAT}, got {folder} without a {MANIFEST}; {_REMEDY}"
        ) from None
    if manifest.get("format") != FORMAT or not json_fits(manifest, {"schema": int}):
        raise ValueError(f"path must be {_WHAT}, got {folder} with another manifest; {_REMEDY}")
    if manifest["schema"] > SCHEMA:
        raise ValueError(
            f"schema must be at most {SCHEMA}, got {manifest['schema']} in {folder}; "
            "update cutaway to open it"
        )
    stated = manifest.pop("digest", None)
    if manifest["schema"] == SCHEMA and stated != digest.of_json(manifest):
        raise damaged(_WHAT, folder / MANIFEST, "its digest differs: it was changed", _REMEDY)
    for name, kind in _ENTRIES.items():
        if not isinstance(manifest.get(name, kind()), (kind, type(None))):
            raise damaged(_WHAT, folder / MANIFEST, f"{name} is no {kind.__name__}", _REMEDY)
    for name in ("results", "selection"):
        if name not in manifest:
            raise damaged(_WHAT, folder / MANIFEST, f"{name} is missing", _REMEDY)
    # What may be absent may be null as well; results may not.
    empty = {name: kind() for name, kind in _ENTRIES.items() if name in _MAY_BE_EMPTY}
    filled = {name: value for name, value in manifest.items() if value is not None}
    return {"selection": None} | empty | filled


def _result(folder: Path, name: str, entry: Any) -> Result:
    # Schema 1 wrote the type alone, and named the file after the result.
    if isinstance(entry, str):
        entry = {"type": entry, "file": f"{name}.zip"}
    if not json_fits(entry, {"type": str, "file": str}):
        raise damaged(_WHAT, folder / MANIFEST, f"result {name!r} is described wrongly", _REMEDY)
    kind, file = entry["type"], entry["file"]
    found: type[Result] = _type(name[:100], kind, f" in {folder}")
    try:
        place = inside(folder, file)
    except ValueError:
        raise ValueError(
            f"file of result {name[:100]!r} must lie in the session's folder, got "
            f"{file[:200]!r} in {folder}; save the session again"
        ) from None
    try:
        result = found.load(place)
    except FileNotFoundError:
        raise DamagedFile(
            f"result {name!r} must be in the session's folder, got no {str(place)!r}; take it from "
            "a copy of the session"
        ) from None
    made = {"digest": result.digest, "origin": _origin_digest(result)}
    for key, known in made.items():
        if entry.get(key, known) != known:
            raise ValueError(
                f"result {name!r} must have {'' if key == 'digest' else 'an origin of '}digest "
                f"{_word(entry[key])}, got {known}; {place} was changed: take it from a copy of "
                "the session"
            )
    return result


def _word(value: object) -> str:
    """A few letters of what a manifest says, on one line."""
    return "".join(letter if letter.isprintable() else " " for letter in str(value)[:100])


def _type(name: str, kind: str, where: str = "") -> type[Result]:
    for lens in LENSES:
        if lens.result.split(":")[1] == kind:
            return lens.result_type()
    if kind not in _OTHERS:
        known = ", ".join([*_OTHERS, *(lens.result.split(":")[1] for lens in LENSES)])
        raise ValueError(
            f"results must be of a known kind ({known}), got {_word(kind)} for {name!r}{where}; "
            "update cutaway to open it"
        )
    found: type[Result] = getattr(importlib.import_module(_OTHERS[kind]), kind)
    return found


def _reload(workspace: Workspace, manifest: Mapping[str, Any], rules: Policy, folder: Path) -> None:
    """Load model and data, and the store of activations if it is whole."""
    awaited: dict[str, dict[str, Any]] = {}
    why: dict[str, str] = {}
    for slot, load in (("model", rules.open), ("data", rules.open_data)):
        entry = manifest.get(slot)
        if not entry:
            continue
        if not json_fits(entry, {"name": str, "digest": str}):
            raise DamagedFile(
                f"path must be {_WHAT}, got {folder} whose {slot} has no name and digest; {_REMEDY}"
            )
        entry = dict(entry)
        value, line = _loaded(slot, entry, load, known=manifest["schema"] == SCHEMA)
        if line:
            awaited[slot], why[slot] = entry, line
        else:
            setattr(workspace, slot, value)
    store = manifest.get("activations")
    if store and not why:
        workspace.activations = _opened(store, rules)
    workspace.forget_edits()
    workspace.wait_for(awaited, why)


def _loaded(
    slot: str, entry: dict[str, Any], load: Callable[..., Any], *, known: bool
) -> tuple[Any, str]:
    """The model or data, or a line that says why it is missing."""
    name, given = entry["name"][:200], entry.get("given")
    remedy = f"load it and assign ws.{slot}"
    if given is None:
        return None, f"{slot} {name!r} must be supplied, got only its digest; {remedy}"
    if not json_fits(given, {"source": str}) or not _plain_options(slot, given):
        return None, f"{slot} {name!r} must say how it was loaded, got something else; {remedy}"
    source = given["source"]
    options = {key: given[key] for key in _OPTIONS[slot] if given.get(key) is not None}
    if isinstance(options.get("size"), list):
        options["size"] = tuple(options["size"])
    try:
        value = load(source, **options)
        found = digest_of(value)
    except _LOADING as error:
        reason = " ".join(str(error).split())
        kind, place = type(error).__name__, source[:300]
        return None, f"{slot} {name!r} must be at {place!r}, got {kind} ({reason[:400]})"
    if not known:
        entry["digest"] = found
        return None, (
            f"{slot} {name!r} must be supplied, got a session of an earlier version, which did not "
            f"note what it held; if it is still the same, {remedy}"
        )
    if found != entry["digest"]:
        return None, (
            f"{slot} {name!r} must have digest {entry['digest']}, got {found} from {source!r}; "
            f"it has changed since: put the old one back, or {remedy}"
        )
    return value, ""


def _plain_options(slot: str, given: Mapping[str, Any]) -> bool:
    """Whether the options are of the kinds that the loading functions take."""
    kinds: dict[str, tuple[type, ...]] = dict.fromkeys(
        ("checkpoint", "limit", "max_pixels", "max_bytes"), (int,)
    )
    kinds |= {"trust": (bool,), "size": (int, list), "classes": (list,)}
    kinds["special_tokens"] = (bool, str)
    flags = {"trust", "special_tokens"}
    for name in _OPTIONS[slot]:
        value = given.get(name)
        fits = isinstance(value, kinds.get(name, (str,)))
        if isinstance(value, list) and name == "size":
            fits &= len(value) == 2 and all(type(length) is int for length in value)
        elif isinstance(value, list):
            fits &= any(all(type(label) is kind for label in value) for kind in (str, int))
        if value is not None and (not fits or (isinstance(value, bool) and name not in flags)):
            return False
    return True


def _opened(store: Mapping[str, Any], rules: Policy) -> Any:
    from cutaway.model.activations import Activations

    if not json_fits(store, {"path": str, "digest": str}):
        return None
    try:
        acts = Activations.open(rules.place(store["path"]))
    except _LOADING:
        return None  # captured again when needed
    return acts if acts.digest == store["digest"] else None

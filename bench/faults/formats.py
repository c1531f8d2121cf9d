"""Every format that the package reads: files that it wrote, and how they are read back."""

import contextlib
import hashlib
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

import cutaway as ct
from cutaway.core import Cancelled, Result
from cutaway.model.store import partial_folder
from faults import subjects


@dataclass(frozen=True)
class Format:
    """Files of one format.

    Parameters
    ----------
    name : str
    whole : Path
        Folder with the files as they were written.
    targets : sequence of str
        Those of them that are damaged, one at a time.
    read : callable
        Opens a folder like `whole` (the second argument is the damaged file's name); returns the
        values that came out, and a word that was said about them.
    digested : bool
        Whether the format states what it holds, so that another content must not pass unnoticed.
    writes : bool
        Whether reading may write in the folder.
    """

    name: str
    whole: Path
    targets: Sequence[str]
    read: Callable[[Path, str], tuple[Any, str]]
    digested: bool = False
    writes: bool = False
    names: Sequence[str] = field(default_factory=tuple)


def fingerprint(values: Any) -> str:
    """Digest of nested values; equal only for equal ones, of equal types."""
    digest = hashlib.blake2b(digest_size=16)
    _feed(digest, values)
    return digest.hexdigest()


def _feed(digest: Any, value: Any) -> None:
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().contiguous()
        value = value.view(torch.int16).numpy() if value.dtype == torch.bfloat16 else value.numpy()
    if isinstance(value, np.ndarray):
        digest.update(f"array {value.dtype.str} {value.shape}".encode())
        digest.update(np.ascontiguousarray(value).tobytes())
    elif isinstance(value, dict):
        digest.update(b"{")
        for key, inner in value.items():
            _feed(digest, key)
            _feed(digest, inner)
    elif isinstance(value, (list, tuple)):
        digest.update(b"[")
        for inner in value:
            _feed(digest, inner)
        digest.update(b"]")
    elif hasattr(value, "columns") and hasattr(value, "to_numpy"):
        _feed(digest, {str(name): np.asarray(value[name]).tolist() for name in value.columns})
    else:
        digest.update(f"{type(value).__name__} {value!r};".encode("utf-8", "surrogatepass"))


def all_formats(place: Path, *, quick: bool = False) -> list[Format]:
    """Write all files and say how each format is read.

    Parameters
    ----------
    place : Path
        An empty folder.
    quick : bool
        Leave out what takes seconds to make or to import: results of language models, Hugging Face
        folders, Parquet.
    """
    language = None if quick else subjects.language_folder(place / "language" / "lm")
    made = subjects.results(language)
    formats = [
        _results(place / "results", made),
        *_sessions(place / "session", made),
        *_stores(place),
        *_weights(place),
        _merged(place / "merged"),
        *_tables(place, quick=quick),
        *_pictures(place),
    ]
    if language is not None:
        formats.append(_language(language))
    return formats


def _results(place: Path, made: dict[str, Result]) -> Format:
    place.mkdir(parents=True)
    for name, result in made.items():
        result.save(place / f"{name}.zip")
    kinds = {name: type(result) for name, result in made.items()}

    def read(folder: Path, target: str) -> tuple[Any, str]:
        return result_values(kinds[Path(target).stem].load(folder / target)), ""

    return Format("results", place, [f"{name}.zip" for name in made], read, digested=True)


def result_values(result: Result) -> Any:
    """Everything in a result; its pictures and tables are made, too, as a notebook would."""
    repr(result)
    result.to_frame()
    result._repr_html_()
    return [
        type(result).__name__, result._fields(), result.rows.ids, result.rows.axis,
        result.origin.to_json(),
    ]  # fmt: skip


def _sessions(place: Path, made: dict[str, Result]) -> list[Format]:
    write_session(place / "session", made)

    def read(folder: Path, _target: str) -> tuple[Any, str]:
        space = ct.open_workspace(folder / "session")
        return session_values(space), "; ".join(space.missing)

    files = [f"session/{file.name}" for file in sorted((place / "session").iterdir())]
    return [Format("sessions", place, files, read, digested=True)]


def write_session(folder: Path, made: dict[str, Result]) -> ct.Workspace:
    """A workspace with something in every slot that is written, saved."""
    space = ct.Workspace()
    space.model = ct.load_model("lenet5-digits")
    space.data = ct.load_data("digits", split="test", limit=12)
    space.picked = ("conv1", "conv2")
    space.edits = (ct.Zero("conv1", 2), ct.Steer("fc1", np.arange(120.0), by=2.0))
    for name in ("FilterScreen", "Projection", "Merge", "Attributions"):
        if name in made:
            space.results[name] = made[name]
    space.effect = made["Effect"]
    ids = space.data.index.ids[[3, 7]].tolist()
    space.selection = ct.Selection(ids, of=space.data.index.digest, by="scatter")
    space.selections["odd ones"] = space.selection
    space.save(folder)
    return space


def session_values(space: ct.Workspace) -> Any:
    """Everything that a session brings back."""
    chosen = [space.selection, *space.selections.values()]
    return [
        {name: result_values(result) for name, result in space.results.items()},
        None if space.effect is None else result_values(space.effect),
        [None if one is None else repr(vars(one)) for one in chosen],
        list(space.selections),
        space.picked,
        [edit.to_json() for edit in space.edits or ()],
        None if space.model is None else space.model.digest,
        None if space.data is None else [space.data.index.ids, space.data.labels],
        space.sources,
    ]


def _stores(place: Path) -> list[Format]:
    model, data = ct.load_model(subjects.small_net(), name="small net"), subjects.pictures(24)
    options = {"pool": 3, "batch_size": 6, "show": None}
    whole = place / "store"
    kept = ct.capture(model, data, ["conv1", "fc1"], store=whole / "acts", **options)
    expected = store_values(kept)
    begun = place / "partial"
    begun.mkdir()

    def half(fraction: float, _message: str) -> None:
        if fraction >= 0.5:
            raise Cancelled

    with contextlib.suppress(Cancelled):
        ct.capture(model, data, ["conv1", "fc1"], store=begun / "acts", tick=half, **options)
    hidden = partial_folder(begun / "acts").name

    def opened(folder: Path, _target: str, *, verify: Any) -> tuple[Any, str]:
        return store_values(ct.Activations.open(folder / "acts", verify=verify)), ""

    def continued(folder: Path, _target: str) -> tuple[Any, str]:
        acts = ct.capture(model, data, ["conv1", "fc1"], store=folder / "acts", **options)
        if fingerprint(store_values(acts)) != fingerprint(expected):
            return store_values(acts), ""
        return None, ""

    files = [f"acts/{name.name}" for name in sorted((whole / "acts").iterdir())]
    parts = [f"{hidden}/{name.name}" for name in sorted((begun / hidden).iterdir())]
    return [
        Format("stores, verified", whole, files, partial(opened, verify="full"), digested=True),
        Format("stores, as opened", whole, files, partial(opened, verify=True)),
        Format(
            "stores, half written", begun, parts, continued, digested=True, writes=True,
            names=("acts",),
        ),
    ]  # fmt: skip


def store_values(acts: ct.Activations) -> Any:
    """Everything in a store, read to the last value; not how long it took."""
    origin = acts.origin.to_json()
    return [
        {site: np.array(acts[site]) for site in acts.sites}, acts.rows.ids, acts.rows.axis,
        dict(acts.layouts), dict(acts.n_nonfinite), acts.mask, acts.digest,
        {name: value for name, value in origin.items() if name not in ("seconds", "versions")},
    ]  # fmt: skip


def _weights(place: Path) -> list[Format]:
    from safetensors.torch import save_file

    state = subjects.small_net().state_dict()
    for name in ("safetensors", "pt"):
        (place / name).mkdir()
    save_file(state, place / "safetensors" / "weights.safetensors")
    torch.save(state, place / "pt" / "weights.pt")
    torch.save({"state_dict": state, "epoch": 3}, place / "pt" / "nested.pt")
    torch.save(state, place / "pt" / "legacy.pt", _use_new_zipfile_serialization=False)

    def read(folder: Path, target: str) -> tuple[Any, str]:
        return ct.load_model((subjects.SmallNet, folder / target)).module.state_dict(), ""

    return [
        Format("safetensors", place / "safetensors", ["weights.safetensors"], read),
        Format("pt state dicts", place / "pt", ["weights.pt", "nested.pt", "legacy.pt"], read),
    ]


def _merged(place: Path) -> Format:
    from cutaway.merging import merge_features, open_merged

    place.mkdir()
    net = subjects.small_net()
    example = subjects.pictures(8).batch(np.arange(8)).inputs
    merge_features(net, example, beta=0.4).save_model(place / "merged.safetensors")

    def read(folder: Path, target: str) -> tuple[Any, str]:
        made = open_merged(net, folder / target)
        return [made.state_dict(), made(example), str(made)], ""

    return Format("merged models", place, ["merged.safetensors"], read)


def _language(folder: Path) -> Format:
    def read(place: Path, _target: str) -> tuple[Any, str]:
        model = ct.load_model(place / "lm")
        values: list[Any] = [dict(model.module.state_dict())]
        try:
            with torch.no_grad():
                values.append(model.module(torch.arange(6)[None])[0])
            if model.tokenizer is not None:
                values.append(sorted(model.tokenizer.get_vocab().items()))
                values.append(dict(model.tokenizer("the nurse said that she x")))
        except Exception as error:  # noqa: BLE001 - what it was read as cannot run: another value
            values.append(repr(error))
        return values, ""

    targets = [f"lm/{file.name}" for file in sorted(folder.iterdir())]
    return Format("Hugging Face folders", folder.parent, targets, read)


def _tables(place: Path, *, quick: bool) -> list[Format]:
    import pandas as pd

    rows = 30
    frame = pd.DataFrame({
        "text": [f"sentence {k}, the {'nurse' if k % 2 else 'doctor'} said" for k in range(rows)],
        "label": [k % 2 for k in range(rows)],
    })  # fmt: skip
    found = []
    for ending in ("csv", "tsv") if quick else ("csv", "tsv", "parquet"):
        (place / ending).mkdir()
        file = place / ending / f"table.{ending}"
        if ending == "parquet":
            frame.to_parquet(file)
        else:
            frame.to_csv(file, index=False, sep="\t" if ending == "tsv" else ",")
        found.append(Format(ending.upper(), place / ending, [file.name], _read_data))
    return found


def _read_data(folder: Path, target: str) -> tuple[Any, str]:
    data = ct.load_data(folder / target if target.startswith("table") else folder / "photos")
    inputs = data.batch(np.arange(len(data))).inputs
    values = [data.index.ids, data.labels, data.classes, inputs]
    return values, "; ".join(f"{skip.id}: {skip.reason}" for skip in data.skipped)


_SAVED = {
    "png": {}, "jpg": {"quality": 90}, "gif": {}, "bmp": {}, "tif": {}, "webp": {"lossless": True},
    "ppm": {},
}  # fmt: skip


def _pictures(place: Path) -> list[Format]:
    from PIL import Image

    found = []
    rng = np.random.default_rng(0)
    for ending, options in _SAVED.items():
        folder = place / ending / "photos"
        folder.mkdir(parents=True)
        for k in range(3):
            values = rng.integers(0, 256, (14, 18, 3), dtype=np.uint8)
            Image.fromarray(values).save(folder / f"{k}.{ending}", **options)
        label = {"jpg": "JPEG", "tif": "TIFF"}.get(ending, ending.upper())
        found.append(
            Format(label, place / ending, [f"photos/1.{ending}"], _read_data, names=("photos",))
        )
    return found


def other_kinds() -> dict[str, Callable[[Path], None]]:
    """What may lie at a file's place that is no file of that content; each is put there."""
    return {
        "missing": lambda _place: None,
        "folder": lambda place: place.mkdir(),
        "pipe": os.mkfifo,
        "device": lambda place: place.symlink_to("/dev/zero"),
        "link to nothing": lambda place: place.symlink_to(place.with_name("nothing here")),
        "link to itself": lambda place: place.symlink_to(place),
    }


def put_back(whole: Path, folder: Path) -> None:
    """Make a folder what another one is."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(whole, folder)

"""Pickles that would run code, and every place from which a loader might unpickle one."""

import builtins
import functools
import importlib
import io
import json
import operator
import os
import pickle
import runpy
import socket
import struct
import subprocess
import timeit
import webbrowser
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

import cutaway as ct
from faults import subjects
from faults.formats import Format, put_back
from faults.mutations import zipped
from faults.watch import Outcome, Watch, examined, outcomes

_CODE = "open({mark!r}, 'w').write('ran')"
"""What a gadget does when it runs: a file appears."""


class _Calls:
    """Unpickles as the outcome of a call."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self._how = (function, arguments)

    def __reduce__(self) -> tuple[Any, ...]:
        return self._how


def gadgets(mark: str) -> dict[str, Any]:
    """Objects whose pickle runs something that makes the file `mark`, by the way it is done."""
    code, shell = _CODE.format(mark=mark), f"echo ran > {mark}"
    return {
        "os.system": _Calls(os.system, shell),
        "subprocess.Popen": _Calls(subprocess.Popen, ["/bin/sh", "-c", shell]),
        "subprocess.check_output": _Calls(subprocess.check_output, shell, 0),
        "eval": _Calls(eval, code),
        "exec": _Calls(exec, code),
        "compile": _Calls(compile, code, "gadget", "exec"),
        "__import__": _Calls(builtins.__import__, "antigravity"),
        "importlib.import_module": _Calls(importlib.import_module, "antigravity"),
        "getattr of builtins": _Calls(getattr, builtins, "exec"),
        "runpy.run_path": _Calls(runpy.run_path, "gadget.py"),
        "timeit.timeit": _Calls(timeit.timeit, code, "pass"),
        "webbrowser.open": _Calls(webbrowser.open, "http://127.0.0.1:9/"),
        "socket.create_connection": _Calls(socket.create_connection, ("127.0.0.1", 9), 0.1),
        "functools.partial": _Calls(functools.partial(os.system, shell)),
        "operator.methodcaller": _Calls(operator.methodcaller("system", shell), os),
        "torch.hub.load": _Calls(torch.hub.load, "somebody/something", "model"),
        "torch.load, nested": _Calls(torch.load, "inner.pt"),
        "open for writing": _Calls(open, mark, "w"),
    }


def _pickled(gadget: Any) -> bytes | None:
    """A pickle, unless the object cannot be pickled at all."""
    try:
        return pickle.dumps(gadget, 2)
    except Exception:  # noqa: BLE001 - modules and frames cannot
        return None


def hidden_pickles(place: Path) -> list[tuple[str, bytes]]:
    """Pickles of all gadgets, and hand-written ones that no object gives, by name."""
    mark = str(place / "ran")
    found = [(name, _pickled(gadget)) for name, gadget in gadgets(mark).items()]
    written = f"(S'echo ran > {mark}'\nios\nsystem\n.".encode()
    stacked = b"cos\nsystem\n(S'echo ran > " + mark.encode() + b"'\ntR."
    found += [("INST opcode", written), ("GLOBAL and REDUCE", stacked)]
    found += [("after a state dict", pickle.dumps({"a": 1}, 2)[:-1] + b"0" + stacked)]
    return [(name, content) for name, content in found if content is not None]


def _npy_of(pickled: bytes) -> bytes:
    """An npy file of one Python object."""
    header = "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }"
    text = (header + " " * (-(len(header) + 11) % 64) + "\n").encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + pickled


def _torch_zip(pickled: bytes) -> bytes:
    """What torch.save would have written."""
    return zipped([("archive/data.pkl", pickled), ("archive/version", b"3\n")])


def _legacy(pickled: bytes) -> bytes:
    """What old versions of torch.save would have written."""
    head = (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})
    return b"".join(pickle.dumps(part, 2) for part in head) + pickled


def _arrow(pickled: bytes) -> bytes:
    """A Parquet file with an extension type that old readers unpickle."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    about = {
        b"ARROW:extension:name": b"arrow.py_extension_type",
        b"ARROW:extension:metadata": pickled,
    }
    schema = pa.schema([pa.field("text", pa.string(), metadata=about), ("label", pa.int64())])
    file = io.BytesIO()
    pq.write_table(pa.table({"text": ["a", "b"], "label": [0, 1]}, schema=schema), file)
    return file.getvalue()


def _in_archive(whole: bytes, pickled: bytes) -> bytes:
    """A saved result one of whose arrays is a pickled object."""
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        members = [(name, archive.read(name)) for name in archive.namelist()]
    at = next(k for k, (name, _) in enumerate(members) if name.endswith(".npy"))
    members[at] = (members[at][0], _npy_of(pickled))
    return zipped([*members, ("data.pkl", pickled)])


def planted(form: Format, place: Path, pickled: bytes) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Put a pickle in each file of a format; yields where, and what opens it."""
    for target in dict.fromkeys(form.targets):
        file = place / target
        whole = (form.whole / target).read_bytes()
        for name, content in _disguises(file.name, whole, pickled):
            put_back(form.whole, place)
            file.write_bytes(content)
            yield f"{form.name}: {target} {name}", lambda t=target: form.read(place, t)


def _disguises(name: str, whole: bytes, pickled: bytes) -> Iterator[tuple[str, bytes]]:
    yield "as a pickle", pickled
    ending = name.rpartition(".")[2]
    if ending == "npy":
        yield "as objects", _npy_of(pickled)
    elif ending == "zip":
        yield "in an array", _in_archive(whole, pickled)
    elif ending == "parquet":
        yield "as a type", _arrow(pickled)
    elif ending in ("pt", "safetensors"):
        yield "as torch saves", _torch_zip(pickled)
        yield "as torch saved", _legacy(pickled)


def _more_places(place: Path, language: Path | None, pickled: bytes) -> Iterator[Any]:
    """Whole models, exported programs and Hugging Face folders with weights that are pickles."""
    forms = {"as torch saves": _torch_zip(pickled), "as torch saved": _legacy(pickled)}
    for name, content in forms.items():
        for ending in ("pt", "pth", "bin", "pt2", "pkl"):
            file = place / f"whole.{ending}"
            file.write_bytes(content)
            yield f"whole models: .{ending} {name}", lambda f=file: ct.load_model(f)
            yield (
                f"weights: .{ending} {name}",
                lambda f=file: ct.load_model((subjects.SmallNet, f)),
            )
    if language is None:
        return
    for name in ("pytorch_model.bin", "adapter_model.bin", "training_args.bin"):
        put_back(language, place / "lm")
        for old in (place / "lm").glob("model*"):
            old.unlink()
        (place / "lm" / name).write_bytes(_torch_zip(pickled))
        yield f"Hugging Face folders: {name}", lambda: ct.load_model(place / "lm")
    put_back(language, place / "lm")
    index = place / "lm" / "model.safetensors.index.json"
    entries = json.loads(index.read_text())
    entries["weight_map"] = dict.fromkeys(entries["weight_map"], "evil.bin")
    index.write_text(json.dumps(entries))
    (place / "lm" / "evil.bin").write_bytes(_torch_zip(pickled))
    yield "Hugging Face folders: a shard that is a pickle", lambda: ct.load_model(place / "lm")


def opened(formats: list[Format], place: Path, language: Path | None) -> tuple[int, list[str]]:
    """Open every gadget in every place without trust; how many there were, and what ran."""
    pickles = hidden_pickles(place)
    n, wrong = 0, []

    def begin() -> Callable[[int], Outcome]:
        watch = Watch(place, writes=True)
        return lambda number: _tried(watch, pickles[number], formats, place, language)

    for number, outcome in outcomes(begin, range(len(pickles)), seconds=60.0):
        name = pickles[number][0]
        n += int(outcome.why) if outcome.why.isdigit() else 0
        seen = [*outcome.ran, *outcome.asked]
        if outcome.kind != "same" or seen:
            wrong.append(f"{name}: {outcome.kind} {outcome.why} {'; '.join(seen[:3])}")
    return n, wrong


def _tried(
    watch: Watch,
    entry: tuple[str, bytes],
    formats: list[Format],
    place: Path,
    language: Path | None,
) -> Outcome:
    """One gadget in all places."""
    name, pickled = entry
    mark = place / "ran"
    n, ran, asked = 0, [], []
    places = [planted(form, place / "files", pickled) for form in formats]
    (place / "more").mkdir(parents=True, exist_ok=True)
    for where, read in _chained([*places, _more_places(place / "more", language, pickled)]):
        found = examined(lambda _number, read=read: (read() and "same", ""), 0, watch, ("",))
        n += 1
        ran += [f"{where}: {event}" for event in found.ran]
        asked += [f"{where}: {event}" for event in found.asked]
        if mark.exists():
            ran.append(f"{where}: {name} ran")
            mark.unlink()
    return Outcome("same", str(n), ran, asked)


def _chained(parts: list[Iterator[Any]]) -> Iterator[Any]:
    for part in parts:
        yield from part

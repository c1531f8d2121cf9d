"""Seeded damage for files: bytes, JSON, npy headers, zip members with right checksums."""

import copy
import io
import json
import random
import struct
import zipfile

import numpy as np

from cutaway.core._io import parse_array
from cutaway.model import UnsupportedModel

STRANGE = (
    *(None, True, -1, 0, 3, 10**30, -(10**30), 1e308, float("nan"), float("inf"), 2**63, 0.5),
    *("", "a\0b", "..", "../../x", "/etc/passwd", "é" * 300, "\ud800", "<b>&", "a\nb"),
    *([], {}, [[]], {"a": None}, [1, "a", None], ["x"] * 50),
)


def refusal(call, path) -> str | None:
    """The line with which a file is refused; None if it opens. Other errors are raised."""
    try:
        call()
    except (ValueError, OSError, UnsupportedModel) as error:
        message = str(error)
    else:
        return None
    named = path.name in message or str(path.parent) in message
    if "\n" in message or len(message) > 1500 or not named:
        raise AssertionError(f"no line about {path}: {message!r}")
    return message


def deep(levels):
    value = 1
    for _ in range(levels):
        value = [value]
    return value


def in_bytes(content: bytes, rng: random.Random) -> bytes:
    """Bits flipped, cut off, doubled, removed, zeroed or noisy spans."""
    if not content:
        return b"x"
    made = bytearray(content)
    start = rng.randrange(len(made))
    stop = min(len(made), start + rng.choice((1, 4, 16, 200, len(made))))
    kind = rng.randrange(7)
    if kind == 0:
        for _ in range(rng.choice((1, 3, 20))):
            made[rng.randrange(len(made))] ^= 1 << rng.randrange(8)
    elif kind == 1:
        del made[start:]
    elif kind == 2:
        made[start:start] = made[start:stop]
    elif kind == 3:
        del made[start:stop]
    elif kind == 4:
        made[start:stop] = bytes(stop - start)
    elif kind == 5:
        made[start:stop] = rng.randbytes(stop - start)
    else:
        made += rng.randbytes(rng.choice((1, 30, 3000)))
    return bytes(made)


def in_json(value, rng: random.Random):
    """One entry, somewhere, dropped, doubled, renamed or of another kind."""
    value = copy.deepcopy(value)
    places = []
    waiting = [value]
    while waiting:
        outer = waiting.pop()
        keys = list(outer) if isinstance(outer, dict) else range(min(len(outer), 40))
        for key in keys:
            places.append((outer, key))
            if isinstance(outer[key], (dict, list)):
                waiting.append(outer[key])
    if not places:
        return rng.choice(STRANGE)
    outer, key = rng.choice(places)
    kind = rng.randrange(6)
    if kind == 0:
        del outer[key]
    elif kind == 1:
        outer[key] = deep(rng.choice((3, 60, 100, 250)))
    elif kind == 2 and isinstance(outer, dict):
        outer[str(rng.choice(STRANGE))] = outer.pop(key)
    elif kind == 3:
        other, place = rng.choice(places)
        outer[key] = copy.deepcopy(other[place])
    else:
        outer[key] = rng.choice(STRANGE)
    return value


def json_bytes(content: bytes, rng: random.Random) -> bytes:
    """JSON whose entries are damaged, or its bytes."""
    if rng.random() < 0.25:
        return in_bytes(content, rng)
    try:
        value = json.loads(content)
    except ValueError:  # damaged already
        return in_bytes(content, rng)
    for _ in range(rng.choice((1, 1, 2, 5))):
        value = in_json(value, rng) if isinstance(value, (dict, list)) else value
    try:
        return json.dumps(value).encode()
    except RecursionError:
        return b'{"a": ' + b"[" * 5000 + b"]" * 5000 + b"}"


def in_npy(content: bytes, rng: random.Random) -> bytes:
    """Another header, other values, or another array altogether."""
    array = parse_array(content, max_bytes=10**9)
    kind = rng.randrange(6)
    if kind == 0:
        return in_bytes(content, rng)
    if kind == 1:
        return npy(array[: rng.randrange(len(array) + 1)] if array.ndim else array)
    if kind == 2:
        return npy(np.concatenate([array, array]) if array.ndim else array[None])
    if kind == 3:
        other = (np.float32, np.int8, np.bool_, "U3", np.complex128, "M8[s]", ">f8", "<u8")
        return npy(np.zeros(array.shape, rng.choice(other)))
    if kind == 4:
        return npy(array.reshape((1, *array.shape)) if rng.random() < 0.5 else array.ravel())
    shape = rng.choice(((10**12,), (-1,), (2**62, 2**62), (0, 10**30), (1,) * 70, (True,), ("a",)))
    described = {"descr": rng.choice((array.dtype.str, "|O", "<U999999999", "|V4")),
                 "fortran_order": rng.random() < 0.5, "shape": shape}  # fmt: skip
    header = repr(described).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + array.tobytes()


def npy(array) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, np.asanyarray(array), allow_pickle=False)
    return file.getvalue()


def in_zip(content: bytes, rng: random.Random) -> bytes:
    """A member damaged, dropped, renamed, doubled or added, with checksums that fit."""
    if rng.random() < 0.25:
        return in_bytes(content, rng)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = [(one.filename, archive.read(one)) for one in archive.infolist()]
    for _ in range(rng.choice((1, 1, 3))):
        place = rng.randrange(len(members))
        name, payload = members[place]
        kind = rng.randrange(8)
        if kind == 0 and len(members) > 1:
            del members[place]
        elif kind == 1:
            other = rng.choice((name + "x", "../" + name, "/" + name, "header.json", "a.pkl"))
            members[place] = (other, payload)
        elif kind == 2:
            members.append((name, payload))
        elif name.endswith(".json"):
            members[place] = (name, json_bytes(payload, rng))
        elif name.endswith(".npy") and payload.startswith(b"\x93NUMPY"):
            try:
                members[place] = (name, in_npy(payload, rng))
            except (ValueError, TypeError, EOFError):
                members[place] = (name, in_bytes(payload, rng))
        else:
            members[place] = (name, in_bytes(payload, rng))
    return zipped(members, rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)))


def zipped(members, how=zipfile.ZIP_STORED) -> bytes:
    import warnings

    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a name that comes twice is meant
        with zipfile.ZipFile(file, "w", how) as archive:
            for name, payload in members:
                archive.writestr(name, payload)
    return file.getvalue()


def in_safetensors(content: bytes, rng: random.Random) -> bytes:
    """The header's JSON damaged with its length put right, or the bytes."""
    if rng.random() < 0.4:
        return in_bytes(content, rng)
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    text = json.dumps(in_json(header, rng)).encode()
    return struct.pack("<Q", len(text)) + text + content[8 + length :]

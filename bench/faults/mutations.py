"""Seeded damage to files: of bytes, JSON, zip members, npy headers and declared sizes.

Every function takes the content of a file and a generator and returns other content. `mutated`
draws one of those that make sense for the kind of file; the same seed damages in the same way.
"""

import copy
import io
import json
import random
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import Any, TypeAlias

Damage: TypeAlias = Callable[[bytes, random.Random], bytes]

LENGTHS = (0, 1, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1)
"""Values that a field of a length may be set to, as far as they fit."""
VALUES: tuple[Any, ...] = (
    *(None, True, False, -1, 0, 1, 3, 0.5, 2**31 - 1, 2**63 - 1, -(2**63), 10**40, 1e308),
    *(float("nan"), float("inf"), "", "x", "0", "../../outside", "/dev/zero", "a\0b", "\ud800"),
    *("<img src=x onerror=alert(1)>", "=1+1", "é" * 300, [], {}, [None], [[]], {"": {}}, {"x": 1}),
)
"""What an entry of a JSON file is replaced by."""
_NEST = 30_000


def flip_bit(content: bytes, rng: random.Random) -> bytes:
    """One bit flipped."""
    changed = bytearray(content)
    changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def flip_bits(content: bytes, rng: random.Random) -> bytes:
    """Up to 40 bytes replaced."""
    changed = bytearray(content)
    for _ in range(rng.randrange(2, 40)):
        changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


def truncate(content: bytes, rng: random.Random) -> bytes:
    """The end cut off; in one of four only a few bytes, in one of ten everything."""
    if rng.random() < 0.1:
        return b""
    last = min(16, len(content))
    return content[: -rng.randrange(1, last + 1)] if rng.random() < 0.25 else _head(content, rng)


def _head(content: bytes, rng: random.Random) -> bytes:
    return content[: rng.randrange(len(content))]


def _span(content: bytes, rng: random.Random) -> tuple[int, int]:
    start = rng.randrange(len(content))
    longest = max(2, len(content) // 4)
    return start, min(len(content), start + int(longest ** rng.random()) + 1)


def remove_span(content: bytes, rng: random.Random) -> bytes:
    """Some bytes missing."""
    start, stop = _span(content, rng)
    return content[:start] + content[stop:]


def duplicate_span(content: bytes, rng: random.Random) -> bytes:
    """Some bytes twice."""
    start, stop = _span(content, rng)
    return content[:stop] + content[start:stop] + content[stop:]


def zero_span(content: bytes, rng: random.Random) -> bytes:
    """Some bytes zero, as after a crash of the machine."""
    start, stop = _span(content, rng)
    return content[:start] + bytes(stop - start) + content[stop:]


def insert_noise(content: bytes, rng: random.Random) -> bytes:
    """Random bytes put in, or at the end."""
    start = rng.choice([rng.randrange(len(content) + 1), len(content)])
    return content[:start] + rng.randbytes(rng.randrange(1, 64)) + content[start:]


def other_content(content: bytes, rng: random.Random) -> bytes:
    """Nothing of the file left: noise, text, or the beginning of another format."""
    heads = (b"PK\x03\x04", b"\x93NUMPY\x01\x00", b"\x89PNG\r\n\x1a\n", b"%!PS-Adobe-3.0\n")
    return rng.choice([b"", b"{}", b"[]", b"null", *heads]) + rng.randbytes(len(content) // 2)


def set_length(content: bytes, rng: random.Random) -> bytes:
    """Two, four or eight bytes at either end replaced by a length that cannot be."""
    width, letter = rng.choice(((2, "H"), (4, "I"), (8, "Q")))
    if len(content) <= width:
        return truncate(content, rng)
    place = rng.randrange(min(len(content) - width, 256))
    if rng.random() < 0.4:
        place = len(content) - width - place
    value = rng.choice([one for one in LENGTHS if one < 2 ** (8 * width)])
    changed = bytearray(content)
    struct.pack_into(rng.choice("<>") + letter, changed, max(0, place), value)
    return bytes(changed)


BYTES: tuple[Damage, ...] = (
    *(flip_bit, flip_bits, truncate, remove_span, duplicate_span, zero_span, insert_noise),
    *(other_content, set_length),
)


def edit_json(content: bytes, rng: random.Random) -> bytes:
    """Valid JSON that says something else: up to three entries changed, dropped, doubled, moved."""
    try:
        value = json.loads(content)
    except ValueError:
        return flip_bits(content, rng) if content else b"{"
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        value = edited_json(value, rng)
    text = json.dumps(value)
    if rng.random() < 0.02:
        text = text.replace(":", ":" + "[" * _NEST, 1)
    return text.encode("utf-8", "surrogatepass")


def edited_json(value: Any, rng: random.Random) -> Any:
    """A copy of a JSON value with one entry changed."""
    whole = copy.deepcopy(value)
    places = list(_places(whole))
    if not places:
        return rng.choice(VALUES)
    # By depth, then by place: otherwise nearly all changes fall into the longest list.
    depth = rng.choice(sorted({deep for deep, *_ in places}))
    _, holder, key = rng.choice([place for place in places if place[0] == depth])
    act = rng.choice(("replace", "replace", "replace", "near", "drop", "double", "swap", "rename"))
    if act == "drop":
        del holder[key]
    elif act == "double" and isinstance(holder, list):
        holder.insert(key, copy.deepcopy(holder[key]))
    elif act == "swap":
        _, other, name = rng.choice(places)
        holder[key], other[name] = copy.deepcopy(other[name]), copy.deepcopy(holder[key])
    elif act == "rename" and isinstance(holder, dict):
        holder[rng.choice(("", "x", f"{key}x", str(key).upper()))] = holder.pop(key)
    elif act == "near":
        holder[key] = _near(holder[key], rng)
    else:
        holder[key] = rng.choice(VALUES)
    return whole


def _near(value: Any, rng: random.Random) -> Any:
    """A value of the same type that is only a little wrong."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + rng.choice((-1, 1, 1000, 2**31))
    if isinstance(value, float):
        return rng.choice((-value, value * 1e-300, value + 1))
    if isinstance(value, str):
        return rng.choice((value[:-1], value + "x", value * 50, value.swapcase()))
    if isinstance(value, list):
        return value[::-1] if rng.random() < 0.5 else value * 2
    return {"x": value}


def _places(value: Any, depth: int = 0) -> Any:
    """Every entry below a JSON value, as depth, container and key."""
    if depth > 12:
        return
    entries = value.items() if isinstance(value, dict) else ()
    entries = enumerate(value) if isinstance(value, list) else entries
    for key, inner in list(entries):
        yield depth, value, key
        yield from _places(inner, depth + 1)


def edit_npy(content: bytes, rng: random.Random) -> bytes:
    """An npy file with a header that says something else, or with other values."""
    if content[:6] != b"\x93NUMPY" or len(content) < 12:
        return flip_bits(content, rng) if content else content
    size = struct.unpack_from("<H", content, 8)[0]
    header, body = content[10 : 10 + size].decode("latin1"), content[10 + size :]
    act = rng.randrange(5)
    if act == 0 and body:
        return content[: 10 + size] + rng.choice(BYTES)(body, rng)
    if act == 1:
        version = bytes((rng.choice((0, 1, 2, 3, 4, 255)), rng.randrange(3)))
        return content[:6] + version + content[8:]
    if act == 2:
        header = rng.choice(
            ("(" * _NEST, "{}", "[]", "{'descr':", "__import__('os')", "1e999", "'a'*10**9", "\0")
        )
        return _npy(header, body)
    entries = {"descr": _quoted(header, "descr"), "fortran_order": "False", "shape": "(3,)"}
    entries["shape"] = header.partition("'shape':")[2].partition(")")[0].strip() + ")"
    if act == 3:
        entries["shape"] = rng.choice((
            "()", "(0,)", "(-1,)", f"({2**31 - 1},)", f"({2**63 - 1},)", f"({2**64},)", "(1e9,)",
            "('a',)", "None", "(True,)", "(2**40,)", f"({2**32}, {2**32})", "(" + "1," * 70 + ")",
            "(1, " + entries["shape"][1:],
        ))  # fmt: skip
    else:
        entries["descr"] = rng.choice((
            "'|O'", "'<U4'", "'<f2'", "'>f4'", "'<f8'", "'|V8'", "'|S3'", "'<M8[s]'", "'<c16'",
            "'<U0'", "'|b1'", "[('a', '<f4'), ('b', '|O')]", "('<f4', (2, 2))", "'no type'", "7",
            f"'<U{2**30}'", "'<i8'", "'<u8'", "[('a', [('b', '<f4')])]",
        ))  # fmt: skip
    if rng.random() < 0.2:
        entries["fortran_order"] = rng.choice(("True", "1", "None", "'x'"))
    return _npy("{" + ", ".join(f"'{k}': {v}" for k, v in entries.items()) + ", }", body)


def _quoted(header: str, key: str) -> str:
    return header.partition(f"'{key}':")[2].partition(", '")[0].strip() or "'<f4'"


def _npy(header: str, body: bytes) -> bytes:
    text = header.encode("latin1", "replace")
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text) % 65536) + text + body


def edit_zip(content: bytes, rng: random.Random) -> bytes:
    """A zip archive whose checksums are right, and one member not what it was."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    except Exception:  # noqa: BLE001 - no archive
        return flip_bits(content, rng)
    at = rng.randrange(len(members))
    name, inner = members[at]
    act = rng.choice(("edit",) * 6 + ("drop", "add", "double", "rename", "swap", "inflate"))
    if act == "edit":
        members[at] = (name, _edit_member(name, inner, rng))
    elif act == "drop":
        del members[at]
    elif act == "add":
        extra = rng.choice(("../outside.npy", "/outside.npy", "x.npy", "", "a/b/c.npy", "\\x", "x"))
        members.append((extra, inner))
    elif act == "double":
        members.append((name, _edit_member(name, inner, rng)))
    elif act == "rename":
        members[at] = (rng.choice(("../x.npy", name[:-1], f"{name}x", f"x/{name}")), inner)
    elif act == "swap":
        other = rng.randrange(len(members))
        members[at], members[other] = (name, members[other][1]), (members[other][0], inner)
    made = zipped(members, rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)))
    return _declare_more(made, rng) if act == "inflate" else made


def _edit_member(name: str, inner: bytes, rng: random.Random) -> bytes:
    if name.endswith(".json"):
        return edit_json(inner, rng)
    if name.endswith(".npy") and rng.random() < 0.7:
        return edit_npy(inner, rng)
    return rng.choice(BYTES)(inner, rng) if inner else b"x"


def zipped(members: list[tuple[str, bytes]], method: int = zipfile.ZIP_STORED) -> bytes:
    """Archive of these members, names as they are, twice if they come twice."""
    import warnings

    file = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(file, "w", method) as archive:
        warnings.simplefilter("ignore")
        for name, inner in members:
            archive.writestr(zipfile.ZipInfo(name or "x"), inner, compress_type=method)
    return file.getvalue()


def _declare_more(content: bytes, rng: random.Random) -> bytes:
    """Sizes in the central directory that the file does not have."""
    place = content.rfind(b"PK\x01\x02")
    changed = bytearray(content)
    value = rng.choice((2**31 - 1, 2**32 - 2, 10**9))
    for field in (20, 24) if rng.random() < 0.5 else (24,):
        struct.pack_into("<I", changed, place + field, value)
    return bytes(changed)


def edit_safetensors(content: bytes, rng: random.Random) -> bytes:
    """A safetensors file with another header of the right length, or with a wrong length."""
    size = struct.unpack_from("<Q", content)[0] if len(content) > 8 else 0
    if not 0 < size < len(content):
        return flip_bits(content, rng) if content else content
    header, body = content[8 : 8 + size], content[8 + size :]
    if rng.random() < 0.2:
        return struct.pack("<Q", rng.choice((*LENGTHS, size + 1, size - 1))) + content[8:]
    header = edit_json(header, rng)
    if rng.random() < 0.15:
        body = rng.choice(BYTES)(body, rng)
    return struct.pack("<Q", len(header)) + header + body


def edit_table(content: bytes, rng: random.Random) -> bytes:
    """A text table with quotes, separators, line ends, NULs or foreign bytes where none belong."""
    lines = content.split(b"\n")
    at = rng.randrange(len(lines))
    bad = (
        *(b'"', b'""', b",", b"\t", b"\r", b"\0", b"\xff\xfe", b"\xed\xa0\x80", b"\xef\xbb\xbf"),
        *(b",,,,", b'"\n', b"\n\n", b"x" * 200_000, b'"' + b"y" * 50_000, b"=1+1", b"\x1a"),
    )
    act = rng.randrange(4)
    if act == 0:
        lines[at] = b""
    elif act == 1:
        lines.insert(at, lines[rng.randrange(len(lines))])
    else:
        place = rng.randrange(len(lines[at]) + 1)
        lines[at] = lines[at][:place] + rng.choice(bad) + lines[at][place:]
    return b"\n".join(lines)


def declare_png(content: bytes, rng: random.Random) -> bytes:
    """A PNG that declares another size, with the right checksum."""
    width, height = _sides(rng)
    head = struct.pack(">II", width % 2**32, height % 2**32) + content[24:29]
    return content[:16] + head + struct.pack(">I", zlib.crc32(b"IHDR" + head)) + content[33:]


def declare_jpeg(content: bytes, rng: random.Random) -> bytes:
    """A JPEG whose frame header declares another size."""
    place = max(content.find(b"\xff\xc0"), content.find(b"\xff\xc2"))
    return _packed(content, ">HH", place + 5, rng)


def declare_gif(content: bytes, rng: random.Random) -> bytes:
    """A GIF whose screen or frame declares another size."""
    frame = content.find(b"\x2c", 13)
    return _packed(content, "<HH", rng.choice((6, frame + 5)), rng)


def declare_bmp(content: bytes, rng: random.Random) -> bytes:
    """A BMP that declares another size."""
    return _packed(content, "<II", 18, rng)


def declare_tiff(content: bytes, rng: random.Random) -> bytes:
    """A TIFF whose tags for width and length say something else."""
    changed = bytearray(content)
    (first,) = struct.unpack_from("<I", content, 4)
    for place in range(first + 2, min(first + 400, len(content) - 12), 12):
        (tag,) = struct.unpack_from("<H", content, place)
        if tag in (256, 257, 278):
            struct.pack_into("<HII", changed, place + 2, 4, 1, rng.choice(_SIDES) % 2**32)
    return bytes(changed)


def declare_webp(content: bytes, rng: random.Random) -> bytes:
    """A WEBP whose first chunk declares another size."""
    place = content.find(b"VP8L")
    if place > 0:
        bits = rng.getrandbits(28)
        return content[: place + 9] + struct.pack("<I", bits) + content[place + 13 :]
    return _packed(content, "<HH", content.find(b"\x9d\x01\x2a") + 3, rng)


def declare_ppm(content: bytes, rng: random.Random) -> bytes:
    """A PPM whose text header says another size or depth."""
    magic, _, body = content.partition(b"\n")
    width, height = _sides(rng)
    depth = rng.choice((255, 65535, 0, 1, 99999999))
    return magic + f"\n{width} {height}\n{depth}\n".encode() + body[12:]


_SIDES = (0, 1, 4, 7_000, 13_300, 40_000, 65_535, 2**31 - 1, 2**32 - 1)


def _sides(rng: random.Random) -> tuple[int, int]:
    return rng.choice(_SIDES), rng.choice(_SIDES)


def _packed(content: bytes, form: str, place: int, rng: random.Random) -> bytes:
    if not 0 <= place <= len(content) - struct.calcsize(form):
        return set_length(content, rng)
    widest = 2 ** (4 * struct.calcsize(form))
    changed = bytearray(content)
    struct.pack_into(form, changed, place, *(side % widest for side in _sides(rng)))
    return bytes(changed)


PICTURES: dict[str, Damage] = {
    "png": declare_png, "jpg": declare_jpeg, "gif": declare_gif, "bmp": declare_bmp,
    "tif": declare_tiff, "webp": declare_webp, "ppm": declare_ppm,
}  # fmt: skip
OF_ENDING: dict[str, Damage] = {
    "json": edit_json, "jsonl": edit_json, "zip": edit_zip, "pt": edit_zip, "npy": edit_npy,
    "safetensors": edit_safetensors, "csv": edit_table, "tsv": edit_table, "parquet": set_length,
    **PICTURES,
}  # fmt: skip
"""What knows the format, by the ending of the file."""


def mutated(name: str, content: bytes, seed: int) -> tuple[str, bytes]:
    """Another content for a file, and the name of what was done to it.

    Parameters
    ----------
    name : str
        Of the file; its ending says what damage makes sense.
    content : bytes
        Not empty.
    seed : int
        Equal seeds give equal damage.
    """
    rng = random.Random(f"{name} {seed}")
    special = OF_ENDING.get(name.rpartition(".")[2])
    for _ in range(20):
        damage = special if special and rng.random() < 0.5 else rng.choice(BYTES)
        changed = damage(content, rng)
        if changed != content:
            return damage.__name__, changed
    raise RuntimeError(f"damage must change {name}, got the same content 20 times")

"""The one place where files are opened and finished.

Reading: regular files only, every size that a file declares is checked before memory is taken, and
whatever is wrong with a file becomes one line with its name. Writing: a file or folder is whole or
absent, what a killed save left behind goes away at the next one, and a full disk is one line.
"""

import ast
import contextlib
import errno
import hashlib
import io
import json
import math
import os
import re
import secrets
import shutil
import stat
import struct
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, BinaryIO, TypeAlias

import numpy as np
from numpy.typing import NDArray

if sys.platform != "win32":
    import fcntl

if TYPE_CHECKING:
    from PIL import Image

PathLike: TypeAlias = str | os.PathLike[str]

MAX_JSON = 64 * 2**20
"""Bytes of the longest manifest or header: a million ids and labels fit."""
MAX_DEPTH = 64
"""Lists and objects inside one another in a manifest; a deeper one would fail in later code."""
MAX_ARRAYS = 4 * 10**9
"""Bytes that all arrays of one saved result may declare."""
MAX_PIXELS = 50_000_000
"""Pixels of the largest picture: 8,000 by 6,000 is more than most cameras make."""
IMAGE_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")
"""Formats that are decoded by code that computes nothing; PostScript and others run programs."""

_UNPACKED = 20  # times its own size that an archive may declare; ours are not compressed at all
_SMALL = 64 * 2**20  # bytes that any archive may declare
_KNOWN_COMPRESSION = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
_CHUNK = 16 * 2**20
_HEADER = 10_000  # bytes of the header of an npy file
_PLAIN = re.compile(r"[<>|=]([biufc]\d{1,2}|U\d{1,9})")
_LEFTOVER = re.compile(r"\..+\.[0-9a-f]{8}\.cutaway-tmp", re.DOTALL)
_NO_ROOM = frozenset(
    getattr(errno, name)
    for name in ("ENOSPC", "EFBIG", "EDQUOT", "EIO", "EROFS")
    if hasattr(errno, name)
)
# What libraries that write by themselves say instead of raising an OSError.
_SAID_NO_ROOM = re.compile(
    r"\bos error (28|27|122|5|30)\b|No space left|File too large|failed writing file"
    r"|requested and \d+ written|unexpected pos \d+ vs \d+"
)


class DamagedFile(ValueError):  # noqa: N818 - reads as what it is
    """A file that is not what it should be; one line says which, why, and what to do."""


def damaged(what: str, path: PathLike, why: object, remedy: str) -> DamagedFile:
    """The error for a file that cannot be used.

    Parameters
    ----------
    what : str
        What the file must be, e.g. ``"a saved FilterScreen"``.
    path : path-like
        The file.
    why : object
        What is wrong with it: a text, or the error that a library raised.
    remedy : str
        What the reader can do.
    """
    reason = _one_line(why) or type(why).__name__
    if isinstance(why, KeyError):
        reason = f"{reason} is missing"
    return DamagedFile(f"path must be {what}, got {_one_line(path)} ({reason[:300]}); {remedy}")


def _one_line(text: object) -> str:
    """A text without line breaks and control characters: names come from files too."""
    plain = "".join(c if c.isprintable() else " " for c in str(text))
    return " ".join(plain.split())


def open_regular(path: PathLike) -> BinaryIO:
    """A regular file, opened for reading; links are followed, and nothing else is ever opened.

    Raises
    ------
    FileNotFoundError
        If there is nothing at `path`.
    DamagedFile
        If it is a folder, a pipe, a socket or a device. A pipe is not waited for.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    kind = "a regular file"
    try:
        # Looked at first: to open a device can do something. And again: it may have changed.
        descriptor = os.open(path, flags) if stat.S_ISREG(Path(path).stat().st_mode) else None
        if descriptor is not None and not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            descriptor = None
    except (FileNotFoundError, NotADirectoryError):
        raise FileNotFoundError(
            f"path must be an existing file, got {_one_line(os.fspath(path))}; check its name"
        ) from None
    except PermissionError:
        raise PermissionError(
            f"path must be a file that you may read, got {_one_line(os.fspath(path))}; "
            "change its permissions"
        ) from None
    except (ValueError, OSError) as error:  # a null character, a loop of links, a name too long
        why = getattr(error, "strerror", None) or error
        raise damaged(kind, path, why, "give the name of a file") from error
    if descriptor is None:
        raise damaged(kind, path, "a folder, pipe or device", "give the name of a file")
    return os.fdopen(descriptor, "rb")


def read_bytes(path: PathLike, *, max_bytes: int, what: str = "a regular file") -> bytes:
    """Content of a regular file of at most `max_bytes`.

    Raises
    ------
    DamagedFile
        If it is larger, or no regular file.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > max_bytes:
            raise damaged(what, path, f"{size:,} bytes, more than {max_bytes:,}", "check the file")
        return file.read(size)


def parse_json(
    content: bytes, *, what: str, path: PathLike, remedy: str = "check the file"
) -> dict[str, Any]:
    """JSON object that some bytes hold.

    Raises
    ------
    DamagedFile
        If they hold no JSON object.
    """
    try:
        value = json.loads(content.decode("utf-8"))
        _check_depth(value)
        json.dumps(value, ensure_ascii=False).encode("utf-8")  # half characters end here
    except (ValueError, RecursionError) as error:
        raise damaged(what, path, f"no JSON: {error}", remedy) from error
    if not isinstance(value, dict):
        raise damaged(what, path, f"JSON of type {type(value).__name__}, not an object", remedy)
    return value


def _check_depth(value: object) -> None:
    """Refuse lists and objects that lie too deep inside one another."""
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        containers = [value for value in level if isinstance(value, (dict, list))]
        level = [
            inner
            for outer in containers
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return
    raise ValueError(f"lists or objects lie more than {MAX_DEPTH} deep")


def read_json(
    path: PathLike, *, what: str, remedy: str = "check the file", max_bytes: int = MAX_JSON
) -> dict[str, Any]:
    """JSON object of a regular file of at most `max_bytes`.

    Raises
    ------
    FileNotFoundError
        If there is nothing at `path`.
    DamagedFile
        If it is larger, no regular file, or holds no JSON object.
    """
    content = read_bytes(path, max_bytes=max_bytes, what=what)
    return parse_json(content, what=what, path=path, remedy=remedy)


def inside(folder: Path, name: object) -> Path:
    """Place of an entry that a manifest names, which must lie in its own folder, not below it.

    Raises
    ------
    ValueError
        If the name leads anywhere else, by ``..``, a separator, an absolute path or a link.
    """
    plain = isinstance(name, str) and name not in {"", ".", ".."} and "\0" not in name
    if not plain or Path(name).name != name or "/" in name or "\\" in name:  # type: ignore[arg-type]
        raise ValueError(f"a file name must lie in the folder itself, got {name!r}")
    place = folder / str(name)
    try:
        home = place.resolve().parent
    except (OSError, RuntimeError) as error:  # a loop of links
        raise ValueError(f"a file name must lie in the folder itself, got {name!r}") from error
    if home != folder.resolve():
        raise ValueError(f"a file name must lie in the folder itself, got the link {name!r}")
    return place


def array_header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any], bool]:
    """Shape, dtype and Fortran order that an npy file declares; the file stands at its values.

    Raises
    ------
    ValueError
        If it is no npy file, or one of Python objects.
    """
    start = file.read(8)
    if len(start) < 8 or start[:6] != b"\x93NUMPY" or start[6] not in {1, 2, 3}:
        raise ValueError("no npy header")
    n_bytes = 2 if start[6] == 1 else 4
    length = int.from_bytes(file.read(n_bytes), "little")
    if length > _HEADER:
        raise ValueError(f"an npy header of {length:,} bytes")
    text = file.read(length)
    try:
        header = ast.literal_eval(text.decode("utf-8").strip())
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError) as error:
        raise ValueError(f"no npy header: {error}") from error
    kinds = {"descr": str, "fortran_order": bool, "shape": tuple}
    if len(text) < length or not json_fits(header, kinds) or len(header) > len(kinds):
        raise ValueError("an npy header that says something else")
    if not _PLAIN.fullmatch(header["descr"]):
        raise ValueError(f"dtype {header['descr'][:40]!r} holds no plain numbers or strings")
    shape, dtype = header["shape"], np.dtype(header["descr"])
    if dtype.itemsize == 0 and dtype.kind != "U":
        raise ValueError(f"dtype {dtype} holds nothing")
    if not all(type(length) is int and 0 <= length < 2**62 for length in shape):
        raise ValueError(f"shape {str(shape)[:100]} is impossible")
    return shape, dtype, header["fortran_order"]


def parse_array(content: bytes, *, max_bytes: int) -> NDArray[Any]:
    """Array of an npy file's bytes, whose declared size must be what is there.

    Raises
    ------
    ValueError
        If it is damaged, holds Python objects, or declares another size than it has.
    """
    file = io.BytesIO(content)
    shape, dtype, fortran = array_header(file)
    declared = math.prod(shape) * dtype.itemsize
    there = len(content) - file.tell()
    if declared > max_bytes:
        raise ValueError(f"{declared:,} bytes declared, more than {max_bytes:,}")
    if declared != there:
        raise ValueError(f"{declared:,} bytes declared, {there:,} there")
    flat = np.frombuffer(content, dtype, offset=file.tell()) if there else np.empty(0, dtype)
    if dtype.kind == "U":
        _check_text(flat)
    if dtype.kind == "b" and there and int(flat.view(np.uint8).max()) > 1:
        raise ValueError("a truth value is neither 0 nor 1")
    native = flat.astype(dtype.newbyteorder("="))  # a copy: the bytes may go
    return native.reshape(shape, order="F" if fortran else "C")


def _check_text(flat: NDArray[Any]) -> None:
    """Refuse code points that no string can hold; numpy fails on them much later."""
    codes = flat.view(flat.dtype.byteorder.replace("|", "=") + "u4")
    if codes.size and int(codes.max()) > sys.maxunicode:
        raise ValueError("a text holds characters that do not exist")
    if ((codes >= 0xD800) & (codes <= 0xDFFF)).any():
        raise ValueError("a text holds half a character, which cannot be written anywhere")


def read_archive(
    path: PathLike,
    *,
    what: str,
    allowed: Callable[[str], bool],
    max_bytes: int | None = None,
    remedy: str = "check the file",
) -> dict[str, bytes]:
    """Members of a zip file, by name.

    Parameters
    ----------
    path : path-like
        A regular file.
    what : str
        What it must be, for the message.
    allowed : callable
        Whether a member of this name may be in it. Any other, or one that comes twice, is refused.
    max_bytes : int or None
        What all members together may declare; checked before any is read. None: 20 times the
        size of the file, at least 64 MiB and at most `MAX_ARRAYS`.

    Raises
    ------
    FileNotFoundError
        If there is nothing at `path`.
    DamagedFile
        If it is no such zip file.
    """
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            most = (
                min(MAX_ARRAYS, max(_UNPACKED * size, _SMALL)) if max_bytes is None else max_bytes
            )
            with zipfile.ZipFile(_Pieces(file)) as archive:
                return _members(archive, allowed, most)
    except (FileNotFoundError, PermissionError, MemoryError, DamagedFile):
        raise
    except Exception as error:  # zipfile and its decoders raise half a dozen kinds
        raise damaged(what, path, error, remedy) from error


def zip_sizes(path: PathLike, *, max_bytes: int | None = None) -> dict[str, int] | None:
    """Declared sizes of a zip file's members, by name; None if it is no zip file.

    Raises
    ------
    FileNotFoundError
        If there is nothing at `path`.
    DamagedFile
        If it is no regular file, or its members declare more than `max_bytes` (None: 20 times the
        size of the file, at least 64 MiB).
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        most = max(_UNPACKED * size, _SMALL) if max_bytes is None else max_bytes
        try:
            with zipfile.ZipFile(_Pieces(file)) as archive:
                sizes = {member.filename: member.file_size for member in archive.infolist()}
                declared = sum(member.file_size for member in archive.infolist())
        except (zipfile.BadZipFile, OSError, ValueError, RuntimeError, struct.error, EOFError):
            return None
    if declared > most:
        why = f"{declared:,} bytes declared, more than {most:,}"
        raise damaged("a file of weights", path, why, "check the file")
    return sizes


class _Pieces:
    """A file that gives no more than a piece at once, whatever the archive says of its table."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        piece = self._file.read(min(size, _CHUNK + 1) if size >= 0 else _CHUNK + 1)
        if len(piece) > _CHUNK:
            raise ValueError(f"a table of more than {_CHUNK:,} bytes declared")
        return piece

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def _members(
    archive: zipfile.ZipFile, allowed: Callable[[str], bool], max_bytes: int
) -> dict[str, bytes]:
    members = archive.infolist()
    names = [member.filename for member in members]
    odd = [name for name in names if not allowed(name)]
    if odd:
        raise ValueError(f"it holds {odd[0][:100]!r}")
    if len(set(names)) < len(names):
        raise ValueError("it holds one name twice")
    if any(member.compress_type not in _KNOWN_COMPRESSION for member in members):
        raise ValueError("it is compressed in an unknown way")
    declared = sum(member.file_size for member in members)
    if declared > max_bytes:
        raise ValueError(f"{declared:,} bytes declared, more than max_bytes={max_bytes:,}")
    content = {}
    for member in members:
        pieces = bytearray()
        with archive.open(member) as file:
            while piece := file.read(min(_CHUNK, member.file_size - len(pieces))):
                pieces += piece
        if len(pieces) != member.file_size:
            raise ValueError(f"{member.filename} is cut off")
        content[member.filename] = bytes(pieces)
    return content


def open_image(source: PathLike | IO[bytes], *, max_pixels: int = MAX_PIXELS) -> "Image.Image":
    """A picture whose format is on the short list and whose declared size is allowed; not decoded.

    Parameters
    ----------
    source : path-like or binary file
        A regular file.
    max_pixels : int
        Height times width.

    Raises
    ------
    ValueError
        If it declares more pixels, or is of no known format.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        image = Image.open(source, formats=IMAGE_FORMATS)
    except UnidentifiedImageError as error:
        known = ", ".join(IMAGE_FORMATS)
        raise ValueError(f"no picture of a known format ({known})") from error
    except Image.DecompressionBombError as error:
        raise ValueError(f"more than {max_pixels:,} pixels declared") from error
    if image.width * image.height > max_pixels:
        raise ValueError(f"{image.width}x{image.height} pixels declared, more than {max_pixels:,}")
    return image


@contextlib.contextmanager
def whole_file(path: PathLike) -> Iterator[Path]:
    """Yield a temporary name beside `path`; rename it there on success, delete it on any error.

    Parameters
    ----------
    path : path-like
        Where the finished file shall lie. Missing parent folders are made. What killed saves to the
        same name left behind is deleted.

    Yields
    ------
    pathlib.Path
        The temporary name to write to (same folder, so that the rename is atomic).

    Raises
    ------
    OSError
        If the disk is full: one line that names `path`.
    """
    target = Path(path)
    with _room(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(target)
        temporary, held = _temporary(target, _make_file)
        try:
            yield temporary
            temporary.replace(target)
        finally:
            os.close(held)
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def whole_folder(path: PathLike) -> Iterator[Path]:
    """Yield a temporary folder beside `path`; rename it there on success, delete it on any error.

    Raises
    ------
    FileExistsError
        If `path` exists already: a folder is never overwritten.
    BlockingIOError
        If somebody else is writing the same folder at this moment.
    OSError
        If the disk is full: one line that names `path`.
    """
    target = Path(path)
    _check_absent(target)
    with _room(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        if _remove_leftovers(target):
            raise BlockingIOError(
                errno.EAGAIN,
                f"path must be written by one save at a time, got {target}, which another one is "
                "writing; wait for it or choose another name",
            )
        temporary, held = _temporary(target, _make_folder)
        try:
            yield temporary
            try:
                temporary.rename(target)
            except OSError:  # another save was faster
                _check_absent(target)
                raise
        finally:
            if held >= 0:
                os.close(held)
            if temporary.exists():
                shutil.rmtree(temporary)


def _check_absent(target: Path) -> None:
    if target.exists() or target.is_symlink():
        raise FileExistsError(
            f"path must not exist yet, got {target}; choose another name or delete it first"
        )


def _make_file(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)


def _make_folder(path: Path) -> int:
    path.mkdir()
    return -1 if sys.platform == "win32" else os.open(path, os.O_RDONLY)


def _temporary(target: Path, make: Callable[[Path], int]) -> tuple[Path, int]:
    """A new temporary file or folder beside `target`, and the descriptor that holds its lock."""
    while True:
        temporary = target.with_name(f"{_stem(target)}{secrets.token_hex(4)}.cutaway-tmp")
        try:
            held = make(temporary)
        except FileNotFoundError:
            if target.parent.is_dir():
                continue  # a folder that another save took for a leftover before it was locked
            raise
        if held < 0:
            return temporary, held
        _lock(held)
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(temporary.stat(), os.fstat(held)):
                return temporary, held
        os.close(held)  # taken for a leftover between its making and its lock


def _stem(target: Path) -> str:
    """What the names of all temporary files of `target` begin with."""
    name = os.fsencode(target.name)
    short = len(name) <= 200  # of the 255 bytes that a name may have
    return f".{target.name if short else hashlib.blake2b(name, digest_size=16).hexdigest()}."


def _lock(descriptor: int) -> bool | None:
    """Take the lock that tells a living save from a dead one.

    Returns
    -------
    bool or None
        False if another process has it; None where the file system knows no locks.
    """
    if sys.platform == "win32":
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _remove_leftovers(target: Path) -> bool:
    """Delete what dead saves left beside `target`; True if a living one writes `target` itself."""
    living = False
    own = _stem(target)
    for leftover in list(target.parent.iterdir()):
        if not _LEFTOVER.fullmatch(leftover.name) or leftover.is_symlink():
            continue
        try:
            descriptor = os.open(leftover, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        except OSError:  # gone meanwhile, or not ours
            continue
        try:
            free = _lock(descriptor)
            if free is False:
                ending = leftover.name.removeprefix(own)
                living |= leftover.name != ending and len(ending) == len("01234567.cutaway-tmp")
            elif free and stat.S_ISDIR(os.fstat(descriptor).st_mode):
                shutil.rmtree(leftover, ignore_errors=True)
            elif free:
                with contextlib.suppress(OSError):
                    leftover.unlink()
        finally:
            os.close(descriptor)
    return living


@contextlib.contextmanager
def _room(target: Path) -> Iterator[None]:
    """Turn what a full or failing disk raises into one line that names the file."""
    try:
        yield
    except Exception as error:
        number = error.errno if isinstance(error, OSError) else None
        # numpy, safetensors and torch report a write that failed in words of their own.
        if number not in _NO_ROOM and (number or not _SAID_NO_ROOM.search(str(error))):
            raise
        why = getattr(error, "strerror", None) or _one_line(error)[:200]
        raise OSError(
            number or errno.ENOSPC,
            f"path must lie on a disk with room, got {_one_line(target)} where writing failed "
            f"({why}); free some space or choose another place (nothing was kept)",
        ) from error


def json_fits(value: object, kinds: Mapping[str, type | tuple[type, ...]]) -> bool:
    """Whether a JSON object has all these keys, each with a value of its type (bool is no int)."""
    return isinstance(value, dict) and all(
        name in value
        and isinstance(value[name], kind)
        and not (isinstance(value[name], bool) and kind is int)
        for name, kind in kinds.items()
    )

"""The one place where files are opened and finished.

Reading: regular files only, every size that a file declares is checked before memory is taken, and
whatever is wrong with a file becomes one line with its name. Writing: a file or folder is whole or
absent, what a killed save left behind goes away at the next one, and a full disk is one line.
"""

import contextlib
import errno
import io
import json
import math
import os
import re
import secrets
import shutil
import stat
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
MAX_ARRAYS = 4 * 10**9
"""Bytes that all arrays of one saved result may declare."""
MAX_PIXELS = 50_000_000
"""Pixels of the largest picture: 8,000 by 6,000 is more than most cameras make."""
IMAGE_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")
"""Formats that are decoded by code that computes nothing; PostScript and others run programs."""

_LEFTOVER = r"\.{name}\.[0-9a-f]{{8}}\.tmp"
_NO_ROOM = frozenset(
    getattr(errno, name)
    for name in ("ENOSPC", "EFBIG", "EDQUOT", "EIO", "EROFS")
    if hasattr(errno, name)
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
    reason = " ".join(str(why).split()) or type(why).__name__
    if isinstance(why, KeyError):
        reason = f"{reason} is missing"
    return DamagedFile(f"path must be {what}, got {path} ({reason[:300]}); {remedy}")


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
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        raise FileNotFoundError(
            f"path must be an existing file, got {os.fspath(path)}; check its name"
        ) from None
    except ValueError as error:  # a name with a null character
        raise damaged(kind, repr(os.fspath(path)), error, "check its name") from error
    except OSError as error:
        if error.errno in (errno.ENXIO, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG):
            raise damaged(kind, path, error.strerror, "give the name of a file") from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
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
        return file.read(max_bytes)


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
    except (ValueError, RecursionError) as error:
        raise damaged(what, path, f"no JSON: {error}", remedy) from error
    if not isinstance(value, dict):
        raise damaged(what, path, f"JSON of type {type(value).__name__}, not an object", remedy)
    return value


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
    if place.resolve().parent != folder.resolve():
        raise ValueError(f"a file name must lie in the folder itself, got the link {name!r}")
    return place


def array_header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any], bool]:
    """Shape, dtype and Fortran order that an npy file declares; the file stands at its values.

    Raises
    ------
    ValueError
        If it is no npy file, or one of Python objects.
    """
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
    elif version in ((2, 0), (3, 0)):  # 3 differs in the encoding of field names only
        shape, fortran, dtype = np.lib.format.read_array_header_2_0(file)
    else:
        raise ValueError(f"npy version {version} is unknown")
    if dtype.hasobject or dtype.kind not in "biufcU" or dtype.itemsize == 0:
        raise ValueError(f"dtype {dtype} holds no plain numbers or strings")
    if not all(isinstance(one, int) and one >= 0 for one in shape):
        raise ValueError(f"shape {shape} is impossible")
    return shape, dtype, fortran


def parse_array(content: bytes, *, max_bytes: int) -> NDArray[Any]:
    """Array of an npy file's bytes, whose declared size must be what is there.

    Raises
    ------
    ValueError
        If it is damaged, holds Python objects, or declares another size than it has.
    """
    file = io.BytesIO(content)
    try:
        shape, dtype, fortran = array_header(file)
    except (EOFError, TypeError, SyntaxError, RecursionError, UnicodeError) as error:
        raise ValueError(f"no npy header: {error}") from error
    declared = math.prod(shape) * dtype.itemsize
    there = len(content) - file.tell()
    if declared > max_bytes:
        raise ValueError(f"{declared:,} bytes declared, more than {max_bytes:,}")
    if declared != there:
        raise ValueError(f"{declared:,} bytes declared, {there:,} there")
    flat = np.frombuffer(content, dtype, offset=file.tell()) if there else np.empty(0, dtype)
    if dtype.kind == "U":
        _check_text(flat)
    return flat.reshape(shape, order="F" if fortran else "C").copy()


def _check_text(flat: NDArray[Any]) -> None:
    """Refuse code points that no string can hold; numpy fails on them much later."""
    codes = flat.view(flat.dtype.byteorder.replace("|", "=") + "u4")
    if codes.size and int(codes.max()) > sys.maxunicode:
        raise ValueError("a text holds characters that do not exist")


def read_archive(
    path: PathLike,
    *,
    what: str,
    allowed: Callable[[str], bool],
    max_bytes: int = MAX_ARRAYS,
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
    max_bytes : int
        What all members together may declare; checked before any is read.

    Raises
    ------
    FileNotFoundError
        If there is nothing at `path`.
    DamagedFile
        If it is no such zip file.
    """
    try:
        with open_regular(path) as file, zipfile.ZipFile(file) as archive:
            return _members(archive, allowed, max_bytes)
    except (FileNotFoundError, PermissionError, MemoryError, DamagedFile):
        raise
    except Exception as error:  # zipfile and its decoders raise half a dozen kinds
        raise damaged(what, path, error, remedy) from error


def _members(
    archive: zipfile.ZipFile, allowed: Callable[[str], bool], max_bytes: int
) -> dict[str, bytes]:
    members = archive.infolist()
    names = [one.filename for one in members]
    odd = [name for name in names if not allowed(name)]
    if odd:
        raise ValueError(f"it holds {odd[0][:100]!r}")
    if len(set(names)) < len(names):
        raise ValueError("it holds one name twice")
    declared = sum(one.file_size for one in members)
    if declared > max_bytes:
        raise ValueError(f"{declared:,} bytes declared, more than max_bytes={max_bytes:,}")
    content = {}
    for one in members:
        with archive.open(one) as member:
            content[one.filename] = member.read(one.file_size)
        if len(content[one.filename]) != one.file_size:
            raise ValueError(f"{one.filename} is cut off")
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
        temporary = _temporary_name(target)
        held = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            _lock(held)
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
        temporary = _temporary_name(target)
        temporary.mkdir()
        held = None if sys.platform == "win32" else os.open(temporary, os.O_RDONLY)
        try:
            if held is not None:
                _lock(held)
            yield temporary
            try:
                temporary.rename(target)
            except OSError:  # another save was faster
                _check_absent(target)
                raise
        finally:
            if held is not None:
                os.close(held)
            if temporary.exists():
                shutil.rmtree(temporary)


def _check_absent(target: Path) -> None:
    if target.exists() or target.is_symlink():
        raise FileExistsError(
            f"path must not exist yet, got {target}; choose another name or delete it first"
        )


def _temporary_name(target: Path) -> Path:
    return target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")


def _lock(descriptor: int) -> bool:
    """Take the lock that tells a living save from a dead one; False if another process has it."""
    if sys.platform == "win32":
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _remove_leftovers(target: Path) -> bool:
    """Delete what dead saves to `target` left behind; True if a living one is at work."""
    pattern = re.compile(_LEFTOVER.format(name=re.escape(target.name)))
    living = False
    for one in list(target.parent.iterdir()):
        if not pattern.fullmatch(one.name) or one.is_symlink():
            continue
        try:
            descriptor = os.open(one, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        except OSError:  # gone meanwhile, or not ours
            continue
        try:
            if _lock(descriptor):
                if stat.S_ISDIR(os.fstat(descriptor).st_mode):
                    shutil.rmtree(one, ignore_errors=True)
                else:
                    one.unlink(missing_ok=True)
            else:
                living = True
        finally:
            os.close(descriptor)
    return living


@contextlib.contextmanager
def _room(target: Path) -> Iterator[None]:
    """Turn what a full or failing disk raises into one line that names the file."""
    try:
        yield
    except OSError as error:
        # numpy reports a short write without a number
        if error.errno not in _NO_ROOM and not (
            error.errno is None and re.search(r"requested and \d+ written", str(error))
        ):
            raise
        raise OSError(
            error.errno or errno.ENOSPC,
            f"path must lie on a disk with room, got {target} where writing failed "
            f"({error.strerror or error}); free some space or choose another place (nothing was "
            "kept)",
        ) from error


def json_fits(value: object, kinds: Mapping[str, type | tuple[type, ...]]) -> bool:
    """Whether a JSON object has all these keys, each with a value of its type (bool is no int)."""
    return isinstance(value, dict) and all(
        name in value
        and isinstance(value[name], kind)
        and not (isinstance(value[name], bool) and kind is int)
        for name, kind in kinds.items()
    )

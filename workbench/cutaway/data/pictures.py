"""Pictures that are decoded when they are needed: tried once, then read batch by batch.

A picture file's bytes are read, hashed and decoded from memory. Formats are those of a short list,
declared sizes are checked before memory is taken, and large pictures take turns.
"""

import contextlib
import io
import os
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO, Protocol, TypeAlias

import numpy as np
import xxhash
from numpy.typing import NDArray
from PIL import EpsImagePlugin, Image, ImageOps

from cutaway.core import check
from cutaway.core._io import (
    IMAGE_FORMATS,
    MAX_PIXELS,
    DamagedFile,
    damaged,
    open_image,
    open_regular,
)
from cutaway.data.arrays import as_images
from cutaway.data.content import digest_of_bytes, seed_of
from cutaway.data.dataset import Inputs
from cutaway.data.found import Finished

Size: TypeAlias = tuple[int, int]

_GREY_MODES = frozenset({"1", "L", "LA", "La", "I", "I;16", "I;16L", "I;16B", "I;16N"})
_THREADS = 4
"""Decoding releases Python's lock; more threads than this wait for the disk."""
_IN_MEMORY = 64 * 2**20
"""Bytes of a file that is held while it is decoded; a longer one is read twice."""
_CHUNK = 2**20
_BIG = 8_000_000
"""Pixels from which on pictures are decoded one at a time, so that threads do not add up."""
_TURN = threading.RLock()
_WORKER = threading.local()
_MOST_SIDE = 65_535
"""Pixels of the longest side, as in JPEG files; some decoders take memory by the side."""
_MOST_SCANS = 100
"""Scans of a JPEG file; cameras and editors write about ten, and each costs a pass."""
_MOST_PASSED = 10**9
"""Scans times pixels: twenty of the largest picture, some seconds."""
_EIGHT_BITS = np.rint(np.arange(65536) / 257).astype(np.uint8)
_WHAT = "a picture that can be decoded"
_REMEDY = "check the file and load the data again"


class _Postponed(Exception):  # noqa: N818 - no error, a decision
    """Raised in a thread of a pool that meets a large picture."""


class Reader(Protocol):
    """Where pictures lie; rows are places in it."""

    def picture(
        self, row: int, size: Size | None, *, grey: bool | None, seed: int
    ) -> tuple[NDArray[np.uint8], bool, bytes]:
        """Pixels as `pixels` makes them, whether the picture is grey, and its digest."""

    def digest(self, row: int, seed: int) -> bytes:
        """The same digest, without decoding where that is possible."""

    def name(self, row: int) -> str:
        """What a message calls it."""


@dataclass(frozen=True, eq=False)
class Files:
    """Picture files.

    Parameters
    ----------
    paths : sequence of pathlib.Path
        One a row.
    max_pixels : int
        The most that one may declare.
    """

    paths: Sequence[Path]
    max_pixels: int = MAX_PIXELS

    def picture(
        self, row: int, size: Size | None, *, grey: bool | None, seed: int
    ) -> tuple[NDArray[np.uint8], bool, bytes]:
        """Pixels, whether they are grey, and the digest of the file's bytes."""
        with open_regular(self.paths[row]) as file:
            source: BinaryIO = file
            if os.fstat(file.fileno()).st_size <= _IN_MEMORY:
                content = file.read()
                digest = digest_of_bytes(content, seed)
                source = io.BytesIO(content)
            else:
                digest = _digest_of_file(file, seed)
                file.seek(0)
            array, is_grey = decode_picture(source, size, grey=grey, max_pixels=self.max_pixels)
        return array, is_grey, digest

    def digest(self, row: int, seed: int) -> bytes:
        """Digest of the file's bytes."""
        with open_regular(self.paths[row]) as file:
            return _digest_of_file(file, seed)

    def name(self, row: int) -> str:
        """Path of the file."""
        return str(self.paths[row])


def _digest_of_file(file: BinaryIO, seed: int) -> bytes:
    state = xxhash.xxh3_128(seed=seed)
    while content := file.read(_CHUNK):
        state.update(content)
    return state.digest()


@dataclass(frozen=True, eq=False)
class Pictures:
    """Decoded pictures of one size; all grey, or all RGB.

    Parameters
    ----------
    reader : Reader
        Where they lie.
    size : tuple of int
        Height and width. Pictures of another size are scaled to cover it and cut at the centre.
    grey : bool
        One channel; else three.
    scaled : bool
        Whether the caller asked for this size; files may then be decoded in reduced size.
    """

    reader: Reader
    size: Size
    grey: bool
    scaled: bool = False
    kind = "image"

    @property
    def form(self) -> str:
        """How a file becomes pixels: the seed of the digests."""
        height, width = self.size
        return f"picture {height}x{width} {'grey' if self.grey else 'colour'} {self.scaled}"

    def read(self, rows: NDArray[np.int64]) -> tuple[Inputs, tuple[bytes, ...]]:
        """Tensor (k, c, h, w), float32 in [0, 1], and digests of the files as they were read."""
        seed = seed_of(self.form)
        found = [self._picture(int(row), seed) for row in rows]
        pictures = np.stack([picture for picture, _ in found])
        inputs = as_images(pictures if self.grey else pictures.transpose(0, 3, 1, 2))
        return inputs, tuple(digest for _, digest in found)

    def digests(self, rows: NDArray[np.int64]) -> tuple[bytes, ...]:
        """Digests of the files, not decoded."""
        seed = seed_of(self.form)
        return tuple(self._digest(int(row), seed) for row in rows)

    def show(self, row: int) -> NDArray[np.uint8]:
        """Picture of one row, uint8."""
        return self._picture(row, 0)[0]

    def _digest(self, row: int, seed: int) -> bytes:
        with self._told(row):
            return self.reader.digest(row, seed)

    def _picture(self, row: int, seed: int) -> tuple[NDArray[np.uint8], bytes]:
        with self._told(row):
            wanted = self.size if self.scaled else None
            array, _, digest = self.reader.picture(row, wanted, grey=self.grey, seed=seed)
            if array.shape[:2] != self.size:
                height, width = array.shape[:2]
                raise ValueError(
                    f"{height}x{width} pixels, where it was {self.size[0]}x{self.size[1]} before"
                )
            return array, digest

    @contextlib.contextmanager
    def _told(self, row: int) -> Iterator[None]:
        """Turn what a decoder raises into one line with the picture's name."""
        try:
            yield
        except (DamagedFile, FileNotFoundError, PermissionError):
            raise
        except Exception as error:  # a damaged file may raise anything in a decoder
            raise damaged(_WHAT, self.reader.name(row), error, _REMEDY) from error


def decode_picture(
    source: IO[bytes] | Image.Image,
    size: Size | None,
    *,
    grey: bool | None,
    max_pixels: int = MAX_PIXELS,
) -> tuple[NDArray[np.uint8], bool]:
    """Pixels of a picture file, turned the way its camera was held, and whether it is grey.

    Parameters
    ----------
    source : binary file or PIL picture
        What is decoded.
    size : tuple of int or None
        Height and width wanted; a JPEG file of several times that size is decoded reduced.
    grey : bool or None
        One channel; None: if the picture is grey.
    max_pixels : int
        The most that it may declare.

    Raises
    ------
    ValueError, OSError
        If it is none, or too large. Decoders may raise anything else for a damaged file.
    """
    image = source if isinstance(source, Image.Image) else open_image(source, max_pixels=max_pixels)
    check_declared(image, max_pixels)
    with _turn(image.width * image.height):
        if image.format in ("JPEG", "MPO") and not isinstance(source, Image.Image):
            _check_scans(source, image.width * image.height)
            if size is not None:
                side = 2 * max(size)  # twice, so that what is averaged is still what was there
                image.draft(image.mode, (side, side))
        image.load()
        if isinstance(source, Image.Image):
            image = ImageOps.exif_transpose(image)  # a copy: this one is somebody's
        else:
            ImageOps.exif_transpose(image, in_place=True)
        is_grey = image.mode in _GREY_MODES
        return pixels(image, size, grey=is_grey if grey is None else grey), is_grey


class _NoPrograms:
    """Ghostscript is out of reach while anybody reads: PIL runs it on PostScript of any name."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._readers = 0
        self._before: Any = None

    def __enter__(self) -> None:
        with self._lock:
            if self._readers == 0:
                self._before = EpsImagePlugin.gs_binary
                EpsImagePlugin.gs_binary = False
            self._readers += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._readers -= 1
            if self._readers == 0:
                EpsImagePlugin.gs_binary = self._before


_NO_PROGRAMS = _NoPrograms()


def no_programs() -> AbstractContextManager[None]:
    """While a data set of somebody else opens pictures, none of them may start a program."""
    return _NO_PROGRAMS


def check_declared(image: Image.Image, max_pixels: int) -> None:
    """Refuse a picture of another format than those of the short list, or of too many pixels.

    Raises
    ------
    ValueError
        Says what it declares.
    """
    if image.format is not None and image.format not in (*IMAGE_FORMATS, "MPO"):
        raise ValueError(f"format {image.format}, not one of {', '.join(IMAGE_FORMATS)}")
    declared = image.width * image.height
    if declared > max_pixels:
        raise ValueError(
            f"{image.width}x{image.height} pixels declared, more than max_pixels={max_pixels:,}"
        )
    if max(image.size) > _MOST_SIDE:
        raise ValueError(f"{image.width}x{image.height} pixels declared, sides over {_MOST_SIDE:,}")
    tags = getattr(image, "tag_v2", None)
    if image.format == "TIFF" and tags is not None:
        tile = [tags.get(number, 0) for number in (322, 323)]
        if all(isinstance(side, int) for side in tile) and tile[0] * tile[1] > max_pixels:
            raise ValueError(f"tiles of {tile[0]}x{tile[1]} pixels declared")


def _check_scans(file: IO[bytes], declared: int) -> None:
    """Refuse a JPEG file of very many scans, each of which is a pass over all pixels."""
    place = file.tell()
    file.seek(0)
    scans, last = 0, b""
    while content := file.read(_CHUNK):
        scans += (last + content).count(b"\xff\xda")
        last = content[-1:]
    file.seek(place)
    if scans > _MOST_SCANS or scans * declared > _MOST_PASSED:
        raise ValueError(f"{scans} scans of {declared:,} pixels, too many to be a picture")


@contextlib.contextmanager
def _turn(declared: int) -> Iterator[None]:
    """Decode large pictures one at a time."""
    if declared < _BIG:
        yield
        return
    if getattr(_WORKER, "small_only", False):
        raise _Postponed
    with _TURN:
        yield


def pixels(image: Image.Image, size: Size | None, *, grey: bool) -> NDArray[np.uint8]:
    """Grey (h, w) or RGB (h, w, 3) uint8 array of a picture; an alpha channel is dropped.

    Raises
    ------
    ValueError
        If the picture holds floats, which have no fixed range.
    """
    if image.mode == "F":
        raise ValueError("floating-point pixels have no fixed range")
    if image.mode.startswith("I"):
        sixteen = np.asarray(image)
        if sixteen.min() < 0 or sixteen.max() > 65535:
            raise ValueError("pixels of more than 16 bits have no fixed range")
        image = Image.fromarray(_EIGHT_BITS[sixteen])
    image = image.convert("L" if grey else "RGB")
    if size is not None and (image.height, image.width) != size:
        image = ImageOps.fit(image, (size[1], size[0]), Image.Resampling.BILINEAR)
    return np.asarray(image)


def wanted_size(size: Any) -> Size | None:
    """Height and width of what the caller gave as `size`.

    Raises
    ------
    TypeError, ValueError
        If it is neither a positive whole number nor a pair of them.
    """
    if size is None:
        return None
    pair = (size, size) if not isinstance(size, (tuple, list)) else tuple(size)
    if len(pair) != 2:
        raise ValueError(
            f"size must be a number of pixels or (height, width), got {size!r}; give one or two"
        )
    for one in pair:
        check.whole("size", one, 1, remedy="give pixels, or (height, width) in pixels")
    return int(pair[0]), int(pair[1])


def tried(
    reader: Reader,
    rows: NDArray[np.int64],
    ids: NDArray[Any],
    size: Size | None,
    *,
    threads: int = _THREADS,
) -> Finished:
    """Decode every picture once, to know sizes and colour and which ones are broken.

    Parameters
    ----------
    reader : Reader
        Where the pictures lie; safe to call from `threads` threads.
    rows, ids : ndarray of shape (k,)
        The pictures to try, and their ids.
    size : tuple of int or None
        Height and width wanted; None requires all pictures to share one size.
    threads : int
        How many are decoded at a time.

    Returns
    -------
    Finished
        Pictures, grey if all of them are; and the reason for each broken one.

    Raises
    ------
    ValueError
        If `size` is None and the pictures differ in size.
    """

    def look(row: int) -> tuple[Size, bool] | str | None:
        try:
            array, is_grey, _ = reader.picture(row, size, grey=None, seed=0)
        except _Postponed:
            return None
        except Exception as error:  # noqa: BLE001 - a damaged file may raise anything in a decoder
            return " ".join(str(error).split()) or type(error).__name__
        return (array.shape[0], array.shape[1]), is_grey

    def look_at_small(row: int) -> tuple[Size, bool] | str | None:
        _WORKER.small_only = True
        return look(row)

    with ThreadPoolExecutor(threads) as pool:
        first = list(pool.map(look_at_small, rows.tolist()))
    # Large ones in one thread: what threads free is kept for each of them by the C library.
    seen = [
        look(row) if one is None else one for row, one in zip(rows.tolist(), first, strict=True)
    ]
    bad = {k: one for k, one in enumerate(seen) if isinstance(one, str)}
    good = {k: one for k, one in enumerate(seen) if isinstance(one, tuple)}
    grey = all(is_grey for _, is_grey in good.values())
    scaled = size is not None
    if size is None:
        sizes = Counter(shape for shape, _ in good.values())
        if len(sizes) > 1:
            raise ValueError(_several(sizes, good, ids))
        size = next(iter(sizes), (1, 1))
    return Finished(Pictures(reader, size, grey, scaled), bad)


def _several(sizes: Counter[Size], good: dict[int, tuple[Size, bool]], ids: NDArray[Any]) -> str:
    (most, n), (other, m) = sizes.most_common(2)
    example = next(ids[k].item() for k, (shape, _) in good.items() if shape == other)
    return (
        f"size must be given for pictures of several sizes, got {most[0]}x{most[1]} ({n} times), "
        f"{other[0]}x{other[1]} ({m} times, e.g. {example}) and {len(sizes) - 2} more sizes; "
        f"pass size={min(most)} or size=(height, width)"
    )

"""Pictures that are decoded when they are needed: tried once, then read batch by batch."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from cutaway.core import check
from cutaway.data.arrays import as_images
from cutaway.data.dataset import Inputs
from cutaway.data.found import Finished

Size: TypeAlias = tuple[int, int]

_GREY_MODES = frozenset({"1", "L", "LA", "La", "I", "I;16", "I;16L", "I;16B", "I;16N"})
_THREADS = 4
"""Decoding releases Python's lock; more threads than this wait for the disk."""


@dataclass(frozen=True, eq=False)
class Pictures:
    """Decoded pictures of one size; all grey, or all RGB.

    Parameters
    ----------
    read : callable
        Opens the picture of a row.
    size : tuple of int
        Height and width. Pictures of another size are scaled to cover it and cut at the centre.
    grey : bool
        One channel; else three.
    """

    read: Callable[[int], Image.Image]
    size: Size
    grey: bool
    kind = "image"

    def inputs(self, rows: NDArray[np.int64]) -> Inputs:
        """Tensor (k, c, h, w), float32 in [0, 1]."""
        pictures = np.stack([self.show(int(row)) for row in rows])
        return as_images(pictures if self.grey else pictures.transpose(0, 3, 1, 2))

    def show(self, row: int) -> NDArray[np.uint8]:
        """Picture of one row, uint8."""
        return pixels(self.read(row), self.size, grey=self.grey)


def opened(path: Any) -> Image.Image:
    """Picture of a file, wholly decoded and turned the way its camera was held."""
    with Image.open(path) as image:
        image.load()
        return ImageOps.exif_transpose(image)


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
        sixteen = np.asarray(image).astype(np.float64)
        if sixteen.min() < 0 or sixteen.max() > 65535:
            raise ValueError("pixels of more than 16 bits have no fixed range")
        image = Image.fromarray(np.rint(sixteen / 257).astype(np.uint8))
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
    read: Callable[[int], Image.Image],
    rows: NDArray[np.int64],
    ids: NDArray[Any],
    size: Size | None,
    *,
    threads: int = _THREADS,
) -> Finished:
    """Decode every picture once, to know sizes and colour and which ones are broken.

    Parameters
    ----------
    read : callable
        Opens the picture of a row; safe to call from `threads` threads.
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

    def look(row: int) -> tuple[Size, bool] | str:
        try:
            image = read(row)
            pixels(image, None, grey=True)
        except Exception as error:  # noqa: BLE001 - a damaged file may raise anything in a decoder
            return " ".join(str(error).split()) or type(error).__name__
        return (image.height, image.width), image.mode in _GREY_MODES

    with ThreadPoolExecutor(threads) as pool:
        seen = list(pool.map(look, rows.tolist()))
    bad = {k: one for k, one in enumerate(seen) if isinstance(one, str)}
    good = {k: one for k, one in enumerate(seen) if not isinstance(one, str)}
    grey = all(is_grey for _, is_grey in good.values())
    if size is None:
        sizes = Counter(shape for shape, _ in good.values())
        if len(sizes) > 1:
            raise ValueError(_several(sizes, good, ids))
        size = next(iter(sizes), (1, 1))
    return Finished(Pictures(read, size, grey), bad)


def _several(sizes: Counter[Size], good: dict[int, tuple[Size, bool]], ids: NDArray[Any]) -> str:
    (most, n), (other, m) = sizes.most_common(2)
    example = next(ids[k].item() for k, (shape, _) in good.items() if shape == other)
    return (
        f"size must be given for pictures of several sizes, got {most[0]}x{most[1]} ({n} times), "
        f"{other[0]}x{other[1]} ({m} times, e.g. {example}) and {len(sizes) - 2} more sizes; "
        f"pass size={min(most)} or size=(height, width)"
    )

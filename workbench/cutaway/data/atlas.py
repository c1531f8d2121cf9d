"""Many thumbnails as few PNG files: one request and one texture for a whole grid of pictures."""

import io
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cutaway.core import check
from cutaway.data.dataset import Dataset

_LARGEST = 4096
"""Longest side of a page in pixels: every browser and WebGL device takes textures of this size."""


@dataclass(frozen=True, eq=False)
class Atlas:
    """Thumbnails side by side, row by row, on pages of at most 4096 by 4096 pixels.

    Parameters
    ----------
    pages : tuple of bytes
        PNG files, grey or RGB.
    n : int
        Number of tiles on all pages.
    columns : int
        Tiles in a row.
    tile : tuple of int
        Width and height of a tile in pixels.
    per_page : int
        Tiles on a full page.
    """

    pages: tuple[bytes, ...]
    n: int
    columns: int
    tile: tuple[int, int]
    per_page: int

    @property
    def png(self) -> bytes:
        """The only page.

        Raises
        ------
        ValueError
            If there are several.
        """
        if len(self.pages) != 1:
            raise ValueError(
                f"png needs an atlas of 1 page, got {len(self.pages)} pages of up to "
                f"{self.per_page} tiles; use .pages, or give fewer ids"
            )
        return self.pages[0]

    def place(self, k: int) -> tuple[int, int, int]:
        """Page, left and top pixel of tile `k`, counted from 0 in the order of the ids."""
        check.whole("k", k, 0, self.n - 1)
        page, within = divmod(k, self.per_page)
        row, column = divmod(within, self.columns)
        return page, column * self.tile[0], row * self.tile[1]

    def __len__(self) -> int:
        return self.n

    def __repr__(self) -> str:
        size = sum(len(page) for page in self.pages) / 1000
        return f"Atlas({self.n} tiles of {self.tile}, {len(self.pages)} pages, {size:.0f} kB)"


def thumbnail_atlas(
    data: Dataset,
    ids: Iterable[int | str] | ArrayLike | None = None,
    *,
    size: int = 28,
    columns: int = 40,
) -> Atlas:
    """Thumbnails of some samples as PNG pages, tile k for the k-th id.

    Parameters
    ----------
    data : Dataset
        Images.
    ids : iterable of int or str, optional
        Which samples, in the order of the tiles; all by default.
    size : int
        Side of a tile in pixels. Pictures that are not square are centred on black.
    columns : int
        Tiles in a row; ``size * columns`` at most 4096.

    Returns
    -------
    Atlas
        The pages, and where each tile lies.

    Raises
    ------
    TypeError
        If the samples are no images.
    KeyError
        If an id is not in the data.
    ValueError
        If a row of tiles is wider than 4096 pixels, or there are no ids.
    """
    check.whole("size", size, 1, _LARGEST)
    check.whole("columns", columns, 1, _LARGEST // size, remedy="lower columns or size")
    positions = np.arange(len(data)) if ids is None else data.index.positions(ids)
    wanted = data.index.ids[positions].tolist()
    if not wanted:
        raise ValueError("ids must name at least one sample, got none; leave ids out for all")
    per_page = columns * (_LARGEST // size)
    pages = tuple(
        _page(data, wanted[first : first + per_page], size, columns)
        for first in range(0, len(wanted), per_page)
    )
    return Atlas(pages, len(wanted), columns, (size, size), per_page)


def _page(data: Dataset, ids: list[int | str], size: int, columns: int) -> bytes:
    from PIL import Image  # text and array data never come here

    rows = -(-len(ids) // columns)
    pictures = [data.thumbnail(one, size=size) for one in ids]
    colour = any(one.ndim == 3 for one in pictures)
    page = np.zeros((rows * size, columns * size, 3)[: 3 if colour else 2], np.uint8)
    for k, picture in enumerate(pictures):
        row, column = divmod(k, columns)
        _put(page[row * size : (row + 1) * size, column * size : (column + 1) * size], picture)
    file = io.BytesIO()
    Image.fromarray(page).save(file, format="PNG", compress_level=3)
    return file.getvalue()


def _put(tile: NDArray[np.uint8], picture: NDArray[np.uint8]) -> None:
    """Write a picture into the middle of its tile; grey fills all three colours."""
    height, width = picture.shape[:2]
    top, left = (tile.shape[0] - height) // 2, (tile.shape[1] - width) // 2
    if tile.ndim == 3 and picture.ndim == 2:
        picture = picture[:, :, None]
    tile[top : top + height, left : left + width] = picture

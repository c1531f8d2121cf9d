"""Data in memory: numpy arrays and torch tensors of images or of rows of numbers."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cutaway.core import check
from cutaway.data.content import digests_of_rows
from cutaway.data.dataset import Inputs
from cutaway.data.found import Found, ready
from cutaway.data.tiles import visible

_CHANNELS = (1, 3, 4)
_LOOKED_AT = 64
"""How many images are looked at to see whether floats were left in 0..255."""


@dataclass(frozen=True, eq=False)
class ImageArray:
    """Images (n, h, w) or (n, c, h, w); uint8 is read as float32 in [0, 1], floats as they are."""

    images: NDArray[Any]
    kind = "image"

    def read(self, rows: NDArray[np.int64]) -> tuple[Inputs, tuple[bytes, ...]]:
        """Tensor (k, c, h, w), float32, and digests of the images as they are stored."""
        some = self.images[rows]
        return as_images(some), digests_of_rows(some)

    def digests(self, rows: NDArray[np.int64]) -> tuple[bytes, ...]:
        """Digests of the images as they are stored."""
        return digests_of_rows(self.images[rows])

    def show(self, row: int) -> NDArray[np.uint8]:
        """Picture of one image, uint8."""
        return visible(self.images[row])


@dataclass(frozen=True, eq=False)
class RowArray:
    """Rows of numbers (n, d): float32, or int64 for whole numbers such as token ids."""

    values: NDArray[Any]
    kind = "array"

    def read(self, rows: NDArray[np.int64]) -> tuple[Inputs, tuple[bytes, ...]]:
        """Tensor (k, d), and digests of the rows as they are stored."""
        some = self.values[rows]
        whole = some.dtype.kind in "iu"
        made = torch.from_numpy(some.astype(np.int64 if whole else np.float32))
        return made, digests_of_rows(some)

    def digests(self, rows: NDArray[np.int64]) -> tuple[bytes, ...]:
        """Digests of the rows as they are stored."""
        return digests_of_rows(self.values[rows])

    def show(self, row: int) -> str:
        """Numbers of one row."""
        return str(self.values[row])


def as_images(values: NDArray[Any]) -> torch.Tensor:
    """Float32 tensor (k, c, h, w) of images (k, h, w) or (k, c, h, w)."""
    if values.ndim == 3:
        values = values[:, None]
    if values.dtype == np.uint8:
        return torch.from_numpy(np.ascontiguousarray(values)).float().div_(255)
    return torch.from_numpy(values.astype(np.float32))


def plain_array(values: Any) -> NDArray[Any]:
    """Numpy view or copy of an array or tensor, on the processor."""
    check.unmasked("source", values)
    if isinstance(values, torch.Tensor):
        try:
            values = values.detach().cpu()
            values = (values.float() if values.dtype == torch.bfloat16 else values).numpy()
        except (TypeError, RuntimeError, NotImplementedError) as error:
            raise TypeError(
                f"source must be a dense tensor of numbers, got {values.dtype} in layout "
                f"{values.layout} on {values.device}; use .to_dense() or convert it first"
            ) from error
    return np.asarray(values)


def from_arrays(x: Any, y: Any = None) -> Found:
    """Data of an array or tensor, with or without labels.

    Parameters
    ----------
    x : array or tensor of shape (n, h, w), (n, c, h, w) or (n, d)
        Images (uint8, whole numbers in 0..255, or floats), or rows of numbers.
    y : array_like of shape (n,), optional
        Labels.

    Returns
    -------
    Found
        Ids are 0 … n-1.

    Raises
    ------
    ValueError
        If the shape is none of these, or whole numbers exceed 0..255 in images.
    TypeError
        If they are no real numbers.
    """
    values = plain_array(x)
    if values.dtype.kind not in "buif":
        raise TypeError(
            f"source must be an array of real numbers or of strings, got dtype {values.dtype}; "
            "convert it first"
        )
    if values.ndim not in (2, 3, 4):
        raise ValueError(
            "source must have shape (n, h, w) or (n, c, h, w) for images or (n, d) for rows of "
            f"numbers, got {values.shape}; reshape it first"
        )
    if len(values) and not values.size:
        raise ValueError(
            f"source must hold some numbers a sample, got shape {values.shape}; check how it was "
            "made"
        )
    if values.ndim == 2:
        return Found("array", np.arange(len(values)), ready(RowArray(values)), y)
    _check_channels(values.shape)
    return Found("images", np.arange(len(values)), ready(ImageArray(_levels(values))), y)


def _check_channels(shape: tuple[int, ...]) -> None:
    if len(shape) == 4 and shape[1] not in _CHANNELS and shape[3] in _CHANNELS:
        raise ValueError(
            f"source must have its channels second (n, c, h, w), got shape {shape}, which looks "
            "like channels last; use x.transpose(0, 3, 1, 2)"
        )


def _levels(images: NDArray[Any]) -> NDArray[Any]:
    """Images with whole numbers as uint8; floats as they are, with a warning if in 0..255."""
    if images.dtype.kind == "f":
        some = images[:_LOOKED_AT]
        some = some[np.isfinite(some)]
        if some.size and some.min() >= 0 and some.max() > 16:
            warnings.warn(
                "source must hold floats in [0, 1] or normalised ones, got values in "
                f"0..{some.max():.4g}; divide by 255 or pass uint8",
                stacklevel=6,  # the line that called load_data
            )
        return images
    if images.dtype.kind == "b":
        return images.astype(np.float32)
    if images.dtype != np.uint8 and images.size and (images.min() < 0 or images.max() > 255):
        raise ValueError(
            f"source must hold whole numbers in 0..255 for images, got {images.min()}.."
            f"{images.max()}; scale it to floats in [0, 1]"
        )
    return images.astype(np.uint8, copy=False)

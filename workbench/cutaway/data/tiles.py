"""Pictures for people: any image array as uint8, and small."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutaway.core import check


def visible(picture: NDArray[Any]) -> NDArray[np.uint8]:
    """Picture as uint8 grey (h, w) or RGB (h, w, 3).

    Parameters
    ----------
    picture : ndarray of shape (h, w) or (c, h, w)
        uint8 is kept. Floats in [0, 1] become 0..255; other floats are stretched from the
        picture's own minimum to its maximum, because a normalised picture has no fixed range;
        non-finite values show as 0. One channel is grey, three are RGB, of four the last (alpha)
        is dropped, and of any other number the mean is shown.

    Returns
    -------
    ndarray of shape (h, w) or (h, w, 3)
        uint8.
    """
    if picture.ndim == 3:
        if len(picture) in (3, 4):
            return np.ascontiguousarray(_bytes(picture[:3]).transpose(1, 2, 0))
        picture = picture[0] if len(picture) == 1 else picture.mean(axis=0, dtype=np.float64)
    return _bytes(picture)


def _bytes(values: NDArray[Any]) -> NDArray[np.uint8]:
    if values.dtype == np.uint8:
        return values
    numbers = values.astype(np.float64)
    finite = np.isfinite(numbers)
    if not finite.any():
        return np.zeros(values.shape, np.uint8)
    low, high = numbers[finite].min(), numbers[finite].max()
    if low < 0 or high > 1:
        numbers = (numbers - low) / (high - low) if high > low else np.zeros_like(numbers)
    numbers = np.where(finite, numbers, 0.0)
    return np.rint(numbers * 255).astype(np.uint8)


def fit_inside(picture: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Picture whose longest side is `size` pixels, in its own proportions.

    Parameters
    ----------
    picture : ndarray of shape (h, w) or (h, w, 3)
        uint8.
    size : int
        Pixels, 1..4096. Smaller pictures are enlarged pixel by pixel, larger ones averaged.
    """
    check.whole("size", size, 1, 4096, remedy="give pixels, or None for the picture's own size")
    height, width = picture.shape[:2]
    longest = max(height, width)
    if longest == size:
        return picture
    from PIL import Image  # many data sets need no resizing

    way = Image.Resampling.NEAREST if longest < size else Image.Resampling.BOX
    shape = (max(1, round(width * size / longest)), max(1, round(height * size / longest)))
    return np.asarray(Image.fromarray(picture).resize(shape, way))

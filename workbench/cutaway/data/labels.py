"""Class indices and class names from whatever stands for labels."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

_MOST_CLASSES = 1_000_000


def class_labels(
    values: Any, classes: tuple[str, ...] | None = None
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Class index of each sample, and the names of the classes.

    Parameters
    ----------
    values : array_like of shape (n,)
        Whole numbers from 0 are kept as they are, so that they still match a model's outputs, and
        the classes are named "0", "1", …; strings (and False, True) become their place in sorted
        order. Anything that numpy, torch or pandas hold.
    classes : tuple of str, optional
        Names for whole-number labels.

    Returns
    -------
    labels : ndarray of shape (n,)
        int64.
    classes : tuple of str
        ``classes[label]`` is the name.

    Raises
    ------
    ValueError
        If they are not one class a sample.
    """
    array = _plain(values)
    if array.ndim != 1:
        raise ValueError(
            f"labels must have 1 axis (one class a sample), got shape {array.shape}; "
            "use labels.argmax(axis=1) for one-hot rows"
        )
    if array.dtype.kind == "O":
        array = _objects(array)
    if array.dtype.kind in "Ub":
        names, places = np.unique(array, return_inverse=True)
        return places.astype(np.int64), tuple(str(one) for one in names.tolist())
    return _numbered(_whole(array), classes)


def are_classes(values: Any) -> bool:
    """Whether values could be labels: measurements, gaps and -1 for "unknown" could not."""
    try:
        class_labels(values)
    except ValueError:
        return False
    return True


def _plain(values: Any) -> NDArray[Any]:
    if hasattr(values, "detach"):
        values = values.detach().cpu().numpy()
    elif hasattr(values, "to_numpy"):
        values = values.to_numpy()
    return np.asarray(values)


def _objects(array: NDArray[Any]) -> NDArray[Any]:
    """Python objects as one plain array, all strings or all numbers."""
    for place, one in enumerate(array.tolist()):
        if one is None or one != one:  # noqa: PLR0124 - NaN is the one value unlike itself
            raise ValueError(
                f"labels must name a class for every sample, got {one} at place {place}; "
                "drop those samples or name a class for them"
            )
    if any(isinstance(one, str) for one in array.tolist()):
        return np.array([str(one) for one in array.tolist()])
    return np.array(array.tolist())


def _whole(array: NDArray[Any]) -> NDArray[np.int64]:
    if array.dtype.kind == "f":
        wrong = np.flatnonzero(~np.isfinite(array) | (array != np.rint(array)))
        if len(wrong):
            raise ValueError(
                f"labels must be whole numbers or strings, got {array[wrong[0]]} at place "
                f"{wrong[0]}; leave labels out if they are measurements"
            )
    elif array.dtype.kind not in "iu":
        raise ValueError(
            f"labels must be whole numbers or strings, got dtype {array.dtype}; convert them first"
        )
    return array.astype(np.int64)


def _numbered(
    labels: NDArray[np.int64], classes: tuple[str, ...] | None
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    low, high = (int(labels.min()), int(labels.max())) if len(labels) else (0, -1)
    most = _MOST_CLASSES if classes is None else len(classes)
    if low < 0 or high >= most:
        raise ValueError(
            f"labels must lie in 0..{most - 1}, got {low if low < 0 else high}; "
            "drop unlabelled samples, or give the labels as strings to number them anew"
        )
    return labels, tuple(str(one) for one in range(high + 1)) if classes is None else classes

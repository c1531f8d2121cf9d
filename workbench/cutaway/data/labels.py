"""Class indices and class names from whatever stands for labels."""

import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cutaway.core import check

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
    array = _flat(values)
    if array.dtype.kind in "OUb":
        # By a dictionary: an array of strings takes the longest one's room for each.
        texts = [str(one) for one in array.tolist()]
        names = sorted(set(texts))
        number = {name: k for k, name in enumerate(names)}
        return np.fromiter((number[one] for one in texts), np.int64, len(texts)), tuple(names)
    return _numbered(_whole(array), classes)


def class_order(classes: Any) -> tuple[str, ...] | tuple[int, ...]:
    """The classes that a caller lists, in the order of a model's outputs.

    Raises
    ------
    TypeError
        If they are neither all strings nor all whole numbers.
    ValueError
        If there is none, or one comes twice.
    """
    if isinstance(classes, str) or not isinstance(classes, Iterable):
        raise TypeError(
            f"classes must be a sequence of strings or of whole numbers, got {classes!r}; "
            'give e.g. classes=["cat", "dog"] or classes=range(1, 11)'
        )
    listed = [one.item() if isinstance(one, np.generic) else one for one in classes]
    of_kind = [isinstance(one, str) for one in listed]
    whole = [isinstance(one, int) and not isinstance(one, bool) for one in listed]
    if not all(of_kind) and not all(whole):
        odd = next(
            one for one, text, number in zip(listed, of_kind, whole, strict=True)
            if not text and (any(of_kind) or not number)
        )  # fmt: skip
        raise TypeError(
            f"classes must be all strings or all whole numbers, got {odd!r} among them; "
            "write them in one way"
        )
    if len(set(listed)) < len(listed) or not listed:
        twice = next((one for one in listed if listed.count(one) > 1), None)
        raise ValueError(
            f"classes must be different ones, got {f'{twice!r} twice' if listed else 'none'}; "
            "list each once, in the order of the model's outputs"
        )
    return tuple(listed)


def number_labels(
    values: Any,
    names: tuple[str, ...] | None,
    order: tuple[str, ...] | tuple[int, ...] | None = None,
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Class index of each sample and names of the classes, in the caller's order if there is one.

    Parameters
    ----------
    values : array_like of shape (n,)
        Labels as found.
    names : tuple of str or None
        The source's own names for whole-number labels.
    order : tuple of str or int, optional
        From `class_order`.

    Raises
    ------
    ValueError
        If a label is not among those of `order`.
    """
    if order is None:
        labels, classes = class_labels(values, names)
        if names is None and _plain(values).dtype.kind not in "Ub":
            _tell_if_from_one(labels, _plain(values))
        return labels, classes
    if names is not None:
        labels, _ = class_labels(values, names)
        array: NDArray[Any] = np.array(names, object)[labels]
    else:
        array = _flat(values)
    of_texts = array.dtype.kind in "OUb"
    if not of_texts:
        array = _whole(array)
    if not of_texts and isinstance(order[0], str):
        return class_labels(array, tuple(str(one) for one in order))
    known = [str(one) for one in order] if of_texts else list(order)
    places = {one: place for place, one in enumerate(known)}
    held = [str(one) for one in array.tolist()] if of_texts else array.tolist()
    stranger = next((k for k, one in enumerate(held) if one not in places), None)
    if stranger is not None:
        raise ValueError(
            f"classes must list every label, got the label {held[stranger]!r} at place {stranger}, "
            f"which is not among {', '.join(map(repr, known[:5]))}"
            f"{', …' if len(known) > 5 else ''}; add it or leave those samples out"
        )
    numbers = np.fromiter((places[one] for one in held), np.int64, len(held))
    return numbers, tuple(str(one) for one in order)


def _tell_if_from_one(labels: NDArray[np.int64], values: NDArray[Any]) -> None:
    """Say once that labels may be numbered from 1: class k would silently be taken for k + 1."""
    if values.dtype.kind == "O" and any(isinstance(one, str) for one in values.tolist()):
        return
    there = np.unique(labels)
    if len(there) > 1 and there[0] == 1 and there[-1] == len(there):
        warnings.warn(
            f"labels must be numbered from 0, got 1..{there[-1]} and no 0; if they are numbered "
            f"from 1, subtract 1 or pass classes=range(1, {there[-1] + 1})",
            stacklevel=5,  # the line that called load_data
        )


def are_classes(values: Any) -> bool:
    """Whether values could be labels: measurements, gaps and -1 for "unknown" could not."""
    try:
        class_labels(values)
    except ValueError:
        return False
    return True


def _plain(values: Any) -> NDArray[Any]:
    check.unmasked("labels", values)
    if hasattr(values, "detach"):
        values = values.detach().cpu().numpy()
    elif hasattr(values, "to_numpy"):
        values = values.to_numpy()
    try:
        return np.asarray(values)
    except ValueError as error:
        raise ValueError(
            "labels must be whole numbers or strings, got lists of different lengths; give one "
            "class a sample"
        ) from error


def _flat(values: Any) -> NDArray[Any]:
    """Labels as one axis of numbers, strings or booleans; dtype object means strings."""
    array = _plain(values)
    if array.ndim != 1:
        raise ValueError(
            f"labels must have 1 axis (one class a sample), got shape {array.shape}; "
            "use labels.argmax(axis=1) for one-hot rows"
        )
    return _objects(array) if array.dtype.kind == "O" else array


def _objects(array: NDArray[Any]) -> NDArray[Any]:
    """Python objects as an array, all strings (then still of dtype object) or all numbers."""
    listed = array.tolist()
    for place, one in enumerate(listed):
        if not isinstance(one, (str, int, float, np.generic)) or one != one:  # noqa: PLR0124 - NaN is unlike itself
            if _is_missing(one):
                raise ValueError(
                    f"labels must name a class for every sample, got {one} at place {place}; "
                    "drop those samples or name a class for them"
                )
            raise ValueError(
                f"labels must be whole numbers or strings, got {one!r:.80} "
                f"({type(one).__name__}) at place {place}; convert them first"
            )
    if any(isinstance(one, str) for one in listed):
        return np.array([str(one) for one in listed], object)
    plain = np.array(listed)
    if plain.dtype.kind == "O":
        most = max(listed, key=abs)
        raise ValueError(f"labels must lie in 0..{_MOST_CLASSES - 1}, got {most}; number them anew")
    return plain


def _is_missing(value: Any) -> bool:
    """Whether a value stands for none: None, NaN, NaT or pandas' NA."""
    return value is None or (np.ndim(value) == 0 and bool(pd.isna(value)))


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
    for extreme in (array.min(), array.max()) if len(array) else ():
        if not -(2**63) <= int(extreme) < 2**63:
            raise ValueError(
                f"labels must lie in 0..{_MOST_CLASSES - 1}, got {int(extreme)}; number them anew"
            )
    whole: NDArray[np.int64] = array.astype(np.int64)
    return whole


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

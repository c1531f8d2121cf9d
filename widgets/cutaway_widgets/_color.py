"""Columns that colour points: categories and numbers, as values and on the wire."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from cutaway.core import check
from cutaway_widgets import _array

_NONE = 0xFFFF


@dataclass(frozen=True, eq=False)
class Categories:
    """A colour column of kinds, e.g. clusters or classes.

    Parameters
    ----------
    codes : array_like of shape (n,)
        Place in `names` of each row's kind; negative means none (drawn grey).
    names : sequence of str
        Name of each kind, as the legend shows it.
    colors : sequence of str or None
        CSS colours, one a kind; None gives Okabe-Ito, and more hues beyond eight.
    """

    codes: ArrayLike
    names: Sequence[str]
    colors: Sequence[str] | None = None


@dataclass(frozen=True, eq=False)
class Values:
    """A colour column of numbers, e.g. a loss.

    Parameters
    ----------
    numbers : array_like of shape (n,)
        One number a row; NaN is drawn grey.
    unit : str
        Unit, shown in the legend, e.g. "nats".
    limits : (float, float) or None
        Numbers at the ends of the colour scale; None takes the smallest and the largest.
    """

    numbers: ArrayLike
    unit: str = ""
    limits: tuple[float, float] | None = None


def wire(
    colors: Mapping[str, Any], n: int, rows: NDArray[Any] | None = None
) -> list[dict[str, Any]]:
    """Wire form of named colour columns.

    Parameters
    ----------
    colors : mapping of str to Categories, Values or array_like
        A plain array of floats is taken as `Values`; of whole numbers, strings or booleans as
        `Categories` of its sorted unique entries.
    n : int
        Rows.
    rows : ndarray of shape (k,) or None
        Rows to send; names and limits are those of all n. None sends all.

    Returns
    -------
    list of dict
        In the order given.

    Raises
    ------
    ValueError
        If a column has another number of rows, a code without a name or too many kinds.
    """
    part = slice(None) if rows is None else rows
    return [_column(name, value, n, part) for name, value in colors.items()]


def _column(name: str, value: Any, n: int, part: Any) -> dict[str, Any]:
    column = value if isinstance(value, (Categories, Values)) else _guess(value)
    if isinstance(column, Values):
        return _numbers(name, column, n, part)
    return _kinds(name, column, n, part)


def _guess(value: Any) -> Categories | Values:
    array = np.asarray(value)
    if array.dtype.kind == "f":
        return Values(array)
    codes, names = pd.factorize(array, sort=True)
    return Categories(codes, [str(one) for one in names])


def _numbers(name: str, column: Values, n: int, part: Any) -> dict[str, Any]:
    numbers = np.asarray(column.numbers, dtype=np.float32)
    check.same_length(f"colors[{name!r}]", len(numbers), "index", n)
    finite = numbers[np.isfinite(numbers)]
    low, high = column.limits or (
        (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    )
    return {
        "name": name,
        "kind": "number",
        "unit": column.unit,
        "limits": [float(low), float(high)],
        "data": _array.encode(np.where(np.isfinite(numbers), numbers, np.float32(np.nan))[part]),
    }


def _kinds(name: str, column: Categories, n: int, part: Any) -> dict[str, Any]:
    codes: NDArray[Any] = np.asarray(column.codes).astype(np.int64)
    names = [str(one) for one in column.names]
    check.same_length(f"colors[{name!r}]", len(codes), "index", n)
    check.whole(
        f"number of names of colors[{name!r}]",
        len(names),
        0,
        _NONE - 1,
        remedy="colour by Values instead",
    )
    if len(codes) and codes.max() >= len(names):
        raise ValueError(
            f"colors[{name!r}] codes must lie below the number of names {len(names)}, "
            f"got {codes.max()}; name every kind"
        )
    return {
        "name": name,
        "kind": "category",
        "names": names,
        "colors": list(column.colors) if column.colors is not None else None,
        "data": _array.encode(np.where(codes < 0, _NONE, codes).astype(np.uint16)[part]),
    }

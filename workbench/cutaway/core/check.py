"""Argument checks: each raises one line with name, expected, got and remedy."""

import difflib
from collections.abc import Collection, Iterable

import numpy as np
from numpy.typing import NDArray


def one_of(name: str, value: object, options: Collection[object]) -> None:
    """Raise `ValueError` unless `value` is among `options`.

    Parameters
    ----------
    name : str
        The argument's name as the caller wrote it.
    value : object
        What was given.
    options : collection
        What is allowed; shown in the message in this order.
    """
    if value not in options:
        allowed = ", ".join(repr(option) for option in options)
        raise ValueError(f"{name} must be one of {allowed}, got {value!r}; choose one of these")


def in_range(
    name: str,
    value: float,
    low: float,
    high: float = float("inf"),
    *,
    remedy: str = "choose a value in this range",
) -> None:
    """Raise `ValueError` unless ``low <= value <= high`` (NaN never passes)."""
    if not low <= value <= high:
        raise ValueError(f"{name} must lie in {low}..{high}, got {value}; {remedy}")


def whole(
    name: str,
    value: object,
    low: int,
    high: int | None = None,
    *,
    remedy: str = "choose a whole number in this range",
) -> None:
    """Raise unless `value` is a whole number with ``low <= value <= high``.

    Raises
    ------
    TypeError
        If `value` is not an integer (a bool is none).
    ValueError
        If it lies outside the range.
    """
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(
            f"{name} must be a whole number, got {value!r} ({type(value).__name__}); {remedy}"
        )
    if value < low or (high is not None and value > high):
        span = f"{low}..{high}" if high is not None else f"{low} or more"
        raise ValueError(f"{name} must be {span}, got {value}; {remedy}")


def n_dims(name: str, value: NDArray[np.generic], dims: int, meaning: str) -> None:
    """Raise `ValueError` unless the array has `dims` axes, described by `meaning`."""
    if value.ndim != dims:
        raise ValueError(
            f"{name} must have {dims} axes ({meaning}), got shape {value.shape}; reshape it first"
        )


def same_length(name: str, value: int, other_name: str, other: int) -> None:
    """Raise `ValueError` unless two lengths are equal."""
    if value != other:
        raise ValueError(
            f"{name} must have as many entries as {other_name} ({other}), got {value}; "
            "give one entry a sample, in the same order"
        )


def unmasked(name: str, value: object) -> None:
    """Raise `ValueError` if a masked array holds masked values: every plain copy loses the mask."""
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise ValueError(
            f"{name} must hold no masked values, got {int(np.ma.getmaskarray(value).sum())} of "
            f"{value.size}; drop those rows, or say what they are with .filled(value)"
        )


def nearest(value: str, known: Iterable[str], n: int = 3) -> list[str]:
    """Up to `n` of the known names that look most like `value`, best first."""
    return difflib.get_close_matches(value, list(known), n=n, cutoff=0.0)

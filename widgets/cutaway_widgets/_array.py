"""Arrays on the wire: little-endian bytes with dtype and shape, never lists of numbers."""

from typing import Any

import numpy as np
import traitlets
from numpy.typing import ArrayLike, NDArray

DTYPES = {"f4": "<f4", "f8": "<f8", "i4": "<i4", "u4": "<u4", "u2": "<u2", "u1": "<u1"}


def encode(array: NDArray[Any]) -> dict[str, Any]:
    """Wire form of an array: ``{"dtype", "shape", "data"}``, data a memoryview of its bytes.

    Raises
    ------
    TypeError
        If the dtype has no counterpart among the browser's typed arrays that we use.
    """
    code = array.dtype.str[1:]
    if code not in DTYPES:
        raise TypeError(
            f"array dtype must be one of {', '.join(DTYPES)}, got {array.dtype}; "
            "convert it with .astype"
        )
    flat = np.ascontiguousarray(array, dtype=DTYPES[code])
    return {"dtype": code, "shape": list(array.shape), "data": memoryview(flat.tobytes())}


def decode(value: dict[str, Any]) -> NDArray[Any]:
    """Read-only array of `encode`'s wire form."""
    flat = np.frombuffer(bytes(value["data"]), dtype=DTYPES[value["dtype"]])
    return flat.reshape(value["shape"])


class Array(traitlets.TraitType):
    """Trait of one read-only array with a fixed dtype, synced as bytes.

    Parameters
    ----------
    dtype : str
        One of f4, f8, i4, u4, u2, u1; what is assigned is cast to it.
    shape : tuple of int or None
        Expected shape; None stands for any length of that axis.
    """

    def __init__(self, dtype: str = "f4", shape: tuple[int | None, ...] = (None,)) -> None:
        self._dtype = DTYPES[dtype]
        self._shape = shape
        self.info_text = f"an array of shape {_shape_text(shape)}"
        empty = np.zeros(tuple(0 if one is None else one for one in shape), self._dtype)
        super().__init__(empty)
        self.tag(
            sync=True,
            to_json=lambda value, _widget: encode(value),
            from_json=lambda value, _widget: decode(value),
        )

    def validate(self, obj: Any, value: ArrayLike) -> NDArray[Any]:
        """Read-only copy in our dtype.

        Raises
        ------
        traitlets.TraitError
            If the shape is another, or the values are no numbers.
        """
        name = f"{type(obj).__name__}.{self.name}"
        try:
            array = np.array(value, dtype=self._dtype, order="C")
        except (TypeError, ValueError) as error:
            raise traitlets.TraitError(
                f"{name} must be {self.info_text}, got {type(value).__name__} ({error}); "
                "give an array of numbers"
            ) from error
        fits = array.ndim == len(self._shape) and all(
            want in (None, got) for want, got in zip(self._shape, array.shape, strict=True)
        )
        if not fits:
            raise traitlets.TraitError(
                f"{name} must be {self.info_text}, got shape {array.shape}; reshape it first"
            )
        array.setflags(write=False)
        return array

    def set(self, obj: Any, value: ArrayLike) -> None:
        """Store and notify, unless the numbers are the same."""
        new = self._validate(obj, value)
        old = obj._trait_values.get(self.name)  # noqa: SLF001 - as traitlets' own set does
        if old is not None and old.shape == new.shape and _same(old, new):
            return
        obj._trait_values[self.name] = new  # noqa: SLF001
        obj._notify_trait(self.name, old, new)  # noqa: SLF001


def _same(old: NDArray[Any], new: NDArray[Any]) -> bool:
    return np.array_equal(old, new, equal_nan=old.dtype.kind == "f")


def _shape_text(shape: tuple[int | None, ...]) -> str:
    letters = iter("nmkl")
    return "(" + ", ".join(next(letters) if one is None else str(one) for one in shape) + ")"

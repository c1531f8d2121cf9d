"""Short digests of arrays and JSON values: the keys of caches and origins."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


def of_arrays(arrays: Mapping[str, NDArray[Any]]) -> str:
    """16 hexadecimal digits that change with any name, dtype, shape or value.

    Parameters
    ----------
    arrays : mapping of str to array
        Order of the names does not matter.

    Returns
    -------
    str
        First 64 bits of a BLAKE2b digest.
    """
    state = hashlib.blake2b(digest_size=8)
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        if array.dtype.hasobject:
            raise TypeError(
                f"{name} must be a plain array, got dtype object; convert it to numbers or strings"
            )
        state.update(f"{name}|{array.dtype.str}|{arrays[name].shape}|".encode())
        state.update(array.reshape(-1).view(np.uint8).data if array.size else b"")
    return state.hexdigest()


def of_json(value: Any) -> str:
    """16 hexadecimal digits of a JSON value, independent of the order of keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()

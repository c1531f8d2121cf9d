"""A module's output with another tensor in the place of its first one."""

import copy
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from cutaway.model.outputs import first_tensor


def with_first_tensor(output: Any, tensor: Tensor) -> Any:
    """Copy of an output in which `tensor` stands where `first_tensor` found one.

    Parameters
    ----------
    output : tensor, tuple, list or mapping that holds a tensor
        What a module returned. Containers are copied on the way down; `output` is not changed.
    tensor : Tensor
        The new one.
    """
    if isinstance(output, Tensor):
        return tensor
    if isinstance(output, Mapping):
        key = next(k for k, value in output.items() if first_tensor(value) is not None)
        changed: Any = copy.copy(output)
        changed[key] = with_first_tensor(output[key], tensor)
        return changed
    place = next(i for i, value in enumerate(output) if first_tensor(value) is not None)
    items = list(output)
    items[place] = with_first_tensor(items[place], tensor)
    if isinstance(output, list):
        return items
    make = getattr(type(output), "_make", tuple)  # a named tuple is built by _make
    return make(items)

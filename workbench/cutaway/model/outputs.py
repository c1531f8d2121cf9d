"""Which tensor of a module's output counts, and where it lies."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor


def first_tensor(output: Any) -> Tensor | None:
    """First tensor of a module's output; see `located`."""
    return located(output)[0]


def located(output: Any) -> tuple[Tensor | None, str]:
    """First tensor of a module's output and its place, e.g. ``"tensor"`` or ``"tuple[0]"``.

    Parameters
    ----------
    output : Any
        What a module returned: a tensor, or tuples, lists and mappings of tensors, nested. Other
        values (None, numbers, caches) are passed over.

    Returns
    -------
    tensor : Tensor or None
        None if there is no tensor inside.
    place : str
        ``"tensor"``, ``"tuple[1]"``, ``"dict[logits]"``, ``"tuple[0][1]"`` …, ``"none"``.
    """
    if isinstance(output, Tensor):
        return output, "tensor"
    word, parts = _parts(output)
    for key, part in parts:
        tensor, place = located(part)
        if tensor is not None:
            inner = place[place.index("[") :] if "[" in place else ""
            return tensor, f"{word}[{key}]{inner}"
    return None, "none"


def logits(output: Any) -> Tensor:
    """The ``logits`` of a Hugging Face output or mapping; else the first tensor.

    Raises
    ------
    TypeError
        If the output holds no tensor.
    """
    named = output.get("logits") if isinstance(output, Mapping) else getattr(output, "logits", None)
    tensor = named if isinstance(named, Tensor) else first_tensor(output)
    if tensor is None:
        raise TypeError(
            f"module must return a tensor, or a tuple or mapping with one, got "
            f"{type(output).__name__}; wrap it in a module that returns its scores"
        )
    return tensor


def _parts(output: Any) -> tuple[str, list[tuple[object, Any]]]:
    if isinstance(output, Mapping):
        return "dict", list(output.items())
    if isinstance(output, (tuple, list)):
        return "tuple", list(enumerate(output))
    return "none", []

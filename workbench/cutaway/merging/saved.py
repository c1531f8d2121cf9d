"""Merged modules in files: safetensors, with what is needed to open them again."""

import copy
import json
import os
from collections.abc import Mapping
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor, nn

from cutaway.core._io import damaged, open_regular, parse_json, whole_file
from cutaway.merging.rebuild import replace_by_identity
from cutaway.merging.split import resize
from cutaway.model.model import Model, as_model

_FORMAT = "cutaway-merged"
_REMEDY = "write one with Merge.save_model"
Shapes = dict[str, list[int]]


def shapes_of(module: nn.Module) -> Shapes:
    """Lengths of all tensors by name: what says that two modules are of one architecture."""
    return {name: list(one.shape) for name, one in module.state_dict().items()}


def write_merged(
    path: str | os.PathLike[str], module: nn.Module, shapes: Shapes, about: Mapping[str, Any]
) -> None:
    """Write a merged module.

    Parameters
    ----------
    path : str or path
    module : nn.Module
    shapes : dict
        Of the module that it was made of.
    about : mapping
        What else to note, as JSON.
    """
    header = {
        "format": _FORMAT,
        "class": _class_of(module),
        "shapes": json.dumps(shapes),
        "about": json.dumps(about),
    }
    tensors = {name: one.detach().cpu().clone() for name, one in module.state_dict().items()}
    with whole_file(path) as temporary:
        # The library's own way to a file makes another one beside it, which a kill leaves there.
        temporary.write_bytes(save(tensors, metadata=header))


def open_merged(model: Model | nn.Module, path: str | os.PathLike[str]) -> nn.Module:
    """Open a merged module that `Merge.save_model` wrote.

    Parameters
    ----------
    model : Model or torch.nn.Module
        The architecture that was merged, with any weights; is copied and not touched.
    path : str or path
        The file.

    Returns
    -------
    nn.Module
        Of the class of `model`, in eval mode, on the CPU.

    Raises
    ------
    ValueError
        If the file is no merged module, or one of another architecture.
    """
    module = as_model(model).module
    open_regular(path).close()
    try:
        with safe_open(path, "pt") as file:
            header = file.metadata() or {}
            # Copied: a mapped file that shrinks later would kill the process.
            names = list(file.keys())
            tensors = {name: file.get_tensor(name).clone() for name in names}
    except Exception as error:  # safetensors raises half a dozen kinds
        raise damaged("a merged model", path, error, _REMEDY) from error
    if header.get("format") != _FORMAT:
        raise ValueError(
            f"path must be a merged model, got other tensors in {os.fspath(path)}; {_REMEDY}"
        )
    _same_architecture(module, header, path)
    made = copy.deepcopy(module).cpu()
    for name, part in list(made.named_modules()):
        if _was_folded(part, name, tensors):
            replace_by_identity(made, name)
        else:
            try:
                _load(part, name, tensors)
            except (KeyError, RuntimeError, TypeError, ValueError, IndexError) as error:
                raise damaged("a merged model", path, error, _REMEDY) from error
    return made.eval()


def _word(name: object) -> str:
    """A name of a class as a file tells it: anything may stand there."""
    return "".join(letter if letter.isprintable() else " " for letter in str(name)[:200])


def _class_of(module: nn.Module) -> str:
    return f"{type(module).__module__}.{type(module).__qualname__}"


def _same_architecture(
    module: nn.Module, header: Mapping[str, str], path: str | os.PathLike[str]
) -> None:
    ours = shapes_of(module)
    written = header.get("shapes", "").encode("utf-8", "replace")
    theirs = parse_json(written, what="a merged model", path=path, remedy=_REMEDY)
    differ = [name for name in {**theirs, **ours} if ours.get(name) != theirs.get(name)]
    if differ:
        name, merged, given = differ[0], _word(header.get("class")), _class_of(module)
        raise ValueError(
            f"model must be of the architecture that was merged ({merged}), got {given} "
            f"with {name!r} of shape {ours.get(name)} instead of "
            f"{theirs.get(name)}; give the model that was merged for {os.fspath(path)}"
        )


def _was_folded(part: nn.Module, path: str, tensors: Mapping[str, Tensor]) -> bool:
    """Whether a batch norm has no tensors in the file."""
    own = [f"{path}.{name}" for name, _ in part.named_buffers(recurse=False)]
    return f"{path}.running_var" in own and f"{path}.running_var" not in tensors


def _load(part: nn.Module, path: str, tensors: Mapping[str, Tensor]) -> None:
    """Put the file's tensors in a module, whatever their lengths."""
    prefix = f"{path}." if path else ""
    for name, old in list(part.named_parameters(recurse=False)):
        value = _like(tensors[prefix + name], old, prefix + name)
        setattr(part, name, nn.Parameter(value, requires_grad=old.requires_grad))
    for name, buffer in list(part.named_buffers(recurse=False)):
        if prefix + name in tensors:
            setattr(part, name, _like(tensors[prefix + name], buffer, prefix + name))
    added = tensors.get(f"{prefix}bias")
    if added is not None and getattr(part, "bias", torch.empty(0)) is None:
        part.bias = nn.Parameter(added)
    resize(part)


def _like(value: Tensor, old: Tensor, name: str) -> Tensor:
    """The tensor, if it may stand where the old one stands: lengths may differ, kinds may not.

    Raises
    ------
    ValueError
        If it has other axes, is larger, or holds no real numbers where the old one does.
    """
    larger = any(new > was for new, was in zip(value.shape, old.shape, strict=False))
    if value.ndim != old.ndim or larger or value.is_floating_point() != old.is_floating_point():
        raise ValueError(
            f"{name} has shape {tuple(value.shape)} and {value.dtype} instead of "
            f"{tuple(old.shape)} and {old.dtype}"
        )
    return value

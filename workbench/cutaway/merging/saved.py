"""Merged modules in files: safetensors, with what is needed to open them again."""

import copy
import json
import os
from collections.abc import Mapping
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from cutaway.core._io import whole_file
from cutaway.merging.rebuild import replace_by_identity
from cutaway.merging.split import resize
from cutaway.model.model import Model, as_model

_FORMAT = "cutaway-merged"
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
        save_file(tensors, temporary, metadata=header)


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
    try:
        with safe_open(path, "pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no dict
    except SafetensorError as error:
        raise ValueError(
            f"path must be a merged model, got {os.fspath(path)} ({error}); "
            "write one with Merge.save_model"
        ) from error
    if header.get("format") != _FORMAT:
        raise ValueError(
            f"path must be a merged model, got other tensors in {os.fspath(path)}; "
            "write one with Merge.save_model"
        )
    _same_architecture(module, header)
    made = copy.deepcopy(module).cpu()
    for name, part in list(made.named_modules()):
        if _was_folded(part, name, tensors):
            replace_by_identity(made, name)
        else:
            _load(part, name, tensors)
    return made.eval()


def _class_of(module: nn.Module) -> str:
    return f"{type(module).__module__}.{type(module).__qualname__}"


def _same_architecture(module: nn.Module, header: Mapping[str, str]) -> None:
    ours, theirs = shapes_of(module), json.loads(header["shapes"])
    differ = [name for name in {**theirs, **ours} if ours.get(name) != theirs.get(name)]
    if differ:
        name = differ[0]
        raise ValueError(
            f"model must be of the architecture that was merged ({header['class']}), got "
            f"{_class_of(module)} with {name!r} of shape {ours.get(name)} instead of "
            f"{theirs.get(name)}; give the model that was merged"
        )


def _was_folded(part: nn.Module, path: str, tensors: Mapping[str, Tensor]) -> bool:
    """Whether a batch norm has no tensors in the file."""
    own = [f"{path}.{name}" for name, _ in part.named_buffers(recurse=False)]
    return f"{path}.running_var" in own and f"{path}.running_var" not in tensors


def _load(part: nn.Module, path: str, tensors: Mapping[str, Tensor]) -> None:
    """Put the file's tensors in a module, whatever their lengths."""
    prefix = f"{path}." if path else ""
    for name, old in list(part.named_parameters(recurse=False)):
        value = tensors[prefix + name]
        setattr(part, name, nn.Parameter(value, requires_grad=old.requires_grad))
    for name, _ in list(part.named_buffers(recurse=False)):
        if prefix + name in tensors:
            setattr(part, name, tensors[prefix + name])
    added = tensors.get(f"{prefix}bias")
    if added is not None and getattr(part, "bias", torch.empty(0)) is None:
        part.bias = nn.Parameter(added)
    resize(part)

"""A smaller working module from merged weights."""

import copy

import torch
from torch import Tensor, nn

from cutaway.merging.flow import Group
from cutaway.merging.weights import Array, Weights


def rebuilt(module: nn.Module, groups: list[Group], weights: Weights) -> nn.Module:
    """A copy of a module, of the same class, that holds the merged tensors.

    Parameters
    ----------
    module : nn.Module
        Not changed. Type, device, training and gradient flags carry over.
    groups : list of Group
    weights : Weights
        Merged; batch norms that it has folded become `torch.nn.Identity`.
    """
    made = copy.deepcopy(module)
    parts = dict(made.named_modules())
    for group in groups:
        for path, norm in group.producers:
            _write(parts[path], path, weights)
            if norm is not None and norm in weights.norms:
                _write(parts[norm], norm, weights)
            elif norm is not None:
                replace_by_identity(made, norm)
        for path, _ in group.consumers:
            _write(parts[path], path, weights)
    return made


def replace_by_identity(module: nn.Module, path: str) -> None:
    """Put `torch.nn.Identity` in the place of a part whose work is done elsewhere."""
    parent, _, name = path.rpartition(".")
    whole = module.get_submodule(parent)
    setattr(whole, name, nn.Identity().train(module.get_submodule(path).training))


def _write(part: nn.Module, path: str, weights: Weights) -> None:
    like: Tensor | None = next(iter(part.parameters(recurse=False)), None)
    for name in ("weight", "bias", "running_mean", "running_var"):
        values = weights.values.get(f"{path}.{name}")
        if values is None:
            continue
        old = getattr(part, name)
        tensor = _tensor(values, like if old is None else old)
        if name.startswith("running_"):
            setattr(part, name, tensor)
        else:
            needs = like.requires_grad if old is None and like is not None else old.requires_grad
            setattr(part, name, nn.Parameter(tensor, requires_grad=needs))
    resize(part)


def _tensor(values: Array, like: Tensor | None) -> Tensor:
    tensor = torch.from_numpy(values.copy())
    return tensor if like is None else tensor.to(like.device, like.dtype)


def resize(part: nn.Module) -> None:
    """Make the numbers that a layer prints, and some read, agree with its tensors."""
    if isinstance(part, nn.Linear):
        part.out_features, part.in_features = part.weight.shape
    elif isinstance(part, (nn.Conv1d, nn.Conv2d, nn.Conv3d)):
        part.out_channels, part.in_channels = part.weight.shape[:2]
    elif isinstance(part, (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)):
        statistics = part.running_mean
        part.num_features = part.num_features if statistics is None else len(statistics)

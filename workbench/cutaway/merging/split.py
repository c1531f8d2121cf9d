"""Layers cut into parts that have one group on each axis, and put together again.

A layer that reads a concatenation W [a; b] = W_a a + W_b b becomes the layers W_a and W_b; a
grouped convolution becomes the ordinary ones of its groups; a batch norm that no single layer
stands before becomes a scale and a shift for each feature; Hugging Face's ``Conv1D`` becomes a
linear layer. The rest of merging then knows one form only.
"""

import copy
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from cutaway.merging import layers
from cutaway.merging.flow import Group, Split


class Affine(nn.Module):
    """A scale and a shift for each feature on axis 1, with a batch norm's names.

    Parameters
    ----------
    weight, bias : Tensor of shape (features,)
    """

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(weight), nn.Parameter(bias)

    def forward(self, x: Tensor) -> Tensor:
        """Same shape."""
        shape = (-1, *[1] * (x.ndim - 2))
        return x * self.weight.reshape(shape) + self.bias.reshape(shape)


class Parts(nn.Module):
    """Parts of a layer, side by side on the input's axis and on the output's.

    Parameters
    ----------
    split : Split
    parts : iterable of nn.Module
        In the order of ``split.places()``.
    axis : int
        Of the features: 1, or -1 for a linear layer.
    """

    def __init__(self, split: Split, parts: Iterable[nn.Module], axis: int) -> None:
        super().__init__()
        self.places, self.axis = split.places(), axis
        for (row, column), part in zip(self.places, parts, strict=True):
            self.add_module(f"{row}_{column}", part)

    def forward(self, x: Tensor) -> Tensor:
        """What the whole layer makes of its input."""
        widths = {
            column: _width(self.get_submodule(f"{row}_{column}")) for row, column in self.places
        }
        pieces = torch.split_with_sizes(x, list(widths.values()), self.axis)
        columns = dict(zip(widths, pieces, strict=True))
        made: dict[int, Tensor] = {}
        for row, column in self.places:
            part = self.get_submodule(f"{row}_{column}")(columns[column])
            made[row] = made[row] + part if row in made else part
        return torch.cat(list(made.values()), self.axis)


def plain(module: nn.Module) -> dict[str, nn.Module]:
    """Give a module's transposed layers the plain form, in place.

    Returns
    -------
    dict of str to nn.Module
        By path: the layer that stood there.
    """
    cut = {path: one for path, one in module.named_modules() if layers.is_transposed(one)}
    for path, one in cut.items():
        _put(module, path, _linear(one))
    return cut


def cut(module: nn.Module, groups: Iterable[Group]) -> dict[str, nn.Module]:
    """Cut the layers of a module at the borders of groups, in place, where it is not yet done.

    Returns
    -------
    dict of str to nn.Module
        By path: the layer that stood there.
    """
    stood: dict[str, nn.Module] = {}
    for path, split in splits_of(groups).items():
        layer = module.get_submodule(path)
        if isinstance(layer, (Parts, Affine)):
            continue
        stood[path] = layer
        if split.norm is not None:
            norm = module.get_submodule(split.norm)
            layer = _folded(layer, norm)
            _put(module, split.norm, nn.Identity().train(norm.training))
        _put(module, path, _cut(layer, split))
    return stood


def splits_of(groups: Iterable[Group]) -> dict[str, Split]:
    """All cuts of some groups by the path of the layer."""
    return {split.path: split for group in groups for split in group.splits}


def whole(module: nn.Module, stood: dict[str, nn.Module], groups: Iterable[Group]) -> None:
    """Put the layers of a module together again, in place.

    Parameters
    ----------
    module : nn.Module
    stood : dict of str to nn.Module
        From `plain` and `cut`; are changed and put back.
    groups : iterable of Group
    """
    splits = splits_of(groups)
    for path, old in stood.items():
        now, split = module.get_submodule(path), splits.get(path)
        parts = (
            [now]
            if split is None
            else [module.get_submodule(split.part(*p)) for p in split.places()]
        )
        if split is not None and not split.diagonal:
            parts = _rows(parts, len(split.columns))
        weight = torch.cat([_values(one, "weight") for one in parts])
        bias = None if parts[0].bias is None else torch.cat([_values(one, "bias") for one in parts])
        _fill(old, weight, bias)
        _put(module, path, old)


def _rows(parts: list[Any], width: int) -> list[Any]:
    """One part a row, from all of them row by row."""
    made = []
    for first in range(0, len(parts), width):
        row = _light_copy(parts[first])
        columns = [_values(one, "weight") for one in parts[first : first + width]]
        row.weight = nn.Parameter(torch.cat(columns, 1))
        made.append(row)
    return made


def _fill(layer: Any, weight: Tensor, bias: Tensor | None) -> None:
    """Write tensors into a layer of any of the forms, and make its numbers agree with them."""
    is_norm: bool = isinstance(layer, layers.NORMS)
    if is_norm:
        layer.running_mean = torch.zeros_like(weight)
        layer.running_var = torch.ones_like(weight) - layer.eps
    needs = next((one.requires_grad for one in layer.parameters(recurse=False)), True)
    values = weight.T.contiguous() if layers.is_transposed(layer) else weight
    layer.weight = nn.Parameter(values, requires_grad=needs)
    if bias is not None:
        layer.bias = nn.Parameter(bias, requires_grad=needs)
    resize(layer)


def resize(part: Any) -> None:
    """Make the numbers that a layer prints, and some read, agree with its tensors."""
    convolution, norm = (isinstance(part, one) for one in (layers.CONVOLUTIONS, layers.NORMS))
    if isinstance(part, nn.Linear):
        part.out_features, part.in_features = part.weight.shape
    elif convolution:
        made, width = part.weight.shape[:2]
        if part.groups > 1 and part.groups == part.in_channels == part.out_channels:
            part.groups = made
        part.out_channels, part.in_channels = made, width * part.groups
    elif norm:
        statistics = part.running_mean
        part.num_features = part.num_features if statistics is None else len(statistics)
    elif layers.is_transposed(part):
        part.nx, part.nf = part.weight.shape


def _cut(layer: Any, split: Split) -> Any:
    """The parts of a layer."""
    convolution, norm = (isinstance(layer, one) for one in (layers.CONVOLUTIONS, layers.NORMS))
    layer = Affine(*_scale_and_shift(layer)) if norm else layer
    made = []
    rows, columns = _starts(split.rows), _starts(split.columns)
    for row, column in split.places():
        part = _light_copy(layer)
        here = slice(rows[row], rows[row + 1])
        there = slice(None) if split.diagonal else slice(columns[column], columns[column + 1])
        weight, needs = layer.weight.detach(), layer.weight.requires_grad
        own = weight[here] if weight.ndim == 1 else weight[here, there]
        part.weight = nn.Parameter(own.clone(), requires_grad=needs)
        first = split.diagonal or column == 0
        if layer.bias is not None:
            bias = layer.bias.detach()[here].clone()
            part.bias = nn.Parameter(bias, requires_grad=needs) if first else None
        if convolution:
            depthwise = layer.groups == layer.in_channels == layer.out_channels
            part.groups = len(own) if split.diagonal and depthwise else 1
            part.out_channels, part.in_channels = len(own), own.shape[1] * part.groups
        resize(part)
        made.append(part)
    if len(made) == 1:
        return made[0]
    return Parts(split, made, -1 if isinstance(layer, nn.Linear) else 1)


def _folded(layer: Any, norm: Any) -> Any:
    """A copy of a layer that does what it and the batch norm behind it do."""
    made = _light_copy(layer)
    scale, shift = _scale_and_shift(norm)
    weight, needs = layer.weight.detach(), layer.weight.requires_grad
    bias = torch.zeros_like(shift) if layer.bias is None else layer.bias.detach()
    shape = (-1, *[1] * (weight.ndim - 1))
    made.weight = nn.Parameter(weight * scale.reshape(shape), requires_grad=needs)
    made.bias = nn.Parameter(bias * scale + shift, requires_grad=needs)
    return made


def _scale_and_shift(norm: Any) -> tuple[Tensor, Tensor]:
    """What a batch norm in eval mode does to each feature."""
    mean, variance = norm.running_mean.detach(), norm.running_var.detach()
    scale = torch.rsqrt(variance + norm.eps)
    if norm.weight is None:
        return scale, -mean * scale
    scale = norm.weight.detach() * scale
    return scale, norm.bias.detach() - mean * scale


def _linear(layer: Any) -> nn.Linear:
    weight: Tensor = layer.weight.detach()
    made = nn.Linear(1, 1, dtype=weight.dtype, device=weight.device).train(layer.training)
    needs = layer.weight.requires_grad
    made.weight = nn.Parameter(weight.T.contiguous(), requires_grad=needs)
    made.bias = nn.Parameter(layer.bias.detach(), requires_grad=needs)
    resize(made)
    return made


def _light_copy(layer: Any) -> Any:
    """A copy that holds the layer's own parameters, to be replaced."""
    return copy.deepcopy(layer, {id(one): one for one in layer.parameters()})


def _starts(lengths: tuple[int, ...]) -> list[int]:
    return [sum(lengths[:place]) for place in range(len(lengths) + 1)]


def _values(part: nn.Module, name: str) -> Tensor:
    tensor: Tensor = getattr(part, name)
    return tensor.detach()


def _width(part: Any) -> int:
    if isinstance(part, Affine):
        return len(part.weight)
    width: int = part.in_features if isinstance(part, nn.Linear) else part.in_channels
    return width


def _put(module: nn.Module, path: str, layer: nn.Module) -> None:
    parent, _, name = path.rpartition(".")
    setattr(module.get_submodule(parent), name, layer)

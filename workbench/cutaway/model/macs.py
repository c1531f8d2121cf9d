"""Multiply-accumulates of the layers with weights: what a forward pass has to compute."""

import math
from typing import Any

from torch import nn

from cutaway.model.layout import class_names
from cutaway.model.model import Model
from cutaway.model.sites import Site, Sites

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


def macs(model: Model, tree: Sites) -> dict[str, int]:
    """Multiply-accumulates for one sample, by path.

    Parameters
    ----------
    model : Model
        The model.
    tree : Sites
        All its sites, from `cutaway.model.sites`.

    Returns
    -------
    dict of str to int
        A layer's own, a container's sum over what is inside it, all calls counted; a later call
        ("fc#2") alone. Sequences count at the length of the sample that `tree` was made from.

    Notes
    -----
    Convolutions: values out × channels in a group × places of the kernel; transposed ones: values
    in × channels out a group × places of the kernel; linear layers: values out × values in.
    Products without weights (attention scores), norms and biases are not counted.
    """
    modules = dict(model.module.named_modules())
    found = dict.fromkeys(tree.paths, 0)
    for path, module in modules.items():
        if path not in found:
            continue
        first = tree.one(path)
        calls = [first, *(tree.calls[f"{path}#{i}"] for i in range(2, first.n_calls + 1))]
        counts = [_of(module, one) for one in calls]
        for call, count in zip(calls[1:], counts[1:], strict=True):
            found[call.path] = count
        parts = path.split(".") if path else []
        for above in dict.fromkeys([path, *(".".join(parts[:i]) for i in range(len(parts)))]):
            if above in found:
                found[above] += sum(counts)
    return found


def _of(module: nn.Module, call: Site) -> int:
    """Multiply-accumulates of one call of one module, without what is inside it."""
    if call.shape is None:
        return 0
    layer: Any = module
    out = math.prod(call.shape)
    if isinstance(module, _CONVOLUTIONS):
        return int(out * (layer.in_channels // layer.groups) * math.prod(layer.kernel_size))
    if isinstance(module, _TRANSPOSED):
        places = math.prod(_places_in(layer, call.shape[1:]))
        each = (layer.out_channels // layer.groups) * math.prod(layer.kernel_size)
        return int(layer.in_channels * places * each)
    if isinstance(module, nn.Linear):
        return int(out * layer.in_features)
    if "Conv1D" in class_names(module) and getattr(layer, "weight", None) is not None:
        return int(out * layer.weight.shape[0])  # a linear layer of GPT-2: (in, out)
    return 0


def _places_in(layer: Any, out: tuple[int, ...]) -> list[int]:
    """Places of the input of a transposed convolution, from those of its output."""
    sides = zip(
        out,
        layer.kernel_size,
        layer.stride,
        layer.padding,
        layer.output_padding,
        layer.dilation,
        strict=True,
    )
    return [
        (side + 2 * padding - dilation * (kernel - 1) - more - 1) // stride + 1
        for side, kernel, stride, padding, more, dilation in sides
    ]

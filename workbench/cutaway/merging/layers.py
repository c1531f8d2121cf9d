"""Which operations pass features on one by one, and which of those commute with scaling."""

import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - the name that torch's own pages use

CONVOLUTIONS: tuple[type[nn.Module], ...] = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
WEIGHTED: tuple[type[nn.Module], ...] = (*CONVOLUTIONS, nn.Linear)
NORMS: tuple[type[nn.Module], ...] = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
LAYER_NORMS: tuple[type[nn.Module], ...] = (nn.LayerNorm, nn.RMSNorm)

# Pointwise modules; True where f(s x) = s f(x) for every s > 0.
POINTWISE: Mapping[type[nn.Module], bool] = {
    **dict.fromkeys((nn.ReLU, nn.LeakyReLU, nn.Identity), True),
    **dict.fromkeys((nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d), True),
    **dict.fromkeys((nn.Tanh, nn.Sigmoid, nn.GELU, nn.SiLU, nn.ELU, nn.Softplus), False),
    **dict.fromkeys((nn.ReLU6, nn.Hardswish, nn.Hardtanh, nn.Hardsigmoid, nn.Mish), False),
    **dict.fromkeys((nn.CELU, nn.SELU, nn.LogSigmoid, nn.Softsign, nn.Tanhshrink), False),
}
POINTWISE_FUNCTIONS: Mapping[Callable[..., Any], bool] = {
    **dict.fromkeys((F.relu, torch.relu, F.leaky_relu, F.dropout, F.dropout2d), True),
    **dict.fromkeys((F.tanh, torch.tanh, F.sigmoid, torch.sigmoid, F.gelu, F.silu), False),
    **dict.fromkeys((F.elu, F.softplus, F.relu6, F.hardswish, F.hardtanh, F.mish), False),
}
POINTWISE_METHODS: Mapping[str, bool] = {
    **dict.fromkeys(("relu", "relu_", "contiguous", "clone", "detach"), True),
    **dict.fromkeys(("tanh", "tanh_", "sigmoid", "sigmoid_"), False),
}
# Poolings, with the axes that they need: sample, channel and so many places.
POOLS: Mapping[type[nn.Module], int] = {
    **dict.fromkeys((nn.MaxPool1d, nn.AvgPool1d, nn.AdaptiveAvgPool1d, nn.AdaptiveMaxPool1d), 3),
    **dict.fromkeys((nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d), 4),
    nn.ZeroPad2d: 4,
    **dict.fromkeys((nn.MaxPool3d, nn.AvgPool3d, nn.AdaptiveAvgPool3d, nn.AdaptiveMaxPool3d), 5),
}
POOL_FUNCTIONS: Mapping[Callable[..., Any], int] = {
    **dict.fromkeys((F.max_pool1d, F.avg_pool1d, F.adaptive_avg_pool1d), 3),
    **dict.fromkeys((F.max_pool2d, F.avg_pool2d, F.adaptive_avg_pool2d), 4),
    **dict.fromkeys((F.max_pool3d, F.avg_pool3d, F.adaptive_avg_pool3d), 5),
}
ADDITIONS: frozenset[Any] = frozenset({operator.add, operator.iadd, torch.add, "add", "add_"})
PRODUCTS: frozenset[Any] = frozenset({operator.mul, operator.imul, torch.mul, "mul", "mul_"})
QUOTIENTS: frozenset[Any] = frozenset({operator.truediv, torch.div, "div"})
# With a number; what they make is pointwise, but no longer homogeneous.
SHIFTS: frozenset[Any] = ADDITIONS | {operator.sub, torch.sub, "sub"}
CONCATENATIONS: frozenset[Any] = frozenset({torch.cat, torch.concat, torch.concatenate})


def pointwise(target: Any) -> bool | None:
    """Whether a pointwise operation commutes with positive scaling; None if it is not pointwise.

    Parameters
    ----------
    target : nn.Module, callable or str
        A module, a function, or the name of a tensor's method.
    """
    if isinstance(target, nn.PReLU):
        return True if target.num_parameters == 1 else None
    if isinstance(target, nn.Module):
        return False if is_activation(target) else POINTWISE.get(type(target))
    if isinstance(target, str):
        return POINTWISE_METHODS.get(target)
    return POINTWISE_FUNCTIONS.get(target)


def is_activation(module: nn.Module) -> bool:
    """Whether a module is one of Hugging Face's activations, which are pointwise and curved."""
    return type(module).__module__ == "transformers.activations"


def is_transposed(module: nn.Module) -> bool:
    """Whether a module is Hugging Face's ``Conv1D``: a linear layer with its weight transposed."""
    kind = type(module)
    return (kind.__module__, kind.__name__) == ("transformers.pytorch_utils", "Conv1D")


def pool_axes(target: Any) -> int | None:
    """Axes of the input that a pooling takes; None if the operation is no known pooling."""
    if isinstance(target, nn.Module):
        return POOLS.get(type(target))
    return None if isinstance(target, str) else POOL_FUNCTIONS.get(target)


def flattens(target: Any, arguments: tuple[Any, ...]) -> bool | None:
    """Whether an operation may flatten places into the feature axis of any number of features.

    Returns
    -------
    bool or None
        True for a flatten and for a reshape whose last length is -1, False for a reshape to a
        fixed length (it would not fit fewer features), None for every other operation.
    """
    if type(target) is nn.Flatten or target in ("flatten", torch.flatten):
        return True
    if target not in ("view", "reshape", torch.reshape):
        return None
    lengths = arguments[0] if len(arguments) == 1 else arguments
    return isinstance(lengths, (tuple, list)) and len(lengths) > 0 and lengths[-1] == -1


def block_after(before: tuple[int, ...], after: tuple[int, ...]) -> int | None:
    """Columns a feature takes when (n, features, places …) becomes (n, features * places).

    None if the shapes are not of that form.
    """
    if len(after) != 2 or after[0] != before[0] or after[1] != math.prod(before[1:]):
        return None
    return math.prod(before[2:])


def averaged_axes(arguments: tuple[Any, ...], options: Mapping[str, Any], n_axes: int) -> set[int]:
    """Axes that a call of ``mean`` goes over, counted from 0."""
    axes = options.get("dim", arguments[0] if arguments else tuple(range(n_axes)))
    listed = axes if isinstance(axes, (tuple, list)) else (axes,)
    return {int(one) % n_axes for one in listed}

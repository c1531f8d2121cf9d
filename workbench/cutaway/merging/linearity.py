"""Tracing that keeps weight layers whole, and the test that a subclass is still one."""

import copy

import torch
from torch import Tensor, fx, nn

from cutaway.merging import layers

_SAME = 1e-10  # of the largest output: float64 sums in another order differ by far less


class Tracer(fx.Tracer):
    """Traces into every module but those of torch.nn and subclasses of its weight layers."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Whether a module is one node of the graph."""
        if isinstance(m, layers.WEIGHTED) or layers.is_activation(m):
            return True
        return super().is_leaf_module(m, module_qualified_name)


def linear_in_weights(module: nn.Module, shape: tuple[int, ...]) -> bool:
    """Whether outputs add up when weights and biases do, as merging supposes.

    Parameters
    ----------
    module : nn.Module
        A convolution or linear layer in float64; not changed. Those of torch.nn itself are linear,
        a subclass may do anything (normalise its weights, say).
    shape : tuple of int
        Shape of an input.
    """
    if type(module) in layers.WEIGHTED:
        return True
    generator = torch.Generator().manual_seed(0)
    drawn = [_random(shape, generator), *(_random(p.shape, generator) for p in module.parameters())]
    inputs, first = drawn[0], drawn[1:]
    second = [_random(p.shape, generator) for p in module.parameters()]
    both = [one + other for one, other in zip(first, second, strict=True)]
    with torch.no_grad():
        one, other, sum_ = (_outputs(module, inputs, each) for each in (first, second, both))
    gap, size = (sum_ - one - other).abs().max(), sum_.abs().max()
    return bool(size > 0) and bool(gap <= _SAME * size)


def _random(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def _outputs(module: nn.Module, inputs: Tensor, values: list[Tensor]) -> Tensor:
    changed = copy.deepcopy(module)
    for parameter, value in zip(changed.parameters(), values, strict=True):
        parameter.copy_(value)
    found: Tensor = changed(inputs)
    return found

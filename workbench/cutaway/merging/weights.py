"""The grouped tensors of a network before anything is merged: folded, gauged, and where each lies.

Notation: n features of a group; rows are a feature's part of every producer's weight, columns its
part of every consumer's weight.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import nn

from cutaway.merging.flow import Group

Array = NDArray[np.float64]

_VECTORS = ("weight", "bias", "running_mean", "running_var")


class Columns(NamedTuple):
    """Where a group's features lie along axis 1 of a tensor: `block` places each, from `start`."""

    key: str
    group: int
    start: int
    block: int


@dataclass
class Weights:
    """Float64 tensors of all layers in some groups; arrays are replaced, never written.

    Parameters
    ----------
    groups : sequence of Group
    values : dict of str to ndarray
        By the name in the state dict.
    norms : dict of str to float
        Batch norms not folded yet: path to its epsilon.
    """

    groups: Sequence[Group]
    values: dict[str, Array]
    norms: dict[str, float]

    @classmethod
    def of(cls, module: nn.Module, groups: Sequence[Group]) -> "Weights":
        """Tensors of a float64 module, which is not to be changed afterwards: memory is shared."""
        parts = dict(module.named_modules())
        values: dict[str, Array] = {}
        norms: dict[str, float] = {}
        for group in groups:
            paths = [path for one in group.producers for path in one if path is not None]
            for path in (*paths, *(one.path for one in group.consumers)):
                for name in _VECTORS:
                    tensor = getattr(parts[path], name, None)
                    if tensor is not None:
                        values[f"{path}.{name}"] = tensor.detach().cpu().double().numpy()
            for one in group.producers:
                if one.norm is not None:
                    norm: nn.BatchNorm2d = parts[one.norm]
                    norms[one.norm] = norm.eps
        return cls(groups, values, norms)

    def n_parameters(self) -> int:
        """Trainable numbers: everything but running statistics."""
        return sum(v.size for k, v in self.values.items() if ".running_" not in k)

    def n_inside(self, path: str) -> int:
        """Numbers in the weight of a layer, or in those of its parts."""
        return sum(
            one.size
            for key, one in self.values.items()
            if key.startswith(f"{path}.") and key.endswith(".weight")
        )

    def rows(self) -> dict[str, int]:
        """Which group lies on axis 0 of a tensor."""
        return {
            f"{one.path}.weight": place
            for place, group in enumerate(self.groups)
            for one in group.producers
        }

    def columns(self) -> list[Columns]:
        """Which groups lie on axis 1 of which tensors."""
        return [
            Columns(f"{one.path}.weight", place, 0, one.block)
            for place, group in enumerate(self.groups)
            for one in group.consumers
        ]

    def vectors(self, group: Group) -> list[str]:
        """Names of the 1-D tensors of a group: biases, and all of its batch norms."""
        names = [f"{one.path}.bias" for one in group.producers]
        norms = [one.norm for one in group.producers if one.norm is not None]
        names += [f"{norm}.{name}" for norm in norms for name in _VECTORS]
        return [one for one in names if one in self.values]

    def fold(self, group: Group) -> None:
        """Fold each batch norm into the layer before it, which gets a bias.

        Notes
        -----
        w' = w gamma / sqrt(var + eps) and b' = (b - mean) gamma / sqrt(var + eps) + beta.
        """
        for path, norm in group.producers:
            if norm is None:
                continue
            weight = self.values[f"{path}.weight"]
            zeros, ones = np.zeros(len(weight)), np.ones(len(weight))
            mean = self.values.pop(f"{norm}.running_mean")
            variance = self.values.pop(f"{norm}.running_var")
            gain = self.values.pop(f"{norm}.weight", ones)
            shift = self.values.pop(f"{norm}.bias", zeros)
            scale = gain / np.sqrt(variance + self.norms.pop(norm))
            bias = self.values.get(f"{path}.bias", zeros)
            self.values[f"{path}.weight"] = weight * _along(scale, weight, 0)
            self.values[f"{path}.bias"] = (bias - mean) * scale + shift

    def gauge(self, group: Group) -> None:
        """Scale every feature to unit norm of (rows, bias) and hand the norm to its consumers.

        A feature of zero norm stays as it is.
        """
        tensors = [self.values[f"{one.path}.weight"] for one in group.producers]
        tensors += [self.values[name] for name in self.vectors(group)]
        squares = [(one.reshape(group.size, -1) ** 2).sum(axis=1) for one in tensors]
        norm = np.sqrt(np.sum(squares, axis=0))
        norm[norm == 0] = 1
        for path, _ in group.producers:
            weight = self.values[f"{path}.weight"]
            self.values[f"{path}.weight"] = weight / _along(norm, weight, 0)
        for name in self.vectors(group):
            self.values[name] = self.values[name] / norm
        for path, _ in group.consumers:
            weight = self.values[f"{path}.weight"]
            columns = weight.reshape(len(weight), len(norm), -1) * norm[None, :, None]
            self.values[f"{path}.weight"] = columns.reshape(weight.shape)


def _along(vector: Array, like: Array, axis: int) -> Array:
    shape = [1] * like.ndim
    shape[axis] = -1
    return vector.reshape(shape)

"""The working copy of a network's grouped tensors: distances, and the merge of two features.

Notation: n features of a group, counts c (n,) of the original units in each; rows are a feature's
part of every producer's weight, columns its part of every consumer's weight.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import nn

from cutaway.merging.flow import Group

Array = NDArray[np.float64]

_CLOSE = 1e-5  # below this part of the squared norms a distance is measured again, by differences
_ZERO = 1e-28  # (45 float64 roundings)^2: two features this close, in squared norms, are equal


@dataclass(frozen=True)
class Rule:
    """How distances are taken and two features become one.

    Parameters
    ----------
    fold : bool
        Batch norms are folded into the weights first.
    gauge : bool
        Features are first scaled to unit norm of (rows, bias), their consumers by the inverse.
    average : bool
        True: rows and biases are averaged by count, columns added. False: the reverse.
    with_bias, with_columns : bool
        What the distance counts besides rows.
    """

    fold: bool
    gauge: bool
    average: bool
    with_bias: bool
    with_columns: bool


RULES = {
    "official": Rule(False, False, False, False, True),
    "official_bnfold": Rule(True, False, False, False, True),
    "exact": Rule(True, False, True, True, True),
    "exact_scale": Rule(True, True, True, True, False),
}
_VECTORS = ("weight", "bias", "running_mean", "running_var")


@dataclass(frozen=True)
class Closest:
    """The closest pair of a group: places i < j, squared distances, and whether they are equal."""

    first: int
    second: int
    distance: float
    runner_up: float
    largest: float
    equal: bool


class Weights:
    """Float64 copies of all tensors in some groups; a merge replaces arrays, never writes them.

    Parameters
    ----------
    values : dict of str to ndarray
        By the name in the state dict.
    norms : dict of str to float
        Batch norms not folded yet: path to its epsilon.

    Attributes
    ----------
    changes : Counter of str
        By the path of a layer: merges that changed its weight.
    """

    def __init__(self, values: dict[str, Array], norms: dict[str, float]) -> None:
        self.values = values
        self.norms = norms
        self.changes = Counter[str]()

    @classmethod
    def of(cls, module: nn.Module, groups: Sequence[Group]) -> "Weights":
        """Copies of the tensors of a module."""
        parts = dict(module.named_modules())
        values: dict[str, Array] = {}
        norms: dict[str, float] = {}
        for group in groups:
            paths = [path for one in group.producers for path in one if path is not None]
            for path in (*paths, *(one.path for one in group.consumers)):
                for name in _VECTORS:
                    tensor = getattr(parts[path], name, None)
                    if tensor is not None:
                        values[f"{path}.{name}"] = tensor.detach().cpu().double().numpy().copy()
            for one in group.producers:
                if one.norm is not None:
                    norm: nn.BatchNorm2d = parts[one.norm]
                    norms[one.norm] = norm.eps
        return cls(values, norms)

    def copy(self) -> "Weights":
        """A second working copy; arrays are shared, as they are never written."""
        return Weights(dict(self.values), dict(self.norms))

    def n_parameters(self) -> int:
        """Trainable numbers: everything but running statistics."""
        return sum(v.size for k, v in self.values.items() if ".running_" not in k)

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
        norm = np.sqrt((self._rows(group, with_bias=True) ** 2).sum(axis=1))
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

    def _rows(self, group: Group, *, with_bias: bool) -> Array:
        parts = [self.values[f"{one.path}.weight"] for one in group.producers]
        rows = [one.reshape(len(one), -1) for one in parts]
        if with_bias:
            rows += [self.values[name][:, None] for name in self.vectors(group)]
        return np.concatenate(rows, axis=1)

    def _columns(self, group: Group, n: int) -> Array:
        parts = [self.values[f"{one.path}.weight"] for one in group.consumers]
        split = [one.reshape(len(one), n, -1).transpose(1, 0, 2).reshape(n, -1) for one in parts]
        return np.concatenate(split, axis=1)

    def closest(self, group: Group, rule: Rule, counts: Array) -> Closest:
        """The closest pair of a group of two or more features, lowest places first in a tie."""
        points = self._rows(group, with_bias=rule.with_bias)
        if rule.with_columns:
            columns = self._columns(group, len(counts))
            columns = columns / counts[:, None] if rule.average else columns
            points = np.concatenate([points, columns], axis=1)
        distances, norms = squared_distances(points)
        upper = np.triu_indices(len(points), 1)
        above = distances[upper]
        place = int(np.argmin(above))
        first, second = int(upper[0][place]), int(upper[1][place])
        least = float(above[place])
        return Closest(
            first,
            second,
            least,
            float(np.partition(above, 1)[1]) if len(above) > 1 else least,
            float(above.max()),
            least <= _ZERO * float(norms[first] + norms[second]),
        )

    def merge(self, group: Group, rule: Rule, pair: Closest, counts: Array) -> Array:
        """Make one feature, placed last, of a pair; the new counts."""
        own, both = counts[[pair.first, pair.second]], (pair.first, pair.second)
        mean, plain = own / own.sum(), np.ones(2)
        of_rows, of_columns = (mean, plain) if rule.average else (plain, mean)
        names = [f"{one.path}.weight" for one in group.producers] + self.vectors(group)
        for name in names:
            self.values[name] = joined(self.values[name], both, of_rows, axis=0)
        self.changes.update(path for path, _ in (*group.producers, *group.consumers))
        for path, _ in group.consumers:
            weight = self.values[f"{path}.weight"]
            n, lengths = len(counts), weight.shape
            columns = joined(weight.reshape(lengths[0], n, -1), both, of_columns, axis=1)
            shape = (lengths[0], lengths[1] // n * (n - 1), *lengths[2:])
            self.values[f"{path}.weight"] = columns.reshape(shape)
        return joined(counts, both, plain, axis=0)


def joined(values: Array, pair: tuple[int, int], by: Array, *, axis: int) -> Array:
    """Two places of an axis replaced by their weighted sum, which comes last.

    Parameters
    ----------
    values : ndarray
    pair : tuple of int
    by : ndarray of shape (2,)
        Weights of the two.
    axis : int
    """
    first, second = (values.take([one], axis=axis) for one in pair)
    made = first * by[0] + second * by[1]
    return np.concatenate([np.delete(values, pair, axis=axis), made], axis=axis)


def squared_distances(points: Array) -> tuple[Array, Array]:
    """Squared Euclidean distances of all pairs, and squared norms.

    Parameters
    ----------
    points : ndarray of shape (n, d)

    Returns
    -------
    distances : ndarray of shape (n, n)
        Above the diagonal; the rest is not kept up.
    norms : ndarray of shape (n,)

    Notes
    -----
    |x|^2 + |y|^2 - 2 x·y errs by some 1e-16 of the norms, so that copies come out as plus or minus
    that; every pair below 1e-5 of its norms is measured again by its difference, which makes
    copies exactly 0 and keeps 1e-10 relative accuracy elsewhere.
    """
    gram = points @ points.T
    norms = np.diagonal(gram).copy()
    sums = norms[:, None] + norms[None, :]
    distances = np.maximum(sums - 2 * gram, 0)
    near = np.triu(distances <= _CLOSE * sums, 1)
    for row in np.flatnonzero(near.any(axis=1)):
        others = np.flatnonzero(near[row])
        distances[row, others] = ((points[others] - points[row]) ** 2).sum(axis=1)
    return distances, norms


def _along(vector: Array, like: Array, axis: int) -> Array:
    shape = [1] * like.ndim
    shape[axis] = -1
    return vector.reshape(shape)

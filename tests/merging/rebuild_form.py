"""The slow form of merging that the engine is compared with: all distances anew at each merge.

Features are kept as arrays in the order of the published code (a merged one last), distances come
from differences and not from Grams, and every tensor is cut at each merge.
"""

import numpy as np

from cutaway.merging.flow import Group
from cutaway.merging.rules import RULES
from cutaway.merging.weights import Weights


class Slow:
    """Round robin over the groups of some weights, folded and gauged as the rule wants."""

    def __init__(self, weights, rule):
        self.values = dict(weights.values)
        self.groups, self.rule = weights.groups, rule
        self.vectors = {one.name: weights.vectors(one) for one in self.groups}
        self.counts = {one.name: np.ones(one.size) for one in self.groups}
        self.nodes = {one.name: list(range(one.size)) for one in self.groups}
        self.units = {one.name: [[unit] for unit in range(one.size)] for one in self.groups}
        for norm, eps in weights.norms.items() if rule.repair else ():
            name = f"{norm}.running_var"
            self.values[name] = np.sqrt(self.values[name] + eps)
        self.tree = []

    def points(self, group: Group, size=1.0):
        n, counts = len(self.counts[group.name]), self.counts[group.name]
        parts = [self.values[f"{one.path}.weight"].reshape(n, -1) for one in group.producers]
        parts = [one / np.broadcast_to(size, n)[:, None] for one in parts]
        if self.rule.repair:
            parts += [
                1e-3 * (self.values[name] / counts)[:, None] for name in self.vectors[group.name]
            ]
        if self.rule.with_bias:
            parts += [self.values[name][:, None] for name in self.vectors[group.name]]
        if self.rule.with_columns:
            for one in group.consumers:
                weight = self.values[f"{one.path}.weight"]
                columns = weight.reshape(len(weight), n, -1).transpose(1, 0, 2).reshape(n, -1)
                parts.append(columns / counts[:, None] if self.rule.average else columns)
        return np.concatenate(parts, axis=1)

    def distances(self, group):
        points = self.points(group)
        found = np.array([((points - one) ** 2).sum(axis=1) for one in points])
        counts = self.counts[group.name]
        if self.rule.repair:
            level = self.points(group, counts)
            sums = np.add.outer((level**2).sum(axis=1), (level**2).sum(axis=1))
            apart = np.array([((level - one) ** 2).sum(axis=1) for one in level])
            found[apart <= 1e-28 * sums] = 0
        if self.rule.weigh:
            found *= np.outer(counts, counts) / np.add.outer(counts, counts)
        return found

    def step(self, group, number, beta, left=None):
        """One turn of a group; whether it merged."""
        counts = self.counts[group.name]
        if len(counts) < 2 or (len(counts) <= left if left is not None else number >= group.size):
            return False
        found = self.distances(group)
        upper = np.triu_indices(len(counts), 1)
        above = found[upper]
        place = int(np.argmin(above))
        pair = int(upper[0][place]), int(upper[1][place])
        if left is None and above[place] > beta * above.max():
            return False
        nodes = self.nodes[group.name]
        made = 2 * group.size - len(counts)
        self.tree.append((
            number, group.name, nodes[pair[0]], nodes[pair[1]], made,
            float(above[place]), float(above.max()),
        ))  # fmt: skip
        units = self.units[group.name]
        merged = sorted(units[pair[0]] + units[pair[1]])
        self.units[group.name] = [one for k, one in enumerate(units) if k not in pair] + [merged]
        self.nodes[group.name] = [one for k, one in enumerate(nodes) if k not in pair] + [made]
        self.merge(group, pair)
        return True

    def merge(self, group, pair):
        counts = self.counts[group.name]
        own = counts[list(pair)]
        mean, plain = own / own.sum(), np.ones(2)
        of_rows, of_columns = (mean, plain) if self.rule.average else (plain, mean)
        for name in [f"{one.path}.weight" for one in group.producers] + self.vectors[group.name]:
            self.values[name] = joined(self.values[name], pair, of_rows, axis=0)
        for one in group.consumers:
            key = f"{one.path}.weight"
            weight = self.values[key]
            n, lengths = len(counts), weight.shape
            columns = joined(weight.reshape(lengths[0], n, -1), pair, of_columns, axis=1)
            shape = (lengths[0], lengths[1] // n * (n - 1), *lengths[2:])
            self.values[key] = columns.reshape(shape)
        self.counts[group.name] = joined(counts, pair, plain, axis=0)

    def round_robin(self, beta=0.0, left=None):
        number, merged = 0, True
        while merged:
            merged = False
            for group in self.groups:
                most = None if left is None else left.get(group.name, group.size)
                merged = self.step(group, number, beta, most) or merged
            number += 1

    def layerwise(self, beta):
        for group in self.groups:
            number = 0
            while self.step(group, number, beta):
                number += 1

    def finished(self, start):
        """Tensors in the end; of repaired features anew from the units in each."""
        if not self.rule.repair:
            return self.values
        made = dict(start.values)
        for group in self.groups:
            clusters = self.units[group.name]
            for one in group.producers:
                if one.norm in start.norms:
                    made |= repaired(start, one.path, one.norm, clusters)
                    continue
                for name in (f"{one.path}.weight", f"{one.path}.bias"):
                    if name in made:
                        made[name] = np.stack(
                            [made[name][units].mean(axis=0) for units in clusters]
                        )
        for group in self.groups:
            for one in group.consumers:
                key = f"{one.path}.weight"
                n, shape = group.size, made[key].shape
                columns = made[key].reshape(shape[0], n, -1)
                sums = [columns[:, units].sum(axis=1) for units in self.units[group.name]]
                made[key] = np.stack(sums, axis=1).reshape(shape[0], -1, *shape[2:])
        return made


def repaired(start, path, norm, clusters):
    """The formula of the repair, unit by unit."""
    names = [f"{norm}.{name}" for name in ("running_mean", "running_var", "weight", "bias")]
    mean, variance, gain, shift = (start.values[name] for name in names)
    weight, deviation = start.values[f"{path}.weight"], np.sqrt(variance + start.norms[norm])
    own = start.values.get(f"{path}.bias", np.zeros(len(mean)))
    rows, vectors = [], []
    for units in clusters:
        m = len(units)
        given = [gain[i] * weight[i].ravel() / deviation[i] for i in units]
        spread = 0.0
        for a, i in enumerate(units):
            for b, j in enumerate(units):
                lengths = np.linalg.norm(given[a]) * np.linalg.norm(given[b])
                alike = max(given[a] @ given[b] / lengths, 0) ** 2 if a != b else 1.0
                spread += abs(gain[i] * gain[j]) * alike / m**2
        sign = -1 if gain[units].sum() < 0 else 1
        by = sign * np.sqrt((deviation[units] ** 2).mean() / spread) / m
        rows.append(by * sum(given).reshape(weight[0].shape))
        vectors.append([
            by * sum(gain[i] * mean[i] / deviation[i] for i in units),
            variance[units].mean(), sign * np.abs(gain[units]).mean(), shift[units].mean(),
            by * sum(gain[i] * own[i] / deviation[i] for i in units),
        ])  # fmt: skip
    found = dict(zip([*names, f"{path}.bias"], np.transpose(vectors), strict=True))
    if f"{path}.bias" not in start.values:
        del found[f"{path}.bias"]
    return found | {f"{path}.weight": np.stack(rows)}


def joined(values, pair, by, *, axis):
    """Two places of an axis replaced by their weighted sum, which comes last."""
    first, second = (values.take([one], axis=axis) for one in pair)
    made = first * by[0] + second * by[1]
    return np.concatenate([np.delete(values, pair, axis=axis), made], axis=axis)


def slow_of(prepared) -> Slow:
    """The slow form from the same start as an engine."""
    start = prepared._weights
    return Slow(Weights(start.groups, dict(start.values), dict(start.norms)), RULES[prepared.rule])

"""A network's groups while they merge: who is with whom, distances, and what neighbours do.

Tensors stay as they were. A feature's row or column is a sum over its units by factors (`Slots`),
and each Gram is in the coordinates of the tensors as merged so far: a merge in one group adds a few
products to the Grams of the groups on the other axis of its tensors.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from cutaway.merging.distances import Closest, Distances, add_products
from cutaway.merging.flow import Group
from cutaway.merging.repair import repaired_features
from cutaway.merging.rules import Rule
from cutaway.merging.slots import Ints, Pair, Slots
from cutaway.merging.weights import Array, Columns, Weights

_HINT = 1e-3  # too small to change an order, enough that only equal features are at distance 0
_CHUNK = 512  # coordinates that are added to a Gram at a time
Factors = tuple[float, float]
Beat = Callable[[], None]


@dataclass
class Changes:
    """Products to add to a Gram and to take off, until the group's turn: coordinates (slots, k)."""

    plus: list[Array] = field(default_factory=list)
    minus: list[Array] = field(default_factory=list)


@dataclass
class Features:
    """One group while it merges.

    Parameters
    ----------
    group : Group
    slots : Slots
    distances : Distances
    vectors : dict of str to ndarray of shape (slots,)
        Its 1-D tensors by name.
    start : Closest or None
        The closest pair before anything merged; None for a group of one.
    pair : Closest or None
        The closest pair now, where it is known.
    changes : dict of int to Changes
        By Gram.
    """

    group: Group
    slots: Slots
    distances: Distances
    vectors: dict[str, Array]
    start: Closest | None = None
    pair: Closest | None = None
    changes: dict[int, Changes] = field(default_factory=dict)

    def closest(self, beat: Beat) -> Closest | None:
        """The closest pair, None for a group of one."""
        if self.slots.left < 2:
            return None
        if self.changes:
            self.settle()
            self.distances.refresh(beat)
            self.pair = None
        if self.pair is None:
            self.pair = self.distances.closest()
        return self.pair

    def settle(self) -> bool:
        """Put the changes into the Grams; whether there were any."""
        for gram, one in self.changes.items():
            empty = np.empty((len(self.slots.counts), 0))
            plus, minus = (np.hstack([empty, *each]) for each in (one.plus, one.minus))
            self.distances.add(gram, plus, minus)
        found, self.changes = bool(self.changes), {}
        return found


class Working:
    """All groups of a network while they merge.

    Parameters
    ----------
    weights : Weights
        Folded and gauged as the rule wants; never changed, and shared between copies.
    rule : Rule
    """

    def __init__(self, weights: Weights, rule: Rule) -> None:
        self.weights, self.rule = weights, rule
        self.on_rows = weights.rows()
        self.on_columns = weights.columns()
        self.features: list[Features] = []

    @classmethod
    def of(cls, weights: Weights, rule: Rule, beat: Beat) -> "Working":
        """Nothing merged yet; `beat` is called every so often."""
        made = cls(weights, rule)
        for place, group in enumerate(weights.groups):
            slots = Slots(group.size)
            vectors = {name: made._vector(name) for name in weights.vectors(group)}
            distances = Distances(
                slots,
                made._grams(place, beat),
                made._extra(vectors, slots.counts),
                rule=rule,
                measure=partial(made.measured, place),
            )
            made.features.append(Features(group, slots, distances, vectors))
        for one in made.features:  # only now can any of them measure by its neighbours' units
            one.distances.refresh(beat)
            one.start = one.closest(beat)
        return made

    def copy(self) -> "Working":
        """The same, to merge apart."""
        twin = Working(self.weights, self.rule)
        for place, one in enumerate(self.features):
            slots = one.slots.copy()
            distances = one.distances.copy(slots, partial(twin.measured, place))
            twin.features.append(
                Features(one.group, slots, distances, dict(one.vectors), one.start, one.pair)
            )
        return twin

    def _vector(self, name: str) -> Array:
        """A 1-D tensor; a standard deviation instead of a variance where features are repaired."""
        values = self.weights.values[name]
        norm = name.removesuffix(".running_var")
        if not self.rule.repair or norm not in self.weights.norms or norm == name:
            return values
        return np.sqrt(values + self.weights.norms[norm])

    # --- coordinates ---------------------------------------------------------------------------

    def _columns_of(self, place: int) -> Iterator[Columns]:
        if self.rule.with_columns:
            yield from (one for one in self.on_columns if one.group == place)

    def _rows_of(self, place: int) -> list[str]:
        return [key for key, group in self.on_rows.items() if group == place]

    def _grams(self, place: int, beat: Beat) -> list[Array]:
        """Inner products of rows, and of columns; one Gram where both merge alike."""
        size = self.weights.groups[place].size
        grams = [np.zeros((size, size)) for _ in range(1 if self.rule.average else 2)]
        for key in self._rows_of(place):
            points = self.weights.values[key].reshape(size, -1)
            for begin in range(0, points.shape[1], _CHUNK):
                add_products(grams[0], points[:, begin : begin + _CHUNK], 1.0)
                beat()
        for one in self._columns_of(place):
            columns = self._split(one, size)
            step = max(_CHUNK // columns.shape[2], 1)
            for begin in range(0, len(columns), step):
                some = columns[begin : begin + step].transpose(1, 0, 2).reshape(size, -1)
                add_products(grams[-1], some, 1.0)
                beat()
        return grams

    def _split(self, one: Columns, size: int) -> Array:
        """A tensor's columns of one group: (places of axis 0, units, rest)."""
        tensor = self.weights.values[one.key]
        columns = tensor[:, one.start : one.start + size * one.block]
        return columns.reshape(len(tensor), size, -1)

    def _extra(self, vectors: dict[str, Array], counts: Array) -> Array:
        """Coordinates that are no inner products: biases, or hints of what else differs."""
        if self.rule.with_bias and vectors:
            return np.stack(list(vectors.values()), axis=1)
        if not self.rule.repair or not vectors:
            return np.empty((len(counts), 0))
        return _HINT * np.stack(list(vectors.values()), axis=1) / np.maximum(counts, 1)[:, None]

    def measured(self, place: int, slot: int, others: Ints, *, level: bool) -> Array:
        """Squared differences of one feature and others, from their rows and columns."""
        found = np.zeros(len(others))
        for begin in range(0, len(others), _CHUNK):
            some = np.append(slot, others[begin : begin + _CHUNK])
            for points in self._points(place, some, level=level):
                found[begin : begin + _CHUNK] += ((points[1:] - points[0]) ** 2).sum(axis=1)
        return found

    def _points(self, place: int, some: Ints, *, level: bool) -> Iterator[Array]:
        """Coordinates (features, k) of some features, tensor by tensor; rows of one unit's size."""
        slots = self.features[place].slots
        units = [slots.units(int(slot)) for slot in some]
        every, begins = np.concatenate(units), np.cumsum([0, *map(len, units[:-1])])
        for key in self._rows_of(place):
            rows = self.weights.values[key][every]
            rows = rows * slots.row_factor[every].reshape(-1, *[1] * (rows.ndim - 1))
            made = self.merged_columns(key, np.add.reduceat(rows, begins)).reshape(len(some), -1)
            yield made / slots.counts[some, None] if level else made
        for one in self._columns_of(place):
            columns = self._split(one, slots.size)[:, every] * slots.column_factor[every, None]
            made = self.merged_rows(one.key, np.add.reduceat(columns, begins, axis=1))
            made = made.transpose(1, 0, 2).reshape(len(some), -1)
            yield made / slots.counts[some, None] if self.rule.average else made

    def merged_rows(self, key: str, values: Array) -> Array:
        """Values whose axis 0 is that of a tensor, as merged so far (empty slots as zeros)."""
        place = self.on_rows.get(key)
        if place is None:
            return values
        slots = self.features[place].slots
        return slots.gathered(values, slots.row_factor)

    def merged_columns(self, key: str, values: Array, *, in_order: bool = False) -> Array:
        """Values whose axis 1 is that of a tensor, as merged so far.

        Parameters
        ----------
        key : str
        values : ndarray of shape (m, columns, …)
        in_order : bool
            Oldest features first and no empty slots; else by slot, empty ones as zeros.
        """
        spans = sorted(
            (one for one in self.on_columns if one.key == key), key=lambda one: one.start
        )
        parts, done = [], 0
        for one in spans:
            slots = self.features[one.group].slots
            end = one.start + slots.size * one.block
            own = values[:, one.start : end].reshape(len(values), slots.size, one.block, -1)
            made = slots.gathered(own.swapaxes(0, 1), slots.column_factor).swapaxes(0, 1)
            made = made[:, slots.in_order()] if in_order else made
            made = made.reshape(len(values), -1, *values.shape[2:])
            parts += [values[:, done : one.start], made]
            done = end
        return np.concatenate([*parts, values[:, done:]], axis=1) if parts else values

    # --- a merge -------------------------------------------------------------------------------

    def merge(self, place: int, pair: Closest) -> None:
        """Merge two features of a group, here and in the Grams of its neighbours."""
        one, both = self.features[place], (pair.first, pair.second)
        slots, units = one.slots, [one.slots.units(slot) for slot in both]
        own = slots.counts[list(both)]
        mean, plain = (float(own[0] / own.sum()), float(own[1] / own.sum())), (1.0, 1.0)
        of_rows, of_columns = (mean, plain) if self.rule.average else (plain, mean)
        self._tell_columns(place, units, of_rows)
        itself = one.settle()  # a tensor with both axes in this group
        slots.join_rows(both, of_rows)
        one.vectors = {name: _joined(v, both, of_rows) for name, v in one.vectors.items()}
        extra = self._extra(one.vectors, slots.counts)
        factors = [mean] if self.rule.average else [plain, mean]
        one.distances.join(both, factors, extra[both[0]])
        self._tell_rows(place, units, of_columns)
        for each, factor in zip(units, of_columns, strict=True):
            slots.column_factor[each] *= factor
        one.pair = None
        if itself or one.changes:
            one.changes.setdefault(0, Changes())
        else:
            one.distances.rebound(both)
            if slots.left <= len(slots.counts) // 2:
                used = slots.compact()
                one.distances.compact(used)
                one.vectors = {name: values[used] for name, values in one.vectors.items()}

    def _tell_columns(self, place: int, units: list[Ints], by: Factors) -> None:
        """Two rows of each producer become one: note it for the groups on its columns."""
        slots = self.features[place].slots
        for key in self._rows_of(place) if self.rule.with_columns else ():
            tensor = self.weights.values[key]
            both = [np.tensordot(slots.row_factor[each], tensor[each], 1) for each in units]
            for span in self.on_columns:
                other = self.features[span.group]
                if span.key != key or other.slots.left < 2:
                    continue
                n, of = other.slots.size, other.slots
                own = [one[span.start : span.start + n * span.block] for one in both]
                made = [of.gathered(one.reshape(n, -1), of.column_factor) for one in own]
                if self.rule.average:
                    made = [one / np.maximum(of.counts, 1)[:, None] for one in made]
                _note(other, len(other.distances.grams) - 1, made, by)

    def _tell_rows(self, place: int, units: list[Ints], by: Factors) -> None:
        """Two columns of each consumer become one: note it for the group on its rows."""
        slots = self.features[place].slots
        for span in self.on_columns:
            if span.group != place or span.key not in self.on_rows:
                continue
            other = self.features[self.on_rows[span.key]]
            if other.slots.left < 2:
                continue
            columns = self._split(span, slots.size)
            both = [
                np.einsum("ouk,u->ok", columns[:, each], slots.column_factor[each])
                for each in units
            ]
            made = [other.slots.gathered(one, other.slots.row_factor) for one in both]
            _note(other, 0, made, by)

    # --- what came out -------------------------------------------------------------------------

    def n_parameters(self) -> int:
        """Trainable numbers left in the groups' tensors."""
        left = {
            name: one.slots.left
            for one, group in zip(self.features, self.weights.groups, strict=True)
            for name in (*one.vectors, *(f"{each.path}.weight" for each in group.producers))
        }
        total = 0
        for key, values in self.weights.values.items():
            if ".running_" in key:
                continue
            shape = [left.get(key, len(values)), *values.shape[1:]]
            for span in self.on_columns:
                if span.key == key:
                    slots = self.features[span.group].slots
                    shape[1] -= span.block * (slots.size - slots.left)
            total += int(np.prod(shape))
        return total

    def merged(self) -> Weights:
        """The tensors as merged: oldest features first."""
        working = self._levelled() if self.rule.repair else self
        values: dict[str, Array] = {}
        for key, tensor in self.weights.values.items():
            place = self.on_rows.get(key)
            made = working.merged_rows(key, tensor)
            if place is not None:
                made = made[self.features[place].slots.in_order()]
            values[key] = (
                working.merged_columns(key, made, in_order=True) if made.ndim > 1 else made
            )
        for one in working.features:
            order = one.slots.in_order()
            values |= {name: vector[order] for name, vector in one.vectors.items()}
            values |= working.repaired(one) if self.rule.repair else {}
        return Weights(self.weights.groups, values, dict(self.weights.norms))

    def _levelled(self) -> "Working":
        """The same network from features of one unit's size, but for its batch norms."""
        twin = Working(self.weights, self.rule)
        for one in self.features:
            slots = one.slots.copy()
            slots.row_factor = 1 / slots.counts[slots.of]
            slots.column_factor = np.ones(slots.size)
            vectors = {
                name: slots.gathered(self.weights.values[name], slots.row_factor)
                for name in one.vectors
            }
            twin.features.append(Features(one.group, slots, one.distances, vectors))
        return twin

    def repaired(self, one: Features) -> dict[str, Array]:
        """Tensors of the layers of a group that have a batch norm."""
        clusters = [one.slots.units(int(slot)) for slot in one.slots.in_order()]
        found: dict[str, Array] = {}
        for path, norm in one.group.producers:
            if norm is not None and norm in self.weights.norms:
                rows, vectors = repaired_features(self.weights, path, norm, clusters)
                key = f"{path}.weight"
                found |= vectors | {key: self.merged_columns(key, rows, in_order=True)}
        return found


def _note(one: Features, gram: int, both: list[Array], by: Factors) -> None:
    """Note that a group's coordinates p, q have become a p + b q.

    Notes
    -----
    With s^2 = a^2 + b^2, e = (a p + b q) / s and f = (a q - b p) / s, the products change by
    (s^2 - 1) e e^T - f f^T: half the width of taking off p p^T and q q^T and adding the new one.
    """
    a, b = by
    size = float(np.hypot(a, b))
    along = (a * both[0] + b * both[1]) / size
    across = (a * both[1] - b * both[0]) / size
    changes = one.changes.setdefault(gram, Changes())
    gain = size * size - 1
    (changes.plus if gain > 0 else changes.minus).append(np.sqrt(abs(gain)) * along)
    changes.minus.append(across)


def _joined(values: Array, pair: Pair, by: Factors) -> Array:
    """A vector by slots after a merge."""
    made = values.copy()
    made[pair[0]] = by[0] * values[pair[0]] + by[1] * values[pair[1]]
    made[pair[1]] = 0
    return made

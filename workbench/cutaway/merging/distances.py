"""Squared distances of one group's features from their Grams, kept up merge by merge.

The closest pair comes from bounds: for each slot a lower bound of its smallest distance and an
upper bound of its largest one. A bound turns loose when the feature it came from merges away, and
is computed again only when it is the least (or greatest) of all.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import blas

from cutaway.merging.rules import Rule
from cutaway.merging.slots import Ints, Pair, Slots
from cutaway.merging.weights import Array

_CLOSE = 1e-5  # below this part of the squared norms a distance is measured again, by differences
_ZERO = 1e-28  # (45 float64 roundings)^2: two features this close, in squared norms, are equal
_IN_PLACE = 1024  # features from which on a Gram is added to without a second one in memory
_BLOCK = 1 << 20  # distances that are computed at a time


class Measure(Protocol):
    """Squared differences of one slot and others by their coordinates; `level`: of one unit's."""

    def __call__(self, slot: int, others: Ints, *, level: bool) -> Array:
        """Array of shape (others,)."""
        ...


@dataclass(frozen=True)
class Closest:
    """The closest pair of a group: slots (older first), squared distances, whether it is equal."""

    first: int
    second: int
    distance: float
    runner_up: float
    largest: float
    equal: bool


class Distances:
    """Distances of a group.

    Parameters
    ----------
    slots : Slots
        Shared with the group, which changes it.
    grams : list of ndarray of shape (slots, slots)
        Inner products; distances add up over them. Changed in place.
    extra : ndarray of shape (slots, m)
        Further coordinates, given themselves.
    rule : Rule
    measure : Measure
        Of the Grams' coordinates.
    """

    def __init__(
        self, slots: Slots, grams: list[Array], extra: Array, *, rule: Rule, measure: Measure
    ) -> None:
        self.slots, self.grams, self.extra = slots, grams, extra
        self.rule, self.measure = rule, measure
        n = len(slots.counts)
        self.low, self.high = np.zeros(n), np.zeros(n)
        self.near, self.far = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
        self.low_holds, self.high_holds = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
        self._keep_norms()

    def copy(self, slots: Slots, measure: Measure) -> "Distances":
        """The same for other slots, to change apart."""
        grams = [one.copy() for one in self.grams]
        twin = Distances(slots, grams, self.extra.copy(), rule=self.rule, measure=measure)
        for name in ("low", "high", "near", "far", "low_holds", "high_holds"):
            setattr(twin, name, getattr(self, name).copy())
        return twin

    def _keep_norms(self) -> None:
        self.norms: Array = np.sum([np.diagonal(one) for one in self.grams], axis=0)
        self.norms = self.norms + (self.extra**2).sum(axis=1)
        self.empty = np.where(self.slots.counts > 0, 0.0, np.inf)

    # --- distances -----------------------------------------------------------------------------

    def rows(self, some: Ints) -> Array:
        """Distances of some slots to all; nonsense to itself and to empty slots.

        Notes
        -----
        |x|^2 + |y|^2 - 2 x·y errs by some 1e-16 of the norms, so that copies come out as plus or
        minus that; every pair below 1e-5 of its norms is measured again by its difference, which
        makes copies exactly 0 and keeps 1e-10 relative accuracy elsewhere.
        """
        sums = self.norms[some, None] + self.norms
        products = self.grams[0][some]
        for one in self.grams[1:]:
            products = products + one[some]
        for values in self.extra.T:
            products = products + np.multiply.outer(values[some], values)
        found = sums - 2 * products
        close = found <= _CLOSE * sums
        close[:, self.empty > 0] = False
        close[np.arange(len(some)), some] = False
        for place in np.flatnonzero(close.any(axis=1)):
            others = np.flatnonzero(close[place])
            found[place, others] = self._measured(int(some[place]), others, level=False)
        np.maximum(found, 0, out=found)
        if self.rule.repair:
            self._copies_first(some, found)
        if self.rule.weigh:
            counts = np.maximum(self.slots.counts, 1)
            found *= counts[some, None] * counts / (counts[some, None] + counts)
        return found

    def _measured(self, slot: int, others: Ints, *, level: bool) -> Array:
        extra: Array = ((self.extra[others] - self.extra[slot]) ** 2).sum(axis=1)
        return self.measure(slot, others, level=level) + extra

    def _copies_first(self, some: Ints, found: Array) -> None:
        """Put 0 where two features are equal once each is brought to the size of one unit."""
        counts = np.maximum(self.slots.counts, 1)
        if (counts == 1).all():
            return
        scales = [1 / counts, np.ones(len(counts))]
        norms = sum(np.diagonal(g) * s * s for g, s in zip(self.grams, scales, strict=True))
        sums = norms[some, None] + norms
        products = sum(
            g[some] * (s[some, None] * s) for g, s in zip(self.grams, scales, strict=True)
        )
        close = sums - 2 * products <= _CLOSE * sums
        close &= counts[some, None] != counts  # those of one count stand as they are
        close[:, self.empty > 0] = False
        for place in np.flatnonzero(close.any(axis=1)):
            others = np.flatnonzero(close[place])
            apart = self._measured(int(some[place]), others, level=True)
            found[place, others[apart <= _ZERO * sums[place, others]]] = 0

    def _row(self, slot: int) -> Array:
        row: Array = self.rows(np.array([slot]))[0]
        return row

    # --- changes -------------------------------------------------------------------------------

    def add(self, gram: int, plus: Array, minus: Array) -> None:
        """Add products of new coordinates (slots, k) to a Gram and take others off."""
        for one, sign in ((plus, 1.0), (minus, -1.0)):
            if one.shape[1]:
                add_products(self.grams[gram], one, sign)

    def join(self, pair: Pair, by: list[tuple[float, float]], extra: Array) -> None:
        """Make one feature of two; the slots must have been joined before.

        Parameters
        ----------
        pair : tuple of int
            Slot that keeps the new feature, and slot that is empty from now on.
        by : list of tuple of float
            For each Gram, the factors of the two in the new feature's coordinates.
        extra : ndarray of shape (m,)
            Its further coordinates.
        """
        kept, gone = pair
        for gram, (a, b) in zip(self.grams, by, strict=True):
            own = a * a * gram[kept, kept] + 2 * a * b * gram[kept, gone] + b * b * gram[gone, gone]
            row = a * gram[kept] + b * gram[gone]
            row[kept], row[gone] = own, 0
            gram[kept], gram[:, kept] = row, row
            gram[gone], gram[:, gone] = 0, 0
        self.extra[kept], self.extra[gone] = extra, 0
        self.norms[kept] = sum(float(one[kept, kept]) for one in self.grams) + extra @ extra
        self.norms[gone], self.empty[gone] = 0, np.inf

    def rebound(self, pair: Pair) -> None:
        """Bring the bounds up to date after a join."""
        kept, gone = pair
        self.low_holds &= (self.near != kept) & (self.near != gone)
        self.high_holds &= (self.far != kept) & (self.far != gone)
        self.low[gone], self.high[gone] = np.inf, -np.inf
        self.low_holds[gone] = self.high_holds[gone] = True
        row = self._row(kept)
        closer, farther = row + self.empty < self.low, row - self.empty > self.high
        self.low[closer], self.near[closer], self.low_holds[closer] = row[closer], kept, True
        self.high[farther], self.far[farther], self.high_holds[farther] = row[farther], kept, True
        self._scan(np.array([kept]), row[None])

    def refresh(self, beat: Callable[[], None]) -> None:
        """Compute every bound anew, after other changes."""
        self._keep_norms()
        used = np.flatnonzero(self.slots.counts)
        self.low[:], self.high[:] = np.inf, -np.inf
        self.low_holds[:] = self.high_holds[:] = True
        step = max(_BLOCK // max(len(self.norms), 1), 1)
        for begin in range(0, len(used), step):
            some = used[begin : begin + step]
            self._scan(some, self.rows(some))
            beat()

    def _scan(self, some: Ints, rows: Array) -> None:
        """Exact bounds of some slots from their distances, which are overwritten."""
        places = np.arange(len(some))
        rows[:, self.empty > 0] = np.inf
        rows[places, some] = np.inf
        self.near[some] = rows.argmin(axis=1)
        self.low[some] = rows[places, self.near[some]]
        rows[np.isinf(rows)] = -np.inf
        self.far[some] = rows.argmax(axis=1)
        self.high[some] = rows[places, self.far[some]]
        self.low_holds[some] = self.high_holds[some] = True

    def compact(self, used: Ints) -> None:
        """Drop empty slots, after the slots did."""
        self.grams = [one[np.ix_(used, used)] for one in self.grams]
        self.extra = self.extra[used]
        number = np.full(len(self.near), -1)
        number[used] = np.arange(len(used))
        self.near, self.far = number[self.near[used]], number[self.far[used]]
        for name in ("low", "high", "low_holds", "high_holds"):
            setattr(self, name, getattr(self, name)[used])
        self._keep_norms()

    # --- answers -------------------------------------------------------------------------------

    def closest(self) -> Closest:
        """The closest pair of two or more features, oldest ones first in a tie."""
        least = self._least(())
        tied = np.flatnonzero(self.low == least)
        for slot in tied[~self.low_holds[tied]]:
            self._scan(np.array([slot]), self.rows(np.array([slot])))
        tied = tied[self.low[tied] == least]
        first = int(tied[np.argmin(self.slots.ages[tied])])
        row = self._row(first) + self.empty
        row[first] = np.inf
        partners = np.flatnonzero(row == row.min())
        second = int(partners[np.argmin(self.slots.ages[partners])])
        distance, weight = float(row[second]), 1.0
        other = self._row(second) + self.empty
        row[second] = other[[first, second]] = np.inf
        if self.rule.weigh:
            c, d = self.slots.counts[[first, second]]
            weight = float(c * d / (c + d))
        older, newer = sorted((first, second), key=lambda slot: int(self.slots.ages[slot]))
        runner_up = min(float(row.min()), float(other.min()), self._least((first, second)))
        sums = float(self.norms[first] + self.norms[second])
        return Closest(
            older,
            newer,
            distance,
            runner_up if runner_up < np.inf else distance,
            self._largest(),
            distance <= _ZERO * sums * weight,
        )

    def _least(self, without: tuple[int, ...]) -> float:
        skipped = list(without)
        while True:
            low = self.low
            if skipped:
                low = low.copy()
                low[skipped] = np.inf
            slot = int(low.argmin())
            if self.low_holds[slot] or low[slot] == np.inf:
                return float(low[slot])
            self._scan(np.array([slot]), self.rows(np.array([slot])))

    def _largest(self) -> float:
        while True:
            slot = int(self.high.argmax())
            if self.high_holds[slot]:
                return float(self.high[slot])
            self._scan(np.array([slot]), self.rows(np.array([slot])))


def add_products(gram: NDArray[np.float64], points: Array, sign: float) -> None:
    """Add the inner products of points (n, k), times a sign, to a Gram (n, n) in place."""
    if len(gram) < _IN_PLACE:
        gram += sign * (points @ points.T)
        return
    # The Gram's lower triangle is the upper one of its transpose, which is in Fortran's order.
    blas.dsyrk(sign, np.ascontiguousarray(points).T, 1.0, gram.T, trans=1, lower=0, overwrite_c=1)
    for begin in range(0, len(gram), _IN_PLACE):
        end = begin + _IN_PLACE
        corner = gram[begin:end, begin:end]
        corner[:] = np.tril(corner) + np.tril(corner, -1).T
        gram[begin:end, end:] = gram[end:, begin:end].T

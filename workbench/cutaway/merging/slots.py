"""Which original units are in which feature, and by what factors: one group while it merges.

A feature lives in a *slot*. A merge puts the new feature in the slot of one of the two and leaves
the other slot empty, so that no array moves; the age of a feature, not its slot, is its place.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cutaway.merging.weights import Array

Ints = NDArray[np.int64]
Pair = tuple[int, int]


class _Layout(NamedTuple):
    """Units in the order of their slots, where each slot's begin, and which slots those are."""

    units: Ints
    begins: Ints
    slots: Ints


class Slots:
    """The units of a group and the features that they are in.

    Attributes
    ----------
    of : ndarray of shape (units,)
        The slot that each unit is in.
    row_factor, column_factor : ndarray of shape (units,)
        A feature's row is the sum of its units' original rows by these factors; columns alike.
    counts : ndarray of shape (slots,)
        Original units in each; 0 in an empty slot.
    ages : ndarray of shape (slots,)
        A unit's own number, then the group's size and up by order of making.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.of: Ints = np.arange(size)
        self.row_factor = np.ones(size)
        self.column_factor = np.ones(size)
        self.counts = np.ones(size)
        self.ages: Ints = np.arange(size)
        self.left = size
        self._made: _Layout | None = None

    def copy(self) -> "Slots":
        """The same, to change apart."""
        twin = Slots(self.size)
        for name in ("of", "row_factor", "column_factor", "counts", "ages"):
            setattr(twin, name, getattr(self, name).copy())
        twin.left = self.left
        return twin

    def units(self, slot: int) -> Ints:
        """Original units in a slot, ascending."""
        return np.flatnonzero(self.of == slot)

    def in_order(self) -> Ints:
        """Slots in use, oldest feature first."""
        used = np.flatnonzero(self.counts)
        return used[np.argsort(self.ages[used])]

    def join_rows(self, pair: Pair, by: tuple[float, float]) -> None:
        """Put both features in the first one's slot, their rows by these factors."""
        kept, gone = pair
        for slot, factor in zip(pair, by, strict=True):
            self.row_factor[self.of == slot] *= factor
        self.of[self.of == gone] = kept
        self.counts[kept] += self.counts[gone]
        self.counts[gone] = 0
        self.ages[kept] = 2 * self.size - self.left
        self.left -= 1
        self._made = None

    def compact(self) -> Ints:
        """Drop the empty slots; the old numbers of those that stay."""
        used = np.flatnonzero(self.counts)
        number = np.zeros(len(self.counts), dtype=np.int64)
        number[used] = np.arange(len(used))
        self.of = number[self.of]
        self.counts, self.ages = self.counts[used], self.ages[used]
        self._made = None
        return used

    def gathered(self, values: Array, factor: Array) -> Array:
        """Sums over the units of each slot.

        Parameters
        ----------
        values : ndarray of shape (units, …)
        factor : ndarray of shape (units,)

        Returns
        -------
        ndarray of shape (slots, …)
            Zeros in an empty slot.
        """
        scaled = values * factor.reshape(-1, *[1] * (values.ndim - 1))
        if self.left == self.size:
            return scaled
        layout = self._layout()
        made = np.zeros((len(self.counts), *values.shape[1:]))
        made[layout.slots] = np.add.reduceat(scaled[layout.units], layout.begins)
        return made

    def _layout(self) -> _Layout:
        if self._made is None:
            units = np.argsort(self.of, kind="stable")
            slots, begins = np.unique(self.of[units], return_index=True)
            self._made = _Layout(units, begins, slots)
        return self._made

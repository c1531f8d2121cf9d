"""A selection: the only thing that travels from the browser into analysis."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from cutaway.core import check
from cutaway.core.index import Index


@dataclass(frozen=True)
class Selection:
    """Some ids of one axis, as a value.

    Parameters
    ----------
    ids : tuple of int or str
        The selected ids, in the order of their index.
    axis : str
        What an id names: "sample", "unit".
    of : str
        Digest of the `Index` the ids belong to.
    by : str
        Who selected: name of a view, or "code".
    """

    ids: tuple[int | str, ...]
    axis: str = "sample"
    of: str = ""
    by: str = "code"

    @classmethod
    def where(cls, index: Index, chosen: ArrayLike, *, by: str = "code") -> "Selection":
        """Selection of the rows of an index where `chosen` is true.

        Parameters
        ----------
        index : Index
            The rows.
        chosen : array_like of bool, shape (n,)
            One a row.
        by : str
            Who selected.

        Raises
        ------
        ValueError
            If `chosen` has not one entry a row.
        """
        flags = np.asarray(chosen, dtype=bool)
        check.n_dims("chosen", flags, 1, "one flag a row")
        check.same_length("chosen", len(flags), "index", len(index))
        made = object.__new__(cls)
        # Ids of an index are distinct; to check it again would take most of the time.
        values = (tuple(index.ids[flags].tolist()), index.axis, index.digest, by)
        for name, value in zip(("ids", "axis", "of", "by"), values, strict=True):
            object.__setattr__(made, name, value)
        return made

    def __len__(self) -> int:
        return len(self.ids)

    def __bool__(self) -> bool:
        return bool(self.ids)

    def _other(self, other: "Selection") -> set[int | str]:
        if (other.axis, other.of) != (self.axis, self.of):
            raise ValueError(
                f"selections must share axis and index, got {self.axis}/{self.of} and "
                f"{other.axis}/{other.of}; select in views of the same data"
            )
        return set(other.ids)

    def __and__(self, other: "Selection") -> "Selection":
        """Ids in both."""
        theirs = self._other(other)
        return self._with(tuple(one for one in self.ids if one in theirs))

    def __or__(self, other: "Selection") -> "Selection":
        """Ids in either; this one's first."""
        self._other(other)
        mine = set(self.ids)
        return self._with(self.ids + tuple(one for one in other.ids if one not in mine))

    def __sub__(self, other: "Selection") -> "Selection":
        """Ids in this one and not in the other."""
        theirs = self._other(other)
        return self._with(tuple(one for one in self.ids if one not in theirs))

    def _with(self, ids: tuple[int | str, ...]) -> "Selection":
        return Selection(ids, self.axis, self.of, "code")

    def __repr__(self) -> str:
        head = ", ".join(repr(one) for one in self.ids[:3])
        more = ", …" if len(self) > 3 else ""
        return f"Selection({len(self)} {self.axis}s by {self.by}: {head}{more})"

    def __post_init__(self) -> None:
        """Make the ids a tuple of plain values, and refuse duplicates."""
        ids = tuple(self.ids)
        check.same_length("set(ids)", len(set(ids)), "ids", len(ids))
        object.__setattr__(self, "ids", ids)

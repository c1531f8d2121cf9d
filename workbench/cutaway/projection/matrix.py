"""Rows of numbers read in pieces, whatever they come from, so that memory stays bounded."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cutaway.core import Index, Origin, Tick, check, digest
from cutaway.core.scale import size_exponent
from cutaway.model.activations import Activations

Array = NDArray[np.float64]
CHUNK_BYTES = 32e6  # of rows as float64; a pass over a piece takes well under 0.2 s
HELD_BYTES = 256e6  # up to here the matrix is read once and held
_ROUNDINGS = 8.0  # a column whose values lie so many roundings apart is constant


@dataclass(frozen=True, eq=False)
class Rows:
    """What a caller gave, as blocks of columns.

    Parameters
    ----------
    blocks : tuple of ndarray of shape (n, features)
        One a site; views of what was given.
    index : Index
        Ids of the rows.
    origin : Origin
        Where they come from.
    names : tuple of str
        Of the blocks.
    """

    blocks: tuple[NDArray[Any], ...]
    index: Index
    origin: Origin
    names: tuple[str, ...]


def read(rows: object, site: str | None) -> Rows:
    """Blocks, ids and origin of what was given to `project`.

    Raises
    ------
    TypeError
        If it is no activations, table or array of real numbers.
    ValueError
        If it has no two axes, no number, or fewer than 3 rows.
    """
    if isinstance(rows, Activations):
        found = _of_activations(rows, site)
    elif site is not None:
        raise ValueError(
            f"site must be None for {type(rows).__name__}, got {site!r}; give Activations to "
            "choose a site of them"
        )
    else:
        found = _of_table(rows)
    if len(found.index) < 3:
        raise ValueError(
            f"rows must be 3 or more, got {len(found.index)}; fewer points show nothing"
        )
    if not sum(block.shape[1] for block in found.blocks):
        raise ValueError("rows must hold numbers, got no column; give at least one")
    return found


def _of_activations(acts: Activations, site: str | None) -> Rows:
    names = acts.sites if site is None else (site,)
    n = len(acts.rows)
    blocks = []
    for name in names:
        array = acts[name]
        if acts.mask is not None and acts.units(name).shape[2] == acts.mask.shape[1]:
            # Texts differ in length: the zeros after their ends would be the picture.
            blocks.append(acts.to_frame(name).to_numpy())
        else:
            blocks.append(array.reshape(n, -1))
    return Rows(tuple(blocks), acts.rows, acts.origin, tuple(names))


def _of_table(rows: object) -> Rows:
    if isinstance(rows, pd.DataFrame):
        numbers = rows.select_dtypes(["number", "bool"])
        values = numbers.to_numpy()
        if values.dtype == object:  # nullable columns: what is missing is NaN
            values = numbers.to_numpy(np.float64, na_value=np.nan)
        index = Index(rows.index.to_numpy())
    else:
        values = _array(rows)
        index = Index.count(len(values) if values.ndim else 0)
    if values.dtype.kind not in "fiub":
        raise TypeError(
            f"rows must be Activations, a DataFrame or an array of real numbers, got "
            f"{type(rows).__name__} of dtype {values.dtype}; convert it first"
        )
    check.n_dims("rows", values, 2, "one row a sample, one column a feature")
    origin = Origin("from_arrays", {"digest": digest.of_arrays({"": values})}, rows=index.digest)
    return Rows((values,), index, origin, ("",))


def _array(rows: object) -> NDArray[Any]:
    """An array of anything array-like; what a mask covers is missing, hence NaN."""
    if isinstance(rows, np.ma.MaskedArray):
        hidden = np.ma.getmaskarray(rows)
        values = np.asarray(rows.data)
        return np.where(hidden, np.nan, values.astype(np.float64)) if hidden.any() else values
    detached = getattr(rows, "detach", None)
    try:
        return np.asarray(detached().cpu() if callable(detached) else rows)
    except ValueError as error:  # lists of unequal length
        raise TypeError(
            f"rows must be Activations, a DataFrame or an array of real numbers, got "
            f"{type(rows).__name__} of unequal rows; give every row as many numbers"
        ) from error


class Matrix:
    """Finite rows, centred, each block with equal total variance if there are several.

    Parameters
    ----------
    rows : Rows
        What was given.
    tick : Tick
        Progress of the two passes that measure it.

    Attributes
    ----------
    finite : ndarray of bool of shape (n,)
        Rows without NaN or infinity; only these are read.
    mean, scale : ndarray of shape (features,)
        Taken off, and multiplied with.
    exponent : int
        The rows are divided by two to this power, so that squares stay in range; 0 for ordinary
        sizes, and of several blocks, which have no unit.
    varies : bool
        Whether any column differs between rows by more than the rounding of its type.
    total : float
        Sum of the variances of all columns, after scaling; 0 if none varies.
    """

    def __init__(self, rows: Rows, tick: Tick) -> None:
        self._blocks = rows.blocks
        self._held: Array | None = None
        self.d = sum(block.shape[1] for block in self._blocks)
        n = len(rows.index)
        self._step = max(1, int(CHUNK_BYTES / (8 * self.d)))
        self._exponents = [size_exponent(block, self._step) for block in self._blocks]
        self.exponent = self._exponents[0] if len(self._blocks) == 1 else 0
        self.finite = np.zeros(n, np.bool_)
        sums, first = np.zeros(self.d), np.zeros(0)
        low, high = np.full(self.d, np.inf), np.full(self.d, -np.inf)
        for start in range(0, n, self._step):
            tick(0.5 * start / n, "reading rows")
            some = self._raw(np.arange(start, min(start + self._step, n)))
            good = np.isfinite(some).all(axis=1)
            self.finite[start : start + len(some)] = good
            some = some if good.all() else some[good]
            if not len(some):
                continue
            # Sums of differences: those of 0.3 err, and the error of a mean is no variance.
            first = some[0].copy() if not len(first) else first
            sums += (some - first).sum(axis=0)
            np.minimum(low, some.min(axis=0), out=low)
            np.maximum(high, some.max(axis=0), out=high)
        self.places = np.flatnonzero(self.finite)
        self.n = len(self.places)
        if self.n < 3:
            raise ValueError(
                f"rows must hold 3 or more without NaN or infinity, got {self.n} of {n}; "
                "look where the others come from"
            )
        self.mean = first + sums / self.n
        self._range = low, high
        self.scale = np.ones(self.d)
        self._measure(tick)

    def _measure(self, tick: Tick) -> None:
        squares = np.zeros(self.d)
        for start, some in self.pieces():
            tick(0.5 + 0.5 * start / self.n, "reading rows")
            squares += (some**2).sum(axis=0)
        variances = squares / (self.n - 1)
        first, self.varies = 0, False
        for block in self._blocks:
            mine = slice(first, first + block.shape[1])
            kind = block.dtype if block.dtype.kind == "f" else np.dtype(np.float64)
            low, high = (ends[mine] for ends in self._range)
            rounding = _ROUNDINGS * float(np.finfo(kind).eps) * np.maximum(-low, high)
            varies = bool((high - low > rounding).any())
            self.varies |= varies
            if len(self._blocks) > 1:
                # A constant block has no scale: its roundings must not become the picture.
                spread = float(variances[mine].sum())
                self.scale[mine] = 1.0 / np.sqrt(spread) if varies else 0.0
            first = mine.stop
        self.total = float((variances * self.scale**2).sum()) if self.varies else 0.0
        if self.n * self.d * 8 <= HELD_BYTES:
            self._held = np.concatenate([some for _, some in self.pieces()])

    def _raw(self, places: NDArray[np.int64]) -> Array:
        parts = [
            np.ldexp(np.asarray(block[places], np.float64), -power)
            if power
            else np.asarray(block[places], np.float64)
            for block, power in zip(self._blocks, self._exponents, strict=True)
        ]
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)

    @property
    def held(self) -> Array | None:
        """All rows (n, features), if they are small enough to be held."""
        return self._held

    def pieces(self) -> Iterator[tuple[int, Array]]:
        """First row and values of pieces of the finite rows, in order."""
        for start in range(0, self.n, self._step):
            if self._held is not None:
                yield start, self._held[start : start + self._step]
            else:
                some = self._raw(self.places[start : start + self._step])
                yield start, (some - self.mean) * self.scale

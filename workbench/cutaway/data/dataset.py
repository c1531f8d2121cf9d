"""What every data set is: samples with stable ids, read in batches, looked at one by one.

One class, `Samples`, holds ids, labels and the place of each sample in a `Source`. Taking,
sorting and filtering only rearrange those places, so an id always leads to its own picture.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cutaway.core import Index, Tick, check, silent
from cutaway.data.content import digest_of_content, keep_content, read_content
from cutaway.data.tiles import fit_inside

if TYPE_CHECKING:
    # torch is loaded only when a batch is made: ids, labels and texts do not need it
    import torch

Inputs: TypeAlias = "torch.Tensor | list[str] | dict[str, torch.Tensor]"


@dataclass(frozen=True, eq=False)
class Batch:
    """A few samples, ready for a model.

    Parameters
    ----------
    ids : ndarray of shape (n,)
        Their ids, in order.
    inputs : tensor, list of str, or dict of tensors
        Images: float32 (n, c, h, w), in [0, 1] unless the source was normalised already.
    labels : tensor of shape (n,) or None
        Class indices, int64.
    content : tuple of bytes, optional
        Digest of what each sample held when it was read, 16 bytes; without the labels. None from
        data sets of other libraries: `batches` then takes it from the inputs.
    """

    ids: NDArray[Any]
    inputs: Inputs
    labels: "torch.Tensor | None" = None
    content: tuple[bytes, ...] | None = None

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class Skipped:
    """A sample that could not be used, and why."""

    id: int | str
    reason: str


@runtime_checkable
class Dataset(Protocol):
    """What `load_data` returns and every other part of Cutaway reads."""

    @property
    def name(self) -> str:
        """Short name for captions and origins."""

    @property
    def kind(self) -> str:
        """What a sample is: "image", "text" or "array"."""

    @property
    def index(self) -> Index:
        """Stable ids of the samples, in order."""

    @property
    def labels(self) -> NDArray[np.int64] | None:
        """Class index of each sample (n,), or None."""

    @property
    def classes(self) -> tuple[str, ...] | None:
        """Names of the classes; labels index into it."""

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """Samples left out because they could not be read."""

    def __len__(self) -> int: ...

    def batch(self, positions: NDArray[np.int64]) -> Batch:
        """Samples at some places, ready for a model."""

    def take(self, positions: ArrayLike) -> "Dataset":
        """Data set of the samples at some places; they keep their ids."""

    def thumbnail(self, sample_id: int | str, *, size: int | None = 28) -> NDArray[np.uint8]:
        """Small picture of one sample."""

    def text(self, sample_id: int | str) -> str:
        """Text of one sample."""


class Source(Protocol):
    """Where samples are read from; rows are places in it, 0-based."""

    @property
    def kind(self) -> str:
        """What a sample is: "image", "text" or "array"."""

    def read(self, rows: NDArray[np.int64]) -> tuple[Inputs, tuple[bytes, ...]]:
        """Samples as a model takes them, and the digest of each one as it was read."""

    def digests(self, rows: NDArray[np.int64]) -> tuple[bytes, ...]:
        """The same digests, without making the samples ready for a model."""

    def show(self, row: int) -> NDArray[np.uint8] | str:
        """What a person looks at: uint8 (h, w) or (h, w, 3) of an image, or a text.

        Called for kinds "image" and "text" only.
        """


@dataclass(frozen=True, eq=False)
class Samples:
    """Samples of one source, in a chosen order. Made by `load_data`; implements `Dataset`.

    Parameters
    ----------
    name : str
        Short name for captions and origins.
    source : Source
        Where they are read from.
    index : Index
        Their ids.
    rows : ndarray of shape (n,)
        Place of each sample in the source.
    labels : ndarray of shape (n,), optional
        Class indices, int64.
    classes : tuple of str, optional
        Class names.
    skipped : tuple of Skipped
        Samples that could not be used.
    given : mapping, optional
        Arguments of `load_data` that load them again, as JSON; None for live objects and for a
        part that `take` made.
    """

    name: str
    source: Source
    index: Index
    rows: NDArray[np.int64]
    labels: NDArray[np.int64] | None = None
    classes: tuple[str, ...] | None = None
    skipped: tuple[Skipped, ...] = ()
    given: Mapping[str, Any] | None = None
    # Digests of the last complete read, at "read", and the digest of all of them, at "all".
    _known: dict[str, Any] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        """Make the arrays read-only."""
        for name in ("rows", "labels"):
            value = getattr(self, name)
            if value is not None:
                fixed = value.view()
                fixed.setflags(write=False)
                object.__setattr__(self, name, fixed)

    @property
    def kind(self) -> str:
        """What a sample is: "image", "text" or "array"."""
        return self.source.kind

    def __len__(self) -> int:
        return len(self.index)

    def batch(self, positions: ArrayLike) -> Batch:
        """Samples at some places, ready for a model.

        Parameters
        ----------
        positions : array_like of shape (k,)
            Places 0 … n-1, in the order wanted.

        Returns
        -------
        Batch
            Ids, inputs, labels and content of these samples.

        Raises
        ------
        ValueError
            If a place lies outside the data, or none is given.
        """
        import torch  # needed from the first batch on, not to list data

        places = self._places(positions)
        if not len(places):
            raise ValueError(
                f"positions must hold at least one place, got none ({self.name}); skip this batch"
            )
        labels = None if self.labels is None else torch.from_numpy(self.labels[places])
        inputs, digests = self.source.read(self.rows[places])
        return Batch(self.index.ids[places], inputs, labels, digests)

    @property
    def content(self) -> str:
        """Digest of what the samples held at the last complete read: 16 hexadecimal digits.

        A complete pass (`batches`, and with it every lens) sets it for nothing; if there was none,
        all samples are read once. It changes with any sample, id, the order and the way of reading
        (`size`), not with the labels.
        """
        known: str | None = self._known.get("all")
        return self.read_content() if known is None else known

    def read_content(self, *, progress: Tick = silent) -> str:
        """As `content`, always read anew: what the samples hold now.

        Parameters
        ----------
        progress : Tick
            Called with the fraction of the samples that were read.
        """
        return read_content(self, progress=progress)

    def digests(self, positions: ArrayLike) -> tuple[bytes, ...]:
        """Digest of what some samples hold now, 16 bytes each; files are read but not decoded."""
        return self.source.digests(self.rows[self._places(positions)])

    def _keep(self, digests: tuple[bytes, ...]) -> str:
        """Remember what a complete read found."""
        whole = digest_of_content(self.index, digests)
        self._known.update({"read": digests, "all": whole})
        return whole

    def take(self, positions: ArrayLike) -> "Samples":
        """Data set of the samples at some places, in that order; they keep their ids.

        Parameters
        ----------
        positions : array_like of shape (k,)
            Places 0 … n-1, each at most once, or a boolean mask of shape (n,).

        Raises
        ------
        ValueError
            If a place lies outside the data, or comes twice.
        """
        places = self._places(positions)
        part = replace(
            self,
            index=self.index.take(places),
            rows=self.rows[places],
            labels=None if self.labels is None else self.labels[places],
            given=None,
        )
        read = self._known.get("read")
        if read is not None:  # what was read of the whole was read of its part
            keep_content(part, [read[place] for place in places.tolist()])
        return part

    def thumbnail(self, sample_id: int | str, *, size: int | None = 28) -> NDArray[np.uint8]:
        """Small picture of one sample, found by its id.

        Parameters
        ----------
        sample_id : int or str
            Id in this data set.
        size : int or None
            Longest side in pixels; None keeps the picture's own size.

        Returns
        -------
        ndarray of shape (h, w) or (h, w, 3)
            Grey or RGB, uint8. Float pictures in [0, 1] are shown as they are; those with values
            outside (normalised ones) are stretched from their own minimum to maximum.

        Raises
        ------
        TypeError
            If the samples are no images.
        KeyError
            If there is no such id.
        """
        picture = self._shown(sample_id, "image", "thumbnail")
        return picture if size is None else fit_inside(picture, size)

    def text(self, sample_id: int | str) -> str:
        """Text of one sample, found by its id.

        Raises
        ------
        TypeError
            If the samples are no texts.
        KeyError
            If there is no such id.
        """
        text: str = self._shown(sample_id, "text", "text")
        return text

    def _shown(self, sample_id: int | str, kind: str, method: str) -> Any:
        if self.kind != kind:
            remedy = {"image": "thumbnail(id)", "text": "text(id)"}.get(self.kind, "batch(places)")
            raise TypeError(
                f"{method} needs data of kind {kind!r}, got kind {self.kind!r} ({self.name}); "
                f"use .{remedy}"
            )
        place = self.index.positions([sample_id])[0]
        return self.source.show(int(self.rows[place]))

    def _places(self, positions: ArrayLike) -> NDArray[np.int64]:
        places = np.asarray(positions)
        if places.size == 0:
            return np.empty(0, np.int64)
        check.n_dims("positions", places, 1, "one place a sample")
        if places.dtype.kind == "b":
            check.same_length("positions", len(places), "the data", len(self))
            return np.flatnonzero(places)
        if places.dtype.kind not in "iu":
            raise TypeError(
                f"positions must be whole numbers, got dtype {places.dtype}; "
                "look ids up with .index.positions(ids)"
            )
        low, high = int(places.min()), int(places.max())
        if low < 0 or high >= len(self):
            raise ValueError(
                f"positions must lie in 0..{len(self) - 1}, got {low if low < 0 else high}; "
                "look ids up with .index.positions(ids)"
            )
        return places.astype(np.int64)

    def __repr__(self) -> str:
        classes = "" if self.labels is None else f", {len(self.classes or ())} classes"
        skipped = f", {len(self.skipped)} skipped" if self.skipped else ""
        return f"Samples({self.name}: {len(self)} of kind {self.kind}{classes}{skipped})"

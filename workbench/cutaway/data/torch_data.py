"""Map-style torch data sets and data loaders, read by place so that ids stay what they are."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.utils.data import DataLoader, IterableDataset, Subset, TensorDataset, default_collate

from cutaway.core._io import MAX_PIXELS
from cutaway.data.arrays import as_images, plain_array
from cutaway.data.content import (
    UnknownContent,
    digest_of_bytes,
    digest_of_value,
    digests_of_inputs,
)
from cutaway.data.dataset import Inputs
from cutaway.data.found import Finished, Found
from cutaway.data.labels import are_classes
from cutaway.data.pictures import Size, check_declared, no_programs, pixels
from cutaway.data.texts import LABEL_NAMES, Texts
from cutaway.data.tiles import visible

Collate = Callable[[list[Any]], Any]


@dataclass(frozen=True, eq=False)
class MapStyle:
    """Items of a map-style data set.

    Parameters
    ----------
    items : data set
        Has ``len`` and gives item ``i``.
    kind : str
        "image", "text" or "array", as the first item shows.
    collate : callable or None
        The loader's own way of making a batch; None stacks.
    size : tuple of int or None
        Height and width that PIL pictures are brought to.
    max_pixels : int
        The most that a PIL picture may declare that is not decoded yet.
    """

    items: Any
    kind: str
    collate: Collate | None
    size: Size | None
    max_pixels: int = MAX_PIXELS

    def read(self, rows: NDArray[np.int64]) -> tuple[Inputs, tuple[bytes, ...]]:
        """Items of these rows as one batch, and the digest of each item as the data set gave it."""
        items = [_item(self.items, int(row)) for row in rows]
        digests = tuple(self._digest(item) for item in items)
        if self.collate is not None:
            made, _ = parts(self._collate_batch(items))
            return made, digests
        return self._stacked([parts(one)[0] for one in items], rows), digests

    def digests(self, rows: NDArray[np.int64]) -> tuple[bytes, ...]:
        """Digests of the items of these rows."""
        return tuple(self._digest(_item(self.items, int(row))) for row in rows)

    def _digest(self, item: Any) -> bytes:
        """Digest of what a batch is made of; a collate function may use more than the input."""
        x = parts(item)[0]
        if isinstance(x, Image.Image):
            check_declared(x, self.max_pixels)
        try:
            with no_programs():  # a picture may be decoded only now
                return digest_of_value(x if self.collate is None else _without_label(item))
        except UnknownContent:
            if self.collate is None:
                raise
            made = parts(self._collate_batch([item]))[0]  # alone, so that no neighbour pads it
            return digest_of_bytes(b"".join(digests_of_inputs(made)))

    def _collate_batch(self, items: list[Any]) -> Any:
        with no_programs():
            return self.collate(items) if self.collate is not None else items

    def show(self, row: int) -> NDArray[np.uint8] | str:
        """Picture of one item, or its text."""
        x, _ = parts(_item(self.items, row))
        return x if isinstance(x, str) else visible(self._image(x))

    def _stacked(self, values: list[Any], rows: NDArray[np.int64]) -> Inputs:
        if self.kind == "text":
            return values
        if isinstance(values[0], Mapping):
            return self._mapped(values)
        if self.kind == "image":
            values = [self._image(one) for one in values]
        else:
            values = [plain_array(one) for one in values]
        shapes = {one.shape for one in values}
        if len(shapes) > 1:
            odd = next(k for k, one in enumerate(values) if one.shape != values[0].shape)
            raise ValueError(
                f"items must share one shape, got {values[0].shape} at place {rows[0]} and "
                f"{values[odd].shape} at place {rows[odd]}; bring them to one size and mode in "
                "__getitem__, pass size= for PIL pictures, or give a DataLoader that pads"
            )
        batch = np.stack(values)
        if self.kind == "image":
            return as_images(batch)
        whole = batch.dtype.kind in "iu"
        return torch.from_numpy(batch.astype(np.int64 if whole else np.float32))

    def _mapped(self, values: list[Any]) -> Inputs:
        try:
            return {str(key): one for key, one in default_collate(values).items()}
        except RuntimeError as error:
            said = str(error).splitlines()[0]
            raise ValueError(
                f"items must share one shape under each key, got different ones ({said}); "
                "give a DataLoader whose collate_fn pads"
            ) from error

    def _image(self, x: Any) -> NDArray[Any]:
        """Array (c, h, w) of a picture; of PIL pictures the colours that its mode holds."""
        if isinstance(x, Image.Image):
            grey = x.mode in ("1", "L", "LA") or x.mode.startswith("I")
            check_declared(x, self.max_pixels)
            array = pixels(x, self.size, grey=grey)
            return array[None] if grey else array.transpose(2, 0, 1)
        array = plain_array(x)
        return array[None] if array.ndim == 2 else array


def from_torch(source: Any, *, size: Size | None = None, max_pixels: int = MAX_PIXELS) -> Found:
    """Data of a map-style torch data set, or of the data set inside a loader.

    Parameters
    ----------
    source : Dataset or DataLoader
        Items are an input, or (input, label, …), or a mapping with a "label" or "labels". Images
        are (c, h, w) or (h, w). A loader's shuffling is not used: samples come in the data set's
        order, and a sampler with ``indices`` restricts them. A loader's own ``collate_fn`` makes
        the batches.
    size : tuple of int, optional
        Height and width that PIL pictures are brought to.
    max_pixels : int
        The most that a PIL picture may declare.

    Returns
    -------
    Found
        Ids are places in the innermost data set: those of a `Subset` are the places it was cut
        from. Labels come from ``targets``, ``labels`` or the second tensor where they agree with
        the items; else every item drawn is read once. Items without a class have none.

    Raises
    ------
    TypeError
        If the data set is iterable only: it has no place for a sample, so no id.
    """
    items, collate, rows = source, None, None
    if isinstance(source, DataLoader):
        items = source.dataset
        if source.collate_fn is not default_collate:
            collate = source.collate_fn
        chosen = getattr(source.sampler, "indices", None)
        rows = None if chosen is None else np.sort(np.asarray(chosen, np.int64))
    if isinstance(items, IterableDataset) or not hasattr(items, "__len__"):
        raise TypeError(
            f"source must be a map-style data set, got the iterable {type(items).__name__}, whose "
            "samples have no place to be found again by; collect them with list() or write "
            "__getitem__ and __len__"
        )
    rows = np.arange(len(items)) if rows is None else rows
    while type(items) is Subset:
        rows = np.asarray(items.indices, np.int64)[rows]
        items = items.dataset
    known = _known_labels(items, rows)
    return Found(
        type(items).__name__,
        rows,
        lambda drawn, _ids: _finished(items, drawn, collate, size, max_pixels),
        known,
        rows=rows,
        read_labels=None if known is not None else lambda drawn: _read_labels(items, drawn),
    )


def parts(item: Any) -> tuple[Any, Any]:
    """Input and label of an item or of a collated batch; the label is None if it has none."""
    if isinstance(item, Mapping):
        rest = {key: one for key, one in item.items() if key not in LABEL_NAMES}
        label = next((item[key] for key in LABEL_NAMES if key in item), None)
        return (next(iter(rest.values())) if len(rest) == 1 else rest), label
    if isinstance(item, (tuple, list)) and item:
        return item[0], item[1] if len(item) > 1 else None
    return item, None


def _without_label(item: Any) -> Any:
    """An item without what is plainly its label."""
    if isinstance(item, Mapping):
        return {key: one for key, one in item.items() if key not in LABEL_NAMES}
    if isinstance(item, (tuple, list)) and len(item) == 2:
        plain = isinstance(item[1], (int, float, str, np.generic, type(None)))
        return item[0] if plain or getattr(item[1], "ndim", None) == 0 else item
    return item


def _finished(
    items: Any,
    rows: NDArray[np.int64],
    collate: Collate | None,
    size: Size | None,
    max_pixels: int,
) -> Finished:
    kind = _kind(parts(_item(items, int(rows[0])))[0])
    if kind == "text" and collate is None:
        texts = Texts(lambda some: [parts(_item(items, one))[0] for one in some])
        return Finished(texts, {})
    return Finished(MapStyle(items, kind, collate, size, max_pixels), {})


def _kind(x: Any) -> str:
    if isinstance(x, str):
        return "text"
    if isinstance(x, Image.Image):
        return "image"
    if isinstance(x, (np.ndarray, torch.Tensor)):
        return "image" if x.ndim in (2, 3) else "array"
    if isinstance(x, (Mapping, int, float)):
        return "array"
    raise TypeError(
        "items must be tensors, arrays, PIL pictures, strings or mappings of tensors, got "
        f"{type(x).__name__}; convert them in the data set's __getitem__"
    )


def _item(items: Any, row: int) -> Any:
    try:
        with no_programs():
            return items[row]
    except Exception as error:
        error.add_note(f"while reading item {row} of {type(items).__name__}")
        raise


def _known_labels(items: Any, rows: NDArray[np.int64]) -> NDArray[Any] | None:
    """Labels that the data set keeps at hand, if its first and last items carry the same ones."""
    values: Any = None
    if isinstance(items, TensorDataset):
        values = items.tensors[1] if len(items.tensors) > 1 else None
    else:
        kept = (getattr(items, name, None) for name in ("targets", "labels"))
        plain = (list, np.ndarray, torch.Tensor)
        values = next((one for one in kept if isinstance(one, plain)), None)
    if values is None or len(values) != len(items) or len(rows) == 0:
        return None
    array = plain_array(values)
    if not are_classes(array):
        return None
    for row in (int(rows[0]), int(rows[-1])):
        label = parts(_item(items, row))[1]
        if label is None or np.ndim(label) or array[row] != plain_array(label):
            return None
    picked: NDArray[Any] = array[rows]
    return picked


def _read_labels(items: Any, rows: NDArray[np.int64]) -> NDArray[Any] | None:
    """Labels read item by item; None as soon as one item has no class."""
    found = []
    for row in rows:
        label = parts(_item(items, int(row)))[1]
        if label is None or isinstance(label, (Mapping, tuple, list)) or np.ndim(label):
            return None
        found.append(label if isinstance(label, str) else plain_array(label).item())
    labels = np.array(found)
    return labels if are_classes(labels) else None

"""`load_data`: one call for every place that samples come from.

Each kind of source has a loader in a file of its own; torch, PIL and pandas' readers are imported
with the loader that needs them.
"""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from cutaway.core import check
from cutaway.data.dataset import Samples
from cutaway.data.found import Found, assembled, ready
from cutaway.data.labels import class_order

SAMPLE_NAMES = ("digits", "digits32", "digits-noisy", "python-source", "occupations")
_ACCEPTED = (
    "a sample name, an image folder, a CSV, TSV or Parquet file, an array or tensor or (x, y), a "
    "list of str, a DataFrame, a torch Dataset or DataLoader, or a Hugging Face dataset"
)


@dataclass(frozen=True)
class _Options:
    """Options that only some sources take; None is "not given"."""

    split: str | None
    text_column: str | None
    label_column: str | None
    size: Any
    max_pixels: int | None
    max_bytes: int | None

    def taken(self, what: str, *allowed: str) -> dict[str, Any]:
        """Options to hand on; raises for one that was given and means nothing here."""
        for name, value in vars(self).items():
            if value is not None and name not in allowed:
                takes = f"only {', '.join(allowed)}" if allowed else "none of these options"
                raise ValueError(
                    f"{name} must be left out for {what}, which takes {takes}, got {value!r}; "
                    "drop it"
                )
        chosen = {name: getattr(self, name) for name in allowed}
        for name in ("max_pixels", "max_bytes"):
            if chosen.get(name) is None:
                chosen.pop(name, None)  # the loader's own default
            else:
                check.whole(name, chosen[name], 1, remedy="give the most that may be read")
        if chosen.get("size") is not None:
            from cutaway.data.pictures import wanted_size

            chosen["size"] = wanted_size(chosen["size"])
        return chosen


def load_data(
    source: Any,
    *,
    split: str | None = None,
    limit: int | None = None,
    labels: ArrayLike | None = None,
    ids: ArrayLike | None = None,
    name: str | None = None,
    text_column: str | None = None,
    label_column: str | None = None,
    size: int | tuple[int, int] | None = None,
    classes: Sequence[str] | Sequence[int] | None = None,
    max_pixels: int | None = None,
    max_bytes: int | None = None,
) -> Samples:
    """Samples with stable ids, from wherever they are.

    Parameters
    ----------
    source : object
        One of:

        - a sample name: "digits", "digits32", "digits-noisy", "python-source", "occupations"
          (write "./digits" for a folder of that name);
        - the path of a folder with one folder of images a class, or with images only. Every image
          is decoded once to find broken ones; ids are relative paths;
        - the path of a CSV, TSV or Parquet file with a column of texts; ids are row numbers;
        - an array or tensor: images (n, h, w) or (n, c, h, w) as uint8 or floats, or rows (n, d);
          or a pair (x, y) with labels; ids are places;
        - a list, array or Series of str, or a DataFrame with a column of texts (ids: its index);
        - a torch map-style ``Dataset`` or a ``DataLoader`` of one (shuffling is not used);
        - a Hugging Face dataset with a column of images or texts;
        - data loaded before.
    split : str, optional
        Part of sample data, of a dictionary of Hugging Face datasets, or sub-folder.
    limit : int, optional
        Keep at most so many samples: a random draw with seed 0, each class by its share where
        labels are known, in the original order. The first n would be biased.
    labels : array_like of shape (n,), optional
        Classes of all samples found, in their order; wins over those of the source. Whole numbers
        are kept, strings are numbered in sorted order.
    ids : array_like of shape (n,), optional
        Unique whole numbers or strings for all samples found, in their order.
    name : str, optional
        Name for captions.
    text_column, label_column : str, optional
        Columns of a table or Hugging Face dataset, where they are not plain.
    size : int or (int, int), optional
        Height and width in pixels for image files and PIL pictures: each is scaled to cover it
        and cut at the centre. JPEG files of several times that size are decoded reduced.
    classes : sequence of str or of int, optional
        The classes in the order of the model's outputs. Labels that are strings are looked up in it
        (by default they are numbered in sorted order); so are whole numbers in a sequence of whole
        numbers: ``classes=range(1, 11)`` for labels that are numbered from 1. For whole-number
        labels from 0, strings are the classes' names.
    max_pixels : int, optional
        Pictures that declare more pixels are skipped before memory is taken; 50 million by default.
    max_bytes : int, optional
        A table that declares more bytes, decoded, is refused before it is read; 4 GB by default.

    Returns
    -------
    Samples
        A `Dataset`. What could not be read is left out and listed in ``.skipped``.

    Raises
    ------
    ValueError
        If there is no such sample data, split or column, nothing can be read, shapes are wrong,
        ids repeat, or an option means nothing for this source.
    FileNotFoundError
        If a path does not exist.
    TypeError
        If the source is none of the above.

    Examples
    --------
    >>> data = load_data("digits", split="test", limit=100)
    >>> len(data), data.kind
    (100, 'image')
    """
    if labels is not None and label_column is not None:
        raise ValueError(
            f"labels and label_column must not both be given, got label_column={label_column!r}; "
            "drop one"
        )
    options = _Options(split, text_column, label_column, size, max_pixels, max_bytes)
    found = _found(source, options)
    order = None if classes is None else class_order(classes)
    samples = assembled(found, limit=limit, labels=labels, ids=ids, name=name, classes=order)
    if labels is not None or ids is not None or not isinstance(source, (str, os.PathLike)):
        return samples  # nothing on disk brings these back
    rest = {"limit": limit, "name": name, "classes": order} | vars(options)
    place = source if source in SAMPLE_NAMES else str(Path(source).resolve())
    return replace(samples, given={"source": place} | _plain(rest))


def _plain(options: dict[str, Any]) -> dict[str, Any]:
    """Options that were given, as JSON."""
    return {
        name: list(one) if isinstance(one, tuple) else one
        for name, one in options.items()
        if one is not None
    }


def _found(source: Any, options: _Options) -> Found:
    if isinstance(source, Samples):
        options.taken("data loaded before")
        return _again(source)
    if isinstance(source, (str, os.PathLike)):
        return _named(source, options)
    if isinstance(source, pd.DataFrame):
        from cutaway.data.texts import from_frame

        return from_frame(source, **options.taken("a DataFrame", "text_column", "label_column"))
    if _is_hugging_face(source):
        from cutaway.data.hugging_face import from_hugging_face

        taken = ("split", "text_column", "label_column", "size", "max_pixels")
        return from_hugging_face(source, **options.taken("a Hugging Face dataset", *taken))
    if _is_torch_data(source):
        from cutaway.data.torch_data import from_torch

        return from_torch(source, **options.taken("torch data", "size", "max_pixels"))
    return _in_memory(source, options)


def _in_memory(source: Any, options: _Options) -> Found:
    """Texts or numbers of a list, an array or a tensor, with or without labels beside them."""
    x, y = source if _is_pair(source) else (source, None)
    if _are_texts(x):
        from cutaway.data.texts import from_texts

        options.taken("a list of texts")
        found = from_texts(x, y)
        of_series = x.index.to_numpy() if isinstance(x, pd.Series) else found.ids
        return Found(found.name, of_series, found.finish, found.labels)
    if hasattr(x, "__array__") and hasattr(x, "shape"):
        from cutaway.data.arrays import from_arrays

        options.taken("an array")
        return from_arrays(x, y)
    if isinstance(source, (list, tuple)) and not source:
        raise ValueError("source must hold at least one sample, got none in an empty list; fill it")
    raise TypeError(f"source must be {_ACCEPTED}; got {type(source).__name__}; convert it to one")


def _named(source: str | os.PathLike[str], options: _Options) -> Found:
    """Sample data by name, else what lies at a path."""
    if isinstance(source, str) and source in SAMPLE_NAMES:
        from cutaway.data.sample_data import from_sample

        return from_sample(source, **options.taken("sample data", "split"))
    path = Path(source)
    if path.is_dir():
        from cutaway.data.folders import from_folder

        return from_folder(path, **options.taken("a folder", "split", "size", "max_pixels"))
    if path.exists():
        from cutaway.data.tables import from_table

        taken = options.taken("a table", "text_column", "label_column", "max_bytes")
        return from_table(path, **taken)
    near = ", ".join(repr(one) for one in check.nearest(str(source), SAMPLE_NAMES))
    raise FileNotFoundError(
        f"source must be a sample name or an existing path, got {str(source)!r}; "
        f"nearest sample names: {near}"
    )


def _again(data: Samples) -> Found:
    return Found(
        data.name,
        data.index.ids,
        ready(data.source),
        data.labels,
        data.classes,
        data.rows,
        data.skipped,
    )


def _is_hugging_face(source: Any) -> bool:
    """Whether this is a Hugging Face dataset, or a dictionary of them."""
    one = next(iter(source.values()), None) if isinstance(source, dict) else source
    return hasattr(one, "column_names") and hasattr(one, "features")


def _is_torch_data(source: Any) -> bool:
    """Whether this is a torch Dataset or DataLoader; without torch loaded nothing can be."""
    if "torch" not in sys.modules:
        return False
    from torch.utils.data import DataLoader, Dataset

    return isinstance(source, (DataLoader, Dataset))


def _is_pair(source: Any) -> bool:
    """Whether this is (x, y); two texts in a tuple are not."""
    if not isinstance(source, tuple) or len(source) != 2:
        return False
    return hasattr(source[0], "shape") or _are_texts(source[0])


def _are_texts(values: Any) -> bool:
    """Whether this is a sequence whose first entry is a text."""
    if isinstance(values, pd.Series):
        values = values.to_list()
    if isinstance(values, np.ndarray):
        values = values.tolist() if values.dtype.kind in "UO" else []
    return isinstance(values, (list, tuple)) and len(values) > 0 and isinstance(values[0], str)

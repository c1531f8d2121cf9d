"""Hugging Face data sets: a column of images or of texts, and a column of classes.

Recognised by what they offer (``column_names``, ``features``, rows by place), so the package
``datasets`` is not needed to read this file.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cutaway.core import check
from cutaway.core._io import MAX_PIXELS
from cutaway.data.content import digest_of_bytes, digest_of_picture
from cutaway.data.found import Finish, Found
from cutaway.data.labels import are_classes
from cutaway.data.pictures import Files, Size, decode_picture, tried
from cutaway.data.texts import chosen, tried_texts


def from_hugging_face(
    source: Any,
    *,
    split: str | None = None,
    text_column: str | None = None,
    label_column: str | None = None,
    size: Size | None = None,
    max_pixels: int = MAX_PIXELS,
) -> Found:
    """Data of a Hugging Face ``Dataset``, or of one split of a ``DatasetDict``.

    Parameters
    ----------
    source : Dataset or DatasetDict
        With a column of images, or of strings.
    split : str, optional
        Which data set of a dictionary; may be left out if there is only one.
    text_column : str, optional
        Where the texts are. By default the only column of strings, or the one called "text",
        when there is no column of images.
    label_column : str, optional
        Where the labels are. By default the only ``ClassLabel`` column, else "label" or "labels"
        if it holds a class for every row.
    size : tuple of int, optional
        Height and width that pictures are brought to.
    max_pixels : int
        The most that a picture may declare; a larger one is skipped.

    Returns
    -------
    Found
        Ids are row numbers from 0.

    Raises
    ------
    ValueError
        If a split or a column is missing, or it is not clear which is meant.
    TypeError
        If the data set streams: its samples have no place, so no id.
    """
    table, name = _split_of(source, split)
    if not hasattr(table, "__len__"):
        raise TypeError(
            f"source must be a data set with rows by place, got the streaming "
            f"{type(table).__name__}; load it without streaming=True, or take some rows first"
        )
    # A format set by the caller would return tensors in place of pictures and strings.
    plain = table.with_format(None) if hasattr(table, "with_format") else table
    columns = [str(one) for one in plain.column_names]
    features = {one: plain.features[one] for one in columns}
    named = label_column is not None
    if label_column is None:
        of_class = [one for one in columns if hasattr(features[one], "names")]
        label_column = of_class[0] if len(of_class) == 1 else None
    images = [one for one in columns if type(features[one]).__name__ == "Image"]
    if images and text_column is None:
        labels_in = _labels_in(columns, label_column)
        finish = _pictures_of(plain, _one_image(images), size, max_pixels)
    else:
        strings = [one for one in columns if _is_string(features[one])]
        texts_in, labels_in = chosen(columns, strings, text_column, label_column)
        finish = _texts_of(plain, texts_in)
    labels, classes = _labels(plain, labels_in, features, named=named)
    return Found(name, np.arange(len(plain)), finish, labels, classes)


def _pictures_of(table: Any, column: str, size: Size | None, max_pixels: int) -> Finish:
    reader = _Pictures(_without_decoding(_column(table, column), column), column, max_pixels)
    # One thread: a data set's reader is not made to be shared.
    return lambda rows, ids: tried(reader, rows, ids, size, threads=1)


def _without_decoding(table: Any, column: str) -> Any:
    """Table that gives the bytes of its pictures, where it can: no other library decodes them."""
    feature = table.features[column]
    if not hasattr(table, "cast_column") or not is_dataclass(feature):
        return table
    return table.cast_column(column, replace(feature, decode=False))  # type: ignore[type-var]


@dataclass(frozen=True, eq=False)
class _Pictures:
    """Pictures of a column: bytes or a path, or pictures that the table decoded itself."""

    table: Any
    column: str
    max_pixels: int

    def picture(
        self, row: int, size: Size | None, *, grey: bool | None, seed: int
    ) -> tuple[NDArray[np.uint8], bool, bytes]:
        """Pixels, whether they are grey, and the digest of the file's bytes or of the pixels."""
        value = self._value(row)
        if isinstance(value, Image.Image):
            array, is_grey = decode_picture(value, size, grey=grey, max_pixels=self.max_pixels)
            return array, is_grey, digest_of_bytes(digest_of_picture(value), seed)
        if isinstance(value, Path):
            return Files([value], self.max_pixels).picture(0, size, grey=grey, seed=seed)
        array, is_grey = decode_picture(
            io.BytesIO(value), size, grey=grey, max_pixels=self.max_pixels
        )
        return array, is_grey, digest_of_bytes(value, seed)

    def digest(self, row: int, seed: int) -> bytes:
        """Digest of the file's bytes, or of the pixels."""
        value = self._value(row)
        if isinstance(value, Image.Image):
            return digest_of_bytes(digest_of_picture(value), seed)
        if isinstance(value, Path):
            return Files([value]).digest(0, seed)
        return digest_of_bytes(value, seed)

    def name(self, row: int) -> str:
        """Row and column."""
        return f"row {row} of column {self.column!r}"

    def _value(self, row: int) -> Image.Image | Path | bytes:
        value = self.table[row][self.column]
        if isinstance(value, Mapping):
            if value.get("bytes") is not None:
                return bytes(value["bytes"])
            value = value.get("path")
            if isinstance(value, str):
                return Path(value)
        if not isinstance(value, Image.Image):
            raise TypeError(f"no picture but {type(value).__name__}")
        return value


def _texts_of(table: Any, column: str) -> Finish:
    only = _column(table, column)
    return lambda rows, _ids: tried_texts(lambda some: list(only[some][column]), rows)


def _column(table: Any, name: str) -> Any:
    """Table of one column, so that reading a row decodes nothing else."""
    return table.select_columns([name]) if hasattr(table, "select_columns") else table


def _split_of(source: Any, split: str | None) -> tuple[Any, str]:
    if not isinstance(source, Mapping):
        if split is not None:
            raise ValueError(
                f"split must be None for a data set that is one split already, got {split!r}; "
                "drop it, or pass the dictionary of splits"
            )
        own = getattr(source, "split", None)
        return source, "/".join([_title(source), *([str(own)] if own is not None else [])])
    if split is None and len(source) == 1:
        split = next(iter(source))
    check.one_of("split", split, list(source))
    return source[split], f"{_title(source[split])}/{split}"


def _title(table: Any) -> str:
    return str(getattr(getattr(table, "info", None), "dataset_name", None) or "dataset")


def _one_image(images: list[str]) -> str:
    if len(images) > 1:
        raise ValueError(
            f"source must have 1 column of images, got {', '.join(map(repr, images))}; "
            "use .select_columns to keep one"
        )
    return images[0]


def _labels_in(columns: list[str], label_column: str | None) -> str | None:
    if label_column is not None:
        check.one_of("label_column", label_column, columns)
        return label_column
    return next((one for one in ("label", "labels") if one in columns), None)


def _labels(
    table: Any, column: str | None, features: Mapping[str, Any], *, named: bool
) -> tuple[list[Any] | None, tuple[str, ...] | None]:
    """Labels and class names; none if all labels are -1, which marks a test split without them."""
    if column is None:
        return None, None
    values = list(table[column])
    if values and all(one == -1 for one in values):
        return None, None
    if not named and not are_classes(values):
        return None, None
    names = getattr(features[column], "names", None)
    return values, None if names is None else tuple(str(one) for one in names)


def _is_string(feature: Any) -> bool:
    return str(getattr(feature, "dtype", "")) in ("string", "large_string", "string_view")

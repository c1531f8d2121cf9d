"""Texts: lists of strings and data frames."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cutaway.core import check
from cutaway.data.content import digests_of_texts
from cutaway.data.dataset import Inputs
from cutaway.data.found import Finished, Found
from cutaway.data.labels import are_classes

LABEL_NAMES = ("label", "labels")


@dataclass(frozen=True, eq=False)
class Texts:
    """Texts of a list, or of a column that is read in place.

    Parameters
    ----------
    of_rows : callable
        Texts of some rows.
    """

    of_rows: Callable[[list[int]], Sequence[str]]
    kind = "text"

    def read(self, rows: NDArray[np.int64]) -> tuple[Inputs, tuple[bytes, ...]]:
        """Texts of these rows, and their digests."""
        texts = list(self.of_rows(rows.tolist()))
        return texts, digests_of_texts(texts)

    def digests(self, rows: NDArray[np.int64]) -> tuple[bytes, ...]:
        """Digests of the texts of these rows."""
        return self.read(rows)[1]

    def show(self, row: int) -> str:
        """Text of one row."""
        return self.of_rows([row])[0]


def tried_texts(read: Callable[[list[int]], Sequence[Any]], rows: NDArray[np.int64]) -> Finished:
    """Texts, with the reason for each row that holds none.

    Raises
    ------
    TypeError
        If a row holds something else than a text.
    """
    bad: dict[int, str] = {}
    for place, one in enumerate(read(rows.tolist())):
        if one is None or one is pd.NA or (isinstance(one, float) and np.isnan(one)):
            bad[place] = "no text"
        elif not isinstance(one, str):
            raise TypeError(
                f"texts must be strings, got {one!r} ({type(one).__name__}) at place "
                f"{rows[place]}; convert them or name another text_column"
            )
        elif not one:
            bad[place] = "empty text"
    return Finished(Texts(read), bad)


def from_texts(texts: Sequence[Any], labels: Any = None) -> Found:
    """Data of a sequence of strings; ids are 0 … n-1."""
    kept = list(texts)
    return Found(
        "texts",
        np.arange(len(kept)),
        lambda rows, _ids: tried_texts(lambda some: [kept[row] for row in some], rows),
        labels,
    )


def from_frame(
    frame: pd.DataFrame,
    *,
    text_column: str | None = None,
    label_column: str | None = None,
    name: str = "table",
    of: str = "",
) -> Found:
    """Data of a table with a column of texts.

    Parameters
    ----------
    frame : DataFrame
        Its index gives the ids, so that they survive the caller's own filtering.
    text_column : str, optional
        Where the texts are. By default the only column of strings that is not the labels', or the
        one called "text".
    label_column : str, optional
        Where the labels are. By default a column called "label" or "labels", if there is one and it
        holds a class for every text.
    name : str
        Name of the data set.
    of : str
        The file that it was read from, for messages.

    Raises
    ------
    ValueError
        If a column is missing or the texts' column is ambiguous (lists the columns), or two
        columns share a name.
    """
    columns = [str(one) for one in frame.columns]
    if len(set(columns)) < len(columns):
        raise ValueError(
            f"source must have columns of different names, got {', '.join(map(repr, columns))}"
            f"{of and f' in {of}'}; "
            "rename them"
        )
    strings = [str(one) for one in frame.columns if _holds_strings(frame[one])]
    texts_in, labels_in = chosen(columns, strings, text_column, label_column, of=of)
    frame = frame.set_axis(columns, axis=1)
    found = from_texts(frame[texts_in].astype(object).tolist())
    labels = None if labels_in is None else frame[labels_in]
    if label_column is None and labels is not None and not are_classes(labels):
        labels = None
    return Found(name, frame.index.to_numpy(), found.finish, labels)


def chosen(
    columns: list[str],
    strings: list[str],
    text_column: str | None,
    label_column: str | None,
    *,
    of: str = "",
) -> tuple[str, str | None]:
    """Columns of texts and of labels: as the caller said, else where only one is possible.

    `of` is the file they are in, for the message.
    """
    for argument, value in (("text_column", text_column), ("label_column", label_column)):
        if value is not None:
            check.one_of(argument, value, columns)
    if label_column is None:
        named = [one for one in columns if one in LABEL_NAMES and one != text_column]
        label_column = named[0] if len(named) == 1 else None
    if text_column is None:
        possible = [one for one in strings if one != label_column]
        if len(possible) != 1 and "text" in possible:
            possible = ["text"]
        if len(possible) != 1:
            raise ValueError(
                "text_column must name the column of texts where several or none hold strings, "
                f"got None for columns {', '.join(map(repr, columns))}{of and f' of {of}'} "
                f"(strings in: {', '.join(map(repr, possible)) or 'none'}); name one of them"
            )
        text_column = possible[0]
    return text_column, label_column


def _holds_strings(column: pd.Series) -> bool:
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.cat.categories.to_series()
    kept = column.dropna()
    return len(kept) > 0 and pd.api.types.infer_dtype(kept) == "string"

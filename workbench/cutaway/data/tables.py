"""Texts in CSV, TSV and Parquet files: whole tables only, and nothing is guessed.

A separated file is read by Python's own strict reader, which knows the line of every cell: a row of
another length than the header is refused rather than filled up, cut off, or turned into ids.
"""

import csv
import io
import os
import re
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd

from cutaway.core import check
from cutaway.core._io import DamagedFile, open_regular
from cutaway.data.found import Found
from cutaway.data.labels import are_classes
from cutaway.data.texts import chosen, from_frame, from_texts

TABLES = (".csv", ".tsv", ".parquet")
MAX_TABLE = 4 * 10**9
"""Bytes of the largest table, decoded."""

_DELIMITERS = {",": "comma", "\t": "tab", ";": "semicolon", "|": "bar"}
_NUMBER = re.compile(r"[+-]?([0-9]+|[0-9]+\.[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
_FIELD_LIMIT = threading.Lock()
_CELL = 16
"""Bytes that a cell takes in memory beside its value."""


def from_table(
    path: Path,
    *,
    text_column: str | None = None,
    label_column: str | None = None,
    max_bytes: int = MAX_TABLE,
) -> Found:
    """Data of a CSV, TSV or Parquet file; ids are row numbers from 0, the header not counted.

    Parameters
    ----------
    path : pathlib.Path
        CSV and TSV files are UTF-8, with a header; cells that hold the separator, a quote or a line
        break stand in double quotes.
    text_column, label_column : str, optional
        Columns of texts and of labels, where they are not plain.
    max_bytes : int
        The most that the file may hold, decoded.

    Raises
    ------
    ValueError
        If the file is no such table; names the line.
    ImportError
        If a Parquet file is given and pyarrow is not installed.
    """
    ending = path.suffix.lower()
    check.one_of("the ending of a table of texts", ending, TABLES)
    with open_regular(path) as file:
        if ending == ".parquet":
            return _from_parquet(path, file, text_column, label_column, max_bytes)
        size = os.fstat(file.fileno()).st_size
        if size > max_bytes:
            raise _refusal(path, *_too_large(size, max_bytes))
        content = file.read(size)  # never max_bytes: so much memory would be asked for
    frame = _read_separated(path, content, "\t" if ending == ".tsv" else ",", text_column)
    return from_frame(
        frame,
        text_column=text_column,
        label_column=label_column,
        name=path.stem,
        of=str(path),
    )


def _refusal(path: Path, why: object, remedy: str = "check the file") -> DamagedFile:
    said = " ".join(str(why).split()) or type(why).__name__
    ending = path.suffix.lower()[1:]
    return DamagedFile(
        f"source must be a {ending} table that can be read, got {path} ({said[:300]}); {remedy}"
    )


def _too_large(size: int, max_bytes: int) -> tuple[str, str]:
    return f"{size:,} bytes, more than max_bytes={max_bytes:,}", "raise max_bytes= or split it"


def _read_separated(
    path: Path, content: bytes, delimiter: str, text_column: str | None
) -> pd.DataFrame:
    text = _decode_text(path, content)
    with _FIELD_LIMIT:  # the reader's limit is one for the whole process
        before = csv.field_size_limit(sys.maxsize)
        try:
            names, rows = _records(path, text, delimiter, text_column)
        finally:
            csv.field_size_limit(before)
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    typed = {k: _typed(cells) for k, cells in enumerate(columns)}
    return pd.DataFrame(typed, index=range(len(rows))).set_axis(names, axis=1)


def _decode_text(path: Path, content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise _refusal(path, "its text is UTF-16", "save it as UTF-8")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _refusal(path, f"line {line} is not UTF-8", "save it as UTF-8") from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise _refusal(path, f"line {line} holds a null character", "save it as plain UTF-8")
    return text


def _records(
    path: Path, text: str, delimiter: str, text_column: str | None
) -> tuple[list[str], list[list[str]]]:
    """Names of the columns, and all rows; an empty line is none."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    names: list[str] | None = None
    rows: list[list[str]] = []
    line = 1
    try:
        for row in reader:
            if row and names is None:
                names = _header(path, row, line, delimiter, text_column)
            elif row and len(row) != len(names or ()):
                raise _ragged_row(path, names or [], row, line, delimiter)
            elif row:
                rows.append(row)
            line = reader.line_num + 1
    except csv.Error as error:
        raise _refusal(
            path,
            f"the quotes that begin in line {line} do not end well: {error}",
            'close them, and write a quote inside a quoted cell twice: ""',
        ) from error
    if names is None:
        raise _refusal(path, "it is empty", "write a header line and a line for each text")
    return names, rows


def _header(
    path: Path, row: list[str], line: int, delimiter: str, text_column: str | None
) -> list[str]:
    names = [name or f"Unnamed: {k}" for k, name in enumerate(row)]
    if text_column in names:
        return names
    other = next((one for one in _DELIMITERS if one != delimiter and one in row[0]), None)
    if len(row) == 1 and other is not None:
        raise _refusal(
            path,
            f"line {line} holds no {_DELIMITERS[delimiter]} but a {_DELIMITERS[other]}: {row[0]!r}",
            f"separate its columns by a {_DELIMITERS[delimiter]}, or give text_column={row[0]!r}",
        )
    number = next((one for one in row if _NUMBER.fullmatch(one)), None)
    if number is not None:
        raise _refusal(
            path,
            f"line {line}, the header, holds the number {number}",
            "add a line with the names of the columns, or give text_column=",
        )
    return names


def _ragged_row(
    path: Path, names: list[str], row: list[str], line: int, delimiter: str
) -> DamagedFile:
    of_row = f"{len(row)} field" + ("s" if len(row) != 1 else "")
    why = f"line {line} has {of_row}, the header has {len(names)}: {', '.join(names)[:100]}"
    if len(row) < len(names):
        return _refusal(path, why, "fill in the missing cells")
    sign = _DELIMITERS[delimiter]
    return _refusal(path, why, f'put texts that hold a {sign} in double quotes: "a{delimiter} b"')


def _typed(cells: Sequence[str]) -> Any:
    """Numbers where all cells hold some, else strings; an empty cell is missing.

    Only an empty one: "NA", "null" and "None" are words in a text.
    """
    held = [one for one in cells if one]
    if held and all(map(_WHOLE.fullmatch, held)) and len(held) == len(cells):
        return np.array([int(one) for one in cells], np.int64)
    if held and all(map(_NUMBER.fullmatch, held)):
        return np.array([float(one) if one else np.nan for one in cells])
    return pd.Series([one or None for one in cells], dtype=object)


def _from_parquet(
    path: Path, file: BinaryIO, text_column: str | None, label_column: str | None, max_bytes: int
) -> Found:
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise ImportError(
            "pyarrow reads Parquet files and is not installed; pip install 'cutaway[tables]'"
        ) from error
    try:
        schema = parquet.ParquetFile(file).schema_arrow
        columns, strings = _columns(schema)
    except Exception as error:  # pyarrow raises a dozen kinds for a damaged file
        raise _refusal(path, error) from error
    if len(set(columns)) < len(columns):
        raise _refusal(path, f"columns of one name: {', '.join(columns)[:100]}", "rename them")
    texts_in, labels_in = chosen(columns, strings, text_column, label_column, of=str(path))
    wanted = [texts_in] if labels_in is None else list(dict.fromkeys([texts_in, labels_in]))
    try:
        # As a dictionary a text that comes a million times is held once.
        table = parquet.ParquetFile(file, read_dictionary=[one for one in wanted if one in strings])
        declared = _declared_bytes(table.metadata, len(wanted))
        if declared <= max_bytes:
            read = table.read(columns=wanted, use_threads=False)
            read.validate(full=True)
            texts = _values(read.column(texts_in))
            labels = None if labels_in is None else _values(read.column(labels_in))
    except Exception as error:
        raise _refusal(path, error) from error
    if declared > max_bytes:
        raise _refusal(path, *_too_large(declared, max_bytes))
    if label_column is None and labels is not None and not are_classes(labels):
        labels = None
    return Found(path.stem, np.arange(len(texts)), from_texts(texts).finish, labels)


def _columns(schema: Any) -> tuple[list[str], list[str]]:
    """Names of all columns but those of a pandas index, and of those that hold strings."""
    pandas = schema.pandas_metadata or {}
    aside = [one for one in pandas.get("index_columns", ()) if isinstance(one, str)]
    fields = [one for one in schema if one.name not in aside]
    return [one.name for one in fields], [one.name for one in fields if _is_string(one.type)]


def _is_string(kind: Any) -> bool:
    from pyarrow import types

    if types.is_dictionary(kind):
        kind = kind.value_type
    return bool(types.is_string(kind) or types.is_large_string(kind) or str(kind) == "string_view")


def _declared_bytes(metadata: Any, n_columns: int) -> int:
    """Bytes that a Parquet file declares, decoded, beside what its cells take in memory.

    Of whole groups of rows: asking pyarrow for one column of damaged metadata ends the process.
    """
    groups = [metadata.row_group(k) for k in range(metadata.num_row_groups)]
    rows = sum(one.num_rows for one in groups)
    if any(one.num_rows < 0 or one.total_byte_size < 0 for one in groups) or (
        rows != metadata.num_rows
    ):
        raise ValueError(f"{metadata.num_rows} rows declared, {rows} in its groups")
    return int(sum(one.total_byte_size for one in groups) + rows * _CELL * n_columns)


def _values(column: Any) -> list[Any]:
    """Values of a column as Python objects, each of a dictionary's held once."""
    found: list[Any] = []
    for chunk in column.chunks:
        if hasattr(chunk, "dictionary"):
            values = [*chunk.dictionary.to_pylist(), None]
            places = chunk.indices.fill_null(len(values) - 1).to_pylist()
            found += [values[place] for place in places]
        else:
            found += chunk.to_pylist()
    return found

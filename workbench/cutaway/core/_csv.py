"""Tables as CSV that a spreadsheet reads as values, never as formulas.

The same rule stands in ``widgets/cutaway_widgets/js/src/csv.js``.
"""

import re

import numpy as np
import pandas as pd

# What starts a formula, also in its wide and small forms, which some programs take for the same.
_STARTS = "=+\\-@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b"
# What a program may skip before it looks for one: blanks, controls, marks without width.
_SKIPPED = "\\x00-\\x20\\x7f-\\xa0\u00ad\u1680\u2000-\u200f\u2028-\u202f\u205f-\u2064\u3000\ufeff"
_FORMULA = re.compile(f"[\\t\\r\\n]|[{_SKIPPED}]*[{_STARTS}]")


def csv_text(text: str) -> str:
    """A text as it may stand in a cell: after an apostrophe if a program could run it.

    Parameters
    ----------
    text : str
        Anything, e.g. an id that came with the data.
    """
    return f"'{text}" if _FORMULA.match(text) else text


def csv_cell(value: object) -> object:
    """A value as it may stand in a cell: numbers as they are, all else by `csv_text`.

    Parameters
    ----------
    value : object
        Of a frame or a list of lines.
    """
    if value is None or isinstance(value, bool | int | float | complex | np.number | np.bool_):
        return value
    if value is pd.NA or value is pd.NaT:
        return value
    text = str(value)
    safe = csv_text(text)
    return value if safe == text else safe


def frame_csv(frame: pd.DataFrame, *, index: bool = True) -> str:
    """A frame as CSV: texts of its cells, its index and its head by `csv_text`.

    Parameters
    ----------
    frame : pandas.DataFrame
        It stays as it is.
    index : bool
        Whether the index is written too.
    """
    columns = []
    for place in range(frame.shape[1]):
        column = frame.iloc[:, place]
        if not pd.api.types.is_numeric_dtype(column.dtype):
            column = column.astype(object).map(csv_cell)
        columns.append(column)
    safe = pd.concat(columns, axis=1) if columns else pd.DataFrame(index=frame.index)
    safe.columns = _labels(frame.columns)
    safe.index = _labels(frame.index)
    # With this line end cells are quoted that hold a CR or LF alone; a bare CR starts a line.
    written: str = safe.to_csv(index=index, lineterminator="\r\n")
    return written


def _labels(labels: pd.Index) -> pd.Index:
    """Names of columns or rows, and the names of their levels."""
    names = [csv_cell(one) for one in labels.names]
    if isinstance(labels, pd.MultiIndex):
        return pd.MultiIndex.from_tuples(
            [tuple(csv_cell(one) for one in label) for label in labels], names=names
        )
    if pd.api.types.is_numeric_dtype(labels.dtype):
        return labels.rename(names[0])
    return pd.Index([csv_cell(one) for one in labels], dtype=object, name=names[0])

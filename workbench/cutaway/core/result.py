"""The base of all results: frozen, savable without pickle, aware of its rows and origin."""

import dataclasses
import html
import io
import json
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd

from cutaway.core import digest
from cutaway.core._io import whole_file
from cutaway.core.index import Index
from cutaway.core.origin import Origin

_HEADER = "header.json"


@dataclass(frozen=True, eq=False)
class Result:
    """What an analysis function returns.

    Subclasses are final, add fields of these kinds only, and give each a default-free annotation:
    arrays (made read-only), data frames, numbers, strings, booleans, None, and JSON lists or
    mappings of them. Equality is identity; compare `digest` for sameness.

    Parameters
    ----------
    rows : Index
        Ids of the first axis of every array field that is "by row".
    origin : Origin
        How the result was made.
    """

    rows: Index
    origin: Origin

    schema: ClassVar[int] = 1

    def __post_init__(self) -> None:
        """Make arrays read-only."""
        for name, value in self._fields().items():
            if isinstance(value, np.ndarray):
                fixed = value.view()
                fixed.setflags(write=False)
                object.__setattr__(self, name, fixed)

    def _fields(self) -> dict[str, Any]:
        return {
            one.name: getattr(self, one.name)
            for one in dataclasses.fields(self)
            if one.name not in {"rows", "origin"}
        }

    @property
    def digest(self) -> str:
        """Changes with any number in the result; not with how long it took."""
        arrays, plain = _split(self._fields())
        return digest.of_json([digest.of_arrays(arrays), plain, self.rows.digest])

    def to_frame(self) -> pd.DataFrame:
        """One line a row: ids as the index, 1-D and 2-D fields by row as columns."""
        n = len(self.rows)
        columns: dict[str, Any] = {}
        for name, value in self._fields().items():
            if not isinstance(value, np.ndarray) or value.shape[:1] != (n,):
                continue
            if value.ndim == 1:
                columns[name] = value
            elif value.ndim == 2:
                columns |= {f"{name}_{j}": value[:, j] for j in range(value.shape[1])}
        return pd.DataFrame(columns, index=pd.Index(self.rows.ids, name=self.rows.axis))

    def plot(self, **options: Any) -> Any:
        """Finished static plotly figure of this result (see `cutaway.plots`)."""
        from cutaway import plots

        return plots.plot(self, **options)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write one zip of npy arrays and a JSON header; temporary name, then rename."""
        arrays, plain = _split(self._fields())
        header = {
            "format": "cutaway-result",
            "type": type(self).__name__,
            "schema": self.schema,
            "axis": self.rows.axis,
            "origin": self.origin.to_json(),
            "fields": plain,
        }
        with whole_file(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
            archive.writestr(_HEADER, json.dumps(header, indent=1))
            for name, array in {"rows": self.rows.ids, **arrays}.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                    np.lib.format.write_array(file, np.asanyarray(array), allow_pickle=False)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what `save` wrote.

        Raises
        ------
        ValueError
            If the file is no saved result of this type, or of a newer schema.
        """
        try:
            with zipfile.ZipFile(path) as archive:
                header = json.loads(archive.read(_HEADER))
                arrays = {
                    Path(name).with_suffix("").as_posix(): np.lib.format.read_array(
                        io.BytesIO(archive.read(name)), allow_pickle=False
                    )
                    for name in archive.namelist()
                    if name != _HEADER
                }
        except (zipfile.BadZipFile, KeyError, json.JSONDecodeError, ValueError) as error:
            raise ValueError(
                f"path must be a saved {cls.__name__}, got {path} ({error}); "
                "save the result again with .save(path)"
            ) from error
        if header["type"] != cls.__name__:
            raise ValueError(
                f"path must be a saved {cls.__name__}, got a {header['type']}; "
                f"use {header['type']}.load"
            )
        if header["schema"] > cls.schema:
            raise ValueError(
                f"schema must be at most {cls.schema}, got {header['schema']} in {path}; "
                "update cutaway to open it"
            )
        rows = Index(arrays.pop("rows"), header["axis"])
        fields = _join(arrays, header["fields"])
        return cls(rows=rows, origin=Origin.from_json(header["origin"]), **fields)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self.rows)} {self.rows.axis}s; {self.origin.caption()})"

    def _repr_html_(self) -> str:
        frame = self.to_frame().head(5)
        caption = html.escape(repr(self))
        return f"<div><p>{caption}</p>{frame.to_html(max_cols=8, border=0)}</div>"


def _split(fields: dict[str, Any]) -> tuple[dict[str, np.ndarray[Any, Any]], dict[str, Any]]:
    """Fields as plain arrays (frames column by column) and a JSON object of the rest."""
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    plain: dict[str, Any] = {}
    for name, value in fields.items():
        if isinstance(value, np.ndarray):
            arrays[name] = value
        elif isinstance(value, pd.DataFrame):
            plain[name] = {"frame": [str(column) for column in value.columns]}
            for place, column in enumerate(value.columns):
                arrays[f"{name}/{place}"] = _column(value[column])
        else:
            plain[name] = {"value": json.loads(json.dumps(value))}
    return arrays, plain


def _column(values: pd.Series) -> np.ndarray[Any, Any]:
    """A column as a plain array: strings as fixed-width unicode, everything else as it is."""
    array = values.to_numpy()
    if array.dtype.kind in "biufU":
        return np.asarray(array)
    return np.array([str(one) for one in array], dtype=np.str_)


def _join(arrays: dict[str, np.ndarray[Any, Any]], plain: dict[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = {name: one for name, one in arrays.items() if "/" not in name}
    for name, entry in plain.items():
        if "frame" in entry:
            columns = entry["frame"]
            fields[name] = pd.DataFrame(
                {column: arrays[f"{name}/{place}"] for place, column in enumerate(columns)}
            )
        else:
            fields[name] = entry["value"]
    return fields

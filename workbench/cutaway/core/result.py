"""The base of all results: frozen, savable without pickle, aware of its rows and origin."""

import dataclasses
import html
import json
import os
import re
import types
import typing
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cutaway.core import digest
from cutaway.core._io import (
    MAX_ARRAYS,
    DamagedFile,
    damaged,
    json_fits,
    parse_array,
    parse_json,
    read_archive,
    whole_file,
)
from cutaway.core.index import Index
from cutaway.core.origin import Origin

Arrays: TypeAlias = dict[str, NDArray[Any]]

_HEADER = "header.json"
_FORMAT, _FIRST_FORMAT = "cutaway-result/2", "cutaway-result"  # the first stated no digest
_MEMBER = re.compile(r"[A-Za-z_]\w*(/\d{1,6})?\.npy", re.ASCII)
_UNFIT = (ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RecursionError)
_REMEDY = "save the result again with .save(path)"
_MAX_WHOLE = 2**63 - 1
# Kinds of numbers that an array field of a given annotation may hold.
_KINDS = {np.floating: "f", np.integer: "iu", np.bool_: "b", np.str_: "U"}


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
    # What `load` checks beyond the annotations. Lengths of each array, list or frame: words stand
    # for a length ("n": the rows), numbers for themselves, a last "..." for any more axes.
    _shapes: ClassVar[Mapping[str, str]] = {}
    # Columns that a frame must have, each with the kind of its values: letters of numpy's
    # kinds, any of them, as in "if"; "U" are strings.
    _columns: ClassVar[Mapping[str, Mapping[str, str]]] = {}

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
        """Changes with any value, any id and the origin; not with how long it took."""
        return digest.of_json([self.values_digest, self.origin.digest])

    @property
    def values_digest(self) -> str:
        """Changes with any value and any id, whatever the origin says: to compare two models."""
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
            "format": _FORMAT,
            "type": type(self).__name__,
            "schema": self.schema,
            "axis": self.rows.axis,
            "origin": self.origin.to_json(),
            "fields": plain,
            "digest": _digest_of_file(self),
        }
        with whole_file(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
            archive.writestr(_HEADER, json.dumps(header, indent=1))
            for name, array in {"rows": self.rows.ids, **arrays}.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                    np.lib.format.write_array(file, np.asanyarray(array), allow_pickle=False)

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, max_bytes: int | None = None) -> Self:
        """Read what `save` wrote; everything in it is checked against this class.

        Parameters
        ----------
        path : path-like
            The file.
        max_bytes : int or None
            The most that its arrays may take in memory, checked before any is read. None: 20
            times the size of the file (`save` does not compress), and at most 4 GB.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If the file is no saved result of this type, is damaged, larger than `max_bytes`, or of
            a newer schema.
        """
        what = f"a saved {cls.__name__}"
        content = read_archive(
            path,
            what=what,
            allowed=lambda name: name == _HEADER or bool(_MEMBER.fullmatch(name)),
            max_bytes=max_bytes,
            remedy=_REMEDY,
        )
        try:
            return cls._parsed(content, path)
        except DamagedFile:
            raise
        except _UNFIT as error:
            raise damaged(what, path, error, _REMEDY) from error

    @classmethod
    def _parsed(cls, content: dict[str, bytes], path: str | os.PathLike[str]) -> Self:
        """The result that the members of an archive hold."""
        what = f"a saved {cls.__name__}"
        header = parse_json(content.pop(_HEADER), what=what, path=path, remedy=_REMEDY)
        kinds = {"type": str, "schema": int, "axis": str, "origin": dict, "fields": dict}
        if header.get("format") not in (_FORMAT, _FIRST_FORMAT) or not json_fits(header, kinds):
            raise ValueError(f"{_HEADER} says it is something else")
        if header["type"] != cls.__name__:
            kind = header["type"] if header["type"].isidentifier() else "another type"
            raise DamagedFile(
                f"path must be a saved {cls.__name__}, got a {kind}; use {kind}.load to open "
                f"{os.fspath(path)}"
            )
        if header["schema"] > cls.schema:
            raise DamagedFile(
                f"schema must be at most {cls.schema}, got {header['schema']} in "
                f"{os.fspath(path)}; update cutaway to open it"
            )
        arrays = {}
        while content:  # one after the other goes away, so that nothing is in memory twice
            name, file = content.popitem()
            arrays[name.removesuffix(".npy")] = parse_array(file, max_bytes=MAX_ARRAYS)
        rows = _rows(arrays.pop("rows"), header["axis"])
        fields = _join(arrays, header["fields"])
        _check_fields(cls, fields, len(rows))
        made = cls(rows=rows, origin=Origin.from_json(header["origin"]), **fields)
        # What is inside lists and mappings no annotation says: what cannot be shown is damaged.
        repr(made), made._preview()
        if header["format"] == _FORMAT and header.get("digest") != _digest_of_file(made):
            raise ValueError("its digest differs: it was changed")
        return made

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self.rows)} {self.rows.axis}s; {self.origin.caption()})"

    def _preview(self) -> pd.DataFrame:
        """The few lines that a notebook shows."""
        return self.to_frame().head(5)

    def _repr_html_(self) -> str:
        # Not for subclasses to override: here everything that a file may have said is escaped.
        table = self._preview().to_html(max_cols=8, border=0, escape=True)
        return f"<div><p>{html.escape(repr(self))}</p>{table}</div>"


def _digest_of_file(result: Result) -> str:
    """Digest of all that a file holds: values, ids and the whole origin."""
    return digest.of_json([result.values_digest, result.origin.to_json()])


def _split(fields: dict[str, Any]) -> tuple[Arrays, dict[str, Any]]:
    """Fields as plain arrays (frames column by column) and a JSON object of the rest."""
    arrays: Arrays = {}
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


def _rows(ids: NDArray[Any], axis: str) -> Index:
    if ids.ndim != 1 or ids.dtype.kind not in "iuU":
        raise ValueError(f"rows are {ids.dtype} of shape {ids.shape}, no ids")
    if ids.dtype.kind == "u" and ids.size and int(ids.max()) > _MAX_WHOLE:
        raise ValueError("rows hold an id of more than 63 bits")
    return Index(ids, axis)


def _join(arrays: Arrays, plain: dict[str, Any]) -> dict[str, Any]:
    """Fields from what `_split` made; every array and every entry is used once."""
    fields: dict[str, Any] = {}
    for name, entry in plain.items():
        if not isinstance(entry, dict) or len(entry) != 1:
            raise ValueError(f"{name} is described wrongly")
        if "value" in entry:
            fields[name] = entry["value"]
            continue
        columns = entry["frame"]
        if not isinstance(columns, list) or not all(isinstance(column, str) for column in columns):
            raise ValueError(f"columns of {name} are no list of names")
        parts = [arrays.pop(f"{name}/{place}") for place in range(len(columns))]
        if len(set(columns)) < len(columns) or any(part.ndim != 1 for part in parts):
            raise ValueError(f"{name} is no table")
        if len({len(part) for part in parts}) > 1:
            raise ValueError(f"columns of {name} have different lengths")
        fields[name] = pd.DataFrame(dict(zip(columns, parts, strict=True)))
    for name, array in arrays.items():
        if "/" in name or name in fields:
            raise ValueError(f"{name} does not belong to it")
        fields[name] = array
    return fields


def _check_fields(cls: type[Result], fields: Mapping[str, Any], n_rows: int) -> None:
    """Refuse what does not fit the class: names, kinds and lengths of its fields.

    Raises
    ------
    ValueError
        That names the field.
    """
    hints = typing.get_type_hints(cls)
    names = [field.name for field in dataclasses.fields(cls)][2:]  # without rows and origin
    missing, odd = [set(names) - set(fields), set(fields) - set(names)]
    if missing or odd:
        name = min(missing or odd)
        raise ValueError(f"field {name} {'is missing' if missing else 'is unknown'}")
    for name in names:
        if not _fits(fields[name], hints[name]):
            raise ValueError(f"field {name} holds {_kind_of(fields[name])}")
    lengths = {"n": n_rows}
    for name, shape in cls._shapes.items():
        _check_shape(name, fields[name], shape.split(), lengths)
    for name, columns in cls._columns.items():
        for column, kinds in columns.items():
            if column not in fields[name]:
                raise ValueError(f"column {column} of {name} is missing")
            values = fields[name][column].to_numpy()
            # A table without lines keeps no kinds; strings may be pandas' own.
            if len(values) and not (values.dtype.kind in kinds or _strings(values, kinds)):
                raise ValueError(f"column {column} of {name} holds {fields[name][column].dtype}")


def _strings(values: NDArray[Any], kinds: str) -> bool:
    return "U" in kinds and values.dtype.kind not in "biufc"


def _check_shape(name: str, value: Any, axes: list[str], lengths: dict[str, int]) -> None:
    """Compare the lengths of a field with those of others; what is met first says what it is."""
    if value is None:
        return
    got = value.shape if isinstance(value, np.ndarray) else (len(value),)
    free = axes[-1] == "..."
    axes = axes[:-1] if free else axes
    if len(got) < len(axes) or (len(got) > len(axes) and not free):
        raise ValueError(f"field {name} has {len(got)} axes")
    for axis, length in zip(axes, got, strict=False):
        expected = int(axis) if axis.isdigit() else lengths.setdefault(axis, length)
        if length != expected:
            raise ValueError(f"field {name} has {length} entries instead of {expected}")


def _fits(value: object, hint: Any) -> bool:
    """Whether a value is of an annotation's kind."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in {types.UnionType, typing.Union}:
        return any(_fits(value, choice) for choice in inner)
    if origin is np.ndarray or hint is np.ndarray:
        return isinstance(value, np.ndarray) and value.dtype.kind in _array_kinds(hint)
    if origin is list:
        return isinstance(value, list) and all(_fits(entry, inner[0]) for entry in value)
    if origin is dict:
        return isinstance(value, dict) and all(_fits(entry, inner[1]) for entry in value.values())
    return _fits_plain(value, hint)


def _fits_plain(value: object, hint: Any) -> bool:
    if hint is Any or hint is object:
        return not isinstance(value, (np.ndarray, pd.DataFrame))
    if hint in {int, float}:  # a whole number may stand for a real one, a truth value for neither
        kinds = int if hint is int else (int, float)
        small = not isinstance(value, int) or abs(value) <= _MAX_WHOLE
        return isinstance(value, kinds) and not isinstance(value, bool) and small
    return value is None if hint in {None, type(None)} else isinstance(value, hint)


def _array_kinds(hint: Any) -> str:
    """Letters of the dtypes that an array annotation allows."""
    described = typing.get_args(hint)
    scalar = typing.get_args(described[1]) if described else ()
    kind = typing.get_origin(scalar[0]) or scalar[0] if scalar else Any
    for base, letters in _KINDS.items():
        if isinstance(kind, type) and issubclass(kind, base):
            return letters
    return "biufU"


def _kind_of(value: object) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype}"
    if isinstance(value, (list, dict)):
        return f"a {type(value).__name__} of another kind"
    return "a table" if isinstance(value, pd.DataFrame) else repr(value)[:40]

"""Captured activations: read-only arrays in memory or mapped from a store on disk."""

import math
import os
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from cutaway.core import Index, Origin, Tick, _io, check, digest, silent
from cutaway.model import layout
from cutaway.model.errors import UnknownSite

FORMAT = "cutaway-activations"
SCHEMA = 2  # 2: the plan part by part, and the content of the samples

_WHAT = "a whole store of activations"
_REMEDY = "delete it and capture again"
_CHECKED = 32 * 2**20  # bytes between two ticks while values are verified


@dataclass(frozen=True, eq=False)
class Activations:
    """What some sites held for some samples; made by `capture`, `open` or `from_arrays`.

    Parameters
    ----------
    arrays : mapping of str to ndarray of shape (n, …)
        By site, samples first; made read-only. An array of a store is a memory map.
    rows : Index
        Ids of the samples.
    origin : Origin
        How they were made.
    layouts : mapping of str to str
        Meaning of the axes, by site: "n c h w", "n t d", "n d".
    n_nonfinite : mapping of str to int
        Values that are NaN or infinite, by site; they are kept, not dropped.
    mask : ndarray of bool of shape (n, t) or None
        For texts of different length: True where a position holds a token. Elsewhere values are 0.
    path : Path or None
        Folder of the store; None in memory.
    """

    arrays: Mapping[str, NDArray[Any]]
    rows: Index
    origin: Origin
    layouts: Mapping[str, str]
    n_nonfinite: Mapping[str, int] = field(default_factory=dict)
    mask: NDArray[np.bool_] | None = None
    path: Path | None = None

    def __post_init__(self) -> None:
        """Check the lengths and make everything read-only."""
        fixed = {}
        for site, array in self.arrays.items():
            view = array.view()
            view.setflags(write=False)
            fixed[site] = view
            check.same_length(f"arrays[{site!r}]", len(view), "ids", len(self.rows))
        object.__setattr__(self, "arrays", MappingProxyType(fixed))
        object.__setattr__(self, "layouts", MappingProxyType(dict(self.layouts)))
        object.__setattr__(self, "n_nonfinite", MappingProxyType(dict(self.n_nonfinite)))
        if self.mask is not None:
            self.mask.setflags(write=False)

    @classmethod
    def from_arrays(
        cls,
        arrays: Mapping[str, ArrayLike],
        ids: ArrayLike | Index | None = None,
        *,
        layouts: Mapping[str, str] | None = None,
    ) -> "Activations":
        """Activations from arrays that a user has already; nothing is copied if avoidable.

        Parameters
        ----------
        arrays : mapping of str to array_like of shape (n, units, …)
            By site. Torch tensors are welcome.
        ids : array_like of shape (n,), Index or None
            Ids of the samples; None counts from 0.
        layouts : mapping of str to str or None
            Meaning of the axes where the units are not on the second one, e.g. ``"n t d"``.

        Raises
        ------
        ValueError
            If there is no array, lengths differ, or an array has fewer than two axes.
        TypeError
            If an array does not hold real numbers.
        """
        if not arrays:
            raise ValueError("arrays must hold at least one site, got none; give {name: array}")
        plain = {str(site): _real(str(site), array) for site, array in arrays.items()}
        n = len(next(iter(plain.values())))
        rows = ids if isinstance(ids, Index) else Index(np.arange(n) if ids is None else ids)  # type: ignore[arg-type]
        usual = {2: "n d", 3: "n c t", 4: "n c h w", 5: "n c z h w"}
        known = {
            site: usual.get(array.ndim) or layout.usual(array.ndim) for site, array in plain.items()
        }
        for site, letters in (layouts or {}).items():
            _check_layout(site, letters, plain)
            known[site] = letters
        origin = Origin(
            "from_arrays",
            {"digest": digest.of_arrays(plain)},
            site=", ".join(plain),
            rows=rows.digest,
        )
        bad = {site: int(np.count_nonzero(~np.isfinite(array))) for site, array in plain.items()}
        return cls(plain, rows, origin, known, bad)

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        *,
        verify: bool | Literal["full"] = True,
        tick: Tick = silent,
    ) -> "Activations":
        """Activations of a store, mapped: nothing is read until it is used.

        Parameters
        ----------
        path : path-like
            Folder that `capture` or `save` wrote.
        verify : bool or "full"
            True checks the manifest, and shapes and sizes of all files; "full" reads all values and
            compares their checksums, at the speed of the disk.
        tick : Tick
            Called while values are read.

        Raises
        ------
        FileNotFoundError
            If there is no store.
        ValueError
            If it is damaged or of a newer schema; says which file and what to do.
        """
        folder = Path(path)
        manifest = read_manifest(folder, check_digest=bool(verify))
        try:
            arrays = {
                entry["site"]: _mapped(folder, entry, manifest["n"]) for entry in manifest["arrays"]
            }
            mask = None
            if manifest["mask"] is not None:
                mask = _small_array(folder, manifest["mask"]["file"], manifest["n"])
                if mask.dtype != np.bool_ or mask.ndim != 2:
                    raise _damaged(folder, f"its mask has dtype {mask.dtype}")
            ids = _small_array(folder, manifest["rows"]["file"], manifest["n"])
            rows = Index(ids, manifest["axis"])
            if verify and rows.digest != manifest["rows"]["digest"]:
                raise _damaged(folder, "the digest of its ids differs")
            if verify == "full":
                _check_values(folder, manifest["arrays"], arrays, tick)
            return cls(
                arrays,
                rows,
                Origin.from_json(manifest["origin"]),
                {entry["site"]: str(entry["layout"]) for entry in manifest["arrays"]},
                {entry["site"]: int(entry["n_nonfinite"]) for entry in manifest["arrays"]},
                mask,
                folder,
            )
        except _io.DamagedFile:
            raise
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise _damaged(folder, f"manifest.json does not fit ({error!r})") from error

    @property
    def sites(self) -> tuple[str, ...]:
        """Names of the sites, in network order."""
        return tuple(self.arrays)

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return sum(array.nbytes for array in self.arrays.values())

    @cached_property
    def digest(self) -> str:
        """Changes with anything that was asked for, and with the samples."""
        return digest.of_json([self.origin.digest, self.rows.digest, list(self.sites)])

    def __len__(self) -> int:
        return len(self.rows)

    def __contains__(self, site: object) -> bool:
        return site in self.arrays

    def __getitem__(self, site: str) -> NDArray[Any]:
        """Read-only array of shape (n, …) of one site, axes as in `layouts`."""
        if site not in self.arrays:
            near = ", ".join(repr(one) for one in check.nearest(str(site), self.sites))
            raise UnknownSite(
                f"site must be a captured one, got {site!r}; nearest: {near}; capture it first"
            )
        array = self.arrays[site]
        if isinstance(array, StoredArray):
            array.check()
        return array

    def unit_axis(self, site: str) -> int:
        """Axis of the units in ``acts[site]``; 1 if the layout names none."""
        array = self[site]
        axis = layout.unit_axis(self.layouts.get(site, ""))
        return axis if axis is not None and 1 <= axis < array.ndim else 1

    def units(self, site: str) -> NDArray[Any]:
        """View of shape (n, units, positions): any layout, seen unit by unit.

        Notes
        -----
        A site with one value a unit has one position. No value is copied.
        """
        array = self[site]
        if array.ndim < 2:
            return array.reshape(len(array), 1, 1)
        moved = np.moveaxis(array, self.unit_axis(site), 1)
        return moved.reshape(*moved.shape[:2], math.prod(moved.shape[2:]))

    def take(self, ids: Iterable[int | str] | ArrayLike) -> "Activations":
        """Activations of some samples, in that order, in memory.

        Raises
        ------
        KeyError
            If an id is not among the rows.
        """
        places = self.rows.positions(ids)
        rows = self.rows.take(places)
        arrays = {site: np.asarray(array[places]) for site, array in self.arrays.items()}
        bad = {
            site: int(np.count_nonzero(~np.isfinite(arrays[site]))) if count else 0
            for site, count in self.n_nonfinite.items()
        }
        mask = None if self.mask is None else self.mask[places]
        given = {**self.origin.given, "data": None}  # as loaded they were more
        origin = replace(self.origin, rows=rows.digest, given=given)
        return Activations(arrays, rows, origin, self.layouts, bad, mask)

    def to_frame(self, site: str) -> pd.DataFrame:
        """One line a sample, one column a unit: its mean over the positions.

        Notes
        -----
        Positions without a token (see `mask`) do not count.
        """
        seen = self.units(site)
        if self.mask is not None and seen.shape[2] == self.mask.shape[1]:
            weights = self.mask / np.maximum(self.mask.sum(1, keepdims=True), 1)
            means = np.einsum("nut,nt->nu", seen.astype(np.float64), weights)
        else:
            means = seen.mean(axis=2, dtype=np.float64)
        columns = pd.RangeIndex(means.shape[1], name="unit")
        return pd.DataFrame(means, pd.Index(self.rows.ids, name=self.rows.axis), columns)

    def __repr__(self) -> str:
        head = ", ".join(f"{one} {tuple(self.arrays[one].shape[1:])}" for one in self.sites[:3])
        more = ", …" if len(self.sites) > 3 else ""
        where = f" in {self.path}" if self.path else ""
        return f"Activations({len(self)} {self.rows.axis}s: {head}{more}{where})"


def _real(site: str, values: ArrayLike) -> NDArray[Any]:
    detached = getattr(values, "detach", None)
    array = np.asarray(detached().cpu() if callable(detached) else values)
    if array.dtype.kind not in "fiub":
        raise TypeError(
            f"arrays[{site!r}] must hold real numbers, got dtype {array.dtype}; convert it first"
        )
    if array.ndim < 2:
        raise ValueError(
            f"arrays[{site!r}] must have shape (samples, units, …), got {array.shape}; "
            "add the axis of units"
        )
    return array if array.dtype.kind == "f" else array.astype(np.float32)


def _check_layout(site: str, letters: str, arrays: Mapping[str, NDArray[Any]]) -> None:
    if site not in arrays:
        near = ", ".join(repr(one) for one in check.nearest(site, arrays))
        raise UnknownSite(f"layouts must name given sites, got {site!r}; nearest: {near}")
    if len(letters.split()) != arrays[site].ndim or not letters.startswith("n "):
        raise ValueError(
            f"layouts[{site!r}] must have a letter for each axis of shape {arrays[site].shape}, "
            f'n first, got {letters!r}; write it like "n t d"'
        )


class StoredArray(np.memmap):
    """Values of a store, mapped; every use first asks whether the file still has its size.

    Notes
    -----
    Reading a mapped page that is no longer in the file ends the process by a signal. Only a file
    that shrinks between the question and the reading can still do that. What reads the memory past
    numpy (``torch.from_numpy``, compiled code) asks when it takes the array from `Activations`.
    """

    _guard: tuple[int, int, str] | None = None
    """Descriptor, bytes expected, and name of the file."""

    def __array_finalize__(self, parent: Any) -> None:
        """Views are of the same file."""
        super().__array_finalize__(parent)
        self._guard = getattr(parent, "_guard", None)

    def check(self) -> None:
        """Raise `OSError` if the file is shorter than when it was opened."""
        if self._guard is None or getattr(self, "_mmap", None) is None:  # a copy in memory
            return
        descriptor, size, name = self._guard
        there = os.fstat(descriptor).st_size
        if there < size:
            raise OSError(
                f"store must keep its size while it is open, got {name} with {there} bytes "
                f"instead of {size}; capture again, or take a copy of the store"
            )

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        """Arithmetic, on plain arrays: what comes out is no part of the file."""
        plain = [_checked(value) for value in inputs]
        if "out" in options:
            options["out"] = tuple(_checked(value) for value in options["out"])
        return getattr(ufunc, method)(*plain, **options)

    def __array_function__(self, function: Any, types: Any, arguments: Any, options: Any) -> Any:
        """Functions of numpy."""
        self.check()
        return super().__array_function__(function, types, arguments, options)

    def __getitem__(self, key: Any) -> Any:
        """Part of the values: a view or a copy."""
        self.check()
        return super().__getitem__(key)


def _checked(value: Any) -> Any:
    if isinstance(value, StoredArray):
        value.check()
        return value.view(np.ndarray)
    return value


def _checking(name: str) -> Callable[..., Any]:
    plain = getattr(np.ndarray, name)

    def method(self: StoredArray, *arguments: Any, **options: Any) -> Any:
        self.check()
        return plain(self, *arguments, **options)

    method.__name__, method.__doc__ = name, plain.__doc__
    return method


# Methods that read values without a ufunc.
for _name in (
    *("astype", "copy", "tolist", "tobytes", "tofile", "item", "take", "flatten", "ravel"),
    *("reshape", "repeat", "dot", "nonzero", "argsort", "argmax", "argmin", "argpartition"),
    *("compress", "choose", "searchsorted", "diagonal", "trace", "byteswap", "round", "clip"),
    *("min", "max", "sum", "mean", "std", "var", "prod", "any", "all", "cumsum", "cumprod"),
    *("__iter__", "__contains__", "__float__", "__int__", "__bool__", "__repr__", "__str__"),
    *("__copy__", "__deepcopy__", "__reduce__", "__array__"),
):
    setattr(StoredArray, _name, _checking(_name))


def _damaged(folder: Path, what: str) -> _io.DamagedFile:
    return _io.damaged(_WHAT, folder, what, _REMEDY)


def read_manifest(folder: Path, *, check_digest: bool = True) -> dict[str, Any]:
    """What a store says of itself, checked for form.

    Raises
    ------
    FileNotFoundError
        If there is no store at `folder`.
    ValueError
        If its manifest is damaged or of a newer schema.
    """
    file = folder / "manifest.json"
    try:
        manifest = _io.read_json(file, what=_WHAT, remedy=_REMEDY)
    except (FileNotFoundError, NotADirectoryError):
        raise FileNotFoundError(
            f"path must be a store of activations, got {folder} without a manifest.json; "
            "write one with capture(..., store=path)"
        ) from None
    if manifest.get("format") != FORMAT:
        raise _damaged(folder, f"the format is {str(manifest.get('format'))[:60]!r}")
    schema = manifest.get("schema")
    if not isinstance(schema, int):
        raise _damaged(folder, f"the schema is {str(schema)[:60]!r}")
    if schema > SCHEMA:
        raise ValueError(
            f"schema must be at most {SCHEMA}, got {schema} in {folder}; update cutaway to open it"
        )
    stated = manifest.pop("digest", None)
    if check_digest and stated != digest.of_json(manifest):
        raise _damaged(folder, "the digest of manifest.json differs")
    kinds = {"n": int, "axis": str, "rows": dict, "arrays": list, "origin": dict}
    texts, numbers = ("site", "file", "dtype", "layout"), ("bytes", "n_nonfinite")
    of_array: dict[str, type] = dict.fromkeys(texts, str) | dict.fromkeys(numbers, int)
    of_array |= dict.fromkeys(("shape", "checksums"), list)
    fits = _io.json_fits(manifest, kinds) and "mask" in manifest
    if not fits or not all(_io.json_fits(entry, of_array) for entry in manifest["arrays"]):
        raise _damaged(folder, "manifest.json lacks something or has it in another form")
    return manifest


def _small_array(folder: Path, name: object, n: int) -> NDArray[Any]:
    """Ids or mask: read into memory, first axis n."""
    file = _inside(folder, name, str(name)[:100])
    content = _io.read_bytes(file, max_bytes=_io.MAX_ARRAYS, what=_WHAT)
    try:
        array = _io.parse_array(content, max_bytes=_io.MAX_ARRAYS)
    except ValueError as error:
        raise _damaged(folder, f"{file.name} cannot be read ({error})") from error
    if array.shape[:1] != (n,):
        raise _damaged(folder, f"{file.name} has shape {array.shape} for {n} samples")
    return array


def _inside(folder: Path, name: object, said: str) -> Path:
    try:
        file = _io.inside(folder, name)
    except ValueError as error:
        raise _damaged(folder, f"manifest.json names {said} ({error})") from error
    if not file.exists():
        raise _damaged(folder, f"{said} is missing")
    return file


def _mapped(folder: Path, entry: Mapping[str, Any], n: int) -> NDArray[Any]:
    said = f"{entry['file'][:100]} (site {entry['site'][:100]})"
    file = _inside(folder, entry["file"], said)
    with _io.open_regular(file) as opened:
        size = os.fstat(opened.fileno()).st_size
        if size != entry["bytes"]:
            raise _damaged(folder, f"{said} has {size} bytes instead of {entry['bytes']}")
        try:
            shape, kind, fortran = _io.array_header(opened)
        except (ValueError, EOFError, SyntaxError, TypeError, RecursionError) as error:
            raise _damaged(folder, f"{said} cannot be read ({error})") from error
        offset = opened.tell()
        if shape != (n, *entry["shape"]) or kind != np.dtype(entry["dtype"]) or fortran:
            raise _damaged(folder, f"{said} has shape {shape} and dtype {kind}")
        if size != offset + math.prod(shape) * kind.itemsize:
            raise _damaged(folder, f"{said} has {size} bytes for shape {shape}")
        if 0 in shape:  # nothing to map
            return np.zeros(shape, kind)
        array = StoredArray(opened, kind, "r", offset, shape)
        # a descriptor of its own, closed with the last view
        array._guard = _Descriptor.of(opened.fileno(), size, str(file))  # noqa: SLF001 - one unit
    return array


class _Descriptor(tuple[int, int, str]):
    """A duplicate of a file's descriptor, closed when nobody refers to it any more."""

    __slots__ = ()

    @classmethod
    def of(cls, descriptor: int, size: int, name: str) -> "_Descriptor":
        """Guard of an open file."""
        return cls((os.dup(descriptor), size, name))

    def __del__(self) -> None:
        os.close(self[0])


def _check_values(
    folder: Path,
    entries: Iterable[Mapping[str, Any]],
    arrays: Mapping[str, NDArray[Any]],
    tick: Tick,
) -> None:
    """Compare all values with their checksums, which must cover every sample."""
    total = max(1, sum(array.nbytes for array in arrays.values()))
    done = told = 0
    for entry in entries:
        array, start = arrays[entry["site"]], 0
        for stop, checksum in entry["checksums"]:
            if not start < stop <= len(array):
                raise _damaged(folder, f"the checksums of site {entry['site']} have a gap")
            part = np.ascontiguousarray(array[start:stop])
            if zlib.crc32(part.view(np.ndarray).data) != checksum:
                raise _damaged(
                    folder, f"samples {start}..{stop - 1} of site {entry['site']} differ"
                )
            done, start = done + part.nbytes, stop
            if done - told >= _CHECKED:
                told = done
                tick(done / total, f"verifying {done / 1e6:.0f} of {total / 1e6:.0f} MB")
        if start != len(array):
            raise _damaged(folder, f"the checksums of site {entry['site']} end at sample {start}")

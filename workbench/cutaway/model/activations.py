"""Captured activations: read-only arrays in memory or mapped from a store on disk."""

import json
import math
import os
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from cutaway.core import Index, Origin, check, digest
from cutaway.model import layout
from cutaway.model.errors import UnknownSite

FORMAT = "cutaway-activations"
SCHEMA = 1


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
        cls, path: str | os.PathLike[str], *, verify: bool | Literal["full"] = True
    ) -> "Activations":
        """Activations of a store, mapped: nothing is read until it is used.

        Parameters
        ----------
        path : path-like
            Folder that `capture` or `save` wrote.
        verify : bool or "full"
            True checks the manifest, and shapes and sizes of all files; "full" reads all values and
            compares their checksums.

        Raises
        ------
        FileNotFoundError
            If there is no store.
        ValueError
            If it is damaged or of a newer schema; says which file and what to do.
        """
        folder = Path(path)
        manifest = _manifest(folder, check_digest=bool(verify))
        arrays = {one["site"]: _mapped(folder, one, manifest["n"]) for one in manifest["arrays"]}
        mask = None if manifest["mask"] is None else np.load(folder / manifest["mask"]["file"])
        try:
            ids = np.load(folder / manifest["rows"]["file"], allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise _damaged(folder, f"its ids cannot be read ({error})") from error
        rows = Index(ids, manifest["axis"])
        if verify and rows.digest != manifest["rows"]["digest"]:
            raise _damaged(folder, "the digest of its ids differs")
        if verify == "full":
            for one in manifest["arrays"]:
                _check_values(folder, one, arrays[one["site"]])
        return cls(
            arrays,
            rows,
            Origin.from_json(manifest["origin"]),
            {one["site"]: one["layout"] for one in manifest["arrays"]},
            {one["site"]: one["n_nonfinite"] for one in manifest["arrays"]},
            mask,
            folder,
        )

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
        return self.arrays[site]

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


def _damaged(folder: Path, what: str) -> ValueError:
    return ValueError(
        f"path must be a whole store of activations, got {folder} where {what}; "
        "delete it and capture again"
    )


def _manifest(folder: Path, *, check_digest: bool) -> dict[str, Any]:
    file = folder / "manifest.json"
    if not file.is_file():
        raise FileNotFoundError(
            f"path must be a store of activations, got {folder} without a manifest.json; "
            "write one with capture(..., store=path)"
        )
    try:
        manifest = json.loads(file.read_text(encoding="utf-8"))
        known = manifest["format"] == FORMAT
        schema = int(manifest["schema"])
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(folder, f"manifest.json cannot be read ({error})") from error
    if not known:
        raise _damaged(folder, f"the format is {manifest['format']!r}")
    if schema > SCHEMA:
        raise ValueError(
            f"schema must be at most {SCHEMA}, got {schema} in {folder}; update cutaway to open it"
        )
    stated = manifest.pop("digest", None)
    if check_digest and stated != digest.of_json(manifest):
        raise _damaged(folder, "the digest of manifest.json differs")
    return dict(manifest)


def _mapped(folder: Path, entry: Mapping[str, Any], n: int) -> NDArray[Any]:
    file = folder / entry["file"]
    if not file.is_file():
        raise _damaged(folder, f"{entry['file']} (site {entry['site']}) is missing")
    if file.stat().st_size != entry["bytes"]:
        raise _damaged(
            folder,
            f"{entry['file']} (site {entry['site']}) has {file.stat().st_size} bytes "
            f"instead of {entry['bytes']}",
        )
    try:
        array: NDArray[Any] = np.load(file, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise _damaged(folder, f"{entry['file']} cannot be read ({error})") from error
    if array.shape != (n, *entry["shape"]) or array.dtype != np.dtype(entry["dtype"]):
        raise _damaged(folder, f"{entry['file']} has shape {array.shape} and dtype {array.dtype}")
    return array


def _check_values(folder: Path, entry: Mapping[str, Any], array: NDArray[Any]) -> None:
    start = 0
    for stop, checksum in entry["checksums"]:
        if zlib.crc32(np.ascontiguousarray(array[start:stop]).data) != checksum:
            raise _damaged(folder, f"samples {start}..{stop - 1} of site {entry['site']} differ")
        start = stop

"""Where a capture writes to: arrays in memory, or a folder on disk that survives a kill.

A store says what it holds: the plan (model, data, sites and every option that changes a value),
part by part, and digests of what the samples held. Another plan, or other samples under the same
ids, is refused by the name of what differs; nothing is ever mixed or written over.
"""

import errno
import json
import math
import os
import shutil
import stat
import sys
import zlib
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
import torch
import xxhash
from numpy.typing import NDArray
from torch import Tensor

from cutaway.core import Index, Origin, _io, digest
from cutaway.model.activations import FORMAT, SCHEMA, Activations

if sys.platform != "win32":
    import fcntl


@dataclass(frozen=True, eq=False)
class Plan:
    """Everything that is known before the first value is written.

    Parameters
    ----------
    sites, layouts : tuple of str
        Names, and meaning of the axes.
    shapes : tuple of tuple of int
        Shape of one sample, a site.
    dtype : str
        "float32" or "float16".
    rows : Index
        Ids of all samples.
    origin : Origin
        What is computed; a partial store goes on only under an equal digest.
    mask : ndarray of bool of shape (n, t) or None
        See `Activations`.
    decides : mapping of str to str
        What else decides the values, by a name for people: structure of the model, how texts become
        tokens, edits at work.
    """

    sites: tuple[str, ...]
    layouts: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    dtype: str
    rows: Index
    origin: Origin
    mask: NDArray[np.bool_] | None
    decides: Mapping[str, str]

    @property
    def sizes(self) -> tuple[int, ...]:
        """Bytes, a site."""
        width = np.dtype(self.dtype).itemsize * len(self.rows)
        return tuple(width * math.prod(shape) for shape in self.shapes)

    @property
    def parts(self) -> dict[str, str]:
        """Everything that decides the values, but the content of the samples, by name."""
        origin = self.origin
        mask = {} if self.mask is None else {"mask": self.mask}
        return {
            "model": origin.model,
            "weights": origin.weights,
            **self.decides,
            "data": origin.data,
            "ids of the samples": origin.rows,
            "sites": ", ".join(self.sites),
            "shapes": ", ".join("x".join(map(str, shape)) for shape in self.shapes),
            "dtype": self.dtype,
            "pool": str(origin.parameters.get("pool")),
            "batch_size": str(origin.parameters.get("batch_size")),
            "lengths of the texts": digest.of_arrays(mask) if mask else "",
        }

    @property
    def digest(self) -> str:
        """Equal for two captures that must give the same store, if the samples hold the same."""
        return digest.of_json([self.parts, SCHEMA])

    def difference(self, stored: Mapping[str, Any]) -> str:
        """Which parts of a stored plan are others, in one line; empty if none is."""
        mine = self.parts
        names = [name for name in mine if stored.get(name, "") != mine[name]]
        names += [name for name in stored if name not in mine]
        told = [f"{name} {_short(stored.get(name))} instead of {_short(mine.get(name))}"
                for name in names]  # fmt: skip
        return "; ".join(told)


class Store(Protocol):
    """What a capture writes to, a batch at a time, in order."""

    n_done: int

    def write(self, place: int, start: int, values: Tensor) -> None:
        """Keep the values of one site from sample `start` on."""

    def commit(self, stop: int, digests: Sequence[bytes]) -> None:
        """Note that all sites are complete before sample `stop`, and what the new samples held."""

    def finish(self, origin: Origin) -> Activations:
        """The whole, to read."""


class MemoryStore:
    """Arrays in memory."""

    def __init__(self, plan: Plan) -> None:
        self.n_done = 0
        self._plan = plan
        n = len(plan.rows)
        kind = getattr(torch, plan.dtype)
        # torch's memory, not numpy's: numpy asks for huge pages, and waiting for the system to put
        # some together made large captures up to twice as slow (bench/capture.py)
        self._tensors = [torch.empty((n, *shape), dtype=kind) for shape in plan.shapes]
        self._arrays = [one.numpy() for one in self._tensors]
        self._bad = [0] * len(plan.sites)

    def write(self, place: int, start: int, values: Tensor) -> None:
        """Copy straight into the array; cast and transfer happen on the way."""
        _check_shape(self._plan, place, values)
        target = self._tensors[place][start : start + len(values)]
        target.copy_(values)
        self._bad[place] += count_nonfinite(target)

    def commit(self, stop: int, digests: Sequence[bytes]) -> None:  # noqa: ARG002 - a protocol
        """Note the progress."""
        self.n_done = stop

    def finish(self, origin: Origin) -> Activations:
        """Activations around the arrays."""
        plan = self._plan
        return Activations(
            dict(zip(plan.sites, self._arrays, strict=True)),
            plan.rows,
            origin,
            dict(zip(plan.sites, plan.layouts, strict=True)),
            dict(zip(plan.sites, self._bad, strict=True)),
            plan.mask,
        )


class DiskStore:
    """A folder under a temporary name, with a log of the batches that are complete.

    Values go to their final place in preallocated npy files by plain writes: they never count as
    memory of the process, and after a kill everything before the last line of the log is there. The
    folder gets its own name when it is complete.

    Parameters
    ----------
    path : path-like
        The final name.
    plan : Plan
        What will be written. A partial folder of an equal plan is continued.

    Raises
    ------
    OSError
        If the disk cannot hold it.
    FileExistsError
        If the partial folder belongs to another plan; names what differs.
    BlockingIOError
        If another process is writing it.
    """

    def __init__(self, path: str | os.PathLike[str], plan: Plan) -> None:
        self.path = Path(path)
        self.partial = partial_folder(self.path)
        self.n_done = 0
        self._plan = plan
        self._batches: list[dict[str, Any]] = []
        self._checksums = [0] * len(plan.sites)
        self._bad = [0] * len(plan.sites)
        self._files: list[FileIO] = []
        self._offsets: list[int] = []
        self._open = ExitStack()

    def __enter__(self) -> Self:
        try:
            self._log = self._locked()
            self._go_on_or_create()
            for place in range(len(self._plan.sites)):
                self._offsets.append(self._offset(place))
                self._files.append(self._open.enter_context(FileIO(self._file(place), "r+")))
            self._resume()
        except BaseException:
            self._open.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def write(self, place: int, start: int, values: Tensor) -> None:
        """Write one contiguous piece of one file."""
        _check_shape(self._plan, place, values)
        kept = values.to("cpu", getattr(torch, self._plan.dtype)).contiguous()
        buffer = kept.numpy().reshape(-1).view(np.uint8).data
        width = len(buffer) // len(kept)
        self._put(self._files[place], buffer, self._offsets[place] + start * width)
        self._checksums[place] = zlib.crc32(buffer)
        self._bad[place] = count_nonfinite(kept)

    def commit(self, stop: int, digests: Sequence[bytes]) -> None:
        """Append one line to the log; a line cut by a kill does not count."""
        entry = {
            "stop": stop,
            "content": content_of_batch(digests),
            "checksums": self._checksums,
            "n_nonfinite": self._bad,
        }
        line = (json.dumps(entry) + "\n").encode()
        self._batches.append(json.loads(line))
        self._put(self._log, line, None)
        self.n_done = stop

    def finish(self, origin: Origin) -> Activations:
        """Flush, write the manifest, give the folder its name, and open it."""
        try:
            for file in self._files:
                os.fsync(file.fileno())
            self._write_manifest(origin)
            self.partial.rename(self.path)
        except OSError as error:
            raise self._full(error) from error
        remove_working_files(self.path)
        return Activations.open(self.path)

    def stored(self, place: int, stop: int) -> NDArray[Any]:
        """First values of a site, as they lie on the disk."""
        shape, kind = self._plan.shapes[place], np.dtype(self._plan.dtype)
        file = self._files[place]
        file.seek(self._offsets[place])
        return np.frombuffer(file.read(stop * math.prod(shape) * kind.itemsize), kind).reshape(
            stop, *shape
        )

    @property
    def batches(self) -> tuple[tuple[int, int, str], ...]:
        """First sample, last sample and digest of the content of each batch that is complete."""
        stops = [0, *(entry["stop"] for entry in self._batches)]
        return tuple(
            (start, entry["stop"], entry["content"])
            for start, entry in zip(stops, self._batches, strict=False)
        )

    def refuse(self, why: str) -> FileExistsError:
        """The error for a partial store that is not of this capture."""
        return FileExistsError(
            f"store must not exist yet or hold this very capture, got {self.partial} of one that "
            f"was interrupted and has {why}; choose another path, or delete that folder to begin "
            "anew"
        )

    def _locked(self) -> FileIO:
        """The log, which no other process may hold."""
        self.partial.mkdir(parents=True, exist_ok=True)
        for file in self.partial.iterdir():
            if not stat.S_ISREG(file.lstat().st_mode):  # nothing that we wrote: a pipe would hang
                raise _io.damaged(
                    "a half-written store of regular files",
                    file,
                    "a folder, link, pipe or device",
                    "delete it and capture again",
                )
        log = self._open.enter_context(FileIO(self.partial / "log.jsonl", "a+"))
        if sys.platform != "win32":
            try:
                fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise BlockingIOError(
                    errno.EAGAIN,
                    f"store must be written by one capture at a time, got {self.path} which "
                    "another one is writing; wait for it or choose another path",
                ) from error
        return log

    def _go_on_or_create(self) -> None:
        """Make the files, unless they are there and are of this very plan."""
        note = self.partial / "plan.json"
        if not note.exists():  # a kill came before the files were ready
            self._create()
            return
        try:
            stored = _io.read_json(note, what="the plan of a partial store")
            different = self._plan.difference(stored["parts"])
            unlike = stored["digest"] != self._plan.digest
        except (_io.DamagedFile, KeyError, TypeError, AttributeError) as error:
            raise self.refuse(f"a damaged plan.json ({' '.join(str(error).split())})") from error
        if different or unlike:
            raise self.refuse(different or "another schema")

    def _offset(self, place: int) -> int:
        """Where the values of one file begin, if it is the file that the plan says."""
        plan = self._plan
        shape = (len(plan.rows), *plan.shapes[place])
        try:
            with _io.open_regular(self._file(place)) as file:
                declared = _io.array_header(file)
                offset = file.tell()
                size = os.fstat(file.fileno()).st_size
        except (OSError, ValueError, EOFError, SyntaxError, TypeError) as error:
            raise self.refuse(f"a damaged {self._file(place).name} ({error})") from error
        if declared != (shape, np.dtype(plan.dtype), False) or size != offset + plan.sizes[place]:
            raise self.refuse(f"a damaged {self._file(place).name}")
        return offset

    def _create(self) -> None:
        plan = self._plan
        self._log.truncate(0)
        for old in self.partial.iterdir():
            if old.name != "log.jsonl":
                old.unlink()
        try:
            np.save(self.partial / "rows.npy", plan.rows.ids)
            if plan.mask is not None:
                np.save(self.partial / "mask.npy", plan.mask)
            for place, shape in enumerate(plan.shapes):
                whole = (len(plan.rows), *shape)
                np.lib.format.open_memmap(self._file(place), "w+", plan.dtype, whole)
                _reserve(self._file(place))
            with _io.whole_file(self.partial / "plan.json") as file:
                file.write_text(json.dumps({"digest": plan.digest, "parts": plan.parts}))
        except OSError as error:
            shutil.rmtree(self.partial)
            size = sum(plan.sizes)
            raise OSError(
                error.errno,
                f"store must lie on a disk with {size} bytes free, got {self.path} where "
                f"{error.strerror or error}; free some space or choose another path "
                "(nothing was kept)",
            ) from error

    def _resume(self) -> None:
        """Go on after the last batch whose line is whole and whose values are what it says."""
        size = 0
        n = len(self._plan.rows)
        self._log.seek(0)
        for line in self._log.readall().splitlines(keepends=True):
            entry = _log_entry(line, self.n_done, n, len(self._plan.sites))
            if entry is None or entry["checksums"] != self._found(entry["stop"]):
                break
            self._batches.append(entry)
            self.n_done = entry["stop"]
            size += len(line)
        self._log.truncate(size)

    def _found(self, stop: int) -> list[int]:
        """Checksums of what the files hold from `n_done` to `stop`."""
        found = []
        for place, file in enumerate(self._files):
            width = self._plan.sizes[place] // len(self._plan.rows)
            file.seek(self._offsets[place] + self.n_done * width)
            found.append(zlib.crc32(file.read((stop - self.n_done) * width)))
        return found

    def _write_manifest(self, origin: Origin) -> None:
        plan = self._plan
        arrays = [
            {
                "site": site,
                "file": self._file(place).name,
                "shape": list(plan.shapes[place]),
                "dtype": plan.dtype,
                "layout": plan.layouts[place],
                "bytes": self._file(place).stat().st_size,
                "n_nonfinite": sum(one["n_nonfinite"][place] for one in self._batches),
                "checksums": [[one["stop"], one["checksums"][place]] for one in self._batches],
            }
            for place, site in enumerate(plan.sites)
        ]
        manifest = {
            "format": FORMAT,
            "schema": SCHEMA,
            "plan": {"digest": plan.digest, "parts": plan.parts},
            "content": origin.content,
            "n": len(plan.rows),
            "axis": plan.rows.axis,
            "rows": {"file": "rows.npy", "digest": plan.rows.digest},
            "mask": None if plan.mask is None else {"file": "mask.npy"},
            "origin": origin.to_json(),
            "arrays": arrays,
        }
        manifest["digest"] = digest.of_json(json.loads(json.dumps(manifest)))
        with (self.partial / "manifest.json").open("w", encoding="utf-8") as file:
            json.dump(manifest, file, indent=1)
            file.flush()
            os.fsync(file.fileno())

    def _file(self, place: int) -> Path:
        return self.partial / f"{place:04d}.npy"

    def _put(self, file: FileIO, buffer: Any, offset: int | None) -> None:
        try:
            if offset is not None:
                file.seek(offset)
            rest = memoryview(buffer)
            while rest:  # a nearly full disk takes less than it is given
                rest = rest[file.write(rest) or 0 :]
        except OSError as error:
            raise self._full(error) from error

    def _full(self, error: OSError) -> OSError:
        return OSError(
            error.errno,
            f"store must lie on a disk with room, got {self.path} where writing failed after "
            f"{self.n_done} of {len(self._plan.rows)} samples ({error.strerror or error}); free "
            f"some space and run the same capture again: it goes on from {self.partial}",
        )


def partial_folder(path: Path) -> Path:
    """Name of the store while it is not complete."""
    return path.with_name(f".{path.name}.partial")


def remove_working_files(path: Path) -> None:
    """Delete what only an unfinished store needs; a kill may have come in between."""
    for leftover in ("plan.json", "log.jsonl"):
        (path / leftover).unlink(missing_ok=True)


def content_of_batch(digests: Sequence[bytes]) -> str:
    """Digest of what the samples of a batch held, from one digest per sample."""
    return xxhash.xxh3_64_hexdigest(b"".join(digests))


def _log_entry(line: bytes, n_done: int, n: int, n_sites: int) -> dict[str, Any] | None:
    """What one line of the log says; None if a kill cut it, or it cannot be true."""
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    kinds = {"stop": int, "content": str, "checksums": list, "n_nonfinite": list}
    if not line.endswith(b"\n") or not _io.json_fits(entry, kinds):
        return None
    numbers = [*entry["checksums"], *entry["n_nonfinite"]]
    whole = all(isinstance(number, int) and number >= 0 for number in numbers)
    if not (n_done < entry["stop"] <= n and len(numbers) == 2 * n_sites and whole):
        return None
    return dict(entry)


def count_nonfinite(values: Tensor) -> int:
    """How many values are NaN or infinite.

    Notes
    -----
    A sum is finite only if all of its terms are, and costs a tenth of looking at each; only a sum
    that is not finite (which large values may also make) is followed by the count itself.
    """
    if math.isfinite(float(values.sum(dtype=torch.float32))):
        return 0
    return int(values.numel() - torch.isfinite(values).sum())


def _check_shape(plan: Plan, place: int, values: Tensor) -> None:
    expected: Sequence[int] = plan.shapes[place]
    if tuple(values.shape[1:]) != tuple(expected):
        raise ValueError(
            f"site {plan.sites[place]} must return one shape for all batches, got "
            f"{tuple(values.shape[1:])} after {tuple(expected)}; give samples of one size"
        )


def _reserve(file: Path) -> None:
    """Take the disk space now, where the system can, so that a full disk shows before the work."""
    if not hasattr(os, "posix_fallocate"):
        return
    with FileIO(file, "r+") as opened:
        os.posix_fallocate(opened.fileno(), 0, file.stat().st_size)


def _short(value: object) -> str:
    text = " ".join(str("nothing" if value in (None, "") else value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."

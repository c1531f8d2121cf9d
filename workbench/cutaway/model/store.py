"""Where a capture writes to: arrays in memory, or a folder on disk that survives a kill."""

import errno
import json
import math
import os
import shutil
import sys
import zlib
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cutaway.core import Index, Origin, digest
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
    """

    sites: tuple[str, ...]
    layouts: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    dtype: str
    rows: Index
    origin: Origin
    mask: NDArray[np.bool_] | None

    @property
    def sizes(self) -> tuple[int, ...]:
        """Bytes, a site."""
        width = np.dtype(self.dtype).itemsize * len(self.rows)
        return tuple(width * math.prod(shape) for shape in self.shapes)

    @property
    def digest(self) -> str:
        """Equal for two captures that must give the same store."""
        return digest.of_json([self.origin.digest, self.sites, self.shapes, self.dtype, SCHEMA])


class Store(Protocol):
    """What a capture writes to, a batch at a time, in order."""

    n_done: int

    def write(self, place: int, start: int, values: Tensor) -> None:
        """Keep the values of one site from sample `start` on."""

    def commit(self, stop: int) -> None:
        """Note that all sites are complete before sample `stop`."""

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

    def commit(self, stop: int) -> None:
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
        What will be written. A partial folder of an equal plan is continued, another replaced.

    Raises
    ------
    OSError
        If the disk cannot hold it.
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
            if self._planned() != self._plan.digest:
                self._create()
            for place in range(len(self._plan.sites)):
                array = np.load(self._file(place), mmap_mode="r")
                self._offsets.append(int(array.offset))
                del array
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

    def commit(self, stop: int) -> None:
        """Append one line to the log; a line cut by a kill does not count."""
        entry = {"stop": stop, "checksums": self._checksums, "n_nonfinite": self._bad}
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
        for leftover in ("plan.json", "log.jsonl"):
            (self.path / leftover).unlink(missing_ok=True)
        return Activations.open(self.path)

    def stored(self, place: int, stop: int) -> NDArray[Any]:
        """First values of a site, as they lie on the disk."""
        array = np.load(self._file(place), mmap_mode="r")
        return np.array(array[:stop])

    def restart(self) -> None:
        """Forget what is there: the same plan, but other values."""
        self._log.truncate(0)
        self._batches.clear()
        self.n_done = 0

    def _locked(self) -> FileIO:
        """The log, which no other process may hold."""
        self.partial.mkdir(parents=True, exist_ok=True)
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

    def _planned(self) -> str:
        try:
            return str(json.loads((self.partial / "plan.json").read_text())["digest"])
        except (OSError, ValueError, KeyError, TypeError):
            return ""

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
            (self.partial / "plan.json").write_text(json.dumps({"digest": plan.digest}))
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
        self._log.seek(0)
        for line in self._log.readall().splitlines(keepends=True):
            try:
                entry = json.loads(line)
            except ValueError:
                break
            if not line.endswith(b"\n") or entry["checksums"] != self._found(entry["stop"]):
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
            "plan": plan.digest,
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


def finished_plan(path: Path) -> str:
    """Digest of the plan of a complete store, or an empty string."""
    try:
        return str(json.loads((path / "manifest.json").read_text(encoding="utf-8"))["plan"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


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

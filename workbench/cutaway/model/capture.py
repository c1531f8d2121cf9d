"""Activations of some sites for all samples of a data set, in one pass and at a known cost."""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cutaway.core import Origin, Tick, check, digest, part, silent
from cutaway.data.batching import batches
from cutaway.data.content import contents, digests_of, keep_content, read_content
from cutaway.data.dataset import Batch, Dataset
from cutaway.model import layout, resolve
from cutaway.model.activations import Activations, read_manifest
from cutaway.model.card import CostCard, byte_count, bytes_text
from cutaway.model.errors import BudgetExceeded
from cutaway.model.hooks import evaluating, hooked
from cutaway.model.macs import macs
from cutaway.model.model import Model, as_model, given
from cutaway.model.recorder import Enough, Recorder, Take, Wanted
from cutaway.model.sites import sites as every_site
from cutaway.model.store import (
    DiskStore,
    MemoryStore,
    Plan,
    Store,
    content_of_batch,
    partial_folder,
    remove_working_files,
)

Folder: TypeAlias = str | PathLike[str]
Show: TypeAlias = Callable[[str], None] | None


def capture(
    model: Model | nn.Module,
    data: Dataset,
    sites: resolve.Where,
    *,
    store: Folder | None = None,
    max_bytes: int | str = "1GB",
    batch_size: int | None = None,
    dtype: Literal["float32", "float16"] = "float32",
    pool: int | None = None,
    tick: Tick = silent,
    show: Show = print,
) -> Activations:
    """Activations of some sites for all samples, in memory or in a store on disk.

    Parameters
    ----------
    model : Model or torch.nn.Module
        Runs in eval mode without gradients; its modes are the same afterwards. Its lock is held.
    data : Dataset
        Samples, in the order in which they are kept.
    sites : Sites, Site, str, or sequence of Site and str
        What to capture; names may be patterns, ``"relu#2"`` is the second call of a reused module.
    store : path-like or None
        Folder to write; None keeps the arrays in memory. A store of the same capture is opened
        instead of computed again, and one that was interrupted is continued. Before, the samples
        are read once more and compared with what they were, and all stored values with their
        checksums: the cost of reading both, without the forward passes.
    max_bytes : int or str
        The most that the arrays may take, in memory or on disk: ``64_000_000``, ``"64MB"``,
        ``"1GiB"``. With a store, the memory needed beyond the model is two batches.
    batch_size : int or None
        Samples a batch; None chooses one from the shapes.
    dtype : {"float32", "float16"}
        How values are kept. What float16 cannot hold becomes infinite, and is counted.
    pool : int or None
        Average pictures and volumes of channels to at most this many places an axis.
    tick : Tick
        Called after each batch.
    show : callable or None
        Gets the cost card as text before the work begins; None: nobody.

    Returns
    -------
    Activations
        Values of the outputs as the modules returned them, before anything changed them in place.

    Raises
    ------
    BudgetExceeded
        If the estimate exceeds `max_bytes` or the disk's free space. One batch has run by then.
    UnknownSite
        If a name is no site of the model.
    ValueError
        If the data set is empty, an argument is out of range, or a site has no fixed shape.
    RuntimeError
        If the model fails on a batch (says on which samples) or never reaches a site.
    FileExistsError
        If `store`, or the interrupted one beside it, holds something else; names what differs.
    OSError
        If the disk becomes full; the partial store is kept and goes on at the next call.

    Notes
    -----
    The forward ends at the last wanted site. Whatever interrupts the work (Ctrl-C, `Cancelled` from
    the tick, an error), no hook stays, and a partial store stays in ``.NAME.partial``; the next
    call with the same arguments goes on after its last whole batch, with the same values to the
    bit.
    Texts of different length are kept with 0 after their end, see `Activations.mask`.
    """
    began = time.perf_counter()
    limit = byte_count("max_bytes", max_bytes)
    opened = as_model(model)
    with opened.lock:
        job = _job(opened, data, sites, batch_size=batch_size, dtype=dtype, pool=pool)
        with job.watching():
            tick(0.0, "capture: first batch")
            first, digests, seconds = job.warm_up()
            plan = job.plan(first)
            if store is not None and Path(store).exists():
                acts = _finished(Path(store), data, plan, first, tick=tick, show=show)
                tick(1.0, "capture: opened")
                return acts
            card = job.card(plan, seconds, store, limit)
            if show is not None:
                show(str(card))
            _afford(card, max_bytes)
            with _writing(store, plan) as kept:
                digests = job.run(kept, first, digests, tick)
                content = keep_content(data, digests)
                origin = replace(plan.origin, content=content)
                acts = kept.finish(origin.after(time.perf_counter() - began))
    tick(1.0, f"capture: {len(data)} samples")
    return acts


def cost_card(
    model: Model | nn.Module,
    data: Dataset,
    sites: resolve.Where,
    *,
    store: Folder | None = None,
    max_bytes: int | str = "1GB",
    batch_size: int | None = None,
    dtype: Literal["float32", "float16"] = "float32",
    pool: int | None = None,
) -> CostCard:
    """What `capture` with the same arguments would cost, from one batch; nothing is kept.

    The card also counts the parameters and multiply-accumulates of each site's module.

    Raises
    ------
    UnknownSite, ValueError, RuntimeError
        As `capture`.
    """
    limit = byte_count("max_bytes", max_bytes)
    opened = as_model(model)
    with opened.lock:
        job = _job(opened, data, sites, batch_size=batch_size, dtype=dtype, pool=pool)
        with job.watching():
            first, _, seconds = job.warm_up()
        card = job.card(job.plan(first), seconds, store, limit)
        tree = every_site(opened, data)
        counts = macs(opened, tree)
    return replace(
        card,
        parameters=tuple(tree.one(one).n_parameters for one in card.sites),
        macs=tuple(counts[one] for one in card.sites),
    )


@dataclass(frozen=True, eq=False)
class _Job:
    """One capture: what runs, and how a batch goes through it."""

    model: Model
    data: Dataset
    wanted: tuple[Wanted, ...]
    recorder: Recorder
    batch_size: int
    dtype: str
    pool: int | None
    mask: NDArray[np.bool_] | None

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Eval mode, no gradients, hooks in place."""
        module = self.model.module
        with evaluating(module), hooked(module, self.recorder.watchers()):
            yield

    def warm_up(self) -> tuple[list[Tensor], list[bytes], float]:
        """Outputs of the first batch by site, digests of its samples, and the seconds it took."""
        first: dict[int, Tensor] = {}

        def take(place: int, values: Tensor) -> None:
            first[place] = values.to("cpu", getattr(torch, self.dtype), copy=True)

        began = time.perf_counter()
        n = min(self.batch_size, len(self.data))
        batch = self.data.batch(np.arange(n))
        self.forward(batch, 0, take)
        seconds = time.perf_counter() - began
        return [first[place] for place in range(len(self.wanted))], list(contents(batch)), seconds

    def forward(self, batch: Batch, start: int, take: Take) -> None:
        """Run the model until the last wanted site has spoken."""
        inputs = self.model.inputs(batch)
        rows = None if self.mask is None else self.mask[start : start + len(batch)]
        mask = None if rows is None else torch.from_numpy(rows)
        length = 0 if rows is None else resolve.n_positions(inputs)
        self.recorder.begin(len(batch), take, mask, length)
        failure: Exception | None = None
        try:
            self.model.call(inputs)
        except Enough:
            return
        except Exception as error:  # noqa: BLE001 - models may raise anything
            failure = error
        if self.recorder.error is not None:  # ours: it has its own message
            raise self.recorder.error
        if failure is not None:
            raise RuntimeError(self.model.failure(inputs, failure, batch.ids)) from failure
        if self.recorder.missing():
            raise RuntimeError(
                f"sites must be reached for every batch, got {self.recorder.missing()[0]!r} which "
                f"the forward of samples {batch.ids[0]!r} … {batch.ids[-1]!r} left out; "
                "choose a site that always runs"
            )

    def plan(self, first: list[Tensor]) -> Plan:
        """Names, shapes and origin, known after the first batch."""
        rows = self.data.index
        parameters: dict[str, Any] = {
            "sites": [one.name for one in self.wanted],
            "dtype": self.dtype,
            "pool": self.pool,
            "batch_size": self.batch_size,
        }
        edits = self.model.active_edits
        if edits:
            parameters["edits"] = edits
        kept = [one.kept for one in self.wanted]
        axes = [len(letters.split()) for letters in kept]
        return Plan(
            sites=tuple(one.name for one in self.wanted),
            layouts=tuple(
                letters if n == values.ndim else layout.usual(values.ndim)
                for letters, n, values in zip(kept, axes, first, strict=True)
            ),
            shapes=tuple(tuple(values.shape[1:]) for values in first),
            dtype=self.dtype,
            rows=rows,
            origin=Origin(
                "capture",
                parameters,
                model=self.model.name,
                weights=self.model.digest,
                site=", ".join(one.name for one in self.wanted),
                data=self.data.name,
                rows=rows.digest,
                given=given(self.model, self.data) | {"capture": parameters},
            ),
            mask=self.mask,
            decides={
                "structure of the model": self.model.structure,
                "reading of texts": digest.of_json(self.model.reading),
                "edits": digest.of_json(edits) if edits else "",
            },
        )

    def card(self, plan: Plan, seconds: float, store: Folder | None, limit: int) -> CostCard:
        """The estimate for all batches."""
        n = len(self.data)
        return CostCard(
            model=self.model.name,
            data=self.data.name,
            n=n,
            batch_size=self.batch_size,
            sites=plan.sites,
            shapes=plan.shapes,
            dtype=plan.dtype,
            sizes=plan.sizes,
            limit=limit,
            free=None if store is None else _free(Path(store)),
            seconds=seconds * n / min(self.batch_size, n),
            where="memory" if store is None else str(store),
        )

    def run(
        self, kept: Store, first: list[Tensor], digests: list[bytes], tick: Tick
    ) -> list[bytes]:
        """All batches that are not in the store yet; the first one ran before.

        Returns
        -------
        list of bytes
            A digest of what each sample held.
        """
        n = len(self.data)
        if isinstance(kept, DiskStore) and kept.n_done:
            digests = self.compare(kept, first, tick)
        else:
            for place, values in enumerate(first):
                kept.write(place, 0, values)
            kept.commit(len(first[0]), digests)
        first.clear()
        start = kept.n_done
        for batch in batches(self.data, self.batch_size, start=start):
            tick(start / n, f"capture: {start}/{n} samples")
            at = start
            self.forward(batch, at, lambda place, values, at=at: kept.write(place, at, values))  # type: ignore[misc]
            start += len(batch)
            of_batch = contents(batch)
            kept.commit(start, of_batch)
            digests += of_batch
        return digests

    def compare(self, disk: DiskStore, first: list[Tensor], tick: Tick) -> list[bytes]:
        """Digests of the samples that an interrupted store holds, read again.

        Raises
        ------
        FileExistsError
            If they are no longer what was captured, or the model no longer gives the same values.
        """
        n, ids = len(self.data), self.data.index.ids
        digests: list[bytes] = []
        for start, stop, content in disk.batches:
            tick(0.0, f"capture: comparing {stop}/{n} samples")
            of_batch = digests_of(self.data, np.arange(start, stop))
            if content_of_batch(of_batch) != content:
                raise disk.refuse(
                    f"other content in samples {ids[start].item()!r} … {ids[stop - 1].item()!r} "
                    f"of data {self.data.name!r}"
                )
            digests += of_batch
        rows = min(len(first[0]), disk.n_done)
        if not all(_same(disk.stored(k, rows), values[:rows]) for k, values in enumerate(first)):
            raise disk.refuse(f"other values in its first {rows} samples: the model has changed")
        return digests


def _job(
    model: Model,
    data: Dataset,
    where: resolve.Where,
    *,
    batch_size: int | None,
    dtype: str,
    pool: int | None,
) -> _Job:
    check.one_of("dtype", dtype, ("float32", "float16"))
    if len(data) == 0:
        raise ValueError(
            f"data must hold at least one sample, got 0 in {data.name!r}; load more of it"
        )
    if pool is not None:
        check.whole("pool", pool, 1, remedy="give the side of the averaged maps, e.g. 8")
    if batch_size is not None:
        check.whole("batch_size", batch_size, 1)
    found = resolve.wanted_sites(model, data, where)
    size = batch_size or resolve.usual_batch_size(data, found)
    wanted = tuple(Wanted(site.path, site.layout) for site in found)
    mask = resolve.token_mask(model, data, size)
    return _Job(model, data, wanted, Recorder(wanted, pool), size, dtype, pool, mask)


def _free(store: Path) -> int:
    """Bytes free for a store that does not exist yet; its own partial folder counts as free."""
    partial = partial_folder(store)
    taken = sum(file.lstat().st_size for file in partial.glob("*.npy"))
    folder = store.absolute().parent
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free + taken


def _afford(card: CostCard, max_bytes: int | str) -> None:
    plural = "site" if len(card.sites) == 1 else "sites"
    what = f"{bytes_text(card.total)} ({len(card.sites)} {plural} × {card.n:,} samples)"
    if card.total > card.limit:
        raise BudgetExceeded(
            f"max_bytes must hold the capture, {what}, got {max_bytes!r}; choose fewer sites, "
            "fewer samples (load_data(..., limit=)), or raise max_bytes or pool maps with pool=8",
            card,
        )
    if card.free is not None and card.total > card.free:
        raise BudgetExceeded(
            f"store must lie on a disk with room for the capture, {what}, got {card.where} with "
            f"{bytes_text(card.free)} free; choose fewer sites, fewer samples "
            "(load_data(..., limit=)), or another disk or pool=8",
            card,
        )


@contextmanager
def _writing(store: Folder | None, plan: Plan) -> Iterator[Store]:
    if store is None:
        yield MemoryStore(plan)
        return
    with DiskStore(store, plan) as disk:
        yield disk


def _finished(
    path: Path, data: Dataset, plan: Plan, first: list[Tensor], *, tick: Tick, show: Show
) -> Activations:
    """The store at `path` if it is this capture and undamaged.

    Raises
    ------
    FileExistsError
        If it is something else; names what differs.
    """
    other = (
        "store must not exist yet or hold this very capture, got {path} which {why}; "
        "choose another path or delete it first"
    )
    try:
        manifest = read_manifest(path)
        stored = manifest["plan"]
        why = "" if isinstance(stored, dict) else "an earlier version of Cutaway wrote"
        different = why or plan.difference(stored["parts"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        why = f"cannot be read ({' '.join(str(error).split())})"
        raise FileExistsError(other.format(path=path, why=why)) from error
    if different:
        why = why or f"has {different}"
        raise FileExistsError(other.format(path=path, why=why))
    if show is not None:
        size = bytes_text(sum(plan.sizes))
        show(f"capture of {plan.origin.model} on {plan.origin.data} is in {path}: verifying {size}")
    content = read_content(data, progress=part(tick, 0.0, 0.5))
    if content != manifest["content"]:
        why = f"has other content in data {plan.origin.data!r}: its samples have changed since"
        raise FileExistsError(other.format(path=path, why=why))
    remove_working_files(path)
    acts = Activations.open(path, verify="full", tick=part(tick, 0.5, 1.0))
    n = len(first[0])
    if not all(_same(acts[s][:n], values) for s, values in zip(plan.sites, first, strict=True)):
        why = f"has other values in its first {n} samples: the model has changed"
        raise FileExistsError(other.format(path=path, why=why))
    return acts


def _same(stored: NDArray[np.generic], fresh: Tensor) -> bool:
    """Equal up to the rounding that another number of threads brings, in the site's own scale."""
    loose = 1e-4 if stored.dtype == np.float32 else 2e-3
    old, new = stored.astype(np.float64), fresh.numpy().astype(np.float64)
    size = float(np.abs(old, where=np.isfinite(old), out=np.zeros_like(old)).max(initial=0.0))
    return bool(np.allclose(old, new, rtol=loose, atol=loose * size, equal_nan=True))

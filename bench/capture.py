"""Capture against a plain forward pass and against captum's LayerActivation, on the same work.

Same batches, same order, one process. The plain pass ends where the capture ends: its hook raises
at the last wanted site and keeps nothing. Captum runs the whole network (it has no early end), a
call for all layers, and its outputs are copied into preallocated arrays. All take turns
(A B C A B C …), so that a slow moment of the machine hits all; the ratio is the median of the
ratios of each round.
"""

import argparse
import contextlib
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import report
import torch
from captum.attr import LayerActivation
from torch import nn

from cutaway.data import load_data
from cutaway.data.batching import batches
from cutaway.data.dataset import Dataset
from cutaway.model import Model, Sites, capture, load_model, sites

CASES = (
    ("lenet5-digits", "digits", ("conv1",)),
    ("lenet5-digits", "digits", ("conv1", "conv2", "fc1", "fc2")),
    ("alexnet-digits", "digits32", ("**.conv*",)),
    ("vgg-digits", "digits32", ("features.**",)),
    ("resnet-digits", "digits32", ("**.conv*",)),
    ("resnet-digits", "digits32", ("layer3.**",)),
)


class Stop(BaseException):
    """Ends the plain forward."""


def plain(model: Model, data: Dataset, last: str, size: int) -> None:
    def stop(*_: object) -> None:
        raise Stop

    handle = dict(model.module.named_modules())[last].register_forward_hook(stop)
    try:
        with torch.no_grad():
            for batch in batches(data, size):
                with contextlib.suppress(Stop):
                    model.module(model.inputs(batch))
    finally:
        handle.remove()


def captum(
    model: Model, data: Dataset, layers: list[nn.Module], shapes: list[tuple[int, ...]], size: int
) -> None:
    arrays = [torch.empty(len(data), *shape) for shape in shapes]
    reader = LayerActivation(model.module, layers)
    start = 0
    with torch.no_grad():
        for batch in batches(data, size):
            found = reader.attribute(model.inputs(batch))
            for array, one in zip(arrays, found, strict=True):
                array[start : start + len(batch)] = one
            start += len(batch)


def rounds(
    works: list[Callable[[], object]], n: int, clean: Callable[[], object]
) -> list[list[float]]:
    """Seconds of each work in each round; `clean` runs after each, outside the clock."""
    times = []
    for work in works:
        work()  # warm caches and thread pools
        clean()
    for _ in range(n):
        line = []
        for work in works:
            began = time.perf_counter()
            work()
            line.append(time.perf_counter() - began)
            clean()
        times.append(line)
    return times


def copy_only(pieces: list[torch.Tensor], n: int) -> None:
    """Write as much as the capture keeps into new memory, in the same pieces: what must be paid."""
    for piece in pieces:
        target = torch.empty(n, *piece.shape[1:])
        for start in range(0, n, len(piece)):
            rest = target[start : start + len(piece)]
            rest.copy_(piece[: len(rest)])


def chosen(
    name: str, kind: str, patterns: tuple[str, ...], limit: int
) -> tuple[Model, Dataset, Sites]:
    model = load_model(name)
    data = load_data(kind, limit=limit)
    tree = sites(model, data)
    found = [one for one in tree[list(patterns)] if not one.children]
    # an in-place ReLU changes what captum holds a reference to: leave those layers to the tests
    wanted = [one for one in found if one.type in {"Conv2d", "Linear"}]
    model.module.eval()
    return model, data, tree[[one.path for one in wanted]]


def measure(name: str, kind: str, patterns: tuple[str, ...], n: int, limit: int) -> list[object]:
    model, data, wanted = chosen(name, kind, patterns, limit)
    modules = dict(model.module.named_modules())
    size = 128
    options = {"batch_size": size, "show": None, "max_bytes": "8GB"}
    shapes = [one.shape for one in wanted]
    layers = [modules[path] for path in wanted.paths]
    pieces = [torch.ones(size, *shape) for shape in shapes]
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "store"
        works = [
            lambda: plain(model, data, wanted.paths[-1], size),
            lambda: capture(model, data, wanted, **options),
            lambda: captum(model, data, layers, shapes, size),
            lambda: capture(model, data, wanted, store=store, **options),
            lambda: copy_only(pieces, len(data)),
        ]
        times = np.array(rounds(works, n, lambda: shutil.rmtree(store, ignore_errors=True)))
    total = 4 * len(data) * sum(int(np.prod(shape)) for shape in shapes)
    base = float(np.median(times[:, 0]))
    ratios = np.median(times / times[:, :1], axis=0)
    return [
        f"{name} ({len(wanted)} sites)",
        f"{total / 1e6:.0f} MB",
        f"{base:.3f} s",
        f"**{ratios[1]:.2f}**",
        f"{ratios[2]:.2f}",
        f"{ratios[3]:.2f}",
        f"{1 + ratios[4]:.2f}",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--samples", type=int, default=3000)
    parser.add_argument("--threads", type=int, default=None)
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    heads = ["network", "kept", "plain forward", "capture / plain", "captum / plain"]
    heads += ["capture to disk / plain", "physical limit"]
    rows = [measure(*case, n=options.rounds, limit=options.samples) for case in CASES]
    report.write(
        "capture",
        "Capture against a plain forward",
        f"{options.samples} samples in batches of 128, {torch.get_num_threads()} thread(s); "
        f"medians of {options.rounds} rounds, ratios paired within a round. The plain pass ends at "
        "the last wanted site and keeps nothing; captum's outputs are copied into whole arrays. "
        "Physical limit: 1 + (time to write the kept bytes into new memory in the same pieces, "
        "measured in each round) / plain; new memory costs a page fault a page.",
        "Goals: capture ≤ 1.10 × plain, and not slower than captum. Where much is kept for "
        "the work done, the physical limit itself lies above the first goal.",
        report.table(heads, rows),
    )


if __name__ == "__main__":
    main()

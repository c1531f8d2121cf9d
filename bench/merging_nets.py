"""The small networks that the merging tables are made on, trained once and kept on disk.

Four kinds, trained on the 4,000 training digits with SGD and one learning rate cycle: a perceptron
784-512-512-10, a LeNet-5 with ReLU, a quarter-width VGG-11 with batch norm and a small residual
network with batch norm. ``python merging_nets.py`` trains seeds 0 to 4 of all four, then 100 and
101; names and seeds as arguments (``vgg 3 4``) train those only.
"""

import argparse
import os
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from cutaway_samples.digit_images import digits as digit_images

CACHE = Path(__file__).parent / ".nets"
SEEDS = (0, 1, 2, 3, 4)  # judge; nothing is chosen on them
CHOOSING = (100, 101)  # rules and options are chosen on these
CHECKPOINTS = (0, 1, 2, 4, 7, 10, 15, 20, 30, 40)
_MOMENTUM = 0.9


@dataclass(frozen=True)
class Kind:
    """How one kind of network is made and trained.

    Parameters
    ----------
    make : callable
        Takes the width (1.0 is the usual one) and the depth (None is the usual one).
    epochs : int
    rate : float
        Highest learning rate of the cycle.
    decay : float
        Weight decay of every parameter. It decides whether there is anything to merge.
    batch : int
    """

    make: Callable[[float, int | None], nn.Module]
    epochs: int
    rate: float
    decay: float
    batch: int


def _mlp(width: float, depth: int | None) -> nn.Module:
    """Hidden layers of 512 * width units; the depth counts them (2)."""
    units, layers = round(512 * width), OrderedDict[str, nn.Module](flat=nn.Flatten())
    before = 28 * 28
    for place in range(1, (depth or 2) + 1):
        layers[f"fc{place}"], layers[f"relu{place}"] = nn.Linear(before, units), nn.ReLU()
        before = units
    layers["head"] = nn.Linear(before, 10)
    return nn.Sequential(layers)


def _lenet(width: float, depth: int | None) -> nn.Module:
    """LeNet-5 with ReLU and maximum pooling; its depth is fixed."""
    if depth not in (None, 5):
        raise ValueError(f"depth must be None or 5 for a LeNet-5, got {depth}; take another kind")
    a, b, c, d = (round(n * width) for n in (6, 16, 120, 84))
    layers = OrderedDict[str, nn.Module](
        conv1=nn.Conv2d(1, a, 5, padding=2),
        relu1=nn.ReLU(),
        pool1=nn.MaxPool2d(2),
        conv2=nn.Conv2d(a, b, 5),
        relu2=nn.ReLU(),
        pool2=nn.MaxPool2d(2),
        flat=nn.Flatten(),
        fc1=nn.Linear(25 * b, c),
        relu3=nn.ReLU(),
        fc2=nn.Linear(c, d),
        relu4=nn.ReLU(),
        head=nn.Linear(d, 10),
    )
    return nn.Sequential(layers)


def _vgg(width: float, depth: int | None) -> nn.Module:
    """VGG-11 at a quarter of its widths; the depth counts convolutions (8, at least 5)."""
    convs = depth or 8
    if convs < 5:
        raise ValueError(f"depth must be at least 5 for a VGG, one a stage, got {depth}; use more")
    in_stage = [len(part) for part in np.array_split(np.arange(convs), 5)]
    if convs == 8:
        in_stage = [1, 1, 2, 2, 2]
    layers, before, number = OrderedDict[str, nn.Module](pad=nn.ZeroPad2d(2)), 1, 0
    for stage, (channels, many) in enumerate(zip((16, 32, 64, 128, 128), in_stage, strict=True)):
        wide = round(channels * width)
        for _ in range(many):
            number += 1
            layers[f"conv{number}"] = nn.Conv2d(before, wide, 3, padding=1)
            layers[f"bn{number}"], layers[f"relu{number}"] = nn.BatchNorm2d(wide), nn.ReLU()
            before = wide
        layers[f"pool{stage + 1}"] = nn.MaxPool2d(2)
    layers["flat"], layers["head"] = nn.Flatten(), nn.Linear(before, 10)
    return nn.Sequential(layers)


class _Block(nn.Module):
    """Two 3x3 convolutions around which the input is carried and added."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)
        self.relu = nn.ReLU()
        self.down: nn.Module | None = None
        if stride != 1 or before != after:
            self.down = nn.Sequential(
                nn.Conv2d(before, after, 1, stride=stride, bias=False), nn.BatchNorm2d(after)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Maps after the addition and its ReLU."""
        carried = x if self.down is None else self.down(x)
        x = self.relu(self.bn1(self.conv1(x)))
        made: Tensor = self.relu(self.bn2(self.conv2(x)) + carried)
        return made


def _resnet(width: float, depth: int | None) -> nn.Module:
    """A stem of stride 2 and three stages; the depth counts blocks a stage (2)."""
    wide = [round(n * width) for n in (16, 32, 64)]
    layers = OrderedDict[str, nn.Module](
        stem=nn.Conv2d(1, wide[0], 3, stride=2, padding=1, bias=False),
        bn=nn.BatchNorm2d(wide[0]),
        relu=nn.ReLU(),
    )
    before = wide[0]
    for stage, after in enumerate(wide, 1):
        for block in range(depth or 2):
            stride = 2 if stage > 1 and block == 0 else 1
            layers[f"stage{stage}_{block}"] = _Block(before, after, stride)
            before = after
    layers["pool"], layers["flat"] = nn.AdaptiveAvgPool2d(1), nn.Flatten()
    layers["head"] = nn.Linear(before, 10)
    return nn.Sequential(layers)


KINDS = {
    "mlp": Kind(_mlp, 40, 0.2, 5e-3, 64),
    "lenet": Kind(_lenet, 40, 0.05, 5e-4, 64),
    "vgg": Kind(_vgg, 15, 0.09, 2e-2, 128),
    "resnet": Kind(_resnet, 15, 0.05, 2e-2, 128),
}


@lru_cache(maxsize=1)
def digits() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Training pictures (4000, 1, 28, 28) in [0, 1] and labels (4000,), then 1,000 to test."""
    parts: list[Tensor] = []
    for split in ("train", "test"):
        found = digit_images(split)
        parts.append(torch.from_numpy(found.images[:, None].astype(np.float32) / 255))
        parts.append(torch.from_numpy(found.labels.copy()))
    return parts[0], parts[1], parts[2], parts[3]


@torch.no_grad()
def accuracy(module: nn.Module) -> float:
    """Part of the 1,000 test digits that a network names rightly, in eval mode."""
    _, _, images, labels = digits()
    kind = next(iter(module.parameters())).dtype
    was = module.training
    module.eval()
    right = [
        (module(few.to(kind)).argmax(1) == told).sum()
        for few, told in zip(images.split(250), labels.split(250), strict=True)
    ]
    module.train(was)
    return float(torch.stack(right).sum()) / len(labels)


def fresh(name: str, seed: int, *, width: float = 1.0, depth: int | None = None) -> nn.Module:
    """A network at its random initialisation."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return KINDS[name].make(width, depth).eval()


def trained(
    name: str,
    seed: int,
    *,
    width: float = 1.0,
    depth: int | None = None,
    noise: float = 0.0,
) -> Iterator[tuple[int, nn.Module]]:
    """Train, and give the same module after 0, 1, 2 … epochs, in eval mode.

    Parameters
    ----------
    name : str
        One of `KINDS`.
    seed : int
        Of the weights, the order of samples and the wrong labels.
    width : float
        Factor of every hidden width.
    depth : int or None
        See the makers of the kinds.
    noise : float
        Part of the training digits that get a random other label.
    """
    kind = KINDS[name]
    module = fresh(name, seed, width=width, depth=depth)
    images, labels, _, _ = digits()
    generator = torch.Generator().manual_seed(seed)
    wrong = torch.randperm(len(labels), generator=generator)[: round(noise * len(labels))]
    labels = labels.clone()
    shift = torch.randint(1, 10, (len(wrong),), generator=generator)
    labels[wrong] = (labels[wrong] + shift) % 10
    steps = kind.epochs * -(-len(labels) // kind.batch)
    optimizer = torch.optim.SGD(
        module.parameters(), lr=kind.rate, momentum=_MOMENTUM, weight_decay=kind.decay
    )
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, kind.rate, total_steps=steps)
    yield 0, module
    for epoch in range(1, kind.epochs + 1):
        module.train()
        for rows in torch.randperm(len(labels), generator=generator).split(kind.batch):
            optimizer.zero_grad(set_to_none=True)
            loss = nn.functional.cross_entropy(module(images[rows]), labels[rows])
            torch.autograd.backward(loss)
            optimizer.step()
            cycle.step()
        yield epoch, module.eval()


def net(
    name: str,
    seed: int,
    *,
    width: float = 1.0,
    depth: int | None = None,
    noise: float = 0.0,
    epochs: int | None = None,
) -> nn.Module:
    """A trained network in eval mode; read from disk if it was trained before.

    Parameters
    ----------
    name, seed, width, depth, noise
        As for `trained`.
    epochs : int or None
        One of `CHECKPOINTS` within the training: the weights after so many epochs of it. None is
        the end.
    """
    kind = KINDS[name]
    at = kind.epochs if epochs is None else epochs
    if at != kind.epochs and not (at in CHECKPOINTS and at < kind.epochs):
        raise ValueError(
            f"epochs must be one of {CHECKPOINTS} below {kind.epochs}, got {at}; None is the end"
        )
    stem = f"{name}-{seed}-w{width:g}-d{depth or 0}-n{noise:g}"
    if not (CACHE / f"{stem}-e{at}.safetensors").exists():
        CACHE.mkdir(exist_ok=True)
        for epoch, module in trained(name, seed, width=width, depth=depth, noise=noise):
            if epoch == kind.epochs or epoch in CHECKPOINTS:
                _save(module, CACHE / f"{stem}-e{epoch}.safetensors")
    made = fresh(name, seed, width=width, depth=depth)
    made.load_state_dict(load_file(CACHE / f"{stem}-e{at}.safetensors"))
    return made


def _save(module: nn.Module, path: Path) -> None:
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    save_file({key: one.contiguous() for key, one in module.state_dict().items()}, temporary)
    temporary.replace(path)


def main() -> int:
    """Train what is not on disk yet; say how accurate each network is."""
    parser = argparse.ArgumentParser()
    parser.add_argument("which", nargs="*", help="names and seeds; all by default")
    which = parser.parse_args().which
    names = [one for one in which if one in KINDS] or list(KINDS)
    seeds = [int(one) for one in which if one not in KINDS] or [*SEEDS, *CHOOSING]
    torch.set_num_threads(1)
    if hasattr(os, "nice"):
        os.nice(10)
    for seed in seeds:
        for name in names:
            print(name, seed, f"{accuracy(net(name, seed)):.3f}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

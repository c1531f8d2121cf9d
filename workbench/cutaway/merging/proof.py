"""The proof of a group: its features change places in every tensor, and the output stays."""

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cutaway.core import Tick
from cutaway.merging.flow import Group

SAME = 1e-10  # of the largest output: float64 sums in another order differ by far less
_FEW = 8  # features; below, permutations of two groups may agree by chance


def failing(
    groups: Sequence[Group],
    random: nn.Module,
    run: Callable[[nn.Module], Tensor],
    before: Tensor,
    tick: Tick,
    *,
    same: float = SAME,
) -> set[str]:
    """Names of the groups whose permutation changes the output.

    Parameters
    ----------
    groups : sequence of Group
    random : nn.Module
        With random weights and cut layers; is permuted in place and comes back as it was.
    run : callable
        Output of such a module.
    before : Tensor
        Output with the features in their places.
    tick : Tick
        Called before each run.
    same : float
        Largest change, in units of the largest output, that counts as none.

    Notes
    -----
    All groups are permuted at once, each in its own random way, in one run. Only if that changes
    the output, and always for groups of few features, is one group permuted at a time.
    """
    scale = float(before.abs().max())

    def changes(some: Sequence[Group]) -> bool:
        orders = [order_of(one, seed) for seed, one in enumerate(some)]
        for group, order in zip(some, orders, strict=True):
            permute(random, group, order)
        gap = float((run(random) - before).abs().max())
        for group, order in zip(some, orders, strict=True):
            permute(random, group, np.argsort(order))
        return not (scale > 0 and gap <= same * scale)

    tick(0.0, f"groups: checking {len(groups)} at once")
    together = bool(groups) and changes(groups)
    alone = [one for one in groups if together or (one.size < _FEW and len(groups) > 1)]
    found = set()
    for place, one in enumerate(alone):
        tick(place / len(alone), f"groups: checking {one.name}")
        if changes([one]):
            found.add(one.name)
    return found


def order_of(group: Group, seed: int) -> NDArray[np.int64]:
    """A random order of a group's features in which some have another place."""
    order = np.random.default_rng(seed).permutation(group.size)
    return np.roll(order, 1) if (order == np.arange(group.size)).all() else order


def permuted(module: nn.Module, group: Group, *, seed: int) -> nn.Module:
    """A copy of a module in which the features of one group stand in another order.

    Parameters
    ----------
    module : nn.Module
        With its layers cut as the group has them.
    group : Group
    seed : int
        Of the permutation.
    """
    changed = copy.deepcopy(module)
    permute(changed, group, order_of(group, seed))
    return changed


def permute(module: nn.Module, group: Group, order: NDArray[np.int64]) -> None:
    """Let the features of one group stand in another order, in place."""
    parts = dict(module.named_modules())
    places = torch.as_tensor(order)
    with torch.no_grad():
        for path in [path for one in group.producers for path in one if path is not None]:
            for name in ("weight", "bias", "running_mean", "running_var"):
                tensor = getattr(parts[path], name, None)
                if tensor is not None:
                    tensor.copy_(tensor[places])
        for path, _ in group.consumers:
            weight: Any = parts[path].weight
            columns = weight.reshape(len(weight), group.size, -1)
            weight.copy_(columns[:, places].reshape(weight.shape))


def random_weights(module: nn.Module) -> nn.Module:
    """A copy with random weights of usual size; variances and 1-D tensors positive."""
    drawn = copy.deepcopy(module)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for _, tensor in (*drawn.named_parameters(), *drawn.named_buffers()):
            if not tensor.is_floating_point():
                continue
            if tensor.ndim < 2:
                tensor.copy_(0.5 + torch.rand(tensor.shape, generator=generator))
            else:
                limit = (6 / max(tensor.numel() // len(tensor), 1)) ** 0.5
                tensor.uniform_(-limit, limit, generator=generator)
    return drawn

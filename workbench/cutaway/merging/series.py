"""Merges of one network at many betas, and of the same network at random initialisation."""

import copy
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cutaway.core import Tick, part
from cutaway.merging.lens import merge_features
from cutaway.merging.merge import Merge
from cutaway.model.model import Model

Array = NDArray[np.float64]

N_BETAS = 12
SEEDS = (0, 1, 2)  # of the random initialisations
_LEAST = 1e-6  # the smallest beta above 0 that is looked at
_APART = 1.02  # neighbouring betas whose ratio is less are not told apart


@dataclass(frozen=True)
class Point:
    """What a merge at one beta leaves; `whole` is any merge of the series, without its module."""

    beta: float
    left: NDArray[np.int64]
    clusters: dict[str, list[list[int]]]
    kept_parameters: int
    kept_macs: float
    score: float


class Series:
    """Merges of one model with one rule, a light record of each.

    Parameters
    ----------
    model : Model
    example : Tensor of shape (n, …)
    rule : str
    score : callable or None
        Of the merged module.
    """

    def __init__(
        self,
        model: Model,
        example: Tensor,
        rule: str,
        score: Callable[[nn.Module], float] | None = None,
    ) -> None:
        self.model, self.example, self.rule, self.score = model, example, rule, score
        self.points: dict[float, Point] = {}
        self.first: Merge | None = None

    def at(self, beta: float, tick: Tick) -> Point:
        """The record at one beta; without a run where nothing can merge yet."""
        idle = self._idle()
        if idle is not None and beta < self.start():
            self.points[beta] = replace(idle, beta=beta)
            return self.points[beta]
        merge = self._merged_at(beta, tick)
        value = math.nan if self.score is None else self.score(merge.model)
        vars(merge).pop("_module")  # twelve networks would not fit where one does
        self.first = self.first or merge
        self.points[beta] = Point(
            beta, merge.left, merge.clusters, merge.kept_parameters, macs_of(merge)[1], value
        )
        return self.points[beta]

    def _merged_at(self, beta: float, tick: Tick) -> Merge:
        """One merge; the only place that runs one."""
        named: dict[str, Any] = {} if self.rule == "auto" else {"rule": self.rule}
        return merge_features(self.model, self.example, beta=beta, tick=tick, **named)

    def _idle(self) -> Point | None:
        """A record at which nothing had merged, if there is one."""
        if self.first is None:
            return None
        size = self.first.size
        return next((one for one in self.points.values() if (one.left == size).all()), None)

    def start(self) -> float:
        """The beta at which the first pair of any group merges; 1 where no group has two."""
        return 1.0 if self.first is None else start(self.first.closest, self.first.farthest)

    def over(self, betas: Sequence[float] | None, tick: Tick) -> list[Point]:
        """Records at some betas, or at those where most is lost; ascending."""
        many = N_BETAS if betas is None else len(betas)
        for place, beta in enumerate(self._looked_for() if betas is None else betas):
            self.at(beta, part(tick, place / many, (place + 1) / many))
        return [self.points[beta] for beta in sorted(self.points)]

    def _looked_for(self) -> Iterator[float]:
        """0, then the geometric middle of the two neighbours between which most features go."""
        yield 0.0
        least = max(self.start(), _LEAST)
        groups = len(self.points[0.0].left)
        known = {least: int(self.points[0.0].left.sum()), 1.0: groups}
        for _ in range(N_BETAS - 1):
            middle = _middle(known)
            yield middle
            known[middle] = int(self.points[middle].left.sum())


def _middle(known: dict[float, int]) -> float:
    """The next beta to look at, from features left by beta."""
    ends = sorted(known)
    gaps = [
        # The wider gap, in features and then in beta; ends that are the same are never chosen.
        (known[low] - known[high] if high / low > _APART else -math.inf, high / low, low, high)
        for low, high in itertools.pairwise(ends)
    ]
    _, _, low, high = max(gaps)
    return math.sqrt(low * high)


def start(closest: Array, farthest: Array) -> float:
    """The smallest part of its largest distance at which a group has its closest pair.

    Parameters
    ----------
    closest, farthest : ndarray of shape (groups,)
        Squared distances; NaN for groups of one.

    Returns
    -------
    float
        1 where every group has one feature.
    """
    ratio = ratios(closest, farthest)
    known = ratio[np.isfinite(ratio)]
    return float(known.min()) if len(known) else 1.0


def ratios(closest: Array, farthest: Array) -> Array:
    """Closest over farthest squared distance; 0 where all features are the same."""
    zero = farthest == 0
    return np.where(zero, 0.0, closest / np.where(zero, 1.0, farthest))


def macs_of(merge: Merge) -> tuple[float, float]:
    """Multiply-accumulates before and after; NaN where the merge does not count them."""
    return float(getattr(merge, "macs", math.nan)), float(getattr(merge, "kept_macs", math.nan))


def cannot_start_anew(module: nn.Module) -> str:
    """Why a network cannot be put back to a random initialisation; empty if it can."""
    for path, one in module.named_modules():
        own = [*one.parameters(recurse=False), *one.buffers(recurse=False)]
        if own and not callable(getattr(one, "reset_parameters", None)):
            return (
                f"{path or 'the model'} ({type(one).__name__}) has weights but no "
                "reset_parameters, so its random initialisation is not known"
            )
    return ""


def started_anew(model: Model, seed: int) -> nn.Module:
    """A copy of the network on the CPU at random initialisation.

    Parameters
    ----------
    model : Model
        One that `cannot_start_anew` has nothing against.
    seed : int
        Of the weights; the global generator is put back.
    """
    with model.lock:
        module = copy.deepcopy(model.module).to("cpu")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for one in module.modules():
            reset = getattr(one, "reset_parameters", None)
            if callable(reset):
                reset()
    return module


def baseline(
    model: Model, example: Tensor, rule: str, betas: Sequence[float], tick: Tick
) -> tuple[Array, Array, Array]:
    """Features left, closest and farthest of the network at random initialisation.

    Returns
    -------
    tuple of ndarray
        Shapes (betas, groups), (groups,) and (groups,): means over `SEEDS`.
    """
    left, closest, farthest = [], [], []
    for place, seed in enumerate(SEEDS):
        own = part(tick, place / len(SEEDS), (place + 1) / len(SEEDS))
        bare = Model(started_anew(model, seed), model.name, kind=model.kind)
        series = Series(bare, example, rule)
        points = series.over(betas, own)
        left.append([one.left for one in points])
        if series.first is not None:
            closest.append(series.first.closest)
            farthest.append(series.first.farthest)
    return (np.mean(left, axis=0), np.mean(closest, axis=0), np.mean(farthest, axis=0))

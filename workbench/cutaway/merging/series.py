"""Merges of one network at many betas, and of the same network at random initialisation."""

import copy
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cutaway.core import Index, Tick, part, silent
from cutaway.merging.prepared import Prepared
from cutaway.merging.robin import Run
from cutaway.merging.working import Features
from cutaway.model.model import Model

Array = NDArray[np.float64]

N_BETAS = 12
SEEDS = (0, 1, 2)  # of the random initialisations
_LEAST = 1e-6  # the smallest beta above 0 that is looked at
_APART = 1.02  # neighbouring betas whose ratio is less are not told apart


@dataclass(frozen=True)
class Point:
    """What a merge at one beta leaves."""

    beta: float
    left: NDArray[np.int64]
    clusters: dict[str, list[list[int]]]
    kept_parameters: int
    kept_macs: float
    score: float


class Series:
    """Merges of one model with one rule, prepared once; a light record of each.

    Parameters
    ----------
    model : Model
    example : Tensor of shape (n, …)
    rule : str
    score : callable or None
        Of the merged module.
    tick : Tick
    """

    def __init__(
        self,
        model: Model,
        example: Tensor,
        rule: str,
        score: Callable[[nn.Module], float] | None = None,
        tick: Tick = silent,
    ) -> None:
        self.score, self.points = score, dict[float, Point]()
        self.prepared = Prepared(model, example, rule, tick)
        groups = self.prepared.groups
        self.rows = Index(np.array([one.name for one in groups], dtype=np.str_), "group")
        self.size = np.array([one.size for one in groups], dtype=np.int64)
        self.closest, self.farthest = (np.full(len(groups), np.nan) for _ in range(2))

    def at(self, beta: float, tick: Tick) -> Point:
        """The record at one beta; without a run where nothing can merge yet."""
        idle = self._idle()
        if idle is not None and beta < self.start():
            self.points[beta] = replace(idle, beta=beta)
            return self.points[beta]
        run = self._merged_at(beta, tick)
        features = run.working.features
        for place, one in enumerate(features):
            if one.start is not None:
                self.closest[place], self.farthest[place] = one.start.distance, one.start.largest
        module = None if self.score is None else self.prepared.module_of(run)
        self.points[beta] = Point(
            beta,
            np.array([one.slots.left for one in features], dtype=np.int64),
            {one.group.name: _clusters(one) for one in features},
            self.prepared.kept_parameters(run),
            self.prepared.kept_macs(run),
            math.nan if self.score is None or module is None else self.score(module),
        )
        return self.points[beta]

    def _merged_at(self, beta: float, tick: Tick) -> Run:
        """One course of merges; the only place that runs one."""
        return self.prepared.run(beta=beta, tick=tick)

    def _idle(self) -> Point | None:
        """A record at which nothing had merged, if there is one."""
        all_left = (one for one in self.points.values() if (one.left == self.size).all())
        return next(all_left, None)

    def start(self) -> float:
        """The beta at which the first pair of any group merges; 1 where no group has two."""
        return start(self.closest, self.farthest) if self.points else 1.0

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


def _clusters(one: Features) -> list[list[int]]:
    """Original units in each feature left, in the order of the merged module."""
    return [one.slots.units(int(slot)).tolist() for slot in one.slots.in_order()]


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
        series = Series(bare, example, rule, tick=part(own, 0.0, 0.2))
        left.append([one.left for one in series.over(betas, part(own, 0.2, 1.0))])
        closest.append(series.closest)
        farthest.append(series.farthest)
    return (np.mean(left, axis=0), np.mean(closest, axis=0), np.mean(farthest, axis=0))

"""Iterative feature merging: how many features of a network are really different."""

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cutaway.core import Index, Origin, Result, Tick, check, part, silent
from cutaway.merging.flow import Group, Refusal
from cutaway.merging.groups import example64, float64_copy, found_groups, output_of
from cutaway.merging.rebuild import rebuilt
from cutaway.merging.robin import Run, round_robin
from cutaway.merging.weights import RULES, Weights
from cutaway.model.errors import UnsupportedModel
from cutaway.model.model import Model, as_model

RuleName: TypeAlias = Literal["official", "official_bnfold", "exact", "exact_scale"]

_COLUMNS = (
    *("round", "group", "first", "second", "made", "units"),
    *("distance", "runner_up", "largest"),
)
_SMALLEST = -6.0  # log10 of the smallest beta above 0 that a target is looked for at
_HALVINGS = 12
_SAME = 1e-8  # of the largest output; rounding of a deep network in float64 stays far below
_AT_ONCE = 4  # samples of the example, so that ticks come often


@dataclass(frozen=True, eq=False, repr=False)
class Merge(Result):
    """A network with its similar features merged; rows are groups, in network order.

    Parameters
    ----------
    size, left : ndarray of shape (groups,)
        Features before and after.
    closest, farthest : ndarray of shape (groups,)
        Smallest and largest squared distance of two features before any merge (NaN for a group of
        one). Nothing merges where `closest` > beta * `farthest`.
    features_left : dict of str to int
        By group, in network order: the feature complexity at this beta.
    clusters : dict of str to list of list of int
        By group: the original units in each feature of the merged model, in its order.
    tree : DataFrame
        A line a merge: `round`, `group`, the nodes `first` and `second` that merged (below the
        group's size an original unit, else what an earlier line `made`), `units` in the new one,
        squared `distance`, that of the next closest pair (`runner_up`) and of the farthest one
        (`largest`) at that moment.
    parameters, kept_parameters : int
        Trainable numbers before and after.
    output_change, output_size : float
        Largest change of an output number on the example, and largest output number before, both in
        float64.
    rule : str
    beta : float
        As given, or as found for a target.
    refused : list of dict
        `name`, `size` and `reason` of features that no group could be made of; they are not merged.

    Notes
    -----
    `model` is not saved with the result; save its state dict as safetensors.
    """

    size: NDArray[np.int64]
    left: NDArray[np.int64]
    closest: NDArray[np.float64]
    farthest: NDArray[np.float64]
    features_left: dict[str, int]
    clusters: dict[str, list[list[int]]]
    tree: pd.DataFrame
    parameters: int
    kept_parameters: int
    output_change: float
    output_size: float
    rule: str
    beta: float
    refused: list[dict[str, Any]]

    @property
    def model(self) -> nn.Module:
        """The smaller module, of the same class as the original.

        Raises
        ------
        RuntimeError
            If this result was loaded from a file.
        """
        module: nn.Module | None = vars(self).get("_module")
        if module is None:
            raise RuntimeError(
                "model must be in memory, got a Merge loaded from a file, which holds none; "
                "run merge_features again"
            )
        return module

    def __repr__(self) -> str:
        before, after = int(self.size.sum()), int(self.left.sum())
        share = self.kept_parameters / self.parameters
        return (
            f"Merge({self.rule}, beta {self.beta:.4g}: {before} → {after} features, "
            f"{share:.1%} of {self.parameters:,} parameters)"
        )


def merge_features(
    model: Model | nn.Module,
    example: Tensor,
    *,
    beta: float | None = None,
    target: float | None = None,
    rule: RuleName = "exact",
    max_ratio: float = 1.0,
    tick: Tick = silent,
) -> Merge:
    """Merge the features of a network that are nearly the same, without data or training.

    Parameters
    ----------
    model : Model or torch.nn.Module
        Is copied and not touched.
    example : Tensor of shape (n, …)
        A batch of samples: two for shapes, all of them for `output_change`.
    beta : float or None
        In [0, 1]: two features merge if their *squared* distance is at most `beta` times the
        largest one in their group. 0 merges equal features only.
    target : float or None
        In (0, 1]: part of the parameters to keep at most. The smallest beta that reaches it is
        looked for (12 halvings of its logarithm), and merging stops once it is reached. Exactly
        one of `beta` and `target` must be given.
    rule : {"official", "official_bnfold", "exact", "exact_scale"}
        See Notes.
    max_ratio : float
        In [0, 1]: a group of n features stops after ``n * max_ratio`` rounds.
    tick : Tick
        Called before each search for a closest pair.

    Raises
    ------
    ValueError
        If an option is out of range, a weight is not finite, a target cannot be reached, or
        "exact_scale" meets an activation that is not positively homogeneous.
    UnsupportedModel
        If the model cannot be copied or traced, no group of features is found, or folding batch
        norms changes its output.

    Notes
    -----
    ``official`` is the published rule: weights, biases and batch norm tensors are added, what reads
    them is averaged. It changes the output even for exact copies where there is a batch norm, and
    leaves one of three copies. ``official_bnfold`` folds batch norms first. ``exact`` (the default)
    folds, averages weights and biases by count and adds what reads them: exact copies merge without
    a change of the output. ``exact_scale`` also finds copies up to a positive factor, for ReLU-like
    activations only. Which rule compresses best is another question: on networks with batch norm
    ``official`` has been measured to keep more accuracy than ``exact``.

    References
    ----------
    Chen, Zhou, Yan, "Going beyond neural network feature similarity: the network feature complexity
    and its interpretation using category theory", ICLR 2024, arXiv:2310.06756, equations 8-11.
    """
    began = time.perf_counter()
    _check(beta, target, rule, max_ratio)
    opened = as_model(model)
    inputs = example64(example)
    module = float64_copy(opened)
    _finite(module)
    tick(0.0, "merge: tracing")
    groups, refused = found_groups(opened, module, inputs, part(tick, 0.0, 0.1))
    _mergeable(opened, groups, refused, rule)
    weights = Weights.of(module, groups)
    n_before = sum(one.numel() for one in module.parameters())
    fixed = n_before - weights.n_parameters()
    _prepare(weights, groups, rule)
    _still_the_same(opened, module, rebuilt(module, groups, weights), inputs)
    search = _Search(groups, weights, rule, max_ratio, tick)
    if target is None:
        run, chosen = search.at(float(beta or 0.0)), float(beta or 0.0)
    else:
        run, chosen = search.down_to(math.floor(target * n_before) - fixed, target)
    merged = rebuilt(module, groups, run.weights)
    change, size = _change(opened, module, merged, inputs, part(tick, 0.95, 0.99))
    origin = Origin(
        "merge_features",
        {"beta": beta, "target": target, "rule": rule, "max_ratio": max_ratio},
        model=opened.name,
        weights=opened.digest,
    )
    result = _result(
        run,
        refused,
        origin.after(time.perf_counter() - began),
        {
            "parameters": n_before,
            "kept_parameters": fixed + run.weights.n_parameters(),
            "output_change": change,
            "output_size": size,
            "rule": rule,
            "beta": chosen,
        },
    )
    with opened.lock:
        object.__setattr__(result, "_module", rebuilt(opened.module, groups, run.weights))
    tick(1.0, f"merge: {len(run.tree)} merges")
    return result


class _Search:
    """Runs of the round robin from one start."""

    def __init__(
        self, groups: list[Group], weights: Weights, rule: str, max_ratio: float, tick: Tick
    ) -> None:
        self.groups, self.weights, self.rule = groups, weights, RULES[rule]
        self.max_ratio, self.tick = max_ratio, tick

    def at(self, beta: float, enough: int | None = None, span: tuple[float, float] = (0, 1)) -> Run:
        """One run, whose progress covers a span of the whole."""
        own = part(self.tick, 0.1 + 0.85 * span[0], 0.1 + 0.85 * span[1])

        def progress(done: float, number: int) -> None:
            own(done, f"merge: beta {beta:.3g}, round {number}")

        return round_robin(
            self.groups,
            self.weights,
            self.rule,
            beta,
            max_ratio=self.max_ratio,
            enough=enough,
            progress=progress,
        )

    def down_to(self, enough: int, target: float) -> tuple[Run, float]:
        """Run at the smallest beta found that leaves no more than `enough` parameters."""
        steps = _HALVINGS + 2
        run, beta = self.at(1.0, enough, (0, 1 / steps)), 1.0
        if not run.reached:
            raise ValueError(
                f"target must be within reach of the groups found, got {target}, of which "
                f"{run.weights.n_parameters() - enough} parameters too many stay at beta 1; raise "
                "target or max_ratio"
            )
        none = self.at(0.0, enough, (1 / steps, 2 / steps))
        if none.reached:
            return none, 0.0
        low, high = _SMALLEST, 0.0
        for step in range(2, steps):
            middle = (low + high) / 2
            one = self.at(10**middle, enough, (step / steps, (step + 1) / steps))
            if one.reached:
                run, beta, high = one, 10**middle, middle
            else:
                low = middle
        return run, beta


def _check(beta: float | None, target: float | None, rule: str, max_ratio: float) -> None:
    if (beta is None) == (target is None):
        raise ValueError(
            f"beta, target must be given one without the other, got {beta}, {target}; "
            "give beta=0.1, say, or target=0.5"
        )
    check.one_of("rule", rule, RULES)
    check.in_range("max_ratio", max_ratio, 0.0, 1.0)
    if beta is not None:
        check.in_range("beta", beta, 0.0, 1.0)
    if target is not None and not 0 < target <= 1:
        raise ValueError(
            f"target must lie in (0, 1], got {target}; give the part of the parameters to keep"
        )


def _finite(module: nn.Module) -> None:
    for name, tensor in (*module.named_parameters(), *module.named_buffers()):
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise ValueError(
                f"weights must be finite, got NaN or infinity in {name!r}; "
                "train again or load another checkpoint"
            )


def _mergeable(model: Model, groups: list[Group], refused: list[Refusal], rule: str) -> None:
    if not groups:
        why = "; ".join(f"{one.name}: {one.reason}" for one in refused)[:300]
        raise UnsupportedModel(
            f"model {model.name!r} must have a group of features that can be merged, got none "
            f"({why}); see feature_groups"
        )
    for group in groups:
        if RULES[rule].gauge and group.curved:
            raise ValueError(
                f'rule must not be "exact_scale" where an activation is not positively '
                f"homogeneous, got {group.curved[0]} behind {group.name!r}; "
                'use rule="exact"'
            )


def _prepare(weights: Weights, groups: list[Group], rule: str) -> None:
    """Fold, then gauge, group by group in network order, as the rule wants."""
    step: Callable[[Group], None]
    for wanted, step in ((RULES[rule].fold, weights.fold), (RULES[rule].gauge, weights.gauge)):
        for group in groups:
            if wanted:
                step(group)


def _still_the_same(model: Model, module: nn.Module, ready: nn.Module, inputs: Tensor) -> None:
    """Raise if folding and gauging, which must change nothing, changed the output."""
    change, size = _change(model, module, ready, inputs[:2], silent)
    if not change <= _SAME * size:
        raise UnsupportedModel(
            f"model {model.name!r} must keep its output when batch norms are folded, got a change "
            f'of {change:.2g} of {size:.2g}; use rule="official", which folds none'
        )


def _change(
    model: Model, module: nn.Module, merged: nn.Module, inputs: Tensor, tick: Tick
) -> tuple[float, float]:
    """Largest change of an output number, and largest number before; a few samples at a time."""
    change, size = [0.0], [0.0]
    for place in range(0, len(inputs), _AT_ONCE):
        tick(place / len(inputs), f"merge: comparing outputs of {len(inputs)} samples")
        few = inputs[place : place + _AT_ONCE]
        before, after = output_of(model, module, few), output_of(model, merged, few)
        change.append(float((after - before).abs().max()))
        size.append(float(before.abs().max()))
    return max(change), max(size)


def _result(run: Run, refused: list[Refusal], origin: Origin, numbers: dict[str, Any]) -> Merge:
    starts = [(one.group.name, one.start) for one in run.features]
    nan = float("nan")
    return Merge(
        rows=Index(np.array([name for name, _ in starts], dtype=np.str_), "group"),
        origin=origin,
        size=np.array([one.group.size for one in run.features], dtype=np.int64),
        left=np.array([len(one.counts) for one in run.features], dtype=np.int64),
        closest=np.array([one.distance if one else nan for _, one in starts]),
        farthest=np.array([one.largest if one else nan for _, one in starts]),
        features_left={one.group.name: len(one.counts) for one in run.features},
        clusters={one.group.name: one.members for one in run.features},
        tree=pd.DataFrame(run.tree, columns=list(_COLUMNS)),
        refused=[asdict(one) for one in refused],
        **numbers,
    )

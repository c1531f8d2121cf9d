"""A model made ready for merging once, and merged at as many thresholds as wanted."""

import math
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor, nn

from cutaway.core import Index, Origin, Tick, check, part, silent
from cutaway.merging.checks import check_options, finite, mergeable
from cutaway.merging.flow import Refusal
from cutaway.merging.groups import example64, float64_copy, found_groups, output_of
from cutaway.merging.merge import Merge
from cutaway.merging.rebuild import rebuilt
from cutaway.merging.robin import Run, Stop, merged_run
from cutaway.merging.rules import RULES, chosen_rule
from cutaway.merging.saved import shapes_of
from cutaway.merging.weights import Weights
from cutaway.merging.working import Working
from cutaway.model.errors import UnsupportedModel
from cutaway.model.macs import macs
from cutaway.model.model import Model, as_model
from cutaway.model.sites import sites

_COLUMNS = (
    *("round", "group", "first", "second", "made", "units"),
    *("distance", "runner_up", "largest"),
)
_SMALLEST = -6.0  # log10 of the smallest beta above 0 that a target is looked for at
_HALVINGS = 12
_SAME = 1e-8  # of the largest output; rounding of a deep network in float64 stays far below
_AT_ONCE = 4  # samples of the example, so that ticks come often


class Prepared:
    """A model traced, grouped, folded and with its first distances: all that no threshold changes.

    Attributes
    ----------
    model : Model
    groups : list of Group
    refused : list of Refusal
    rule : str
    parameters : int
    macs : float
        Multiply-accumulates for one sample; NaN where they cannot be counted.
    """

    def __init__(
        self, model: Model | nn.Module, example: Tensor, rule: str = "auto", tick: Tick = silent
    ) -> None:
        check.one_of("rule", rule, ("auto", *RULES))
        self.model = as_model(model)
        self._inputs = example64(example)
        self._module = float64_copy(self.model)
        finite(self._module)
        tick(0.0, "merge: tracing")
        own = part(tick, 0.0, 0.5)
        self.groups, self.refused = found_groups(self.model, self._module, self._inputs, own)
        self.rule = chosen_rule(rule, self.groups)
        mergeable(self.model, self.groups, self.refused, self.rule)
        weights = Weights.of(self._module, self.groups)
        self.parameters = _n_parameters(self.model.module)
        self._fixed = _n_parameters(self._module) - weights.n_parameters()
        self._by_layer = _macs(self.model, example)
        self.macs = self._by_layer.get("", math.nan)
        for wanted, step in (
            (RULES[self.rule].fold, weights.fold),
            (RULES[self.rule].gauge, weights.gauge),
        ):
            for group in self.groups if wanted else ():
                step(group)
        self._still_the_same(weights)
        self._weights = weights
        self._working = Working.of(weights, RULES[self.rule], _steps(part(tick, 0.5, 1.0), weights))

    # --- runs ----------------------------------------------------------------------------------

    def run(
        self,
        *,
        beta: float | None = None,
        left: Mapping[str, int] | None = None,
        order: str = "round_robin",
        max_ratio: float = 1.0,
        enough: int | None = None,
        last: bool = False,
        tick: Tick = silent,
    ) -> Run:
        """One course of merges from the start.

        Parameters
        ----------
        beta, left, order, max_ratio
            As in `merge_features`; one of the first two.
        enough : int or None
            Stop as soon as no more than so many parameters of the whole model are left.
        last : bool
            Use up the distances instead of copying them, which halves the memory; nothing can be
            run after it.
        tick : Tick
        """
        stop = Stop(
            beta=beta or 0.0,
            left=None if left is None else self._counts(left),
            max_ratio=max_ratio,
            enough=None if enough is None else enough - self._fixed,
        )
        working = self._working if last else self._working.copy()
        if last:
            del self._working
        label = "merge: given counts" if left is not None else f"merge: beta {stop.beta:.3g}"
        return merged_run(
            working, stop, order, lambda done, number: tick(done, f"{label}, round {number}")
        )

    def run_to(
        self, target: float, *, order: str, max_ratio: float, tick: Tick
    ) -> tuple[Run, float]:
        """Run at the smallest beta found that leaves no more than a part of the parameters.

        Raises
        ------
        ValueError
            If not even beta 1 does.
        """
        steps, enough = _HALVINGS + 2, math.floor(target * self.parameters)

        def at(beta: float, step: int) -> Run:
            own = part(tick, step / steps, (step + 1) / steps)
            return self.run(beta=beta, order=order, max_ratio=max_ratio, enough=enough, tick=own)

        run, beta = at(1.0, 0), 1.0
        if not run.reached:
            more = self._fixed + run.working.n_parameters() - enough
            raise ValueError(
                f"target must be within reach of the groups found, got {target}, of which "
                f"{more} parameters too many stay at beta 1; raise target or max_ratio"
            )
        none = at(0.0, 1)
        if none.reached:
            return none, 0.0
        low, high = _SMALLEST, 0.0
        for step in range(2, steps):
            middle = (low + high) / 2
            one = at(10**middle, step)
            if one.reached:
                run, beta, high = one, 10**middle, middle
            else:
                low = middle
        return run, beta

    def _counts(self, left: Mapping[str, int]) -> dict[str, int]:
        sizes = {one.name: one.size for one in self.groups}
        for name, count in left.items():
            check.one_of("left", name, sizes)
            check.whole(f"left[{name!r}]", count, 1)
            if count > sizes[name]:
                raise ValueError(
                    f"left[{name!r}] must be at most its {sizes[name]} features, got {count}; "
                    "leave the group out to keep them all"
                )
        return dict(left)

    # --- results -------------------------------------------------------------------------------

    def merge(
        self,
        *,
        beta: float | None = None,
        target: float | None = None,
        left: Mapping[str, int] | None = None,
        order: str = "round_robin",
        max_ratio: float = 1.0,
        last: bool = False,
        tick: Tick = silent,
    ) -> Merge:
        """Merge from the start; as `merge_features`, but for what was prepared.

        Parameters
        ----------
        beta, target, left, order, max_ratio
            As there.
        last : bool
            See `run`.
        tick : Tick
        """
        began = time.perf_counter()
        check_options(beta, target, left, order, max_ratio)
        own = part(tick, 0.0, 0.9)
        if target is not None:
            run, beta = self.run_to(target, order=order, max_ratio=max_ratio, tick=own)
        else:
            run = self.run(
                beta=beta, left=left, order=order, max_ratio=max_ratio, last=last, tick=own
            )
        weights = run.working.merged()
        with self.model.lock:
            small = rebuilt(self.model.module, self.groups, weights)
            shapes = shapes_of(self.model.module)
        merged = rebuilt(self._module, self.groups, weights)
        change, size = self.change(merged, part(tick, 0.9, 0.99))
        origin = Origin(
            "merge_features",
            {
                "beta": beta if target is None else None,
                "target": target,
                "left": None if left is None else dict(left),
                "rule": self.rule,
                "order": order,
                "max_ratio": max_ratio,
            },
            model=self.model.name,
            weights=self.model.digest,
        )
        numbers = {
            "parameters": self.parameters,
            "kept_parameters": _n_parameters(small),
            "macs": self.macs,
            "kept_macs": self.macs - self._saved_macs(weights),
            "output_change": change,
            "output_size": size,
            "rule": self.rule,
            "beta": math.nan if beta is None else float(beta),
            "order": order,
        }
        result = _result(run, self.refused, origin.after(time.perf_counter() - began), numbers)
        result.hold(small, shapes)
        tick(1.0, f"merge: {len(run.tree)} merges")
        return result

    def module_of(self, run: Run) -> nn.Module:
        """The smaller module that a run leaves, of the type and on the device of the original."""
        with self.model.lock:
            return rebuilt(self.model.module, self.groups, run.working.merged())

    def kept_parameters(self, run: Run) -> int:
        """Trainable numbers of the whole model that a run leaves."""
        return self._fixed + run.working.n_parameters()

    def kept_macs(self, run: Run) -> float:
        """Multiply-accumulates that a run leaves."""
        return self.macs - self._saved_macs(run.working.merged())

    def _saved_macs(self, merged: Weights) -> float:
        """A layer computes in proportion to the size of its weight."""
        saved = 0.0
        for path, layer in self.model.module.named_modules():
            weight = getattr(layer, "weight", None)
            if weight is None or not self._by_layer.get(path):
                continue
            # A layer that was cut has a tensor for each of its parts.
            lost = self._weights.n_inside(path) - merged.n_inside(path)
            saved += self._by_layer[path] * lost / weight.numel()
        return saved

    def change(self, other: nn.Module, tick: Tick = silent) -> tuple[float, float]:
        """Largest change of an output number on the example, and largest number before.

        Both are NaN, with a warning, where an output is NaN or infinite.

        Parameters
        ----------
        other : nn.Module
            In float64.
        tick : Tick
        """
        change, size = [0.0], [0.0]
        for place in range(0, len(self._inputs), _AT_ONCE):
            tick(place / len(self._inputs), f"merge: comparing {len(self._inputs)} outputs")
            few = self._inputs[place : place + _AT_ONCE]
            before = output_of(self.model, self._module, few)
            after = output_of(self.model, other, few)
            change.append(float((after - before).abs().max()))
            size.append(float(before.abs().max()))
        if not np.isfinite([*change, *size]).all():
            warnings.warn(
                "outputs must be finite on the example, got NaN or infinity before or after the "
                "merge; the change of the output is not known",
                RuntimeWarning,
                stacklevel=4,
            )
            return math.nan, math.nan
        return max(change), max(size)

    def _still_the_same(self, weights: Weights) -> None:
        """Raise if folding and gauging, which must change nothing, changed the output."""
        if not (RULES[self.rule].fold or RULES[self.rule].gauge):
            return
        ready = rebuilt(self._module, self.groups, weights)
        few = self._inputs[:2]
        before, after = (output_of(self.model, one, few) for one in (self._module, ready))
        change, size = float((after - before).abs().max()), float(before.abs().max())
        if not math.isfinite(size):
            raise ValueError(
                f"outputs must be finite on the example, got NaN or infinity from "
                f"{self.model.name!r}; give an example of the data it was trained on"
            )
        if not change <= _SAME * size:
            raise UnsupportedModel(
                f"model {self.model.name!r} must keep its output when batch norms are folded, got "
                f'a change of {change:.2g} of {size:.2g}; use rule="official", which folds none'
            )


def _n_parameters(module: nn.Module) -> int:
    return sum(one.numel() for one in module.parameters())


def _macs(model: Model, example: Tensor) -> dict[str, int]:
    """Multiply-accumulates by layer; empty where the model cannot be followed."""
    try:
        return macs(model, sites(model, example=example[:1]))
    except (RuntimeError, TypeError, ValueError, LookupError):
        return {}


def _steps(tick: Tick, weights: Weights) -> Callable[[], None]:
    """A beat that goes on by a small step each time, never to the end."""
    done = 0.0

    def beat() -> None:
        nonlocal done
        done += 0.02 * (1 - done)
        tick(done, f"merge: distances in {len(weights.groups)} groups")

    return beat


def _result(run: Run, refused: list[Refusal], origin: Origin, numbers: dict[str, Any]) -> Merge:
    features = run.working.features
    starts = [one.start for one in features]
    clusters = {
        one.group.name: [one.slots.units(int(slot)).tolist() for slot in one.slots.in_order()]
        for one in features
    }
    return Merge(
        rows=Index(np.array(list(clusters), dtype=np.str_), "group"),
        origin=origin,
        size=np.array([one.group.size for one in features], dtype=np.int64),
        left=np.array([one.slots.left for one in features], dtype=np.int64),
        closest=np.array([one.distance if one else math.nan for one in starts]),
        farthest=np.array([one.largest if one else math.nan for one in starts]),
        biggest=np.array([max(map(len, each)) for each in clusters.values()], dtype=np.int64),
        features_left={one.group.name: one.slots.left for one in features},
        clusters=clusters,
        tree=pd.DataFrame(run.tree, columns=list(_COLUMNS)),
        refused=[asdict(one) for one in refused],
        **numbers,
    )

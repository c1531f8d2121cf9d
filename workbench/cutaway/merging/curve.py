"""Complexity curve: how many features are left at each beta, beside the random initialisation."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import Tensor, nn

from cutaway.core import Origin, Result, Tick, check, part, silent
from cutaway.data.dataset import Dataset
from cutaway.merging.series import Series, cannot_start_anew, ratios
from cutaway.merging.series import baseline as random_start
from cutaway.model import metric as metrics
from cutaway.model.model import Model, as_model

Score: TypeAlias = Callable[[nn.Module], float] | tuple[Dataset, str]
"""Module to number, or data and the name of a metric (its mean over the samples is taken)."""

_CLIFF = 0.25  # of all features: lost between neighbouring betas, this much is called a cliff


@dataclass(frozen=True, eq=False, repr=False)
class ComplexityCurve(Result):
    """Features left at each beta; rows are groups, in network order.

    Parameters
    ----------
    betas : ndarray of shape (b,)
        Ascending, in [0, 1]; on *squared* distances, as published.
    size : ndarray of shape (groups,)
        Features before.
    features_left : ndarray of shape (b, groups)
        The feature complexity of each group.
    parameters : int
        Trainable numbers before.
    kept_parameters : ndarray of shape (b,)
        And after.
    macs : float
        Multiply-accumulates of one sample before; NaN where they cannot be counted.
    kept_macs : ndarray of shape (b,)
    score : ndarray of shape (b,)
        Of the merged modules; NaN without a metric.
    score_before : float
    closest, farthest : ndarray of shape (groups,)
        Smallest and largest squared distance of two features before any merge (NaN for a group of
        one). A group's merging starts at beta = `closest` / `farthest`.
    baseline_left : ndarray of shape (b, groups)
        The same network at random initialisation, mean over its seeds; NaN without a baseline.
    baseline_closest, baseline_farthest : ndarray of shape (groups,)
        Likewise.
    baseline_reason : str
        Why there is no baseline; empty where there is one.
    clusters : list of dict
        By beta: group name to a list of the original units in each feature left.
    rule : str
    refused : list of dict
        `name`, `size` and `reason` of features that no group could be made of.
    """

    betas: NDArray[np.float64]
    size: NDArray[np.int64]
    features_left: NDArray[np.int64]
    parameters: int
    kept_parameters: NDArray[np.int64]
    macs: float
    kept_macs: NDArray[np.float64]
    score: NDArray[np.float64]
    score_before: float
    closest: NDArray[np.float64]
    farthest: NDArray[np.float64]
    baseline_left: NDArray[np.float64]
    baseline_closest: NDArray[np.float64]
    baseline_farthest: NDArray[np.float64]
    baseline_reason: str
    clusters: list[dict[str, list[list[int]]]]
    rule: str
    refused: list[dict[str, Any]]

    _shapes: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("betas", "kept_parameters", "kept_macs", "score", "clusters"), "betas"),
        **dict.fromkeys(
            ("size", "closest", "farthest", "baseline_closest", "baseline_farthest"), "n"
        ),
        "features_left": "betas n",
        "baseline_left": "betas n",
    }

    def at(self, beta: float) -> int:
        """Place of the beta of the curve that is nearest to one.

        Raises
        ------
        ValueError
            If it lies outside [0, 1].
        """
        check.in_range("beta", beta, 0.0, 1.0)
        return int(np.argmin(np.abs(self.betas - beta)))

    @property
    def why(self) -> str:
        """What keeps the curve from being useful, and what helps; empty where nothing does."""
        share = self.features_left.sum(axis=1) / max(int(self.size.sum()), 1)
        if share[-1] == 1:
            return self._why_nothing()
        steps = -np.diff(np.concatenate([[1.0], share]))
        worst = int(np.argmax(steps))
        if steps[worst] < _CLIFF:
            return ""
        low = self.betas[worst - 1] if worst else 0.0
        before = share[worst - 1] if worst else 1.0
        return (
            f"A cliff: between beta {low:.4g} and {self.betas[worst]:.4g} the share of features "
            f"left falls from {before:.0%} to {share[worst]:.0%}. Give betas in between, or merge "
            "to a target= part of the parameters."
        )

    def _why_nothing(self) -> str:
        known = np.flatnonzero(np.isfinite(self.closest))
        if len(known) == 0:
            return "Nothing merges: every group has one feature."
        ratio = ratios(self.closest, self.farthest)
        first = known[np.argmin(ratio[known])]
        text = (
            f"Nothing merges up to beta {self.betas[-1]:.4g}: even in "
            f"{str(self.rows.ids[first])!r}, of all groups the readiest, the smallest squared "
            f"distance of two features ({self.closest[first]:.4g}) is {ratio[first]:.2g} of the "
            f"largest ({self.farthest[first]:.4g})"
        )
        base = ratios(self.baseline_closest, self.baseline_farthest)[first]
        if np.isfinite(base):
            text += f"; at random initialisation {base:.2g}"
        return (
            f"{text}. Larger betas than {ratio[first]:.2g} merge, or a target= part of the "
            "parameters; long training with weight decay brings features together."
        )

    def to_frame(self) -> pd.DataFrame:
        """One line a beta and group: what is left, of how many, and at initialisation."""
        b, g = self.features_left.shape
        return pd.DataFrame(
            {
                "beta": np.repeat(self.betas, g),
                "group": np.tile(self.rows.ids, b),
                "size": np.tile(self.size, b),
                "left": self.features_left.ravel(),
                "share": (self.features_left / self.size).ravel(),
                "baseline_left": self.baseline_left.ravel(),
                "kept_parameters": np.repeat(self.kept_parameters / self.parameters, g),
                "score": np.repeat(self.score, g),
            }
        )

    def __repr__(self) -> str:
        before, least = int(self.size.sum()), int(self.features_left[-1].sum())
        return (
            f"ComplexityCurve({self.rule}, {len(self.betas)} betas to {self.betas[-1]:.4g}: "
            f"{before} → {least} features, {len(self.size)} groups)"
        )


def complexity_curve(
    model: Model | nn.Module,
    example: Tensor,
    *,
    betas: Sequence[float] | None = None,
    rule: str = "auto",
    metric: Score | None = None,
    baseline: bool = True,
    tick: Tick = silent,
) -> ComplexityCurve:
    """Features left over a range of betas, by group and whole.

    Parameters
    ----------
    model : Model or torch.nn.Module
        Is copied and not touched.
    example : Tensor of shape (n, …)
        A batch of samples, for shapes.
    betas : sequence of float or None
        In [0, 1]. None chooses 12: see Notes.
    rule : str
        See `merge_features`.
    metric : callable, (Dataset, str) or None
        What a merged module is worth: a function of the module, or data and "accuracy", "loss" or
        "margin".
    baseline : bool
        Merge the same network at random initialisation too (`reset_parameters` of every module,
        seeds 0, 1, 2).
    tick : Tick
        Called all along.

    Raises
    ------
    ValueError, UnsupportedModel
        As `merge_features`; and if betas is empty.

    Notes
    -----
    An evenly spaced grid steps over the useful range: it differs tenfold between networks, and ends
    in a cliff where one group collapses. So the default betas are looked for: 0, then eleven times
    the geometric middle of those two neighbours between which most features are lost, starting
    from the beta at which the first pair of any group would merge (at least 1e-6) and 1.

    References
    ----------
    Chen, Zhou, Yan, "Going beyond neural network feature similarity: the network feature complexity
    and its interpretation using category theory", ICLR 2024, arXiv:2310.06756, section 5.
    """
    began = time.perf_counter()
    wanted = None if betas is None else _wanted(betas)
    opened = as_model(model)
    score = None if metric is None else _score(metric, opened)
    reason = cannot_start_anew(opened.module) if baseline else "not asked for"
    until = 0.98 if reason else 0.7
    series = Series(opened, example, rule, score, part(tick, 0.0, 0.1 * until))
    points = series.over(wanted, part(tick, 0.1 * until, until))
    found, prepared = [one.beta for one in points], series.prepared
    nothing = np.full(len(series.size), np.nan)
    bare = (np.tile(nothing, (len(found), 1)), nothing, nothing)
    if not reason:
        bare = random_start(opened, example, prepared.rule, found, part(tick, until, 0.98))
    origin = Origin(
        "complexity_curve",
        {"betas": wanted, "rule": rule, "metric": _named(metric), "baseline": baseline},
        model=opened.name,
        weights=opened.digest,
    )
    before = math.nan if score is None else score(opened.module)
    tick(1.0, f"complexity: {len(found)} betas")
    return ComplexityCurve(
        rows=series.rows,
        origin=origin.after(time.perf_counter() - began),
        betas=np.array(found),
        size=series.size,
        features_left=np.array([one.left for one in points]),
        parameters=prepared.parameters,
        kept_parameters=np.array([one.kept_parameters for one in points]),
        macs=prepared.macs,
        kept_macs=np.array([one.kept_macs for one in points]),
        score=np.array([one.score for one in points]),
        score_before=before,
        closest=series.closest,
        farthest=series.farthest,
        baseline_left=bare[0],
        baseline_closest=bare[1],
        baseline_farthest=bare[2],
        baseline_reason=reason,
        clusters=[one.clusters for one in points],
        rule=prepared.rule,
        refused=[asdict(one) for one in prepared.refused],
    )


def _wanted(betas: Sequence[float]) -> list[float]:
    """Given betas, ascending, each once."""
    values = sorted({float(one) for one in betas})
    if not values:
        raise ValueError("betas must hold at least one, got none; give None for twelve")
    for one in values:
        check.in_range("betas", one, 0.0, 1.0)
    return values


def _score(metric: Score, model: Model) -> Callable[[nn.Module], float]:
    """A function of a module from either form of a metric."""
    if callable(metric):
        return lambda module: float(metric(module))
    if not (isinstance(metric, tuple) and len(metric) == 2):
        raise TypeError(
            f"metric must be a function of a module or (data, name), got {type(metric).__name__}; "
            'give (data, "accuracy"), say'
        )
    data, name = metric
    metrics.named(name)
    metrics.filled(data)

    def score(module: nn.Module) -> float:
        merged = Model(
            module, model.name, kind=model.kind, tokenizer=model.tokenizer,
            special_tokens=model.special_tokens,
        )  # fmt: skip
        return float(np.mean(metrics.evaluate(merged, data, name)))

    return score


def _named(metric: Score | None) -> str | None:
    if metric is None:
        return None
    if callable(metric):
        return getattr(metric, "__name__", type(metric).__name__)
    return f"{metric[1]} of {metric[0].name}"

"""What edits do to a metric, against random edits of the same size."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import nn

from cutaway.causal.controls import draw_controls
from cutaway.causal.means import with_means
from cutaway.core import Origin, Result, Tick, check, part, silent
from cutaway.data.batching import batches
from cutaway.data.content import content_of
from cutaway.data.dataset import Dataset
from cutaway.model import metric as metrics
from cutaway.model.edit import Watching, listed, sites_of
from cutaway.model.edits import Edit, UnitEdit
from cutaway.model.hooks import evaluating
from cutaway.model.model import Model, as_model, given
from cutaway.model.resolve import usual_batch_size

_RESAMPLES = 2000


@dataclass(frozen=True, eq=False, repr=False)
class Effect(Result):
    """Change of a metric under edits.

    Parameters
    ----------
    before, after : float
        Mean of the metric over the samples that count: those whose outputs are finite both before
        and after.
    change : float
        ``after - before``.
    per_sample_before, per_sample_after : ndarray of shape (n,)
        The metric of each sample; NaN where its outputs are NaN or infinite.
    interval : ndarray of shape (2,)
        95 % bootstrap interval (percentiles) of the mean paired change, over samples.
    control_changes : ndarray of shape (controls,)
        Change under each random control, over those of the samples that count whose outputs are
        finite under it too; NaN where none is. See `cutaway.causal.controls.draw_controls`.
    p : float
        Two-sided: (1 + controls with a change at least as large in size) / (1 + controls); a
        control of NaN counts as large. NaN if there are no controls, e.g. because the edit covers
        every unit of its site.
    edits : list of dict
        The edits, as JSON.
    metric : str
        Name of the metric.
    n_units : int
        Units that the edits touch; a direction counts as one.
    n_nonfinite : int
        Samples left out because their outputs are NaN or infinite before or after.
    """

    before: float
    after: float
    change: float
    per_sample_before: NDArray[np.float64]
    per_sample_after: NDArray[np.float64]
    interval: NDArray[np.float64]
    control_changes: NDArray[np.float64]
    p: float
    edits: list[dict[str, Any]]
    metric: str
    n_units: int
    n_nonfinite: int = 0  # what was saved before it was counted has none

    schema: ClassVar[int] = 2

    _shapes: ClassVar[Mapping[str, str]] = {
        "per_sample_before": "n",
        "per_sample_after": "n",
        "interval": "2",
        "control_changes": "controls",
    }

    def to_frame(self) -> pd.DataFrame:
        """One line a sample: metric before and after, and the change."""
        columns = {
            "before": self.per_sample_before,
            "after": self.per_sample_after,
            "change": self.per_sample_after - self.per_sample_before,
        }
        return pd.DataFrame(columns, index=pd.Index(self.rows.ids, name=self.rows.axis))

    def __repr__(self) -> str:
        low, high = self.interval
        lost = f", {self.n_nonfinite} samples left out (NaN or infinite outputs)"
        return (
            f"Effect({self.metric} {self.before:.4g} → {self.after:.4g}, change {self.change:+.4g} "
            f"[{low:+.4g}, {high:+.4g}], p {self.p:.3g} by {len(self.control_changes)} controls"
            f"{lost if self.n_nonfinite else ''})"
        )


def ablate(
    model: Model | nn.Module,
    data: Dataset,
    edits: Edit | Sequence[Edit],
    *,
    metric: str | metrics.Metric = "accuracy",
    controls: int = 100,
    seed: int = 0,
    batch_size: int | None = None,
    tick: Tick = silent,
) -> Effect:
    """Effect of some edits on a metric, with a control distribution.

    Parameters
    ----------
    model : Model or torch.nn.Module
        Runs in eval mode without gradients, under its lock; nothing stays changed.
    data : Dataset
        Samples; labels where the metric needs them.
    edits : Edit or sequence of Edit
        Applied together. A `Mean` without values gets the mean over `data`.
    metric : {"accuracy", "loss", "margin"} or callable
        See `cutaway.model.metric`.
    controls : int
        Random edits to compare with, matched in site, kind and count of units. Fewer are used where
        the site does not have so many different ones.
    seed : int
        Of the controls and the bootstrap.
    batch_size : int or None
        None chooses one from the shape of a sample.
    tick : Tick
        Called after each forward pass.

    Raises
    ------
    UnknownSite
        If a site is none of the model.
    ValueError
        If the data set is empty or has no labels, there is no edit, a unit is out of range, or no
        sample has finite outputs before and after.
    TypeError
        If something is no edit.

    Warns
    -----
    RuntimeWarning
        If samples are left out because outputs are NaN or infinite, with their number.

    Notes
    -----
    If the edit were a random one itself, p would be uniform: observed and control sets are
    exchangeable, and controls are different sets. Samples without a metric (NaN) do not count.

    References
    ----------
    Phipson, Smyth, "Permutation p-values should never be zero", Stat. Appl. Genet. Mol. Biol. 9
    (2010), doi:10.2202/1544-6115.1585: one is added above and below.
    """
    began = time.perf_counter()
    name, function = metrics.named(metric)
    check.whole("controls", controls, 0)
    check.whole("seed", seed, 0)
    metrics.filled(data)
    opened = as_model(model)
    every = listed(edits)
    if not every:
        raise ValueError("edits must hold at least one edit, got none; give e.g. Zero(site, units)")
    size = usual_batch_size(data) if batch_size is None else batch_size
    with opened.lock, evaluating(opened.module):
        known = sites_of(opened, every, data) or {}
        every = with_means(opened, data, every, known, batch_size=size, tick=part(tick, 0.0, 0.05))
        versions = [(), every, *draw_controls(every, known, controls, seed)]
        watching = [Watching(opened, one, known) for one in versions]
        values, lost = np.empty((len(versions), len(data))), np.zeros(len(data), np.bool_)
        done = 0
        for batch in batches(data, size):
            ready = metrics.prepared(opened, batch)
            for place, edit in enumerate(watching):
                share = (done + len(batch) * place / len(versions)) / len(data)
                tick(0.05 + 0.95 * share, f"ablate: {done}/{len(data)} samples")
                with edit.hooks(opened.module):
                    found, finite = metrics.measured(opened, ready, name, function)
                here = slice(done, done + len(batch))
                values[place, here] = np.where(finite, found, np.nan)
                if place < 2:
                    lost[here] |= ~finite | np.isinf(found)
            done += len(batch)
    origin = Origin(
        "ablate",
        {"edits": [one.to_json() for one in every], "metric": name, "controls": controls},
        model=opened.name,
        weights=opened.digest,
        site=", ".join(dict.fromkeys(one.site for one in every)),
        data=data.name,
        rows=data.index.digest,
        content=content_of(data),
        seed=seed,
        given=given(opened, data) | {"batch_size": batch_size},
    )
    origin = origin.after(time.perf_counter() - began)
    effect = _effect(data, values, every, name, origin=origin, n_nonfinite=int(lost.sum()))
    metrics.warn_of_nonfinite(
        effect.n_nonfinite, len(data), "they are left out of the effect", stacklevel=2
    )
    tick(1.0, f"ablate: {len(versions) - 2} controls")
    return effect


def two_sided_p(observed: float, changes: NDArray[np.float64], *, size: float = 1.0) -> float:
    """(1 + controls at least as large in size) / (1 + controls); NaN without controls.

    Notes
    -----
    Changes that differ only by rounding, 1e-9 of the `size` of what changed, count as equal; one
    that is not a number counts as large.
    """
    if len(changes) == 0:
        return float("nan")
    slack = 1e-9 * max(size, abs(observed))
    larger = np.count_nonzero(~np.isfinite(changes) | (np.abs(changes) >= abs(observed) - slack))
    return float((1 + larger) / (1 + len(changes)))


def bootstrap_interval(
    values: NDArray[np.float64], seed: int, resamples: int = _RESAMPLES
) -> NDArray[np.float64]:
    """95 % percentile interval of the mean of some values, by resampling them.

    References
    ----------
    Efron, Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13.
    """
    rng = np.random.default_rng(seed)
    n = len(values)
    means = np.array([values[rng.integers(0, n, n)].mean() for _ in range(resamples)])
    return np.asarray(np.quantile(means, [0.025, 0.975]))


def _effect(
    data: Dataset,
    values: NDArray[np.float64],
    edits: Sequence[Edit],
    name: str,
    *,
    origin: Origin,
    n_nonfinite: int,
) -> Effect:
    counted = np.isfinite(values[:2]).all(axis=0)
    if not counted.any() and n_nonfinite:
        raise ValueError(
            f"outputs must be finite before and after the edits for at least one sample, got NaN "
            f"or infinity in {n_nonfinite} of {len(data)}; capture the sites before the edited one "
            "to see where they begin"
        )
    if not counted.any():
        raise ValueError(
            f"metric {name} must be finite for at least one sample, got none; "
            "use another metric or longer texts"
        )
    before = values[0, counted]
    paired = values[1:, counted] - before
    known = np.isfinite(paired)
    n = known.sum(axis=1)
    size = float(np.abs(values[:2, counted]).max())
    changes = np.where(n > 0, np.where(known, paired, 0.0).sum(axis=1) / np.maximum(n, 1), np.nan)
    return Effect(
        rows=data.index,
        origin=origin,
        before=float(before.mean()),
        after=float(values[1, counted].mean()),
        change=float(changes[0]),
        per_sample_before=values[0],
        per_sample_after=values[1],
        interval=bootstrap_interval(paired[0], origin.seed or 0),
        control_changes=changes[1:],
        p=two_sided_p(float(changes[0]), changes[1:], size=size),
        edits=[one.to_json() for one in edits],
        metric=name,
        n_units=sum(len(one) if isinstance(one, UnitEdit) else 1 for one in edits),
        n_nonfinite=n_nonfinite,
    )

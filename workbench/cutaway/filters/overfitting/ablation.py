"""E3: whether switching off the anomaly filters does more than switching off as many others."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cutaway.causal.ablate import ablate, two_sided_p
from cutaway.causal.means import with_means
from cutaway.core import Index, Origin, Result, Tick, check, part, silent
from cutaway.data import Dataset
from cutaway.data.content import content_of
from cutaway.filters.filter_screen import FilterScreen
from cutaway.model import Edit, Mean, Model, Zero
from cutaway.model.edit import sites_of
from cutaway.model.hooks import evaluating
from cutaway.model.resolve import usual_batch_size


@dataclass(frozen=True, eq=False, repr=False)
class FilterImpact(Result):
    """Change of accuracy when anomaly filters are switched off, beside matched random filters.

    `rows` are "train", "test" and "gap".

    Parameters
    ----------
    before, after : ndarray of shape (3,)
        Accuracy on train and test, and their difference.
    controls : ndarray of shape (3, draws)
        Change under each random draw of as many filters of the same layers.
    p : ndarray of shape (3,)
        Two-sided, (1 + draws at least as large in size) / (1 + draws).
    filters : list of list
        The [site, unit] that were switched off.
    chosen : str
        How they were chosen: "flagged", or "highest score" where too few were.
    n_nonfinite : int
        Samples of both sets left out because outputs are NaN or infinite before or after.
    """

    before: NDArray[np.float64]
    after: NDArray[np.float64]
    controls: NDArray[np.float64]
    p: NDArray[np.float64]
    filters: list[list[object]]
    chosen: str
    n_nonfinite: int = 0  # what was saved before it was counted has none

    schema: ClassVar[int] = 2

    _shapes: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("before", "after", "p"), "3"),
        "controls": "3 draws",
    }

    @property
    def change(self) -> NDArray[np.float64]:
        """After minus before."""
        return np.asarray(self.after - self.before)

    def to_frame(self) -> pd.DataFrame:
        """One line for train, test and gap: before, after, change, mean of the controls, p."""
        columns = {
            "before": self.before,
            "after": self.after,
            "change": self.change,
            "control_mean": self._control_means(),
            "p": self.p,
        }
        return pd.DataFrame(columns, index=pd.Index(self.rows.ids, name=self.rows.axis))

    def __repr__(self) -> str:
        parts = [
            f"{name} {100 * change:+.1f} (random {100 * mean:+.1f}, p {p:.2g})"
            for name, change, mean, p in zip(
                self.rows, self.change, self._control_means(), self.p, strict=True
            )
        ]
        lost = f"; {self.n_nonfinite} samples left out (NaN or infinite outputs)"
        return (
            f"FilterImpact({len(self.filters)} filters, {self.chosen}; in points: "
            f"{', '.join(parts)}{lost if self.n_nonfinite else ''})"
        )

    def _control_means(self) -> NDArray[np.float64]:
        """Mean over the draws that left a finite output."""
        known = np.isfinite(self.controls)
        total = np.where(known, self.controls, 0.0).sum(axis=1)
        return np.where(known.any(axis=1), total / np.maximum(known.sum(axis=1), 1), np.nan)


def ablate_flagged(
    model: Model,
    screen: FilterScreen,
    train: Dataset,
    test: Dataset,
    *,
    count: int | None = None,
    by: Literal["mean", "zero"] = "mean",
    controls: int = 100,
    seed: int = 0,
    tick: Tick = silent,
) -> FilterImpact:
    """Switch off the anomaly filters of a screen and compare with matched random filters.

    Parameters
    ----------
    model : Model
        The network that was screened.
    screen : FilterScreen
        Its screen.
    train, test : Dataset
        With labels.
    count : int or None
        Switch off this many filters of highest score; None takes all flagged ones.
    by : {"mean", "zero"}
        What stands in for a filter: its mean over the training samples, or zero (which also shifts
        what the next layer is used to).
    controls : int
        Random draws, matched in layer and count.
    seed : int
        Of the draws.
    tick : Tick
        Called after each forward pass.

    Raises
    ------
    ValueError
        If no filter is flagged and `count` is None, or `by` is unknown.
    """
    began = time.perf_counter()
    check.one_of("by", by, ("mean", "zero"))
    check.whole("controls", controls, 1)
    chosen, how = _chosen(screen, count)
    kind = Mean if by == "mean" else Zero
    edits: tuple[Edit, ...] = tuple(
        kind(str(site), group["unit"].astype(int).tolist())
        for site, group in chosen.groupby("site", sort=False)
    )
    with model.lock, evaluating(model.module):
        # Means over the training samples for both sets: the same network is asked twice.
        known = sites_of(model, edits, train) or {}
        size = usual_batch_size(train)
        edits = with_means(model, train, edits, known, batch_size=size, tick=silent)
    on_train, on_test = (
        ablate(model, data, edits, controls=controls, seed=seed, tick=part(tick, low, high))
        for data, low, high in ((train, 0.0, 0.7), (test, 0.7, 1.0))
    )
    changes = np.stack([on_train.control_changes, on_test.control_changes])
    changes = np.concatenate([changes, changes[:1] - changes[1:]])
    before = np.array([on_train.before, on_test.before, on_train.before - on_test.before])
    after = np.array([on_train.after, on_test.after, on_train.after - on_test.after])
    observed = after - before
    origin = Origin(
        "ablate_flagged",
        {"screen": screen.digest, "count": count, "by": by, "controls": controls},
        model=model.name, weights=model.digest, site=screen.origin.site, data=test.name,
        rows=test.index.digest, content=content_of(test), seed=seed,
        seconds=time.perf_counter() - began,
    )  # fmt: skip
    p = [two_sided_p(float(one), row) for one, row in zip(observed, changes, strict=True)]
    listed: Sequence[tuple[object, object]] = list(
        zip(chosen["site"].astype(str), chosen["unit"].astype(int), strict=True)
    )
    return FilterImpact(
        Index(np.array(["train", "test", "gap"]), "accuracy"), origin, before, after, changes,
        np.array(p), [list(one) for one in listed], how, on_train.n_nonfinite + on_test.n_nonfinite,
    )  # fmt: skip


def _chosen(screen: FilterScreen, count: int | None) -> tuple[pd.DataFrame, str]:
    """Lines of the filters to switch off, and how they were chosen."""
    filters = screen.filters
    if count is not None:
        check.whole("count", count, 1, len(filters))
        ranked = filters.sort_values("score", ascending=False, kind="stable")
        return ranked.head(count), "highest score"
    flagged = filters[filters["flag"].astype(str) != ""]
    if not len(flagged):
        raise ValueError(
            "screen must flag at least one filter, got none; give count= to take those of "
            "highest score"
        )
    return flagged, "flagged"

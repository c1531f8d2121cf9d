"""E1: whether the number of anomaly filters grows as a network overfits."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cutaway.core import Index, Origin, Result, Tick, check, digest, part, silent
from cutaway.data import Dataset
from cutaway.data.content import content_of
from cutaway.filters.overfitting.statistics import mean_interval, shift_p, spearman
from cutaway.filters.screen import screen_filters
from cutaway.model import Model, Site, capture, predict, sites

Course: TypeAlias = Sequence[tuple[int, Model]]
"""Checkpoints of one run: (epoch, model), in the order of time."""


@dataclass(frozen=True, eq=False, repr=False)
class AnomalyGrowth(Result):
    """Anomaly filters and the train-test gap over the checkpoints of several runs.

    `rows` are the checkpoints, named ``"run:epoch"``.

    Parameters
    ----------
    run : list of str
        Run of each checkpoint.
    epoch : ndarray of shape (checkpoints,)
        Its epoch.
    fitted, likely, certain : ndarray of shape (checkpoints,)
        Filters that could be screened, and those flagged at least "likely", and "certain".
    score : ndarray of shape (checkpoints,)
        Mean ranking score of the fitted filters, -log10 p.
    accuracy_train, accuracy_test, loss_train, loss_test : ndarray of shape (checkpoints,)
        Of the whole train and test set; losses in nats.
    """

    run: list[str]
    epoch: NDArray[np.int64]
    fitted: NDArray[np.int64]
    likely: NDArray[np.int64]
    certain: NDArray[np.int64]
    score: NDArray[np.float64]
    accuracy_train: NDArray[np.float64]
    accuracy_test: NDArray[np.float64]
    loss_train: NDArray[np.float64]
    loss_test: NDArray[np.float64]

    _shapes: ClassVar[Mapping[str, str]] = dict.fromkeys(
        (
            "run",
            "epoch",
            "fitted",
            "likely",
            "certain",
            "score",
            "accuracy_train",
            "accuracy_test",
            "loss_train",
            "loss_test",
        ),
        "n",
    )

    @property
    def gap(self) -> NDArray[np.float64]:
        """Accuracy on the train set minus that on the test set."""
        return np.asarray(self.accuracy_train - self.accuracy_test)

    def to_frame(self) -> pd.DataFrame:
        """One line a checkpoint."""
        frame = super().to_frame()
        frame.insert(0, "run", self.run)
        frame["share"] = self.likely / np.maximum(self.fitted, 1)
        frame["gap"] = self.gap
        frame["loss_gap"] = self.loss_test - self.loss_train
        return frame

    def trends(self) -> pd.DataFrame:
        """One line a run: rank correlation of the share of anomaly filters with the gap.

        ``rho`` and ``p`` (by circular shifts) for the accuracy gap, ``rho_loss`` for the loss gap,
        ``rho_score`` of the mean score with the accuracy gap. NaN where a course is constant.
        """
        lines = []
        for name, course in self.to_frame().groupby("run", sort=False):
            share, gap = course["share"].to_numpy(), course["gap"].to_numpy()
            lines.append(
                {
                    "run": name,
                    "rho": spearman(share, gap),
                    "p": shift_p(share, gap),
                    "rho_loss": spearman(share, course["loss_gap"]),
                    "rho_score": spearman(course["score"], gap),
                    "share_first": share[0],
                    "share_last": share[-1],
                    "gap_last": gap[-1],
                }
            )
        return pd.DataFrame(lines)

    def mean_rho(self) -> tuple[float, float, float]:
        """Mean over runs of rho with its 95 % bootstrap interval; the run is the unit."""
        return mean_interval(self.trends()["rho"], self.origin.seed or 0)

    def __repr__(self) -> str:
        mean, low, high = self.mean_rho()
        runs = len(dict.fromkeys(self.run))
        return (
            f"AnomalyGrowth({runs} runs, {len(self.rows)} checkpoints; rank correlation of flagged "
            f"share and gap {mean:+.2f} [{low:+.2f}, {high:+.2f}])"
        )


def anomaly_growth(
    runs: Mapping[str, Course],
    train: Dataset | Mapping[str, Dataset],
    test: Dataset,
    *,
    pattern: str = "**",
    types: Sequence[str] = ("Conv2d",),
    probe: int = 1000,
    seed: int = 0,
    options: Mapping[str, Any] | None = None,
    tick: Tick = silent,
) -> AnomalyGrowth:
    """Screen every checkpoint on the same probe and set the flags beside the train-test gap.

    Parameters
    ----------
    runs : mapping of str to sequence of (int, Model)
        Name of a run to its checkpoints in the order of time. Runs (seeds) are the unit of the
        statistics, so give several; random initialisation is epoch 0.
    train : Dataset or mapping of str to Dataset
        What the runs were trained on (by run, if they differ).
    test : Dataset
        Held-out samples.
    pattern, types
        Sites to screen: those that match the pattern and are of one of these module types.
    probe : int
        Training samples that are screened: the first ones in the order of ids.
    seed : int
        Of the screen and of the bootstrap.
    options : mapping or None
        More keywords of `screen_filters`.
    tick : Tick
        Called between checkpoints and inside them.

    Raises
    ------
    ValueError
        If there is no run, a run has no checkpoint, or no site is of the wanted types.
    """
    began = time.perf_counter()
    check.whole("probe", probe, 2)
    check.whole("seed", seed, 0)
    listed = [(name, epoch, model) for name, course in runs.items() for epoch, model in course]
    empty = [name for name, course in runs.items() if not course]
    if not listed or empty:
        raise ValueError(
            f"runs must each hold at least one (epoch, model), got none for {empty or 'any run'}; "
            "give the checkpoints in the order of time"
        )
    lines = []
    for i, (name, epoch, model) in enumerate(listed):
        data = train[name] if isinstance(train, Mapping) else train
        step = part(tick, i / len(listed), (i + 1) / len(listed))
        found = _checkpoint(
            model, data, test,
            kinds=(pattern, types), probe=probe, options={"seed": seed, **(options or {})},
            tick=step,
        )  # fmt: skip
        lines.append({"run": name, "epoch": epoch, **found})
    frame = pd.DataFrame(lines)
    first = listed[0][2]
    origin = Origin(
        "anomaly_growth",
        {"runs": {name: [epoch for epoch, _ in course] for name, course in runs.items()},
         "weights": digest.of_json([model.digest for _, _, model in listed]),
         "pattern": pattern, "types": list(types), "probe": probe, **(options or {})},
        model=first.name,
        data=test.name,
        rows=test.index.digest,
        content=content_of(test),
        seed=seed,
    )  # fmt: skip
    return AnomalyGrowth(
        Index(np.array([f"{name}:{epoch}" for name, epoch, _ in listed]), "checkpoint"),
        replace(origin, seconds=time.perf_counter() - began),
        run=frame["run"].tolist(),
        **{name: frame[name].to_numpy() for name in frame.columns if name != "run"},
    )


def _checkpoint(
    model: Model,
    train: Dataset,
    test: Dataset,
    *,
    kinds: tuple[str, Sequence[str]],
    probe: int,
    options: Mapping[str, Any],
    tick: Tick,
) -> dict[str, float]:
    """Counts of flags and scores of one checkpoint."""
    pattern, types = kinds
    tree = sites(model, train)
    matching = tree[pattern]
    among = [matching] if isinstance(matching, Site) else list(matching)
    found = [one.path for one in among if one.type in types]
    if not found:
        raise ValueError(
            f"types must match a site of {model.name}, got {', '.join(types)}; "
            "see the column type of cutaway.sites(model, data)"
        )
    few = train.take(range(min(probe, len(train))))
    acts = capture(model, few, tree[found], pool=8, show=None, tick=part(tick, 0.0, 0.3))
    screen = screen_filters(acts, tick=part(tick, 0.3, 0.8), **options)
    filters = screen.filters
    fitted = filters["status"].to_numpy().astype(str) == "ok"
    flags = filters["flag"].to_numpy().astype(str)[fitted]
    answers = {
        "train": predict(model, train, tick=part(tick, 0.8, 0.9)),
        "test": predict(model, test, tick=part(tick, 0.9, 1.0)),
    }
    numbers: dict[str, float] = {
        "fitted": int(fitted.sum()),
        "likely": int((flags != "").sum()),
        "certain": int((flags == "certain").sum()),
        "score": float(np.nanmean(filters["score"].to_numpy()[fitted])) if fitted.any() else np.nan,
    }
    for name, one in answers.items():
        if one.correct is None or one.loss is None:
            raise ValueError(f"{name} must have labels, got none; give them to load_data")
        numbers[f"accuracy_{name}"] = float(one.correct.mean())
        numbers[f"loss_{name}"] = float(one.loss.mean())
    return numbers

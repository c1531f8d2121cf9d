"""E2, second half: whether training without the outlier samples changes the train-test gap."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from cutaway.core import Index, Origin, Result, Tick, check, silent
from cutaway.filters.overfitting.statistics import check_share, mean_interval, top

Trainer: TypeAlias = Callable[[NDArray[np.bool_], int], tuple[float, float]]
"""(keep: which training samples, seed) to (train accuracy, test accuracy) after training."""

GROUPS = ("none", "outliers", "random", "class-matched", "largest gradient")


@dataclass(frozen=True, eq=False, repr=False)
class Removal(Result):
    """Accuracies after training without some samples, over seeds.

    `rows` are the trainings, named ``"group:seed"``.

    Parameters
    ----------
    group : list of str
        What was left out: none, outliers, random, class-matched (random of the same classes) or
        largest gradient.
    seed : ndarray of shape (trainings,)
        Of the training, and of the random groups.
    accuracy_train, accuracy_test : ndarray of shape (trainings,)
        On what was kept, and held out.
    """

    group: list[str]
    seed: NDArray[np.int64]
    accuracy_train: NDArray[np.float64]
    accuracy_test: NDArray[np.float64]

    _shapes: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("group", "seed", "accuracy_train", "accuracy_test"), "n"
    )

    def to_frame(self) -> pd.DataFrame:
        """One line a training."""
        frame = super().to_frame()
        frame.insert(0, "group", self.group)
        frame["gap"] = self.accuracy_train - self.accuracy_test
        return frame

    def differences(self) -> pd.DataFrame:
        """One line a group: change of test accuracy and gap against none, paired by seed.

        Mean over seeds with 95 % bootstrap intervals.
        """
        frame = self.to_frame().pivot_table(
            index="seed", columns="group", values=["accuracy_test", "gap"]
        )
        lines = []
        for name in dict.fromkeys(self.group):
            if name == "none":
                continue
            line: dict[str, object] = {"group": name}
            for what in ("accuracy_test", "gap"):
                change = (frame[what][name] - frame[what]["none"]).to_numpy()
                mean, low, high = mean_interval(change, 0)
                line |= {what: mean, f"{what}_low": low, f"{what}_high": high}
            lines.append(line)
        return pd.DataFrame(lines)

    def __repr__(self) -> str:
        parts = [
            f"{one.group} {100 * one.accuracy_test:+.2f}" for one in self.differences().itertuples()
        ]
        return f"Removal(test accuracy in points, left out: {', '.join(parts)})"


def without_outliers(
    train: Trainer,
    labels: ArrayLike,
    scores: ArrayLike,
    *,
    gradients: ArrayLike | None = None,
    share: float = 0.05,
    seeds: Sequence[int] = (0, 1, 2),
    tick: Tick = silent,
) -> Removal:
    """Train with and without the outlier samples, and without as many others.

    Parameters
    ----------
    train : callable
        ``train(keep, seed)`` trains on the samples where `keep` is true and returns the accuracies
        on them and on the test set. Training is the caller's: only they know the recipe.
    labels : array_like of shape (n,)
        Class of each training sample.
    scores : array_like of shape (n,)
        Outlier score of each.
    gradients : array_like of shape (n,) or None
        Early gradient norms; leaves out the group "largest gradient" if None.
    share : float
        Part that is left out, above 0 and below 0.5.
    seeds : sequence of int
        One training of every group for each.
    tick : Tick
        Called before each training.

    Raises
    ------
    ValueError
        If the lengths differ, or there is no seed.
    """
    began = time.perf_counter()
    values = np.asarray(scores, dtype=np.float64)
    classes = np.asarray(labels)
    check.same_length("labels", len(classes), "scores", len(values))
    if not seeds:
        raise ValueError("seeds must hold at least one seed, got none; give e.g. range(3)")
    check_share(share)
    steep = None if gradients is None else np.asarray(gradients, dtype=np.float64)
    if steep is not None:
        check.same_length("gradients", len(steep), "scores", len(values))
    groups = [one for one in GROUPS if one != "largest gradient" or steep is not None]
    lines: list[tuple[str, int, float, float]] = []
    for seed in seeds:
        for name in groups:
            tick(len(lines) / (len(seeds) * len(groups)), f"without {name}, seed {seed}")
            left = left_out(name, values, classes, gradients=steep, share=share, seed=seed)
            lines.append((name, seed, *train(~left, seed)))
    tick(1.0, f"{len(lines)} trainings")
    names, used, on_train, on_test = zip(*lines, strict=True)
    origin = Origin(
        "without_outliers",
        {"share": share, "seeds": list(seeds)},
        seed=seeds[0],
        seconds=time.perf_counter() - began,
    )
    return Removal(
        Index(
            np.array([f"{name}:{seed}" for name, seed in zip(names, used, strict=True)]), "training"
        ),
        origin, list(names), np.array(used), np.array(on_train), np.array(on_test),
    )  # fmt: skip


def left_out(
    group: str,
    scores: NDArray[np.float64],
    labels: NDArray[np.int64],
    *,
    gradients: NDArray[np.float64] | None,
    share: float,
    seed: int,
) -> NDArray[np.bool_]:
    """Which samples a group leaves out: always as many as there are outliers.

    Parameters
    ----------
    group : str
        One of `GROUPS`.
    scores, labels, gradients, share, seed
        As for `without_outliers`.
    """
    outlier = top(scores, share)
    rng = np.random.default_rng([seed, GROUPS.index(group)])
    left = np.zeros(len(scores), dtype=bool)
    if group == "outliers":
        return outlier
    if group == "largest gradient" and gradients is not None:
        return top(gradients, share)
    if group == "random":
        left[rng.choice(len(scores), int(outlier.sum()), replace=False)] = True
    elif group == "class-matched":
        for one in np.unique(labels[outlier]):
            members = np.flatnonzero(labels == one)
            left[rng.choice(members, int(outlier[members].sum()), replace=False)] = True
    return left

"""Which texts probes are trained on, and which are held out."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutaway.core import check


def split(
    z: NDArray[np.int64], groups: NDArray[Any], rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Places to train on and held out: half the groups of each mixture of classes."""
    check.same_length("groups", len(groups), "texts", len(z))
    _, group = np.unique(groups, return_inverse=True)
    held = np.zeros(int(group.max()) + 1, dtype=np.bool_)
    ones, all_ = np.bincount(group, z), np.bincount(group)
    kind = np.where(ones == all_, 1, np.where(ones == 0, 0, 2))
    for one in (0, 1, 2):
        places = rng.permutation(np.flatnonzero(kind == one))
        held[places[: len(places) // 2]] = True
    test = held[group]
    for name, part_of in (("held out", z[test]), ("training", z[~test])):
        if len(np.unique(part_of)) < 2:
            raise ValueError(
                f"groups must leave both classes in the {name} half, got one; give more groups"
            )
    return np.flatnonzero(~test), np.flatnonzero(test)


def trainable(sizes: Sequence[int], z: NDArray[np.int64]) -> tuple[int, ...]:
    """Sizes that the training labels allow with half of each class, in order."""
    for one in sizes:
        check.whole("sizes", one, 2, remedy="train on one text of each class or more")
    most = 2 * int(np.bincount(z).min())
    kept = tuple(sorted({int(one) for one in sizes if one <= most}))
    if not kept:
        raise ValueError(
            f"sizes must hold one of at most {most}, what the training half has of both classes, "
            f"got {list(sizes)}; give more texts"
        )
    return kept


def balanced(z: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Places of both classes in turn, so that every beginning is balanced."""
    groups = [rng.permutation(np.flatnonzero(z == one)) for one in (0, 1)]
    short = min(map(len, groups))
    return np.stack([group[:short] for group in groups], axis=1).ravel()

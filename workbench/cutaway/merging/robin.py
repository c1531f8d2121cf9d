"""Round robin: one merge a group a round, until nothing may merge or enough has."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cutaway.merging.flow import Group
from cutaway.merging.weights import Array, Closest, Rule, Weights


@dataclass
class Features:
    """What is left of one group.

    Parameters
    ----------
    group : Group
    counts : ndarray of shape (features left,)
        Original units in each.
    members : list of list of int
        Those units, ascending, in the order of `counts`.
    nodes : list of int
        Number of each in the merge tree: below `group.size` an original unit, `group.size` + k what
        the k-th merge of the group made.
    start : Closest or None
        The closest pair before anything merged; None for a group of one.
    """

    group: Group
    counts: Array
    members: list[list[int]]
    nodes: list[int]
    start: Closest | None = None
    seen: tuple[int, ...] = ()
    pair: Closest | None = None

    @classmethod
    def of(cls, group: Group) -> "Features":
        """All units of a group, none merged."""
        units = range(group.size)
        return cls(group, np.ones(group.size), [[unit] for unit in units], list(units))

    def closest(self, weights: Weights, rule: Rule) -> Closest | None:
        """The closest pair; found anew only after a tensor of the group changed."""
        if len(self.counts) < 2:
            return None
        paths = [path for path, _ in (*self.group.producers, *self.group.consumers)]
        seen = tuple(weights.changes[path] for path in paths)
        if self.pair is None or seen != self.seen:
            self.pair = weights.closest(self.group, rule, self.counts)
            self.seen = seen
            self.start = self.start or self.pair
        return self.pair

    def merge(self, weights: Weights, rule: Rule, pair: Closest) -> dict[str, Any]:
        """Merge a pair in the weights and here; a line of the merge tree."""
        both = (pair.first, pair.second)
        self.counts = weights.merge(self.group, rule, pair, self.counts)
        units = sorted(unit for place in both for unit in self.members[place])
        nodes = [self.nodes[place] for place in both]
        made = 2 * self.group.size - len(self.counts) - 1
        self.members = [one for k, one in enumerate(self.members) if k not in both] + [units]
        self.nodes = [one for k, one in enumerate(self.nodes) if k not in both] + [made]
        self.pair = None
        return {
            "group": self.group.name,
            "first": nodes[0],
            "second": nodes[1],
            "made": made,
            "units": len(units),
            "distance": pair.distance,
            "runner_up": pair.runner_up,
            "largest": pair.largest,
        }


@dataclass
class Run:
    """Outcome of one round robin."""

    weights: Weights
    features: list[Features]
    tree: list[dict[str, Any]]
    reached: bool


def round_robin(
    groups: Sequence[Group],
    start: Weights,
    rule: Rule,
    beta: float,
    *,
    max_ratio: float,
    enough: int | None,
    progress: Callable[[float, int], None],
) -> Run:
    """Merge the closest pair of each group in turn while it is close enough.

    Parameters
    ----------
    groups : sequence of Group
        In the order in which they take turns.
    start : Weights
        Folded and gauged as the rule wants; not changed.
    rule : Rule
    beta : float
        A pair merges if its squared distance is at most `beta` times the largest one of its group
        at that moment, or if the two are equal up to rounding.
    max_ratio : float
        A group of n features stops after ``n * max_ratio`` rounds.
    enough : int or None
        Stop as soon as no more than so many parameters are left in the groups.
    progress : callable
        Called before each search with the part of all possible merges done, and the round.

    Notes
    -----
    Algorithm of Chen, Zhou, Yan, arXiv:2310.06756, section 4, as their code has it (squared
    distances; groups that stopped are tried again each round). Distances of a group are computed
    again whenever one of its tensors changed: n^2 d a merge.
    """
    weights = start.copy()
    features = [Features.of(group) for group in groups]
    possible = max(sum(one.size - 1 for one in groups), 1)
    tree: list[dict[str, Any]] = []
    number, merged = 0, True
    while merged:
        merged = False
        for one in features:
            if enough is not None and weights.n_parameters() <= enough:
                return Run(weights, features, tree, reached=True)
            if number >= one.group.size * max_ratio:
                continue
            progress(len(tree) / possible, number)
            pair = one.closest(weights, rule)
            if pair is None or not (pair.equal or pair.distance <= beta * pair.largest):
                continue
            tree.append({"round": number, **one.merge(weights, rule, pair)})
            merged = True
        number += 1
    reached = enough is not None and weights.n_parameters() <= enough
    return Run(weights, features, tree, reached)

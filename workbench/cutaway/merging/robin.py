"""The order of merges: the groups in turn, or one after the other, until nothing may merge."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cutaway.merging.distances import Closest
from cutaway.merging.working import Features, Working


@dataclass(frozen=True)
class Stop:
    """When merging ends.

    Parameters
    ----------
    beta : float
        A pair merges if its squared distance is at most `beta` times the largest one of its group
        at that moment, or if the two are equal up to rounding.
    left : mapping of str to int, or None
        Instead: groups by name, each of which merges its closest pair, however far, until so many
        features are left. Groups not named do not merge.
    max_ratio : float
        A group of n features stops after ``n * max_ratio`` rounds.
    enough : int or None
        Stop as soon as no more than so many parameters are left in the groups.
    """

    beta: float = 0.0
    left: Mapping[str, int] | None = None
    max_ratio: float = 1.0
    enough: int | None = None

    def ends(self, one: Features, number: int) -> bool:
        """Whether a group is done in this round, whatever its distances."""
        if self.left is not None:
            return one.slots.left <= self.left.get(one.group.name, one.group.size)
        return number >= one.group.size * self.max_ratio

    def allows(self, pair: Closest) -> bool:
        """Whether a closest pair may merge."""
        return self.left is not None or pair.equal or pair.distance <= self.beta * pair.largest


@dataclass
class Run:
    """What a run left, its merges, and whether it reached `Stop.enough`."""

    working: Working
    tree: list[dict[str, Any]]
    reached: bool


def merged_run(
    working: Working, stop: Stop, order: str, progress: Callable[[float, int], None]
) -> Run:
    """Merge closest pairs, group by group.

    Parameters
    ----------
    working : Working
        Is changed.
    stop : Stop
    order : {"round_robin", "layerwise"}
        One merge a group a round, until a whole round merges nothing; or every group as far as it
        goes, once, in network order.
    progress : callable
        Called before each search with the part of all possible merges done, and the round.

    Notes
    -----
    Algorithm of Chen, Zhou, Yan, arXiv:2310.06756, section 4, as their code has it (squared
    distances; groups that stopped are tried again each round). The layerwise order is not theirs.
    """
    possible = max(sum(one.slots.left - 1 for one in working.features), 1)
    tree: list[dict[str, Any]] = []

    def turn(place: int, number: int) -> bool | None:
        """One merge of one group: whether there was one; None once enough has merged."""
        one = working.features[place]
        if stop.enough is not None and working.n_parameters() <= stop.enough:
            return None
        if stop.ends(one, number):
            return False

        def beat() -> None:
            progress(len(tree) / possible, number)

        beat()
        pair = one.closest(beat)
        if pair is None or not stop.allows(pair):
            return False
        tree.append(_line(number, one, pair))
        working.merge(place, pair)
        return True

    walk = _round_robin if order == "round_robin" else _layerwise
    walk(len(working.features), turn)
    reached = stop.enough is not None and working.n_parameters() <= stop.enough
    return Run(working, tree, reached)


def _round_robin(n_groups: int, turn: Callable[[int, int], bool | None]) -> None:
    number, merged = 0, True
    while merged:
        merged = False
        for place in range(n_groups):
            done = turn(place, number)
            if done is None:
                return
            merged = merged or done
        number += 1


def _layerwise(n_groups: int, turn: Callable[[int, int], bool | None]) -> None:
    for place in range(n_groups):
        number = 0
        while (done := turn(place, number)) is True:
            number += 1
        if done is None:
            return


def _line(number: int, one: Features, pair: Closest) -> dict[str, Any]:
    """A line of the merge tree, before the merge."""
    slots = one.slots
    return {
        "round": number,
        "group": one.group.name,
        "first": int(slots.ages[pair.first]),
        "second": int(slots.ages[pair.second]),
        "made": 2 * one.group.size - slots.left,
        "units": int(slots.counts[pair.first] + slots.counts[pair.second]),
        "distance": pair.distance,
        "runner_up": pair.runner_up,
        "largest": pair.largest,
    }

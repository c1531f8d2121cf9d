"""Random edits to compare an edit with: same sites, same number of units, same kind."""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np

from cutaway.model.edits import DirectionEdit, Edit, UnitEdit
from cutaway.model.sites import Site

Edits: TypeAlias = tuple[Edit, ...]


def draw_controls(
    edits: Sequence[Edit], known: Mapping[str, Site], n: int, seed: int
) -> list[Edits]:
    """Up to `n` different random versions of some edits.

    Parameters
    ----------
    edits : sequence of Edit
        The observed ones.
    known : mapping of str to Site
        Their sites; gives the number of units.
    n : int
        How many to draw.
    seed : int
        Of the random generator.

    Returns
    -------
    list of tuple of Edit
        Units of an edit are drawn without replacement among the units of the site that no edit
        touches, or among all where those are too few; directions are drawn uniformly on the sphere.
        No two are equal and none is the observed one, so there are fewer than `n` where the site
        has too few units: drawing one twice would make p smaller than chance allows.
    """
    if n == 0:
        return []
    rng = np.random.default_rng(seed)
    pools = [_pool(one, edits, known) for one in edits]
    taken = {_key(edits)}
    possible = math.prod(
        math.comb(len(pool), len(one.units)) if isinstance(one, UnitEdit) else 2 * n + 1
        for one, pool in zip(edits, pools, strict=True)
    )
    if possible <= 2 * n:
        unit_edits = [one for one in edits if isinstance(one, UnitEdit)]
        choices = (
            itertools.combinations(pool, len(one))
            for one, pool in zip(unit_edits, pools, strict=True)
        )
        every = [
            tuple(one.on(units) for one, units in zip(unit_edits, chosen, strict=True))
            for chosen in itertools.product(*choices)
        ]
        fresh = [control for control in every if _key(control) not in taken]
        return [fresh[place] for place in rng.permutation(len(fresh))[:n]]
    found: list[Edits] = []
    while len(found) < n:
        control = tuple(_random(one, pool, rng) for one, pool in zip(edits, pools, strict=True))
        if _key(control) not in taken:
            taken.add(_key(control))
            found.append(control)
    return found


def _pool(edit: Edit, edits: Sequence[Edit], known: Mapping[str, Site]) -> list[int]:
    """Units that a control of `edit` may use."""
    if not isinstance(edit, UnitEdit):
        return []
    touched = {
        unit
        for one in edits
        if isinstance(one, UnitEdit) and one.site == edit.site
        for unit in one.units
    }
    count = known[edit.site].n_units
    if count is None:
        raise ValueError(
            f"site {edit.site!r} must have an axis of units to draw controls from, got none; "
            "use controls=0"
        )
    free = [unit for unit in range(count) if unit not in touched]
    return free if len(free) >= len(edit) else list(range(count))


def _random(edit: Edit, pool: Sequence[int], rng: np.random.Generator) -> Edit:
    if isinstance(edit, UnitEdit):
        return edit.on(rng.choice(pool, len(edit), replace=False).tolist())
    if isinstance(edit, DirectionEdit):
        return edit.along(rng.standard_normal(len(edit.direction)))
    raise TypeError(
        f"edits must be made of units or directions to have controls, got {type(edit).__name__}; "
        "use controls=0"
    )


def _key(edits: Sequence[Edit]) -> tuple[object, ...]:
    return tuple(
        (one.site, frozenset(one.units)) if isinstance(one, UnitEdit) else one for one in edits
    )

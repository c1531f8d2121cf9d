"""Edits as a person writes them, and what they did in words; no widget is touched here."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from cutaway.causal import Effect
from cutaway.model.edits import Edit, Mean, UnitEdit, Zero

KINDS = {"zero": Zero, "mean": Mean}


def edits_of(text: str, kind: str) -> tuple[UnitEdit, ...]:
    """Edits of the units that a text names, one a site, in the order they are named.

    Parameters
    ----------
    text : str
        Units with commas between them, e.g. ``"conv1:3, conv1:5, conv2:0"``.
    kind : {"zero", "mean"}
        What happens to them.

    Raises
    ------
    ValueError
        If it names no unit, or something else.
    """
    units: dict[str, list[int]] = {}
    for one in filter(None, (part.strip() for part in text.split(","))):
        found = re.fullmatch(r"(.+):(\d+)", one)
        if found is None:
            raise ValueError(
                f"units must be names of units, got {one!r}; write e.g. conv1:3, conv1:5"
            )
        units.setdefault(found[1], []).append(int(found[2]))
    if not units:
        raise ValueError("units must be one or more, got none; pick filters in a table, or write")
    return tuple(KINDS[kind](site, tuple(dict.fromkeys(some))) for site, some in units.items())


def edits_text(edits: Sequence[Edit] | Sequence[dict[str, Any]]) -> str:
    """What is edited, e.g. ``"Zero conv1: 3, 5; Mean conv2: 0"``."""
    parts = []
    for one in edits:
        known = one if isinstance(one, dict) else one.to_json()
        units = known.get("units")
        said = "" if units is None else f": {', '.join(str(unit) for unit in units)}"
        parts.append(f"{known['edit']} {known['site']}{said}")
    return "; ".join(parts)


def effect_text(effect: Effect) -> str:
    """What an edit did: metric before and after, change with interval, and the random controls."""
    low, high = effect.interval
    n = int(np.isfinite(effect.per_sample_after - effect.per_sample_before).sum())
    before, after = (_amount(one, effect.metric) for one in (effect.before, effect.after))
    change, *ends = (_signed(one, effect.metric) for one in (effect.change, low, high))
    over = f"{effect.metric.capitalize()} over {n:,} samples: {before} → {after}"
    lines = [
        f"{edits_text(effect.edits)}.",
        f"{over}, change {change} (95 % interval {ends[0]} to {ends[1]}).",
    ]
    if effect.n_nonfinite:
        lines.append(f"Left out: {effect.n_nonfinite:,} samples with NaN or infinite outputs.")
    count = len(effect.control_changes)
    if not count:
        lines.append("No random control: the edit covers its whole site, or none was asked for.")
        return "\n".join(lines)
    larger = round(effect.p * (1 + count)) - 1
    said = f"Of {count} random edits of as many units, {larger} changed it at least as much"
    lines.append(f"{said}: p = {effect.p:.3f}.")
    return "\n".join(lines)


def _amount(value: float, metric: str) -> str:
    text = f"{value:.1%}" if metric == "accuracy" else f"{value:.4g}"
    return text.replace("-", "−")


def _signed(value: float, metric: str) -> str:
    text = f"{100 * value:+.1f} points" if metric == "accuracy" else f"{value:+.2g}"
    return text.replace("-", "−")

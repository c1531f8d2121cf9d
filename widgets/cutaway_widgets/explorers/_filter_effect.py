"""What an ablation says, as pure functions of its effects: no widget is touched here."""

import math
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from cutaway.causal import Effect
from cutaway.model import Mean
from cutaway_widgets._color import Categories, Values

Array: TypeAlias = NDArray[np.float64]
AFTER = ("right, still right", "right → wrong", "wrong → right", "wrong, still wrong")
RIGHT = "correct after"
_BINS = 24


def mean_edits(picked: Sequence[tuple[str, int]]) -> list[Mean]:
    """One edit a site that sets its picked filters to their mean.

    Parameters
    ----------
    picked : sequence of (str, int)
        Site and unit of each filter.
    """
    sites = dict.fromkeys(site for site, _ in picked)
    return [Mean(one, tuple(unit for site, unit in picked if site == one)) for one in sites]


def columns(accuracy: Effect, loss: Effect) -> dict[str, Categories | Values]:
    """Columns to colour samples by: right or wrong before and after, and the change of loss.

    Parameters
    ----------
    accuracy, loss : Effect
        Of the same edits, by these two metrics.
    """
    before, after = accuracy.per_sample_before > 0.5, accuracy.per_sample_after > 0.5
    codes = np.select([before & after, before & ~after, ~before & after], [0, 1, 2], 3)
    unknown = ~np.isfinite(accuracy.per_sample_before)
    change = loss.per_sample_after - loss.per_sample_before
    finite = np.abs(change[np.isfinite(change)])
    most = float(finite.max()) if finite.size else 0.0
    return {
        RIGHT: Categories(np.where(unknown, -1, codes), AFTER),
        "loss change": Values(change, "nats", (-most, most) if most else None),
    }


def effect_text(accuracy: Effect, loss: Effect) -> str:
    """What switching filters off did: before, after, interval, and the rank among random draws."""
    names = ", ".join(
        f"{one['site']} {'filter' if len(one['units']) == 1 else 'filters'} "
        f"{', '.join(str(unit) for unit in one['units'])}"
        for one in accuracy.edits
    )
    low, high = 100.0 * accuracy.interval
    n = len(accuracy.control_changes)
    against = "no random filters to compare with: the edit covers all of its layer"
    if n:
        changes = accuracy.control_changes
        known = np.isfinite(changes)  # a draw without any finite output counts as large
        mean = 100.0 * float(changes[known].mean()) if known.any() else float("nan")
        larger = int((~known | (np.abs(changes) >= abs(accuracy.change) - 1e-9)).sum())
        against = (
            f"{larger} of {n} random draws of as many filters of the same layers change as much or "
            f"more (mean {signed(mean, 1)}), p {accuracy.p:.2g}"
        )
    change = signed(100 * accuracy.change, 1)
    lost = accuracy.n_nonfinite
    left_out = f"\nLeft out: {lost:,} samples with NaN or infinite outputs." if lost else ""
    shift = f"{loss.before:.3f} → {loss.after:.3f} nats"
    return (
        f"Switched off: {names}, set to the mean over the samples.\n"
        f"Accuracy {accuracy.before:.1%} → {accuracy.after:.1%}: {change} "
        f"points [{signed(low, 1)}, {signed(high, 1)}] (95 % bootstrap). Loss {shift}.\n{against}."
        f"{left_out}"
    )


def signed(number: float, digits: int) -> str:
    """Number with its sign, a minus as wide as a plus."""
    return f"{number:+.{digits}f}".replace("-", "−")


def among_controls(effect: Effect) -> tuple[Mapping[str, Array], Mapping[str, Array]]:
    """Outline of a histogram of the control changes, and a mark at the observed change.

    Parameters
    ----------
    effect : Effect
        With or without controls.

    Returns
    -------
    series, places : mapping of str to ndarray
        Counts and their places, for `LineChart`.
    """
    changes, seen = effect.control_changes, effect.change
    every = np.append(changes[np.isfinite(changes)], seen)
    low, high = float(every.min()), float(every.max())
    room = (high - low) * 0.05 or max(abs(seen), 1.0) * 0.01
    counts, edges = np.histogram(every[:-1], bins=_BINS, range=(low - room, high + room))
    top = math.ceil(max(int(counts.max(initial=0)), 1) * 1.05)
    outline = np.concatenate([[0.0], np.repeat(counts, 2), [0.0]])
    series = {"random filters": outline, "picked filters": np.array([0.0, float(top)])}
    places = {"random filters": np.repeat(edges, 2), "picked filters": np.array([seen, seen])}
    return series, places

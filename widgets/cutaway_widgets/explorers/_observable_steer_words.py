"""What steering says and shows, as pure functions: no widget is touched here."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cutaway.core import silent
from cutaway.model import Model
from cutaway.observables import FeatureVector, Path, Steering, components_of
from cutaway.observables.steering import Positions
from cutaway.observables.texts import direction_of, read_directions, rows_of
from cutaway_widgets.explorers._observable_words import number, signed

COLUMNS = ["token", "before", "after", "change", "prompt"]
VECTOR, RANDOM = "along the vector", "random directions, mean"
CAPTION = "before, after: probabilities; prompt: its place in the form"
_NONE = "No step is held: drag the cursor of the curve away from 0."
Floats = NDArray[np.float64]


def position_of(vector: FeatureVector, where: str) -> Positions:
    """Position to steer at: "path" stands for where the vector's path reads.

    Parameters
    ----------
    vector : FeatureVector
        Its path may name the position; the last one counts if it does not.
    where : {"path", "last", "all"}
        What was chosen.
    """
    if where == "all":
        return "all"
    if where == "last":
        return "last"
    nodes = Path(vector.path).nodes
    named = [one.position for one in nodes if one.position is not None]
    return named[0] if named else "last"


def edit_position(found: Steering) -> int | None:
    """Position of the edit that a steering measured; None for all."""
    if found.positions == "all":
        return None
    return -1 if found.positions == "last" else int(found.positions)


def place_text(found: Steering) -> str:
    """Where the step was taken, in words."""
    if found.positions in {"all", "last"}:
        return {"all": "every token", "last": "the last token"}[found.positions]
    return f"token {found.positions}"


def stream_length(model: Model, vector: FeatureVector, prompts: Sequence[str]) -> float:
    """Median length of the residual stream at a vector's site, over the prompts' tokens.

    Position 0 is left out: as a sink of attention it is many times as long.

    Parameters
    ----------
    model : Model
        A causal language model.
    vector : FeatureVector
        Says the site.
    prompts : sequence of str
        Texts.
    """
    components = components_of(model)
    rows = rows_of(model, prompts, components.n_tokens)
    read = read_directions(
        model, components, rows, {"it": direction_of(model, components, vector)},
        tick=silent, title="length of the stream",
    )  # fmt: skip
    lengths = read.length[0]
    kept = lengths[read.position > 0]
    return float(np.median(kept if len(kept) else lengths))


def steps(largest: float, count: int) -> list[float]:
    """Steps of both signs up to the largest one, evenly spaced, rounded to three digits."""
    sizes = [float(f"{largest * one / count:.3g}") for one in range(1, count + 1)]
    return [*(-one for one in sizes[::-1]), *sizes]


def places(curve: Sequence[Steering]) -> Floats:
    """Steps of a curve with 0 among them, ascending."""
    return np.array(sorted([0.0, *(float(one.by or 0.0) for one in curve)]))


def _ascending(curve: Sequence[Steering]) -> tuple[list[Steering], int]:
    """Steerings by their step, and where 0 lies among them."""
    ordered = sorted(curve, key=lambda one: float(one.by or 0.0))
    return ordered, sum(float(one.by or 0.0) < 0 for one in ordered)


def change_series(
    curve: Sequence[Steering],
) -> tuple[dict[str, Floats], dict[str, tuple[Floats, Floats]]]:
    """Mean change of the observable over the step; that of random directions with its range."""
    ordered, zero = _ascending(curve)
    series = {VECTOR: np.insert([one.change.mean() for one in ordered], zero, 0.0)}
    if not all(len(one.random_change) for one in ordered):
        return series, {}
    series[RANDOM] = np.insert([one.random_change.mean() for one in ordered], zero, 0.0)
    low = np.insert([one.random_change.min() for one in ordered], zero, 0.0)
    high = np.insert([one.random_change.max() for one in ordered], zero, 0.0)
    return series, {RANDOM: (low, high)}


def divergence_series(curve: Sequence[Steering]) -> dict[str, Floats]:
    """Mean divergence of the next-token distributions over the step, and that of random ones."""
    ordered, zero = _ascending(curve)
    series = {VECTOR: np.insert([one.kl.mean() for one in ordered], zero, 0.0)}
    if all(len(one.random_kl) for one in ordered):
        series[RANDOM] = np.insert([one.random_kl.mean() for one in ordered], zero, 0.0)
    return series


def step_text(found: Steering | None) -> str:
    """What a step does, beside as long steps in random directions; None for no step."""
    if found is None:
        return _NONE
    n, count = len(found.rows), len(found.random_change)
    text = (
        f"A step of {signed(float(found.by or 0.0))} along {found.vector} "
        f"({place_text(found)} of "
        f"{n} {'prompt' if n == 1 else 'prompts'}): {found.observable} moves by "
        f"{signed(float(found.change.mean()))} logits, KL {number(float(found.kl.mean()))} nats."
    )
    if not count:
        return f"{text}\nNo random directions to compare with."
    low, high = float(found.random_change.min()), float(found.random_change.max())
    ratio = f": {found.ratio:.1f} times the strongest of them" if np.isfinite(found.ratio) else ""
    return (
        f"{text}\nAs long steps in {count} random directions move it by {signed(low)} to "
        f"{signed(high)}{ratio}."
    )


def tokens_frame(found: Steering, *, steered: bool) -> pd.DataFrame:
    """Likeliest next tokens of each prompt; without a step, after is as before.

    Parameters
    ----------
    found : Steering
        Of any step.
    steered : bool
        Whether its step is held.
    """
    frame = found.tokens.copy()
    if not steered:
        frame["after"] = frame["before"]
    frame["change"] = frame["after"] - frame["before"]
    frame["prompt"] = frame["prompt"] + 1
    return frame[COLUMNS].reset_index(drop=True)

"""What the complexity explorer says and draws, as pure functions of its results."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cutaway.core import Index
from cutaway.merging import ComplexityCurve, Merge

MOST_NAMED = 4
"""Groups that one sentence names."""
_POINTS = 0.01  # of accuracy that the beta shown at first may cost


def beta_index(curve: ComplexityCurve) -> Index:
    """Ids of the betas, e.g. "0.05", ascending as in the curve."""
    for digits in range(3, 18):  # 17 tell any two numbers apart
        names = [f"{one:.{digits}g}" for one in curve.betas]
        if len(set(names)) == len(names):
            break
    return Index(np.array(names, dtype=np.str_), "beta")


def merged_units(merge: Merge, group: str) -> list[int]:
    """Units of a group that share their feature with another one, ascending."""
    return sorted(unit for one in merge.clusters[group] if len(one) > 1 for unit in one)


def unit_index(group: str, units: list[int]) -> Index:
    """Ids of units of a group, e.g. "conv1:3"."""
    return Index(np.array([f"{group}:{one}" for one in units], dtype=np.str_), "unit")


def first_step(curve: ComplexityCurve) -> int:
    """Place of the beta to show at first.

    The largest one at which something merges and the score falls by no more than a point; without
    scores, the largest that keeps half of the parameters. Where there is none, the smallest at
    which anything merges, else the largest of all.
    """
    merges = np.flatnonzero((curve.features_left < curve.size).any(axis=1))
    if np.isfinite(curve.score_before):
        good = curve.score >= curve.score_before - _POINTS
    else:
        good = 2 * curve.kept_parameters >= curve.parameters
    cheap = merges[good[merges]]
    if len(cheap):
        return int(cheap[-1])
    return int(merges[0]) if len(merges) else len(curve.betas) - 1


def starts(curve: ComplexityCurve) -> NDArray[np.float64]:
    """Smallest beta at which each group begins to merge; NaN for a group of one."""
    return _ratio(curve.closest, curve.farthest)


def begins(merge: Merge, group: str) -> float:
    """Smallest beta at which a group begins to merge; NaN for a group of one."""
    g = [str(one) for one in merge.rows.ids].index(group)
    return float(_ratio(merge.closest, merge.farthest)[g])


def notes(curve: ComplexityCurve, score: str = "score", n: int | None = None) -> list[str]:
    """What holds at each beta, one text a beta.

    Parameters
    ----------
    curve : ComplexityCurve
    score : str
        Name of the score.
    n : int or None
        Samples that it was measured on.
    """
    return [_note(curve, k, score, n) for k in range(len(curve.betas))]


def _note(curve: ComplexityCurve, k: int, score: str, n: int | None) -> str:
    left, total = int(curve.features_left[k].sum()), int(curve.size.sum())
    if left == total:
        return nothing_text(curve, k)
    kept = f"{curve.kept_parameters[k] / curve.parameters:.1%} of {curve.parameters:,} parameters"
    text = f"{left:,} of {total:,} features left; kept {kept}"
    if np.isfinite(curve.kept_macs[k]) and curve.macs > 0:
        text += f" and {curve.kept_macs[k] / curve.macs:.1%} of {short(curve.macs)} MACs a sample"
    if not np.isfinite(curve.score[k]):
        return f"{text}."
    on = f" on {n:,} samples" if n is not None else ""
    return (
        f"{text}.\n{score.capitalize()} {_score(curve.score[k], score)}{on}, "
        f"unmerged {_score(curve.score_before, score)}."
    )


def nothing_text(curve: ComplexityCurve, k: int) -> str:
    """Why nothing merges at a beta, and what to do."""
    first = starts(curve)
    known = np.flatnonzero(np.isfinite(first))
    beta = f"{curve.betas[k]:.3g}"
    if not len(known):
        return f"Nothing merges at beta {beta}: every group has one feature only."
    order = known[np.argsort(first[known], kind="stable")]
    near = ", ".join(f"{curve.rows.ids[g]} {first[g]:.3g}" for g in order[:MOST_NAMED])
    more = " and more" if len(order) > MOST_NAMED else ""
    needed = float(first[order[0]])
    later = np.flatnonzero((curve.features_left < curve.size).any(axis=1))
    if len(later):
        to_do = f"Move the slider to {curve.betas[later[0]]:.3g} or above."
    else:
        to_do = (
            f"No beta of this curve reaches that: compute one with betas above {needed:.3g}. "
            "Training longer or with more weight decay makes features alike."
        )
    return (
        f"Nothing merges at beta {beta}. The two closest features of a group lie, as a part of its "
        f"largest squared distance, at: {near}{more}. So {curve.rows.ids[order[0]]} merges first, "
        f"from beta {needed:.3g}. {to_do}"
    )


def details(curve: ComplexityCurve) -> list[str]:
    """Smallest and largest distance of each group, and where it merges untrained."""
    random = _ratio(curve.baseline_closest, curve.baseline_farthest)
    return [
        text + (f", untrained from {one:.3g}" if np.isfinite(one) else "")
        for text, one in zip(distances(curve), random, strict=True)
    ]


def distances(found: ComplexityCurve | Merge) -> list[str]:
    """Smallest and largest distance of each group, and where it begins to merge."""
    lines = []
    for g, first in enumerate(_ratio(found.closest, found.farthest)):
        if np.isnan(first):
            lines.append("one feature: nothing to merge")
            continue
        lines.append(
            f"squared distances {found.closest[g]:.3g} to {found.farthest[g]:.3g}: "
            f"merges from beta {first:.3g}"
        )
    return lines


def how(merge: Merge) -> str:
    """What a merge went by: its beta, or counts that were given."""
    return "to given counts" if np.isnan(merge.beta) else f"at beta {merge.beta:.3g}"


def kept_text(merge: Merge) -> str:
    """What a merge leaves of a network, and how far its output moved."""
    left, total = int(merge.left.sum()), int(merge.size.sum())
    return (
        f"{left:,} of {total:,} features left, merged {how(merge)} by rule {merge.rule}; kept "
        f"{merge.kept_parameters / merge.parameters:.1%} of {merge.parameters:,} parameters.\n"
        f"On the example an output moves by {merge.output_change:.3g} at most, the largest is "
        f"{merge.output_size:.3g}."
    )


def whole_series(curve: ComplexityCurve, score: str = "score") -> dict[str, NDArray[np.float64]]:
    """Shares of the whole network that are left at each beta, and the score."""
    total = float(curve.size.sum())
    series = {
        "features left": curve.features_left.sum(axis=1) / total,
        "parameters kept": curve.kept_parameters / curve.parameters,
    }
    if np.isfinite(curve.kept_macs).any() and curve.macs > 0:
        series["MACs kept"] = curve.kept_macs / curve.macs
    if np.isfinite(curve.score).any():
        series[score] = curve.score
    if np.isfinite(curve.baseline_left).all() and curve.baseline_left.size:
        series["features left, untrained"] = curve.baseline_left.sum(axis=1) / total
    return {name: np.asarray(one, np.float64) for name, one in series.items()}


def group_series(curve: ComplexityCurve) -> dict[str, NDArray[np.float64]]:
    """Share of features left at each beta, by group."""
    shares = curve.features_left / curve.size
    return {str(name): shares[:, g] for g, name in enumerate(curve.rows.ids)}


def linkage(merge: Merge, group: str) -> NDArray[np.float64]:
    """Merges of one group for a dendrogram over its `merged_units`: node, node, height.

    The height is the beta that the merge needed: its squared distance as a part of the largest one
    at that moment, or what an earlier merge of the group needed if that was more.
    """
    tree = merge.tree[merge.tree["group"] == group].sort_values("made")
    needed = np.nan_to_num(_ratio(tree["distance"].to_numpy(), tree["largest"].to_numpy()))
    heights = np.maximum.accumulate(needed) if len(needed) else needed
    # Units that stay alone are no leaves; what the k-th merge made comes after those that are.
    units, size = merged_units(merge, group), size_of(merge, group)
    node = {unit: place for place, unit in enumerate(units)}
    node |= {size + k: len(units) + k for k in range(len(tree))}
    first, second = ([node[int(one)] for one in tree[name]] for name in ("first", "second"))
    return np.column_stack([first, second, heights]).astype(np.float64).reshape(-1, 3)


def size_of(merge: Merge, group: str) -> int:
    """Units of a group before any merge."""
    return sum(len(one) for one in merge.clusters[group])


def merged_features(merge: Merge, group: str) -> pd.DataFrame:
    """Features of a group that were merged of several units, the closest first.

    Returns
    -------
    DataFrame
        `units` (how many), `members` (their numbers), `beta` that the last of them needed; the
        index is the place of the feature in the merged model.
    """
    units, merges = merged_units(merge, group), linkage(merge, group)
    leaves: dict[int, list[int]] = {place: [unit] for place, unit in enumerate(units)}
    needed: dict[tuple[int, ...], float] = {}
    for k, (first, second, height) in enumerate(merges):
        leaves[len(units) + k] = sorted(leaves[int(first)] + leaves[int(second)])
        needed[tuple(leaves[len(units) + k])] = float(height)
    rows = [
        (place, len(one), needed[tuple(sorted(one))], ", ".join(str(unit) for unit in one))
        for place, one in enumerate(merge.clusters[group])
        if len(one) > 1
    ]
    frame = pd.DataFrame(rows, columns=["feature", "units", "beta", "members"])
    return frame.sort_values(["beta", "feature"], kind="stable").set_index("feature")


def advice(curve: ComplexityCurve) -> str:
    """What keeps a curve from being useful, and what of the network it leaves out."""
    merges = bool((curve.features_left < curve.size).any())
    # Where nothing merges, the line at the slider says why already.
    return "\n".join(
        one for one in (curve.why if merges else "", refused_text(curve.refused)) if one
    )


def refused_text(refused: list[dict[str, Any]]) -> str:
    """What could not be grouped, and why; empty for nothing."""
    if not refused:
        return ""
    few = "; ".join(f"{one['name']}: {one['reason']}" for one in refused[:MOST_NAMED])
    more = f"; and {len(refused) - MOST_NAMED} more" if len(refused) > MOST_NAMED else ""
    return f"Not merged, as their features could not be grouped: {few}{more}."


def short(number: float) -> str:
    """A large number with its prefix: 61.7 k, 1.2 M."""
    for unit in ("", " k", " M", " G"):
        if number < 999.5:
            return f"{number:.3g}{unit}"
        number /= 1000
    return f"{number:.3g} T"


def _ratio(part: NDArray[Any], whole: NDArray[Any]) -> NDArray[np.float64]:
    """Part of a whole; 0 where both are 0, as for equal features."""
    part, whole = np.asarray(part, np.float64), np.asarray(whole, np.float64)
    ratio = np.full(part.shape, np.nan)
    known = np.isfinite(part) & np.isfinite(whole)
    ratio[known] = 0.0
    np.divide(part, whole, out=ratio, where=known & (whole > 0))
    return ratio


def _score(value: float, name: str) -> str:
    return f"{value:.1%}" if name == "accuracy" else f"{value:.4g}"

"""What the filter explorer shows, as pure functions of results: no widget is touched here."""

import textwrap
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cutaway.core import Index, Selection
from cutaway.data import Dataset
from cutaway.filters import FilterScreen
from cutaway.model import Predictions, Sites
from cutaway_widgets._color import Categories, Values

COLUMNS = ["site", "unit", "flag", "score", "tail", "q", "k", "weight", "overlap", "status"]
MORE_COLUMNS = ("stability", "purity", "side")
"""What only some screens tell."""
UNITS_OF_TWO = dict.fromkeys(("score_a", "score_b", "change"), "−log₁₀ p")
_LEVEL = 0.1  # of the false discovery rate that a sentence counts filters at
UNITS = {"score": "−log₁₀ p", "tail": "−log₁₀ p", "weight": "of samples"}


def pickable(tree: Sites) -> list[str]:
    """Paths of the sites that have units to screen."""
    return [one.path for one in tree if one.path and one.shape and one.n_units]


def first_sites(tree: Sites, pattern: str | None) -> list[str]:
    """Paths to screen at first: those of the pattern, else the first two convolutions or layers."""
    can = pickable(tree)
    if pattern is not None:
        return [one.path for one in tree.glob(pattern) if one.path in can]
    leaves = [one for one in tree.leaves if one.path in can]
    convolutions = [one for one in leaves if one.type in {"Conv1d", "Conv2d", "Conv3d"}]
    return [one.path for one in (convolutions or leaves)[:2]]


def filter_index(screen: FilterScreen) -> Index:
    """Ids of the screened filters, e.g. "conv1:3", in the order of ``screen.filters``."""
    frame = screen.filters
    names = [f"{site}:{unit}" for site, unit in zip(frame["site"], frame["unit"], strict=True)]
    return Index(np.array(names, dtype=np.str_), "unit")


def filter_frame(screen: FilterScreen) -> pd.DataFrame:
    """The filter table: the columns a reader needs; a line a filter, as in ``screen.filters``."""
    more = [one for one in MORE_COLUMNS if one in screen.filters]
    return screen.filters[[*COLUMNS, *more]].replace({"flag": {"": "–"}})


def most_anomalous(screen: FilterScreen) -> int:
    """Line of the filter with the highest score."""
    return int(np.nanargmax(screen.filters["score"].fillna(-np.inf).to_numpy()))


def split_name(name: str) -> tuple[str, int]:
    """Site and unit of a filter's id."""
    site, unit = name.rsplit(":", 1)
    return site, int(unit)


def sample_colors(
    data: Dataset | None,
    predictions: Predictions | None,
    assignment: NDArray[Any] | None,
    k: int,
    responsibility: NDArray[Any] | None = None,
) -> dict[str, Categories | Values]:
    """Columns to colour samples by: cluster and its probability, class, prediction, loss.

    Those that there are.

    Parameters
    ----------
    data : Dataset or None
        Brings labels and names of classes; None where it is gone.
    predictions : Predictions or None
        Brings predicted classes and losses.
    assignment : ndarray of shape (n,) or None
        Cluster of each sample, -1 for none.
    k : int
        Number of clusters.
    responsibility : ndarray of shape (n,) or None
        Probability of that cluster.
    """
    columns: dict[str, Categories | Values] = {}
    if assignment is not None and k:
        columns["cluster"] = Categories(assignment, [f"cluster {j + 1}" for j in range(k)])
        if responsibility is not None:
            columns["responsibility"] = Values(responsibility, "probability", (0.0, 1.0))
    if data is None:
        return columns
    names = list(data.classes or ())
    if data.labels is not None and names:
        columns["class"] = Categories(data.labels, names)
    if predictions is not None and names:
        columns["prediction"] = Categories(predictions.predicted, names)
        if predictions.loss is not None and np.isfinite(predictions.loss).any():
            columns["loss"] = Values(predictions.loss, "nats")
    return columns


def sample_labels(
    data: Dataset | None, predictions: Predictions | None, tails: NDArray[Any] | None
) -> list[str]:
    """One line a sample: its text, "7", or "4 → 9" where the model disagrees, and its tail."""
    if data is None:
        known = [] if tails is None else tails.tolist()
        return [f"{one:.1f}" if np.isfinite(one) else "" for one in known]
    names = data.classes or ()
    lines = []
    for i, one in enumerate(data.index):
        parts = [textwrap.shorten(data.text(one), 80)] if data.kind == "text" else []
        if data.labels is not None and names:
            label = names[int(data.labels[i])]
            wrong = predictions is not None and int(predictions.predicted[i]) != data.labels[i]
            place = int(predictions.predicted[i]) if wrong and predictions else 0
            said = f" → {names[place] if place >= 0 else 'no class (NaN)'}" if wrong else ""
            parts.append(f"{label}{said}")
        if tails is not None and np.isfinite(tails[i]):
            parts.append(f"{tails[i]:.1f}")
        lines.append(" · ".join(parts))
    return lines


def class_names(data: Dataset) -> NDArray[np.str_] | None:
    """Name of each sample's class; None without labels."""
    if data.labels is None:
        return None
    names = np.array(data.classes or [str(one) for one in range(int(data.labels.max()) + 1)])
    found: NDArray[np.str_] = names[data.labels]
    return found


def outlier_order(rows: Index, tails: NDArray[Any]) -> list[int | str]:
    """Ids of the samples by their distance in a filter, farthest first; dropped ones left out."""
    order = np.argsort(-np.where(np.isfinite(tails), tails, -np.inf), kind="stable")
    found: list[int | str] = rows.ids[order[np.isfinite(tails[order])]].tolist()
    return found


def headline(data: Dataset, predictions: Predictions | None, model_name: str) -> str:
    """One line about what is open: model, data, accuracy."""
    line = f"{model_name} on {len(data):,} samples of {data.name}"
    if predictions is not None and predictions.correct is not None:
        line += f", accuracy {float(np.mean(predictions.correct)):.1%}"
    if data.skipped:
        line += f"; {len(data.skipped)} samples skipped"
    return line


def apart_text(frame: pd.DataFrame, count: int) -> str:
    """How many filters hold some samples oddly, and the first of them.

    Parameters
    ----------
    frame : DataFrame
        What `cutaway.filters.filters_of` gave.
    count : int
        Number of the samples.
    """
    samples = f"{count:,} selected {'sample' if count == 1 else 'samples'}"
    known = frame[frame["auc"].notna()]
    if known.empty:
        return f"No filter has a distance for the {samples}."
    small = int((known["q"] < _LEVEL).sum())
    top = known.sort_values("auc", ascending=False).iloc[0]
    return (
        f"{small} of {len(known)} filters hold the {samples} more oddly than the others at "
        f"q < {_LEVEL}; first {top['site']} unit {top['unit']}, where a selected one is the odder "
        f"of two with chance {top['auc']:.0%}."
    )


def components_text(screen: FilterScreen, site: str, unit: int) -> str:
    """The choice of K of one filter in words, and its minor component.

    Parameters
    ----------
    screen : FilterScreen
        It holds the filter.
    site : str
        Its site.
    unit : int
        Its number.
    """
    found = screen.filters.iloc[screen.place(site, unit)]
    k = int(found["k"])
    if not k:
        return f"{site} unit {unit}: not fitted ({found['status']})."
    criterion = str(screen.origin.parameters.get("criterion", "bic")).upper()
    text = f"{site} unit {unit}: K = {k} {'component' if k == 1 else 'components'} by {criterion}."
    if k == len(screen.bics[0]):
        text += " That is the most that was tried: real maps are curved, and take what they get."
    if np.isfinite(found["weight"]):
        need = "needed" if found["minor"] else "not needed"
        text += (
            f"\nThe minor component holds {found['weight']:.1%} of the samples, overlaps the rest "
            f"by {found['overlap']:.2g}, and is {need} by the data."
        )
    return text


def selection_text(data: Dataset | None, selection: Selection | None) -> str:
    """One line about the selected samples: how many, and of which classes, commonest first."""
    if selection is None:
        none = "No samples selected: lasso some in the scatter, or click pictures."
        return none if data is not None else ""
    n = len(selection)
    line = f"{n:,} {'sample' if n == 1 else 'samples'} selected"
    if data is None or data.labels is None or not data.classes:
        return line
    found, counts = np.unique(data.labels[data.index.positions(selection.ids)], return_counts=True)
    order = np.argsort(-counts, kind="stable")[:3]
    parts = [f"{counts[j]} of class {data.classes[int(found[j])]}" for j in order]
    more = f" and {len(found) - 3} more classes" if len(found) > 3 else ""
    return f"{line}: {', '.join(parts)}{more}"

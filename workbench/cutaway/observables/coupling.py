"""How the readings of two feature vectors go together."""

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import permutations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from torch import nn

from cutaway.core import Tick, check, silent
from cutaway.model.model import Model
from cutaway.observables.finite import all_finite
from cutaway.observables.prompts import Prompt
from cutaway.observables.slopes import slopes_on_texts
from cutaway.observables.vector import FeatureVector


def coupling(a: FeatureVector | ArrayLike, b: FeatureVector | ArrayLike) -> float:
    """Coupling coefficient C(a, b) = a.b / ``||a||^2``: expected slope of b's reading on a's.

    Parameters
    ----------
    a, b : FeatureVector or array_like of shape (d,)
        Vectors of one site and one treatment of norms; of two `FeatureVector` this is checked, of
        plain arrays it is the caller's business.

    Returns
    -------
    float
        Not symmetric: C(a, b) C(b, a) is the square of their cosine.

    Raises
    ------
    ValueError
        If two feature vectors live at different sites or norms were passed differently, lengths
        differ, or `a` is zero.

    References
    ----------
    Dunefsky, Cohan, arXiv 2312.16291, Theorem 2.
    """
    x, y = _pair(a, b)
    largest = float(np.abs(x).max())  # squares of very small or large numbers leave float64
    x = x / largest
    return float(x @ y / (x @ x) / largest)


def coupled_range(
    a: FeatureVector | ArrayLike, b: FeatureVector | ArrayLike, reading: float, length: float
) -> tuple[float, float, float]:
    """Expected, lowest and highest reading of b on inputs of some length that read k on a.

    Parameters
    ----------
    a, b : FeatureVector or array_like of shape (d,)
        As in `coupling`.
    reading : float
        k, the reading of `a`.
    length : float
        s, the length of the inputs; at least ``|k| / ||a||``.

    Returns
    -------
    tuple of (float, float, float)
        k C(a, b), and the extremes ``||b|| / ||a|| (k cos -+ sin sqrt(s^2 ||a||^2 - k^2))``.

    Raises
    ------
    ValueError
        As in `coupling`, or if no input of that length has the reading.

    References
    ----------
    Dunefsky, Cohan, arXiv 2312.16291, Theorem 2, for inputs uniform on the sphere's section.
    """
    x, y = _pair(a, b)
    long_a, long_b = float(np.linalg.norm(x)), float(np.linalg.norm(y))
    check.in_range(
        "length", length, abs(reading) / long_a, remedy="no shorter input has that reading"
    )
    cos = _cosine(x, y)
    spread = math.sqrt(max(0.0, 1 - cos**2)) * math.sqrt((length * long_a) ** 2 - reading**2)
    ratio = long_b / long_a
    low, high = ratio * (reading * cos - spread), ratio * (reading * cos + spread)
    return reading * coupling(x, y), low, high


def coupling_table(
    vectors: Mapping[str, FeatureVector] | Iterable[FeatureVector],
    *,
    model: Model | nn.Module | None = None,
    texts: Sequence[Prompt] | None = None,
    seed: int = 0,
    tick: Tick = silent,
) -> pd.DataFrame:
    """Couplings and cosines of all ordered pairs of some feature vectors.

    Parameters
    ----------
    vectors : mapping of str to FeatureVector, or iterable of FeatureVector
        At least two; in an iterable each is called "observable through path".
    model : Model or torch.nn.Module or None
        With `texts`: the model that the vectors are of.
    texts : sequence of str or of token ids, or None
        Adds what these texts show; see `cutaway.observables.coupling_on_texts`.
    seed : int
        Of the bootstrap over texts.
    tick : Tick
        Called in every layer while the model runs.

    Returns
    -------
    DataFrame
        A row a pair (a, b): `coupling` C(a, b), NaN where `coupling` would refuse the pair,
        `cosine` of the vectors, `observable_cosine` of the observables at the unembedding, which
        is the baseline that a cosine must be compared with, and `same_space`. With texts also
        `slope` of b's reading on a's, `slope_low` and `slope_high` (95 %), and `r2`.

    Raises
    ------
    ValueError
        If there are fewer than two, or two of one name; or one of model and texts is missing.
    """
    if (model is None) != (texts is None):
        raise ValueError(
            "model and texts must come together, got one of them; give both, or none for the "
            "weights alone"
        )
    named = _named(vectors)
    rows = []
    for (name_a, a), (name_b, b) in permutations(named.items(), 2):
        same = _difference(a, b) is None
        x, y = _vector(a), _vector(b)
        rows.append(
            {
                "a": name_a,
                "b": name_b,
                "coupling": coupling(a, b) if same else float("nan"),
                "cosine": _cosine(x, y),
                "observable_cosine": _cosine(a.covector, b.covector),
                "same_space": same,
            }
        )
    table = pd.DataFrame(rows)
    if model is not None and texts is not None:
        slopes = slopes_on_texts(model, named, texts, seed=seed, tick=tick)
        table = table.merge(slopes, on=["a", "b"])
    return table


def _named(
    vectors: Mapping[str, FeatureVector] | Iterable[FeatureVector],
) -> dict[str, FeatureVector]:
    if isinstance(vectors, Mapping):
        named = dict(vectors)
        count = len(named)
    else:
        every = list(vectors)
        named = {f"{one.observable} through {one.path or 'the final norm'}": one for one in every}
        count = len(every)
    if len(named) < max(2, count):
        raise ValueError(
            f"vectors must hold at least two of different names, got {count} with {len(named)} "
            "names; give a dict of name to vector"
        )
    return named


def _difference(a: FeatureVector, b: FeatureVector) -> str | None:
    """What keeps two vectors from being compared by length, or None."""
    modes_a = (a.norm, a.first_norm, a.final_norm)
    modes_b = (b.norm, b.first_norm, b.final_norm)
    if a.site != b.site:
        return f"sites {a.site} and {b.site}"
    if modes_a != modes_b:
        return f"norms {', '.join(modes_a)} and {', '.join(modes_b)}"
    return None


def _pair(
    a: FeatureVector | ArrayLike, b: FeatureVector | ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if isinstance(a, FeatureVector) and isinstance(b, FeatureVector):
        different = _difference(a, b)
        if different is not None:
            raise ValueError(
                f"a and b must live at one site with norms passed alike, got {different}; "
                "make both alike, or give a.vector and b.vector to compare them all the same"
            )
    x, y = _vector(a), _vector(b)
    if len(x) != len(y):
        raise ValueError(
            f"a and b must have one length, got {len(x)} and {len(y)}; take vectors of one model"
        )
    if not x.any():
        raise ValueError("a must not be zero, got a vector of length 0; choose another path")
    return x, y


def _vector(one: FeatureVector | ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(one.vector if isinstance(one, FeatureVector) else one, dtype=np.float64)
    check.n_dims("vector", array, 1, "one number a unit")
    units = [f"unit {place}" for place in range(len(array))]
    all_finite("vector", array, units, "choose another path, or look at the model's weights")
    return array


def _cosine(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    if not (x.any() and y.any()):
        return float("nan")
    x, y = x / np.abs(x).max(), y / np.abs(y).max()
    return float(x @ y / (np.linalg.norm(x) * np.linalg.norm(y)))

"""Lines of one reading on another over the tokens of some texts, with intervals."""

from collections.abc import Mapping, Sequence
from itertools import permutations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import nn

from cutaway.core import Tick, digest
from cutaway.model.model import Model, as_model
from cutaway.observables.finite import all_finite
from cutaway.observables.opened import components_of
from cutaway.observables.prompts import Prompt
from cutaway.observables.texts import Readings, direction_of, read_directions, rows_of
from cutaway.observables.vector import FeatureVector

_BLOCK = 64  # tokens in a row that are resampled together: neighbours are alike
_RESAMPLES = 1000


def slopes_on_texts(
    model: Model | nn.Module,
    vectors: Mapping[str, FeatureVector],
    texts: Sequence[Prompt],
    *,
    seed: int = 0,
    tick: Tick,
) -> pd.DataFrame:
    """Columns for `coupling_table`: what texts show for every ordered pair of one site.

    Parameters
    ----------
    model, texts, seed, tick
        As in `coupling_on_texts`; the model runs once for all vectors.
    vectors : mapping of str to FeatureVector
        By the names of the table.

    Returns
    -------
    DataFrame
        Columns a, b, slope, slope_low, slope_high, r2, in the order of `coupling_table`; NaN for
        pairs of different sites.
    """
    opened = as_model(model)
    read, _, _ = readings_of(opened, vectors, texts, tick)
    blocks = blocks_of(read)
    places = {name: place for place, name in enumerate(vectors)}
    lines: list[dict[str, Any]] = []
    for one, other in permutations(vectors, 2):
        line: dict[str, Any] = {"a": one, "b": other}
        columns = ("slope", "slope_low", "slope_high", "r2")
        line |= dict.fromkeys(columns, float("nan"))
        if vectors[one].site == vectors[other].site:
            kept = ~read.sink(places[one])
            x, y = (read.reading[places[name], kept] for name in (one, other))
            fit = line_of(x, y, blocks[kept], seed)
            keys = ("slope", "low", "high", "r2")
            line |= {column: fit[key] for column, key in zip(columns, keys, strict=True)}
        lines.append(line)
    tick(1.0, "slopes on texts")
    return pd.DataFrame(lines)


def readings_of(
    model: Model, vectors: Mapping[str, FeatureVector], texts: Sequence[Prompt], tick: Tick
) -> tuple[Readings, NDArray[np.bool_], str]:
    """Readings of some vectors on texts, the sinks at the first one's site, digest of the texts."""
    components = components_of(model)
    rows = rows_of(model, texts, components.n_tokens)
    directions = {name: direction_of(model, components, one) for name, one in vectors.items()}
    read = read_directions(model, components, rows, directions, tick=tick, title="coupling")
    names = [f"{text}:{at}" for text, at in zip(read.text, read.position, strict=True)]
    all_finite("readings at tokens", read.reading.T, names, "leave these texts out")
    sink = read.sink(0)
    if (~sink).sum() < 3:
        raise ValueError(
            f"texts must hold at least 3 tokens besides sinks, got {int((~sink).sum())}; "
            "give longer texts"
        )
    return read, sink, digest.of_json([row.ids.tolist() for row in rows])


def blocks_of(read: Readings) -> NDArray[np.int64]:
    """Number of the block of `_BLOCK` tokens of one text that each token belongs to."""
    width = int(read.position.max()) // _BLOCK + 1
    numbers = read.text * width + read.position // _BLOCK
    return np.asarray(np.unique(numbers, return_inverse=True)[1], dtype=np.int64)


def line_of(
    x: NDArray[np.float64], y: NDArray[np.float64], block: NDArray[np.int64], seed: int
) -> dict[str, float]:
    """Line of y on x, its slope's interval over blocks, and the squared correlation."""
    dx, dy = x - x.mean(), y - y.mean()
    sxx, sxy, syy = float(dx @ dx), float(dx @ dy), float(dy @ dy)
    if sxx == 0.0:
        nan = float("nan")
        return {"slope": nan, "intercept": nan, "low": nan, "high": nan, "r2": nan}
    slope = sxy / sxx
    low, high = _interval(dx, dy, block, seed)
    return {
        "slope": slope,
        "intercept": float(y.mean() - slope * x.mean()),
        "low": low,
        "high": high,
        "r2": sxy**2 / (sxx * syy) if syy else float("nan"),
    }


def _interval(
    dx: NDArray[np.float64], dy: NDArray[np.float64], block: NDArray[np.int64], seed: int
) -> tuple[float, float]:
    _, block = np.unique(block, return_inverse=True)
    n = int(block.max()) + 1
    if n < 5:
        return float("nan"), float("nan")
    sums = np.stack(
        [np.bincount(block, one, minlength=n) for one in (np.ones_like(dx), dx, dy, dx**2, dx * dy)]
    )
    drawn = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=_RESAMPLES)
    count, x, y, xx, xy = (drawn @ sums.T).T
    slopes = (xy - x * y / count) / (xx - x**2 / count)
    low, high = np.quantile(slopes, [0.025, 0.975])
    return float(low), float(high)

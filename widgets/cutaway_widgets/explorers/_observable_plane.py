"""Tokens in the plane of the principal components of what the vector reads."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from cutaway.core import Tick
from cutaway.model import Model
from cutaway.observables import TokenScores, components_of
from cutaway.observables.texts import rows_of, streams


def stream_plane(
    model: Model, scores: TokenScores, texts: Sequence[str], tick: Tick
) -> tuple[NDArray[np.float64], tuple[float, float]]:
    """First two principal components of the residual streams that were scored.

    Parameters
    ----------
    model : Model
        The one that was scored.
    scores : TokenScores
        Says the site and the tokens.
    texts : sequence of str
        The texts that were scored, all of them.
    tick : Tick
        Called in every layer.

    Returns
    -------
    points : ndarray of shape (t, 2)
        NaN for sinks, whose streams are so long that they would be the components.
    shares : (float, float)
        Shares of the variance; NaN and no points for fewer than 3 tokens.
    """
    components = components_of(model)
    rows = rows_of(model, texts, components.n_tokens)
    by_text: dict[int, NDArray[np.float64]] = {}
    for batch in streams(model, components, rows, [scores.site], tick=tick, title="components"):
        for at, place in enumerate(batch.places):
            read = batch.before[scores.site][at, : len(rows[place])]
            by_text[place] = read.double().cpu().numpy()
    kept = np.flatnonzero(~scores.sink)
    points = np.full((len(scores.rows), 2), np.nan)
    if len(kept) < 3:
        return points, (float("nan"), float("nan"))
    stream = np.stack([by_text[scores.text[one]][scores.position[one]] for one in kept])
    found = PCA(2, svd_solver="full").fit(stream)
    points[kept] = found.transform(stream)
    first, second = found.explained_variance_ratio_.tolist()
    return points, (first, second)

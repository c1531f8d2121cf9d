"""Views of attributions: over pictures, under the tokens of texts, else in a table."""

from typing import Any

import ipywidgets
import numpy as np

from cutaway.causal import Attributions
from cutaway_widgets.attribution_overlay import AttributionOverlay
from cutaway_widgets.explorers import _filter_views as words
from cutaway_widgets.explorers._result_views import Shown, table_of, views_of
from cutaway_widgets.explorers._scene import Scene
from cutaway_widgets.token_text import TokenText


@views_of.register
def attribution_views(result: Attributions, scene: Scene) -> Shown:
    """On the page's selection of samples, although only some of them were asked about."""
    if not scene.holds(result.rows):
        return table_of(result, scene)
    if result.values.ndim == 3 and scene.data is not None:
        overlay = AttributionOverlay(
            result, data=scene.data, link=scene.samples, labels=_labels(result, scene),
            title="Where each answer comes from", height=420, tile=96,
        )  # fmt: skip
        return Shown(ipywidgets.VBox([overlay]), [overlay])
    text = token_text(result, scene)
    if text is None:
        return table_of(result, scene)
    return Shown(ipywidgets.VBox([text]), [text])


def token_text(result: Attributions, scene: Scene) -> TokenText | None:
    """The attributed texts, tokens coloured by their shares; None where they are no texts."""
    model, data = scene.model, scene.data
    if model is None or data is None or data.kind != "text" or model.tokenizer is None:
        return None
    if result.origin.weights != model.digest:
        return None
    index = scene.samples.index
    # The view has a text for each row of its link; those that were not asked about are not shown.
    rows: list[list[str]] = [[] for _ in index]
    values: list[np.ndarray] = [np.zeros(0, np.float32) for _ in index]
    for place, at in enumerate(index.positions(result.rows.ids)):
        found = model.encode([data.text(result.rows.ids[place])])
        ids = found["input_ids"][0].tolist()
        rows[at] = pieces(model.tokenizer, ids)
        values[at] = result.values[place, : len(ids)]
    return TokenText(
        rows, values, link=scene.samples, order=result.rows.ids.tolist(), name="share",
        diverging=True, title="Where each answer comes from", height=420,
        caption=result.origin.caption(),
    )  # fmt: skip


def pieces(tokenizer: Any, ids: list[int]) -> list[str]:
    """Text of each token, with the blank that its tokenizer writes before it."""
    alone = [tokenizer.decode([one]) for one in ids]
    found = alone[:1]
    for place in range(1, len(ids)):
        pair = tokenizer.decode(ids[place - 1 : place + 1])
        first = alone[place - 1]
        found.append(pair[len(first) :] if pair.startswith(first) else alone[place])
    return found


def _labels(result: Attributions, scene: Scene) -> list[str]:
    """One line a sample: its class, the target, and the score."""
    data = scene.data
    known = None if data is None else words.class_names(data)
    places = scene.samples.index.positions(result.rows.ids)
    lines = []
    for row, at in enumerate(places):
        said = f"{result.target[row]} {result.score[row]:.2f}".replace("-", "−")
        own = "" if known is None else str(known[at])
        lines.append(said if own in {"", str(result.target[row])} else f"{own} → {said}")
    return lines

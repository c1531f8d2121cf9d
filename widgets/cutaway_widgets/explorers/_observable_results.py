"""Views of the observables lens's results on the workbench: maps, scores, vectors, steering."""

from typing import Any

import ipywidgets
import numpy as np

from cutaway.core import Index
from cutaway.observables import FeatureVector, Steering, TokenScores
from cutaway.observables.head_map import HeadMap
from cutaway_widgets._color import Categories
from cutaway_widgets.explorers import _observable_score_words as scored
from cutaway_widgets.explorers import _observable_steer_words as steered
from cutaway_widgets.explorers import _observable_words as words
from cutaway_widgets.explorers._layout import column, line, row
from cutaway_widgets.explorers._result_views import Shown, views_of
from cutaway_widgets.explorers._scene import Scene
from cutaway_widgets.heat_map import HeatMap
from cutaway_widgets.histogram import Histogram
from cutaway_widgets.scatter import Scatter
from cutaway_widgets.table import Table
from cutaway_widgets.token_text import TokenText


@views_of.register
def head_map_views(result: HeadMap, scene: Scene) -> Shown:
    """Layers by heads as a grid, and all heads as a table."""
    values = np.asarray(result.values)
    n_layers, n_heads = values.shape
    norms = result.kind == "norm"
    grid = HeatMap(
        values, rows=Index(np.array([f"L{one}" for one in range(n_layers)]), "layer"),
        columns=Index(np.array([f"H{one}" for one in range(n_heads)]), "head"),
        diverging=not norms, name=result.kind, unit="" if norms else "logits",
        title=f"{result.observable}: {result.kind.replace('_', ' ')} of the heads",
        caption=result.origin.caption(), height=min(420, 90 + 30 * n_layers),
    )  # fmt: skip
    frame = result.to_frame().reset_index(names="name")
    table = Table(
        frame, index=result.rows, link=scene.link_of(result.rows), sort="value", height=300,
        columns=["name", "value", *([] if norms else ["low", "high"])], title="Heads",
    )  # fmt: skip
    box = row([column([grid], "320px", 3), column([table], "260px", 2)])
    return Shown(box, [grid, table])


@views_of.register
def token_scores_views(result: TokenScores, scene: Scene) -> Shown:
    """Texts coloured by score, on the page's samples where they are its texts; their tokens."""
    ids = Index(result.text_ids, scene.samples.axis)
    names = scored.token_index(result, ids)
    tokens = scene.link_of(names)
    pieces, values = scored.by_text(result, len(ids))
    text = TokenText(
        pieces, values, link=scene.link_of(ids), position_link=tokens, diverging=True,
        name="score", order=scored.text_order(result, ids), limits=scored.limits(result),
        labels=scored.text_labels(result, None), title="Texts by score, highest first", height=420,
        caption=result.origin.caption(),
    )  # fmt: skip
    scatter = Scatter(
        np.column_stack([result.position, result.score]), link=tokens,
        colors={"kind of token": Categories(scored.kinds(result), scored.KINDS)},
        x_label="position in the text", y_label="score", title="Tokens", height=340,
    )  # fmt: skip
    told = ipywidgets.HTML(line(scored.scores_text(result)))
    box = row([column([text], "320px", 1), column([scatter], "320px", 1)])
    return Shown(ipywidgets.VBox([told, box]), [told, text, scatter])


@views_of.register
def vector_views(result: FeatureVector, _scene: Scene) -> Shown:
    """The card of a vector, and where it was linearised."""
    told = ipywidgets.HTML(line(words.card_text(result)))
    parts: list[Any] = [told]
    frame = words.points_frame(result)
    if len(frame):
        parts.append(Table(frame, title="Where it is linearised", height=180))
    return Shown(ipywidgets.VBox(list(parts)), parts)


@views_of.register
def steering_views(result: Steering, scene: Scene) -> Shown:
    """What a step did in words, among random steps, and the next tokens before and after."""
    told = ipywidgets.HTML(line(steered.step_text(result)))
    parts: list[Any] = [told]
    columns = []
    n = len(result.random_change)
    if n:
        names = ["this direction", *(f"random {one + 1}" for one in range(n))]
        index = Index(np.array(names, dtype=np.str_), "direction")
        link = scene.link_of(index)
        link.select(names[:1])
        parts.append(
            Histogram(
                np.concatenate([[result.change.mean()], result.random_change]), index=index,
                link=link, name=f"change of {result.observable}", unit="logits",
                title=f"This direction among {n} random ones",
            )
        )  # fmt: skip
        columns.append(column(parts[-1:], "260px", 1))
    parts.append(
        Table(
            steered.tokens_frame(result, steered=True), sort="change", height=300,
            title="Next tokens before and after", caption=steered.CAPTION,
        )
    )  # fmt: skip
    columns.append(column(parts[-1:], "300px", 1))
    return Shown(ipywidgets.VBox([told, row(columns)]), parts)

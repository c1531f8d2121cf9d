"""What merging costs, sample by sample: answers before beside answers after."""

from typing import Any

import ipywidgets
import numpy as np
from numpy.typing import NDArray

from cutaway.core import Selection
from cutaway.data import Dataset
from cutaway.merging import Merge
from cutaway.model import Predictions
from cutaway_widgets._color import Categories, Values
from cutaway_widgets.explorers import _complexity_words as words
from cutaway_widgets.explorers import _filter_views as views
from cutaway_widgets.explorers._complexity_desk import MergeDesk
from cutaway_widgets.explorers._filter_effect import AFTER, RIGHT
from cutaway_widgets.explorers._layout import column, end, line, row
from cutaway_widgets.histogram import Histogram
from cutaway_widgets.image_grid import ImageGrid
from cutaway_widgets.scatter import Scatter
from cutaway_widgets.selection_bar import SelectionBar

_FIRST = "Once a merged network is there, each sample's answer before and after appears here."


class SampleSection:
    """Plane of the samples, the worst hit ones as pictures, histogram of the change.

    Parameters
    ----------
    desk : MergeDesk
        Results and selections.
    """

    def __init__(self, desk: MergeDesk) -> None:
        self._desk = desk
        samples = desk.samples
        n = len(samples.index)
        self.bar = SelectionBar(samples, title="Selected samples")
        self.text = ipywidgets.HTML(line(_FIRST))
        self.chosen = ipywidgets.HTML()
        self.scatter = Scatter(
            np.full((n, 2), np.nan), link=samples, title="Answers before and after merging",
            height=420,
        )  # fmt: skip
        self.grid = ImageGrid(
            link=samples, order=(), title="Samples that lose most", height=260,
            empty="Merge first to see which samples it costs.",
        )  # fmt: skip
        self.histogram = Histogram(
            np.full(n, np.nan), link=samples, title="Change by merging", height=180, log=True
        )
        left = column([self.scatter, self.chosen], "420px", 1)
        right = column([self.grid, self.histogram], "340px", 1)
        self.box = ipywidgets.VBox([self.text, self.bar, row([left, right])])
        self._stop = samples.on_selection(self._selected)
        self._selected(None)

    def show(self, merge: Merge, before: Predictions, after: Predictions) -> None:
        """Show what a merge does to the answers."""
        data = self._desk.data
        old, new, name = sure(before), sure(after), _measure(before)
        change = new - old
        caption = merge.origin.caption()
        self.scatter.set_points(
            np.column_stack([old, new]), colors=colors(self._desk, before, after),
            x_label=f"{name}, unmerged", y_label=f"{name}, merged {words.how(merge)}",
            caption=caption,
        )  # fmt: skip
        self.histogram.set_values(change, name="change of probability", unit="")
        order = np.argsort(change, kind="stable")
        worst = order[change[order] < 0]
        self.grid.set_rows(
            order=data.index.ids[worst].tolist(),
            labels=labels(data, after, change), title="Samples that lose most by merging",
        )  # fmt: skip
        self.grid.empty = "No sample's right answer lost probability by this merge."
        self.text.value = line(cost_text(merge, before, after))

    def close(self) -> None:
        """Stop following the selection and end the views."""
        self._stop()
        end(self.box)

    def _selected(self, selection: Selection | None) -> None:
        self._desk.workspace.selection = selection
        self.chosen.value = line(views.selection_text(self._desk.data, selection))


def sure(found: Predictions) -> NDArray[np.float64]:
    """Probability of the right class, in [0, 1]; of the answer given, without labels."""
    if found.loss is None:
        return np.asarray(found.probability, np.float64)
    return np.asarray(np.exp(-found.loss), np.float64)


def _measure(found: Predictions) -> str:
    return "probability of the answer" if found.loss is None else "probability of the right answer"


def colors(desk: MergeDesk, before: Predictions, after: Predictions) -> dict[str, Any]:
    """Columns to colour samples by; what became of each answer first."""
    columns: dict[str, Categories | Values] = {}
    if before.correct is not None and after.correct is not None:
        codes = np.select(
            [before.correct & after.correct, before.correct & ~after.correct,
             ~before.correct & after.correct], [0, 1, 2], 3,
        )  # fmt: skip
        columns[RIGHT] = Categories(codes, AFTER)
    else:
        same = before.predicted == after.predicted
        columns["answer"] = Categories(np.where(same, 0, 1), ["same answer", "another answer"])
    return columns | dict(views.sample_colors(desk.data, before, None, 0))


def labels(data: Dataset, after: Predictions, change: NDArray[np.float64]) -> list[str]:
    """One line a sample: its class, the merged network's where it is another, and the change."""
    names = views.sample_labels(data, after, None)
    return [
        " · ".join(part for part in (name, f"{one:+.2f}".replace("-", "−")) if part)
        for name, one in zip(names, change, strict=True)
    ]


def cost_text(merge: Merge, before: Predictions, after: Predictions) -> str:
    """How many samples answer otherwise once the network is merged."""
    n = len(before.rows)
    at = f"Merged {words.how(merge)}"
    if (merge.left == merge.size).all():
        return f"Nothing merged {words.how(merge)}: all {n:,} samples are answered as before."
    if before.correct is None or after.correct is None:
        other = int((before.predicted != after.predicted).sum())
        return f"{at}, {other:,} of {n:,} samples get another answer."
    lost = int((before.correct & ~after.correct).sum())
    won = int((~before.correct & after.correct).sum())
    return (
        f"{at}, accuracy is {after.correct.mean():.1%} on {n:,} samples, unmerged "
        f"{before.correct.mean():.1%}; right answers that become wrong: {lost:,}, wrong ones "
        f"that become right: {won:,}. On the diagonal nothing changes; lasso samples to follow."
    )

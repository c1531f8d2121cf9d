"""Filters by samples as a heat-map, and the filters that set the selected samples apart."""

import ipywidgets
import numpy as np
import pandas as pd

from cutaway.core import Selection
from cutaway.filters import FilterScreen, filters_of
from cutaway_widgets.explorers import _filter_views as views
from cutaway_widgets.explorers._filter_desk import Desk
from cutaway_widgets.explorers._layout import column, end, line, row
from cutaway_widgets.heat_map import HeatMap
from cutaway_widgets.table import Table

MOST_CELLS = 10_000_000
"""Two bytes each: what a page loads in seconds."""
_HIT = 0.01  # a hit is a p below this divided by the number of samples, as in the screen
_COLUMNS = ["site", "unit", "auc", "q", "inside", "outside"]
_NONE = (
    "Select samples, in the heat-map or anywhere else: the filters are then ranked by how oddly "
    "they hold them."
)
_LARGE = (
    f"More than {MOST_CELLS:,} cells are too many for the page: screen fewer layers to see the "
    "heat-map. The table beside it works all the same."
)


class HeatSection:
    """Heat-map of the tails, linked by filters and by samples; the way back beside it.

    Parameters
    ----------
    desk : Desk
        Results and selections.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        samples, units = desk.samples, desk.units
        n = len(samples.index)
        self.map = HeatMap(
            np.zeros((0, n)), link=samples, row_link=units, name="tail", unit="−log₁₀ p",
            quantise="u2", title="How odd each filter finds each sample", height=420,
        )  # fmt: skip
        self.text = ipywidgets.HTML(line(_NONE))
        self.table = Table(
            pd.DataFrame(columns=_COLUMNS), link=units, height=420,
            title="Filters that set these samples apart",
        )  # fmt: skip
        self.table.layout.display = "none"
        self.large = ipywidgets.HTML(line(_LARGE))
        self.large.layout.display = "none"
        left = column([self.map, self.large], "420px", 3)
        right = column([self.text, self.table], "300px", 2)
        self.box = ipywidgets.VBox([row([left, right])])
        self._stop = samples.on_selection(self._selected)

    def show(self, screen: FilterScreen) -> None:
        """Show a screen whose filters are the rows of the units' link."""
        names = views.filter_index(screen)
        by_score = screen.filters["score"].fillna(-np.inf).to_numpy()
        rows = names.ids[np.argsort(-by_score, kind="stable")].tolist()
        of_samples = screen.samples["score"].fillna(-np.inf).to_numpy()
        columns = screen.rows.ids[np.argsort(-of_samples, kind="stable")].tolist()
        small = screen.tails.size <= MOST_CELLS
        self.map.layout.display = None if small else "none"
        self.large.layout.display = "none" if small else None
        if small:
            # A few tails reach far beyond what makes a hit; beyond twice that all look alike.
            top = 2.0 * float(np.log10(max(len(screen.rows), 1) / _HIT))
            self.map.set_values(
                screen.tails, rows=names, row_order=rows, column_order=columns, limits=(0.0, top),
                caption=f"Filters by score, top down; samples by score, from the left; a hit is "
                f"{top / 2:.1f} or more. {screen.origin.caption()}",
            )  # fmt: skip
        self._selected(self._desk.samples.selection)

    def close(self) -> None:
        """Stop following the selection and end the views."""
        self._stop()
        end(self.box)

    def _selected(self, selection: Selection | None) -> None:
        screen = self._desk.screen
        none = selection is None or screen is None or len(selection.ids) == len(screen.rows)
        self.table.layout.display = "none" if none else None
        if selection is None or screen is None or none:
            self.text.value = line(_NONE)
            return
        frame = filters_of(screen, selection.ids)
        self.table.set_frame(
            frame, columns=_COLUMNS, sort="auc",
            caption=f"auc: chance that a selected sample is odder than another; inside, outside: "
            f"mean −log₁₀ p of the two; {screen.origin.caption()}",
        )  # fmt: skip
        self.text.value = line(views.apart_text(frame, len(selection.ids)))

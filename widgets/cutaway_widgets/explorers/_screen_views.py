"""Linked views of one filter screen: pick a filter, see its samples."""

from collections.abc import Mapping
from typing import Any

import ipywidgets
import numpy as np
import pandas as pd

from cutaway.core import Index, Selection
from cutaway.data import Dataset
from cutaway.filters import FilterScreen, summary
from cutaway.model import Predictions
from cutaway_widgets._link import Link
from cutaway_widgets.explorers import _filter_views as views
from cutaway_widgets.explorers._layout import column, line, row
from cutaway_widgets.histogram import Histogram
from cutaway_widgets.image_grid import ImageGrid
from cutaway_widgets.scatter import Ellipses, Scatter
from cutaway_widgets.table import Table


class ScreenViews:
    """Table of filters; scatter, pictures and histogram of the samples of the picked one.

    Parameters
    ----------
    samples : Link
        Selection of samples.
    units : Link
        Selection of filters; takes the rows of the screen that is shown.
    """

    def __init__(self, samples: Link, units: Link) -> None:
        self.samples, self.units = samples, units
        self._screen: FilterScreen | None = None
        self._data: Dataset | None = None
        self._predictions: Predictions | None = None
        self._colors: dict[str, Any] = {}
        self._more: dict[str, Any] = {}
        n = len(samples.index)
        self.table = Table(
            pd.DataFrame(columns=views.COLUMNS), index=Index.count(0, "unit"), link=units,
            title="Filters, most anomalous first", height=300,
        )  # fmt: skip
        self.text = ipywidgets.HTML()
        self.scatter = Scatter(
            np.full((n, 2), np.nan), link=samples, title="Samples of one filter", height=460
        )
        self.grid = ImageGrid(
            link=samples, order=(), title="Outlier samples, farthest first", height=300,
            empty="Screen a layer, then pick a filter to see its outlier samples.",
        )  # fmt: skip
        self.histogram = Histogram(
            np.full(n, np.nan), link=samples, title="Distance from the bulk", log=True
        )
        self.parts: tuple[Any, ...] = (
            self.table, self.text, self.scatter, self.grid, self.histogram,
        )  # fmt: skip
        self._stop = units.on_selection(self._picked)

    def box(self) -> ipywidgets.VBox:
        """All views for a card: the filters above, the samples below."""
        below = column([self.scatter], "320px", 3)
        beside = column([self.grid, self.histogram], "260px", 2)
        return ipywidgets.VBox([self.table, self.text, row([below, beside])])

    def show(
        self, screen: FilterScreen, data: Dataset | None, predictions: Predictions | None
    ) -> None:
        """Show a screen, at the filter that is picked already, else the most anomalous one.

        Parameters
        ----------
        screen : FilterScreen
            Its rows are those of the samples' link.
        data : Dataset or None
            Brings classes and texts; None where they are gone.
        predictions : Predictions or None
            Brings what the model said.
        """
        self._screen, self._data, self._predictions = screen, data, predictions
        index = views.filter_index(screen)
        if self.units.digest != index.digest:
            self.units.set_index(index)
        self.table.set_frame(
            views.filter_frame(screen), index=index, units=views.UNITS, sort="score",
            descending=True, caption=screen.origin.caption(),
        )  # fmt: skip
        chosen = self.units.selection
        if chosen is not None:
            self._picked(chosen)
        elif len(index):
            self.units.select([index.ids[views.most_anomalous(screen)].item()])

    def set_more_colors(self, columns: Mapping[str, Any]) -> None:
        """Offer further columns to colour samples by, e.g. right or wrong after an edit.

        Parameters
        ----------
        columns : mapping of str to Categories or Values
            One entry a sample; empty takes them away.
        """
        if dict(columns) != self._more:
            self._more = dict(columns)
            self.scatter.set_colors(self._colors | self._more)

    def close(self) -> None:
        """Stop following the picked filter, and close the views."""
        self._stop()
        for one in self.parts:
            one.close()

    def _picked(self, selection: Selection | None) -> None:
        """Show the filter that was picked in the table; the first one when several are."""
        screen = self._screen
        if selection is None or screen is None:
            return
        site, unit = views.split_name(str(selection.ids[0]))
        picture = screen.picture(site, unit)
        data, predictions = self._data, self._predictions
        k = len(picture.means)
        self._colors = dict(
            views.sample_colors(data, predictions, picture.assignment, k, picture.responsibility)
        )
        self.scatter.set_points(
            picture.points,
            colors=self._colors | self._more,
            ellipses=Ellipses(picture.means, picture.covariances) if k else None,
            x_label="PC 1", y_label="PC 2", title=f"Samples of {site}, filter {unit}",
            caption=screen.origin.caption(),
        )  # fmt: skip
        self.histogram.set_values(picture.tail, name="tail", unit="−log₁₀ p")
        self.grid.set_rows(
            order=views.outlier_order(screen.rows, picture.tail),
            labels=views.sample_labels(data, predictions, picture.tail),
            title=f"Outlier samples of {site}, filter {unit}, farthest first",
        )
        names = None if data is None else views.class_names(data)
        self.text.value = line(summary(screen, site, unit, names))

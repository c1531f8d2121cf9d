"""How many components one filter has, and what its kernels look like."""

import numpy as np
from ipywidgets import HTML, VBox

from cutaway.core import Index, Selection
from cutaway.filters import FilterScreen
from cutaway.model import kernel_tiles
from cutaway_widgets._link import Link
from cutaway_widgets.explorers import _filter_views as views
from cutaway_widgets.explorers._filter_desk import Desk
from cutaway_widgets.explorers._layout import column, end, line, row
from cutaway_widgets.feature_maps import FeatureMaps
from cutaway_widgets.line_chart import LineChart

_NO_KERNELS = "Only convolutions have kernels to show."
MOST_INPUTS = 256


class ComponentSection:
    """BIC by number of components of the picked filter, and its kernels.

    Parameters
    ----------
    desk : Desk
        Results and selections.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.curve = LineChart(
            {"BIC": []}, x_label="components K", y_label="BIC", title="Choice of K", height=300
        )
        self.text = HTML(line("Pick a filter in the table to see its components."))
        self._inputs = Link(Index.count(0, "input"))
        self.kernels = FeatureMaps(
            link=self._inputs, unit_link=desk.units, colors="diverging", tile=64,
            title="Kernels by input channel", height=170, empty=_NO_KERNELS,
        )  # fmt: skip
        left, right = (
            column([self.curve], "360px", 1),
            column([self.text, self.kernels], "360px", 1),
        )
        self.box = VBox([row([left, right])])
        self._stop = desk.units.on_selection(self._picked)

    def show(self, _screen: FilterScreen) -> None:
        """Show the picked filter of a new screen."""
        self._picked(self._desk.units.selection)

    def close(self) -> None:
        """Stop following the picked filter and end the views."""
        self._stop()
        end(self.box)
        end(self._inputs)

    def _picked(self, selection: Selection | None) -> None:
        screen = self._desk.screen
        if selection is None or screen is None:
            return
        site, unit = views.split_name(str(selection.ids[0]))
        f = screen.place(site, unit)
        bics, k = screen.bics[f], int(screen.filters["k"].iloc[f])
        counts = np.arange(1, len(bics) + 1)
        self.curve.set_series(
            {"BIC": bics}, counts, cursor=float(k) if k else None,
            title=f"Choice of K for {site}, filter {unit}", caption=screen.origin.caption(),
        )  # fmt: skip
        self.text.value = line(views.components_text(screen, site, unit))
        self._kernels(site, unit)

    def _kernels(self, site: str, unit: int) -> None:
        """Kernels of a convolution's filter; the empty state for other layers."""
        try:
            tiles = kernel_tiles(self._desk.model, site, [unit])
        except ValueError:
            self.kernels.clear()
            return
        inputs = Index.count(min(tiles.values.shape[1], MOST_INPUTS), "input")
        self._inputs.set_index(inputs)
        self.kernels.set_maps(
            tiles.values[:, : len(inputs)], tiles.units, inputs,
            title=f"Kernels of {site}, filter {unit}, by input channel",
        )  # fmt: skip

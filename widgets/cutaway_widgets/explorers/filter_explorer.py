"""The filter explorer: pick layers, see filters ranked, look at one filter's samples."""

import html
from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets
import numpy as np

from cutaway.core import Index, Selection, Tick, part
from cutaway.data import Dataset, load_data, thumbnail_atlas
from cutaway.filters import FilterScreen, screen_filters, summary
from cutaway.model import Model, Predictions, Sites, capture, load_model, predict, sites
from cutaway.workspace import Workspace
from cutaway_widgets._job import Job
from cutaway_widgets._link import Link
from cutaway_widgets._reopen import Reopens
from cutaway_widgets._strict import Strict
from cutaway_widgets.explorers import _filter_views as views
from cutaway_widgets.histogram import Histogram
from cutaway_widgets.image_grid import ImageGrid
from cutaway_widgets.progress import Progress
from cutaway_widgets.scatter import Ellipses, Scatter
from cutaway_widgets.site_tree import SiteTree
from cutaway_widgets.table import Table


class FilterExplorer(Strict, Reopens, ipywidgets.VBox):
    """Page of linked views over one model and one data set.

    Parameters
    ----------
    model : Model, nn.Module, str or None
        What `cutaway.load_model` takes; None uses the workspace's.
    data : Dataset or anything `cutaway.load_data` takes, or None
        None uses the workspace's.
    sites : str or None
        Glob of the sites screened at first; None takes the first two convolutions, or layers.
    workspace : Workspace or None
        Slots to share with other pages; None makes an own one.
    start : bool
        Begin the first screen at once.
    inline : bool
        Compute in the caller's thread (scripts and tests) instead of a worker thread.

    Notes
    -----
    Results appear in ``workspace.results["predictions"]`` and ``["screen"]``; the selected samples
    in ``workspace.selection``.
    """

    # ipywidgets closes a widget whose construction failed, so `close` must find these.
    _parts: Sequence[Any] = ()
    _stop: Callable[[], None] | None = None

    def __init__(
        self,
        model: Any = None,
        data: Any = None,
        *,
        sites: str | None = None,
        workspace: Workspace | None = None,
        start: bool = True,
        inline: bool = False,
    ) -> None:
        self.workspace = workspace or Workspace()
        self._open(model, data)
        self.job = Job(inline=inline, lock=self.workspace.lock)
        self._build(sites)
        super().__init__(
            children=self._page(), layout=ipywidgets.Layout(width="100%", min_width="0")
        )
        self.add_class("cutaway-explorer")
        self._stop = self.workspace.listen(self._screened, "results.screen")
        if start:
            self.run()

    def run(self) -> None:
        """Screen the picked sites in the background; a running screen is left alone."""
        if not self.job.running:
            picked = self.tree.picked
            if not picked:
                self._say("Pick at least one layer in the tree, then screen.")
                return
            self.job.start(
                lambda tick: self._compute(picked, tick),
                name=f"screen {', '.join(picked)}",
                on_done=self._done,
            )

    def close(self) -> None:
        """Stop listening, cancel what runs, and close every view."""
        if self._parts:
            self.job.cancel()
        if self._stop:
            self._stop()
        for one in self._parts:
            one.close()
        super().close()

    def _open(self, model: Any, data: Any) -> None:
        workspace = self.workspace
        if model is not None:
            workspace.model = model if isinstance(model, Model) else load_model(model)
        if data is not None:
            workspace.data = data if isinstance(data, Dataset) else load_data(data)
        for slot in ("model", "data"):
            if getattr(workspace, slot) is None:
                raise ValueError(
                    f"{slot} must be given here or in the workspace, got None; "
                    f"e.g. FilterExplorer('lenet5-digits', 'digits')"
                )

    def _build(self, pattern: str | None) -> None:
        data: Dataset = self.workspace.data
        tree: Sites = sites(self.workspace.model, data)
        self.workspace.sites = tree
        first = views.first_sites(tree, pattern)
        pictures = thumbnail_atlas(data) if data.kind == "image" else None
        lock = self.workspace.lock
        self.samples = Link(data.index, thumbnails=pictures, lock=lock)
        self.units = Link(Index.count(0, "unit"), lock=lock)
        self.tree = SiteTree(
            [one for one in tree if one.shape], picked=first, pickable=views.pickable(tree),
            title="Layers",
            height=300, lock=lock,
        )  # fmt: skip
        self.table = Table(
            _empty_frame(), link=self.units, title="Filters, most anomalous first", height=300
        )
        nowhere = np.full((len(data), 2), np.nan)
        self.scatter = Scatter(
            nowhere, link=self.samples, title="Samples of one filter", height=460
        )
        self.grid = ImageGrid(
            link=self.samples, order=(), title="Outlier samples, farthest first", height=300,
            empty="Screen a layer, then pick a filter to see its outlier samples.",
        )  # fmt: skip
        self.histogram = Histogram(
            np.full(len(data), np.nan), link=self.samples, title="Distance from the bulk", log=True
        )
        self.progress = Progress(self.job, title="Screen")
        self._parts = (
            self.tree, self.table, self.scatter, self.grid, self.histogram, self.progress,
        )  # fmt: skip
        self.samples.on_selection(self._selected)
        self.units.on_selection(self._picked)

    def _page(self) -> list[Any]:
        self._head = ipywidgets.HTML()
        self._text = ipywidgets.HTML()
        self._chosen = ipywidgets.HTML()
        button = ipywidgets.Button(
            description="Screen picked layers", tooltip="Find filters that set a few samples apart",
            layout=ipywidgets.Layout(width="auto"),
        )  # fmt: skip
        button.on_click(lambda _button: self.run())
        self.button = button
        left = _column([self.tree, button, self.progress], "300px", 1)
        right = _column([self.table, self._text], "480px", 3)
        below = _column([self.scatter, self._chosen], "440px", 1)
        beside = _column([self.grid, self.histogram], "340px", 1)
        self._headline(None)
        self._selected(None)
        self._say("Pick layers in the tree, then screen them; the filters appear here.")
        return [self._head, _row([left, right]), _row([below, beside])]

    def _compute(self, picked: tuple[str, ...], tick: Tick) -> tuple[Predictions, FilterScreen]:
        """Predictions and screen of the picked sites; runs in the worker thread."""
        workspace = self.workspace
        model, data = workspace.model, workspace.data
        same = {"model": model.digest, "data": data.index.digest, "name": data.name}
        predictions = workspace.kept(
            "predict", same, lambda: predict(model, data, tick=part(tick, 0.0, 0.1))
        )
        chosen = workspace.sites[list(picked)]

        def compute() -> FilterScreen:
            acts = capture(model, data, chosen, pool=8, show=None, tick=part(tick, 0.1, 0.4))
            workspace.activations = acts
            return screen_filters(acts, tick=part(tick, 0.4, 1.0))

        return predictions, workspace.kept("screen", {**same, "sites": picked}, compute)

    def _done(self, results: tuple[Predictions, FilterScreen]) -> None:
        with self.workspace.lock:
            self.workspace.results["predictions"], self.workspace.results["screen"] = results

    def _screened(self, _name: str, _old: Any, screen: FilterScreen | None) -> None:
        if screen is None:
            return
        self._headline(self._predictions())
        index = views.filter_index(screen)
        self.units.set_index(index)
        self.table.set_frame(
            views.filter_frame(screen), units=views.UNITS, sort="score", descending=True,
            caption=screen.origin.caption(),
        )  # fmt: skip
        if len(index):
            self.units.select([index.ids[views.most_anomalous(screen)].item()])

    def _picked(self, selection: Selection | None) -> None:
        """Show the filter that was picked in the table; the first one when several are."""
        screen = self.workspace.results.get("screen")
        if selection is None or not isinstance(screen, FilterScreen):
            return
        site, unit = views.split_name(str(selection.ids[0]))
        data, predictions = self.workspace.data, self._predictions()
        picture = screen.picture(site, unit)
        k = len(picture.means)
        self.scatter.set_points(
            picture.points,
            colors=views.sample_colors(data, predictions, picture.assignment, k),
            ellipses=Ellipses(picture.means, picture.covariances) if k else None,
            x_label="PC 1", y_label="PC 2", title=f"Samples of {site}, filter {unit}",
            caption=screen.origin.caption(),
        )  # fmt: skip
        self.histogram.set_values(picture.tail, name="tail", unit="−log₁₀ p")
        self.grid.set_rows(
            order=views.outlier_order(data.index, picture.tail),
            labels=views.sample_labels(data, predictions, picture.tail),
            title=f"Outlier samples of {site}, filter {unit}, farthest first",
        )
        self._say(summary(screen, site, unit, views.class_names(data)))

    def _selected(self, selection: Selection | None) -> None:
        self.workspace.selection = selection
        self._chosen.value = _line(views.selection_text(self.workspace.data, selection))

    def _predictions(self) -> Predictions | None:
        found = self.workspace.results.get("predictions")
        return found if isinstance(found, Predictions) else None

    def _headline(self, predictions: Predictions | None) -> None:
        line = views.headline(self.workspace.data, predictions, self.workspace.model.name)
        self._head.value = f"<h2 style='margin:0'>{html.escape(line)}</h2>"

    def _say(self, line: str) -> None:
        self._text.value = _line(line)

    def __repr__(self) -> str:
        return f"FilterExplorer({self.workspace.model.name} on {self.workspace.data.name})"


def _line(text: str) -> str:
    """A line, or a few, that screen readers announce when it changes."""
    style = "margin:0 6px;white-space:pre-line;line-height:1.4"
    return f"<p role='status' style='{style}'>{html.escape(text)}</p>"


def _empty_frame() -> Any:
    import pandas as pd

    return pd.DataFrame(columns=views.COLUMNS)


def _row(children: list[Any]) -> ipywidgets.Box:
    """Side by side, wrapping where the cell is narrow."""
    layout = ipywidgets.Layout(display="flex", flex_flow="row wrap", width="100%")
    return ipywidgets.Box(children, layout=layout)


def _column(children: list[Any], width: str, grow: int) -> ipywidgets.VBox:
    """One above the other, at least `width` wide unless the cell is narrower."""
    layout = ipywidgets.Layout(flex=f"{grow} 1 {width}", min_width="0", padding="0 8px 0 0")
    return ipywidgets.VBox(children, layout=layout)

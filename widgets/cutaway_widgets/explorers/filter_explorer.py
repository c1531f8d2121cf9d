"""The filter explorer: pick layers, see filters ranked, look at one filter's samples."""

from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets

from cutaway.core import Index, Selection, Tick, part
from cutaway.data import Dataset, load_data, thumbnail_atlas
from cutaway.filters import FilterScreen, screen_filters
from cutaway.model import Model, Predictions, Sites, capture, load_model, predict, sites
from cutaway.workspace import Workspace
from cutaway_widgets._job import Job
from cutaway_widgets._link import Link
from cutaway_widgets._reopen import Reopens
from cutaway_widgets._strict import Strict
from cutaway_widgets.explorers import _filter_views as views
from cutaway_widgets.explorers._layout import column, heading, line, row
from cutaway_widgets.explorers._screen_views import ScreenViews
from cutaway_widgets.progress import Progress
from cutaway_widgets.site_tree import SiteTree


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
        self._views = ScreenViews(self.samples, self.units)
        self.table, self.scatter = self._views.table, self._views.scatter
        self.grid, self.histogram = self._views.grid, self._views.histogram
        self.progress = Progress(self.job, title="Screen")
        self._parts = (self.tree, self._views, self.progress)
        self.samples.on_selection(self._selected)

    def _page(self) -> list[Any]:
        self._head = ipywidgets.HTML()
        self._text = self._views.text
        self._chosen = ipywidgets.HTML()
        button = ipywidgets.Button(
            description="Screen picked layers", tooltip="Find filters that set a few samples apart",
            layout=ipywidgets.Layout(width="auto"),
        )  # fmt: skip
        button.on_click(lambda _button: self.run())
        self.button = button
        left = column([self.tree, button, self.progress], "300px", 1)
        right = column([self.table, self._text], "480px", 3)
        below = column([self.scatter, self._chosen], "440px", 1)
        beside = column([self.grid, self.histogram], "340px", 1)
        self._headline(None)
        self._selected(None)
        self._say("Pick layers in the tree, then screen them; the filters appear here.")
        return [self._head, row([left, right]), row([below, beside])]

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
        self._views.show(screen, self.workspace.data, self._predictions())

    def _selected(self, selection: Selection | None) -> None:
        self.workspace.selection = selection
        self._chosen.value = line(views.selection_text(self.workspace.data, selection))

    def _predictions(self) -> Predictions | None:
        found = self.workspace.results.get("predictions")
        return found if isinstance(found, Predictions) else None

    def _headline(self, predictions: Predictions | None) -> None:
        said = views.headline(self.workspace.data, predictions, self.workspace.model.name)
        self._head.value = heading(said)

    def _say(self, text: str) -> None:
        self._text.value = line(text)

    def __repr__(self) -> str:
        return f"FilterExplorer({self.workspace.model.name} on {self.workspace.data.name})"

"""The filter explorer: pick layers, see filters ranked, look at one filter's samples."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import ipywidgets

from cutaway.core import Index, Selection, Tick
from cutaway.data import Dataset, thumbnail_atlas
from cutaway.filters import FilterScreen
from cutaway.model import Model, Predictions, Sites, sites
from cutaway.workspace import Workspace
from cutaway_widgets._job import Job
from cutaway_widgets._link import Link
from cutaway_widgets._reopen import Reopens
from cutaway_widgets._strict import Strict
from cutaway_widgets.explorers import _filter_views as views
from cutaway_widgets.explorers._filter_compare import given
from cutaway_widgets.explorers._filter_desk import Desk
from cutaway_widgets.explorers._filter_screen import screen_of
from cutaway_widgets.explorers._filter_sections import Sections
from cutaway_widgets.explorers._layout import column, end, heading, line, row
from cutaway_widgets.explorers._screen_views import ScreenViews
from cutaway_widgets.explorers._slots import fill
from cutaway_widgets.progress import Progress
from cutaway_widgets.selection_bar import SelectionBar
from cutaway_widgets.site_tree import SiteTree

Found: TypeAlias = tuple[Model, int | None, Predictions, FilterScreen]


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
    compare : Model, nn.Module, str, (str, int) or None
        A second model, sample name, or sample name and epoch, to compare the filters with. None
        offers the checkpoints that a sample model keeps.
    workspace : Workspace or None
        Slots to share with other pages; None makes an own one.
    start : bool
        Begin the first screen at once.
    inline : bool
        Compute in the caller's thread (scripts and tests) instead of a worker thread.

    Notes
    -----
    Results appear in ``workspace.results["predictions"]`` and ``["screen"]``; the selected samples
    in ``workspace.selection``. Below the views, tabs ask further: "attributions", "effect" (with
    ``workspace.edits``, undone by ``workspace.undo()``), "screen_compared" and "growth" are what
    they put into ``workspace.results``.
    """

    # ipywidgets closes a widget whose construction failed, so `close` must find these.
    _parts: Sequence[Any] = ()
    _stop: Callable[[], None] | None = None
    _next: tuple[Callable[[], Model], int] | None = None
    _epoch: int | None = None

    def __init__(
        self,
        model: Any = None,
        data: Any = None,
        *,
        sites: str | None = None,
        compare: Any = None,
        workspace: Workspace | None = None,
        start: bool = True,
        inline: bool = False,
    ) -> None:
        self.workspace = workspace or Workspace()
        fill(self.workspace, model, data, type(self).__name__)
        self.job = Job(inline=inline, lock=self.workspace.lock)
        self._build(sites, given(compare), inline=inline)
        self.job.observe(self._ended, "status")
        super().__init__(
            children=self._page(), layout=ipywidgets.Layout(width="100%", min_width="0")
        )
        self.add_class("cutaway-explorer")
        self._stop = self.workspace.listen(self._screened, "results.screen")
        if start:
            self.run()

    def run(self) -> None:
        """Screen the picked sites in the background; a running screen is left alone."""
        self._run(self.tree.picked)

    def close(self) -> None:
        """Stop listening, cancel what runs, and close every view."""
        parts, self._parts, self._next = self._parts, (), None
        if self._stop:
            self._stop()
        if parts:
            self.job.unobserve(self._ended, "status")
            self.job.cancel()
        for one in parts:
            one.close()
        if parts:
            for widget in (*self.children, self.samples, self.units, self.layout):
                end(widget)
        super().close()

    def _build(self, pattern: str | None, compare: Model | None, *, inline: bool) -> None:
        data: Dataset = self.workspace.data
        tree: Sites = sites(self.workspace.model, data)
        self.workspace.sites = tree
        pictures = thumbnail_atlas(data) if data.kind == "image" else None
        lock = self.workspace.lock
        self.samples = Link(data.index, thumbnails=pictures, lock=lock)
        self.units = Link(Index.count(0, "unit"), lock=lock)
        self.desk = Desk(self.workspace, self.samples, self.units, inline=inline)
        self.tree = SiteTree(
            [one for one in tree if one.shape], picked=views.first_sites(tree, pattern),
            pickable=views.pickable(tree), action="Screen picked layers", title="Layers",
            height=300, lock=lock,
        )  # fmt: skip
        self.tree.on_action(self._run)
        self.progress = Progress(self.job, title="Screen")
        self._views = ScreenViews(self.samples, self.units)
        self.table, self.scatter = self._views.table, self._views.scatter
        self.grid, self.histogram = self._views.grid, self._views.histogram
        self.bar = SelectionBar(self.samples, title="Selected samples")
        self.sections = Sections(self.desk, compare, self._views.set_more_colors, self._look_at)
        self._parts = (
            self.sections, self.desk, self.tree, self.progress, self._views, self.bar,
        )  # fmt: skip
        self.samples.on_selection(self._selected)

    def _page(self) -> list[Any]:
        self._head = ipywidgets.HTML()
        self._text = self._views.text
        self._chosen = ipywidgets.HTML()
        left = column([self.tree, self.progress], "300px", 1)
        right = column([self.table, self._text], "480px", 3)
        below = column([self.scatter, self._chosen], "440px", 1)
        beside = column([self.grid, self.histogram], "340px", 1)
        self._headline(None)
        self._selected(None)
        self._say("Pick layers in the tree, then screen them; the filters appear here.")
        top = [self._head, row([left, right]), self.bar, row([below, beside])]
        return [*top, self.sections.box]

    def _run(self, picked: tuple[str, ...]) -> None:
        if self.job.running:
            return
        if not picked:
            self._say("Pick at least one layer in the tree, then screen.")
            return
        model = self.desk.model
        self._start(f"screen {', '.join(picked)}", lambda: model, picked, self._epoch)

    def _start(
        self, name: str, model: Callable[[], Model], picked: tuple[str, ...], epoch: int | None
    ) -> None:
        """Screen sites of a model in the background, then look at it."""

        def work(tick: Tick) -> Found:
            chosen = model()
            return chosen, epoch, *screen_of(self.workspace, chosen, picked, tick)

        self.job.start(work, name=name, on_done=self._done)

    def _look_at(self, model: Callable[[], Model], epoch: int) -> None:
        """Screen a checkpoint at the sites on the page; the last one asked for wins."""
        self._next = None
        screen = self.desk.screen
        if screen is None:
            return
        if self.job.running:
            self._next = (model, epoch)
            self.job.cancel()
            return
        picked = tuple(dict.fromkeys(screen.filters["site"].astype(str)))
        self._start(f"screen epoch {epoch}", model, picked, epoch)

    def _ended(self, _change: Any) -> None:
        """The job moved: no second screen meanwhile; begin with the epoch that waits."""
        self.tree.busy = self.job.running
        if self._next is not None and not self.job.running:
            self._look_at(*self._next)

    def _done(self, found: Found) -> None:
        model, epoch, predictions, screen = found
        with self.workspace.lock:
            self.desk.model, self._epoch = model, epoch
            self.workspace.results["predictions"] = predictions
            if self.workspace.results.get("screen") is screen:
                self._screened("", None, screen)
            self.workspace.results["screen"] = screen

    def _screened(self, _name: str, _old: Any, screen: FilterScreen | None) -> None:
        if screen is None:
            return
        self._headline(self.desk.predictions)
        self._views.show(screen, self.workspace.data, self.desk.predictions)
        self.sections.show(screen)

    def _selected(self, selection: Selection | None) -> None:
        self.workspace.selection = selection
        self._chosen.value = line(views.selection_text(self.workspace.data, selection))

    def _headline(self, predictions: Predictions | None) -> None:
        name = self.workspace.model.name
        said = name if self._epoch is None else f"{name}, epoch {self._epoch},"
        self._head.value = heading(views.headline(self.workspace.data, predictions, said))

    def _say(self, text: str) -> None:
        self._text.value = line(text)

    def __repr__(self) -> str:
        return f"FilterExplorer({self.workspace.model.name} on {self.workspace.data.name})"

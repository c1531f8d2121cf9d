"""The complexity explorer: how many features of each layer are really different."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets

from cutaway.core import Index, Selection, Tick
from cutaway.data import Dataset, thumbnail_atlas
from cutaway.merging import ComplexityCurve
from cutaway.model import Model, Predictions, sites
from cutaway.workspace import Workspace
from cutaway_widgets._job import Job
from cutaway_widgets._link import Link
from cutaway_widgets._reopen import Reopens
from cutaway_widgets._strict import Strict
from cutaway_widgets.explorers import _complexity_settings as settings
from cutaway_widgets.explorers import _complexity_words as words
from cutaway_widgets.explorers import _filter_views as views
from cutaway_widgets.explorers._complexity_curve import CurveViews
from cutaway_widgets.explorers._complexity_desk import MergeDesk, curve_of, score_name
from cutaway_widgets.explorers._complexity_sections import Sections
from cutaway_widgets.explorers._filter_compare import given
from cutaway_widgets.explorers._layout import column, end, heading, line, row
from cutaway_widgets.explorers._slots import fill
from cutaway_widgets.form import Form
from cutaway_widgets.progress import Progress
from cutaway_widgets.site_tree import SiteTree


class ComplexityExplorer(Strict, Reopens, ipywidgets.VBox):
    """Page of linked views over the merging of one model's features.

    Parameters
    ----------
    model : Model, nn.Module, str or None
        What `cutaway.load_model` takes; None uses the workspace's.
    data : Dataset or anything `cutaway.load_data` takes, or None
        What accuracy is measured on; None uses the workspace's.
    compare : Model, nn.Module, str, (str, int) or None
        A second model, sample name, or sample name and epoch, to compare with. None offers the
        checkpoints that a sample model keeps.
    workspace : Workspace or None
        Slots to share with other pages; None makes an own one.
    betas : sequence of float or None
        Betas of the curve, in [0, 1]; None takes those of `cutaway.complexity_curve`.
    start : bool
        Compute the first curve at once.
    inline : bool
        Compute in the caller's thread (scripts and tests) instead of a worker thread.

    Notes
    -----
    The curve is computed once; the slider over its betas then moves bars and curves in the browser,
    also without a kernel. When it comes to rest the network is merged at that beta. Results appear
    in ``workspace.results`` as "predictions", "complexity", "merge" and "complexity_compared".
    """

    # ipywidgets closes a widget whose construction failed, so `close` must find these.
    _parts: Sequence[Any] = ()
    _stops: Sequence[Callable[[], None]] = ()

    def __init__(
        self,
        model: Any = None,
        data: Any = None,
        *,
        compare: Any = None,
        workspace: Workspace | None = None,
        betas: Sequence[float] | None = None,
        start: bool = True,
        inline: bool = False,
    ) -> None:
        chosen = settings.checked(betas)
        self.workspace = workspace or Workspace()
        fill(self.workspace, model, data, type(self).__name__)
        self.job = Job(inline=inline, lock=self.workspace.lock)
        self._build(given(compare), chosen, inline=inline)
        self.job.observe(self._ended, "status")
        super().__init__(
            children=self._page(), layout=ipywidgets.Layout(width="100%", min_width="0")
        )
        self.add_class("cutaway-explorer")
        self._stops = (
            self.workspace.listen(self._computed, "results.complexity"),
            self.groups.on_selection(self._grouped),
        )
        if start:
            self.run()

    def run(self) -> None:
        """Compute the curve by the form's settings in the background, unless one is under way."""
        self.form.send()

    def close(self) -> None:
        """Stop listening, cancel what runs, and close every view."""
        parts, self._parts = self._parts, ()
        for stop in self._stops:
            stop()
        if parts:
            self.job.unobserve(self._ended, "status")
            self.job.cancel()
        for one in parts:
            one.close()
        if parts:
            links = (self.samples, self.groups, self.steps, self.units)
            for widget in (*self.children, *links, self.layout):
                end(widget)
        super().close()

    def _build(
        self, compare: Model | None, betas: tuple[float, ...] | None, *, inline: bool
    ) -> None:
        data: Dataset = self.workspace.data
        self.workspace.sites = tree = sites(self.workspace.model, data)
        pictures = thumbnail_atlas(data) if data.kind == "image" else None
        lock = self.workspace.lock
        self.samples = Link(data.index, thumbnails=pictures, lock=lock)
        self.groups, self.steps, self.units = (
            Link(Index.count(0, axis), lock=lock) for axis in ("group", "beta", "unit")
        )
        links = (self.samples, self.groups, self.steps, self.units)
        self.desk = MergeDesk(self.workspace, *links, inline=inline)
        self._sites = [one for one in tree if one.shape]
        self._pickable: list[str] = []
        self.tree = SiteTree(
            self._sites, pick="one", pickable=(), title="Layers", height=220, lock=lock
        )
        self.tree.on_pick(self._picked)
        self.form = Form(
            settings.fields(betas), submit="Compute the curve", title="Curve", lock=lock
        )
        self.form.on_submit(self._submitted)
        self.progress = Progress(self.job, title="Curve")
        self.curves = CurveViews(self.groups, self.steps)
        self.bars = self.curves.bars
        self.sections = Sections(self.desk, compare)
        self._parts = (self.sections, self.desk, self.tree, self.form, self.progress, self.curves)

    def _page(self) -> list[Any]:
        self._head = ipywidgets.HTML()
        self._text = ipywidgets.HTML()
        self._headline()
        self._say("Compute the curve: it merges the network at each beta, and may take a while.")
        left = column([self.tree, self.form, self.progress], "300px", 1)
        right = column([self.bars, self._text, self.curves.charts()], "480px", 3)
        return [self._head, row([left, right]), self.sections.box]

    def _submitted(self, values: Mapping[str, Any]) -> None:
        if self.job.running:
            self.form.note = "Wait for the curve that is being computed, or cancel it."
            return
        try:
            betas = settings.parsed(str(values["betas"]))
        except ValueError as error:
            self.form.blame(str(error))
            return
        self.form.note = ""
        workspace, model, rule = self.workspace, self.desk.model, str(values["rule"])

        def work(tick: Tick) -> tuple[Predictions, ComplexityCurve]:
            return curve_of(workspace, model, betas, rule, tick)

        self.job.start(work, name="complexity curve", on_done=self._done)

    def _done(self, found: tuple[Predictions, ComplexityCurve]) -> None:
        predictions, curve = found
        with self.workspace.lock:
            self.workspace.results["predictions"] = predictions
            if self.workspace.results.get("complexity") is curve:
                self._computed("", None, curve)
            self.workspace.results["complexity"] = curve

    def _ended(self, _change: Any) -> None:
        self.form.busy = self.job.running
        if self.job.status.state == "failed":
            self.form.blame(self.job.status.error)

    def _computed(self, _name: str, _old: Any, curve: ComplexityCurve | None) -> None:
        if curve is None:
            return
        data = self.workspace.data
        self._headline()
        self._say(words.advice(curve))
        self.sections.expect(curve)
        names = [str(one) for one in curve.rows.ids]
        known = {one.path for one in self._sites}
        self._pickable = [one for one in names if one in known]
        self.tree.set_sites(self._sites, pickable=self._pickable)
        self.curves.show(curve, score=score_name(data) or "score", n=len(data))
        self.sections.show(curve)
        self._grouped(self.groups.selection)

    def _picked(self, paths: tuple[str, ...]) -> None:
        """A layer was picked in the tree: select its group."""
        chosen = self.groups.selection
        if paths and paths[0] in self.groups.index and (chosen is None or chosen.ids != paths):
            self.groups.select(list(paths))

    def _grouped(self, selection: Selection | None) -> None:
        """A group was selected in a view: pick its layer in the tree."""
        names = [str(one) for one in selection.ids] if selection is not None else []
        wanted = [one for one in names if one in self._pickable][:1]
        if tuple(wanted) != self.tree.picked:
            self.tree.pick(wanted)

    def _headline(self) -> None:
        name = self.workspace.model.name
        text = views.headline(self.workspace.data, self.desk.predictions, name)
        self._head.value = heading(text)

    def _say(self, text: str) -> None:
        self._text.value = line(text) if text else ""

    def __repr__(self) -> str:
        return f"ComplexityExplorer({self.workspace.model.name} on {self.workspace.data.name})"

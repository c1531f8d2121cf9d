"""What follows the slider of the complexity explorer: the merged network, and what it costs."""

from typing import Any

import ipywidgets

from cutaway.core import Selection, Tick
from cutaway.merging import ComplexityCurve, Merge
from cutaway.model import Model
from cutaway_widgets.choice import Choice
from cutaway_widgets.explorers._complexity_compare import CompareSection
from cutaway_widgets.explorers._complexity_desk import Merged, MergeDesk, merged_at
from cutaway_widgets.explorers._complexity_members import MemberSection
from cutaway_widgets.explorers._complexity_samples import SampleSection
from cutaway_widgets.explorers._complexity_take import TakeSection
from cutaway_widgets.explorers._complexity_tree import TreeViews
from cutaway_widgets.progress import Progress

TITLES = {"features": "Merged features", "compare": "Compare", "take": "Download"}


class Sections:
    """Tabs of the merged network, and the samples below them.

    Parameters
    ----------
    desk : MergeDesk
        Results, selections, and the job.
    other : Model or None
        Second model to compare with.
    """

    def __init__(self, desk: MergeDesk, other: Model | None) -> None:
        self._desk = desk
        self._curve: ComplexityCurve | None = None
        self.tree = TreeViews(desk.groups, desk.units)
        self.members = MemberSection(desk)
        self.compare = CompareSection(desk, other)
        self.take = TakeSection(desk)
        self.samples = SampleSection(desk)
        self.progress = Progress(desk.job, title="At work")
        features = ipywidgets.VBox([self.tree.box, self.members.box])
        panels = {"features": features, "compare": self.compare.box, "take": self.take.box}
        self.choice = Choice(list(TITLES), titles=TITLES, panels=panels, title="The merged network")
        self._moved(None)
        desk.job.observe(self._moved, "status")
        desk.watch()
        self._stop = desk.steps.on_selection(self._stepped)
        self.box = ipywidgets.VBox([self.choice, self.progress, *panels.values(), self.samples.box])

    def expect(self, curve: ComplexityCurve) -> None:
        """Take a curve that the views will show next: merges now follow its betas and rule."""
        self._curve = curve

    def show(self, curve: ComplexityCurve) -> None:
        """Merge at the beta that is chosen for a curve."""
        self.compare.show(curve)
        self._stepped(self._desk.steps.selection)

    def close(self) -> None:
        """End every section."""
        self._stop()
        self._desk.job.unobserve(self._moved, "status")
        for one in (self.progress, self.choice, self.tree, self.members, self.compare, self.take):
            one.close()
        self.samples.close()

    def _stepped(self, _selection: Selection | None) -> None:
        """The slider came to rest: merge there; a newer place takes the turn of an older one."""
        desk, curve = self._desk, self._curve
        beta = desk.beta
        if curve is None or desk.curve is not curve or beta is None:
            return
        merge = desk.merge
        if self._shown(merge, curve, beta):
            return
        workspace, model = desk.workspace, desk.model

        def work(tick: Tick) -> Merged:
            return merged_at(workspace, model, beta, curve.rule, tick)

        desk.later(f"merge at beta {beta:.3g}", work, self._merged)

    def _shown(self, merge: Merge | None, curve: ComplexityCurve, beta: float) -> bool:
        """Whether this merge is on the page already."""
        return (
            merge is not None
            and self._desk.after is not None
            and merge.beta == beta
            and merge.rule == curve.rule
            and merge.origin.weights == self._desk.model.digest
        )

    def _merged(self, found: Merged) -> None:
        desk = self._desk
        with desk.workspace.lock:
            desk.after = found.after
            desk.workspace.results["merge"] = found.merge
            if found.merge.rows.digest == desk.groups.digest:
                self.tree.show(found.merge)
            self.take.show(found.merge)
            before = desk.predictions
            if before is not None:
                self.samples.show(found.merge, before, found.after)

    def _moved(self, _change: Any) -> None:
        """Progress is shown while there is something to say: not before, and not when done."""
        quiet = self._desk.job.status.state in {"idle", "done"}
        self.progress.layout.display = "none" if quiet else None

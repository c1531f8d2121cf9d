"""What the sections of the filter explorer share: slots, links, and one worker for questions."""

from collections.abc import Callable
from typing import Any

import numpy as np

from cutaway.core import Tick
from cutaway.data import Dataset
from cutaway.filters import FilterScreen
from cutaway.model import Model, Predictions
from cutaway.session import inputs_of
from cutaway.workspace import Workspace
from cutaway_widgets._job import Job
from cutaway_widgets._link import Link
from cutaway_widgets.explorers import _filter_views as views

BUSY = "Still at work on another question: wait for it, or cancel it."


class Desk:
    """Model and data that the sections ask about, what is picked, and the job that answers.

    Parameters
    ----------
    workspace : Workspace
        Model, data and results.
    samples, units : Link
        Selections of samples and of filters.
    inline : bool
        Compute in the caller's thread.

    Attributes
    ----------
    model : Model
        The one that the screen on the page is about; a film sets another checkpoint here.
    """

    def __init__(self, workspace: Workspace, samples: Link, units: Link, *, inline: bool) -> None:
        self.workspace, self.samples, self.units = workspace, samples, units
        self.model: Model = workspace.model
        self.job = Job(inline=inline, lock=workspace.lock)
        self._latest: Callable[[], None] | None = None

    @property
    def data(self) -> Dataset:
        """The samples."""
        found: Dataset = self.workspace.data
        return found

    @property
    def screen(self) -> FilterScreen | None:
        """The screen on the page."""
        found = self.workspace.results.get("screen")
        return found if isinstance(found, FilterScreen) else None

    @property
    def predictions(self) -> Predictions | None:
        """What the model says of each sample."""
        found = self.workspace.results.get("predictions")
        return found if isinstance(found, Predictions) else None

    @property
    def same(self) -> dict[str, Any]:
        """What decides an outcome beside its own parameters: model and data."""
        return inputs_of(self.model, self.data, fresh=False)

    def picked(self) -> list[tuple[str, int]]:
        """Site and unit of the picked filters, in the order of the table."""
        chosen = self.units.selection
        return [] if chosen is None else [views.split_name(str(one)) for one in chosen.ids]

    def odd_first(self, most: int) -> list[int | str]:
        """At most so many of the selected samples, the oddest of the first picked filter first."""
        chosen, screen, picked = self.samples.selection, self.screen, self.picked()
        if chosen is None:
            return []
        if screen is None or not picked:
            return list(chosen.ids[:most])
        tails = screen.tails[screen.place(*picked[0])][screen.rows.positions(chosen.ids)]
        order = np.argsort(-np.nan_to_num(tails, nan=-1.0), kind="stable")[:most]
        return [chosen.ids[int(one)] for one in order]

    def begin(self, name: str, work: Callable[[Tick], Any], done: Callable[[Any], object]) -> bool:
        """Start work in the background; False, and nothing, while other work runs."""
        with self.workspace.lock:
            if self.job.running:
                return False
            self.job.start(work, name=name, on_done=done)
            return True

    def later(self, name: str, work: Callable[[Tick], Any], done: Callable[[Any], object]) -> None:
        """Start work now or when the present one ends; a newer call takes its place."""
        if not self.begin(name, work, done):
            self._latest = lambda: self.later(name, work, done)

    def watch(self) -> None:
        """Begin what waits when the job ends.

        Call it after the job's views are made: they must hear of an end before the next beginning.
        """
        self.job.observe(self._moved, "status")

    def close(self) -> None:
        """Cancel what runs and drop what waits."""
        self._latest = None
        self.job.unobserve(self._moved, "status")
        self.job.cancel()

    def _moved(self, _change: Any) -> None:
        waiting = self._latest
        if waiting is not None and not self.job.running:
            self._latest = None
            waiting()

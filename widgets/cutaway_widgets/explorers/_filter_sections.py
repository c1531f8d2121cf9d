"""The further questions of the filter explorer: tabs, a section each, and their progress."""

from collections.abc import Callable
from typing import Any

import ipywidgets

from cutaway.filters import FilterScreen
from cutaway.model import Model
from cutaway_widgets.choice import Choice
from cutaway_widgets.explorers._filter_ablate import AblateSection
from cutaway_widgets.explorers._filter_compare import CompareSection
from cutaway_widgets.explorers._filter_components import ComponentSection
from cutaway_widgets.explorers._filter_desk import Desk
from cutaway_widgets.explorers._filter_film import FilmSection
from cutaway_widgets.explorers._filter_heat import HeatSection
from cutaway_widgets.explorers._filter_maps import MapSection
from cutaway_widgets.progress import Progress

TITLES = {
    "heat": "Filters × samples",
    "components": "Components",
    "maps": "Feature maps",
    "ablate": "Switch off",
    "compare": "Compare",
    "film": "Epochs",
}


class Sections:
    """Tabs below the views of a screen.

    Parameters
    ----------
    desk : Desk
        Results, selections, and the job.
    other : Model or None
        Second model to compare with.
    changed : callable
        Called with the columns that samples gain by an edit.
    look_at : callable
        Called with (model, epoch) to look at a checkpoint.
    """

    def __init__(
        self,
        desk: Desk,
        other: Model | None,
        changed: Callable[[dict[str, Any]], None],
        look_at: Callable[[Callable[[], Model], int], None],
    ) -> None:
        self.heat = HeatSection(desk)
        self.components = ComponentSection(desk)
        self.maps = MapSection(desk)
        self.ablate = AblateSection(desk, changed)
        self.compare = CompareSection(desk, other)
        self.film = FilmSection(desk, look_at)
        self._all = {name: getattr(self, name) for name in TITLES}
        panels = {name: one.box for name, one in self._all.items()}
        self.choice = Choice(list(TITLES), titles=TITLES, panels=panels, title="Look further")
        self._desk = desk
        self.progress = Progress(desk.job, title="At work")
        self._moved(None)
        desk.job.observe(self._moved, "status")
        desk.watch()
        self.box = ipywidgets.VBox([self.choice, self.progress, *panels.values()])

    def show(self, screen: FilterScreen) -> None:
        """Show a screen in every section."""
        for one in self._all.values():
            one.show(screen)

    def close(self) -> None:
        """End every section."""
        self._desk.job.unobserve(self._moved, "status")
        self.progress.close()
        self.choice.close()
        for one in self._all.values():
            one.close()

    def _moved(self, _change: Any) -> None:
        """Progress is shown while there is something to say: not before, and not when done."""
        quiet = self._desk.job.status.state in {"idle", "done"}
        self.progress.layout.display = "none" if quiet else None

"""The top of the workbench: what is open, and what a session lacks."""

from collections.abc import Sequence

import ipywidgets

from cutaway_widgets.explorers import _filter_views as words
from cutaway_widgets.explorers._layout import end, heading, line
from cutaway_widgets.explorers._scene import Scene
from cutaway_widgets.explorers._work import Opened

TITLE = "Cutaway workbench"


class Head:
    """Heading and banner."""

    def __init__(self) -> None:
        self.title = ipywidgets.HTML(heading(TITLE))
        self.banner = ipywidgets.HTML(layout=ipywidgets.Layout(display="none"))
        self.box = ipywidgets.VBox([self.title, self.banner])
        self.box.add_class("cw-bench-head")

    def name(self, opened: Opened | None, scene: Scene) -> None:
        """Say what is open, and how good the model is on it."""
        text = TITLE
        if opened is not None:
            found = scene.predictions.get(opened.model.digest)
            text = words.headline(opened.data, found, opened.model.name)
        self.title.value = heading(text)

    def lack(self, missing: Sequence[str]) -> None:
        """Say what a session lacks; nothing where it is whole."""
        lines = ("Read-only: results can be looked at, not run again.", *missing)
        self.banner.value = line("\n".join(lines)) if missing else ""
        self.banner.layout.display = None if missing else "none"

    def close(self) -> None:
        """End the box."""
        end(self.box)

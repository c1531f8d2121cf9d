"""Choose a second model or checkpoint for the same data, layers and lens."""

from collections.abc import Callable, Mapping
from typing import Any

import ipywidgets

from cutaway.policy import Policy
from cutaway_widgets.explorers._layout import end, line
from cutaway_widgets.explorers._open_panel import keep_fields, model_fields
from cutaway_widgets.form import Form

HOW = (
    "Runs the lens, with the settings and layers picked under Lens, on the open model (A) and on "
    "this one (B). Both results and what differs appear beside each other, on the same selection."
)


class ComparePanel:
    """Form of the second model.

    Parameters
    ----------
    policy : Policy
        What may be opened.
    lock : threading.RLock
        The workspace's.
    compare : callable
        Called with the values of the form.
    """

    def __init__(
        self, policy: Policy, lock: Any, compare: Callable[[Mapping[str, Any]], None]
    ) -> None:
        self.form = Form(
            model_fields(policy), submit="Compare", title="Second model (B)", lock=lock
        )
        self.text = ipywidgets.HTML(line(HOW))
        self.box = ipywidgets.VBox([self.text, self.form])
        self._policy = policy
        self._stops = (self.form.on_submit(compare), self.form.on_change(self._changed))

    def _changed(self) -> None:
        keep_fields(self.form, model_fields(self._policy, str(self.form.raw["model"])))

    def close(self) -> None:
        """Stop listening, and end the views."""
        for stop in self._stops:
            stop()
        for one in (self.form, self.text, self.box):
            end(one)

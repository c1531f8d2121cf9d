"""Work that a form asks for: one at a time, errors said at the form."""

from collections.abc import Callable, Mapping
from typing import Any

from cutaway.core import Tick
from cutaway_widgets._job import Job
from cutaway_widgets.form import Form


class Runner:
    """Starts the work of a page's forms.

    Parameters
    ----------
    job : Job
        Runs it.
    forms : mapping of Form to callable
        Forms that start work; each callable says which field an error belongs to that names none,
        empty for nowhere.
    changed : callable
        Called with whether something runs, when that may have changed.
    """

    def __init__(
        self, job: Job, forms: Mapping[Form, Callable[[], str]], changed: Callable[[bool], None]
    ) -> None:
        self._job, self._forms, self._changed = job, dict(forms), changed
        self._blamed: Form | None = None
        job.observe(self._working, "status")

    def begin(
        self, form: Form, name: str, task: Callable[[Tick], Any], done: Callable[[Any], object]
    ) -> None:
        """Start work whose errors belong to a form."""
        if self._job.running:
            form.note = "Wait for what is running, or cancel it."
            return
        self._blamed = form
        self._job.start(task, name=name, on_done=done)

    def close(self) -> None:
        """Stop what runs, and stop listening."""
        self._job.unobserve(self._working, "status")
        self._job.cancel()

    def _working(self, _change: Any) -> None:
        status, running = self._job.status, self._job.running
        for form in self._forms:
            form.busy = running
        if status.state == "failed" and self._blamed is not None:
            self._blamed.blame(status.error, otherwise=self._forms[self._blamed]())
        if not running:
            self._blamed = None
        self._changed(running)

"""A job's progress bar with a Cancel button."""

from dataclasses import asdict
from typing import Any

import traitlets

from cutaway_widgets._base import View
from cutaway_widgets._job import Job


class Progress(View):
    """Bar, message, seconds, error line and Cancel of a `Job`.

    Parameters
    ----------
    job : Job
        The job to show; may be started and finished many times.
    title, caption
        See `View`.
    """

    _kind = traitlets.Unicode("progress").tag(sync=True)
    _status = traitlets.Dict().tag(sync=True)
    # Counts clicks in the browser: a state, so that a click is never lost among merged messages.
    _cancels = traitlets.Int(0).tag(sync=True, echo_update=False)

    _followed = False

    def __init__(self, job: Job, *, title: str = "", caption: str = "") -> None:
        super().__init__(title=title, caption=caption, height=60)
        self._job = job
        self._put({"_status": asdict(job.status)})
        job.observe(self._follow, "status")
        self._followed = True

    @property
    def job(self) -> Job:
        """The job shown."""
        return self._job

    def close(self) -> None:
        """Stop following the job and end the widget; the job itself goes on."""
        # Also called, again or early, when the object is collected.
        if self.comm is not None and self._followed:
            self._followed = False
            self._job.unobserve(self._follow, "status")
        super().close()

    def _follow(self, change: Any) -> None:
        self._put({"_status": asdict(change["new"])})

    @traitlets.observe("_cancels")
    def _clicked(self, _change: Any) -> None:
        self._job.cancel()

    def _summary(self) -> str:
        return repr(self._job)

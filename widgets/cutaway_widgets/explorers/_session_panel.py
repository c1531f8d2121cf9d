"""Save what is on the page, open it again, and take it away as a file."""

import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import ipywidgets

from cutaway.policy import Policy
from cutaway_widgets.actions import Action, Actions
from cutaway_widgets.download import Download
from cutaway_widgets.explorers import _work as work
from cutaway_widgets.explorers._layout import end, line
from cutaway_widgets.form import Field, Form

_NAME = re.compile(r"[\w][\w .-]{0,79}")
NOTHING = "Files made here appear below. Pictures: the Save menu of each view."


class SessionPanel:
    """Forms that save and open sessions; buttons that make files of the results.

    Parameters
    ----------
    policy : Policy
        Says where sessions may lie.
    lock : threading.RLock
        The workspace's.
    save, load : callable
        Called with the folder of a session.
    makers : mapping of str to callable
        Each makes a file on the download: "html", "csv", "code".
    """

    def __init__(
        self,
        policy: Policy,
        lock: Any,
        *,
        save: Callable[[Path], None],
        load: Callable[[Path], None],
        makers: Mapping[str, Callable[[Download], None]],
    ) -> None:
        self.folder = work.session_folder(policy)
        self._save, self._load = save, load
        self.saving = Form(
            [Field("name", "text", "", "Name", help="Keeps results and selections.")],
            submit="Save", title="Save this session", lock=lock,
        )  # fmt: skip
        self.opening = Form([], submit="Open", title="Open a session", lock=lock)
        self.files = Actions(
            [
                Action("html", "HTML page", "One file that shows these results without a kernel"),
                Action("csv", "CSV", "The newest result as a table"),
                Action("code", "Code", "Python that makes these results again"),
            ],
            title="Take it away", lock=lock,
        )  # fmt: skip
        self.download = Download(empty=NOTHING)
        self._closed = ipywidgets.HTML(
            line("This server allows no files: take results away with the buttons below.")
        )
        forms = [self.saving, self.opening] if self.folder is not None else [self._closed]
        self.parts = (self.saving, self.opening, self.files, self.download, self._closed)
        self.box = ipywidgets.VBox([*forms, self.files, self.download])
        self._stops = (
            self.saving.on_submit(self._save_as), self.opening.on_submit(self._open_as),
        )  # fmt: skip
        for name, make in makers.items():
            self.files.on_click(name, partial(make, self.download))
        self.refresh()

    def refresh(self) -> None:
        """List the sessions that there are."""
        names = tuple(work.sessions(self.folder))
        self.opening.set_fields(
            [Field("session", "choice", names[0] if names else "", "Session", options=names)]
        )
        self.opening.note = "" if names else "None saved yet."
        self.working(False)

    def chosen(self, tab: str) -> None:
        """A tab was chosen: another page may have saved a session since the list was made."""
        if tab == "session" and not self.saving.busy:
            self.refresh()

    def saved(self, name: str) -> None:
        """Say that a session was saved, and offer it."""
        self.refresh()
        self.saving.note = f"Saved as {name}."

    def working(self, running: bool) -> None:
        """Hold the buttons while something runs."""
        self.saving.busy = running
        self.opening.busy = running or not self.opening.fields[0].options

    def close(self) -> None:
        """Stop listening, and end the views."""
        for stop in self._stops:
            stop()
        for one in (*self.parts, self.box):
            end(one)

    def _save_as(self, values: Mapping[str, Any]) -> None:
        name = values["name"]
        if self.folder is None or not _NAME.fullmatch(name):
            self.saving.blame(
                f"name must be letters, digits, blanks, dots and dashes, got {name!r}; "
                "choose such a name"
            )
            return
        self._save(self.folder / name)

    def _open_as(self, values: Mapping[str, Any]) -> None:
        if self.folder is not None:
            self._load(self.folder / values["session"])

"""Files that a reader takes from the page through the browser."""

import re
from collections.abc import Mapping
from typing import Any

from cutaway.core import Result
from cutaway.core._csv import frame_csv
from cutaway.filters import FilterScreen
from cutaway.reproduce import code_of
from cutaway.workspace import Workspace
from cutaway_widgets.download import Download
from cutaway_widgets.export import page_html

NONE = "There is no result yet: run a lens first."


def offer_page(download: Download, page: Any, title: str) -> None:
    """The page as one HTML file; what was offered before is not put into it."""
    download.clear()
    download.offer(
        page_html(page, title=title), f"{plain(title)}.html", mime="text/html", at_once=True
    )


def offer_table(download: Download, results: Mapping[str, Result]) -> None:
    """The newest result as CSV: of a screen, its filters.

    Raises
    ------
    ValueError
        If there is none.
    """
    if not results:
        raise ValueError(f"results must hold one, got none; {NONE}")
    name, result = list(results.items())[-1]
    screen = isinstance(result, FilterScreen)
    frame = result.filters if screen else result.to_frame()  # type: ignore[attr-defined]
    download.offer(
        frame_csv(frame, index=not screen), f"{plain(name)}.csv", mime="text/csv", at_once=True
    )


def offer_code(download: Download, workspace: Workspace) -> None:
    """Python that loads the model and data and makes the results again."""
    download.offer(code_of(workspace), "cutaway_session.py", mime="text/x-python", show=True)


def plain(text: str) -> str:
    """A name that every file system takes."""
    return re.sub(r"[^\w.-]+", "-", text).strip("-") or "cutaway"

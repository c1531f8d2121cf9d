"""The browser that pages are measured in."""

import os
import shutil
from typing import Any

ARGUMENTS = ("--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking")


def path() -> str | None:
    """Path of the Chromium that CUTAWAY_CHROMIUM names, else of the one on PATH; says if none."""
    found = os.environ.get("CUTAWAY_CHROMIUM") or shutil.which("chromium")
    if found is None:
        print("bench: no Chromium found, so pages are not measured")
    return found


def launched(driver: Any, executable: str) -> Any:
    """A headless browser of its own."""
    return driver.chromium.launch(executable_path=executable, args=list(ARGUMENTS))

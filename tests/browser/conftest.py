"""A headless browser, and pages that run the real bundle on fake models without any kernel."""

import os
import shutil

import pytest
from static_page import open_views

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def chromium() -> str | None:
    """Path of a Chromium: CUTAWAY_CHROMIUM, else one on PATH."""
    return os.environ.get("CUTAWAY_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


@pytest.fixture(scope="session")
def browser():
    """A headless Chromium for the whole session; skips where there is none."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = chromium()
    if path is None:
        pytest.skip("no Chromium found: install chromium, or set CUTAWAY_CHROMIUM to its path")
    with sync_api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, headless=True, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser, scene):
    """The views of a test's own `scene` on one page; nothing stray may have come up there."""
    page = open_views(browser, scene)
    yield page
    assert page.strays == []
    page.context.close()

"""A headless browser, and pages that run the real bundle on fake models without any kernel."""

import os
import shutil
from pathlib import Path

import pytest
from static_page import open_views

# Milliseconds that a browser test waits for what must come. A wait ends when it comes, so this
# costs nothing, and on a machine with six other things to do a view takes ten times as long.
PATIENCE = 30_000
SECONDS_OF_BROWSER_TESTS = 300  # a host and its kernel start within the first test that uses them

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def pytest_configure():
    """Set the patience of every expectation, in one place."""
    try:
        from playwright.sync_api import expect
    except ModuleNotFoundError:
        return  # the tests that need it skip
    expect.set_options(timeout=PATIENCE)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Give tests of pages the time that starting a host takes beside other work; mark tiers."""
    explorers = [one for one in items if one.path.stem.startswith("test_explorers")]
    if explorers:
        from explorer_suite import is_quick  # imports the whole workbench

        for item in explorers:
            if not is_quick(item):
                item.add_marker(pytest.mark.slow)
    for item in items:
        ours = item.path.parent == Path(__file__).parent
        if ours and not item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.timeout(SECONDS_OF_BROWSER_TESTS))


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

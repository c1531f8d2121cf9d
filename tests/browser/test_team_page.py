"""A team's page in a real browser: it opens with the token, and says when its kernel ended."""

import contextlib
import signal
import subprocess
import sys

import pytest
from hosts import Page

from cutaway import serve

pytestmark = pytest.mark.browser
TOKEN = "a-secret-of-the-team"


@contextlib.contextmanager
def serving(folder):
    port = serve.free_port(9450)
    command = [
        sys.executable, "-u", "-m", "cutaway.cli", "serve", "--team", "--models", "lenet5-digits",
        "--token", TOKEN, "--memory", "3GB", "--idle", "20s", "--page", "dashboard",
        "--port", str(port),
    ]  # fmt: skip
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=folder
    ) as process:
        for line in process.stdout:
            if "the dashboard is at" in line:
                break
        try:
            yield line.split()[-1]
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=60)


def opened(browser, url):
    page = Page(browser)
    page.page.goto(url, timeout=120_000)
    page.page.get_by_role("gridcell").first.wait_for(timeout=120_000)
    return page


def test_a_kernel_that_ended_says_so_on_its_page(browser, tmp_path):
    with serving(tmp_path) as url:
        anna = opened(browser, url)
        ended = anna.page.get_by_text("The session behind this page has ended")
        ended.wait_for(timeout=120_000)
        assert ended.get_attribute("role") == "status"
        anna.shoot("team-ended")
        assert anna.errors == []
        assert anna.outside() == []
        anna.context.close()

"""A team's page in real browsers: two people apart, and a kernel that ended says so."""

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
        yield line.split()[-1]
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)


def opened(browser, url):
    page = Page(browser)
    page.page.goto(url, timeout=120_000)
    page.page.get_by_role("gridcell").first.wait_for(timeout=120_000)
    return page


def test_two_people_and_the_end_of_a_kernel(browser, tmp_path):
    with serving(tmp_path) as url:
        anna, ben = (opened(browser, url) for _ in range(2))
        lines = [one.page.get_by_text("22 units, 1 selected") for one in (anna, ben)]
        for line in lines:
            line.wait_for()
        anna.page.get_by_role("row").filter(has_text="conv2").first.click()
        anna.page.get_by_text("Samples of conv2").wait_for(timeout=30_000)
        assert ben.page.get_by_text("Samples of conv1").count()
        assert not ben.page.get_by_text("Samples of conv2").count()
        ended = ben.page.get_by_text("The session behind this page has ended")
        assert not ended.count()
        ended.wait_for(timeout=90_000)
        assert ended.get_attribute("role") == "status"
        ben.page.get_by_role("row").filter(has_text="conv1").nth(1).click()  # still alive in itself
        ben.shoot("team-ended")
        assert anna.errors == []
        assert ben.errors == []
        assert anna.outside() == []
        for one in (anna, ben):
            one.context.close()

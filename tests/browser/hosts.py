"""Start the two real hosts on the real dashboard, and open its page in a browser."""

import contextlib
import json
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

from mouse import pushed
from static_page import snapshot

from cutaway import serve

START = 180  # seconds for a host to answer and for its page to be there, beside other work
# Voilà and JupyterLab log these themselves; none is about our page.
HARMLESS = ("Failed to load resource", "favicon", "WebSocket")

TOKEN = "a-secret-of-these-tests"
FIRST = ".cw-table [role=gridcell]"  # the dashboard has screened


class Page:
    """A browser page that remembers its requests and its console errors."""

    def __init__(self, browser, **options):
        self.context = browser.new_context(viewport={"width": 1400, "height": 1100}, **options)
        self.page = self.context.new_page()
        self.requests, self.errors, self.received = [], [], []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("websocket", self._socket)
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))

    def _socket(self, socket):
        socket.on("framereceived", self._frame)

    def _frame(self, frame):
        self.received.append(frame)

    def _console(self, message):
        if message.type == "error" and not any(one in message.text for one in HARMLESS):
            self.errors.append(message.text)

    def outside(self):
        """Requests that would leave the machine."""
        inside = (f"http://{serve.ADDRESS}", f"ws://{serve.ADDRESS}", "data:", "blob:", "about:")
        return [url for url in self.requests if not url.startswith(inside)]

    def times_received(self, text):
        """How often this came from the kernel."""
        wanted = text.encode()
        frames = (one.encode() if isinstance(one, str) else one for one in self.received)
        return sum(one.count(wanted) for one in frames)

    def close(self):
        """Close the page; a hand must have been able to do what was done on it."""
        found = pushed(self.page)
        self.context.close()
        assert found == []

    def shoot(self, name):
        """Keep a picture of the whole page for people to look at, if asked for."""
        snapshot(self.page, name)


def free_port():
    """A port of this machine that the system says is free: workers do not ask for the same one."""
    with socket.socket() as probe:
        probe.bind((serve.ADDRESS, 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def running(command, port, log):
    """A host process until the block ends; its output goes to `log`."""
    with (
        log.open("w") as output,
        serve.host_process(
            command,
            environment=serve.host_environment(TOKEN),
            stdout=output,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        until = time.monotonic() + START
        while not serve.answers(port):
            assert process.poll() is None, log.read_text()[-2000:]
            assert time.monotonic() < until, log.read_text()[-2000:]
            time.sleep(0.1)
        yield process


@contextlib.contextmanager
def serving(arguments, folder):
    """``cutaway ARGUMENTS`` in `folder` until the block ends; the process, and the URL it said."""
    command = [sys.executable, "-u", "-m", "cutaway.cli", *arguments]
    with serve.host_process(
        command, seconds=2 * serve.SECONDS_TO_END, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True, cwd=folder,
    ) as process:  # fmt: skip
        said = [""]
        while f"http://{serve.ADDRESS}:" not in said[-1]:
            said.append(process.stdout.readline())
            assert said[-1], said
        process.said = said[1:]
        yield process, said[-1].split()[-1]


def write_notebook(path, source):
    """A notebook of one cell, as a person would write it."""
    cell = {
        "cell_type": "code",
        "id": "cell-0",
        "metadata": {},
        "execution_count": None,
        "outputs": [],
        "source": source,
    }
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    book = {
        "cells": [cell],
        "metadata": {"kernelspec": kernel, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    path.write_text(json.dumps(book), encoding="utf-8")
    return path


def notebooks_with(folder, notebook):
    """A copy of our notebooks (what a page saves lies beside its notebook), and the one to open.

    `notebook` is a name among ours, or the path of another.
    """
    notebooks = folder / "notebooks"
    shutil.copytree(serve.notebooks_folder(), notebooks)
    if isinstance(notebook, Path):
        shutil.copy(notebook, notebooks / notebook.name)
        return notebooks, notebook.name
    return notebooks, notebook


@contextlib.contextmanager
def voila(browser, folder, notebook="dashboard.ipynb", ready=FIRST, **options):
    """A notebook in Voilà, as ``cutaway serve`` starts it; up once `ready` (CSS) is there."""
    port = free_port()
    notebooks, name = notebooks_with(folder, notebook)
    command = serve.voila_command(notebooks / name, port)
    with running(command, port, folder / "voila.log") as process:
        page = Page(browser, **options)
        page.process = process
        page.address = f"http://{serve.ADDRESS}:{port}/"
        page.page.goto(f"{page.address}?token={TOKEN}", timeout=1000 * START)
        page.page.locator(ready).first.wait_for(timeout=1000 * START)
        yield page
        page.close()


@contextlib.contextmanager
def lab(browser, folder, notebook="dashboard.ipynb", ready=FIRST, **options):
    """A notebook in JupyterLab, as ``cutaway lab`` starts it, all cells run."""
    port = free_port()
    notebooks, name = notebooks_with(folder, notebook)
    command = serve.lab_command(notebooks, name, port, browser=False)
    with running(command, port, folder / "lab.log") as process:
        page = Page(browser, **options)
        page.process = process
        page.address = f"http://{serve.ADDRESS}:{port}/lab/tree/{name}"
        one = page.page
        one.goto(f"{page.address}?reset&token={TOKEN}", timeout=1000 * START)
        one.locator(".jp-Notebook .jp-CodeCell").first.wait_for(timeout=1000 * START)
        # Running before the kernel is up makes Lab ask which kernel to use.
        one.get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=1000 * START)
        one.get_by_role("menuitem", name="Run", exact=True).click()
        one.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        one.locator(ready).first.wait_for(timeout=1000 * START)
        yield page
        page.close()


HOSTS = {"voila": voila, "lab": lab}

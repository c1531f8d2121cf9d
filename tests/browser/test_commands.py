"""``cutaway serve`` and ``cutaway lab`` as a person runs them: start, say where, stop on Ctrl-C."""

import re
import signal
import socket
import urllib.request

import pytest
from hosts import free_port, serving

from cutaway import serve


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "kill"])
@pytest.mark.parametrize("command", [["serve"], ["lab", "--no-browser"]], ids=lambda one: one[0])
def test_starts_says_so_and_ends_with_its_host(command, end, tmp_path):
    port = free_port()
    with serving([*command, "--port", str(port)], tmp_path) as (process, url):
        assert f"{serve.ADDRESS}:{port}" in url
        with urllib.request.urlopen(url, timeout=60) as answer:
            assert answer.status == 200
            # Without the token in the address Lab would show its login page.
            assert "login" not in answer.url
        process.send_signal(end)
        assert process.wait(timeout=60) == 0
        assert not serve.answers(port)


def test_a_taken_port_is_said_and_the_next_one_used(tmp_path):
    with socket.socket() as taken:
        taken.bind((serve.ADDRESS, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with serving(["serve", "--port", str(port)], tmp_path) as (process, _):
            first = process.said[0]
    assert re.search(rf"port {port} is taken, using {port + 1}\b", first)


def test_a_copy_of_the_notebooks_is_made_only_from_an_installed_package(tmp_path, monkeypatch):
    target = tmp_path / "mine"
    assert serve.own_notebooks(target) == serve.notebooks_folder()
    assert not target.exists()
    package = tmp_path / "site" / "cutaway_widgets"
    (package / "notebooks").mkdir(parents=True)
    (package / "notebooks" / "dashboard.ipynb").write_text("{}")
    monkeypatch.setattr(serve, "widgets_folder", lambda: package)
    assert serve.own_notebooks(target) == target
    (target / "dashboard.ipynb").write_text("changed by hand")
    serve.own_notebooks(target)
    assert (target / "dashboard.ipynb").read_text() == "changed by hand"

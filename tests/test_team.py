"""A team's server, as visitors and as attackers meet it: over HTTP and the kernels' websockets."""

import contextlib
import json
import re
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest
import websocket
from team_client import Visitor, write_page

from cutaway import cli, serve, team
from cutaway.policy import Policy

TOKEN = "a-secret-of-the-team"
OTHER = "00000000-0000-4000-8000-000000000000"


@contextlib.contextmanager
def serving(folder, idle):
    """``cutaway serve --team`` on a page that answers questions; yields its address."""
    (folder / "shared").mkdir()
    (folder / "shared" / "texts.csv").write_text("text\none\ntwo\n")
    (folder / "private.csv").write_text("text\nsecret\n")
    write_page(folder / "questions.ipynb")
    with socket.socket() as probe:
        probe.bind((serve.ADDRESS, 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable, "-u", "-m", "cutaway.cli", "serve", "--team", "--models", "lenet5-digits",
        "--folder", str(folder / "shared"), "--token", TOKEN, "--memory", "2GB", "--idle", idle,
        "--page", str(folder / "questions.ipynb"), "--port", str(port),
    ]  # fmt: skip
    with serve.host_process(
        command, seconds=2 * serve.SECONDS_TO_END, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True, cwd=folder,
    ) as process:  # fmt: skip
        for line in process.stdout:
            if "the dashboard is at" in line:
                break
        assert line.split()[-1] == f"http://127.0.0.1:{port}/?token={TOKEN}"
        yield f"127.0.0.1:{port}"
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("team"), "20m") as found:
        yield found


@pytest.fixture(scope="module")
def anna(address):
    return Visitor(address, TOKEN).visit()


@pytest.mark.parametrize("token", ["", "a-secret-of-the-tean"])
def test_without_the_token_nothing_is_answered(address, token, anna):
    stranger = Visitor(address)
    status, url, page = stranger.get("/", token=token)
    assert (status, "kernelId" in page) in {(200, False), (403, False)}
    assert "/login" in url or status == 403
    assert stranger.get(f"/api/kernels/{anna.kernel}")[0] == 403
    with pytest.raises(websocket.WebSocketBadStatusException, match="403"):
        stranger.connect(anna.kernel)


@pytest.mark.parametrize(
    "path", ["/api/kernels", "/api/contents", "/api/terminals", "/api/sessions", "/lab", "/tree"]
)
def test_there_is_no_other_way_in(anna, path):
    status, _, page = anna.get(path)
    assert status in {403, 404}
    assert anna.kernel not in page


@pytest.mark.parametrize("path", ["/voila/files/x.png", "/voila/files/questions.ipynb"])
def test_files_beside_the_page_are_not_served(anna, path):
    assert anna.get(path)[0] == 403


def test_the_page_holds_no_code(anna):
    assert "import torch" not in anna.page
    assert "current_policy" not in anna.page


def _binary(kind, content, channel):
    """A message in the binary protocol of kernel websockets, version 1."""
    header = {"msg_id": "x", "msg_type": kind, "username": "", "session": "s", "version": "5.3",
              "date": "2026-01-01T00:00:00Z"}  # fmt: skip
    parts = [channel.encode(), *(json.dumps(one).encode() for one in (header, {}, {}, content))]
    start = 8 * (len(parts) + 2)
    places = [start]
    for one in parts:
        places.append(places[-1] + len(one))
    return struct.pack(f"<{len(places) + 1}Q", len(places), *places) + b"".join(parts)


@pytest.mark.parametrize("channel", ["shell", "control"])
@pytest.mark.parametrize("protocol", ["json", "binary"])
def test_a_visitor_cannot_execute_code(anna, tmp_path, channel, protocol):
    trace = tmp_path / "ran"
    content = {
        "code": f"open({str(trace)!r}, 'w')", "silent": False, "store_history": False,
        "user_expressions": {"x": f"open({str(trace)!r}, 'w')"}, "allow_stdin": False,
    }  # fmt: skip
    if protocol == "json":
        for kind in ("execute_request", "inspect_request", "complete_request", "debug_request"):
            anna.send(kind, content | {"cursor_pos": 1, "detail_level": 0}, channel)
    else:
        binary = anna.connect(anna.kernel, subprotocols=["v1.kernel.websocket.jupyter.org"])
        binary.send_binary(_binary("execute_request", content, channel))
        state = {"method": "update", "state": {"value": f"mark keep {channel}"}}
        said = {"comm_id": anna.ask_id, "data": state | {"buffer_paths": []}}
        binary.send_binary(_binary("comm_msg", said, "shell"))
        # The same connection and form are heard when they bring what widgets send.
        until = time.monotonic() + 60
        while anna.say("kept")[0] != channel:
            assert time.monotonic() < until
        binary.close()
    answer, heard = anna.say("kept")
    assert answer
    kinds = {one.get("msg_type") for one in heard}
    assert not kinds & {"execute_reply", "execute_input", "inspect_reply", "complete_reply"}
    assert not trace.exists()


def test_two_people_do_not_see_each_others_state(address, anna):
    ben = Visitor(address, TOKEN).visit()
    assert ben.kernel != anna.kernel
    assert ben.ask_id != anna.ask_id
    assert anna.say("keep", "of-anna")[0] == "of-anna"
    assert ben.say("kept")[0] == "None"
    assert ben.say("keep", "of-ben")[0] == "of-ben"
    assert anna.say("kept")[0] == "of-anna"
    _, heard = ben.say("kept")
    assert "of-anna" not in json.dumps(heard)
    ben.socket.close()


def test_memory_beyond_the_limit_is_an_error_in_that_kernel_alone(address, anna):
    ben = Visitor(address, TOKEN).visit()
    assert ben.say("allocate", "5e8")[0] == "500000000"
    assert ben.say("allocate", "3e9")[0].startswith("MemoryError")
    assert ben.say("tensor", "3e9")[0].startswith("RuntimeError")
    assert ben.say("tensor", "1e8")[0] == "0"  # and that kernel lives on too
    assert anna.say("allocate", "5e8")[0] == "500000000"
    assert anna.say("bytes")[0] == str(500_000_000)
    ben.socket.close()


def test_a_kernel_does_not_know_the_token(anna):
    assert anna.say("variables", TOKEN)[0] == "[]"


def test_models_and_data_follow_the_policy(anna):
    assert anna.say("open", "lenet5-digits")[0] == "lenet5-digits"
    assert anna.say("open", "alexnet-digits")[0].startswith("PermissionError: model must be one")
    assert anna.say("data", "texts.csv")[0] == "2"
    for path in ("../private.csv", "/etc/passwd", str(Path.cwd())):
        assert anna.say("data", path)[0].startswith("PermissionError: path must lie in the folder")


def test_an_idle_kernel_is_ended_though_its_page_is_open(tmp_path):
    with serving(tmp_path, "10s") as address:
        cara = Visitor(address, TOKEN).visit()
        assert cara.get(f"/api/kernels/{cara.kernel}")[0] == 200
        until = time.monotonic() + 90
        while cara.get(f"/api/kernels/{cara.kernel}")[0] == 200:
            assert time.monotonic() < until
            time.sleep(1)
        cara.socket.close()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--models", "lenet"], "models must be sample models, got 'lenet'"),
        (["--folder", "/no/such"], "folder must be an existing folder, got /no/such"),
        (["--token", "short"], "token must be 8 or more letters, digits and .* got 5 characters"),
        (["--memory", "4"], "memory must be 1GB or more"),
        (["--memory", "4 pounds"], "memory must be an amount like 4GB, got '4 pounds'"),
        (["--idle", "20"], "idle must be an amount like 20m, got '20'"),
        (["--idle", "5s"], "idle must be 10s or more, got 5s"),
        (["--page", "none"], "page must be one of .*dashboard.* or the path of a notebook"),
        (["--models", "alexnet-digits", "--page", "dashboard"], "models must hold lenet5-digits"),
    ],
)
def test_wrong_bounds_are_one_line(options, message, capsys):
    assert cli.main(["serve", "--team", *options]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert re.search(message, error)


def test_bounds_without_team_are_refused(capsys):
    assert cli.main(["serve", "--models", "lenet5-digits"]) == 1
    assert "--models must come with --team" in capsys.readouterr().err


def test_help_says_what_a_team_gets(capsys):
    with pytest.raises(SystemExit):
        cli.main(["serve", "--help"])
    text = capsys.readouterr().out
    for word in ("--team", "--models", "--folder", "--token", "--memory", "--idle", "unpickled"):
        assert word in text


def test_amounts():
    assert [team.bytes_of(one) for one in ("4GB", "1.5 gb", "512MiB", "7")] == [
        4 * 10**9, 15 * 10**8, 512 * 2**20, 7,
    ]  # fmt: skip
    assert [team.seconds_of(one) for one in ("90s", "20m", "2H")] == [90, 1200, 7200]


def test_the_token_stands_in_no_command_line(tmp_path):
    offer = team.Team(("lenet5-digits",), tmp_path, TOKEN)
    assert not any(TOKEN in one for one in offer.command(tmp_path / "p.ipynb", 1))
    stated = offer.environment()
    assert stated["JUPYTER_TOKEN"] == TOKEN
    assert Policy(tuple(stated["CUTAWAY_MODELS"].split(",")), tmp_path).folder == offer.folder

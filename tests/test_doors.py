"""The hosts of the page as strangers meet them: no token, foreign hosts, foreign origins."""

import base64
import contextlib
import json
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from team_client import write_page

from cutaway import cli, serve

UNKNOWN = "00000000-0000-4000-8000-000000000000"
FOREIGN = (
    "evil.example", "evil.example:{port}", "localhost.evil.example:{port}",
    "127.0.0.1.nip.io:{port}", "evil.example@127.0.0.1:{port}", "10.0.0.1:{port}", "0.0.0.0:{port}",
    "[fe80::1]:{port}", "localhost.:{port}", "127.0.0.1:{port}, evil.example", "", "*",
    "\uff11\uff12\uff17.0.0.1:{port}",
)  # fmt: skip
OWN = ("127.0.0.1:{port}", "localhost:{port}", "LOCALHOST:{port}", "[::1]:{port}", "localhost:9")
PATHS = (
    "/", "/voila/render/questions.ipynb", "/voila/static/voila.js", "/static/style/style.min.css",
    "/voila/templates/lab/static/main.js", "/voila/files/near.png", "/voila/api/themes/x.css",
    f"/api/kernels/{UNKNOWN}", "/api/kernels", "/api/contents", "/login", "/nothing",
)  # fmt: skip
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH")


def ask(port, path, *, host="127.0.0.1:{port}", method="GET", **headers):
    """Status and whole answer to a request written by hand."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host.format(port=port)}", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    with socket.create_connection(("127.0.0.1", port), timeout=120) as line:
        line.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        if headers.get("Upgrade"):
            raw = line.recv(65536)
        else:
            raw = b"".join(iter(lambda: line.recv(65536), b""))
    return int(raw.split(b" ", 2)[1]), raw


def open_socket(port, kernel, **more):
    """Status of a websocket's opening."""
    usual = {
        "Connection": "Upgrade", "Upgrade": "websocket", "Sec_WebSocket_Version": "13",
        "Sec_WebSocket_Key": base64.b64encode(bytes(16)).decode(),
    }  # fmt: skip
    return ask(port, f"/api/kernels/{kernel}/channels?session_id=s", **usual | more)[0]


@contextlib.contextmanager
def started(folder, *command):
    """A host as a person starts it; yields its port and its token."""
    port = serve.free_port(9700)
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "cutaway.cli", *command, "--port", str(port), "--no-browser"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=folder,
    ) as process:  # fmt: skip
        said = next((line for line in process.stdout if "http://" in line), "")
        try:
            url = urlsplit(said.split()[-1])
            assert url.hostname == "127.0.0.1"
            yield url.port, url.query.removeprefix("token=")
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=60)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("doors")
    write_page(folder / "questions.ipynb")
    (folder / "near.png").write_bytes(b"\x89PNG of the owner")
    # A stranger's data folder as the working folder: its configuration must not be run.
    (folder / "voila.py").write_text("open('ran', 'w')")
    (folder / "voila.json").write_text(json.dumps({"Voila": {"token": ""}}))
    with started(folder, "serve", "--page", "questions.ipynb") as found:
        yield (*found, folder)


@pytest.fixture(scope="module")
def owner(page):
    """Cookie of who came with the token, and the kernel of their page."""
    port, token, _ = page
    status, raw = ask(port, f"/?token={token}")
    assert status == 200
    head, _, body = raw.partition(b"\r\n\r\n")
    cookie = next(
        line.split(b": ", 1)[1].split(b";")[0]
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"set-cookie: username")
    ).decode()
    assert b"samesite=strict" in head.lower()
    assert b"httponly" in head.lower()
    return cookie, body.split(b'"kernelId": "')[1].split(b'"')[0].decode()


@pytest.mark.parametrize("host", FOREIGN)
def test_a_foreign_host_gets_nothing_even_with_the_token(page, host):
    port, token, _ = page
    for path in PATHS:
        # 400: not a request at all.
        status, raw = ask(port, f"{path}?token={token}", host=host)
        assert status in {400, 403}, path
        assert b"kernelId" not in raw
        assert b"Set-Cookie" not in raw
    assert {ask(port, f"/?token={token}", host=host, method=one)[0] for one in METHODS} <= {
        400,
        403,
    }


@pytest.mark.parametrize("host", OWN)
def test_names_of_this_machine_are_answered(page, host):
    port, token, _ = page
    assert ask(port, f"/api/kernels/{UNKNOWN}?token={token}", host=host)[0] == 404


def test_without_the_token_there_is_only_the_login_page(page, owner):
    port, token, _ = page
    wrong = ("", "?token=", f"?token={token[:-1]}", f"?token={token}0", "?token=a&token=b")
    for query in wrong:
        for path in ("/", "/x", "/voila/files/near.png"):
            status, raw = ask(port, f"{path}{query}")
            assert status == 302, (path, query)
            assert b"/login?next=" in raw
        for path in (f"/api/kernels/{owner[1]}", f"/api/kernels/{UNKNOWN}"):
            assert ask(port, f"{path}{query}")[0] == 403
            for method in METHODS[2:]:
                status, raw = ask(port, f"{path}{query}", method=method, Content_Length="0")
                # As JupyterLab does: what it could be asked for, and nothing else.
                assert status in ({200, 204} if method == "OPTIONS" else {403, 405})
                assert method != "OPTIONS" or raw.endswith(b"\r\n\r\n")
        assert ask(
            port, f"/voila/api/shutdown/{owner[1]}{query}", method="POST", Content_Length="0"
        )[0] == 403  # fmt: skip
    # Nothing of all that ended the kernel.
    assert ask(port, f"/api/kernels/{owner[1]}?token={token}")[0] == 200
    assert b"of the owner" not in ask(port, "/voila/files/near.png")[1]
    assert b"of the owner" in ask(port, "/voila/files/near.png", Cookie=owner[0])[1]


def test_the_cookie_is_enough_afterwards(page, owner):
    port = page[0]
    cookie, kernel = owner
    assert ask(port, f"/api/kernels/{kernel}", Cookie=cookie)[0] == 200
    assert open_socket(port, kernel, Cookie=cookie) == 101
    assert open_socket(port, kernel, Cookie=cookie, Origin=f"http://127.0.0.1:{port}") == 101


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "http://127.0.0.1:1", "http://localhost:{port}", "null", "file://",
     "http://evil.example@127.0.0.1:{port}", "http://[::1", "chrome-extension://abc", ""],
)  # fmt: skip
def test_a_foreign_origin_is_refused_even_with_cookie_and_token(page, owner, origin):
    port, token, _ = page
    cookie, kernel = owner
    origin = origin.format(port=port)
    assert open_socket(port, kernel, Cookie=cookie, Origin=origin) == 403
    assert open_socket(port, f"{kernel}", Authorization=f"token {token}", Origin=origin) == 403
    for path in ("/", f"/api/kernels/{kernel}", f"/voila/api/shutdown/{kernel}"):
        for method in METHODS:
            status, raw = ask(port, path, method=method, Cookie=cookie, Origin=origin)
            assert status == 403
            assert b"Access-Control-Allow-Origin" not in raw
    assert ask(port, f"/api/kernels/{kernel}", Cookie=cookie)[0] == 200


def test_a_websocket_needs_token_or_cookie_and_our_host(page, owner):
    port, token, _ = page
    cookie, kernel = owner
    assert open_socket(port, kernel) == 403
    assert open_socket(port, kernel, Authorization="token wrong") == 403
    assert open_socket(port, kernel, Cookie=cookie, host="evil.example:{port}") == 403
    assert open_socket(
        port, kernel, Cookie=cookie, host="evil.example", Origin="http://evil.example"
    ) == 403  # fmt: skip
    assert open_socket(port, kernel, Authorization=f"token {token}") == 101


def test_a_configuration_beside_the_data_is_not_read(page):
    assert not (page[2] / "ran").exists()
    assert ask(page[0], "/")[0] == 302


def test_the_secret_stands_in_no_command_line(page):
    lines = [
        one.read_bytes()
        for one in Path("/proc").glob("[0-9]*/cmdline")
        if one.exists() and str(page[0]).encode() in one.read_bytes()
    ]
    assert lines
    assert not any(page[1].encode() in one for one in lines)


def test_a_name_that_is_allowed_is_answered(tmp_path):
    write_page(tmp_path / "questions.ipynb")
    with started(
        tmp_path, "serve", "--page", "questions.ipynb", "--allow-host", "pages.example"
    ) as (port, token):
        path = f"/api/kernels/{UNKNOWN}?token={token}"
        for host, status in [("pages.example", 404), ("Pages.Example:443", 404),
                             ("localhost", 404), ("other.pages.example", 403)]:  # fmt: skip
            assert ask(port, path, host=host)[0] == status
        assert ask(port, path, host="pages.example", Origin="https://pages.example")[0] == 404
        assert ask(port, path, host="pages.example", Origin="https://localhost")[0] == 403


@pytest.mark.parametrize("name", ["pages.example:80", "http://a", "a/b", "", "*", "a,b", "a b"])
@pytest.mark.parametrize("command", ["serve", "lab"])
def test_a_name_that_cannot_match_is_refused_in_one_line(command, name, capsys):
    assert cli.main([command, "--allow-host", name]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "--allow-host" in error


def test_lab_has_the_same_doors(tmp_path):
    pytest.importorskip("jupyterlab")
    with started(tmp_path, "lab") as (port, token):
        for path in ("/api/kernels", "/api/contents", "/lab", "/api/terminals", "/files/x"):
            asked = f"{path}?token={token}"
            assert ask(port, asked)[0] not in {401, 403}
            assert ask(port, path)[0] in {302, 403}
            assert ask(port, f"{path}?token=wrong")[0] in {302, 403}
            for host in FOREIGN[:6]:
                assert ask(port, asked, host=host)[0] in {400, 403}
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/api/kernels?token={token}", method="POST", data=b"{}"
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            kernel = json.load(answer)["id"]
        assert open_socket(port, kernel) == 403
        assert open_socket(port, kernel, Origin="http://evil.example") == 403
        query = f"s&token={token}"
        assert (
            open_socket(port, f"{kernel}/channels?session_id={query}&", host="evil.example") == 403
        )


def test_another_servers_port_is_never_taken_for_ours(tmp_path):
    """A printed address has a secret: it must not lead to who took the port meanwhile."""
    write_page(tmp_path / "questions.ipynb")
    command = serve.voila_command(tmp_path / "questions.ipynb", 1)
    assert "--Voila.port_retries=0" in command
    assert "--ServerApp.port_retries=0" in serve.lab_command(tmp_path, "a", 1, browser=False)

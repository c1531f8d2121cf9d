"""Hosts end: on SIGTERM, on Ctrl-C, when they will not, and with everything that they started."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import psutil
import pytest

from cutaway import serve

posix = pytest.mark.skipif(not hasattr(os, "killpg"), reason="signals and sessions of POSIX")
pytestmark = posix

# A host that ignores SIGTERM and Ctrl-C, with a kernel in a session of its own that does too.
STUBBORN = """
    import signal, subprocess, sys, time
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    kernel = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
    child = subprocess.Popen([sys.executable, "-c", kernel], start_new_session=True)
    time.sleep(600)
"""
# A host that ends on SIGTERM and forgets its kernel.
FORGETFUL = STUBBORN.replace("signal.SIG_IGN)", "lambda *_: sys.exit(3))")
# One that ends in order, and says so.
ORDERLY = """
    import signal, sys, time
    def end(*_):
        print("ended", flush=True)
        sys.exit(0)
    signal.signal(signal.SIGTERM, end)
    print("ready", flush=True)
    time.sleep(600)
"""


def script(code):
    return [sys.executable, "-c", textwrap.dedent(code)]


def runs(pid):
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


@pytest.mark.parametrize("code", [STUBBORN, FORGETFUL], ids=["stubborn", "forgetful"])
def test_a_host_that_will_not_end_is_killed_with_its_kernels(code):
    with serve.host_process(script(code), seconds=0.5, stdout=subprocess.PIPE) as host:
        kernel = int(host.stdout.readline())
        assert runs(kernel)
        assert os.getsid(kernel) != os.getsid(host.pid) != os.getsid(0)
    assert host.returncode in {-signal.SIGKILL, 3}
    assert not runs(kernel)


def test_a_host_that_dies_leaves_no_kernel():
    with serve.host_process(script(STUBBORN), seconds=0.5, stdout=subprocess.PIPE) as host:
        kernel = int(host.stdout.readline())
        host.kill()
        host.wait()
        assert runs(kernel)
    assert not runs(kernel)


def test_a_host_that_ends_is_not_killed_and_other_processes_go_on(tmp_path):
    log = tmp_path / "log"
    bystander = subprocess.Popen(script("import time; time.sleep(600)"))
    try:
        with log.open("w") as output, serve.host_process(script(ORDERLY), stdout=output) as host:
            while log.read_text() != "ready\n":
                assert host.poll() is None
                time.sleep(0.01)
        assert log.read_text() == "ready\nended\n"
        assert host.returncode == 0
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_an_error_in_the_block_ends_the_host_too():
    with (
        pytest.raises(RuntimeError, match="in the test"),
        serve.host_process(script(STUBBORN), seconds=0.2, stdout=subprocess.PIPE) as host,
    ):
        kernel = int(host.stdout.readline())
        raise RuntimeError("in the test")
    assert host.returncode == -signal.SIGKILL
    assert not runs(kernel)


# `run_host` as the command line calls it, on the stubborn host, which also listens.
COMMAND = """
import sys
from pathlib import Path
from cutaway import serve
serve.SECONDS_TO_END = 0.5
url = f"http://{serve.ADDRESS}:{sys.argv[2]}/"
sys.exit(serve.run_host(
    [sys.executable, *sys.argv[1:]], url, lambda url: print("ready at", url, flush=True)
))
"""
LISTENING = "import socket, sys; at = socket.create_server(('127.0.0.1', int(sys.argv[1])))\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("times", [1, 2])
def test_the_command_ends_its_host_on_a_signal(number, times, tmp_path):
    host_script = tmp_path / "host.py"
    host_script.write_text(LISTENING + textwrap.dedent(STUBBORN))
    command = [*script(COMMAND), str(host_script), str(serve.free_port(9700))]
    with serve.host_process(command, stdout=subprocess.PIPE, text=True) as running:
        lines = [running.stdout.readline() for _ in range(2)]
        (kernel,) = (int(line) for line in lines if line.strip().isdecimal())
        assert any(line.startswith("ready at http://") for line in lines)
        (host,) = psutil.Process(running.pid).children()
        for _ in range(times):  # the second does not wait
            running.send_signal(number)
        assert running.wait(timeout=60) == 0
        assert not runs(host.pid)
        assert not runs(kernel)

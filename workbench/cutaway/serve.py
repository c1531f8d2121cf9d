"""Start the two hosts of the page: Voilà for a dashboard, JupyterLab for work."""

import contextlib
import importlib.util
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

ADDRESS = "127.0.0.1"
PORTS_TRIED = 50
# -P: nothing is imported from the working folder, which may hold somebody else's files.
_PYTHON = (sys.executable, "-P", "-m")
SECONDS_TO_END = 10.0  # that a host gets to shut its kernels down before it is killed
# Inherited by everything a host starts; kernels leave its session but keep their environment.
_MARK = "CUTAWAY_HOST"
_POLL = 0.05  # seconds between two looks at what is still running


def free_port(first: int, address: str = ADDRESS) -> int:
    """The first port from `first` on that nothing listens at on this machine.

    Raises
    ------
    OSError
        If none of the next 50 is free.
    """
    for port in range(first, min(first + PORTS_TRIED, 65536)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError:
                continue
            return port
    raise OSError(
        f"port must be free between {first} and {first + PORTS_TRIED - 1}, got none; "
        "stop another server or give --port"
    )


def widgets_folder() -> Path:
    """Folder of the package `cutaway_widgets`, found without importing it.

    Raises
    ------
    ModuleNotFoundError
        If it, Voilà or JupyterLab are not installed; says which extra brings them.
    """
    for name in ("ipywidgets", "anywidget"):
        _require(name)
    return Path(_require("cutaway_widgets")).parent


def notebooks_folder() -> Path:
    """Where the notebooks lie: in the installed package, or in the checkout it is linked to."""
    package = widgets_folder()
    for folder in (package / "notebooks", package.parents[1] / "notebooks"):
        if (folder / "dashboard.ipynb").exists():
            return folder
    raise FileNotFoundError(
        f"notebooks must lie beside the package {package.name}, got none; install cutaway again"
    )


def own_notebooks(target: Path) -> Path:
    """Notebooks that a person may change: the checkout's, else a copy under `target`."""
    source = notebooks_folder()
    if source.parent != widgets_folder():
        return source
    if not target.exists():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    return target


def host_environment(token: str = "") -> dict[str, str]:
    """Environment of a host: our Voilà template and Lab settings are found first.

    With them no request leaves the machine: no style sheets from a network, no news.

    Parameters
    ----------
    token : str
        Secret that the host asks for. It is given here since everybody on the machine can read
        arguments; without one the host makes up its own, which nobody is told.
    """
    ours = str(widgets_folder() / "jupyter")
    first = {
        name: os.pathsep.join(one for one in (ours, os.environ.get(name, "")) if one)
        for name in ("JUPYTER_PATH", "JUPYTER_CONFIG_PATH")
    }
    return os.environ | first | ({"JUPYTER_TOKEN": token} if token else {})


def page(name: str | os.PathLike[str]) -> Path:
    """Notebook of a page: one of ours by its name, else a path.

    Raises
    ------
    FileNotFoundError
        If there is none; names ours.
    """
    folder = notebooks_folder()
    ours = sorted(one.stem for one in folder.glob("*.ipynb"))
    found = folder / f"{name}.ipynb" if name in ours else Path(name).resolve()
    if found.suffix != ".ipynb" or not found.is_file():
        raise FileNotFoundError(
            f"page must be one of {', '.join(ours)} or the path of a notebook, got {str(name)!r}; "
            "choose one of these"
        )
    return found


def voila_command(
    notebook: Path,
    port: int,
    *,
    ip: str = ADDRESS,
    tracebacks: bool = True,
    hosts: Sequence[str] = (),
) -> list[str]:
    """Command that serves one notebook as a page, to those who have the token of its environment.

    Parameters
    ----------
    notebook : Path
        What is served.
    port : int
        Where it listens; another is never taken instead, for its address has a secret.
    ip : str
        Address it listens at.
    tracebacks : bool
        Whether the page shows the tracebacks of its cells.
    hosts : sequence of str
        Names, besides those of this machine's loopback, by which it may be called; "*" for all.
    """
    _require("voila")
    return [
        *_PYTHON, "cutaway._voila", str(notebook), "--no-browser", f"--port={port}",
        f"--Voila.ip={ip}", "--Voila.port_retries=0", "--template=cutaway",
        f"--show_tracebacks={tracebacks}", "--Voila.log_level=ERROR",
        # The login page would let every visitor set a password of the host's user.
        "--PasswordIdentityProvider.allow_password_change=False",
        *(f"--allow-host={one}" for one in hosts),
    ]  # fmt: skip


def lab_command(
    folder: Path, notebook: str, port: int, *, browser: bool, hosts: Sequence[str] = ()
) -> list[str]:
    """Command that opens one notebook in JupyterLab, without its news and update requests.

    Parameters
    ----------
    folder : Path
        What its file browser shows.
    notebook : str
        Which of its notebooks is opened.
    port : int
        Where it listens.
    browser : bool
        Whether a browser is opened.
    hosts : sequence of str
        Names, besides those of this machine's loopback, by which it may be called.
    """
    _require("jupyterlab")
    names = ", ".join(repr(one) for one in ("localhost", *hosts))
    command = [
        *_PYTHON, "jupyterlab", f"--port={port}", f"--ServerApp.ip={ADDRESS}",
        f"--ServerApp.root_dir={folder}", f"--LabApp.default_url=/lab/tree/{notebook}",
        "--ServerApp.log_level=WARN",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        # Whatever a configuration file of the user says of another server.
        "--ServerApp.allow_remote_access=False", f"--ServerApp.local_hostnames=[{names}]",
        "--ServerApp.port_retries=0",
    ]  # fmt: skip
    if not browser:
        command.append("--no-browser")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")
    return command


def _require(module: str) -> str:
    """File of a module, found without importing it."""
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(
            f"{module} must be installed to show pages, got no such package; "
            "run: pip install 'cutaway[dashboard]'"
        )
    return spec.origin


def run_host(
    command: Sequence[str],
    url: str,
    ready: Callable[[str], None],
    *,
    token: str = "",
    environment: Mapping[str, str] | None = None,
) -> int:
    """Run a host until it ends or Ctrl-C; call `ready(url)` once when it answers.

    Parameters
    ----------
    command : sequence of str
        From `voila_command` or `lab_command`.
    url : str
        Where it will answer.
    ready : callable
        Gets the url.
    token : str
        Secret that the host asks for; given in the environment, which other users cannot read.
    environment : mapping of str to str or None
        Variables of the host; None: `host_environment`.

    Returns
    -------
    int
        Exit status of the host; 0 after Ctrl-C.
    """
    secret = {"JUPYTER_TOKEN": token} if token else {}
    address, port = url.split("/", 3)[2].rsplit(":", 1)
    given = host_environment() if environment is None else dict(environment)
    # `kill` and a closed terminal must end the host too; by default they would end this process
    # and leave the host alone.
    names = ("SIGTERM", "SIGHUP")
    before = {
        number: signal.signal(number, _stop)
        for number in (getattr(signal, name, None) for name in names)
        if number is not None
    }
    try:
        with host_process(command, environment=given | secret, seconds=SECONDS_TO_END) as process:
            while process.poll() is None and not answers(int(port), address):
                time.sleep(_POLL)
            if process.poll() is None:
                ready(url)
            return process.wait()
    except KeyboardInterrupt:
        return 0
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt


@contextlib.contextmanager
def host_process(
    command: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    seconds: float = SECONDS_TO_END,
    **options: Any,  # what `subprocess.Popen` takes beside
) -> Iterator["subprocess.Popen[Any]"]:
    """Run a host until the block ends; then nothing that it started is left.

    The host leads a session of its own, so that Ctrl-C in the terminal is heard by this process
    alone. At the end it gets SIGTERM. JupyterLab does not always end on that: a worker thread that
    waits holds its interpreter for ever. After `seconds`, or on a second Ctrl-C, it is killed with
    all of its processes, kernels too.

    Parameters
    ----------
    command : sequence of str
        Program and arguments.
    environment : mapping of str to str or None
        Variables of the host; None: those of this process.
    seconds : float
        How long the host and its kernels may take to end on SIGTERM.
    **options : Any
        Further options of `subprocess.Popen`.

    Yields
    ------
    subprocess.Popen
        The running host.
    """
    variables = dict(os.environ if environment is None else environment)
    # A host within a host carries both marks, and is found by either.
    mark = secrets.token_hex(8)
    variables[_MARK] = f"{variables.get(_MARK, '')}/{mark}"
    process = subprocess.Popen(list(command), env=variables, start_new_session=True, **options)
    try:
        yield process
    finally:
        _end(process, mark, seconds)
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def _end(process: "subprocess.Popen[Any]", mark: str, seconds: float) -> None:
    """Ask a host to end, wait `seconds` for it and all that carry its mark, kill what is left."""
    with contextlib.suppress(KeyboardInterrupt):  # somebody will not wait: kill at once
        process.terminate()
        until = time.monotonic() + seconds
        while time.monotonic() < until and (process.poll() is None or _marked(mark)):
            time.sleep(_POLL)
    while True:
        with contextlib.suppress(KeyboardInterrupt):  # more haste must not leave anything running
            if process.poll() is None and hasattr(os, "killpg"):
                # Its number cannot be another's yet: the host has not been waited for.
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
            process.kill()
            process.wait()
            _kill_marked(mark)
            return


def _kill_marked(mark: str, seconds: float = 5.0) -> None:
    """Kill what carries this mark, and what it starts meanwhile, until none is left."""
    until = time.monotonic() + seconds
    while (left := _marked(mark)) and time.monotonic() < until:
        for process in left:
            with contextlib.suppress(Exception):  # psutil's: it has just ended by itself
                process.kill()
        time.sleep(_POLL)


def _marked(mark: str) -> list[Any]:
    """Processes, as psutil has them, that inherited this mark and are not merely waited for."""
    import psutil  # comes with ipykernel, without which there is no host

    found = []
    for process in psutil.process_iter(["environ", "status"]):
        inherited = (process.info["environ"] or {}).get(_MARK, "")
        ended = process.info["status"] == psutil.STATUS_ZOMBIE
        if mark in inherited and not ended and process.pid != os.getpid():
            found.append(process)
    return found


def answers(port: int, address: str = ADDRESS) -> bool:
    """Whether something listens at this port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex((address, port)) == 0

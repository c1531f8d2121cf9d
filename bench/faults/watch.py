"""Run small pieces of work in forked children that are limited and watched.

A child counts what must not happen while a file is opened: code that runs, requests, files that are
written or lie elsewhere. Its parent counts hangs and deaths, and starts another one.
"""

import contextlib
import ctypes
import gc
import json
import os
import resource
import select
import signal
import sys
import sysconfig
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

SECONDS = 20.0
"""Longest time for one file; most take a hundredth of a second."""
MEMORY = 10**9
"""Bytes that opening one small file may take beyond what the process had."""
_GUARD = 4 * 10**9
"""Address space beyond that of the process: what goes over the limit is told, not the machine."""
_LIBRARIES = tuple(
    str(Path(place).resolve())
    for place in {
        *sysconfig.get_paths().values(), sys.prefix, sys.base_prefix, Path(__file__).parents[1],
        *(Path(name).resolve() for name in sys.path if Path(name, "cutaway").is_dir()),
        *(Path(name).resolve() for name in sys.path if Path(name, "cutaway_widgets").is_dir()),
        *(Path(name).resolve() for name in sys.path if Path(name, "cutaway_samples").is_dir()),
    }
)  # fmt: skip
_OURS = ("cutaway", "cutaway_widgets", "cutaway_samples")
_RUNS = frozenset(
    {"os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty", "pty.spawn"}
    | {"subprocess.Popen", "pickle.find_class", "ctypes.dlopen", "ctypes.dlsym", "webbrowser.open"}
    | {"cpython.run_command", "cpython.run_file", "cpython.run_module", "os.startfile"}
)
_ASKS = frozenset(
    {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "socket.bind"}
    | {"urllib.Request", "http.client.connect", "ftplib.connect", "smtplib.connect"}
)
_CHANGES = frozenset(
    {"os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.truncate", "os.link", "os.symlink"}
    | {"os.chmod", "os.chown", "shutil.rmtree", "shutil.move", "shutil.copyfile"}
)
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_QUIET = ("/proc/", "/sys/", "/dev/null", "/dev/zero", "/dev/urandom", "/dev/shm", "/etc/")
# Of the standard library: they build classes from text of their own.
_MAKERS = ("/collections/__init__.py", "/dataclasses.py", "/enum.py", "/typing.py", "/reprlib.py")


@dataclass(frozen=True)
class Outcome:
    """What one piece of work did.

    Parameters
    ----------
    kind : str
        "same", "said" (other values, and a word about it), "changed" (other values, silently),
        "refused" (one line of ours), "raw" (any other error), "hang" or "died".
    why : str
        The message, or what is wrong with it.
    ran, asked, foreign : list of str
        Code that ran, requests, and files that were written or lie elsewhere.
    peak : int
        Bytes beyond what the process had.
    """

    kind: str
    why: str = ""
    ran: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    peak: int = 0
    seconds: float = 0.0


class Watch:
    """Counts events of the interpreter while it is on; there can be one a process.

    Parameters
    ----------
    folder : path-like
        Where files may be read.
    writes : bool
        Whether files may be written there too.
    """

    def __init__(self, folder: str | os.PathLike[str], *, writes: bool = False) -> None:
        self.folder = str(Path(folder).resolve())
        self.writes = writes
        self.on = False
        self.ran: list[str] = []
        self.asked: list[str] = []
        self.foreign: list[str] = []
        sys.addaudithook(self._heard)

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Count what happens inside."""
        self.ran, self.asked, self.foreign = [], [], []
        self.on = True
        try:
            yield
        finally:
            self.on = False

    def _heard(self, event: str, details: tuple[Any, ...]) -> None:
        if not self.on:
            return
        self.on = False  # what the hook itself does is no event
        try:
            self._judge(event, details)
        finally:
            self.on = True

    def _judge(self, event: str, details: tuple[Any, ...]) -> None:
        if event == "exec":
            place = getattr(details[0], "co_filename", "?")
            if not _in_library(place) and not _of_an_import():
                self.ran.append(f"exec of {place}")
        elif event in _RUNS:
            if not (event.startswith("ctypes") and _of_an_import()):
                self.ran.append(event)
        elif event in _ASKS:
            self.asked.append(event)
            raise PermissionError(f"no requests here ({event})")
        elif event == "open":
            self._opened(*details)
        elif event in _CHANGES:
            self._written(event, details[0])

    def _opened(self, path: Any, _mode: Any, flags: Any) -> None:
        if not isinstance(path, (str, bytes)):
            return
        if isinstance(flags, int) and flags & _WRITING:
            self._written("write", path)
            return
        place = os.path.realpath(path)
        if not place.startswith((self.folder, *_LIBRARIES, *_QUIET)):
            self.foreign.append(f"read {place}")

    def _written(self, event: str, path: Any) -> None:
        if not isinstance(path, (str, bytes, os.PathLike)):
            return
        place = os.fsdecode(os.path.realpath(path))
        if not (self.writes and place.startswith(self.folder)) and place != "/dev/null":
            self.foreign.append(f"{event} {place}")


def _in_library(place: str) -> bool:
    return place.startswith(("<frozen", *_LIBRARIES))


def _of_an_import() -> bool:
    """Whether library code runs because a module is imported, or a class is made of it."""
    frame = sys._getframe(3)
    if frame.f_code.co_filename.endswith(_MAKERS):
        return True
    seen = frame
    while seen is not None:
        if seen.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        seen = seen.f_back  # type: ignore[assignment]
    return False


def why_raw(error: BaseException, names: Sequence[str]) -> str:
    """What keeps an error from being one line of ours; empty if nothing.

    One line of ours is a ValueError, TypeError, OSError, KeyError or of a class of Cutaway's own,
    raised by a line of Cutaway's own code, whose message is one line of at most 1,200 characters,
    holds one of `names`, and after a semicolon what to do.
    """
    frames = traceback.extract_tb(error.__traceback__)
    at = f"{Path(frames[-1].filename).name}:{frames[-1].name}" if frames else "?"
    ours = [frame for frame in frames if _is_ours(frame.filename)]
    last = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else "?"
    head = f"{type(error).__name__} at {at} (our last line {last})"
    message = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    said = " ".join(message.split())[:160]
    named = type(error).__module__.partition(".")[0] in _OURS
    if not isinstance(error, (ValueError, TypeError, OSError, KeyError)) and not named:
        return f"{head}: kind of error: {said}"
    if not _is_ours(frames[-1].filename):
        return f"{head}: not raised by us: {said}"
    if "\n" in message or len(message) > 1200:
        return f"{head}: more than one line: {said}"
    if not any(name in message for name in names):
        return f"{head}: names no file: {said}"
    if not message.partition("; ")[2].strip():
        return f"{head}: no remedy: {said}"
    return ""


def _is_ours(file: str) -> bool:
    parts = Path(file).parts
    return any(name in parts for name in _OURS) and "site-packages" not in parts


def peak_reset() -> int:
    """Begin a new peak of this process's memory; what it has now."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def peak_memory() -> int:
    """Most memory that this process had since `peak_reset`."""
    return _status("VmHWM")


def _status(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) * 1024
    return 0


def limit_memory(more: int = _GUARD) -> None:
    """Allow this process so much more address space than it has."""
    most = _status("VmSize") + more
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def die_with_parent() -> None:
    """Ask the system to end this process when its parent ends, however that happens."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def examined(
    work: Callable[[int], tuple[str, str]], number: int, watch: Watch, names: Sequence[str]
) -> Outcome:
    """Outcome of one piece of work in this process.

    Parameters
    ----------
    work : callable
        Gets `number`; returns the kind ("same", "said" or "changed") and a word about it.
    watch : Watch
    names : sequence of str
        What an error must name, one of them.
    """
    before = peak_reset()
    began = time.perf_counter()
    try:
        with warnings.catch_warnings(), watch.watching():
            warnings.simplefilter("ignore")
            kind, why = work(number)
    except BaseException as error:  # noqa: BLE001 - whatever comes out is what is looked at
        raw = why_raw(error, names)
        kind, why = ("raw", raw) if raw else ("refused", f"{type(error).__name__}: {error}")
    seconds = time.perf_counter() - began
    return Outcome(
        kind, why, watch.ran, watch.asked, watch.foreign, max(0, peak_memory() - before), seconds
    )


def outcomes(
    begin: Callable[[], Callable[[int], Outcome]],
    numbers: Sequence[int],
    *,
    seconds: float = SECONDS,
) -> Iterator[tuple[int, Outcome]]:
    """Outcomes of many pieces of work, each child doing as many as it survives.

    Parameters
    ----------
    begin : callable
        Called in each new child; returns what does one piece of work.
    numbers : sequence of int
        The pieces.
    seconds : float
        Longest time for one.
    """
    left = list(numbers)
    while left:
        done = 0
        for number, outcome in _one_child(begin, left, seconds):
            done += 1
            yield number, outcome
        left = left[done:]


def _one_child(
    begin: Callable[[], Callable[[int], Outcome]], numbers: Sequence[int], seconds: float
) -> Iterator[tuple[int, Outcome]]:
    reading, writing = os.pipe()
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _serve(begin, numbers, writing)
    os.close(writing)
    lines = _Lines(reading)
    try:
        for number in numbers:
            # Two lines a piece: it began, and how it ended. Beginning may mean copying a folder.
            line = lines.next(60.0) and lines.next(seconds)
            if line:
                yield number, Outcome(**json.loads(line))
                continue
            hung = line is None
            if hung:
                os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
            child = 0
            if hung:
                yield number, Outcome("hang", f"more than {seconds:g} s", seconds=seconds)
            else:
                what = f"signal {status & 127}" if status & 127 else f"exit {status >> 8}"
                yield number, Outcome("died", what)
            return
    finally:
        os.close(reading)
        if child:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def _serve(
    begin: Callable[[], Callable[[int], Outcome]], numbers: Sequence[int], writing: int
) -> None:
    """Do all pieces in this child, then end it without any clean-up of its parent's."""
    try:
        die_with_parent()
        silence()
        gc.freeze()
        limit_memory()
        work = begin()
        for number in numbers:
            os.write(writing, b"begun\n")
            try:
                outcome = work(number)
            except Exception:  # noqa: BLE001 - the suite's own mistake, which must be seen
                outcome = Outcome("raw", f"the suite failed: {traceback.format_exc()[-600:]}")
            os.write(writing, (json.dumps(asdict(outcome)) + "\n").encode())
    finally:
        os._exit(0)


def reported(work: Callable[[], Any], *, seconds: float = 60.0) -> Any:
    """What some work returns (as JSON) when a child does it; a text if the child hangs or dies."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reading)
            die_with_parent()
            silence()
            answer = json.dumps(work())
        except BaseException as error:  # noqa: BLE001 - the parent shall hear of it
            answer = json.dumps(f"failed: {why_raw(error, ()) or error}")
        os.write(writing, answer.encode() + b"\n")
        os._exit(0)
    os.close(writing)
    line = _Lines(reading).next(seconds)
    os.close(reading)
    if line is None:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if line:
        return json.loads(line)
    return "hangs" if line is None else f"died of signal {status & 127}"


def silence() -> None:
    """Send what libraries print to nowhere."""
    nowhere = os.open("/dev/null", os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)


class _Lines:
    """Lines of a pipe, each waited for so long."""

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe
        self._rest = b""

    def next(self, seconds: float) -> str | None:
        """The next line; empty at the end of the pipe, None if none came in time."""
        until = time.monotonic() + seconds
        while b"\n" not in self._rest:
            ready, _, _ = select.select([self._pipe], [], [], max(0.0, until - time.monotonic()))
            if not ready:
                return None
            piece = os.read(self._pipe, 65536)
            if not piece:
                return ""
            self._rest += piece
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode()

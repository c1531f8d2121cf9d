"""Work beside the kernel's loop: one worker thread, progress at 10 Hz, a Cancel that is heard."""

import atexit
import contextvars
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import traitlets

from cutaway.core import Cancelled, Tick
from cutaway_widgets._link import one_line
from cutaway_widgets._strict import Strict

State: TypeAlias = Literal["idle", "running", "cancelling", "done", "cancelled", "failed"]

_PERIOD = 0.1
"""Seconds between two progress reports at least: 10 Hz is what an eye and a comm can take."""


_STARTED: "weakref.WeakSet[Job]" = weakref.WeakSet()


@atexit.register
def _end_all() -> None:
    """Stop what still runs when the interpreter ends: torch aborts if its thread is torn down."""
    for one in list(_STARTED):
        one.cancel()
    for one in list(_STARTED):
        one.wait(10.0)


@dataclass(frozen=True)
class Status:
    """How far a job is, as one value.

    Parameters
    ----------
    state : str
        idle, running, cancelling, done, cancelled or failed.
    fraction : float
        Part of the work done, 0 to 1.
    message : str
        What is being done.
    seconds : float
        Since the start.
    error : str
        One line when failed; else empty.
    name : str
        What the job is, for the heading.
    """

    state: State = "idle"
    fraction: float = 0.0
    message: str = ""
    seconds: float = 0.0
    error: str = ""
    name: str = ""


class Job(Strict, traitlets.HasTraits):
    """Runs one function at a time in a worker thread; observe ``status`` or show a `Progress`.

    Parameters
    ----------
    inline : bool
        Run in the caller's thread instead: for tests and scripts.
    lock : threading.RLock or None
        Held while `status` changes and its observers run. Give the workspace's lock if observers
        take that one, so that there is one lock only and no order of two to get wrong.
    """

    status = traitlets.Instance(Status, ())

    def __init__(self, *, inline: bool = False, lock: Any | None = None) -> None:
        super().__init__()
        self._inline = inline
        self._lock = lock if lock is not None else threading.RLock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._began = 0.0
        self._latest = (0.0, "")
        self._reported = 0.0
        self._result: Any = None
        self._exception: BaseException | None = None

    @property
    def running(self) -> bool:
        """Whether work is under way (cancelling counts)."""
        return self.status.state in {"running", "cancelling"}

    @property
    def result(self) -> Any:
        """What the last function returned; None before it is done."""
        return self._result

    @property
    def exception(self) -> BaseException | None:
        """What the last function raised, with its traceback; None if nothing."""
        return self._exception

    def start(
        self,
        work: Callable[[Tick], Any],
        *,
        name: str = "",
        on_done: Callable[[Any], object] | None = None,
    ) -> None:
        """Run ``work(tick)``, then ``on_done(result)`` in the same thread.

        Parameters
        ----------
        work : callable
            Gets a tick; cancelling raises `Cancelled` from inside it.
        name : str
            What the job is, for the heading.
        on_done : callable or None
            Called before the state becomes "done"; not called when cancelled or failed.

        Raises
        ------
        RuntimeError
            If a job is running already.
        """
        with self._lock:
            if self.running:
                raise RuntimeError(
                    f"job must be idle, got one running ({self.status.name or 'unnamed'}); "
                    "cancel it or wait for it first"
                )
            self._stop.clear()
            self._result = self._exception = None
            self._latest = (0.0, "")
            self._began = self._reported = time.monotonic()
            self.status = Status("running", name=name)
        if self._inline:
            self._run(work, on_done)
            return
        # Context variables do not pass into threads by themselves.
        context = contextvars.copy_context()
        self._thread = threading.Thread(
            target=context.run, args=(self._run, work, on_done), name="cutaway-job", daemon=True
        )
        _STARTED.add(self)
        self._thread.start()

    def cancel(self) -> None:
        """Ask the work to stop at its next tick; files and hooks are restored by the work."""
        # Before the lock: the worker hears it even while somebody holds that.
        self._stop.set()
        with self._lock:
            if self.status.state == "running":
                self.status = replace(self.status, state="cancelling")

    def wait(self, timeout: float | None = None) -> bool:
        """Whether the job ended within `timeout` seconds (None: wait for ever)."""
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout)
        return not self.running

    def _tick(self, fraction: float, message: str) -> None:
        if self._stop.is_set():
            raise Cancelled(f"cancelled at {fraction:.0%}")
        now = time.monotonic()
        with self._lock:
            self._latest = (min(max(float(fraction), 0.0), 1.0), message)
            if now - self._reported < _PERIOD or not self.running:
                return
            self._reported = now
            self.status = replace(
                self.status,
                fraction=self._latest[0],
                message=self._latest[1],
                seconds=now - self._began,
            )

    def _run(self, work: Callable[[Tick], Any], on_done: Callable[[Any], object] | None) -> None:
        state: State = "done"
        error = ""
        try:
            self._result = work(self._tick)
            if on_done is not None:
                on_done(self._result)
        except Cancelled:
            state = "cancelled"
        except Exception as problem:  # noqa: BLE001 - a thread has nowhere else to report
            state, error = "failed", one_line(problem)
            self._exception = problem
        except BaseException:
            self._finish("cancelled", "")
            raise
        self._finish(state, error)

    def _finish(self, state: State, error: str) -> None:
        with self._lock:
            # Ticks since the last report count too.
            fraction, message = self._latest
            self.status = replace(
                self.status,
                state=state,
                fraction=1.0 if state == "done" else fraction,
                message=message,
                seconds=time.monotonic() - self._began,
                error=error,
            )

    def __repr__(self) -> str:
        return f"Job({self.status.state}, {self.status.fraction:.0%}, {self.status.message!r})"

"""A disk that becomes full: one line, nothing half-written, and the next run is whole."""

import ctypes
import os
import random
import resource
import shutil
import signal
import sys
from pathlib import Path

from cutaway.core import silent
from faults.watch import reported, why_raw
from faults.works import Work, expected_of

_NEW_MOUNTS, _NEW_USER = 0x00020000, 0x10000000
_PRIVATE = 1 << 18 | 1 << 14
_PAGE = 4096


def filled(work: Work, n: int, place: Path, *, seed: int = 0) -> tuple[int, int, list[str]]:
    """Do a piece of work `n` times where no file may grow beyond a random size.

    Returns
    -------
    tuple of int, int and list of str
        How often there was no room, how often that was on a small disk of its own, and everything
        that was wrong.
    """
    rng = random.Random(f"disk {work.name} {seed}")
    expected, largest = expected_of(work, place / "whole")
    full, mounted, wrong = 0, 0, []
    for turn in range(n):
        room = int(largest * rng.random() ** 2) if rng.random() < 0.9 else rng.randrange(_PAGE)
        folder = place / "work"
        folder.mkdir(parents=True)
        small = turn % 3 == 2
        answer = reported(lambda f=folder, r=room, s=small: _without_room(work, f, r, expected, s))
        if isinstance(answer, str):
            wrong.append(f"{work.name}, room for {room} bytes: {answer}")
        else:
            full += answer["full"]
            mounted += answer["full"] and answer["mounted"]
            wrong += answer["wrong"]
        shutil.rmtree(folder)
    return full, mounted, wrong


def _without_room(work: Work, folder: Path, room: int, expected: str, small: bool) -> dict:
    """Do the work in this process with a limit, look at what is left, and do it without."""
    mounted = small and _small_disk(folder, room)
    if not mounted:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, most))
    wrong, full = [], True
    try:
        work.run(folder, silent)
        full = False
    except Exception as error:  # noqa: BLE001 - what comes out is what is looked at
        raw = why_raw(error, (str(folder / work.visible),))
        if raw:
            wrong.append(f"{work.name}, full disk: {raw}")
    if mounted:
        _more_room(folder)
    else:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    if full:
        odd = sorted({file.name for file in folder.iterdir()} - {work.partial})
        if odd:
            wrong.append(f"{work.name}, full disk: left {odd}")
    found = work.problem(folder, expected) or work.problem_after_next(folder, expected)
    return {"full": full, "mounted": mounted, "wrong": wrong + ([found] if found else [])}


def _small_disk(folder: Path, room: int) -> bool:
    """Put a small disk in memory over a folder, seen by this process alone; False if forbidden."""
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    flags = _NEW_MOUNTS if os.geteuid() == 0 else _NEW_MOUNTS | _NEW_USER
    if libc.unshare(flags):
        return False
    libc.mount(b"none", b"/", None, _PRIVATE, None)
    size = f"size={max(_PAGE, room)}".encode()
    return libc.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", 0, size) == 0


def _more_room(folder: Path) -> None:
    """Let the small disk grow."""
    libc = ctypes.CDLL(None, use_errno=True)
    remount = 32
    if libc.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", remount, b"size=512m"):
        raise OSError(ctypes.get_errno(), f"the small disk at {folder} must grow; it did not")

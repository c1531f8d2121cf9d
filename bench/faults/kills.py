"""kill -9 at random moments: what is visible is whole, and the next run leaves nothing behind."""

import os
import random
import shutil
import signal
import time
from pathlib import Path

from cutaway.core import silent
from faults.watch import die_with_parent, silence
from faults.works import Work, expected_of


def killed(work: Work, n: int, place: Path, *, seed: int = 0) -> tuple[int, list[str]]:
    """Kill a piece of work at `n` random moments.

    Returns
    -------
    tuple of int and list of str
        How often it was hit before it ended, and everything that was wrong.
    """
    rng = random.Random(f"kills {work.name} {seed}")
    expected, _ = expected_of(work, place / "whole")
    seconds = max(_timed(work, place / "timed") for _ in range(2))
    hits, wrong = 0, []
    for _ in range(n):
        folder = place / "work"
        folder.mkdir(parents=True)
        hits += _hit(work, folder, rng.uniform(0, 1.02 * seconds))
        found = work.problem(folder, expected) or work.problem_after_next(folder, expected)
        if found:
            wrong.append(found)
        shutil.rmtree(folder)
    return hits, wrong


def _timed(work: Work, folder: Path) -> float:
    """Seconds that a child needs for the work."""
    folder.mkdir(parents=True)
    child, reading = _begun(work, folder)
    os.read(reading, 1)
    began = time.perf_counter()
    os.read(reading, 1)
    seconds = time.perf_counter() - began
    os.waitpid(child, 0)
    os.close(reading)
    shutil.rmtree(folder)
    return seconds


def _hit(work: Work, folder: Path, delay: float) -> bool:
    """Whether the child was still at work when it was killed."""
    child, reading = _begun(work, folder)
    os.read(reading, 1)
    time.sleep(delay)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    hit = not os.read(reading, 1)
    os.close(reading)
    return hit


def _begun(work: Work, folder: Path) -> tuple[int, int]:
    """A child that writes a byte, does the work, and writes another."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            die_with_parent()
            silence()
            os.write(writing, b"x")
            work.run(folder, silent)
            os.write(writing, b"y")
        finally:
            os._exit(0)
    os.close(writing)
    return child, reading

"""Two processes at one file or folder: one wins, the other is told in one line."""

import os
import random
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np

import cutaway as ct
from cutaway.core import silent
from faults import subjects
from faults.watch import reported, why_raw
from faults.works import Work, expected_of


def together(work: Work, n: int, place: Path, *, seed: int = 0) -> tuple[int, list[str]]:
    """How often the second of two writers was refused, in `n` trials, and what is wrong."""
    rng = random.Random(f"writers {work.name} {seed}")
    expected, _ = expected_of(work, place / "whole")
    refused, wrong = 0, []
    for _ in range(n):
        folder = place / "work"
        folder.mkdir(parents=True)
        answers = _race(work, folder, rng.random() * 0.02)
        refused += sum(answer.startswith("refused") for answer in answers)
        wrong += [f"{work.name}, two writers: {one}" for one in answers if one.startswith("raw")]
        if not any(answer == "done" for answer in answers):
            wrong.append(f"{work.name}, two writers: neither did it: {answers}")
        found = work.problem(folder, expected) or _left(work, folder)
        if found:
            wrong.append(f"two writers: {found}")
        shutil.rmtree(folder)
    return refused, wrong


def _left(work: Work, folder: Path) -> str:
    found = sorted(file.name for file in folder.iterdir())
    return "" if found == [work.visible] else f"{work.name}: left {found}"


def _race(work: Work, folder: Path, delay: float) -> list[str]:
    """What two children came to that begin at nearly the same time."""
    began = time.monotonic() + 0.05
    pipes = []
    for turn in range(2):
        reading, writing = os.pipe()
        if os.fork() == 0:
            os.close(reading)
            time.sleep(max(0.0, began + turn * delay - time.monotonic()))
            os.write(writing, str(reported(lambda: _written(work, folder))).encode())
            os._exit(0)
        os.close(writing)
        pipes.append(reading)
    answers = []
    for reading in pipes:
        answer = b""
        while piece := os.read(reading, 4096):
            answer += piece
        os.close(reading)
        os.wait()
        answers.append(answer.decode())
    return answers


def _written(work: Work, folder: Path) -> str:
    try:
        work.run(folder, silent)
    except Exception as error:  # noqa: BLE001 - what comes out is what is looked at
        raw = why_raw(error, (work.visible,))
        return f"raw {raw}" if raw else f"refused {error}"
    return "done"


def shrunk(n: int, place: Path, *, seed: int = 0) -> list[str]:
    """What is wrong when a store is cut off while it is open: it must be an error, no signal."""
    rng = random.Random(f"shrinks {seed}")
    model, data = ct.load_model(subjects.small_net(), name="small net"), subjects.pictures(200)
    whole = place / "whole"
    ct.capture(model, data, ["conv1"], store=whole / "acts", show=None)
    wrong = []
    for _ in range(n):
        folder = place / "cut"
        shutil.copytree(whole, folder)
        size = (folder / "acts" / "0000.npy").stat().st_size
        keep = int(size * rng.random())
        answer = reported(lambda f=folder, k=keep: _read_cut(f / "acts", k))
        if answer:
            wrong.append(f"store cut to {keep} of {size} bytes while open: {answer}")
        shutil.rmtree(folder)
    shutil.rmtree(whole)
    return wrong


def _read_cut(store: Path, keep: int) -> str:
    acts = ct.Activations.open(store)
    os.truncate(store / "0000.npy", keep)
    try:
        values: Any = np.array(acts["conv1"])
    except Exception as error:  # noqa: BLE001 - what comes out is what is looked at
        return why_raw(error, (str(store), "0000.npy"))
    return f"read {values.nbytes} bytes that are not there"

"""Cancel and Ctrl-C at random moments: the model and the process are as they were."""

import os
import random
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

import cutaway as ct
from cutaway.core import Cancelled, silent
from cutaway.core.tick import Tick
from faults import subjects
from faults.formats import fingerprint
from faults.watch import die_with_parent, reported, silence

Task = Callable[[Tick], Any]


def tasks(model: ct.model.Model, *, quick: bool = False) -> dict[str, Task]:
    """What is interrupted, by name; the screen, whose engine is compiled first, unless `quick`."""
    data = subjects.pictures(160)
    acts = ct.capture(model, data, ["conv1"], pool=4, show=None)
    example = data.batch(np.arange(24)).inputs
    edits = [ct.Zero("conv1", 2), ct.Mean("fc1", (0, 3))]
    found = {
        "capture": lambda tick: ct.capture(
            model, data, ["conv1", "fc1"], batch_size=2, tick=tick, show=None
        ),
        "screen": lambda tick: ct.screen_filters(acts, k_max=3, tick=tick),
        "merge": lambda tick: ct.merge_features(model, example, beta=0.4, tick=tick),
        "predict": lambda tick: ct.predict(model, data, batch_size=2, tick=tick),
        "ablate": lambda tick: ct.ablate(
            model, data, edits, controls=9, batch_size=20, tick=tick
        ),
        "attribute": lambda tick: ct.attribute(
            model, data, data.index.ids[:12], steps=8, batch_size=4, tick=tick
        ),
    }  # fmt: skip
    if quick:
        del found["screen"]
    return found


def prepared_model() -> ct.model.Model:
    """A live module with mixed modes, frozen weights and a hook of somebody else's."""
    net = subjects.small_net().train()
    net.conv2.eval()
    net.fc1.weight.requires_grad_(False)
    net.fc2.register_forward_hook(lambda _module, _given, _out: None)
    return ct.load_model(net, name="small net")


def state(model: ct.model.Model) -> str:
    """Everything about a model and this process that an interrupted task must leave alone."""
    parts = list(model.module.modules())
    return fingerprint(
        [
            dict(model.module.state_dict()),
            [part.training for part in parts],
            [[len(part._forward_hooks), len(part._forward_pre_hooks)] for part in parts],
            [[len(part._backward_hooks), sorted(vars(part))] for part in parts],
            [[p.requires_grad, p.grad is None] for p in model.module.parameters()],
            torch.is_grad_enabled(), str(torch.get_default_dtype()), torch.get_num_threads(),
            torch.get_rng_state(),
        ]
    )  # fmt: skip


def _lock_is_free(model: ct.model.Model) -> bool:
    free: list[bool] = []
    thread = threading.Thread(target=lambda: free.append(model.lock.acquire(timeout=5)))
    thread.start()
    thread.join(10)
    return free == [True]


def cancelled(name: str, model: ct.model.Model, task: Task, n: int, *, seed: int = 0) -> list[str]:
    """What is wrong after cancels from `n` random ticks of a task."""
    rng = random.Random(f"cancels {name} {seed}")
    before = state(model)
    seen: list[float] = []
    task(lambda fraction, _message: seen.append(fraction))
    wrong = []
    for _ in range(n):
        at = rng.randrange(len(seen))
        answer = reported(lambda at=at: _cancel(model, task, at, before))
        if answer:
            wrong.append(f"{name}, cancelled at tick {at} of {len(seen)}: {answer}")
    return wrong


def _cancel(model: ct.model.Model, task: Task, at: int, before: str) -> str:
    calls: list[float] = []

    def tick(fraction: float, _message: str) -> None:
        calls.append(fraction)
        if len(calls) == at + 1:
            raise Cancelled

    try:
        task(tick)
    except Cancelled:
        return _changes(model, before)
    return "went on"


def _changes(model: ct.model.Model, before: str) -> str:
    if state(model) != before:
        return "the model or the process changed"
    return "" if _lock_is_free(model) else "the model's lock is held"


def interrupted(
    name: str, model: ct.model.Model, task: Task, n: int, *, seed: int = 0
) -> tuple[int, list[str]]:
    """How many of `n` Ctrl-C at random moments hit, and what is wrong after them."""
    rng = random.Random(f"interrupts {name} {seed}")
    before = state(model)
    began = time.perf_counter()
    task(silent)
    seconds = time.perf_counter() - began
    hits, wrong = 0, []
    for _ in range(n):
        answer = _interrupt(model, task, before, rng.uniform(0, seconds))
        hits += answer != "ended before"
        if answer not in ("", "ended before"):
            wrong.append(f"{name}, Ctrl-C: {answer}")
    return hits, wrong


def _interrupt(model: ct.model.Model, task: Task, before: str, delay: float) -> str:
    """A child does the task; this process sends it SIGINT and hears what it found."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reading)
            die_with_parent()
            silence()
            os.write(writing, (_interrupted(model, task, before, writing) or "whole").encode())
        finally:
            os._exit(0)
    os.close(writing)
    os.read(reading, 1)
    time.sleep(delay)
    os.kill(child, signal.SIGINT)
    answer = b""
    while piece := os.read(reading, 4096):
        answer += piece
    os.close(reading)
    _, status = os.waitpid(child, 0)
    if not answer:
        return f"died of signal {status & 127}"
    return "" if answer == b"whole" else answer.decode()


def _interrupted(model: ct.model.Model, task: Task, before: str, writing: int) -> str:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    hit = False
    try:
        os.write(writing, b"x")
        task(silent)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    except KeyboardInterrupt:
        hit = True
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return _changes(model, before) if hit else "ended before"

"""What makes a training run repeat bit for bit: one thread and seeded chance."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

Tick = Callable[[float, str], None]


def silent(fraction: float, message: str) -> None:
    """Hear progress and do nothing."""
    del fraction, message


@contextmanager
def reproducible(seed: int) -> Iterator[torch.Generator]:
    """Run a block on one thread with seeded chance.

    Sums over several threads are rounded in another order, so that one thread is part of the
    recipe. Initialisation and dropout of torch use its global generator: it is seeded inside the
    block and restored after it, whatever happens.

    Parameters
    ----------
    seed : int
        Of the global generator inside the block and of the one given out.

    Yields
    ------
    torch.Generator
        For order and shifts.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            yield torch.Generator().manual_seed(seed)
    finally:
        torch.set_num_threads(threads)


def cosine(step: int, n_steps: int) -> float:
    """Factor of the learning rate: a rise over the first twentieth, then a half cosine to 0.

    Parameters
    ----------
    step, n_steps : int
        Steps done and steps in all.

    Returns
    -------
    float
        Between 0 and 1.
    """
    rise = max(1, n_steps // 20)
    if step < rise:
        return (step + 1) / rise
    done = (step - rise) / max(1, n_steps - rise)
    half_turn = torch.pi * min(1.0, done)
    return float(0.5 * (1.0 + torch.cos(torch.tensor(half_turn, dtype=torch.float64))))

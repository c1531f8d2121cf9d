"""Digests of results made with 1, 2 and 4 threads, each in a fresh process."""

import os
import subprocess
import sys

COUNTS = (1, 2, 4)
_CODE = """
import numpy as np, torch
torch.set_num_threads({threads})
import cutaway as ct
from faults import subjects
model, data = ct.load_model(subjects.small_net(), name="small net"), subjects.pictures(200)
acts = ct.capture(model, data, ["conv1", "fc1"], pool=4, show=None)
example = data.batch(np.arange(24)).inputs
for result in (
    ct.screen_filters(acts, k_max=2), ct.project(acts, site="fc1"), ct.predict(model, data),
    ct.ablate(model, data, [ct.Zero("conv1", 2)], controls=4),
    ct.attribute(model, data, data.index.ids[:6], steps=8),
    ct.merge_features(model, example, beta=0.4),
):
    print(type(result).__name__, result.digest)
"""


def digests() -> dict[int, dict[str, str]]:
    """Digests by kind of result, by number of threads."""
    found = {}
    for threads in COUNTS:
        pools = ("OMP", "MKL", "OPENBLAS", "NUMBA")
        limits = {f"{name}_NUM_THREADS": str(threads) for name in pools}
        done = subprocess.run(
            [sys.executable, "-c", _CODE.format(threads=threads)],
            env={**os.environ, **limits, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        found[threads] = dict(line.split() for line in done.stdout.splitlines())
    return found


def that_differ(found: dict[int, dict[str, str]]) -> list[str]:
    """Kinds of result whose digest is not the same for all numbers of threads."""
    first = found[COUNTS[0]]
    return [name for name in first if len({some.get(name) for some in found.values()}) > 1]

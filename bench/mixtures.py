"""Mixtures of many filters against scikit-learn's loop: time, quality, growth, limit, memory."""

import os
import subprocess
import sys
import tempfile
import textwrap
import time
import warnings
from collections.abc import Callable
from typing import Any

import joblib
import numpy as np
import report
from sklearn.mixture import GaussianMixture

from cutaway.filters import fit_mixtures
from cutaway.filters.engines import n_threads
from cutaway.filters.search import Search, choose_k, search_components

F, N, D, K_MAX, STARTS = 256, 2000, 4, 5, 12
LOOPED, POOLED = 4, 8  # scikit-learn fits one filter in so many; the cost of a loop is linear
OPTIONS = {"k_max": K_MAX, "criterion": "bic", "covariance": "full", "tau": 0.05, "seed": 0}
LIMIT = """
    import time
    import numpy as np
    from cutaway.filters import fit_mixtures

    def best(act, repeats):
        times = []
        for _ in range(repeats):
            begun = time.perf_counter()
            act()
            times.append(time.perf_counter() - begun)
        return min(times)

    a = np.random.default_rng(0).normal(size=(800, 800))
    print(2 * 800**3 / best(lambda: a @ a, 20))
    x = np.random.default_rng(1).normal(size=(8, 2000, 4))
    for k in (2, 3, 5):
        start = np.random.default_rng(k).dirichlet(np.ones(k), size=(8, 2000))
        few, many = (
            best(lambda: fit_mixtures(x, k, start=start, tol=0.0, max_iter=n), 7)
            for n in (20, 220)
        )
        print((many - few) / (200 * 8 * 2000 * k))
"""
MEMORY = """
    import resource, sys, time
    import numpy as np
    from cutaway.filters.search import search_components

    x = np.empty((1000, 50_000, 4))
    rng = np.random.default_rng(0)
    for one in x:
        rng.standard_normal(out=one)
    begun = time.perf_counter()
    options = dict(criterion="bic", covariance="full", tau=0.05, seed=0)
    search_components(x, k_max=2, **options)
    print(time.perf_counter() - begun)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""
FIRST = """
    import time
    import numpy as np
    from cutaway.filters.search import search_components

    x = np.random.default_rng(0).normal(size=(1, 200, 4))
    options = dict(criterion="bic", covariance="full", tau=0.05, seed=0)
    begun = time.perf_counter()
    search_components(x, k_max=2, **options)
    print(time.perf_counter() - begun)
"""


def filters(count: int, n: int, seed: int = 0) -> np.ndarray:
    """A quarter each of Gaussian, softplus, 1 % outlier and 40/60 bimodal filters."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, n, D)) * [1.0, 0.7, 0.5, 0.35]
    q = count // 4
    x[q : 2 * q] = np.log1p(np.exp(2.0 * x[q : 2 * q]))
    x[2 * q : 3 * q, : n // 100] += 4.0 * rng.normal(size=(q, 1, D))
    x[3 * q :, : int(0.4 * n)] += 1.5 * rng.normal(size=(count - 3 * q, 1, D))
    x -= x.mean(axis=1, keepdims=True)
    largest = [np.linalg.eigvalsh(np.cov(one.T))[-1] for one in x]
    return x / np.sqrt(largest)[:, None, None]


def theirs(one: np.ndarray, tol: float = 1e-3) -> list[float]:
    """scikit-learn's BIC of one filter for every k; one start where k = 1, as ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [
            GaussianMixture(
                k, reg_covar=1e-3, tol=tol, max_iter=200, n_init=STARTS if k > 1 else 1,
                random_state=0,
            ).fit(one).bic(one)
            for k in range(1, K_MAX + 1)
        ]  # fmt: skip


def seconds(act: Callable[[], Any]) -> tuple[float, Any]:
    begun = time.perf_counter()
    answer = act()
    return time.perf_counter() - begun, answer


def ours(x: np.ndarray, engine: str = "auto") -> Search:
    return search_components(x, engine=engine, **OPTIONS)


def paired() -> tuple[np.ndarray, float, float, float, np.ndarray]:
    """Times in turns, so that what else the machine does falls on all of them."""
    x = filters(F, N)
    ours(x[:4])
    mine, loop, pool, bics = [], 0.0, 0.0, []
    with joblib.Parallel(n_jobs=2) as workers:
        workers(joblib.delayed(theirs)(one) for one in x[:2, :100])
        for part in np.array_split(np.arange(F)[::LOOPED], 4):
            mine.append(seconds(lambda: ours(x))[0])
            taken, found = seconds(lambda part=part: [theirs(x[f]) for f in part])
            loop += taken * LOOPED
            bics += found
            mine.append(seconds(lambda: ours(x))[0])
            few = part[:: POOLED // LOOPED]
            taken, _ = seconds(lambda few=few: workers(joblib.delayed(theirs)(x[f]) for f in few))
            pool += taken * POOLED
    return x, np.median(mine), loop, pool, np.array(bics)


def quality(x: np.ndarray, bics: np.ndarray) -> str:
    found = ours(x[::LOOPED])
    gain = found.bics.min(axis=1) - bics.min(axis=1)
    same = np.mean(found.k == choose_k(bics, bics, "bic"))
    return (
        f"Least BIC less scikit-learn's: mean {gain.mean():+.2f}, "
        f"median {np.median(gain):+.3f}, worst {gain.max():+.2f}, best {gain.min():+.2f}; "
        f"worse by more than 2 (the difference that counts for a component) in "
        f"{(gain > 2).sum()} of {len(gain)}, better by more than 2 in {(gain < -2).sum()}; "
        f"same number of components chosen in {same:.0%}."
    )


def growth() -> list[list[object]]:
    """Seconds and nanoseconds a filter and sample, doubling filters and then samples."""
    sizes = [(32, N), (64, N), (128, N), (256, N), (512, N)]
    sizes += [(64, 500), (64, 1000), (64, 4000), (64, 8000), (64, 16_000)]
    rows = []
    for count, n in sizes:
        x = filters(count, n)
        taken = min(seconds(lambda x=x: ours(x))[0] for _ in range(2))
        rows.append([count, n, f"{taken:.3f}", f"{taken / (count * n) * 1e9:.0f}"])
    return rows


def engines(x: np.ndarray) -> list[list[object]]:
    """Seconds of the other engines on 32 filters."""
    rows = []
    for name in ("numba", "numpy", "torch"):
        ours(x[:2], name)
        rows.append([name, f"{seconds(lambda name=name: ours(x, name))[0]:.2f}"])
    return rows


def strict(x: np.ndarray) -> tuple[float, float, np.ndarray]:
    """The same restarts, all to 1e-6, on a few filters; by one k, as fit_mixtures does."""
    options = {"tol": 1e-6, "max_iter": 200}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mine, found = seconds(
            lambda: [fit_mixtures(x, k, **options).bic for k in range(1, K_MAX + 1)]
        )
    loop, bics = seconds(lambda: np.array([theirs(one, 1e-6) for one in x]))
    gain = np.min(found, axis=0) - bics.min(axis=1)
    return mine, loop, gain


def child(code: str, **environment: str) -> list[float]:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], check=True, capture_output=True, text=True,
        env=os.environ | environment,
    )  # fmt: skip
    return [float(one) for one in done.stdout.split()]


def main() -> None:
    x, mine, loop, pool, bics = paired()
    heads = ["who", "seconds", "ratio", "goal"]
    rows = [
        ["cutaway", f"{mine:.2f}", "1", ""],
        ["scikit-learn, loop", f"{loop:.1f}", f"{loop / mine:.1f}", "≥ 15"],
        ["scikit-learn, joblib 2", f"{pool:.1f}", f"{pool / mine:.1f}", "≥ 8"],
    ]
    each = x[:: len(x) // 4]
    tight, tight_loop, tight_gain = strict(each)
    peak, *times = child(LIMIT, OMP_NUM_THREADS="1")
    # For d = 4: density 28, softmax 34 (22 of them in the exponential's polynomial), moments 33.
    reached = [95 / one / peak for one in times]
    with tempfile.TemporaryDirectory() as folder:
        (cold,) = child(FIRST, NUMBA_CACHE_DIR=folder)
        (warm,) = child(FIRST, NUMBA_CACHE_DIR=folder)
    taken, resident = child(MEMORY)
    report.write(
        "mixtures",
        "Mixtures of many filters, against scikit-learn",
        f"{F} filters × {N} samples × {D} dimensions, k = 1..{K_MAX}, full covariances, "
        f"{STARTS} starts, tolerance 1e-3, ridge 1e-3. In turns in one run; cutaway's time is the "
        f"median of 8 and uses {n_threads()} thread(s); scikit-learn's loop fits one filter in "
        f"{LOOPED} and joblib (pool warm) one in {POOLED}, times scaled up.",
        report.table(heads, rows),
        quality(x, bics),
        f"Tolerance 1e-6, {len(each)} filters: {tight:.2f} s against {tight_loop:.1f} s, ratio "
        f"{tight_loop / tight:.0f}; BIC mean {tight_gain.mean():+.2f}, "
        f"worst {tight_gain.max():+.2f}.",
        "## Growth\n\nThe whole search; the last column is flat where cost is linear.",
        report.table(["filters", "samples", "seconds", "ns a filter and sample"], growth()),
        "## Engines\n\n32 filters, the whole search, seconds (torch on the processor).",
        report.table(["engine", "seconds"], engines(x[:: len(x) // 32 or 1])),
        "## Limit\n\nOne thread, an iteration in flops (95 a sample and component, for d = 4, "
        "multiply and add counted as two) against what numpy's matrix product reaches "
        f"({peak / 1e9:.0f} Gflop/s): "
        + ", ".join(
            f"k = {k} {time_ * 1e9:.2f} ns, {part:.0%}"
            for k, time_, part in zip((2, 3, 5), times, reached, strict=True)
        )
        + ".",
        f"First call: {cold:.1f} s with nothing compiled, {warm:.1f} s from the disk.",
        "## Memory\n\n1,000 filters × 50,000 samples × 4 dimensions (1.6 GB), k = 1..2: "
        f"{taken:.0f} s, peak {resident / 1e9:.2f} GB; goal ≤ 4 GB: "
        f"**{'met' if resident <= 4e9 else 'missed'}**.",
    )


if __name__ == "__main__":
    main()

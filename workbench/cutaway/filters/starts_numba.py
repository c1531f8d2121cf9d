"""Starting responsibilities of one filter in compiled code: the steps of `starts`.

Samples are columns of x (d, n) in the order of their first coordinate.
"""

# ruff: noqa: C901, PLR0917 - compiled code: positional arguments, loops spelt out

import numpy as np
from numpy.typing import NDArray

from cutaway.filters.kernels import (
    BLOCK,
    Array,
    Marker,
    accumulate,
    clear,
    compiled,
    kept_on_disk,
    log_density,
    whitener,
)
from cutaway.filters.starts import FREEDOM, LLOYD_STEPS, RIDGE, SCATTER_STEPS


@compiled
def cluster(
    x: Array, n: int, start: int, uniform: Array, far: NDArray[np.bool_], resp: Array
) -> None:
    """Write hard responsibilities (k, n): k-means, or far samples beside k-means of the rest."""
    k, n_random = len(resp), len(uniform) - 1
    outlier = k > 1 and start >= n_random
    groups = k - 1 if outlier else k
    used = np.empty(n)
    last = resp[k - 1]
    for i in range(n):
        last[i] = 1.0 if k == 1 or (outlier and far[start - n_random, i]) else 0.0
        used[i] = 1.0 - last[i]
    if k == 1:
        return
    centres = _spread_centres(x, n, used, uniform[min(start, n_random)], groups)
    label, best = np.empty(BLOCK), np.empty(BLOCK)
    closeness, sums = np.empty((groups, BLOCK)), np.empty((groups, 1 + len(x)))
    for step in range(LLOYD_STEPS + 1):
        clear(sums)
        for a in range(0, n, BLOCK):
            m = min(BLOCK, n - a)
            _close(x, a, m, centres, closeness)
            harden(closeness, m, label, best)
            for i in range(m):
                label[i] = label[i] if used[a + i] > 0.0 else -1.0
            add_hard(x, a, m, label, sums)
            if step == LLOYD_STEPS:
                for c in range(groups):
                    for i in range(m):
                        resp[c, a + i] = 1.0 if label[i] == c else 0.0
        for c in range(groups):
            for j in range(len(x)):
                if sums[c, 0] > 0.0:
                    centres[c, j] = sums[c, 1 + j] / sums[c, 0]


@compiled
def _spread_centres(x: Array, n: int, used: Array, uniform: Array, k: int) -> Array:
    """k-means++ centres (k, d), drawn along the order of the samples."""
    d = len(x)
    centres, distance, apart = np.empty((k, d)), np.empty(n), np.empty(n)
    for i in range(n):
        distance[i] = used[i]
    for c in range(k):
        place = _draw(distance, uniform[c])
        for j in range(d):
            centres[c, j] = x[j, place]
        for j in range(d):
            row, centre = x[j], centres[c, j]
            for i in range(n):
                before = apart[i] if j > 0 else 0.0
                apart[i] = before + (row[i] - centre) ** 2
        for i in range(n):
            new = apart[i] * used[i]
            distance[i] = new if c == 0 else min(distance[i], new)
    return centres


@compiled
def _draw(weight: Array, uniform: float) -> int:
    """First place whose cumulated weight exceeds the fraction `uniform` of the whole."""
    n = len(weight)
    blocks = (n + BLOCK - 1) // BLOCK
    mass = np.zeros(blocks)
    for one in range(blocks):
        for i in range(one * BLOCK, min(n, (one + 1) * BLOCK)):
            mass[one] += weight[i]
    whole = 0.0
    for one in range(blocks):
        whole += mass[one]
    target, walked = uniform * whole, 0.0
    for one in range(blocks):
        if walked + mass[one] > target:
            for i in range(one * BLOCK, min(n, (one + 1) * BLOCK)):
                walked += weight[i]
                if walked > target:
                    return i
        else:
            walked += mass[one]
    return 0  # nothing left to draw from: all samples are centres


@compiled
def _close(x: Array, a: int, m: int, centres: Array, out: Array) -> None:
    """Closeness c'x - |c|^2 / 2 of samples a .. a + m to every centre."""
    for c in range(len(centres)):
        row, half = out[c], 0.0
        for j in range(len(x)):
            half += 0.5 * centres[c, j] ** 2
        for i in range(m):
            row[i] = -half
        for j in range(len(x)):
            across, centre = x[j, a : a + m], centres[c, j]
            for i in range(m):
                row[i] += centre * across[i]


@compiled
def harden(values: Array, m: int, label: Array, best: Array) -> None:
    """Place of the largest of values (k, m), the first among equals."""
    for i in range(m):
        label[i], best[i] = 0.0, values[0, i]
    for c in range(1, len(values)):
        row = values[c]
        for i in range(m):
            label[i] = c if row[i] > best[i] else label[i]
            best[i] = max(best[i], row[i])


@compiled
def add_hard(x: Array, a: int, m: int, label: Array, sums: Array) -> None:
    """Add mass and coordinate sums of every label to sums (k, 1 + d)."""
    for c in range(len(sums)):
        mass = 0.0
        for i in range(m):
            mass += 1.0 if label[i] == c else 0.0
        sums[c, 0] += mass
        for j in range(len(x)):
            row, first = x[j, a : a + m], 0.0
            for i in range(m):
                first += row[i] if label[i] == c else 0.0
            sums[c, 1 + j] += first


@kept_on_disk
def robust_distances(across: Array, count: NDArray[np.int64], out: Array, marker: Marker) -> None:
    """Squared distances (b, n) under the scatter of a t distribution; zero where there is none."""
    d = across.shape[1]
    theta, value = np.zeros(1 + d + d * d), np.empty(BLOCK)
    sums, mean = np.empty(1 + d + d * (d + 1) // 2), np.empty(d)
    for f in range(len(across)):
        x, n = across[f], count[f]
        ridge = 0.0
        for j in range(d):
            mean[j] = 0.0
        for step in range(SCATTER_STEPS + 1):
            for j in range(len(sums)):
                sums[j] = 0.0
            for a in range(0, n, BLOCK):
                m = min(BLOCK, n - a)
                log_density(x, a, m, theta, value, marker)  # the first time unused
                for i in range(m):
                    out[f, a + i] = -value[i]
                    value[i] = (FREEDOM + d) / (FREEDOM - value[i]) if step > 0 else 1.0
                if step < SCATTER_STEPS:
                    accumulate(x, a, value[:m], mean, sums, marker)
            if step < SCATTER_STEPS:
                ridge = _scatter(sums, n, ridge, mean, theta)
            if not ridge > 0.0:
                for i in range(n):
                    out[f, i] = 0.0
                break


@compiled
def _scatter(sums: Array, n: int, ridge: float, mean: Array, theta: Array) -> float:
    """Move `mean` and write theta from weighted moments; the ridge, 0 where nothing varies."""
    d = len(mean)
    covariance, inverse = np.empty((d, d)), np.zeros((d, d))
    p, trace = 1 + d, 0.0
    for i in range(d):
        for j in range(i + 1):
            covariance[i, j] = (sums[p] - sums[1 + i] * sums[1 + j] / sums[0]) / n
            p += 1
        trace += covariance[i, i]
        mean[i] += sums[1 + i] / sums[0]
    if ridge == 0.0:
        ridge = RIDGE * trace / d
    for i in range(d):
        covariance[i, i] += ridge
    if not whitener(covariance, inverse) < np.inf:
        return 0.0
    for i in range(d):
        theta[1 + i] = 0.0
        for j in range(i + 1):
            theta[1 + d + i * d + j] = inverse[i, j]
            theta[1 + i] += inverse[i, j] * mean[j]
    return ridge

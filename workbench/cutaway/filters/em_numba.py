"""EM of one filter after the other in compiled code, expectation and maximisation in one walk.

Notation as in `em`; what the arrays hold per filter has lost its first axis. Memory does not grow
with n beyond the samples themselves. Starts are made here too (`starts_numba`), so that a whole
search leaves the interpreter once for every k.
"""

# ruff: noqa: C901, PLR0917 - compiled code: positional arguments, loops spelt out

import numpy as np
from numpy.typing import NDArray

from cutaway.filters.kernels import (
    BLOCK,
    LOG2E,
    Array,
    Marker,
    accumulate,
    clear,
    compiled,
    kept_on_disk,
    log_density,
    soften,
    whitener,
)
from cutaway.filters.starts_numba import add_hard, cluster, harden

OPEN, DONE, FAILED = 0, 1, 2
TIED, DIAG, SPHERICAL = 1, 2, 3
_TINY = 10 * float(np.finfo(np.float64).eps)  # keeps empty components from dividing by zero
_SCALE = float(np.sqrt(0.5 * LOG2E))


@compiled
def _coefficients(weights: Array, means: Array, covariances: Array, theta: Array) -> bool:
    """Write each component's [c, b, W] for `log_density`; False where one is not definite."""
    k, d = means.shape
    inverse = np.empty((d, d))
    for c in range(k):
        logdet = whitener(covariances[c], inverse)
        if not logdet < np.inf:
            return False
        theta[c, 0] = np.log2(weights[c]) - 0.5 * (logdet + d * np.log2(2.0 * np.pi))
        for i in range(d):
            shift = 0.0
            for j in range(i + 1):
                w = inverse[i, j] * _SCALE
                theta[c, 1 + d + i * d + j] = w
                shift += w * means[c, j]
            theta[c, 1 + i] = shift
    return True


@compiled
def _maximise(
    sums: Array, reg: float, kind: int, weights: Array, means: Array, covariances: Array
) -> None:
    """M-step in place: `means` holds the points that the moments were taken about."""
    k, d = means.shape
    total = 0.0
    move = np.empty(d)
    for c in range(k):
        weights[c] = sums[c, 0] + _TINY
        total += weights[c]
        for i in range(d):
            mean = (sums[c, 1 + i] + sums[c, 0] * means[c, i]) / weights[c]
            move[i], means[c, i] = mean - means[c, i], mean
        p = 1 + d
        for i in range(d):
            for j in range(i + 1):
                value = sums[c, p] + sums[c, 0] * move[i] * move[j]
                value -= sums[c, 1 + i] * move[j] + move[i] * sums[c, 1 + j]
                covariances[c, i, j] = covariances[c, j, i] = value / weights[c]
                p += 1
    for c in range(k):
        weights[c] /= total
    if kind:
        _restrict(kind, weights, covariances)
    for c in range(k):
        for i in range(d):
            covariances[c, i, i] += reg


@compiled
def _restrict(kind: int, weights: Array, covariances: Array) -> None:
    """Make full covariances tied, diagonal or spherical ones."""
    k, d = covariances.shape[:2]
    for i in range(d):
        for j in range(d):
            shared = 0.0
            for c in range(k):
                shared += weights[c] * covariances[c, i, j]
            for c in range(k):
                if kind == TIED:
                    covariances[c, i, j] = shared
                elif i != j:
                    covariances[c, i, j] = 0.0
    if kind == SPHERICAL:
        for c in range(k):
            variance = 0.0
            for i in range(d):
                variance += covariances[c, i, i] / d
            for i in range(d):
                covariances[c, i, i] = variance


@compiled
def _walk(x: Array, n: int, theta: Array, means: Array, sums: Array, marker: Marker) -> float:
    """E-step and the moments of the M-step; return the mean log-likelihood."""
    k = len(theta)
    logits, total, top = np.empty((k, BLOCK)), np.empty(BLOCK), np.empty(BLOCK)
    clear(sums)
    likelihood = 0.0
    for a in range(0, n, BLOCK):
        m = min(BLOCK, n - a)
        for c in range(k):
            log_density(x, a, m, theta[c], logits[c], marker)
        likelihood += soften(logits, m, total, top)
        for c in range(k):
            accumulate(x, a, logits[c, :m], means[c], sums[c], marker)
    return likelihood / max(n, 1)


@compiled
def _climb(
    x: Array,
    n: int,
    mixture: tuple[Array, Array, Array],
    rule: tuple[int, float, float, int],
    trace: Array,
    marker: Marker,
) -> tuple[float, int, int]:
    """EM in place: the last bound, iterations, code."""
    bound, n_iter, code = -np.inf, 0, OPEN
    weights, means, covariances = mixture
    max_iter, tol, reg, kind = rule
    k, d = means.shape
    theta = np.zeros((k, 1 + d + d * d))
    sums = np.empty((k, 1 + d + d * (d + 1) // 2))
    while code == OPEN and n_iter < max_iter:
        if not _coefficients(weights, means, covariances, theta):
            code = FAILED
            break
        now = _walk(x, n, theta, means, sums, marker)
        _maximise(sums, reg, kind, weights, means, covariances)
        trace[n_iter] = now
        n_iter += 1
        if abs(now - bound) < tol:
            code = DONE
        bound = now
    return bound, n_iter, code


@compiled
def _begin(
    x: Array,
    resp: Array,
    mixture: tuple[Array, Array, Array],
    rule: tuple[int, float, float, int],
    marker: Marker,
) -> None:
    """M-step of responsibilities (k, n) into `mixture`: first about the origin, then the means."""
    weights, means, covariances = mixture
    k, d = means.shape
    n = resp.shape[1]
    clear(means)
    sums = np.empty((k, 1 + d + d * (d + 1) // 2))
    for _ in range(2):
        clear(sums)
        for a in range(0, n, BLOCK):
            for c in range(k):
                accumulate(x, a, resp[c, a : min(a + BLOCK, n)], means[c], sums[c], marker)
        _maximise(sums, rule[2], rule[3], weights, means, covariances)


@kept_on_disk
def fit_from(
    across: Array,
    count: NDArray[np.int64],
    resp: Array,
    rule: tuple[int, float, float, int],
    mixtures: tuple[Array, Array, Array],
    ends: tuple[Array, NDArray[np.int64], NDArray[np.int64], Array],
    marker: Marker,
) -> None:
    """EM from given responsibilities (b, k, n) for every filter of a block."""
    bound, n_iter, code, trace = ends
    for f in range(len(across)):
        n = count[f]
        mixture = (mixtures[0][f], mixtures[1][f], mixtures[2][f])
        _begin(across[f], resp[f, :, :n], mixture, rule, marker)
        bound[f], n_iter[f], code[f] = _climb(across[f], n, mixture, rule, trace[f], marker)


@kept_on_disk
def fit_best(
    across: Array,
    count: NDArray[np.int64],
    uniform: Array,
    far: NDArray[np.bool_],
    rule: tuple[int, float, float, int],
    mixtures: tuple[Array, Array, Array],
    ends: tuple[Array, NDArray[np.int64], NDArray[np.int64], Array],
    marker: Marker,
) -> None:
    """EM from several starts for every filter of a block: the likeliest."""
    b, d, longest = across.shape
    k = mixtures[0].shape[1]
    starts = len(uniform) - 1 + far.shape[1] if k > 1 else 1
    now = np.empty(k), np.empty((k, d)), np.empty((k, d, d))
    resp, trace = np.empty((k, longest)), np.empty(rule[0])
    for f in range(b):
        x, n = across[f], count[f]
        for s in range(starts):
            cluster(x, n, s, uniform, far[f], resp)
            _begin(x, resp[:, :n], now, rule, marker)
            bound, n_iter, code = _climb(x, n, now, rule, trace, marker)
            if s == 0 or bound > ends[0][f]:
                _copy(now, (mixtures[0][f], mixtures[1][f], mixtures[2][f]))
                ends[0][f], ends[1][f], ends[2][f] = bound, n_iter, code
                for i in range(rule[0]):
                    ends[3][f, i] = trace[i] if i < n_iter else np.nan


@compiled
def _copy(of: tuple[Array, Array, Array], to: tuple[Array, Array, Array]) -> None:
    """Copy weights, means and covariances of one mixture."""
    k, d = of[1].shape
    for c in range(k):
        to[0][c] = of[0][c]
        for i in range(d):
            to[1][c, i] = of[1][c, i]
            for j in range(d):
                to[2][c, i, j] = of[2][c, i, j]


@kept_on_disk
def measure(
    across: Array,
    count: NDArray[np.int64],
    mixtures: tuple[Array, Array, Array],
    resp: Array,
    out: Array,
    marker: Marker,
) -> None:
    """Log-likelihood, entropy and Calinski-Harabasz index (b, 3) of fitted mixtures.

    Responsibilities are written into `resp` (b, k, n) unless it has no samples.
    """
    b, d, _ = across.shape
    k = mixtures[0].shape[1]
    theta, raw, logits = np.zeros((k, 1 + d + d * d)), np.empty((k, BLOCK)), np.empty((k, BLOCK))
    total, top, label = np.empty(BLOCK), np.empty(BLOCK), np.empty(BLOCK)
    for f in range(b):
        x, n = across[f], count[f]
        out[f, 0] = out[f, 1] = out[f, 2] = np.nan
        if not _coefficients(mixtures[0][f], mixtures[1][f], mixtures[2][f], theta):
            continue
        likelihood = expected = 0.0
        hard = np.zeros((k, 1 + d))
        for a in range(0, n, BLOCK):
            m = min(BLOCK, n - a)
            for c in range(k):
                log_density(x, a, m, theta[c], raw[c], marker)
                for i in range(m):
                    logits[c, i] = raw[c, i]
            likelihood += soften(logits, m, total, top)
            expected += _mean_log(logits, raw, m)
            harden(raw, m, label, top)
            add_hard(x, a, m, label, hard)
            if resp.shape[2]:
                for c in range(k):
                    for i in range(m):
                        resp[f, c, a + i] = logits[c, i]
        out[f, 0], out[f, 1] = likelihood, likelihood - expected / LOG2E
        out[f, 2] = _calinski_harabasz(x, n, hard)


@compiled
def _mean_log(resp: Array, logits: Array, m: int) -> float:
    value = 0.0
    for c in range(len(resp)):
        r, row = resp[c], logits[c]
        for i in range(m):
            value += r[i] * row[i]
    return value


@compiled
def _calinski_harabasz(x: Array, n: int, hard: Array) -> float:
    """CH index from the mass and sums of hard labels; the samples are centred."""
    between = whole = 0.0
    clusters = 0
    for c in range(len(hard)):
        if hard[c, 0] > 0.0:
            clusters += 1
            for j in range(len(x)):
                between += hard[c, 1 + j] ** 2 / hard[c, 0]
    for j in range(len(x)):
        row = x[j, :n]
        for i in range(n):
            whole += row[i] * row[i]
    within = whole - between
    if clusters < 2 or not within > 0.0:
        return np.nan
    return (between / (clusters - 1)) / (within / (n - clusters))

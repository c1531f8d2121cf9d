"""The innermost loops of EM in compiled code, and how they are compiled and kept on disk.

Samples are columns of x (d, n), walked in blocks that stay in the first-level cache together with
their log-densities. Every loop over a block runs in vector instructions: exponentials are a
polynomial in straight-line code, and logarithms are taken of products of several sums. d reaches
the code as the length of a tuple (5 for more than 4): a constant to the compiler, which drops what
it does not need.
"""

# ruff: noqa: C901, PLR0917 - compiled code: positional arguments, loops spelt out

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias, TypeVar, cast

import numba
import numpy as np
from numba.extending import intrinsic
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]
Marker: TypeAlias = tuple[int, ...]  # only its length counts
Compiled = TypeVar("Compiled", bound=Callable[..., Any])

BLOCK = 256
LOG2E = float(np.log2(np.e))
_LN2 = float(np.log(2.0))
_ROUND = 1.5 * 2.0**52  # adding it rounds to a whole number, which the low bits then hold
# Chebyshev interpolation of 2^t on -1/2..1/2 at degree 11; its error is 3.2e-18.
_C2, _C3, _C4 = 0.24022650695910158, 0.055504108664821625, 0.009618129107587256
_C5, _C6, _C7 = 0.001333355814640647, 0.00015403530463724353, 1.5252733841556773e-05
_C8, _C9, _C10 = 1.3215432535912375e-06, 1.0178057087733941e-07, 7.074194297288521e-09
_C11 = 4.4558179083360645e-10
_REORDER = {"contract", "reassoc", "nsz", "arcp"}  # sums in any order; NaN and inf keep meaning


def compiled(function: Compiled) -> Compiled:
    """Machine code of a function that other compiled functions call."""
    return cast(Compiled, numba.njit(nogil=True, fastmath=_REORDER, error_model="numpy")(function))


def kept_on_disk(function: Compiled) -> Compiled:
    """Machine code of a function that Python calls, without the interpreter's lock.

    It is kept beside the source, or in the user's folder where that is read-only, or in memory
    alone. The name on disk holds a digest of all the sources: numba itself would not notice that
    a function in another file, compiled into this one, has changed.
    """
    function.__qualname__ += f"_{_digest()}"
    options = {"nogil": True, "fastmath": _REORDER, "error_model": "numpy"}
    try:
        return cast(Compiled, numba.njit(cache=True, **options)(function))
    except RuntimeError:  # no folder can be written
        return cast(Compiled, numba.njit(**options)(function))


def _digest() -> str:
    sources = sorted(Path(__file__).parent.glob("*_numba.py"))
    text = b"".join(one.read_bytes() for one in [Path(__file__), *sources])
    return hashlib.sha256(text).hexdigest()[:12]


def _reinterpreted(_: Any, value: Any) -> Any:  # the compiler's own types, which have none
    to = numba.int64 if value == numba.float64 else numba.float64

    def emit(context: Any, builder: Any, _: Any, given: Any) -> Any:
        return builder.bitcast(given[0], context.get_value_type(to))

    return to(value), emit


_bits = intrinsic(_reinterpreted)  # float64 of the bits of an int64, or the reverse


# Not reordered: (t + _ROUND) - _ROUND would become t.
@numba.njit(nogil=True, fastmath={"contract"}, error_model="numpy")  # type: ignore[untyped-decorator]
def exp2(t: float) -> float:
    """2^t for t <= 0, to the last bit or two; below -1000 as at -1000."""
    t = max(t, -1000.0)
    shifted = t + _ROUND
    f = t - (shifted - _ROUND)
    high = _C6 + f * (_C7 + f * (_C8 + f * (_C9 + f * (_C10 + f * _C11))))
    value = 1.0 + f * (_LN2 + f * (_C2 + f * (_C3 + f * (_C4 + f * (_C5 + f * high)))))
    power: float = _bits((_bits(shifted) << 52) + (1023 << 52))
    return value * power


@compiled
def clear(values: Array) -> None:
    """Make all of values (k, m) zero; by a plain loop, which compiles in a tenth of the time."""
    for c in range(len(values)):
        for i in range(values.shape[1]):
            values[c, i] = 0.0


@compiled
def log_density(x: Array, a: int, m: int, theta: Array, out: Array, marker: Marker) -> None:
    """Base-2 log-densities c - |W x - b|^2 of samples a .. a + m; theta is [c, b (d), W (d, d)]."""
    d = len(marker)
    if d > 4:
        _log_density_wide(x, a, m, theta, out)
        return
    x0, x1 = x[0, a : a + m], x[1 if d > 1 else 0, a : a + m]
    x2, x3 = x[2 if d > 2 else 0, a : a + m], x[3 if d > 3 else 0, a : a + m]
    c, b, w = theta[0], theta[1 : 1 + d], theta[1 + d :]
    b0, w00 = b[0], w[0]
    b1, w10, w11 = (b[1], w[d], w[d + 1]) if d > 1 else (0.0, 0.0, 0.0)
    b2, w20, w21, w22 = (b[2], w[2 * d], w[2 * d + 1], w[2 * d + 2]) if d > 2 else (0.0,) * 4
    b3, w30, w31 = (b[3], w[3 * d], w[3 * d + 1]) if d > 3 else (0.0, 0.0, 0.0)
    w32, w33 = (w[3 * d + 2], w[3 * d + 3]) if d > 3 else (0.0, 0.0)
    for i in range(m):
        z = w00 * x0[i] - b0
        q = c - z * z
        if d > 1:
            z = w10 * x0[i] + w11 * x1[i] - b1
            q -= z * z
        if d > 2:
            z = w20 * x0[i] + w21 * x1[i] + w22 * x2[i] - b2
            q -= z * z
        if d > 3:
            z = w30 * x0[i] + w31 * x1[i] + w32 * x2[i] + w33 * x3[i] - b3
            q -= z * z
        out[i] = q


@compiled
def _log_density_wide(x: Array, a: int, m: int, theta: Array, out: Array) -> None:
    """`log_density` for any d, one direction after the other."""
    d = len(x)
    z = np.empty(m)
    for i in range(m):
        out[i] = theta[0]
    for j in range(d):
        for i in range(m):
            z[i] = -theta[1 + j]
        for one in range(j + 1):
            row, w = x[one, a : a + m], theta[1 + d + j * d + one]
            for i in range(m):
                z[i] += w * row[i]
        for i in range(m):
            out[i] -= z[i] * z[i]


@compiled
def accumulate(x: Array, a: int, r: Array, mean: Array, sums: Array, marker: Marker) -> None:
    """Add the moments of samples a .. a + len(r) about `mean`, weighted by r, to sums.

    sums is [mass, first (d), second (lower triangle by rows)]. Moments about a point near the
    samples: about the origin they cancel when a component is small and far away.
    """
    d, m = len(marker), len(r)
    if d > 4:
        _accumulate_wide(x, a, r, mean, sums)
        return
    x0, x1 = x[0, a : a + m], x[1 if d > 1 else 0, a : a + m]
    x2, x3 = x[2 if d > 2 else 0, a : a + m], x[3 if d > 3 else 0, a : a + m]
    m0, m1 = mean[0], mean[1] if d > 1 else 0.0
    m2, m3 = mean[2] if d > 2 else 0.0, mean[3] if d > 3 else 0.0
    s = s0 = s1 = s2 = s3 = 0.0
    s00 = s10 = s11 = s20 = s21 = s22 = s30 = s31 = s32 = s33 = 0.0
    for i in range(m):
        s += r[i]
        y0 = x0[i] - m0
        t = r[i] * y0
        s0, s00 = s0 + t, s00 + t * y0
        if d > 1:
            y1 = x1[i] - m1
            t = r[i] * y1
            s1, s10, s11 = s1 + t, s10 + t * y0, s11 + t * y1
        if d > 2:
            y2 = x2[i] - m2
            t = r[i] * y2
            s2, s20, s21, s22 = s2 + t, s20 + t * y0, s21 + t * y1, s22 + t * y2
        if d > 3:
            y3 = x3[i] - m3
            t = r[i] * y3
            s3, s30, s31 = s3 + t, s30 + t * y0, s31 + t * y1
            s32, s33 = s32 + t * y2, s33 + t * y3
    first = (s, s0, s1, s2, s3)
    second = (s00, s10, s11, s20, s21, s22, s30, s31, s32, s33)
    for j in range(1 + d):
        sums[j] += first[j]
    for j in range(d * (d + 1) // 2):
        sums[1 + d + j] += second[j]


@compiled
def _accumulate_wide(x: Array, a: int, r: Array, mean: Array, sums: Array) -> None:
    """`accumulate` for any d, one moment after the other."""
    d, m = len(x), len(r)
    t = np.empty(m)
    mass, p = 0.0, 1 + d
    for i in range(m):
        mass += r[i]
    sums[0] += mass
    for j in range(d):
        row, first = x[j, a : a + m], 0.0
        for i in range(m):
            t[i] = r[i] * (row[i] - mean[j])
            first += t[i]
        sums[1 + j] += first
        for one in range(j + 1):
            row, second = x[one, a : a + m], 0.0
            for i in range(m):
                second += t[i] * (row[i] - mean[one])
            sums[p] += second
            p += 1


@compiled
def soften(logits: Array, m: int, total: Array, top: Array) -> float:
    """Make base-2 log-densities (k, m) responsibilities; return the log-likelihood in nats."""
    k = len(logits)
    for i in range(m):
        top[i] = logits[0, i]
        total[i] = 0.0
    for j in range(1, k):
        row = logits[j]
        for i in range(m):
            top[i] = max(top[i], row[i])
    for j in range(k):
        row = logits[j]
        for i in range(m):
            row[i] = exp2(row[i] - top[i])
            total[i] += row[i]
    high = 0.0
    for i in range(m):
        high += top[i]
        top[i] = 1.0 / total[i]
    for j in range(k):
        row = logits[j]
        for i in range(m):
            row[i] *= top[i]
    # A sum lies in 1..k: a product of 16 is far from overflow, and one logarithm serves them all.
    size = m
    while size % 2 == 0 and size > m // 16:
        size //= 2
        for i in range(size):
            total[i] *= total[i + size]
    logs = 0.0
    for i in range(size):
        logs += np.log(total[i])
    return logs + high * _LN2


@compiled
def whitener(covariance: Array, inverse: Array) -> float:
    """Write the inverse of the lower Cholesky factor; log2 of the determinant, inf without one."""
    d = len(covariance)
    factor = np.empty((d, d))
    logdet = 0.0
    for i in range(d):
        for j in range(i + 1):
            value = covariance[i, j]
            for one in range(j):
                value -= factor[i, one] * factor[j, one]
            if i > j:
                factor[i, j] = value / factor[j, j]
            elif value > 0.0 and value < np.inf:
                factor[i, i] = np.sqrt(value)
                logdet += np.log2(value)
            else:
                return np.inf
    for j in range(d):
        for i in range(j, d):
            value = 1.0 if i == j else 0.0
            for one in range(j, i):
                value -= factor[i, one] * inverse[one, j]
            inverse[i, j] = value / factor[i, i]
    return logdet

"""Batched EM of Gaussian mixtures over many filters and several starts at once, in numpy alone.

Notation: b filters, s starts, k components, n samples, d dimensions, P = 1 + d + d (d + 1) / 2.
Φ (b, P, n) holds [1, x, x_i x_j (i >= j)]; one matrix product Θ Φ gives all log-densities and one
product R Φ' gives all sufficient statistics. Samples are the last axis, so that every reduction
over components runs along contiguous memory. Dropped samples are zero columns of Φ.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cutaway.filters.samples import Array, Fit, Samples, Settings

_TINY = 10 * float(np.finfo(np.float64).eps)  # keeps empty components from dividing by zero


@dataclass(frozen=True, eq=False)
class State:
    """Where EM stands for every filter and start.

    Parameters
    ----------
    weights : ndarray of shape (b, s, k)
        Mixing weights.
    means : ndarray of shape (b, s, k, d)
        Component means, about the block's centre.
    covariances : ndarray of shape (b, s, k, d, d)
        Full matrices for every covariance type.
    bound : ndarray of shape (b, s)
        Mean log-likelihood (nats a sample) before the last M-step; -inf before the first.
    done, failed : ndarray of shape (b, s)
        Converged; stopped because a covariance was not positive definite.
    n_iter : ndarray of shape (b, s)
        Iterations so far.
    trace : ndarray of shape (iterations, b, s)
        The bound at every iteration, NaN after a start has stopped.
    """

    weights: Array
    means: Array
    covariances: Array
    bound: Array
    done: NDArray[np.bool_]
    failed: NDArray[np.bool_]
    n_iter: NDArray[np.int64]
    trace: Array

    def take(self, starts: NDArray[np.int64]) -> "State":
        """State of some starts of every filter; `starts` (b, kept starts)."""

        def of(one: NDArray[np.generic]) -> NDArray[np.generic]:
            index = starts.reshape(starts.shape + (1,) * (one.ndim - 2))
            return np.take_along_axis(one, index, axis=1)

        trace = np.take_along_axis(self.trace, starts[None], axis=2)
        fields = {name: of(getattr(self, name)) for name in _BY_START}
        return State(**fields, trace=trace)  # type: ignore[arg-type]

    def fit(self) -> Fit:
        """Fit of the first start of every filter."""
        names = ("weights", "means", "covariances", "done", "failed", "n_iter")
        first = {name: getattr(self, name)[:, 0] for name in names}
        return Fit(**first, trace=np.ascontiguousarray(self.trace[:, :, 0].T))


_BY_START = ("weights", "means", "covariances", "bound", "done", "failed", "n_iter")


def best_fit(samples: Samples, begin: Array, settings: Settings) -> Fit:
    """Fit from starts (b, s, k, n), all of them to their end: the likeliest."""
    state = from_responsibilities(samples, begin, settings)
    state = climb(samples, state, settings, settings.max_iter)
    return state.take(np.argsort(-state.bound, axis=1, kind="stable")[:, :1]).fit()


def from_responsibilities(samples: Samples, resp: Array, settings: Settings) -> State:
    """State whose parameters are the M-step of given responsibilities (b, s, k, n)."""
    b, s = resp.shape[:2]
    weights, means, covariances = _maximise(samples.phi, resp, settings)
    return State(
        weights,
        means,
        covariances,
        bound=np.full((b, s), -np.inf),
        done=np.zeros((b, s), bool),
        failed=np.zeros((b, s), bool),
        n_iter=np.zeros((b, s), np.int64),
        trace=np.empty((0, b, s)),
    )


def climb(samples: Samples, state: State, settings: Settings, n_iter: int) -> State:
    """State after at most `n_iter` more EM iterations of every unfinished start.

    Notes
    -----
    A start stops when the mean log-likelihood changes by less than `settings.tol` (the rule of
    scikit-learn's ``GaussianMixture``). Filters whose starts have all stopped leave the batch.
    """
    now = {name: getattr(state, name).copy() for name in _BY_START}
    trace = [*state.trace]
    count = np.maximum(samples.kept.sum(axis=1), 1.0)[:, None]
    active = np.flatnonzero(~(now["done"] | now["failed"]).all(axis=1))
    part = samples.take(active)
    for _ in range(n_iter):
        open_ = ~(now["done"][active] | now["failed"][active])
        still = open_.any(axis=1)
        if not still.all():
            active, open_ = active[still], open_[still]
            part = samples.take(active)
        if not len(active):
            break
        before = (now["weights"][active], now["means"][active], now["covariances"][active])
        resp, bound, bad = _expect(part, *before, count[active])
        after = _maximise(part.phi, resp, settings)
        good = open_ & ~bad
        for name, new, old in zip(_BY_START, after, before, strict=False):
            now[name][active] = np.where(_wide(good, new), new, old)
        now["failed"][active] |= open_ & bad
        with np.errstate(invalid="ignore"):
            change = np.abs(bound - now["bound"][active])
        now["done"][active] |= good & (change < settings.tol)
        now["bound"][active] = np.where(good, bound, now["bound"][active])
        now["n_iter"][active] += good
        line = np.full(now["bound"].shape, np.nan)
        line[active] = np.where(good, bound, np.nan)
        trace.append(line)
    return replace(state, **now, trace=np.array(trace).reshape(-1, *now["bound"].shape))


def densities(samples: Samples, weights: Array, means: Array, covariances: Array) -> Array:
    """Weighted log-densities (b, s, k, n) in nats; zero in dropped samples."""
    theta, _ = _theta(weights, means, covariances)
    b, s, k = weights.shape
    flat = theta.reshape(b, s * k, -1) @ samples.phi
    return flat.reshape(b, s, k, -1)


def soften(logits: Array) -> tuple[Array, Array]:
    """Responsibilities and log-likelihood of each sample; `logits` (b, s, k, n) is overwritten."""
    top = logits.max(axis=2, keepdims=True)
    logits -= top
    np.exp(logits, out=logits)
    total = logits.sum(axis=2, keepdims=True)
    logits /= total
    np.log(total, out=total)
    total += top
    return logits, total[:, :, 0]


def _expect(
    samples: Samples, weights: Array, means: Array, covariances: Array, count: Array
) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Responsibilities, mean log-likelihood (b, s), and where a covariance was not definite."""
    theta, bad = _theta(weights, means, covariances)
    b, s, k = weights.shape
    logits = (theta.reshape(b, s * k, -1) @ samples.phi).reshape(b, s, k, -1)
    resp, each = soften(logits)
    return resp, (each @ samples.kept[:, :, None])[:, :, 0] / count, bad


def _theta(weights: Array, means: Array, covariances: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Coefficients (b, s, k, P) of the weighted log-densities on Φ; where they do not exist."""
    d = means.shape[-1]
    factor, bad = _factor(covariances)
    inverse = np.linalg.inv(factor)
    precision = inverse.swapaxes(-1, -2) @ inverse
    linear = (precision @ means[..., None])[..., 0]
    logdet = 2.0 * np.log(np.diagonal(factor, axis1=-2, axis2=-1)).sum(axis=-1)
    constant = np.log(weights) - 0.5 * (
        logdet + d * np.log(2.0 * np.pi) + (means * linear).sum(axis=-1)
    )
    rows, columns = np.tril_indices(d)
    halves = np.where(rows == columns, 0.5, 1.0)
    quadratic = -precision[..., rows, columns] * halves
    theta = np.concatenate([constant[..., None], linear, quadratic], axis=-1)
    return theta, np.asarray(bad.any(axis=-1))


def _factor(covariances: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Lower Cholesky factors; identity, and marked, where a matrix is not positive definite."""
    bad: NDArray[np.bool_] = np.zeros(covariances.shape[:-2], np.bool_)
    try:
        return np.asarray(np.linalg.cholesky(covariances)), bad
    except np.linalg.LinAlgError:
        eye = np.eye(covariances.shape[-1])
        bad |= ~np.isfinite(covariances).all(axis=(-1, -2))
        least = np.linalg.eigvalsh(np.where(bad[..., None, None], eye, covariances))
        bad |= least[..., 0] <= least[..., -1] * np.finfo(np.float64).eps * len(eye)
        safe: Array = np.where(bad[..., None, None], eye, covariances)
        return np.asarray(np.linalg.cholesky(safe), np.float64), bad


def _maximise(phi: Array, resp: Array, settings: Settings) -> tuple[Array, Array, Array]:
    """Weights, means and covariances of given responsibilities."""
    b, s, k, n = resp.shape
    d = (round((8 * phi.shape[1] + 1) ** 0.5) - 3) // 2
    sums = (resp.reshape(b, s * k, n) @ phi.swapaxes(1, 2)).reshape(b, s, k, -1)
    mass = sums[..., 0] + _TINY
    means = sums[..., 1 : 1 + d] / mass[..., None]
    rows, columns = np.tril_indices(d)
    second = np.empty((b, s, k, d, d))
    second[..., rows, columns] = sums[..., 1 + d :]
    second[..., columns, rows] = sums[..., 1 + d :]
    spread = second / mass[..., None, None] - means[..., :, None] * means[..., None, :]
    weights = mass / mass.sum(axis=-1, keepdims=True)
    eye = np.eye(d)
    if settings.covariance == "tied":
        shared = (weights[..., None, None] * spread).sum(axis=2, keepdims=True)
        spread = np.broadcast_to(shared, spread.shape)
    elif settings.covariance == "diag":
        spread = spread * eye
    elif settings.covariance == "spherical":
        variance = np.trace(spread, axis1=-2, axis2=-1) / d
        spread = variance[..., None, None] * eye
    return weights, means, spread + settings.reg * eye


def _wide(mask: NDArray[np.bool_], like: Array) -> NDArray[np.bool_]:
    """`mask` (b, s) with as many axes as `like`."""
    return mask.reshape(mask.shape + (1,) * (like.ndim - 2))

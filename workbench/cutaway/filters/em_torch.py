"""The mixture engine in torch, for CUDA devices: the products of `em`, all filters at a time.

float64 throughout: single precision loses the second moments (T / m - μ μ' cancels).
"""

from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cutaway.filters import starts
from cutaway.filters.engines import Engine
from cutaway.filters.samples import Array, Fit, Samples, Settings

_TINY = 10 * float(np.finfo(np.float64).eps)
_LN_2PI = float(np.log(2.0 * np.pi))


@dataclass
class _State:
    """Where EM stands: as `em.State`, tensors that `_step` writes into."""

    weights: Tensor
    means: Tensor
    covariances: Tensor
    bound: Tensor
    done: Tensor
    failed: Tensor
    n_iter: Tensor
    trace: Tensor  # (b, s, max_iter), NaN where a start did not come

    def take(self, best: Tensor) -> "_State":
        """State of some starts of every filter; `best` (b, kept starts)."""
        rows = torch.arange(len(best), device=best.device)[:, None]
        return _State(*(getattr(self, one.name)[rows, best] for one in fields(self)))


def engine(host: Engine) -> Engine:
    """Return the engine on the first CUDA device, or on the processor where there is none.

    What takes one walk through the samples is left to `host`, the engine of the processor.
    """
    on_gpu = torch.cuda.is_available()
    return Engine(
        "torch",
        threads=1,
        robust_distances=host.robust_distances,
        best_fit=best_fit,
        fit_from=fit_from,
        measure=host.measure,
        block_scale=300.0 if on_gpu else 1.0,  # a block of 1 GB keeps a GPU busy
    )


def best_fit(samples: Samples, far: NDArray[np.bool_], uniform: Array, settings: Settings) -> Fit:
    """As `engines.BestFit`."""
    k = uniform.shape[1]
    kept, across = _tensor(samples.kept), _tensor(samples.across)
    if k == 1:
        begin = kept[:, None, None]
    else:
        lines = torch.as_tensor(uniform, device=kept.device)
        made = [_cluster(across, kept, lines[:-1], k)]
        for few in _tensor(far.astype(np.float64)).unbind(1):
            rest = _cluster(across, kept * (1.0 - few), lines[-1:], k - 1)
            made.append(torch.cat([rest, (kept * few)[:, None, None]], dim=2))
        begin = torch.cat(made, dim=1)
    return _fit(samples, begin, settings)


def fit_from(samples: Samples, resp: Array, settings: Settings) -> Fit:
    """As `engines.Engine.fit_from`."""
    return _fit(samples, _tensor(resp)[:, None], settings)


def _tensor(values: Array) -> Tensor:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.as_tensor(np.ascontiguousarray(values), device=device)


def _fit(samples: Samples, begin: Tensor, settings: Settings) -> Fit:
    phi = _tensor(samples.phi)
    state = _begin(phi, begin, settings)
    del begin
    _climb(phi, state, settings)
    state = state.take(torch.argsort(-state.bound, dim=1, stable=True)[:, :1])
    names = ("weights", "means", "covariances", "done", "failed", "n_iter")
    found = {name: getattr(state, name)[:, 0].cpu().numpy() for name in names}
    longest = int(found["n_iter"].max(initial=0))
    return Fit(**found, trace=state.trace[:, 0, :longest].cpu().numpy())


def _begin(phi: Tensor, resp: Tensor, settings: Settings) -> _State:
    like, (b, s) = resp, resp.shape[:2]
    return _State(
        *_maximise(phi, resp, settings),
        bound=like.new_full((b, s), -torch.inf),
        done=torch.zeros((b, s), dtype=torch.bool, device=like.device),
        failed=torch.zeros((b, s), dtype=torch.bool, device=like.device),
        n_iter=torch.zeros((b, s), dtype=torch.int64, device=like.device),
        trace=like.new_full((b, s, settings.max_iter), torch.nan),
    )


def _climb(phi: Tensor, state: _State, settings: Settings) -> None:
    """Every start to its end, in place."""
    active = torch.arange(len(phi), device=phi.device)
    part = phi
    for _ in range(settings.max_iter):
        open_ = ~(state.done[active] | state.failed[active])
        still = open_.any(dim=1)
        if not bool(still.all()):
            active, open_, part = active[still], open_[still], part[still]
        if not len(active):
            return
        _step(part, active, open_, state, settings)


def _step(phi: Tensor, active: Tensor, open_: Tensor, state: _State, settings: Settings) -> None:
    before = state.weights[active], state.means[active], state.covariances[active]
    theta, bad = _theta(*before)
    b, s, k = before[0].shape
    logits = (theta.reshape(b, s * k, -1) @ phi).reshape(b, s, k, -1)
    each = torch.logsumexp(logits, dim=2)
    resp = logits.sub_(each[:, :, None]).exp_()
    count = phi[:, :1].sum(dim=2).clamp_min(1.0)
    now = (each @ phi[:, 0, :, None])[:, :, 0] / count
    good = open_ & ~bad
    for name, new, old in zip(
        ("weights", "means", "covariances"), _maximise(phi, resp, settings), before, strict=True
    ):
        mask = good.reshape(good.shape + (1,) * (new.ndim - 2))
        getattr(state, name)[active] = torch.where(mask, new, old)
    was, steps = state.bound[active], state.n_iter[active]
    state.failed[active] |= open_ & bad
    state.done[active] |= good & ((now - was).abs() < settings.tol)
    state.bound[active] = torch.where(good, now, was)
    rows, starts_ = torch.nonzero(good, as_tuple=True)
    state.trace[active[rows], starts_, steps[rows, starts_]] = now[rows, starts_]
    state.n_iter[active] = steps + good


def _theta(weights: Tensor, means: Tensor, covariances: Tensor) -> tuple[Tensor, Tensor]:
    """Coefficients (b, s, k, P) of the weighted log-densities on Φ; where they do not exist."""
    d = means.shape[-1]
    eye = torch.eye(d, dtype=means.dtype, device=means.device)
    factor, info = torch.linalg.cholesky_ex(covariances)
    bad = (info != 0) | ~torch.isfinite(factor).all(dim=-1).all(dim=-1)
    factor = torch.where(bad[..., None, None], eye, factor)
    inverse = torch.linalg.solve_triangular(factor, eye.expand_as(factor), upper=False)
    precision = inverse.mT @ inverse
    linear = (precision @ means[..., None])[..., 0]
    logdet = 2.0 * factor.diagonal(dim1=-2, dim2=-1).log().sum(dim=-1)
    constant = weights.log() - 0.5 * (logdet + d * _LN_2PI + (means * linear).sum(dim=-1))
    rows, columns = torch.tril_indices(d, d, device=means.device)
    halves = torch.where(rows == columns, 0.5, 1.0).to(means.dtype)
    quadratic = -precision[..., rows, columns] * halves
    return torch.cat([constant[..., None], linear, quadratic], dim=-1), bad.any(dim=-1)


def _maximise(phi: Tensor, resp: Tensor, settings: Settings) -> tuple[Tensor, Tensor, Tensor]:
    """Weights, means and covariances of given responsibilities."""
    b, s, k, n = resp.shape
    d = (round((8 * phi.shape[1] + 1) ** 0.5) - 3) // 2
    sums = (resp.reshape(b, s * k, n) @ phi.mT).reshape(b, s, k, -1)
    mass = sums[..., 0] + _TINY
    means = sums[..., 1 : 1 + d] / mass[..., None]
    rows, columns = torch.tril_indices(d, d, device=phi.device)
    second = sums.new_empty((b, s, k, d, d))
    second[..., rows, columns] = sums[..., 1 + d :]
    second[..., columns, rows] = sums[..., 1 + d :]
    spread = second / mass[..., None, None] - means[..., :, None] * means[..., None, :]
    weights = mass / mass.sum(dim=-1, keepdim=True)
    eye = torch.eye(d, dtype=phi.dtype, device=phi.device)
    if settings.covariance == "tied":
        shared = (weights[..., None, None] * spread).sum(dim=2, keepdim=True)
        spread = shared.expand_as(spread)
    elif settings.covariance == "diag":
        spread = spread * eye
    elif settings.covariance == "spherical":
        variance = spread.diagonal(dim1=-2, dim2=-1).mean(dim=-1)
        spread = variance[..., None, None] * eye
    return weights, means, spread + settings.reg * eye


def _cluster(across: Tensor, used: Tensor, uniform: Tensor, k: int) -> Tensor:
    """One-hot k-means labels (b, s, k, n) of the used samples (`starts._cluster`)."""
    centres = _spread_centres(across, used, uniform, k)
    (b, s), places = centres.shape[:2], torch.arange(k, device=across.device)
    for step in range(starts.LLOYD_STEPS + 1):
        flat = centres.reshape(b, s * k, -1)
        closeness = flat @ across - 0.5 * (flat**2).sum(dim=2)[:, :, None]
        labels = closeness.reshape(b, s, k, -1).argmax(dim=2)
        hot = (labels[:, :, None] == places[:, None]) * used[:, None, None]
        if step < starts.LLOYD_STEPS:
            mass = hot.sum(dim=3)[..., None]
            sums = (hot.reshape(b, s * k, -1) @ across.mT).reshape(b, s, k, -1)
            centres = torch.where(mass > 0, sums / mass.clamp_min(1.0), centres)
    return hot


def _spread_centres(across: Tensor, used: Tensor, uniform: Tensor, k: int) -> Tensor:
    """k-means++ centres (b, s, k, d) (`starts._spread_centres`)."""
    b, d, n = across.shape
    s = len(uniform)
    centres = across.new_empty((b, s, k, d))
    distance = used[:, None].expand(b, s, n)
    filters = torch.arange(b, device=across.device)[:, None]
    for j in range(k):
        walked = distance.cumsum(dim=2)
        target = uniform[None, :, j] * walked[:, :, -1]
        place = (walked <= target[:, :, None]).sum(dim=2)
        place = torch.where(place < n, place, 0)
        chosen = across[filters, :, place]
        centres[:, :, j] = chosen
        apart = ((across[:, None] - chosen[..., None]) ** 2).sum(dim=2) * used[:, None]
        distance = apart if j == 0 else torch.minimum(distance, apart)
    return centres

"""E2, first half: whether outlier samples have larger gradients early in training."""

import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torch.func import functional_call, grad, vmap
from torch.nn import functional

from cutaway.core import Origin, Result, Tick, check, part, silent
from cutaway.data import Dataset
from cutaway.data.batching import batches
from cutaway.data.content import content_of
from cutaway.filters.overfitting.statistics import auc, auc_by_class, check_share, top
from cutaway.model import Model
from cutaway.model.hooks import evaluating

_BATCH = 64
_RESAMPLES = 500


@dataclass(frozen=True, eq=False, repr=False)
class OutlierGradients(Result):
    """Gradient norms of samples, and how well an outlier score tells the large ones.

    Parameters
    ----------
    norms : ndarray of shape (n,)
        Norm of each sample's loss gradient, mean over the early checkpoints; NaN where it is NaN or
        infinite at one of them: such a sample is in no pair.
    norms_initial : ndarray of shape (n,) or None
        The same at random initialisation, as a control.
    outlier : ndarray of bool of shape (n,)
        The samples of largest score.
    auc, auc_classes : float
        Chance that an outlier has the larger gradient than another sample; over all pairs and
        over pairs of one class.
    interval : ndarray of shape (2,)
        95 % bootstrap interval of `auc_classes` over samples.
    auc_initial : float
        `auc_classes` at random initialisation; NaN without one. As large as `auc_classes` means
        that odd pictures have large gradients in any network.
    """

    norms: NDArray[np.float64]
    norms_initial: NDArray[np.float64] | None
    outlier: NDArray[np.bool_]
    auc: float
    auc_classes: float
    interval: NDArray[np.float64]
    auc_initial: float

    _shapes: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("norms", "norms_initial", "outlier"), "n"),
        "interval": "2",
    }

    def to_frame(self) -> pd.DataFrame:
        """One line a sample."""
        columns = {"norm": self.norms, "outlier": self.outlier}
        if self.norms_initial is not None:
            columns["norm_initial"] = self.norms_initial
        return pd.DataFrame(columns, index=pd.Index(self.rows.ids, name=self.rows.axis))

    def __repr__(self) -> str:
        low, high = self.interval
        return (
            f"OutlierGradients({int(self.outlier.sum())} of {len(self.rows)} samples; AUC "
            f"{self.auc:.3f}, within classes {self.auc_classes:.3f} [{low:.3f}, {high:.3f}], at "
            f"initialisation {self.auc_initial:.3f})"
        )


def gradient_norms(
    model: Model, data: Dataset, *, batch_size: int = _BATCH, tick: Tick = silent
) -> NDArray[np.float64]:
    """Norm of the gradient of each sample's loss with respect to all parameters ("GraNd").

    Parameters
    ----------
    model : Model
        A classifier of pictures or arrays; runs in eval mode under its lock, nothing changes.
    data : Dataset
        Samples with labels.
    batch_size : int
        Samples at once; each needs memory for one gradient.
    tick : Tick
        Called after each batch.

    Returns
    -------
    ndarray of shape (n,)
        In nats per unit of weight.

    Raises
    ------
    ValueError
        If the data have no labels.

    References
    ----------
    Paul, Ganguli, Dziugaite, "Deep Learning on a Data Diet" (2021), arXiv:2107.07075,
    definition 2.1.
    """
    if data.labels is None:
        raise ValueError("data must have labels, got none; give them to load_data")
    check.whole("batch_size", batch_size, 1)
    found, done = [], 0
    module = model.module
    # `grad` differentiates inside the no_grad of `evaluating`: it sets the flag anew for itself.
    with model.lock, evaluating(module):
        weights = {name: one.detach() for name, one in module.named_parameters()}
        buffers = {name: one.detach() for name, one in module.named_buffers()}

        def loss_of(values: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
            logits = functional_call(module, (values, buffers), (x[None],))
            return functional.cross_entropy(logits, y[None])

        per_sample = vmap(grad(loss_of), in_dims=(None, 0, 0), randomness="different")
        for batch in batches(data, batch_size):
            tick(done / len(data), f"gradients: {done}/{len(data)} samples")
            x = model.inputs(batch)
            if not isinstance(x, Tensor) or batch.labels is None:
                raise ValueError(
                    f"model must take one tensor, got the texts of {model.name}; "
                    "gradients of texts are not offered"
                )
            gradients = per_sample(weights, x, torch.as_tensor(batch.labels))
            squares = sum(one.flatten(1).double().square().sum(1) for one in gradients.values())
            found.append(torch.as_tensor(squares).sqrt().cpu().numpy())
            done += len(batch)
    tick(1.0, f"gradients: {done} samples")
    return np.concatenate(found)


def outlier_gradients(
    early: Sequence[Model],
    data: Dataset,
    scores: ArrayLike,
    *,
    initial: Model | None = None,
    share: float = 0.05,
    seed: int = 0,
    tick: Tick = silent,
) -> OutlierGradients:
    """Compare the gradients of the outlier samples with those of the others.

    Parameters
    ----------
    early : sequence of Model
        Checkpoints of early epochs: late in training a memorised sample has no gradient left.
    data : Dataset
        Samples with labels.
    scores : array_like of shape (n,)
        Outlier score of each sample, e.g. ``screen.samples["score"]``.
    initial : Model or None
        The network before training, as a control.
    share : float
        Part of the samples that count as outliers, above 0 and below 0.5.
    seed : int
        Of the bootstrap.
    tick : Tick
        Called after each batch.

    Raises
    ------
    ValueError
        If there is no checkpoint, no labels, not one score a sample, or no finite gradient.

    Warns
    -----
    RuntimeWarning
        If samples are left out because gradients are NaN or infinite, with their number.
    """
    began = time.perf_counter()
    values = np.asarray(scores, dtype=np.float64)
    check.same_length("scores", len(values), "data", len(data))
    check.whole("seed", seed, 0)
    if not early:
        raise ValueError("early must hold at least one model, got none; give early checkpoints")
    check_share(share)
    models = [*early, *([initial] if initial is not None else [])]
    found = [
        gradient_norms(one, data, tick=part(tick, i / len(models), (i + 1) / len(models)))
        for i, one in enumerate(models)
    ]
    norms = np.mean(found[: len(early)], axis=0)
    before = found[-1] if initial is not None else None
    outlier = top(values, share)
    labels = np.asarray(data.labels)
    known = np.isfinite(np.stack(found)).all(axis=0)
    norms = np.where(known, norms, np.nan)
    if not known.any():
        raise ValueError(
            f"gradients must be finite for at least one sample, got NaN or infinity in all "
            f"{len(data)}; give earlier checkpoints"
        )
    if not known.all():
        warnings.warn(
            f"gradients must be finite, got NaN or infinity in {int((~known).sum())} of "
            f"{len(data)} samples; they are left out",
            RuntimeWarning,
            stacklevel=2,
        )
    used = np.flatnonzero(known)
    rng = np.random.default_rng(seed)
    draws = [used[rng.integers(0, len(used), len(used))] for _ in range(_RESAMPLES)]
    again = [auc_by_class(norms[one], outlier[one], labels[one]) for one in draws]
    origin = Origin(
        "outlier_gradients",
        {"share": share, "checkpoints": [one.digest for one in early], **_control(initial)},
        model=early[0].name,
        data=data.name,
        rows=data.index.digest,
        content=content_of(data),
        seed=seed,
        seconds=time.perf_counter() - began,
    )
    return OutlierGradients(
        data.index, origin, norms, before, outlier,
        auc=auc(norms[used], outlier[used]),
        auc_classes=auc_by_class(norms[used], outlier[used], labels[used]),
        interval=np.nanquantile(again, [0.025, 0.975]),
        auc_initial=float("nan") if before is None else auc_by_class(
            before[used], outlier[used], labels[used]
        ),
    )  # fmt: skip


def _control(initial: Model | None) -> Mapping[str, str]:
    return {} if initial is None else {"initial": initial.digest}

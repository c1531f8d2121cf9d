"""What a model answers to every sample."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cutaway.core import Origin, Result, Tick, silent
from cutaway.data.batching import batches
from cutaway.data.content import content_of
from cutaway.data.dataset import Batch, Dataset
from cutaway.model import metric as metrics
from cutaway.model.hooks import evaluating
from cutaway.model.model import Model, as_model, given
from cutaway.model.resolve import usual_batch_size


@dataclass(frozen=True, eq=False, repr=False)
class Predictions(Result):
    """Answers of a model, by sample.

    Parameters
    ----------
    predicted : ndarray of shape (n,)
        Class with the largest logit; of a text, the token that would follow it. -1, no class, where
        the outputs are NaN or infinite.
    probability : ndarray of shape (n,)
        The model's probability of that class, in [0, 1]; NaN without a class.
    correct : ndarray of bool of shape (n,) or None
        Whether it is the label's; False without a class; None without labels and for texts.
    loss : ndarray of shape (n,) or None
        Cross entropy of the label in nats; of a text, the mean over its tokens; NaN without a
        class; None without labels.
    """

    predicted: NDArray[np.int64]
    probability: NDArray[np.float64]
    correct: NDArray[np.bool_] | None
    loss: NDArray[np.float64] | None

    _shapes: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("predicted", "probability", "correct", "loss"), "n"
    )

    @property
    def n_nonfinite(self) -> int:
        """Samples without a class: their outputs are NaN or infinite."""
        return int(np.isnan(self.probability).sum())

    def __repr__(self) -> str:
        lost = self.n_nonfinite
        said = f", {lost} without a class (NaN or infinite outputs)" if lost else ""
        return f"Predictions({len(self.rows)} {self.rows.axis}s{said}; {self.origin.caption()})"


def predict(
    model: Model | nn.Module,
    data: Dataset,
    *,
    batch_size: int | None = None,
    tick: Tick = silent,
) -> Predictions:
    """Predicted class, its probability, and, with labels, the loss of every sample.

    Parameters
    ----------
    model : Model or torch.nn.Module
        Runs in eval mode without gradients, under its lock.
    data : Dataset
        Samples.
    batch_size : int or None
        None chooses one from the shape of a sample.
    tick : Tick
        Called after each batch.

    Raises
    ------
    ValueError
        If the data set is empty, or the model's answer is no vector of logits a sample.

    Warns
    -----
    RuntimeWarning
        If outputs are NaN or infinite, with the number of their samples; see `Predictions`.
    """
    began = time.perf_counter()
    metrics.filled(data)
    opened = as_model(model)
    size = usual_batch_size(data) if batch_size is None else batch_size
    parts: list[tuple[NDArray[np.generic] | None, ...]] = []
    done = 0
    with opened.lock, evaluating(opened.module):
        for batch in batches(data, size):
            tick(done / len(data), f"predict: {done}/{len(data)} samples")
            ready = metrics.prepared(opened, batch)
            parts.append(_answers(opened.forward(ready), ready))
            done += len(batch)
    tick(1.0, f"predict: {done} samples")
    predicted, probability, correct, loss = (
        None if column[0] is None else np.concatenate(column) for column in zip(*parts, strict=True)
    )
    origin = Origin(
        "predict",
        model=opened.name,
        weights=opened.digest,
        data=data.name,
        rows=data.index.digest,
        content=content_of(data),
        given=given(opened, data) | {"batch_size": batch_size},
        seconds=time.perf_counter() - began,
    )
    found = Predictions(data.index, origin, predicted, probability, correct, loss)  # type: ignore[arg-type]
    metrics.warn_of_nonfinite(
        found.n_nonfinite, len(data), "they are no class: predicted is -1 there", stacklevel=2
    )
    return found


def _answers(logits: Tensor, batch: Batch) -> tuple[NDArray[np.generic] | None, ...]:
    text = logits.ndim == 3
    probability, predicted = metrics.at_end(logits, batch).double().softmax(-1).max(-1)
    finite = metrics.finite_samples(logits, batch)
    probability = torch.where(finite, probability, torch.nan)
    predicted = torch.where(finite, predicted, -1)
    known = text or batch.labels is not None
    loss = metrics.loss(logits, batch).double() if known else None
    correct = None if text or batch.labels is None else finite & (predicted == batch.labels)
    found = (predicted, probability, correct, loss)
    return tuple(None if one is None else one.cpu().numpy() for one in found)

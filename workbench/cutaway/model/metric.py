"""What a model's answer is worth, one number a sample."""

import warnings
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from cutaway.core import Tick, check, silent
from cutaway.data.batching import batches
from cutaway.data.dataset import Batch, Dataset
from cutaway.model import tokens
from cutaway.model.hooks import evaluating
from cutaway.model.model import Model, as_model
from cutaway.model.resolve import usual_batch_size

Metric: TypeAlias = Callable[[Tensor, Batch], Tensor]
"""(logits, batch) to a tensor of shape (n,). Texts arrive in the batch as token tensors by name."""


def accuracy(logits: Tensor, batch: Batch) -> Tensor:
    """1 where the largest logit is the label's, else 0; of a text, the fraction of its tokens.

    Logits that are not finite (see `finite`) are no class: they are wrong.
    """
    scores, wanted, counted = _answers(logits, batch, "accuracy")
    right = (scores.argmax(-1) == wanted) & finite(scores)
    return _per_sample(right.to(torch.float32), counted)


def loss(logits: Tensor, batch: Batch) -> Tensor:
    """Cross entropy in nats; of a text, the mean over its tokens after the first.

    NaN where logits are not finite (see `finite`).
    """
    scores, wanted, counted = _answers(logits, batch, "loss")
    nats = functional.cross_entropy(
        scores.flatten(0, -2).float(), wanted.flatten(), reduction="none"
    )
    return _per_sample(_where_finite(nats.reshape(wanted.shape), scores), counted)


def margin(logits: Tensor, batch: Batch) -> Tensor:
    """Logit of the right answer minus the best other one; of a text, the mean over its tokens.

    NaN where logits are not finite (see `finite`).
    """
    scores, wanted, counted = _answers(logits, batch, "margin")
    right = scores.gather(-1, wanted.unsqueeze(-1)).squeeze(-1)
    others = scores.scatter(-1, wanted.unsqueeze(-1), -torch.inf)
    return _per_sample(_where_finite(right - others.amax(-1), scores), counted)


def logit_of(number: int) -> Metric:
    """Metric: logit of one class; of a text, of one token after its end. NaN as in `loss`."""
    check.whole("number", number, 0, remedy="give the number of a class or token")

    def logit(logits: Tensor, batch: Batch) -> Tensor:
        last = at_end(logits, batch)
        return _where_finite(_column(last, number), last)

    logit.__name__ = f"logit_of({number})"
    return logit


def probability_of(number: int) -> Metric:
    """Metric: probability of one class in [0, 1]; of a text, of one token after its end.

    NaN where logits are not finite (see `finite`).
    """
    check.whole("number", number, 0, remedy="give the number of a class or token")

    def probability(logits: Tensor, batch: Batch) -> Tensor:
        last = at_end(logits, batch)
        return _where_finite(_column(last.softmax(-1), number), last)

    probability.__name__ = f"probability_of({number})"
    return probability


def finite(logits: Tensor) -> Tensor:
    """Which rows of logits name a class: no NaN, no +inf, and one class that is not ruled out.

    Minus infinity is a number here: it is how a model rules a class out.

    Parameters
    ----------
    logits : Tensor of shape (…, classes)
        Scores.

    Returns
    -------
    Tensor of bool of shape (…)
        The largest logit is a finite number; it is NaN where any logit is.
    """
    return logits.amax(-1).isfinite()


def finite_samples(logits: Tensor, batch: Batch) -> Tensor:
    """Which samples of a batch have finite outputs, bool (n,); of a text, at all of its tokens."""
    if logits.ndim < 2:
        return logits.isfinite()
    rows = finite(logits)
    if logits.ndim == 3 and _has_tokens(logits, batch):
        rows = rows | (_tokens(logits, batch)[1] <= 0)
    return rows.reshape(len(rows), -1).all(1)


def warn_of_nonfinite(count: int, n: int, what: str, *, stacklevel: int) -> None:
    """One line about samples whose outputs are NaN or infinite, if there are any."""
    if count:
        warnings.warn(
            f"outputs must be finite, got NaN or infinity in {count} of {n} samples; {what}",
            RuntimeWarning,
            stacklevel=stacklevel + 1,
        )


METRICS: dict[str, Metric] = {"accuracy": accuracy, "loss": loss, "margin": margin}


def named(metric: str | Metric) -> tuple[str, Metric]:
    """Name and function of a metric given as either.

    Raises
    ------
    ValueError
        If the name is unknown.
    TypeError
        If it is neither a name nor a function.
    """
    if isinstance(metric, str):
        check.one_of("metric", metric, METRICS)
        return metric, METRICS[metric]
    if not callable(metric):
        raise TypeError(
            f"metric must be a name or a function (logits, batch), got {type(metric).__name__}; "
            f"choose one of {', '.join(METRICS)}"
        )
    return getattr(metric, "__name__", type(metric).__name__), metric


def evaluate(
    model: Model | nn.Module,
    data: Dataset,
    metric: str | Metric,
    *,
    batch_size: int | None = None,
    tick: Tick = silent,
) -> NDArray[np.float64]:
    """Metric of every sample.

    Parameters
    ----------
    model : Model or torch.nn.Module
        Runs in eval mode without gradients, under its lock.
    data : Dataset
        Samples, with labels where the metric needs them.
    metric : {"accuracy", "loss", "margin"} or callable
        A `Metric`.
    batch_size : int or None
        None chooses one from the shape of a sample.
    tick : Tick
        Called after each batch.

    Returns
    -------
    ndarray of shape (n,)
        In the order of the data; NaN for texts of one token, where the metric is over tokens.

    Raises
    ------
    ValueError
        If the data set is empty or has no labels, or the metric returns no number a sample.

    Warns
    -----
    RuntimeWarning
        If outputs are NaN or infinite, with the number of their samples: these are no class, so
        that "accuracy" counts them as wrong, and the other metrics are NaN there.
    """
    name, function = named(metric)
    filled(data)
    opened = as_model(model)
    size = usual_batch_size(data) if batch_size is None else batch_size
    values, known = np.empty(len(data)), np.empty(len(data), np.bool_)
    done = 0
    with opened.lock, evaluating(opened.module):
        for batch in batches(data, size):
            tick(done / len(data), f"{name}: {done}/{len(data)} samples")
            ready = prepared(opened, batch)
            here = slice(done, done + len(batch))
            values[here], known[here] = measured(opened, ready, name, function)
            done += len(batch)
    warn_of_nonfinite(int((~known).sum()), done, "they are no class", stacklevel=2)
    tick(1.0, f"{name}: {done} samples")
    return values


def filled(data: Dataset) -> None:
    """Raise `ValueError` if a data set has no sample."""
    if len(data) == 0:
        raise ValueError(
            f"data must hold at least one sample, got 0 in {data.name!r}; load more of it"
        )


def prepared(model: Model, batch: Batch) -> Batch:
    """Batch on the model's device, with token tensors instead of texts."""
    inputs = batch.inputs
    if isinstance(inputs, list) and model.tokenizer is not None:
        inputs = model.encode(inputs, ids=batch.ids)
    if isinstance(inputs, dict):
        inputs = tokens.aligned(inputs, batch.ids)
        inputs = {key: tensor.to(model.device) for key, tensor in inputs.items()}
    labels = None if batch.labels is None else batch.labels.to(model.device)
    return Batch(batch.ids, inputs, labels)


def measured(
    model: Model, batch: Batch, name: str, metric: Metric
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Metric of one prepared batch, and which of its samples have finite outputs.

    Raises
    ------
    ValueError
        If the metric returns no number a sample.
    """
    logits = model.forward(batch)
    values = metric(logits, batch)
    if not isinstance(values, Tensor) or tuple(values.shape) != (len(batch),):
        got = tuple(values.shape) if isinstance(values, Tensor) else type(values).__name__
        raise ValueError(
            f"metric {name} must return a tensor of shape ({len(batch)},), got {got}; "
            "return one number a sample"
        )
    known = finite_samples(logits, batch).cpu().numpy()
    return np.asarray(values.detach().cpu().to(torch.float64).numpy()), known


def at_end(logits: Tensor, batch: Batch) -> Tensor:
    """Logits of shape (n, classes); of texts, those after the last token."""
    if logits.ndim == 2:
        return logits
    ids, mask = _tokens(logits, batch)
    last = (mask * torch.arange(ids.shape[1], device=mask.device)).amax(1)
    return logits[torch.arange(len(ids), device=mask.device), last]


def _column(scores: Tensor, number: int) -> Tensor:
    if number >= scores.shape[1]:
        raise IndexError(
            f"number must lie in 0..{scores.shape[1] - 1}, got {number}; choose an existing class"
        )
    return scores[:, number]


def _has_tokens(logits: Tensor, batch: Batch) -> bool:
    """Whether these are logits (n, t, tokens) of token ids (n, t)."""
    inputs = batch.inputs
    ids = inputs.get("input_ids") if isinstance(inputs, dict) else inputs
    return isinstance(ids, Tensor) and ids.shape == logits.shape[:2]


def _tokens(logits: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
    """Token ids and mask, both of shape (n, t)."""
    inputs = batch.inputs
    mask: Tensor | None = None
    if isinstance(inputs, dict):
        mask = inputs.get("attention_mask")
        inputs = inputs.get("input_ids", torch.empty(0))
    if logits.ndim != 3 or not isinstance(inputs, Tensor) or inputs.shape != logits.shape[:2]:
        raise ValueError(
            f"logits must have shape (n, classes), or (n, t, tokens) for token ids (n, t), got "
            f"{tuple(logits.shape)}; give a metric of your own for this model"
        )
    ids = inputs.to(logits.device)
    return ids, torch.ones_like(ids) if mask is None else mask.to(logits.device)


def _answers(logits: Tensor, batch: Batch, name: str) -> tuple[Tensor, Tensor, Tensor | None]:
    """Scores (…, classes), right answers (…), and which places count (None: all)."""
    if logits.ndim == 3:
        ids, mask = _tokens(logits, batch)
        return logits[:, :-1], ids[:, 1:], (mask[:, 1:] > 0) & (mask[:, :-1] > 0)
    if batch.labels is None:
        raise ValueError(
            f"data must have labels for {name}, got none; "
            "give labels= to load_data or use another metric"
        )
    if logits.ndim != 2:
        raise ValueError(
            f"logits must have shape (n, classes), got {tuple(logits.shape)}; "
            "give a metric of your own for this model"
        )
    labels = batch.labels.to(logits.device)
    if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < logits.shape[1]:
        low, high, n = int(labels.min()), int(labels.max()), logits.shape[1]
        from_one = f"subtract 1 or give load_data classes=range(1, {n + 1}) if they are numbered "
        remedy = f"{from_one}from 1, else " if low > 0 and high == n else ""
        raise ValueError(
            f"labels must lie in 0..{n - 1} for this model, got {low}..{high}; {remedy}"
            "use a model of these classes, or number them anew with classes="
        )
    return logits, labels, None


def _where_finite(values: Tensor, logits: Tensor) -> Tensor:
    """Values of rows of logits, NaN where the logits are not finite."""
    return torch.where(finite(logits), values, torch.nan)


def _per_sample(values: Tensor, counted: Tensor | None) -> Tensor:
    if counted is None:
        return values
    return torch.where(counted, values, 0).sum(1) / counted.sum(1)

"""Merging features: of any model, and of a model and data as menus and the command line have it."""

import time
from collections.abc import Mapping
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike
from torch import Tensor, nn

from cutaway.core import Origin, Tick, part, silent
from cutaway.data import Dataset
from cutaway.data.content import content_of
from cutaway.merging.checks import check_options
from cutaway.merging.merge import Merge
from cutaway.merging.prepared import Prepared
from cutaway.model.metric import filled
from cutaway.model.model import Model, as_model, given

RuleName: TypeAlias = Literal[
    "auto", "official", "official_bnfold", "exact", "exact_scale", "official_var", "ward"
]
Order: TypeAlias = Literal["round_robin", "layerwise"]

_EXAMPLES = 8  # samples whose outputs are compared before and after


def merge_features(
    model: Model | nn.Module,
    example: Tensor,
    *,
    beta: float | None = None,
    target: float | None = None,
    left: Mapping[str, int] | None = None,
    rule: RuleName = "auto",
    order: Order = "round_robin",
    max_ratio: float = 1.0,
    tick: Tick = silent,
) -> Merge:
    """Merge the features of a network that are nearly the same, without data or training.

    Parameters
    ----------
    model : Model or torch.nn.Module
        Is copied and not touched.
    example : Tensor of shape (n, …)
        A batch of samples: two for shapes, all of them for `output_change`.
    beta : float or None
        In [0, 1]: two features merge if their *squared* distance is at most `beta` times the
        largest one in their group. 0 merges equal features only.
    target : float or None
        In (0, 1]: part of the parameters to keep at most. The smallest beta that reaches it is
        looked for (12 halvings of its logarithm), and merging stops once it is reached.
    left : mapping of str to int, or None
        Features to leave in each group by its name, whatever the distances; groups not named are
        not merged. Exactly one of `beta`, `target` and `left` must be given.
    rule : str
        "auto" (which takes "official_var" where there is a batch norm in the groups, else "ward"),
        "official", "official_bnfold", "exact", "exact_scale", "official_var" or "ward"; see Notes.
    order : {"round_robin", "layerwise"}
        One merge a group a round as published; or each group as far as it goes, once, in network
        order (another algorithm, with other results).
    max_ratio : float
        In [0, 1]: a group of n features stops after ``n * max_ratio`` rounds (not with `left`).
    tick : Tick
        Called before each search for a closest pair.

    Raises
    ------
    ValueError
        If an option is out of range, a weight is not finite, a target cannot be reached, or
        "exact_scale" meets an activation that is not positively homogeneous.
    UnsupportedModel
        If the model cannot be copied or traced, no group of features is found, or folding batch
        norms changes its output.

    Notes
    -----
    ``official`` is the published rule: weights, biases and batch norm tensors are added, what reads
    them is averaged. It changes the output even for exact copies where there is a batch norm, and
    leaves one of three copies. ``official_bnfold`` folds batch norms first. ``exact`` folds,
    averages weights and biases by count and adds what reads them: exact copies merge without a
    change of the output. ``exact_scale`` also finds copies up to a positive factor, for ReLU-like
    activations only. Being exact on copies says nothing about how well the rest compresses, where
    these two do badly.

    Two rules of our own are exact on copies and compress better. ``ward`` is ``exact`` with squared
    distances times c d / (c + d), c and d the counts of the two features, so that big features are
    costly to join. ``official_var`` merges what ``official`` merges, copies first, but averages
    what the units contribute and gives each batch norm the variance that the average has (see
    `cutaway.merging.repair`); batch norms stay, and can be calibrated again on data.

    Distances count in units of the largest of their group, so that all weights and biases times one
    factor merge alike. Not so with ``exact_scale``, which hands each feature's size on to the next
    layer's weights but not to its biases; and where batch norms are, their eps keeps its size.

    References
    ----------
    Chen, Zhou, Yan, "Going beyond neural network feature similarity: the network feature complexity
    and its interpretation using category theory", ICLR 2024, arXiv:2310.06756, equations 8-11.
    """
    check_options(beta, target, left, order, max_ratio)
    prepared = Prepared(model, example, rule, part(tick, 0.0, 0.2))
    return prepared.merge(
        beta=beta,
        target=target,
        left=left,
        order=order,
        max_ratio=max_ratio,
        last=target is None,
        tick=part(tick, 0.2, 1.0),
    )


def merge_on(
    model: Model | nn.Module,
    data: Dataset,
    ids: ArrayLike | None = None,
    *,
    beta: float = 0.05,
    rule: RuleName = "auto",
    order: Order = "round_robin",
    max_ratio: float = 1.0,
    tick: Tick = silent,
) -> Merge:
    """Merge the features of a network that are nearly the same; data only show its input.

    Parameters
    ----------
    model : Model or torch.nn.Module
        Is copied and not touched.
    data : Dataset
        The first samples tell the shape of the input, and how far outputs change.
    ids : array_like of shape (n,) or None
        Which samples, in the order wanted; None for all.
    beta : float
        In [0, 1]: two features merge if their *squared* distance is at most `beta` times the
        largest one in their group. 0 merges equal features only.
    rule : str
        See `merge_features`; "auto" chooses by whether there are batch norms.
    order : str
        "round_robin", one merge a group a round, or "layerwise", each group as far as it goes.
    max_ratio : float
        In [0, 1]: a group of n features stops after ``n * max_ratio`` rounds.
    tick : Tick
        Called before each search for a closest pair.

    Raises
    ------
    ValueError, UnsupportedModel
        As `merge_features`.
    KeyError
        If an id is not in the data.
    """
    began = time.perf_counter()
    check_options(beta, None, None, order, max_ratio)
    opened = as_model(model)
    some = data if ids is None else data.take(data.index.positions(ids))
    filled(some)
    inputs = opened.inputs(some.batch(np.arange(min(len(some), _EXAMPLES))))
    example = inputs if isinstance(inputs, Tensor) else inputs["input_ids"]
    prepared = Prepared(opened, example, rule, part(tick, 0.0, 0.2))
    found = prepared.merge(
        beta=beta, order=order, max_ratio=max_ratio, last=True, tick=part(tick, 0.2, 1.0)
    )
    origin = Origin(
        "merge_on",
        {"beta": beta, "rule": rule, "order": order, "max_ratio": max_ratio,
         "ids": some.index.ids.tolist()},
        model=opened.name,
        weights=opened.digest,
        data=some.name,
        rows=some.index.digest,
        content=content_of(some),
        seconds=time.perf_counter() - began,
        given=given(opened, data) | {"rows": data.index.digest},
    )  # fmt: skip
    return found.with_origin(origin)

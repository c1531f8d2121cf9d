"""Merging features: of any model, and of a model and data as menus and the command line have it."""

from collections.abc import Mapping
from typing import Literal, TypeAlias

from torch import Tensor, nn

from cutaway.core import Tick, part, silent
from cutaway.merging.checks import check_options
from cutaway.merging.merge import Merge
from cutaway.merging.prepared import Prepared
from cutaway.model.model import Model

RuleName: TypeAlias = Literal[
    "auto", "official", "official_bnfold", "exact", "exact_scale", "official_var", "ward"
]
Order: TypeAlias = Literal["round_robin", "layerwise"]


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

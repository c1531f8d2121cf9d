"""A smaller working module at given sizes, by the methods that merging is compared with."""

from collections.abc import Mapping

import numpy as np
from torch import Tensor, nn

from cutaway.core import check
from cutaway.merging.flow import Group
from cutaway.merging.groups import example64, float64_copy, found_groups
from cutaway.merging.peers.compensate import stand_ins
from cutaway.merging.peers.folding import folded
from cutaway.merging.peers.library import CRITERIA, NEEDS_DATA, library_pruned
from cutaway.merging.peers.maps import keep, read_as, rows_of
from cutaway.merging.rebuild import rebuilt
from cutaway.merging.weights import Array, Weights
from cutaway.model.model import Model, as_model

METHODS = (
    *("random", "magnitude", "magnitude_l2", "neuron_merging", "folding", "folding_repair"),
    *CRITERIA,
)


def pruned(
    model: Model | nn.Module,
    example: Tensor,
    left: Mapping[str, int],
    *,
    method: str,
    seed: int = 0,
    data: tuple[Tensor, Tensor] | None = None,
) -> nn.Module:
    """A copy of a model with fewer features, without training.

    Parameters
    ----------
    model : Model or torch.nn.Module
        Is copied and not touched.
    example : Tensor of shape (n, …)
        A batch of samples for tracing.
    left : mapping of str to int
        Features to keep by group (see `feature_groups`); groups not named keep all.
    method : str
        ``"random"``; ``"magnitude"`` keeps the largest L1 norms of the producers' weights,
        ``"magnitude_l2"`` the largest L2 norms; ``"neuron_merging"`` keeps as ``"magnitude_l2"``
        and lets the most similar kept feature stand in for a lost one; ``"folding"`` averages
        k-means clusters, ``"folding_repair"`` also repairs their variance;
        ``"torch_pruning_magnitude"``, ``"_bn_scale"``, ``"_fpgm"`` and ``"_taylor"`` are that
        library's.
    seed : int
        Of "random" and of k-means.
    data : (Tensor, Tensor) or None
        Inputs and integer labels; "torch_pruning_taylor" alone needs them.

    Returns
    -------
    nn.Module
        Of the same class, in the type and mode of the original.

    Raises
    ------
    ValueError
        If a name or size in `left` does not fit the model, `method` is unknown, or data is missing.
    UnsupportedModel
        If the model cannot be copied or traced.

    References
    ----------
    "magnitude": Li, Kadav, Durdanovic, Samet, Graf, "Pruning filters for efficient ConvNets", ICLR
    2017, arXiv:1608.08710, section 3.1.
    """
    check.one_of("method", method, METHODS)
    if method == NEEDS_DATA and data is None:
        raise ValueError(
            f"data must hold inputs and labels for method {method!r}, got None; give data=(x, y)"
        )
    opened = as_model(model)
    inputs = example64(example)
    module = float64_copy(opened)
    groups, _ = found_groups(opened, module, inputs)
    sizes = _sizes(groups, left)
    if method in CRITERIA:
        with opened.lock:
            return library_pruned(opened.module, example, sizes, groups, method=method, data=data)
    before, weights = Weights.of(module, groups), Weights.of(module, groups)
    rng = np.random.default_rng(seed)
    scores = {one.name: _scores(before, one, method, rng) for one in groups}
    for group in groups:
        size = sizes[group.name]
        if size == group.size:
            continue
        if method.startswith("folding"):
            folded(weights, group, size, repair=method.endswith("repair"), seed=seed)
            continue
        order = np.argsort(-scores[group.name], kind="stable")
        kept = sorted(order[:size].tolist())
        mixed = np.eye(group.size)[:, kept]
        if method == "neuron_merging":
            mixed = stand_ins(before, group, kept)
        keep(weights, group, kept)
        read_as(weights, group, mixed)
    with opened.lock:
        return rebuilt(opened.module, groups, weights)


def _scores(weights: Weights, group: Group, method: str, rng: np.random.Generator) -> Array:
    """Importance of each feature of the model as it came; the largest are kept."""
    if method == "random":
        return rng.random(group.size)
    rows = rows_of(weights, group)
    norms: Array = np.linalg.norm(rows, 1 if method == "magnitude" else 2, axis=1)
    return norms


def _sizes(groups: list[Group], left: Mapping[str, int]) -> dict[str, int]:
    """Features to keep in every group."""
    known = {one.name: one.size for one in groups}
    for name, size in left.items():
        if name not in known:
            raise ValueError(
                f"left must name groups of the model, got {name!r}; they are {', '.join(known)}"
            )
        if not 1 <= size <= known[name]:
            raise ValueError(
                f"left[{name!r}] must lie in [1, {known[name]}], got {size}; "
                "that is how many features the group has"
            )
    return {name: int(left.get(name, size)) for name, size in known.items()}

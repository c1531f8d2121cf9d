"""torch-pruning at given sizes: its groups, its importance, its deletion."""

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from cutaway.merging.flow import Group

# Our names of its importance classes. LAMP is left out: within a layer it ranks as "magnitude".
CRITERIA: Mapping[str, str] = {
    "torch_pruning_magnitude": "GroupMagnitudeImportance",
    "torch_pruning_bn_scale": "BNScaleImportance",
    "torch_pruning_fpgm": "FPGMImportance",
    "torch_pruning_taylor": "GroupTaylorImportance",
}
NEEDS_DATA = "torch_pruning_taylor"


def library_pruned(
    module: nn.Module,
    example: Tensor,
    sizes: dict[str, int],
    groups: list[Group],
    *,
    method: str,
    data: tuple[Tensor, Tensor] | None,
) -> nn.Module:
    """A copy of a module that torch-pruning made smaller.

    Parameters
    ----------
    module : nn.Module
        Not changed.
    example : Tensor
        A batch for its tracing.
    sizes : dict of str to int
        Features to keep by group.
    groups : list of Group
    method : str
        One of `CRITERIA`.
    data : (Tensor, Tensor) or None
        Inputs and labels for the gradient that "torch_pruning_taylor" looks at.

    Raises
    ------
    ImportError
        If torch-pruning is not installed.
    ValueError
        If "torch_pruning_bn_scale" meets a group without batch norm.

    References
    ----------
    Fang, Ma, Song, Mi, Wang, "DepGraph: towards any structural pruning", CVPR 2023,
    arXiv:2301.12900; the classes name their own papers.
    """
    try:
        import torch_pruning
    except ImportError as error:
        raise ImportError(
            f"method {method!r} needs torch-pruning, which is not installed; "
            "pip install 'cutaway[peers]'"
        ) from error
    made = copy.deepcopy(module).eval()
    flags = {name: one.requires_grad for name, one in made.named_parameters()}
    if data is not None and method == NEEDS_DATA:
        _gradients(made, *data)
    importance = getattr(torch_pruning.pruner.importance, CRITERIA[method])()
    graph = torch_pruning.DependencyGraph().build_dependency(made, example_inputs=example[:1])
    parts = dict(made.named_modules())
    lost: list[tuple[Any, Any, list[int]]] = []
    for group in groups:
        first: Any = parts[group.producers[0].path]
        out = graph.get_pruner_of_module(first).prune_out_channels
        coupled = graph.get_pruning_group(first, out, idxs=list(range(group.size)))
        scores = importance(coupled)
        if scores is None:
            raise ValueError(
                f"method must rank every group, got {method!r}, which ranks none without batch "
                f'norm, for {group.name!r}; use "torch_pruning_magnitude"'
            )
        order = torch.argsort(scores, stable=True).tolist()
        lost.append((first, out, order[: group.size - sizes[group.name]]))
    for first, out, places in lost:
        if places:
            graph.get_pruning_group(first, out, idxs=sorted(places)).prune()
    made.zero_grad(set_to_none=True)
    for name, one in made.named_parameters():
        one.requires_grad_(flags[name])
    return made.train(module.training)


def _gradients(module: nn.Module, inputs: Tensor, labels: Tensor) -> None:
    """Gradient of the mean cross entropy, left in the module's parameters."""
    module.requires_grad_(True).zero_grad(set_to_none=True)
    torch.autograd.backward(nn.functional.cross_entropy(module(inputs), labels))

"""What a merge asks of its options and of the model, each with one line where it is not so."""

from collections.abc import Mapping

from torch import nn

from cutaway.core import check
from cutaway.merging.flow import Group, Refusal
from cutaway.merging.rules import RULES
from cutaway.model.errors import UnsupportedModel
from cutaway.model.model import Model

_LEAST = 1e-150
ORDERS = ("round_robin", "layerwise")


def check_options(
    beta: float | None,
    target: float | None,
    left: Mapping[str, int] | None,
    order: str,
    max_ratio: float,
) -> None:
    """Raise if the options of a merge do not go together or are out of range."""
    if left is not None and (beta is not None or target is not None):
        raise ValueError(
            f"left must be given without beta and target, got {beta}, {target}; "
            "leave those out to merge to counts"
        )
    if left is None and (beta is None) == (target is None):
        raise ValueError(
            f"beta, target must be given one without the other, got {beta}, {target}; "
            "give beta=0.1, say, or target=0.5, or counts as left"
        )
    check.one_of("order", order, ORDERS)
    check.in_range("max_ratio", max_ratio, 0.0, 1.0)
    if beta is not None:
        check.in_range("beta", beta, 0.0, 1.0)
    if target is not None and not 0 < target <= 1:
        raise ValueError(
            f"target must lie in (0, 1], got {target}; give the part of the parameters to keep"
        )


def finite(module: nn.Module) -> None:
    """Raise if a weight is NaN or infinite, or its square is beyond float64."""
    for name, tensor in (*module.named_parameters(), *module.named_buffers()):
        if not tensor.is_floating_point() or not tensor.numel():
            continue
        largest = float(tensor.detach().abs().max())  # NaN if any is
        if not largest < float("inf"):
            raise ValueError(
                f"weights must be finite, got NaN or infinity in {name!r}; "
                "train again or load another checkpoint"
            )
        if largest and not _LEAST <= largest <= 1 / _LEAST:
            raise ValueError(
                f"weights must have sizes of {_LEAST:g} to {1 / _LEAST:g}, whose squares are "
                f"numbers, got at most {largest:.3g} in {name!r}; scale the layer"
            )


def mergeable(model: Model, groups: list[Group], refused: list[Refusal], rule: str) -> None:
    """Raise if there is no group, or one that the rule cannot merge."""
    if not groups:
        why = "; ".join(f"{one.name}: {one.reason}" for one in refused)[:300]
        raise UnsupportedModel(
            f"model {model.name!r} must have a group of features that can be merged, got none "
            f"({why}); see feature_groups"
        )
    for group in groups:
        if RULES[rule].gauge and group.curved:
            raise ValueError(
                f'rule must not be "exact_scale" where an activation is not positively '
                f"homogeneous, got {group.curved[0]} behind {group.name!r}; "
                'use rule="exact"'
            )

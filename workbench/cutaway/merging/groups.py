"""Groups of tensor axes that index the same features, each proved by a permutation."""

import copy
import time
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, fx, nn

from cutaway.core import Index, Origin, Result, Tick, silent
from cutaway.merging.flow import Group, Refusal, walk
from cutaway.merging.linearity import Tracer
from cutaway.model import outputs
from cutaway.model.errors import UnsupportedModel
from cutaway.model.hooks import evaluating
from cutaway.model.model import Model, as_model

_SAME = 1e-10  # of the largest output: float64 sums in another order differ by far less
_SAMPLES = 2  # in eval mode samples do not meet, so two show what all would


@dataclass(frozen=True, eq=False, repr=False)
class FeatureGroups(Result):
    """Every set of tensor axes that indexes the same features; rows are groups.

    Parameters
    ----------
    size : ndarray of shape (groups,)
        Number of features.
    groups : list of dict
        In network order: `name` (path of the first producer), `size`; `producers`, each with
        `path` (its weight and bias hold the features on axis 0) and `norm` (path of the batch norm
        behind it, or None); `consumers`, each with `path` (its weight holds them on axis 1) and
        `block` (columns a feature, more than 1 behind a flatten); `curved` (activations on the way
        that are not positively homogeneous).
    refused : list of dict
        `name`, `size` and `reason` of features that cannot be grouped.
    """

    size: NDArray[np.int64]
    groups: list[dict[str, Any]]
    refused: list[dict[str, Any]]

    def to_frame(self) -> pd.DataFrame:
        """One line a group: its size, and how many tensors make and read its features."""
        columns = {
            "size": self.size,
            "producers": [len(one["producers"]) for one in self.groups],
            "consumers": [len(one["consumers"]) for one in self.groups],
            "block": [max(c["block"] for c in one["consumers"]) for one in self.groups],
        }
        return pd.DataFrame(columns, index=pd.Index(self.rows.ids, name=self.rows.axis))

    def __repr__(self) -> str:
        many, few = len(self.groups), len(self.refused)
        return f"FeatureGroups({many} groups, {int(self.size.sum())} features; {few} refused)"


def feature_groups(model: Model | nn.Module, example: Tensor) -> FeatureGroups:
    """Groups of features of a model, and what cannot be grouped with the reason.

    Parameters
    ----------
    model : Model or torch.nn.Module
        Is copied and not touched.
    example : Tensor of shape (n, …)
        A batch of samples; only shapes matter.

    Raises
    ------
    UnsupportedModel
        If the model cannot be copied or traced.
    RuntimeError
        If it fails on the example.
    TypeError, ValueError
        If the example is no tensor, or is empty.

    Notes
    -----
    Groups come from a symbolic trace (`torch.fx`). A group is admitted only if permuting its
    features in every one of its tensors leaves the output unchanged, in float64, on a copy with
    random weights (no weight is zero there, so that nothing passes for want of influence).

    References
    ----------
    "Feature group": Chen, Zhou, Yan, ICLR 2024, arXiv:2310.06756, section 3.
    """
    began = time.perf_counter()
    opened = as_model(model)
    groups, refused = found_groups(opened, float64_copy(opened), example64(example))
    origin = Origin("feature_groups", model=opened.name, weights=opened.digest)
    return FeatureGroups(
        rows=Index(np.array([one.name for one in groups], dtype=np.str_), "group"),
        origin=origin.after(time.perf_counter() - began),
        size=np.array([one.size for one in groups], dtype=np.int64),
        groups=[as_json(one) for one in groups],
        refused=[asdict(one) for one in refused],
    )


def found_groups(
    model: Model, module: nn.Module, example: Tensor, tick: Tick = silent
) -> tuple[list[Group], list[Refusal]]:
    """Admitted groups, and refusals.

    Parameters
    ----------
    model : Model
        For its name and its way of being called.
    module : nn.Module
        Its `float64_copy`.
    example : Tensor
        From `example64`.
    tick : Tick
        Called before each check.
    """
    try:
        traced = fx.GraphModule(module, Tracer().trace(module))
    except Exception as error:  # the code of a model may raise anything under tracing
        why = " ".join(str(error).split())[:200]
        raise UnsupportedModel(
            f"model {model.name!r} must be traceable by torch.fx, got {type(error).__name__}: "
            f"{why}; take data-dependent branches out of forward, or give the part without them"
        ) from error
    inputs = [one for one in traced.graph.nodes if one.op == "placeholder"]
    if sum(not one.args for one in inputs) > 1:
        raise UnsupportedModel(
            f"model {model.name!r} must take one tensor, got {len(inputs)} inputs; "
            "wrap it in a module with one"
        )
    few = example[:_SAMPLES]
    try:
        groups, refused = walk(traced, few)
        random = _random_weights(module)
        before = output_of(model, random, few)
    except (RuntimeError, TypeError, ValueError, LookupError) as error:
        raise RuntimeError(model.failure(example, error)) from error
    admitted = []
    for place, group in enumerate(groups):
        tick(place / len(groups), f"groups: checking {group.name}")
        after = output_of(model, permuted(random, group, seed=place), few)
        scale = float(before.abs().max())
        if scale > 0 and float((after - before).abs().max()) <= _SAME * scale:
            admitted.append(group)
        else:
            reason = "permuting its features changes the output, so some use of them is not seen"
            refused.append(Refusal(group.name, group.size, reason))
    return admitted, refused


def permuted(module: nn.Module, group: Group, *, seed: int) -> nn.Module:
    """A copy of a module in which the features of one group stand in another order.

    Parameters
    ----------
    module : nn.Module
    group : Group
    seed : int
        Of the permutation.
    """
    changed = copy.deepcopy(module)
    order = torch.as_tensor(np.random.default_rng(seed).permutation(group.size))
    parts = dict(changed.named_modules())
    with torch.no_grad():
        for path in [path for one in group.producers for path in one if path is not None]:
            for name in ("weight", "bias", "running_mean", "running_var"):
                tensor = getattr(parts[path], name, None)
                if tensor is not None:
                    tensor.copy_(tensor[order])
        for path, _ in group.consumers:
            weight: Any = parts[path].weight
            columns = weight.reshape(len(weight), group.size, -1)
            weight.copy_(columns[:, order].reshape(weight.shape))
    return changed


def float64_copy(model: Model) -> nn.Module:
    """A copy of the module on the CPU, in float64 and eval mode.

    Raises
    ------
    UnsupportedModel
        If it cannot be copied.
    """
    with model.lock:
        try:
            module = copy.deepcopy(model.module)
        except (RuntimeError, TypeError, NotImplementedError) as error:
            why = " ".join(str(error).split())[:200]
            raise UnsupportedModel(
                f"model {model.name!r} must allow a deep copy, got {type(error).__name__}: {why}; "
                "remove old-style weight norms or other computed weights first"
            ) from error
    lazy = [name for name, one in module.named_parameters() if nn.parameter.is_lazy(one)]
    if lazy:
        raise UnsupportedModel(
            f"model {model.name!r} must have all its weights, got lazy parameter {lazy[0]!r}; "
            "run one batch through it first"
        )
    return module.to("cpu", torch.float64).eval()


def example64(example: Tensor) -> Tensor:
    """An example on the CPU, as float64 if it holds floating numbers."""
    if not isinstance(example, Tensor):
        raise TypeError(
            f"example must be a tensor, got {type(example).__name__}; give a batch of samples"
        )
    if example.ndim == 0 or len(example) == 0:
        raise ValueError(
            f"example must hold at least one sample, got shape {tuple(example.shape)}; "
            "give a batch of samples"
        )
    here = example.detach().cpu()
    return here.double() if here.is_floating_point() else here


def as_json(group: Group) -> dict[str, Any]:
    """A group as a JSON object."""
    return {
        "name": group.name,
        "size": group.size,
        "producers": [one._asdict() for one in group.producers],
        "consumers": [one._asdict() for one in group.consumers],
        "curved": list(group.curved),
    }


def _random_weights(module: nn.Module) -> nn.Module:
    """A copy with random weights of usual size; variances and 1-D tensors positive."""
    drawn = copy.deepcopy(module)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for _, tensor in (*drawn.named_parameters(), *drawn.named_buffers()):
            if not tensor.is_floating_point():
                continue
            if tensor.ndim < 2:
                tensor.copy_(0.5 + torch.rand(tensor.shape, generator=generator))
            else:
                fan = max(tensor.numel() // len(tensor), 1)
                values = torch.randn(tensor.shape, generator=generator, dtype=tensor.dtype)
                tensor.copy_(values * (2 / fan) ** 0.5)
    return drawn


def output_of(model: Model, module: nn.Module, example: Tensor) -> Tensor:
    """Scores of an example, from a copy of the model."""
    with evaluating(module):
        return outputs.logits(model.call(example.clone(), module=module))

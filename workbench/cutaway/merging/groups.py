"""Groups of tensor axes that index the same features, each proved by a permutation."""

import copy
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cutaway.core import Index, Origin, Result, Tick, part, silent
from cutaway.merging.flow import Group, Refusal
from cutaway.merging.pieces import (
    Piece,
    calls_of,
    n_inputs,
    piece_groups,
    pieces_of,
    traced,
    untraced,
)
from cutaway.merging.proof import failing, random_weights
from cutaway.merging.split import cut, plain
from cutaway.merging.walk import walk
from cutaway.model import outputs
from cutaway.model.errors import UnsupportedModel
from cutaway.model.hooks import evaluating
from cutaway.model.model import Model, as_model

_SAME_IN_FLOAT32 = 1e-4  # of the largest output: norms of language models compute in float32
_TOKENS = 16  # of a text, for the proof
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
        `path` (its weight and bias hold the features on axis 0), `norm` (path of the batch norm
        right behind it, or None) and `start` (its first row of the group); `consumers`, each with
        `path` (its weight holds them on axis 1), `block` (columns a feature, more than 1 behind a
        flatten) and `start` (its first column of the group, not 0 behind a concatenation);
        `curved` (what on the way does not follow when rows are scaled); `channels` (that make one
        feature, as many as the groups of a grouped convolution); `rules` (under which two exact
        copies merge without a change of the output); `still` (why they cannot merge, if so).
    refused : list of dict
        `name`, `size` and `reason` of features that cannot be grouped.
    """

    size: NDArray[np.int64]
    groups: list[dict[str, Any]]
    refused: list[dict[str, Any]]

    _shapes: ClassVar[Mapping[str, str]] = {"size": "n", "groups": "n"}

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
    Groups come from a symbolic trace (`torch.fx`), of the parts that can be traced where the whole
    cannot: of a causal language model the MLPs. A group is admitted only if permuting its features
    in every one of its tensors leaves the output unchanged, in float64, on a copy with random
    weights (no weight is zero there, so that nothing passes for want of influence); for a part that
    is its own output, while the whole model's may change by 1e-4 of it, since norms of language
    models compute in float32.

    References
    ----------
    "Feature group": Chen, Zhou, Yan, ICLR 2024, arXiv:2310.06756, section 3.
    """
    began = time.perf_counter()
    opened = as_model(model)
    groups, refused = proved_groups(opened, float64_copy(opened), example64(example))
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
    """Groups whose features may merge, and refusals.

    Parameters
    ----------
    model : Model
        For its name and its way of being called.
    module : nn.Module
        Its `float64_copy`; layers at the borders of groups are cut, and transposed ones turned, in
        place (see `cutaway.merging.split`), which changes nothing of what it does.
    example : Tensor
        From `example64`.
    tick : Tick
        Called before each check.
    """
    groups, refused = proved_groups(model, module, example, tick)
    still = [Refusal(one.name, one.size, one.still) for one in groups if one.still]
    return [one for one in groups if not one.still], [*refused, *still]


def proved_groups(
    model: Model, module: nn.Module, example: Tensor, tick: Tick = silent
) -> tuple[list[Group], list[Refusal]]:
    """All groups whose features may change places, and refusals; arguments as `found_groups`."""
    few = example[:_SAMPLES]
    plain(module)
    try:
        graph = traced(module)
    except Exception as error:  # noqa: BLE001 - the code of a model may raise anything here
        return _by_pieces(model, module, few[:, :_TOKENS] if _is_tokens(few) else few, error, tick)
    inputs = [one for one in graph.graph.nodes if one.op == "placeholder"]
    if n_inputs(graph) > 1:
        raise UnsupportedModel(
            f"model {model.name!r} must take one tensor, got {len(inputs)} inputs; "
            "wrap it in a module with one"
        )
    try:
        groups, refused = walk(graph, few, owners_of(module))
        random = random_weights(module)
        before = output_of(model, random, few)
    except (RuntimeError, TypeError, ValueError, LookupError) as error:
        raise RuntimeError(model.failure(example, error)) from error
    cut(module, groups)
    cut(random, groups)
    wrong = failing(groups, random, lambda one: output_of(model, one, few), before, tick)
    return _admitted(groups, refused, wrong)


def _by_pieces(
    model: Model, module: nn.Module, few: Tensor, error: Exception, tick: Tick
) -> tuple[list[Group], list[Refusal]]:
    """Groups in the parts that can be traced, of a network that cannot."""
    why = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    try:
        seen = calls_of(module, lambda: output_of(model, module, few))
    except (RuntimeError, TypeError, ValueError, LookupError) as failed_run:
        raise RuntimeError(model.failure(few, failed_run)) from failed_run
    pieces, failed = pieces_of(module, seen)
    if not pieces:
        raise UnsupportedModel(
            f"model {model.name!r} must be traceable by torch.fx, got {why}; take data-dependent "
            "branches out of forward, or give the part without them"
        ) from error
    owners = owners_of(module)
    random = random_weights(module)
    before = output_of(model, random, few)
    groups: list[Group] = []
    refused: list[Refusal] = []
    wrong: set[str] = set()
    inside: set[str] = set()
    for place, piece in enumerate(pieces):
        tick(0.5 * place / len(pieces), f"groups: tracing {piece.path}")
        some, others = piece_groups(piece, seen, owners)
        wrong |= _wrong_in_piece(piece, some, module, random)
        groups += some
        refused += others
        layers = module.get_submodule(piece.path).named_modules()
        inside |= {f"{piece.path}.{name}" if name else piece.path for name, _ in layers}
    run = partial(output_of, model, example=few)
    wrong |= failing(groups, random, run, before, part(tick, 0.5, 1.0), same=_SAME_IN_FLOAT32)
    refused += untraced(module, inside, {"": why, **failed}, owners)
    return _admitted(groups, refused, wrong)


def _wrong_in_piece(
    piece: Piece, groups: list[Group], module: nn.Module, random: nn.Module
) -> set[str]:
    """Cut the layers of a piece; names of groups whose permutation changes what it makes."""
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(piece.shape, generator=generator, dtype=torch.float64)

    def made(whole: nn.Module) -> Tensor:
        one = whole.get_submodule(piece.path)
        with evaluating(one):
            return outputs.logits(one(inputs))

    before = made(random)
    cut(module, groups)
    cut(random, groups)
    return failing(groups, random, made, before, silent)


def _admitted(
    groups: list[Group], refused: list[Refusal], wrong: set[str]
) -> tuple[list[Group], list[Refusal]]:
    reason = "permuting its features changes the output, so some use of them is not seen"
    left = [Refusal(one.name, one.size, reason) for one in groups if one.name in wrong]
    return [one for one in groups if one.name not in wrong], [*refused, *left]


def owners_of(module: nn.Module) -> Counter[int]:
    """How many modules hold a parameter, by its id."""
    return Counter(id(one) for _, one in module.named_parameters(remove_duplicate=False))


def _is_tokens(example: Tensor) -> bool:
    return example.ndim == 2 and not example.is_floating_point()


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
    """A group as a JSON object, with the layers as they are in the model, not cut."""
    where = {
        split.part(row, column): (split, row, column)
        for split in group.splits
        for row, column in split.places()
    }
    producers, consumers = [], []
    for path, norm in group.producers:
        one, start = {"path": path, "norm": norm, "start": 0}, 0
        if path in where:
            split, row, _ = where[path]
            start = sum(split.rows[:row])
            one = {"path": split.path, "norm": split.norm, "start": start}
        if one not in producers:
            producers.append(one)
    for path, block in group.consumers:
        one = {"path": path, "block": block, "start": 0}
        if path in where:
            split, _, column = where[path]
            start = 0 if split.diagonal else sum(split.columns[:column])
            one = {"path": split.path, "block": block, "start": start}
        if one not in consumers:
            consumers.append(one)
    return {
        "name": group.name,
        "size": group.size,
        "producers": producers,
        "consumers": consumers,
        "curved": list(group.curved),
        "channels": group.channels,
        "rules": rules_of(group),
        "still": group.still,
    }


def rules_of(group: Group) -> list[str]:
    """Names of the rules under which two exact copies of a group merge without any change.

    Sums of rows need that what follows is linear along them; a gauge needs the same.
    """
    if group.still:
        return []
    norms = any(one.norm is not None for one in group.producers)
    linear = ["official_bnfold", "exact_scale", "official_var" if norms else "official"]
    return ["exact", "ward", *([] if group.curved else linear)]


def output_of(model: Model, module: nn.Module, example: Tensor) -> Tensor:
    """Scores of an example, from a copy of the model."""
    with evaluating(module):
        return outputs.logits(model.call(example.clone(), module=module))

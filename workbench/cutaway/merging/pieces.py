"""The parts of a network that can be traced on their own where the whole cannot.

The language models of Hugging Face branch on their inputs and cannot be traced, but the MLP of each
layer can; so can the straight parts of any other network with a branch in it.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, fx, nn

from cutaway.merging import layers
from cutaway.merging.flow import Consumer, Group, Producer, Refusal, Split
from cutaway.merging.linearity import Tracer
from cutaway.merging.walk import walk
from cutaway.model.hooks import hooked

_ONE_INPUT = "it takes more than one input"


@dataclass(frozen=True)
class Piece:
    """A module that can be traced on its own; `shape` is that of its input."""

    path: str
    graph: fx.GraphModule
    shape: tuple[int, ...]


@dataclass
class Calls:
    """What one run of a network has shown: calls of each module, and the shape it was given."""

    count: Counter[str] = field(default_factory=Counter)
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)


def traced(module: nn.Module) -> fx.GraphModule:
    """Symbolic trace that keeps weight layers whole.

    Raises
    ------
    Exception
        Whatever the module's code raises under tracing.
    """
    return fx.GraphModule(module, Tracer().trace(module))


def n_inputs(graph: fx.GraphModule) -> int:
    """Inputs without a default."""
    return sum(one.op == "placeholder" and not one.args for one in graph.graph.nodes)


def calls_of(module: nn.Module, run: Callable[[], Any]) -> Calls:
    """Watch every module for one run of the network."""
    seen = Calls()

    def watcher(path: str) -> Callable[[nn.Module, tuple[Any, ...], Any], None]:
        def note(_module: nn.Module, given: tuple[Any, ...], _output: object) -> None:
            seen.count[path] += 1
            if len(given) > 0 and isinstance(given[0], Tensor) and given[0].is_floating_point():
                seen.shapes[path] = tuple(given[0].shape)

        return note

    paths = [path for path, _ in module.named_modules(remove_duplicate=False) if path]
    with hooked(module, {path: watcher(path) for path in paths}):
        run()
    return seen


def pieces_of(module: nn.Module, seen: Calls) -> tuple[list[Piece], dict[str, str]]:
    """The largest parts that can be traced, and for all others why not.

    Returns
    -------
    pieces : list of Piece
        In network order; none lies in another.
    failed : dict of str to str
        By path, for modules of two weight layers or more.
    """
    found: list[Piece] = []
    failed: dict[str, str] = {}
    waiting = [(path, one) for path, one in reversed(list(module.named_children()))]
    while waiting:
        path, part = waiting.pop()
        if sum(isinstance(one, layers.WEIGHTED) for one in part.modules()) < 2:
            continue
        try:
            graph = traced(part)
            why = "" if n_inputs(graph) == 1 else _ONE_INPUT
        except Exception as error:  # noqa: BLE001 - the code of a model may raise anything here
            why = f"{type(error).__name__}: {' '.join(str(error).split())[:100]}"
        if not why and path in seen.shapes:
            found.append(Piece(path, graph, seen.shapes[path]))
            continue
        failed[path] = why or "it is not called with one tensor of floating type"
        children = [(f"{path}.{name}", one) for name, one in part.named_children()]
        waiting += reversed(children)
    return found, failed


def piece_groups(
    piece: Piece, seen: Calls, owners: Mapping[int, int]
) -> tuple[list[Group], list[Refusal]]:
    """Groups inside a piece, named as in the whole network, and what cannot be grouped."""
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(piece.shape, generator=generator, dtype=torch.float64)
    groups, refused = walk(piece.graph, inputs, owners)
    outside = f"it leaves {piece.path!r}, beyond which torch.fx cannot follow it"
    left = [
        Refusal(
            f"{piece.path}.{one.name}",
            one.size,
            outside if one.reason == "it is the model's output" else one.reason,
        )
        for one in refused
        if one.reason != "it is the model's input"
    ]
    kept = []
    for group in (_renamed(one, piece.path) for one in groups):
        paths = [path for path, _ in (*group.producers, *group.consumers)]
        often = {f"{path} {seen.count[path]}" for path in paths if seen.count[path] > 1}
        if often:
            path, times = min(often).split()
            reason = f"module {path!r} is used {times} times"
            left.append(Refusal(group.name, group.size, reason))
        else:
            kept.append(group)
    return kept, left


def untraced(
    module: nn.Module, grouped: set[str], failed: Mapping[str, str], owners: Mapping[int, int]
) -> list[Refusal]:
    """Weights outside all pieces, and why they are in no group.

    Parameters
    ----------
    module : nn.Module
    grouped : set of str
        Paths of layers in pieces.
    failed : mapping of str to str
        From `pieces_of`; the whole network's reason by ``""``.
    owners : mapping of int to int
        How many modules hold a parameter, by its id.
    """
    refused = []
    for name, weight in module.named_parameters(remove_duplicate=False):
        layer = name.rpartition(".")[0]
        if weight.ndim < 2 or layer in grouped:
            continue
        if owners[id(weight)] > 1:
            reason = f"{name} is shared with another module"
        else:
            inner = max(
                (one for one in failed if f"{name}.".startswith(f"{one}." if one else "")), key=len
            )
            kind = type(module.get_submodule(inner)).__name__
            where = f"{inner!r} ({kind})" if inner else f"the model ({kind})"
            reason = f"it lies in {where}, which torch.fx cannot trace: {failed[inner]}"
        refused.append(Refusal(name, len(weight), reason))
    return refused


def _renamed(group: Group, prefix: str) -> Group:
    def full(path: str) -> str:
        return f"{prefix}.{path}"

    def norm(path: str | None) -> str | None:
        return None if path is None else full(path)

    splits: tuple[Split, ...] = tuple(
        replace(one, path=full(one.path), norm=norm(one.norm)) for one in group.splits
    )
    return replace(
        group,
        name=full(group.name),
        producers=tuple(Producer(full(one.path), norm(one.norm)) for one in group.producers),
        consumers=tuple(Consumer(full(one.path), one.block) for one in group.consumers),
        curved=tuple(full(one) for one in group.curved),
        splits=splits,
    )

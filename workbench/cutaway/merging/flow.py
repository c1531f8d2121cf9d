"""One walk through a traced network: which tensor axes index the same features.

Every convolution and linear layer starts a *stream* of features. Operations that treat features
one by one pass the stream on, additions join two streams, layers that read a stream become its
consumers, and whatever is not known to keep features apart closes the streams that enter it, with
the reason.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Interpreter, Node

from cutaway.merging import layers
from cutaway.merging.linearity import linear_in_weights


class Producer(NamedTuple):
    """A layer whose weight has the features on axis 0, and the batch norm right behind it."""

    path: str
    norm: str | None


class Consumer(NamedTuple):
    """A layer whose weight has the features on axis 1, `block` columns each."""

    path: str
    block: int


@dataclass(frozen=True)
class Group:
    """All tensor axes that index the same features.

    Parameters
    ----------
    name : str
        Path of the first producer.
    size : int
        Number of features.
    producers, consumers : tuple
        In network order.
    curved : tuple of str
        Activations on the way that are not positively homogeneous, e.g. ``"tanh1 (Tanh)"``.
    """

    name: str
    size: int
    producers: tuple[Producer, ...]
    consumers: tuple[Consumer, ...]
    curved: tuple[str, ...]


@dataclass(frozen=True)
class Refusal:
    """Features that cannot be grouped, and why."""

    name: str
    size: int
    reason: str


class _Flow(NamedTuple):
    stream: int
    axis: int
    block: int


@dataclass
class _Stream:
    name: str
    size: int
    producers: list[str] = field(default_factory=list)
    consumers: list[Consumer] = field(default_factory=list)
    curved: list[str] = field(default_factory=list)
    reason: str = ""


class _Shapes(Interpreter):
    """Runs the graph once and notes the shape of every tensor."""

    def __init__(self, graph: GraphModule) -> None:
        super().__init__(graph)
        self.shapes: dict[Node, tuple[int, ...]] = {}

    def run_node(self, n: Node) -> Any:
        """Value of a node, after its shape is noted."""
        value = super().run_node(n)
        if isinstance(value, Tensor):
            self.shapes[n] = tuple(value.shape)
        return value


def walk(graph: GraphModule, example: Tensor) -> tuple[list[Group], list[Refusal]]:
    """Groups of a traced network in network order, and what cannot be grouped.

    Parameters
    ----------
    graph : torch.fx.GraphModule
        In eval mode.
    example : Tensor of shape (n, …)
        Is run through it once, for the shapes.

    Returns
    -------
    groups : list of Group
    refused : list of Refusal
        Inputs, outputs, and streams that meet something that is not known to keep features apart.

    References
    ----------
    The idea of coupled axes: Fang et al., "DepGraph: towards any structural pruning", CVPR 2023,
    arXiv:2301.12900.
    """
    runner = _Shapes(graph)
    with torch.no_grad():
        runner.run(example)
    found = _Walk(graph, runner.shapes)
    for node in graph.graph.nodes:
        found.step(node)
    return found.groups(), found.refusals()


class _Walk:
    def __init__(self, graph: GraphModule, shapes: Mapping[Node, tuple[int, ...]]) -> None:
        self.modules = dict(graph.named_modules(remove_duplicate=False))
        self.shapes = shapes
        self.flows: dict[Node, _Flow] = {}
        self.streams: list[_Stream] = []
        self.parents: list[int] = []
        self.norms: dict[str, str] = {}
        self.inputs: list[Refusal] = []
        calls = [one for one in graph.graph.nodes if one.op == "call_module"]
        self.uses = Counter(id(self.modules[str(one.target)]) for one in calls)
        self.read = {str(one.target) for one in graph.graph.nodes if one.op == "get_attr"}
        weights = list(graph.named_parameters(remove_duplicate=False))
        self.matrices = {name: len(one) for name, one in weights if one.ndim > 1}
        self.owners = Counter(id(one) for _, one in weights)

    # --- streams -----------------------------------------------------------------------------

    def root(self, stream: int) -> int:
        while self.parents[stream] != stream:
            stream = self.parents[stream]
        return stream

    def start(self, name: str, size: int) -> int:
        self.streams.append(_Stream(name, size))
        self.parents.append(len(self.parents))
        return len(self.parents) - 1

    def join(self, one: int, other: int) -> int:
        first, second = sorted((self.root(one), self.root(other)))
        if first != second:
            kept, gone = self.streams[first], self.streams[second]
            kept.producers += gone.producers
            kept.consumers += gone.consumers
            kept.curved += gone.curved
            kept.reason = kept.reason or gone.reason
            self.parents[second] = first
        return first

    def of(self, flow: _Flow) -> _Stream:
        return self.streams[self.root(flow.stream)]

    def close(self, nodes: list[Node], reason: str) -> None:
        """No features of these values can be grouped."""
        for one in nodes:
            if one in self.flows:
                stream = self.of(self.flows[one])
                stream.reason = stream.reason or reason

    # --- operations --------------------------------------------------------------------------

    def step(self, node: Node) -> None:
        if node.op == "placeholder":
            shape = self.shapes.get(node, ())
            size = shape[1] if len(shape) > 1 else 0
            self.inputs.append(Refusal(node.name, size, "it is the model's input"))
        elif node.op == "output":
            self.close(node.all_input_nodes, "it is the model's output")
        elif node.op != "get_attr":
            self.call(node)

    def call(self, node: Node) -> None:
        module = self.modules[str(node.target)] if node.op == "call_module" else None
        target = node.target if module is None else module
        if isinstance(module, (*layers.CONVOLUTIONS, nn.Linear)):
            self.weight_layer(node, module)
        elif type(module) in layers.NORMS:
            self.norm(node, module)
        elif target in layers.ADDITIONS:
            self.add(node)
        elif not any(one in self.flows for one in node.all_input_nodes):
            return
        elif not self.passed(node, target) and not self.asks_for_samples(node):
            what = "concatenation" if target in layers.JOINS else "operation"
            kind = type(module).__name__ if module is not None else _title(node)
            reason = f"it enters {what} {node.name!r} ({kind}), which may mix features"
            self.close(node.all_input_nodes, reason)

    def weight_layer(self, node: Node, module: Any) -> None:
        source, path = node.all_input_nodes[0], str(node.target)
        n_axes, flow = len(self.shapes[node]), self.flows.get(source)
        linear = isinstance(module, nn.Linear)
        axis = n_axes - 1 if linear else 1
        made = self.start(path, self.shapes[node][axis])
        self.streams[made].producers.append(path)
        self.flows[node] = _Flow(made, axis, 1)
        reason = self.unfit(path, module) or self.bent(module, path, self.shapes[source])
        if reason:
            self.close([source, node], reason)
        elif flow is not None and (flow.axis != axis or (flow.block > 1 and not linear)):
            self.close([source], f"layer {path!r} reads another axis than the features'")
        elif flow is not None:
            self.of(flow).consumers.append(Consumer(path, flow.block))

    def unfit(self, path: str, module: nn.Module) -> str:
        """Why a layer's tensors cannot be changed for one place in the network alone."""
        groups = getattr(module, "groups", 1)
        if groups > 1:
            width: Any = module.in_channels
            kind = "depthwise" if groups == width else f"grouped ({groups})"
            return f"layer {path!r} is a {kind} convolution"
        if self.uses[id(module)] > 1:
            return f"module {path!r} is used {self.uses[id(module)]} times"
        owned = dict(module.named_parameters(recurse=False))
        shared = [name for name, one in owned.items() if self.owners[id(one)] > 1]
        if shared:
            return f"{path}.{shared[0]} is shared with another module"
        direct = [name for name in owned if f"{path}.{name}" in self.read]
        if direct:
            return f"{path}.{direct[0]} is also read outside its module"
        if isinstance(module, (*layers.CONVOLUTIONS, nn.Linear)) and "weight" not in owned:
            return f"{path}.weight is computed from other tensors (weight or spectral norm)"
        return ""

    def bent(self, module: nn.Module, path: str, shape: tuple[int, ...]) -> str:
        """Why a layer is no sum over its weights; empty if it is one."""
        if linear_in_weights(module, shape):
            return ""
        return f"layer {path!r} ({type(module).__name__}) is not linear in its weights"

    def norm(self, node: Node, module: Any) -> None:
        source, path = node.all_input_nodes[0], str(node.target)
        flow = self.flows.get(source)
        if flow is None:
            return
        reason = self.unfit(path, module)
        if not reason and module.running_var is None:
            reason = f"batch norm {path!r} keeps no running statistics"
        producer = str(source.target)
        direct = source.op == "call_module" and producer in self.of(flow).producers
        if not reason and not (direct and len(source.users) == 1 and flow.axis == 1):
            reason = f"batch norm {path!r} does not directly follow one weight layer"
        if reason:
            self.close([source], reason)
        else:
            self.norms[producer] = path
            self.flows[node] = flow

    def add(self, node: Node) -> None:
        flows = [self.flows.get(one) for one in node.all_input_nodes]
        tracked = [one for one in flows if one is not None]
        shapes = {self.shapes.get(one) for one in node.all_input_nodes}
        alike = len({one[1:] for one in tracked}) == 1 and len(shapes) == 1
        if len(tracked) != len(node.args) or not alike or node.kwargs:
            reason = f"addition {node.name!r} does not join two known streams of one shape"
            self.close(node.all_input_nodes, reason)
            return
        stream = tracked[0].stream
        for one in tracked[1:]:
            stream = self.join(stream, one.stream)
        self.flows[node] = tracked[0]._replace(stream=stream)

    def passed(self, node: Node, target: Any) -> bool:
        """Whether the operation passes its stream on (and note it as the node's flow)."""
        source = node.all_input_nodes[0]
        flow = self.flows.get(source)
        if flow is None or node.args[:1] != (source,):
            return False
        before, after = self.shapes[source], self.shapes.get(node)
        rest, block = node.args[1:], None
        homogeneous, flat = layers.pointwise(target), layers.flattens(target, rest)
        if homogeneous is not None:
            block = 1
            if not homogeneous:
                self.of(flow).curved.append(_called(node, target))
        elif target in layers.SCALINGS:
            block = 1 if all(isinstance(one, (int, float)) for one in rest) else None
        elif layers.pool_axes(target) == len(before) and after is not None:
            block = 1
        elif target in ("mean", torch.mean):
            axes = layers.averaged_axes(rest, node.kwargs, len(before))
            block = 1 if min(axes) > flow.axis else None
        elif flat and after is not None and (flow.axis == 1 or after == before):
            block = 1 if after == before else layers.block_after(before, after)
        if block is None:
            return False
        self.flows[node] = flow._replace(block=flow.block * block)
        return True

    def asks_for_samples(self, node: Node) -> bool:
        """Whether a node only reads the number of samples, which merging leaves alone."""
        if node.target == "size":
            return node.args[1:] == (0,)
        if node.target is getattr and node.args[1:] == ("shape",):
            return all(one.args[1:] == (0,) for one in node.users)
        return False

    # --- what came out -----------------------------------------------------------------------

    def roots(self) -> list[_Stream]:
        return [one for place, one in enumerate(self.streams) if self.parents[place] == place]

    def groups(self) -> list[Group]:
        return [
            Group(
                one.name,
                one.size,
                tuple(Producer(path, self.norms.get(path)) for path in one.producers),
                tuple(one.consumers),
                tuple(dict.fromkeys(one.curved)),
            )
            for one in self.roots()
            if not one.reason and one.consumers
        ]

    def refusals(self) -> list[Refusal]:
        refused = [
            Refusal(one.name, one.size, one.reason or "no layer with weights reads it")
            for one in self.roots()
            if one.reason or not one.consumers
        ]
        known = {path for one in self.roots() for path in one.producers}
        other = [
            Refusal(
                name, size, "it is used otherwise than as a torch.nn convolution or linear layer"
            )
            for name, size in self.matrices.items()
            if name.rpartition(".")[0] not in known
            and name.partition(".parametrizations.")[0] not in known
        ]
        return [*self.inputs, *refused, *other]


def _title(node: Node) -> str:
    return str(getattr(node.target, "__name__", node.target))


def _called(node: Node, target: Any) -> str:
    if isinstance(target, nn.Module):
        return f"{node.target} ({type(target).__name__})"
    return f"{node.name} ({_title(node)})"

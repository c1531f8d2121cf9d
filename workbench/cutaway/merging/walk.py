"""One walk through a traced network: which tensor axes index the same features.

Every convolution and linear layer starts a stream of features. Operations that treat features one
by one pass the stream on, additions and products join streams, concatenations put them side by
side, layers that read a stream become its consumers, and whatever is not known to keep features
apart closes the streams that enter it, with the reason.
"""

import operator
from collections import Counter
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Interpreter, Node

from cutaway.merging import layers
from cutaway.merging.cuts import Layer, cut_groups
from cutaway.merging.flow import Flow, Group, Refusal, Segment, Streams
from cutaway.merging.linearity import linear_in_weights


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


def walk(
    graph: GraphModule, example: Tensor, owners: Mapping[int, int]
) -> tuple[list[Group], list[Refusal]]:
    """Groups of a traced network in network order, and what cannot be grouped.

    Parameters
    ----------
    graph : torch.fx.GraphModule
        In eval mode.
    example : Tensor of shape (n, …)
        Is run through it once, for the shapes.
    owners : mapping of int to int
        How many modules hold a parameter, by its id.

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
    found = _Walk(graph, runner.shapes, owners)
    for node in graph.graph.nodes:
        found.step(node)
    groups = cut_groups(found.layers, found.streams, found.modules)
    return groups, found.refusals({one.name for one in groups})


class _Walk:
    def __init__(
        self, graph: GraphModule, shapes: Mapping[Node, tuple[int, ...]], owners: Mapping[int, int]
    ) -> None:
        self.modules = dict(graph.named_modules(remove_duplicate=False))
        self.shapes, self.owners = shapes, owners
        self.flows: dict[Node, Flow] = {}
        self.streams = Streams()
        self.layers: dict[str, Layer] = {}
        self.inputs: list[Refusal] = []
        calls = [one for one in graph.graph.nodes if one.op == "call_module"]
        self.uses = Counter(id(self.modules[str(one.target)]) for one in calls)
        self.read = {str(one.target) for one in graph.graph.nodes if one.op == "get_attr"}
        weights = graph.named_parameters(remove_duplicate=False)
        self.matrices = {name: len(one) for name, one in weights if one.ndim > 1}

    def close(self, nodes: list[Node], reason: str) -> None:
        """No features of these values can be grouped."""
        for one in nodes:
            if one in self.flows:
                self.streams.close(self.flows[one], reason)

    def curve(self, flow: Flow, what: str) -> None:
        """Note what keeps the features of a value from following when rows are scaled."""
        for one in flow.segments:
            self.streams.of(one.stream).curved.append(what)

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
        if isinstance(module, layers.WEIGHTED):
            self.weight_layer(node, module)
        elif not any(one in self.flows for one in node.all_input_nodes):
            return
        elif type(module) in layers.NORMS:
            self.norm(node, module)
        elif type(module) in layers.LAYER_NORMS:
            self.layer_norm(node, module)
        elif target in layers.CONCATENATIONS:
            self.concatenation(node)
        elif target in (*layers.ADDITIONS, *layers.PRODUCTS) and _is_meeting(node):
            self.meeting(node, target)
        elif not self.passed(node, target) and not self.asks_for_samples(node):
            kind = type(module).__name__ if module is not None else _title(node)
            reason = f"it enters operation {node.name!r} ({kind}), which may mix features"
            self.close(node.all_input_nodes, reason)

    # --- layers ------------------------------------------------------------------------------

    def weight_layer(self, node: Node, module: Any) -> None:
        source, path = node.all_input_nodes[0], str(node.target)
        n_axes, flow = len(self.shapes[node]), self.flows.get(source)
        axis = 1 if isinstance(module, layers.CONVOLUTIONS) else n_axes - 1
        groups = getattr(module, "groups", 1)
        own = groups > 1 and groups == module.in_channels == module.out_channels
        fits = flow is None or self.fits(flow, axis, flat=axis == 1 and n_axes == 2)
        if own and flow is not None and fits:
            made = flow
            self.curve(flow, f"{path} (depthwise convolution)")
        else:
            stream = self.streams.start(path, self.shapes[node][axis])
            made = Flow((Segment(stream, 1),), axis)
        self.flows[node] = made
        reason = self.unfit(path, module) or self.bent(module, path, self.shapes[source])
        if reason:
            self.close([source, node], reason)
        elif not fits:
            self.close([source], f"layer {path!r} reads another axis than the features'")
            flow = None
        if not reason:
            if groups > 1 and not own:
                reason = self.divided(path, made, flow, groups)
            self.layers[path] = Layer(path, made, flow, groups, own=own, node=node)
            if reason:
                self.close([source, node], reason)

    def fits(self, flow: Flow, axis: int, *, flat: bool) -> bool:
        """Whether a layer over an axis reads whole features."""
        return flow.axis == axis and (flat or all(one.block == 1 for one in flow.segments))

    def divided(self, path: str, made: Flow, flow: Flow | None, groups: int) -> str:
        """Let runs of features index alike on both sides of a grouped convolution, or why not."""
        flows = [one for one in (flow, made) if one is not None]
        if any(len(one.segments) > 1 for one in flows):
            return f"layer {path!r} is a grouped ({groups}) convolution of a concatenation"
        sizes = [self.streams.of(one.segments[0].stream).size for one in flows]
        if groups in sizes:
            return f"layer {path!r} is a depthwise convolution with several outputs a channel"
        for one in flows:
            self.streams.divide(one.segments[0].stream, groups)
        return ""

    def unfit(self, path: str, module: nn.Module) -> str:
        """Why a layer's tensors cannot be changed for one place in the network alone."""
        if self.uses[id(module)] > 1:
            return f"module {path!r} is used {self.uses[id(module)]} times"
        owned = dict(module.named_parameters(recurse=False))
        shared = [name for name, one in owned.items() if self.owners[id(one)] > 1]
        if shared:
            return f"{path}.{shared[0]} is shared with another module"
        direct = [name for name in owned if f"{path}.{name}" in self.read]
        if direct:
            return f"{path}.{direct[0]} is also read outside its module"
        if isinstance(module, layers.WEIGHTED) and "weight" not in owned:
            return f"{path}.weight is computed from other tensors (weight or spectral norm)"
        return ""

    def bent(self, module: nn.Module, path: str, shape: tuple[int, ...]) -> str:
        """Why a layer is no sum over its weights; empty if it is one."""
        if linear_in_weights(module, shape):
            return ""
        return f"layer {path!r} ({type(module).__name__}) is not linear in its weights"

    def norm(self, node: Node, module: Any) -> None:
        source, path = node.all_input_nodes[0], str(node.target)
        flow, before = self.flows[source], self.layers.get(str(source.target))
        reason = self.unfit(path, module)
        if not reason and module.running_var is None:
            reason = f"batch norm {path!r} keeps no running statistics"
        if not reason and not self.fits(flow, 1, flat=False):
            reason = f"batch norm {path!r} does not have the features on its own axis"
        if reason:
            self.close([source], reason)
            return
        self.flows[node] = flow
        if before is not None and before.node is source and len(source.users) == 1:
            before.norm = path
        else:
            self.layers[path] = Layer(path, flow, flow, 1, own=True, node=node)
            self.curve(flow, f"{path} (batch norm that does not directly follow one layer)")

    def layer_norm(self, node: Node, module: Any) -> None:
        source, path = node.all_input_nodes[0], str(node.target)
        flow, shape = self.flows[source], self.shapes[source]
        reason = self.unfit(path, module)
        if not reason and (len(flow.segments) > 1 or tuple(module.normalized_shape) != shape[-1:]):
            reason = f"layer norm {path!r} goes over more than one stream's features"
        if not reason and not self.fits(flow, len(shape) - 1, flat=False):
            reason = f"layer norm {path!r} does not have the features on its own axis"
        if reason:
            self.close([source], reason)
            return
        self.flows[node] = flow
        stream = self.streams.of(flow.segments[0].stream)
        stream.still = stream.still or (
            f"layer norm {path!r} averages over its features, so that merging two changes the rest"
        )
        if module.weight is not None:
            self.layers[path] = Layer(path, flow, flow, 1, own=True, node=node, whole=True)

    # --- operations --------------------------------------------------------------------------

    def meeting(self, node: Node, target: Any) -> None:
        """An addition or a product of several values: their features are the same."""
        given = [one for one in node.args if isinstance(one, Node)]
        tracked = [self.flows[one] for one in given if one in self.flows]
        product = target in layers.PRODUCTS
        lengths = {self.shapes.get(one, ()) for one in given}
        if product:  # a gate of a channel may be one number for all of its places
            axis = tracked[0].axis
            lengths = {(len(one), *one[axis : axis + 1]) for one in lengths}
        known = len(tracked) == len(node.args) and not node.kwargs
        if not known or len(lengths) > 1 or not self.streams.alike(tracked):
            what = "product" if product else "addition"
            reason = f"{what} {node.name!r} does not join two known streams of one shape"
            self.close(given, reason)
            return
        for one in tracked[1:]:
            for first, second in zip(tracked[0].segments, one.segments, strict=True):
                self.streams.join(first.stream, second.stream)
        self.flows[node] = tracked[0]
        if product:
            self.curve(tracked[0], f"{node.name} (product)")

    def concatenation(self, node: Node) -> None:
        given = list(node.args[0]) if isinstance(node.args[0], (list, tuple)) else []
        axes = {self.flows[one].axis for one in given if one in self.flows}
        along = node.kwargs.get("dim", node.args[1] if len(node.args) > 1 else 0)
        n_axes = len(self.shapes[node])
        nodes = all(isinstance(one, Node) for one in given)
        if not nodes or not isinstance(along, int) or axes != {along % n_axes}:
            reason = f"concatenation {node.name!r} is not along the features"
            self.close(node.all_input_nodes, reason)
            return
        segments: list[Segment] = []
        for one in given:
            if one in self.flows:
                segments += self.flows[one].segments
            else:  # features of the input, say, which stay as they are
                size = self.shapes[one][along % n_axes]
                other = self.streams.start(one.name, size, listed=False)
                self.streams.of(other).reason = "it is made by no layer with weights"
                segments.append(Segment(other, 1))
        self.flows[node] = Flow(tuple(segments), along % n_axes)

    def passed(self, node: Node, target: Any) -> bool:
        """Whether the operation passes its stream on (and note it as the node's flow)."""
        source = node.all_input_nodes[0]
        flow = self.flows.get(source)
        if flow is None:
            return False
        numbers = all(one is source or isinstance(one, (int, float)) for one in node.args)
        block = None
        if target in (*layers.SHIFTS, *layers.PRODUCTS):
            block = 1 if numbers else None
            if numbers and target in layers.SHIFTS:
                self.curve(flow, _called(node, target))
        elif node.args[:1] == (source,):
            block = self.block_after(node, target, flow)
        if block is None:
            return False
        wider = (one._replace(block=one.block * block) for one in flow.segments)
        self.flows[node] = flow._replace(segments=tuple(wider))
        return True

    def block_after(self, node: Node, target: Any, flow: Flow) -> int | None:
        """Places that an operation makes of each place of a feature; None if it mixes features."""
        source, rest = node.all_input_nodes[0], node.args[1:]
        before, after = self.shapes[source], self.shapes.get(node)
        if layers.flattens(target, rest) and after is not None:
            if after == before:
                return 1
            return layers.block_after(before, after) if flow.axis == 1 else None
        if node.all_input_nodes != [source]:
            return None
        homogeneous = layers.pointwise(target)
        if homogeneous is False:
            self.curve(flow, _called(node, target))
        if target in ("mean", torch.mean):
            axes = layers.averaged_axes(rest, node.kwargs, len(before))
            return 1 if min(axes) > flow.axis else None
        pooled = layers.pool_axes(target) == len(before) and after is not None
        quotient = target in layers.QUOTIENTS and isinstance(rest[0], (int, float))
        return 1 if homogeneous is not None or pooled or quotient else None

    def asks_for_samples(self, node: Node) -> bool:
        """Whether a node only reads the number of samples, which merging leaves alone."""
        if node.target == "size":
            return node.args[1:] == (0,)
        if node.target is getattr and node.args[1:] == ("shape",):
            return all(
                one.target is operator.getitem and one.args[1:] == (0,) for one in node.users
            )
        return False

    def refusals(self, grouped: set[str]) -> list[Refusal]:
        """Inputs, streams without a group, and weights that the walk does not know."""
        roots = [self.streams.all[one] for one in self.streams.roots()]
        refused = [
            Refusal(one.name, one.size, one.reason or "no layer with weights reads it")
            for one in roots
            if one.listed and (one.reason or one.name not in grouped)
        ]
        known = {one.name for one in self.streams.all} | set(self.layers)
        reason = "it is used otherwise than as a torch.nn convolution or linear layer"
        other = [
            Refusal(name, size, reason)
            for name, size in self.matrices.items()
            if name.rpartition(".")[0] not in known
            and name.partition(".parametrizations.")[0] not in known
        ]
        return [*self.inputs, *refused, *other]


def _is_meeting(node: Node) -> bool:
    return sum(isinstance(one, Node) for one in node.args) > 1


def _title(node: Node) -> str:
    return str(getattr(node.target, "__name__", node.target))


def _called(node: Node, target: Any) -> str:
    if isinstance(target, nn.Module):
        return f"{node.target} ({type(target).__name__})"
    return f"{node.name} ({_title(node)})"

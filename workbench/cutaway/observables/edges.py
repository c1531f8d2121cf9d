"""Which part may come before which, and what each step along an edge does on pairs of prompts.

Notation
--------
n, t, d    pairs of prompts, tokens of each, width of the residual stream
y          covector of a path on the residual stream that its first node reads, for each pair,
           attention weights and tangents of the positive prompt multiplied in, (n, d)
change     of a residual stream or a part's output: positive less negative prompt
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from cutaway.core import Tick
from cutaway.model.model import Model
from cutaway.observables.components import Components, Layer
from cutaway.observables.norms import Norm, pull_back
from cutaway.observables.paths import Node
from cutaway.observables.pull import Tail
from cutaway.observables.runs import LayerRun, run_layers


@dataclass(frozen=True, eq=False)
class Stretch:
    """One layer on n pairs: streams (2, n, t, d), positive and negative, in the model's type.

    Attributes
    ----------
    entered, between, written : Tensor of shape (2, n, t, d)
        Before the attention's norm, before the MLP's norm, what the MLP gave.
    attended : Tensor of shape (n, t, d)
        What the attention gave on the positive prompts.
    pattern : Tensor of shape (n, H, t, t)
        Of the positive prompts.
    values : float64 Tensor of shape (n, G, t, e)
        Change of the heads' values.
    """

    entered: Tensor
    between: Tensor
    written: Tensor
    attended: Tensor
    pattern: Tensor
    values: Tensor


@dataclass(frozen=True, eq=False)
class State:
    """A path from some node to the logits, and its covectors."""

    tail: Tail
    y: Tensor
    position: int

    @property
    def first(self) -> Node | None:
        """The earliest node; None for the path without nodes."""
        return self.tail[0][0] if self.tail else None


@dataclass(frozen=True, eq=False)
class Pairs:
    """A model and what it did on n pairs of prompts of one length."""

    components: Components
    layers: tuple[Stretch, ...]
    final: Tensor  # (2, n, d), float64

    def start(self, weights: Tensor) -> State:
        """The path without nodes: through the cap and the final norm."""
        norm, final = self.components.final_norm, self.final[0]
        each = weights.expand(len(final), -1)
        local, _constant = self.components.uncapped(each, norm.apply(final))
        covector, _constant = self.components.unembed(local)
        y = pull_back(norm, covector, final, "exact")
        return State((), y, self.layers[0].entered.shape[2] - 1)

    def embedded(self, state: State) -> Tensor:
        """Reading of the change of the embedding where a path begins: (n,)."""
        return (state.y * self.change_of_embedding(state.position)).sum(-1)

    def change_of_embedding(self, position: int) -> Tensor:
        """Change of the residual stream that enters the first layer: (n, d)."""
        entered = self.layers[0].entered[:, :, position].double()
        return entered[0] - entered[1]

    def by_heads(self, place: int, states: Sequence[State]) -> Tensor:
        """Reading of the change of each head's values at each position: (states, n, H, t).

        The pattern is that of the positive prompt: a head that looks elsewhere on the other one is
        not an edge of these paths.
        """
        layer, run = self.components.layers[place], self.layers[place]
        y = torch.stack([self.past_post(place, 0, state) for state in states])
        read = layer.heads.read_back(y)  # (states, n, H, e)
        grouped = read.reshape(*read.shape[:2], run.values.shape[1], -1, read.shape[-1])
        by_source = torch.matmul(grouped, run.values.transpose(-1, -2)).flatten(2, 3)
        positions = [state.position for state in states]
        return by_source * run.pattern[:, :, positions].double().permute(2, 0, 1, 3)

    def by_mlp(self, place: int, states: Sequence[State]) -> Tensor:
        """Reading of the change of what an MLP gives: (states, n)."""
        written = self.layers[place].written
        return torch.stack(
            [
                (self.past_post(place, None, state) * (at[0] - at[1])).sum(-1)
                for state in states
                for at in (written[:, :, state.position].double(),)
            ]
        )

    def past_post(self, place: int, head: int | None, state: State) -> Tensor:
        """Covectors on what the heads, or with None the MLP, give: (n, d)."""
        norm = self.components.layers[place].norm_after(head)
        if norm is None:
            return state.y
        return pull_back(norm, state.y, self._given(place, head, state.position), "exact")

    def _given(self, place: int, head: int | None, position: int) -> Tensor:
        run = self.layers[place]
        given = run.written[0] if head is None else run.attended
        return given[:, position].double()

    def extended(self, state: State, node: Node, position: int) -> State:
        """The path with one more node at its beginning."""
        layer, run = self.components.layers[node.layer], self.layers[node.layer]
        y = self.past_post(node.layer, node.head, state)
        if node.head is None:
            x = run.between[0][:, position].double()
            y = layer.mlp.pull_back(y, layer.mlp_norm.apply(x))
        else:
            x = run.entered[0][:, position].double()
            weight = run.pattern[:, node.head, state.position, position].double()
            y = weight[:, None] * layer.heads.pull_back(y, [node.head])[:, 0]
        y = pull_back(layer.norm_before(node.head), y, x, "exact")
        return State(((node, position), *state.tail), y, position)

    def patched(self, weights: Tensor, tail: Tail, *, embedding: bool) -> Tensor:
        """Change of the measure if only this path carries the negative prompt: (n,).

        The first node, or the first node's share of the embedding, reads the negative prompt; each
        later node reads the positive one with the change of the node before, through the real
        norms, MLPs and cap; heads keep the pattern of the positive prompt.
        """
        last = self.layers[0].entered.shape[2] - 1
        begins = tail[0][1] if tail else last
        change = self.change_of_embedding(last if begins is None else begins) if embedding else None
        for place, (node, position) in enumerate(tail):
            written = tail[place + 1][1] if place + 1 < len(tail) else last
            change = self._carried(node, position, written, change)
        clean = self.final[0]
        if change is None:
            raise ValueError("tail must hold a node, got none; begin at the embedding")
        measure, norm = self.components.measure, self.components.final_norm
        return measure(weights, norm.apply(clean)) - measure(weights, norm.apply(clean - change))

    def _carried(
        self, node: Node, position: int | None, written: int | None, change: Tensor | None
    ) -> Tensor:
        layer, run = self.components.layers[node.layer], self.layers[node.layer]
        norm = layer.norm_before(node.head)
        stream = (run.between if node.head is None else run.entered)[:, :, position].double()
        other = stream[1] if change is None else stream[0] - change
        if node.head is None:
            mlp = layer.mlp.widened()
            moved = mlp.output(norm.apply(stream[0])) - mlp.output(norm.apply(other))
        else:
            weight = run.pattern[:, node.head, written, position].double()
            moved = layer.heads.write(norm.apply(stream[0]), node.head)
            moved = weight[:, None] * (moved - layer.heads.write(norm.apply(other), node.head))
        after = layer.norm_after(node.head)
        if after is None:
            return moved
        given = self._given(node.layer, node.head, written or 0)
        return after.apply(given) - after.apply(given - moved)


def run_pairs(model: Model, components: Components, ids: Tensor, tick: Tick) -> Pairs:
    """Run the model on pairs of prompts, ids of shape (2, n, t), and keep every position."""
    n = ids.shape[1]
    layers: list[Stretch] = []

    def keep(place: int, run: LayerRun) -> None:
        part = components.layers[place]
        entered, between, written = (
            one.cpu().reshape(2, n, *one.shape[1:])
            for one in (run.entered, run.between, run.written)
        )
        values = part.heads.value(part.attention_norm.apply(entered.double()))
        change = (values[0] - values[1]).transpose(1, 2).contiguous()
        attended, pattern = run.attended[:n].cpu(), run.pattern[:n].cpu().clone()
        layers.append(Stretch(entered, between, written, attended, pattern, change))

    final = run_layers(model, components, ids.flatten(0, 1), keep, tick)
    return Pairs(components, tuple(layers), final.reshape(2, n, -1))


def before(layers: Sequence[Layer], first: Node | None) -> Iterator[tuple[int, bool]]:
    """Every layer and kind of part (True for the MLP) that a path may be extended by.

    A head reads what all earlier layers wrote; an MLP also what the heads of its own layer wrote,
    unless they are parallel; the logits read everything.
    """
    for place, layer in enumerate(layers):
        if first is None or place < first.layer:
            yield place, False
            yield place, True
        elif place == first.layer and first.head is None and not layer.parallel:
            yield place, False


def norm_of(components: Components, state: State) -> Norm:
    """The norm that a path's first node reads through."""
    first = state.first
    if first is None:
        return components.final_norm
    return components.layers[first.layer].norm_before(first.head)

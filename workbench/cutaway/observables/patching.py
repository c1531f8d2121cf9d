"""What each head does to a measure directly: attribution, OV-only and whole-head patching.

Notation
--------
n, H, e    pairs of prompts, heads of a layer, width of a head
z          values of a head, mixed by its pattern at the last position, (n, H, e)
z_own      its pattern and values of one prompt;  z_ov  pattern of the positive, values of the
           negative one
r          residual stream before the final norm, at the last position, (n, d)
m(r)       the measure, through the real final norm, unembedding and cap
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cutaway.core import Tick, part
from cutaway.model.model import Model
from cutaway.observables.components import Components, Layer
from cutaway.observables.norms import pull_back
from cutaway.observables.runs import LayerRun, by_length, run_layers

Against: TypeAlias = Literal["negative", "zero"]


@dataclass(frozen=True, eq=False)
class Mixed:
    """What all heads read at the last position, on the pairs of one length.

    Attributes
    ----------
    own : tuple of float64 Tensor of shape (2, n, H, e)
        By layer: z_own of the positive and of the negative prompts.
    swapped : tuple of float64 Tensor of shape (n, H, e)
        By layer: z_ov.
    attended : tuple of float64 Tensor of shape (2, n, d)
        By layer: what the whole attention gave.
    final : float64 Tensor of shape (2, n, d)
        r.
    """

    own: tuple[Tensor, ...]
    swapped: tuple[Tensor, ...]
    attended: tuple[Tensor, ...]
    final: Tensor


def mixed(model: Model, components: Components, ids: Tensor, tick: Tick) -> Mixed:
    """Run the model on pairs of prompts, ids of shape (2, n, t), and keep the last position."""
    n = ids.shape[1]
    own, swapped, attended = [], [], []

    def keep(place: int, run: LayerRun) -> None:
        layer = components.layers[place]
        values = layer.heads.value(layer.attention_norm.apply(run.entered.cpu().double()))
        pattern = run.pattern[:, :, -1].cpu().double()  # (2 n, H, t)
        own.append(_two(_mix(pattern, values)))
        swapped.append(_mix(pattern[:n], values[n:]))
        attended.append(_two(run.attended[:, -1].cpu().double()))

    final = run_layers(model, components, ids.flatten(0, 1), keep, tick)
    return Mixed(tuple(own), tuple(swapped), tuple(attended), _two(final))


def _mix(pattern: Tensor, values: Tensor) -> Tensor:
    """Sum over sources: patterns (r, H, t) on values (r, t, G, e) give (r, H, e)."""
    r, _heads, t = pattern.shape
    grouped = pattern.reshape(r, values.shape[2], -1, t)  # (r, G, H / G, t)
    return torch.matmul(grouped, values.movedim(2, 1)).flatten(1, 2)


def _two(both: Tensor) -> Tensor:
    """(2 n, …), the positive prompts first, as (2, n, …)."""
    return both.reshape(2, -1, *both.shape[1:])


def measured(components: Components, weights: Tensor, final: Tensor) -> Tensor:
    """Measure m(r) of shape (…) for residual streams (…, d)."""
    return components.measure(weights, components.final_norm.apply(final))


def patched(
    components: Components, weights: Tensor, read: Mixed, *, whole: bool, tick: Tick
) -> Tensor:
    """Change of the measure by each head alone: (n, layers, H).

    Notes
    -----
    The head is computed again with the values, if `whole` also the pattern, of the negative prompt
    and everything else as on the positive one; the change of what it writes goes straight to the
    final residual stream: m(r) - m(r + change). No later part is computed again.

    References
    ----------
    Dunefsky, Cohan, arXiv 2312.16291: path patching of a single head.
    """
    clean = measured(components, weights, read.final[0])
    found = []
    for place, layer in enumerate(components.layers):
        other = read.own[place][1] if whole else read.swapped[place]
        change = _written(layer, other - read.own[place][0], read.attended[place][0])
        moved = read.final[0][:, None] + change
        found.append(clean[:, None] - measured(components, weights, moved))
        tick((place + 1) / len(components.layers), f"patching: layer {place}")
    return torch.stack(found, dim=1)


def _written(layer: Layer, change: Tensor, attended: Tensor) -> Tensor:
    """Change of the residual stream by changes (n, H, e) of the heads' mixed values: (n, H, d)."""
    outputs = layer.heads.outputs.detach().cpu().double()
    written = torch.einsum("nhe,hde->nhd", change, outputs)
    if layer.attention_post is None:
        return written
    before = attended[:, None]
    return layer.attention_post.apply(before + written) - layer.attention_post.apply(before)


def attributed(components: Components, weights: Tensor, read: Mixed, which: int) -> Tensor:
    """Direct logit attribution of each head on the positive (0) or negative (1) prompts.

    Returns
    -------
    Tensor of shape (n, layers, H)
        y . (W_O z) with y the observable pulled back through the cap's tangent and the norms at
        their scales on the same prompt. Heads, MLPs, output biases, the embedding and the final
        norm's bias add up to the measure of that prompt.
    """
    final, norm = read.final[which], components.final_norm
    local, _constant = components.uncapped(weights.expand(len(final), -1), norm.apply(final))
    covector, _constant = components.unembed(local)
    y = pull_back(norm, covector, final, "frozen")
    found = []
    for place, layer in enumerate(components.layers):
        after = layer.attention_post
        at = y if after is None else pull_back(after, y, read.attended[place][which], "frozen")
        found.append((layer.heads.read_back(at) * read.own[place][which]).sum(-1))
    return torch.stack(found, dim=1)


def over_pairs(
    model: Model,
    components: Components,
    pairs: Sequence[Tensor],
    of: Callable[[Mixed, Tick], tuple[Tensor, Tensor]],
    tick: Tick,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Run all pairs, those of one length together.

    Parameters
    ----------
    of : callable
        Gives a value a pair and head (n, layers, H) and a gap a pair (n,) for some pairs.

    Returns
    -------
    values : ndarray of shape (pairs, layers, H)
        In the order of the pairs.
    gaps : ndarray of shape (pairs,)
    """
    shape = len(components.layers), len(components.layers[0].heads)
    values, gaps = np.empty((len(pairs), *shape)), np.empty(len(pairs))
    done = 0
    for places, ids in by_length(pairs):
        start, done = done / len(pairs), done + len(places)
        here = part(tick, start, done / len(pairs))
        read = mixed(model, components, ids, part(here, 0.0, 0.8))
        found, gap = of(read, part(here, 0.8, 1.0))
        values[places], gaps[places] = found.numpy(), gap.numpy()
    return values, gaps

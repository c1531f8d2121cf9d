"""Self-test: all paths together are the gradient of the real model with its attention frozen.

Notation
--------
t, d    positions of the prompt, width of the residual stream
Y       sum of the covectors of all paths that enter the later layers, (t, d)
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cutaway.core import Index, Origin, Result, Tick, silent
from cutaway.model.errors import UnsupportedModel
from cutaway.model.hooks import evaluating, hooked
from cutaway.model.model import Model, as_model
from cutaway.model.outputs import first_tensor, logits
from cutaway.observables.components import Components, Layer
from cutaway.observables.finite import all_finite
from cutaway.observables.norms import Norm, pull_back
from cutaway.observables.observable import Observable
from cutaway.observables.opened import components_of
from cutaway.observables.prompts import Prompt, pair_of
from cutaway.observables.runs import attending

_Seen = dict[str, tuple[Tensor, Any]]  # by site: what a part read, what it gave


@dataclass(frozen=True, eq=False, repr=False)
class Completeness(Result):
    """Whether paths miss nothing and count nothing twice; rows are positions of the prompt.

    Parameters
    ----------
    total : ndarray of shape (t, d)
        Sum of the exact covectors of all paths, attention weights multiplied in, on the residual
        stream that enters the first layer.
    gradient : ndarray of shape (t, d)
        Gradient of the observable there by autograd through the real model, attention patterns
        held constant.
    error : float
        Largest difference by the largest entry of the gradient; about 1e-15 for a float64 model,
        1e-6 for a float32 one.
    n_paths : int
        Paths that add up, positions not counted.
    observable : str
        What was asked for.
    """

    total: NDArray[np.float64]
    gradient: NDArray[np.float64]
    error: float
    n_paths: int
    observable: str

    _shapes: ClassVar[Mapping[str, str]] = {"total": "n d", "gradient": "n d"}

    def __repr__(self) -> str:
        return (
            f"Completeness({self.observable}: {self.n_paths:.3g} paths add up to the gradient "
            f"within {self.error:.1e} of its largest entry)"
        )


def completeness(
    model: Model | nn.Module,
    observable: Observable,
    prompts: Sequence[Prompt],
    *,
    tick: Tick = silent,
) -> Completeness:
    """Sum over all paths against the gradient of the real model with frozen attention.

    Parameters
    ----------
    model : Model or torch.nn.Module
        A causal language model of a known family; nothing in it is changed. Give a float64 model
        for a strict test.
    observable : Observable
        What is measured on the logits of the last position.
    prompts : (positive, negative)
        Texts or token ids of one length; the positive one is the base point.
    tick : Tick
        Called after the forward pass and after each layer.

    Raises
    ------
    UnsupportedModel
        If the model cannot be taken apart, or gives no attention patterns.
    ValueError
        If the prompts are no pair of one length.

    Notes
    -----
    The sum over paths is made by recursion from the logits: what enters a layer is what leaves it,
    plus that pulled back through each of its parts. Queries and keys are detached, so that only
    values carry a gradient. Root-mean-square norms, which Hugging Face computes in float32, are
    computed in the model's own type.
    """
    began = time.perf_counter()
    opened = as_model(model)
    components = components_of(opened)
    weights = observable.weights(components.n_tokens)
    ids = pair_of(opened, prompts, components.n_tokens)[:1]
    with torch.enable_grad():
        gradient, seen = _by_autograd(opened, components, weights, ids)
    tick(0.5, "completeness: the gradient")
    total = _by_recursion(components, weights, seen, tick)
    at = [f"position {place}" for place in range(len(gradient))]
    all_finite("gradient", gradient.numpy(), at, "choose other prompts")
    all_finite("sum over paths", total.numpy(), at, "choose other prompts")
    error = float((total - gradient).abs().max() / gradient.abs().max().clamp_min(1e-300))
    used = np.flatnonzero(observable.vector)
    origin = Origin(
        "completeness",
        {
            "weights": {str(token): float(observable.vector[token]) for token in used},
            "prompt": ids[0].tolist(),
        },
        model=opened.name,
        weights=opened.digest,
    )
    result = Completeness(
        rows=Index.count(ids.shape[1], "position"),
        origin=origin.after(time.perf_counter() - began),
        total=total.numpy(),
        gradient=gradient.numpy(),
        error=error,
        n_paths=_count(components),
        observable=observable.name,
    )
    tick(1.0, "completeness")
    return result


def _by_autograd(
    model: Model, components: Components, weights: Tensor, ids: Tensor
) -> tuple[Tensor, _Seen]:
    """Gradient at the first layer's input (t, d), and what the parts read and gave there."""
    seen: _Seen = {}
    watchers: dict[str, Any] = {}
    for norm in _norms(components):
        watchers[norm.site] = _norm_watcher(norm, seen)
    for layer in components.layers:
        for site in (layer.heads.site, layer.mlp.site):
            watchers[site] = _watcher(site, seen)
        for site, values in layer.heads.queries_keys.items():
            watchers[site] = _still(values)
    embedding = model.module.get_input_embeddings()  # type: ignore[operator]
    names = {id(part): name for name, part in model.module.named_modules()}
    watchers[names[id(embedding)]] = _leaf
    with (
        model.lock,
        evaluating(model.module),
        torch.enable_grad(),
        attending(model.module),
        hooked(model.module, watchers),
    ):
        inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        scores = logits(model.call(model.prepared(inputs)))[0, -1]
        entered = seen[components.layers[0].attention_norm.site][0]
        measure = scores.double() @ weights.to(scores.device)
        (gradient,) = torch.autograd.grad(measure, entered)
    return gradient[0].cpu().double(), {site: _plain(one) for site, one in seen.items()}


def _norms(components: Components) -> list[Norm]:
    every = [components.final_norm]
    for layer in components.layers:
        norms = layer.attention_norm, layer.mlp_norm, layer.attention_post, layer.mlp_post
        every += [one for one in norms if one is not None]
    return every


def _leaf(_module: nn.Module, _arguments: tuple[Any, ...], output: Tensor) -> Tensor:
    return output.detach().requires_grad_()


def _watcher(site: str, seen: _Seen) -> Any:
    def watch(_module: nn.Module, _arguments: tuple[Any, ...], output: Any) -> None:
        given = first_tensor(output)
        pattern = output[1] if isinstance(output, (tuple, list)) and len(output) > 1 else None
        if given is not None:
            seen[site] = (given, pattern)

    return watch


def _norm_watcher(norm: Norm, seen: _Seen) -> Any:
    def watch(_module: nn.Module, arguments: tuple[Any, ...], output: Tensor) -> Tensor | None:
        seen[norm.site] = (arguments[0], None)
        if norm.centred or output.dtype != torch.float64:
            return None
        x: Tensor = arguments[0]
        return norm.gain.to(x.device) * x / (x.pow(2).mean(-1, keepdim=True) + norm.eps).sqrt()

    return watch


def _still(values: Tensor | None) -> Any:
    """Hook that lets no gradient through but that of values."""

    def watch(_module: nn.Module, _arguments: tuple[Any, ...], output: Tensor) -> Tensor:
        if values is None:
            return output.detach()
        return torch.where(values.to(output.device), output, output.detach())

    return watch


def _plain(one: tuple[Tensor, Any]) -> tuple[Tensor, Any]:
    """Without the axis of the one text, float64 on the CPU."""
    given, pattern = one
    wide = given.detach()[0].cpu().double()
    return wide, pattern.detach()[0].cpu().double() if isinstance(pattern, Tensor) else None


def _by_recursion(components: Components, weights: Tensor, seen: _Seen, tick: Tick) -> Tensor:
    norm = components.final_norm
    last = seen[norm.site][0][-1]
    local, _constant = components.uncapped(weights[None], norm.apply(last))
    covector, _constant = components.unembed(local)
    y = torch.zeros_like(seen[norm.site][0])
    y[-1] = pull_back(norm, covector, last, "exact")[0]
    for done, layer in enumerate(reversed(components.layers)):
        by_mlp = _through_mlp(layer, y, seen)
        y = y + by_mlp + _through_heads(layer, y if layer.parallel else y + by_mlp, seen)
        tick(0.5 + 0.5 * (done + 1) / (len(components.layers) + 1), "completeness: the paths")
    return y


def _through_mlp(layer: Layer, y: Tensor, seen: _Seen) -> Tensor:
    x = seen[layer.mlp_norm.site][0]
    if layer.mlp_post is not None:
        y = pull_back(layer.mlp_post, y, seen[layer.mlp.site][0], "exact")
    back = layer.mlp.pull_back(y, layer.mlp_norm.apply(x))
    return pull_back(layer.mlp_norm, back, x, "exact")


def _through_heads(layer: Layer, y: Tensor, seen: _Seen) -> Tensor:
    x = seen[layer.attention_norm.site][0]
    given, pattern = seen[layer.heads.site]
    if pattern is None:
        raise UnsupportedModel(
            f"model part {layer.heads.site} must give its attention patterns, got none; load the "
            "model with attn_implementation='eager'"
        )
    if layer.attention_post is not None:
        y = pull_back(layer.attention_post, y, given, "exact")
    read = layer.heads.read_back(y)  # (t, H, e), where the heads write
    moved = torch.einsum("hps,phe->she", pattern, read)  # where they read
    shape = len(moved), -1, layer.heads.shared, moved.shape[-1]
    grouped = moved.reshape(shape).sum(2)
    back = torch.einsum("sge,ged->sd", grouped, layer.heads.values.detach().cpu().double())
    return pull_back(layer.attention_norm, back, x, "exact")


def _count(components: Components) -> int:
    count = 1
    for layer in components.layers:
        heads = len(layer.heads)
        count *= 2 + heads if layer.parallel else 2 * (1 + heads)
    return count

"""Running a model on many prompts of one length and keeping what each layer read and wrote."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cutaway.core import Tick
from cutaway.model.errors import UnsupportedModel
from cutaway.model.hooks import evaluating, hooked
from cutaway.model.model import Model
from cutaway.model.outputs import first_tensor
from cutaway.observables.components import Components
from cutaway.observables.prompts import Prompt, pair_of

_TOKENS = 4096  # of one forward pass; keeps its patterns and residual streams small


@dataclass(frozen=True, eq=False)
class LayerRun:
    """What one layer did on r texts of t tokens, on the model's device and in its type.

    Attributes
    ----------
    entered : Tensor of shape (r, t, d)
        Residual stream before the attention's norm.
    pattern : Tensor of shape (r, H, t, t)
        Attention from each position (first axis of the two) to each earlier one.
    attended : Tensor of shape (r, t, d)
        What the attention gave, before a norm that may come after it.
    between : Tensor of shape (r, t, d)
        Residual stream before the MLP's norm.
    written : Tensor of shape (r, t, d)
        What the MLP gave, before a norm that may come after it.
    """

    entered: Tensor
    pattern: Tensor
    attended: Tensor
    between: Tensor
    written: Tensor


def pairs_of(model: Model, prompts: Any, n_tokens: int) -> list[Tensor]:
    """Token ids (2, t) of each pair (positive, negative), of one pair or a sequence of them.

    Raises
    ------
    TypeError, ValueError
        As `pair_of`, or if there is no pair.
    """
    every = list(prompts) if isinstance(prompts, (Sequence, np.ndarray, Tensor)) else []
    if isinstance(prompts, str) or not every:
        got = "one text" if isinstance(prompts, str) else f"{prompts!r}"
        raise ValueError(
            f"prompts must be a pair (positive, negative) or a list of pairs, got {got}; give two "
            "prompts that differ in what the observable measures"
        )
    pairs: list[Any] = [every] if _is_prompt(every[0]) else every
    return [pair_of(model, pair, n_tokens) for pair in pairs]


def _is_prompt(one: Prompt | Sequence[Prompt]) -> bool:
    """Whether this is a text or its ids, not a pair of them."""
    if isinstance(one, str):
        return True
    if isinstance(one, (np.ndarray, Tensor)):
        return one.ndim < 2
    return not len(one) or not isinstance(one[0], (str, Sequence, np.ndarray, Tensor))


def by_length(pairs: Sequence[Tensor]) -> Iterator[tuple[NDArray[np.int64], Tensor]]:
    """Places and ids (2, n, t) of pairs of one length, not too many at once."""
    lengths = np.array([pair.shape[1] for pair in pairs])
    for length in np.unique(lengths):
        places = np.flatnonzero(lengths == length)
        size = max(1, _TOKENS // (2 * int(length)))
        for start in range(0, len(places), size):
            chosen = places[start : start + size]
            yield chosen, torch.stack([pairs[one] for one in chosen], dim=1)


def run_layers(
    model: Model,
    components: Components,
    ids: Tensor,
    keep: Callable[[int, LayerRun], None],
    tick: Tick,
) -> Tensor:
    """Run the model once and hand on each layer when it is done.

    Parameters
    ----------
    model : Model
        Nothing in it is changed.
    components : Components
        The model, taken apart.
    ids : int64 Tensor of shape (r, t)
        Texts of one length.
    keep : callable
        Gets the number of a layer and what it did, in order; keep copies of what is needed.
    tick : Tick
        Called after each layer.

    Returns
    -------
    float64 Tensor of shape (r, d)
        Residual stream before the final norm, at the last position.

    Raises
    ------
    UnsupportedModel
        If an attention module does not give its patterns.
    """
    seen: dict[str, tuple[Any, Any]] = {}
    layers = components.layers
    done = 0

    def watch(site: str) -> Any:
        def watcher(_module: nn.Module, arguments: tuple[Any, ...], output: Any) -> None:
            nonlocal done
            seen[site] = (arguments[0] if arguments else None, output)
            layer = layers[done] if done < len(layers) else None
            if layer is not None and layer.mlp.site in seen and layer.heads.site in seen:
                keep(done, _finished(components, done, seen))
                seen.clear()
                done += 1
                tick(done / (len(layers) + 1), f"prompts: layer {done - 1}")

        return watcher

    sites = {components.final_norm.site}
    for layer in layers:
        sites |= {layer.attention_norm.site, layer.heads.site, layer.mlp_norm.site, layer.mlp.site}
    inputs = {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "logits_to_keep": torch.tensor([ids.shape[1] - 1]),  # where a model can leave the rest out
    }
    with (
        model.lock,
        evaluating(model.module),
        attending(model.module),
        hooked(model.module, {site: watch(site) for site in sites}),
    ):
        model.call(model.prepared(inputs))
    final: Tensor = seen[components.final_norm.site][0]
    return final[:, -1].detach().cpu().double()


def _finished(components: Components, place: int, seen: dict[str, tuple[Any, Any]]) -> LayerRun:
    layer = components.layers[place]
    output = seen[layer.heads.site][1]
    pattern = output[1] if isinstance(output, (tuple, list)) and len(output) > 1 else None
    attended, written = first_tensor(output), first_tensor(seen[layer.mlp.site][1])
    if not isinstance(pattern, Tensor) or pattern.ndim != 4 or attended is None or written is None:
        raise UnsupportedModel(
            f"model part {layer.heads.site} must give its attention patterns, got none; load the "
            "model with attn_implementation='eager'"
        )
    return LayerRun(
        entered=seen[layer.attention_norm.site][0],
        pattern=pattern,
        attended=attended,
        between=seen[layer.mlp_norm.site][0],
        written=written,
    )


@contextlib.contextmanager
def attending(root: nn.Module) -> Iterator[None]:
    """Let a Hugging Face model compute its attention patterns for the length of a block."""
    configs = {id(one): one for module in root.modules() if (one := _config(module)) is not None}
    before = {key: one._attn_implementation for key, one in configs.items()}  # noqa: SLF001 - transformers' only name for it
    try:
        for one in configs.values():
            one._attn_implementation = "eager"  # noqa: SLF001
        yield
    finally:
        for key, one in configs.items():
            one._attn_implementation = before[key]  # noqa: SLF001


def _config(module: nn.Module) -> Any:
    config = getattr(module, "config", None)
    return config if hasattr(config, "_attn_implementation") else None

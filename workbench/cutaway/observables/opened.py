"""Opening a model up, with the self-check that its parts do what the model does.

A text of one token attends to itself only, with weight 1, so there the attention's output is the
sum of all heads at unit attention: value and output maps, groups and biases can be compared with
the model without its attention patterns.
"""

import weakref
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from cutaway.model.errors import UnsupportedModel
from cutaway.model.hooks import evaluating, hooked
from cutaway.model.model import Model, as_model
from cutaway.model.outputs import first_tensor, logits
from cutaway.observables.components import Components
from cutaway.observables.families import taken_apart

_N_TEXTS = 4
# Relative to the largest value of a part's output. RMSNorms of Hugging Face round to float32.
_TOLERANCES = {torch.float16: 2e-2, torch.bfloat16: 5e-2}
_CHECKED: weakref.WeakKeyDictionary[nn.Module, str] = weakref.WeakKeyDictionary()
Seen = dict[str, tuple[Tensor, Tensor]]


def components_of(model: Model | nn.Module) -> Components:
    """Parts of a causal language model, after a check that re-assembles it from them.

    Parameters
    ----------
    model : Model or torch.nn.Module
        A Hugging Face causal language model of a known family. The check runs once for the same
        weights.

    Raises
    ------
    UnsupportedModel
        If the family is not known, a part is missing, or a part's output is not what its weights
        give; names the part.
    """
    opened = as_model(model)
    found = taken_apart(opened.module)
    weights = opened.digest
    if _CHECKED.get(opened.module) != weights:
        _check(opened, found)
        _CHECKED[opened.module] = weights
    return found


def _check(model: Model, components: Components) -> None:
    ids = torch.linspace(0, components.n_tokens - 1, min(_N_TEXTS, components.n_tokens))
    seen, scores = _run(model, components, ids.round().long()[:, None])
    tolerance = _TOLERANCES.get(model.dtype, 1e-4)
    for site, what, given, expected in _comparisons(components, seen, scores):
        error = float((given - expected).abs().max() / expected.abs().max().clamp_min(1e-30))
        if not error <= tolerance:
            raise UnsupportedModel(
                f"model part {site} must {what}, got outputs that differ by {error:.1e} of the "
                f"largest one; this form of {components.family} is not understood"
            )


def _run(model: Model, components: Components, ids: Tensor) -> tuple[Seen, Tensor]:
    """Input and output of each part for some texts of one token, as (texts, d), and logits."""
    seen: Seen = {}

    def watcher(site: str) -> Any:
        def watch(_module: nn.Module, arguments: tuple[Any, ...], output: Any) -> None:
            written = first_tensor(output)
            if written is not None:
                read = arguments[0] if arguments else written
                seen[site] = (_plain(read), _plain(written))

        return watch

    sites = [components.final_norm.site]
    for layer in components.layers:
        norms = layer.attention_norm, layer.mlp_norm, layer.attention_post, layer.mlp_post
        sites += [layer.heads.site, layer.mlp.site, *(one.site for one in norms if one)]
    with (
        model.lock,
        evaluating(model.module),
        hooked(model.module, {site: watcher(site) for site in sites}),
    ):
        inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        scores = logits(model.call(model.prepared(inputs)))
    return seen, _plain(scores)


def _comparisons(
    components: Components, seen: Seen, scores: Tensor
) -> Iterator[tuple[str, str, Tensor, Tensor]]:
    """Part, what it must do, what our parts give, what the model gave."""
    stream: Tensor | None = None
    for layer in components.layers:
        entered, total = seen[layer.attention_norm.site][0], torch.zeros(())
        for head in (0, None):  # the attention, the MLP
            norm, after = layer.norm_before(head), layer.norm_after(head)
            part = layer.mlp if head is None else layer.heads
            before, normed = seen[norm.site]
            written = seen[part.site][1]
            if stream is not None:
                yield norm.site, "read the sum of all earlier parts", stream, before
            yield norm.site, "be the norm of its gain and bias", norm.apply(before), normed
            ours = layer.mlp.output(normed) if head is None else layer.heads.write_all(normed)
            yield part.site, "be the sum of its weights' maps", ours, written
            if after is not None:
                given, written = seen[after.site]
                yield after.site, f"read what {part.site} gives", seen[part.site][1], given
                yield after.site, "be the norm of its gain and bias", after.apply(given), written
            total = total + written
            stream = entered if layer.parallel else before + written
        if layer.parallel:
            stream = entered + total
    before, normed = seen[components.final_norm.site]
    if stream is not None:
        yield components.final_norm.site, "read the sum of all parts", stream, before
    final = components.final_norm
    yield final.site, "be the norm of its gain and bias", final.apply(before), normed
    ours = normed @ components.unembedding.detach().cpu().double().T
    if components.unembedding_bias is not None:
        ours = ours + components.unembedding_bias.detach().cpu().double()
    if components.softcap is not None:
        ours = components.softcap * torch.tanh(ours / components.softcap)
    yield components.head_site, "give the model's logits", ours, scores


def _plain(tensor: Tensor) -> Tensor:
    """float64 on the CPU, without the axis of the one position."""
    return tensor.detach().cpu().double()[:, 0]

"""Opening a model up, with the self-check that its parts do what the model does.

The model runs on a few texts of several tokens, and at every position of them the output of every
part is compared with what its weights give for the input that the model gave it: heads mixed by the
model's own attention patterns, MLPs, norms, the sums of the residual stream and the logits. So a
hook or a forward of a third party that changes a part at any position is found.
"""

import weakref
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from cutaway.model.errors import UnsupportedModel
from cutaway.model.hooks import evaluating, hooked
from cutaway.model.model import Model, as_model
from cutaway.model.outputs import first_tensor, logits
from cutaway.observables.components import Components, SelfCheck
from cutaway.observables.families import taken_apart
from cutaway.observables.runs import attending

_N_TEXTS, _N_POSITIONS = 3, 8
# Relative to the output of a part at a position. RMSNorms of Hugging Face round to float32.
_TOLERANCES = {torch.float16: 2e-2, torch.bfloat16: 5e-2}
# An output this much smaller than the part's largest one is rounding of what cancelled.
_FLOOR = 1e-4
_CHECKED: weakref.WeakKeyDictionary[nn.Module, tuple[Any, SelfCheck]] = weakref.WeakKeyDictionary()
Seen = dict[str, tuple[Tensor, Tensor, Tensor | None]]  # by site: read, written, pattern


def components_of(model: Model | nn.Module) -> Components:
    """Parts of a causal language model, after a check that re-assembles it from them.

    Parameters
    ----------
    model : Model or torch.nn.Module
        A Hugging Face causal language model of a known family. The check runs once for the same
        weights, hooks and forward functions.

    Returns
    -------
    Components
        `Components.check` says what was compared, and how well it agrees.

    Raises
    ------
    UnsupportedModel
        If the family is not known, a part is missing, a part's output is not what its weights give
        or is not finite; names the part.
    """
    opened = as_model(model)
    found = taken_apart(opened.module)
    key = opened.digest, _changes(opened.module)
    known = _CHECKED.get(opened.module)
    if known is None or known[0] != key:
        known = _CHECKED[opened.module] = key, _check(opened, found)
    return replace(found, check=known[1])


def _changes(root: nn.Module) -> tuple[object, ...]:
    """What may change a model's outputs but not its weights: hooks, and forwards put in place."""
    found: list[object] = [
        *torch.nn.modules.module._global_forward_hooks,  # noqa: SLF001 - the only name for them
        *torch.nn.modules.module._global_forward_pre_hooks,  # noqa: SLF001
    ]
    for name, part in root.named_modules():
        hooks = (*part._forward_pre_hooks, None, *part._forward_hooks)  # noqa: SLF001
        own = vars(part).get("forward")
        found.append((name, hooks, id(own), id(type(part).forward)))
    return tuple(found)


def _check(model: Model, components: Components) -> SelfCheck:
    table = model.module.get_input_embeddings().weight  # type: ignore[operator]  # transformers
    n_tokens = min(components.n_tokens, len(table))
    n_positions = min(_N_POSITIONS, model.n_positions or _N_POSITIONS)
    ids = torch.linspace(0, n_tokens - 1, _N_TEXTS * n_positions).round().long()
    seen, scores = _run(model, components, ids.reshape(n_positions, _N_TEXTS).T.contiguous())
    tolerance = _TOLERANCES.get(model.dtype, 1e-4)
    compared = []
    for site, what, given, expected in _comparisons(components, seen, scores):
        lost = int((~torch.isfinite(expected)).sum())
        if lost:
            raise UnsupportedModel(
                f"model part {site} must give finite numbers, got {lost} of {expected.numel()} "
                "that are NaN or infinite; look at the model's weights, or load it in a wider type"
            )
        length = expected.norm(dim=-1)
        floor = _FLOOR * float(length.max()) + 1e-30
        errors = (given - expected).norm(dim=-1) / (length + floor)
        error = float(errors.max())
        if not error <= tolerance:
            at = int(errors.nan_to_num(torch.inf).amax(0).argmax())
            raise UnsupportedModel(
                f"model part {site} must {what}, got outputs that differ by {error:.1e} of their "
                f"size at position {at} ({tolerance:.0e} passes); this form of "
                f"{components.family}, or a hook on it, is not understood"
            )
        compared.append((site, what, error))
    return SelfCheck(_N_TEXTS, n_positions, tolerance, tuple(compared))


def _run(model: Model, components: Components, ids: Tensor) -> tuple[Seen, Tensor]:
    """Input, output and pattern of each part on texts (r, t), as (r, t, d), and the logits."""
    seen: Seen = {}

    def watcher(site: str) -> Any:
        def watch(_module: nn.Module, arguments: tuple[Any, ...], output: Any) -> None:
            written = first_tensor(output)
            if written is not None:
                read = arguments[0] if arguments else written
                pattern = output[1] if isinstance(output, (tuple, list)) and output[1:] else None
                held = _plain(pattern) if isinstance(pattern, Tensor) else None
                seen[site] = (_plain(read), _plain(written), held)

        return watch

    sites = [components.final_norm.site]
    for layer in components.layers:
        norms = layer.attention_norm, layer.mlp_norm, layer.attention_post, layer.mlp_post
        sites += [layer.heads.site, layer.mlp.site, *(norm.site for norm in norms if norm)]
    with (
        model.lock,
        evaluating(model.module),
        attending(model.module),
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
            before, normed, _ = seen[norm.site]
            written = seen[part.site][1]
            if stream is not None:
                yield norm.site, "read the sum of all earlier parts", stream, before
            yield norm.site, "be the norm of its gain and bias", norm.apply(before), normed
            if head is None:
                ours = layer.mlp.output(normed)
            else:
                ours = layer.heads.attend(normed, _pattern(seen, part.site))
            yield part.site, "be the sum of its weights' maps", ours, written
            if after is not None:
                given, written, _ = seen[after.site]
                yield after.site, f"read what {part.site} gives", seen[part.site][1], given
                yield after.site, "be the norm of its gain and bias", after.apply(given), written
            total = total + written
            stream = entered if layer.parallel else before + written
        if layer.parallel:
            stream = entered + total
    before, normed, _ = seen[components.final_norm.site]
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


def _pattern(seen: Seen, site: str) -> Tensor:
    pattern = seen[site][2]
    if pattern is None or pattern.ndim != 4:
        raise UnsupportedModel(
            f"model part {site} must give its attention patterns, got none; load the model with "
            "attn_implementation='eager'"
        )
    return pattern


def _plain(tensor: Tensor) -> Tensor:
    """float64 on the CPU."""
    return tensor.detach().cpu().double()

"""Where each architecture family keeps its parts: GPT-2, -Neo, -J, -NeoX, Phi, the Llama form."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from cutaway.model.errors import UnsupportedModel
from cutaway.observables.components import Components, Layer
from cutaway.observables.heads import Heads
from cutaway.observables.mlps import Mlp
from cutaway.observables.norms import Norm


def taken_apart(module: nn.Module) -> Components:
    """Components of a Hugging Face causal language model.

    Parameters
    ----------
    module : torch.nn.Module
        With ``config.model_type`` among `FAMILIES`.

    Raises
    ------
    UnsupportedModel
        If the family is none of these, or a part is not where the family keeps it.
    """
    config: Any = getattr(module, "config", None)  # of transformers, which has no types
    family = getattr(config, "model_type", None)
    if family not in FAMILIES:
        raise UnsupportedModel(
            f"model must be a causal language model of one of {', '.join(FAMILIES)}, got "
            f"{family or type(module).__name__!r}{_foreign(module)}; give a decoder of these "
            "families"
        )
    blocks, final, head, layer = FAMILIES[family]
    if hasattr(module, "embed_out"):  # GPT-NeoX's head before transformers 5
        head = "embed_out"
    return Components(
        family=family,
        layers=tuple(
            layer(module, f"{blocks}.{place}") for place in range(len(_part(module, blocks)))
        ),
        final_norm=_norm(module, final),
        unembedding=_weight(module, head),
        unembedding_bias=_bias(module, head),
        head_site=head,
        softcap=getattr(config, "final_logit_softcapping", None),
    )


def _foreign(module: nn.Module) -> str:
    """What is in the way of paths through a model of an unknown family; empty if that is unsaid."""
    config: Any = getattr(module, "config", None)
    if config is None:
        return ""
    if getattr(config, "is_encoder_decoder", False):
        return ", an encoder-decoder"
    for what, names in _FOREIGN.items():
        if any(getattr(config, name, None) for name in names):
            return f" with {what}"
    causal = ("CausalLM", "LMHeadModel")
    return "" if type(module).__name__.endswith(causal) else ", an encoder or a model without head"


def _gpt2_layer(module: nn.Module, block: str) -> Layer:
    fused = _weight(module, f"{block}.attn.c_attn")  # (d, 3 d): queries, keys, values
    width = fused.shape[0]
    fused_bias = _bias(module, f"{block}.attn.c_attn")
    heads = _heads(
        module,
        f"{block}.attn",
        values=fused[:, 2 * width :].T,
        values_bias=None if fused_bias is None else fused_bias[2 * width :],
        outputs=_weight(module, f"{block}.attn.c_proj").T,
        outputs_bias=_bias(module, f"{block}.attn.c_proj"),
        queries_keys={f"{block}.attn.c_attn": torch.arange(3 * width) >= 2 * width},
    )
    return Layer(
        _norm(module, f"{block}.ln_1"),
        heads,
        _norm(module, f"{block}.ln_2"),
        _plain_mlp(module, f"{block}.mlp", transposed=True),
    )


def _gpt_neo_layer(module: nn.Module, block: str) -> Layer:
    inside = f"{block}.attn.attention"
    heads = _heads(
        module,
        f"{block}.attn",
        values=_weight(module, f"{inside}.v_proj"),
        values_bias=_bias(module, f"{inside}.v_proj"),
        outputs=_weight(module, f"{inside}.out_proj"),
        outputs_bias=_bias(module, f"{inside}.out_proj"),
        queries_keys={f"{inside}.q_proj": None, f"{inside}.k_proj": None},
    )
    return Layer(
        _norm(module, f"{block}.ln_1"),
        heads,
        _norm(module, f"{block}.ln_2"),
        _plain_mlp(module, f"{block}.mlp"),
    )


def _llama_layer(module: nn.Module, block: str) -> Layer:
    return Layer(
        _norm(module, f"{block}.input_layernorm"),
        _separate_heads(module, f"{block}.self_attn"),
        _norm(module, f"{block}.post_attention_layernorm"),
        _gated_mlp(module, block),
    )


def _gemma2_layer(module: nn.Module, block: str) -> Layer:
    return Layer(
        _norm(module, f"{block}.input_layernorm"),
        _separate_heads(module, f"{block}.self_attn"),
        _norm(module, f"{block}.pre_feedforward_layernorm"),
        _gated_mlp(module, block),
        attention_post=_norm(module, f"{block}.post_attention_layernorm"),
        mlp_post=_norm(module, f"{block}.post_feedforward_layernorm"),
    )


def _phi_layer(module: nn.Module, block: str) -> Layer:
    norm = _norm(module, f"{block}.input_layernorm")  # one norm for both
    heads = _separate_heads(module, f"{block}.self_attn", out="dense")
    mlp = _plain_mlp(module, f"{block}.mlp", names=("fc1", "fc2"), act="activation_fn")
    return Layer(norm, heads, norm, mlp, parallel=True)


def _phi3_layer(module: nn.Module, block: str) -> Layer:
    config: Any = module.config  # of transformers, which has no types
    site, mlp = f"{block}.self_attn", f"{block}.mlp"
    fused, outputs = _weight(module, f"{site}.qkv_proj"), _weight(module, f"{site}.o_proj")
    size = outputs.shape[1] // config.num_attention_heads * config.num_key_value_heads
    bias = _bias(module, f"{site}.qkv_proj")
    heads = _heads(
        module,
        site,
        values=fused[-size:],
        values_bias=None if bias is None else bias[-size:],
        outputs=outputs,
        outputs_bias=_bias(module, f"{site}.o_proj"),
        queries_keys={f"{site}.qkv_proj": torch.arange(len(fused)) >= len(fused) - size},
    )
    both, inner = _weight(module, f"{mlp}.gate_up_proj"), _bias(module, f"{mlp}.gate_up_proj")
    half = len(both) // 2
    gated = Mlp(
        site=mlp,
        w_in=both[half:],
        b_in=None if inner is None else inner[half:],
        w_gate=both[:half],
        b_gate=None if inner is None else inner[:half],
        w_out=_weight(module, f"{mlp}.down_proj"),
        b_out=_bias(module, f"{mlp}.down_proj"),
        act=_part(module, f"{mlp}.activation_fn"),
    )
    return Layer(
        _norm(module, f"{block}.input_layernorm"),
        heads,
        _norm(module, f"{block}.post_attention_layernorm"),
        gated,
    )


def _separate_heads(module: nn.Module, site: str, out: str = "o_proj") -> Heads:
    return _heads(
        module,
        site,
        values=_weight(module, f"{site}.v_proj"),
        values_bias=_bias(module, f"{site}.v_proj"),
        outputs=_weight(module, f"{site}.{out}"),
        outputs_bias=_bias(module, f"{site}.{out}"),
        queries_keys={f"{site}.q_proj": None, f"{site}.k_proj": None},
    )


def _gated_mlp(module: nn.Module, block: str) -> Mlp:
    return Mlp(
        site=f"{block}.mlp",
        w_in=_weight(module, f"{block}.mlp.up_proj"),
        b_in=_bias(module, f"{block}.mlp.up_proj"),
        w_gate=_weight(module, f"{block}.mlp.gate_proj"),
        b_gate=_bias(module, f"{block}.mlp.gate_proj"),
        w_out=_weight(module, f"{block}.mlp.down_proj"),
        b_out=_bias(module, f"{block}.mlp.down_proj"),
        act=_part(module, f"{block}.mlp.act_fn"),
    )


def _gptj_layer(module: nn.Module, block: str) -> Layer:
    norm = _norm(module, f"{block}.ln_1")  # one norm for both
    heads = _separate_heads(module, f"{block}.attn", out="out_proj")
    mlp = _plain_mlp(module, f"{block}.mlp", names=("fc_in", "fc_out"))
    return Layer(norm, heads, norm, mlp, parallel=True)


def _gpt_neox_layer(module: nn.Module, block: str) -> Layer:
    config: Any = module.config  # of transformers, which has no types
    count, fused = config.num_attention_heads, f"{block}.attention.query_key_value"
    weight, bias = _weight(module, fused), _bias(module, fused)  # (H, 3, e) rows
    width = weight.shape[0] // (3 * count)
    heads = _heads(
        module,
        f"{block}.attention",
        values=weight.reshape(count, 3, width, -1)[:, 2].reshape(count * width, -1),
        values_bias=None if bias is None else bias.reshape(count, 3, width)[:, 2].flatten(),
        outputs=_weight(module, f"{block}.attention.dense"),
        outputs_bias=_bias(module, f"{block}.attention.dense"),
        queries_keys={fused: (torch.arange(3 * width * count) // width) % 3 == 2},
    )
    return Layer(
        _norm(module, f"{block}.input_layernorm"),
        heads,
        _norm(module, f"{block}.post_attention_layernorm"),
        _plain_mlp(module, f"{block}.mlp", names=("dense_h_to_4h", "dense_4h_to_h")),
        parallel=bool(config.use_parallel_residual),
    )


LayerOf = Callable[[nn.Module, str], Layer]
# Family: paths of the blocks, the final norm and the head, and how a block is read.
FAMILIES: dict[str, tuple[str, str, str, LayerOf]] = {
    "gpt2": ("transformer.h", "transformer.ln_f", "lm_head", _gpt2_layer),
    "gpt_neo": ("transformer.h", "transformer.ln_f", "lm_head", _gpt_neo_layer),
    "gptj": ("transformer.h", "transformer.ln_f", "lm_head", _gptj_layer),
    "gpt_neox": ("gpt_neox.layers", "gpt_neox.final_layer_norm", "lm_head", _gpt_neox_layer),
    **dict.fromkeys(
        ("llama", "mistral", "qwen2", "qwen3", "smollm3", "gemma"),
        ("model.layers", "model.norm", "lm_head", _llama_layer),
    ),
    **dict.fromkeys(
        ("gemma2", "gemma3_text"), ("model.layers", "model.norm", "lm_head", _gemma2_layer)
    ),
    "phi": ("model.layers", "model.final_layernorm", "lm_head", _phi_layer),
    "phi3": ("model.layers", "model.norm", "lm_head", _phi3_layer),
}
# What a configuration says of parts that no path is made for, by the names of its entries.
_FOREIGN = {
    "state-space or recurrent layers, which are no attention": (
        "state_size", "ssm_state_size", "ssm_cfg", "mamba_d_state", "mamba_expand", "lru_width",
        "linear_num_value_heads", "conv_L_cache", "time_step_rank",
    ),
    "a mixture of experts, whose router is no path": (
        "num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts",
    ),
}  # fmt: skip


def _heads(
    module: nn.Module,
    site: str,
    *,
    values: Tensor,
    values_bias: Tensor | None,
    outputs: Tensor,
    outputs_bias: Tensor | None,
    queries_keys: Mapping[str, Tensor | None],
) -> Heads:
    """Heads of stacked maps: `values` (G e, d), `outputs` (d, H e), as a Linear holds them."""
    config: Any = module.config  # of transformers, which has no types
    count = int(config.num_attention_heads)
    width = outputs.shape[1] // count
    if width * count != outputs.shape[1] or values.shape[0] % width:
        raise UnsupportedModel(
            f"model part {site} must hold {count} heads of one width, got maps of shape "
            f"{tuple(values.shape)} and {tuple(outputs.shape)}; this form is not read yet"
        )
    return Heads(
        site,
        values.reshape(-1, width, values.shape[1]),
        None if values_bias is None else values_bias.reshape(-1, width),
        outputs.reshape(-1, count, width).movedim(1, 0),
        outputs_bias,
        queries_keys,
    )


def _plain_mlp(
    module: nn.Module,
    site: str,
    *,
    transposed: bool = False,
    names: tuple[str, str] = ("c_fc", "c_proj"),
    act: str = "act",
) -> Mlp:
    inner, outer = (f"{site}.{name}" for name in names)
    w_in, w_out = _weight(module, inner), _weight(module, outer)
    return Mlp(
        site=site,
        w_in=w_in.T if transposed else w_in,
        b_in=_bias(module, inner),
        w_gate=None,
        b_gate=None,
        w_out=w_out.T if transposed else w_out,
        b_out=_bias(module, outer),
        act=_part(module, f"{site}.{act}"),
    )


def _norm(module: nn.Module, site: str) -> Norm:
    part: Any = _part(module, site)
    gain = _weight(module, site).detach().cpu().double()
    if type(part).__name__ in {"GemmaRMSNorm", "Gemma2RMSNorm", "Gemma3RMSNorm"}:
        gain = 1.0 + gain
    centred = isinstance(part, nn.LayerNorm)
    eps = getattr(part, "variance_epsilon", getattr(part, "eps", None))
    if eps is None:
        raise UnsupportedModel(
            f"model part {site} must be a LayerNorm or an RMSNorm, got {type(part).__name__}; "
            "this norm is not read yet"
        )
    bias = _bias(module, site)
    wide = torch.zeros_like(gain) if bias is None else bias.detach().cpu().double()
    return Norm(site, gain, wide, float(eps), centred)


def _part(module: nn.Module, path: str) -> Any:
    try:
        return module.get_submodule(path)
    except AttributeError:
        raise UnsupportedModel(
            f"model part {path} must exist in {type(module).__name__}, got none; give the causal "
            "language model with its head, unwrapped"
        ) from None


def _weight(module: nn.Module, path: str) -> Tensor:
    weight = getattr(_part(module, path), "weight", None)
    if not isinstance(weight, Tensor) or not weight.is_floating_point():
        kind = weight.dtype if isinstance(weight, Tensor) else "none"
        raise UnsupportedModel(
            f"model part {path} must have a floating-point weight, got {kind}; "
            "load the model without quantization"
        )
    return weight.detach()


def _bias(module: nn.Module, path: str) -> Tensor | None:
    bias = getattr(_part(module, path), "bias", None)
    return bias.detach() if isinstance(bias, Tensor) else None

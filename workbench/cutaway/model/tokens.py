"""Texts as token ids, padded without touching the tokenizer."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


def n_positions(config: Any, tokenizer: Any) -> int | None:
    """Longest text in tokens that a model takes, or None where nothing states one.

    Parameters
    ----------
    config : transformers.PretrainedConfig or None
        Read for ``max_position_embeddings``, ``n_positions`` and ``n_ctx``.
    tokenizer : transformers.PreTrainedTokenizerBase or None
        Read for ``model_max_length``; numbers above 10**9 mean "not stated" there.
    """
    stated = [getattr(config, key, None) for key in ("max_position_embeddings", "n_positions")]
    stated += [getattr(config, "n_ctx", None), getattr(tokenizer, "model_max_length", None)]
    limits = [int(one) for one in stated if isinstance(one, (int, float)) and 0 < one < 10**9]
    return min(limits, default=None)


def encode(
    tokenizer: Any, texts: Sequence[str], *, limit: int | None = None, length: int | None = None
) -> dict[str, Tensor]:
    """Token ids and attention mask of some texts, padded on the right.

    Parameters
    ----------
    tokenizer : transformers.PreTrainedTokenizerBase
        Used as it is; one without a padding token pads with its end token, else with id 0. Padding
        is masked, so its id never matters to a kept position of a causal model.
    texts : sequence of str
        A text without any token becomes one padding token that is attended to, because a row
        without a position gives NaN in a softmax.
    limit : int or None
        Longer texts are cut off here, in tokens.
    length : int or None
        Pad (or cut) all rows to this many tokens; None pads to the longest text.

    Returns
    -------
    dict of str to Tensor of shape (n, t)
        ``input_ids`` and ``attention_mask``, int64.
    """
    cut = min((one for one in (limit, length) if one is not None), default=None)
    options: dict[str, Any] = {} if cut is None else {"truncation": True, "max_length": cut}
    rows: list[list[int]] = tokenizer(list(texts), **options)["input_ids"] if texts else []
    pad = tokenizer.pad_token_id
    pad = tokenizer.eos_token_id if pad is None else pad
    pad = 0 if pad is None else pad
    width = max([len(row) for row in rows] + [1]) if length is None else length
    ids = torch.full((len(rows), width), int(pad), dtype=torch.int64)
    mask = torch.zeros((len(rows), width), dtype=torch.int64)
    for place, row in enumerate(rows):
        ids[place, : len(row)] = torch.tensor(row, dtype=torch.int64)
        mask[place, : max(len(row), 1)] = 1
    return {"input_ids": ids, "attention_mask": mask}

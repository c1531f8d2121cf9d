"""The two prompts of a feature vector, and what the residual stream held on them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cutaway.core import check
from cutaway.model.hooks import evaluating, hooked
from cutaway.model.model import Model

Prompt: TypeAlias = str | Sequence[int] | NDArray[Any] | Tensor


@dataclass(frozen=True, eq=False)
class Readings:
    """Inputs of some norms on the positive and the negative prompt.

    Attributes
    ----------
    prompts : tuple of tuple of int
        Token ids of the positive and the negative prompt; empty without prompts.
    residuals : mapping of str to float64 Tensor of shape (2, t, d)
        By site of the norm: its input on the positive and the negative prompt.
    """

    prompts: tuple[tuple[int, ...], ...]
    residuals: Mapping[str, Tensor]

    @property
    def length(self) -> int:
        """Tokens of each prompt; 0 without prompts."""
        return len(self.prompts[0]) if self.prompts else 0

    def positive(self, site: str, position: int) -> Tensor:
        """Input of a norm on the positive prompt, of shape (d,)."""
        return self.residuals[site][0, position]

    def negative(self, site: str, position: int) -> Tensor:
        """Input of a norm on the negative prompt, of shape (d,)."""
        return self.residuals[site][1, position]


def pair_of(model: Model, prompts: Sequence[Prompt], n_tokens: int) -> Tensor:
    """Token ids of shape (2, t) of a positive and a negative prompt.

    Raises
    ------
    TypeError
        If the model has no tokenizer for a text, or an id is no whole number.
    ValueError
        If there are not two prompts, they differ in length, are empty or too long, or hold an
        unknown id.
    """
    if isinstance(prompts, str) or len(prompts) != 2:
        got = "one text" if isinstance(prompts, str) else f"{len(prompts)}"
        raise ValueError(
            f"prompts must be a pair (positive, negative), got {got}; give two prompts that differ "
            "in what the observable measures"
        )
    rows = [_row(model, prompt, n_tokens) for prompt in prompts]
    if len(rows[0]) != len(rows[1]):
        raise ValueError(
            f"prompts must have the same number of tokens, got {len(rows[0])} and {len(rows[1])}; "
            "swap words of one token"
        )
    limit = model.n_positions or len(rows[0])
    if not 1 <= len(rows[0]) <= limit:
        raise ValueError(
            f"prompts must have 1..{limit} tokens, got {len(rows[0])}; give texts of that length"
        )
    return torch.tensor(rows, dtype=torch.int64)


def readings(model: Model, ids: Tensor, sites: Collection[str]) -> Readings:
    """What entered the norms at `sites` when the model ran on token ids of shape (2, t)."""
    residuals: dict[str, Tensor] = {}

    def watcher(site: str) -> Any:
        def watch(_module: nn.Module, arguments: tuple[Any, ...], _output: Any) -> None:
            residuals[site] = arguments[0].detach().cpu().double()

        return watch

    if sites:
        with (
            model.lock,
            evaluating(model.module),
            hooked(model.module, {site: watcher(site) for site in sites}),
        ):
            model.call(
                model.prepared({"input_ids": ids, "attention_mask": torch.ones_like(ids)}),
            )
    return Readings(tuple(tuple(row) for row in ids.tolist()), residuals)


def _row(model: Model, prompt: Prompt, n_tokens: int) -> list[int]:
    if isinstance(prompt, str):
        if model.tokenizer is None:
            raise TypeError(
                f"model {model.name!r} must have a tokenizer to read prompts, got none; "
                "give token ids"
            )
        return list(model.rows([prompt])[0].ids)
    tokens = prompt.tolist() if hasattr(prompt, "tolist") else list(prompt)
    for token in tokens:
        check.whole("prompt token", token, 0, n_tokens - 1, remedy="give ids of the vocabulary")
    return [int(token) for token in tokens]

"""What is measured on the logits: a vector over the vocabulary."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from cutaway.core import check
from cutaway.model.model import Model, as_model
from cutaway.observables.opened import components_of


@dataclass(frozen=True, eq=False, repr=False)
class Observable:
    """A linear measure of logits, n . logits.

    Parameters
    ----------
    vector : array_like of shape (V,)
        n, a weight for each token of the vocabulary; made read-only float64. It is neither centred
        nor normalised.
    name : str
        For captions, e.g. "she - he".

    Raises
    ------
    ValueError
        If it is not one finite number a token, or all are zero.
    """

    vector: NDArray[np.float64]
    name: str = field(default="observable", kw_only=True)

    def __post_init__(self) -> None:
        """Copy the vector and check it."""
        vector = np.array(_plain(self.vector), dtype=np.float64)
        check.n_dims("vector", vector, 1, "one weight a token")
        if not np.isfinite(vector).all() or not vector.any():
            raise ValueError(
                "vector must hold finite weights that are not all zero, got "
                f"{np.count_nonzero(~np.isfinite(vector))} not finite and "
                f"{np.count_nonzero(vector)} not zero; weight at least one token"
            )
        vector.setflags(write=False)
        object.__setattr__(self, "vector", vector)

    @classmethod
    def from_tokens(
        cls,
        model: Model | nn.Module,
        plus: Sequence[str | int] = (),
        minus: Sequence[str | int] = (),
    ) -> "Observable":
        """Sum of the logits of some tokens less the sum of those of others.

        Parameters
        ----------
        model : Model or torch.nn.Module
            Its vocabulary and, for words, its tokenizer count.
        plus, minus : sequence of str or int
            Words of one token each (a leading space is part of a word), or token ids.

        Raises
        ------
        ValueError
            If a word is not exactly one known token (with its pieces and spellings that are), an id
            is no token, a token comes twice, or there is none.
        TypeError
            If there are words and the model has no tokenizer.
        """
        opened = as_model(model)
        n_tokens = components_of(opened).n_tokens
        vector = np.zeros(n_tokens)
        for name, words, weight in (("plus", plus, 1.0), ("minus", minus, -1.0)):
            if isinstance(words, str):
                raise TypeError(
                    f"{name} must be a list of words, got the text {words!r}; write [{words!r}]"
                )
            for word in words:
                token = _token(opened, name, word, n_tokens)
                if vector[token]:
                    raise ValueError(
                        f"{name} must hold tokens not named before, got {word!r} again; name "
                        "each token once"
                    )
                vector[token] = weight
        if not vector.any():
            raise ValueError(
                "plus and minus must hold at least one token together, got none; "
                "give e.g. plus=[' she'], minus=[' he']"
            )
        return cls(vector, name=_named(plus, minus))

    @property
    def balance(self) -> float:
        """Sum of the weights: 0 for a balanced one, which a shift of all logits does not move."""
        return float(self.vector.sum())

    @property
    def n_used(self) -> int:
        """Tokens with a weight."""
        return int(np.count_nonzero(self.vector))

    def measure(self, logits: ArrayLike) -> NDArray[np.float64]:
        """Reading n . logits of shape (…) for logits of shape (…, V)."""
        return np.asarray(np.asarray(_plain(logits), dtype=np.float64) @ self.vector)

    def weights(self, n_tokens: int) -> Tensor:
        """float64 Tensor of shape (V,), checked against the rows of an unembedding."""
        if len(self.vector) != n_tokens:
            raise ValueError(
                f"observable must have {n_tokens} weights, one a token of the model, got "
                f"{len(self.vector)}; make it for this model"
            )
        return torch.tensor(self.vector)

    def __repr__(self) -> str:
        return f"Observable({self.name}; {self.n_used} tokens, balance {self.balance:+g})"


def _plain(values: Any) -> Any:
    """A tensor as an array; anything else as it is."""
    return values.detach().cpu().double().numpy() if isinstance(values, Tensor) else values


def _named(plus: Sequence[str | int], minus: Sequence[str | int]) -> str:
    def joined(words: Sequence[str | int]) -> str:
        text = " + ".join(str(word).strip() or repr(word) for word in words)
        return f"({text})" if len(words) > 1 else text

    if not minus:
        return joined(plus)
    return f"{joined(plus)} - {joined(minus)}".lstrip()


def _token(model: Model, name: str, word: str | int, n_tokens: int) -> int:
    if not isinstance(word, str):
        known = n_tokens if model.tokenizer is None else min(n_tokens, len(model.tokenizer))
        check.whole(f"{name} token", word, 0, known - 1, remedy="give an id of the vocabulary")
        return int(word)
    if model.tokenizer is None:
        raise TypeError(
            f"model {model.name!r} must have a tokenizer to read {word!r}, got none; "
            "give token ids, or load the model from its folder"
        )
    ids = _ids(model.tokenizer, word)
    if len(ids) != 1:
        pieces = [model.tokenizer.decode([one]) for one in ids]
        raise ValueError(
            f"{name} word {word!r} must be one token, got {len(ids)} {pieces}; "
            f"{_suggestion(model.tokenizer, word, pieces)}"
        )
    if ids[0] == model.tokenizer.unk_token_id and word != model.tokenizer.unk_token:
        near = check.nearest(word, model.tokenizer.get_vocab())
        raise ValueError(
            f"{name} word {word!r} must be a token of the model, got an unknown one; "
            f"nearest: {', '.join(map(repr, near))}"
        )
    return ids[0]


def _ids(tokenizer: Any, text: str) -> list[int]:
    return [int(one) for one in tokenizer(text, add_special_tokens=False)["input_ids"]]


def _suggestion(tokenizer: Any, word: str, pieces: list[str]) -> str:
    """Spellings of the word that are one token, else its pieces."""
    if not pieces:
        return "give a word"
    bare = word.strip()
    spellings = dict.fromkeys(
        form for base in (bare, bare.lower(), bare.capitalize()) for form in (f" {base}", base)
    )
    unknown = tokenizer.unk_token_id
    single = [
        one
        for one in spellings
        if one != word and len(ids := _ids(tokenizer, one)) == 1 and ids[0] != unknown
    ]
    if single:
        return f"write {' or '.join(map(repr, single[:3]))}"
    return f"use one of its pieces such as {pieces[0]!r}, or another word"

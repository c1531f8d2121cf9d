"""Naming a direction: the tokens that it raises and lowers most."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cutaway.core import Index, Origin, Result, Tick, check, silent
from cutaway.model.model import Model, as_model
from cutaway.observables.finite import all_finite
from cutaway.observables.opened import components_of
from cutaway.observables.scores import named, said_of
from cutaway.observables.texts import Direction, direction_of, words_of

Through: TypeAlias = Literal["unembedding", "embedding"]
_ROWS = 8192  # of a vocabulary in float64 at a time


@dataclass(frozen=True, eq=False, repr=False)
class TokenRanks(Result):
    """Tokens at both ends of a direction; a row a token, highest first, ids are token ids.

    Parameters
    ----------
    token : list of str
        Texts of the tokens.
    score : ndarray of shape (r,)
        Of the direction at length 1: change of the token's logit through the final norm's gain
        alone, or reading of the token's embedding.
    z : ndarray of shape (r,)
        The score less the mean over the vocabulary, in its standard deviations.
    through : str
        "unembedding" or "embedding".
    site, vector : str
        Where the direction lives; what it is.
    """

    token: list[str]
    score: NDArray[np.float64]
    z: NDArray[np.float64]
    through: str
    site: str
    vector: str

    _shapes: ClassVar[Mapping[str, str]] = dict.fromkeys(("token", "score", "z"), "n")

    def to_frame(self) -> pd.DataFrame:
        """One line a token: token, score, z."""
        return super().to_frame().assign(token=self.token)[["token", "score", "z"]]

    def __repr__(self) -> str:
        ends = f"{self.token[0]!r} … {self.token[-1]!r}"
        return f"TokenRanks({self.vector} through the {self.through}: {ends})"


def logit_lens(
    model: Model | nn.Module,
    vector: Direction,
    *,
    k: int = 10,
    through: Through = "unembedding",
    tick: Tick = silent,
) -> TokenRanks:
    """Tokens whose logits a direction raises and lowers most, or whose embeddings read so.

    Parameters
    ----------
    model : Model or torch.nn.Module
        A causal language model of a known family; it is not run.
    vector : FeatureVector or (str, array_like of shape (d,))
        A direction on the residual stream.
    k : int
        Tokens of each end; at most half the vocabulary.
    through : {"unembedding", "embedding"}
        "unembedding": W_U (g P y), the logit lens, as if the direction stood in the last residual
        stream; "embedding": W_E y, which says what an early vector reads in single tokens.
    tick : Tick
        Called after each part of the vocabulary.

    Raises
    ------
    UnsupportedModel
        If the model cannot be taken apart.
    ValueError
        If the vector is of another model, or `k` out of range.

    Notes
    -----
    The final norm is linear at a frozen scale, which does not matter to the order; its bias, which
    is the same for every direction, is left out.
    """
    began = time.perf_counter()
    opened = as_model(model)
    check.one_of("through", through, ("unembedding", "embedding"))
    components = components_of(opened)
    site, given = direction_of(opened, components, vector)
    check.whole("k", k, 1, components.n_tokens // 2, remedy="name fewer tokens")
    y = torch.from_numpy(given / np.linalg.norm(given))
    if through == "unembedding":
        norm = components.final_norm
        table, y = components.unembedding, norm.gain * norm.centre(y)
    else:
        table = opened.module.get_input_embeddings().weight  # type: ignore[operator]  # transformers
    scores = _read(table.detach(), y, tick)
    known = len(opened.tokenizer) if opened.tokenizer is not None else len(scores)
    scores = scores[: min(known, len(scores))]  # rows of padding are no tokens
    all_finite(
        f"rows of the {through}", scores, [f"token {token}" for token in range(len(scores))],
        "a token without numbers has no rank, look at the model's weights",
    )  # fmt: skip
    order = np.argsort(-scores, kind="stable")
    chosen = np.concatenate([order[:k], order[-k:]])
    result = TokenRanks(
        rows=Index(chosen, "token"),
        origin=Origin(
            "logit_lens",
            {**said_of(vector), "k": k, "through": through},
            model=opened.name,
            weights=opened.digest,
            site=site,
            seconds=time.perf_counter() - began,
        ),
        token=words_of(opened, chosen.tolist()),
        score=scores[chosen],
        z=(scores[chosen] - scores.mean()) / (scores.std() or 1.0),  # 0 where all are equal
        through=through,
        site=site,
        vector=named(vector),
    )
    tick(1.0, "logit lens")
    return result


def _read(table: Tensor, y: Tensor, tick: Tick) -> NDArray[np.float64]:
    parts = []
    for start in range(0, len(table), _ROWS):
        tick(0.99 * start / len(table), "logit lens")
        parts.append((table[start : start + _ROWS].cpu().double() @ y).numpy())
    return np.concatenate(parts)

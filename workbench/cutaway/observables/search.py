"""Search for the paths that carry an observable: a beam from the logits over all edges."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cutaway.core import Index, Origin, Result, Tick, check, part, silent
from cutaway.model.model import Model, as_model
from cutaway.observables.edges import Pairs, State, before, norm_of, run_pairs
from cutaway.observables.finite import all_finite
from cutaway.observables.intervals import interval
from cutaway.observables.observable import Observable
from cutaway.observables.opened import components_of
from cutaway.observables.paths import Node, Path
from cutaway.observables.runs import pairs_of

Sign: TypeAlias = Literal["both", "positive", "negative"]
SIGNS: tuple[Sign, ...] = ("both", "positive", "negative")
EMBEDDING = "embedding"
_SPARE = 4  # candidates looked at for each place in the beam, so that merged ones leave room


@dataclass(frozen=True, eq=False, repr=False)
class Paths(Result):
    """Paths with what they carry, the strongest first; a row's id is its path.

    Parameters
    ----------
    path : list of str
        As `Path` reads it, with positions. Rows that begin at the embedding have an id of the form
        ``embedding > …``.
    length : ndarray of shape (r,)
        Nodes of the path.
    embedding : ndarray of shape (r,)
        True: what the embedding sends along the path. False: what the first node sends, whatever
        reached it; so paths that begin with more nodes are parts of the path without them.
    score : ndarray of shape (r,)
        Mean over pairs of the change, positive less negative prompt, that goes along the path to
        first order, logits.
    low, high : ndarray of shape (r,)
        95 % bootstrap interval of the mean over pairs; NaN for fewer than two.
    patched : ndarray of shape (r,)
        The same carried through the real norms and MLPs, mean over pairs, logits.
    pairs : ndarray of shape (r, n)
        Score on each pair.
    merged_into : list of str
        Id of a stronger path with the same vector, "" for none; merged ones are not extended.
    gap : float
        Mean of the measure on the positive less that on the negative prompt.
    observable, sign : str
        What was asked for.
    """

    path: list[str]
    length: NDArray[np.int64]
    embedding: NDArray[np.bool_]
    score: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    patched: NDArray[np.float64]
    pairs: NDArray[np.float64]
    merged_into: list[str]
    gap: float
    observable: str
    sign: str

    _shapes: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(
            ("path", "length", "embedding", "score", "low", "high", "patched", "merged_into"), "n"
        ),
        "pairs": "n pairs",
    }

    def to_frame(self) -> pd.DataFrame:
        """A line a path: length, embedding, score, low, high, patched, merged_into."""
        names = ("length", "embedding", "score", "low", "high", "patched", "merged_into")
        columns = {name: getattr(self, name) for name in names}
        return pd.DataFrame(columns, index=pd.Index(self.rows.ids, name=self.rows.axis))


@dataclass(frozen=True, eq=False)
class _Row:
    state: State
    embedding: bool
    pairs: Tensor
    merged_into: str = ""

    @property
    def path(self) -> str:
        return str(Path.of(*(Node(one.layer, one.head, at) for one, at in self.state.tail)))

    @property
    def name(self) -> str:
        parts = [EMBEDDING] * self.embedding + [self.path] * bool(self.state.tail)
        return " > ".join(parts)


def search_paths(
    model: Model | nn.Module,
    observable: Observable,
    prompts: Any,
    *,
    max_length: int = 3,
    beam: int = 20,
    sign: Sign = "both",
    merge_cosine: float = 0.99,
    tick: Tick = silent,
) -> Paths:
    """Paths that carry most of an observable's difference between prompts.

    Parameters
    ----------
    model : Model or torch.nn.Module
        A causal language model of a known family; nothing in it is changed.
    observable : Observable
        What is measured on the logits of the last position.
    prompts : pair (positive, negative), or sequence of such pairs
        Texts or token ids, all of one length, since paths name positions.
    max_length : int
        Most nodes of a path, 1 or more.
    beam : int
        Paths that are kept, and extended, of each length.
    sign : {"both", "positive", "negative"}
        Rank by absolute score, or only for or only against the observable.
    merge_cosine : float
        In 0..1: a path whose vector has at least this mean cosine over pairs with that of a
        stronger path at the same place is merged into it.
    tick : Tick
        Called after each layer of the forward pass and of each round.

    Raises
    ------
    UnsupportedModel
        If the model cannot be taken apart, or gives no attention patterns.
    ValueError
        If an option is out of range, prompts differ in length, or the model gives numbers that are
        not finite on them.

    Notes
    -----
    Each round puts every part that may come before, at every position it may read, in front of
    every path of the beam: all heads and MLPs below, the heads of the same layer before its MLP
    where that reads after them, and everything before the logits. A candidate's score is its
    covector (exact gradient along the path at the positive prompt, with attention weights) on the
    change of what its first node gives. Each path of the beam also gets a row for what the
    embedding sends along it.

    References
    ----------
    Dunefsky, Cohan, arXiv 2312.16291, greedy search of paths; there the edges from the layer just
    below and into an MLP of the same layer are left out.
    """
    began = time.perf_counter()
    check.whole("max_length", max_length, 1)
    check.whole("beam", beam, 1)
    check.one_of("sign", sign, SIGNS)
    check.in_range("merge_cosine", merge_cosine, 0.0, 1.0)
    opened = as_model(model)
    components = components_of(opened)
    weights = observable.weights(components.n_tokens)
    ids = _of_one_length(pairs_of(opened, prompts, components.n_tokens))
    read = run_pairs(opened, components, ids, part(tick, 0.0, 0.4))
    streams = [read.final.movedim(1, 0).flatten(1)]
    streams += [layer.written.movedim(1, 0).flatten(1).double() for layer in read.layers]
    all_finite(
        "residual streams of pairs", torch.cat(streams, dim=1).numpy(),
        [f"pair {place}" for place in range(ids.shape[1])],
        "leave these prompts out, or look at the model's weights",
    )  # fmt: skip
    found = _Search(read, beam, _rank(sign), merge_cosine)
    states = [read.start(weights)]
    rows = found.with_embedding(states)
    for length in range(max_length):
        here = part(tick, 0.4 + 0.5 * length / max_length, 0.4 + 0.5 * (length + 1) / max_length)
        states = found.round(states, here)
        rows += found.with_embedding(states)
    rows = sorted([*rows, *found.rows], key=lambda one: -abs(float(one.pairs.mean())))
    given = _as_paths(read, weights, rows, part(tick, 0.9, 0.99))
    used = np.flatnonzero(observable.vector)
    origin = Origin(
        "search_paths",
        {
            "observable": observable.name,
            "weights": {str(token): float(observable.vector[token]) for token in used},
            "max_length": max_length,
            "beam": beam,
            "sign": sign,
            "merge_cosine": merge_cosine,
            "prompts": ids.transpose(0, 1).tolist(),
        },
        model=opened.name,
        weights=opened.digest,
        seed=0 if ids.shape[1] > 1 else None,
    )
    result = Paths(
        origin=origin.after(time.perf_counter() - began),
        observable=observable.name,
        sign=sign,
        **given,
    )
    tick(1.0, "paths")
    return result


def _of_one_length(pairs: Sequence[Tensor]) -> Tensor:
    lengths = sorted({pair.shape[1] for pair in pairs})
    if len(lengths) > 1:
        raise ValueError(
            f"prompts must all have one number of tokens, got {lengths[0]} and {lengths[-1]}; "
            "paths name positions, so search each template by itself"
        )
    return torch.stack(list(pairs), dim=1)


def _rank(sign: Sign) -> Callable[[Tensor], Tensor]:
    if sign == "both":
        return torch.abs
    return torch.neg if sign == "negative" else torch.positive


@dataclass(frozen=True, eq=False)
class _Candidate:
    key: float
    state: State  # the path in front of which the node goes
    node: Node
    position: int
    pairs: Tensor


class _Search:
    """Rounds of the beam; `rows` fills with the paths of each round."""

    def __init__(
        self, read: Pairs, beam: int, rank: Callable[[Tensor], Tensor], merge_cosine: float
    ) -> None:
        self.read = read
        self.beam = beam
        self.rank = rank
        self.merge_cosine = merge_cosine
        self.rows: list[_Row] = []

    def with_embedding(self, states: Sequence[State]) -> list[_Row]:
        """A row for what the embedding sends along each path."""
        return [_Row(state, True, self.read.embedded(state)) for state in states]

    def round(self, states: Sequence[State], tick: Tick) -> list[State]:
        """Extend paths by one node; keep the best and merge those that converge."""
        candidates = []
        layers = self.read.components.layers
        allowed = [set(before(layers, state.first)) for state in states]
        for place in range(len(layers)):
            for is_mlp in (False, True):
                able = [
                    one for one, may in zip(states, allowed, strict=True) if (place, is_mlp) in may
                ]
                if able:
                    candidates += self._candidates(place, is_mlp, able)
            tick(0.8 * (place + 1) / len(layers), f"paths: layer {place}")
        candidates.sort(key=lambda one: -one.key)
        kept: list[State] = []
        for one in candidates[: _SPARE * self.beam]:
            if len(kept) == self.beam:
                break
            state = self.read.extended(one.state, one.node, one.position)
            into = self._same(state)
            self.rows.append(_Row(state, False, one.pairs, into))
            if not into:
                kept.append(state)
            tick(0.8 + 0.2 * len(kept) / self.beam, "paths: the best")
        return kept

    def _candidates(self, place: int, is_mlp: bool, states: Sequence[State]) -> list[_Candidate]:
        """The best extensions by the heads, or by the MLP, of one layer."""
        if is_mlp:
            read = self.read.by_mlp(place, states)  # (states, n)
        else:
            read = self.read.by_heads(place, states).movedim(1, -1)  # (states, H, t, n)
        shape, flat = read.shape[:-1], read.reshape(-1, read.shape[-1])
        keys = self.rank(flat.mean(-1))
        best = keys.topk(min(_SPARE * self.beam, len(keys))).indices.tolist()
        found = []
        for one in best:
            at = np.unravel_index(one, shape)
            state = states[int(at[0])]
            head, position = (None, state.position) if is_mlp else (int(at[1]), int(at[2]))
            if position <= state.position and bool(flat[one].any()):
                node = Node(place, head)
                key = float(keys[one])
                found.append(_Candidate(key, state, node, position, flat[one].clone()))
        return found

    def _same(self, state: State) -> str:
        """Id of a path that is kept and has the same vector at the same place, or ""."""
        components = self.read.components
        site = norm_of(components, state).site
        for row in self.rows:
            other = row.state
            if row.merged_into or other.position != state.position:
                continue
            if norm_of(components, other).site == site:
                cosines = torch.cosine_similarity(state.y, other.y, dim=-1, eps=1e-300)
                if float(cosines.mean()) >= self.merge_cosine:
                    return row.name
        return ""


def _as_paths(read: Pairs, weights: Tensor, rows: Sequence[_Row], tick: Tick) -> dict[str, Any]:
    """Fields of `Paths` but those that were asked for."""
    pairs = torch.stack([row.pairs for row in rows])
    low, high = interval(pairs.T.numpy())
    components = read.components
    measures = components.measure(weights, components.final_norm.apply(read.final)).mean(1)
    patched = []
    for place, row in enumerate(rows):
        change = read.patched(weights, row.state.tail, embedding=row.embedding)
        patched.append(float(change.mean()))
        tick((place + 1) / len(rows), "paths: patching")
    return {
        "rows": Index(np.array([row.name for row in rows]), "path"),
        "path": [row.path for row in rows],
        "length": np.array([len(row.state.tail) for row in rows]),
        "embedding": np.array([row.embedding for row in rows]),
        "score": pairs.mean(1).numpy(),
        "low": low,
        "high": high,
        "patched": np.array(patched),
        "pairs": pairs.numpy(),
        "merged_into": [row.merged_into for row in rows],
        "gap": float(measures[0] - measures[1]),
    }

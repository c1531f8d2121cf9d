"""One number a head: how strongly each carries an observable, by four measures."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cutaway.core import Index, Origin, Result, Tick, check, part, silent
from cutaway.model.model import Model, as_model
from cutaway.observables.components import Components
from cutaway.observables.finite import all_finite
from cutaway.observables.intervals import interval
from cutaway.observables.norms import NormMode
from cutaway.observables.observable import Observable
from cutaway.observables.opened import components_of
from cutaway.observables.patching import Against, Mixed, attributed, measured, over_pairs, patched
from cutaway.observables.paths import Path
from cutaway.observables.pull import pulled
from cutaway.observables.runs import pairs_of
from cutaway.observables.vector import modes_of, readings_for

MapKind: TypeAlias = Literal["norm", "attribution", "ov_patching", "patching"]
MAP_KINDS: tuple[MapKind, ...] = ("norm", "attribution", "ov_patching", "patching")


@dataclass(frozen=True, eq=False, repr=False)
class HeadMap(Result):
    """A value for each head of a model; rows are heads, ``L1H0`` and so on, layer by layer.

    Parameters
    ----------
    values : ndarray of shape (layers, heads)
        Mean over the pairs; lengths of vectors for "norm", else logits.
    pairs : ndarray of shape (n, layers, heads)
        Value on each pair of prompts; n is 0 where no prompts were needed.
    low, high : ndarray of shape (layers, heads)
        95 % bootstrap interval of the mean over pairs; NaN for fewer than two.
    gap : float
        Mean of the measure on the positive less that on the negative prompt, logits; with
        ``against="zero"`` the mean measure itself; NaN without prompts.
    rest : float
        `gap` less the sum of all values: for "attribution" exactly what MLPs, biases and the
        embedding give. Patching effects need not add up to the gap. NaN for "norm".
    kind, observable : str
        What was asked for.
    """

    values: NDArray[np.float64]
    pairs: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    gap: float
    rest: float
    kind: str
    observable: str

    _shapes: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("values", "low", "high"), "layers heads"),
        "pairs": "pairs layers heads",
    }

    def to_frame(self) -> pd.DataFrame:
        """A line a head: layer, head, value, low, high."""
        layers, heads = self.values.shape
        return pd.DataFrame(
            {
                "layer": np.repeat(np.arange(layers), heads),
                "head": np.tile(np.arange(heads), layers),
                "value": self.values.ravel(),
                "low": self.low.ravel(),
                "high": self.high.ravel(),
            },
            index=pd.Index(self.rows.ids, name=self.rows.axis),
        )

    def top(self, k: int = 10) -> pd.DataFrame:
        """Lines of the k heads of largest absolute value, the largest first.

        Raises
        ------
        TypeError, ValueError
            If `k` is no whole number of 1 or more.
        """
        check.whole("k", k, 1)
        frame = self.to_frame()
        order = np.argsort(-frame["value"].abs().to_numpy(), kind="stable")
        return frame.iloc[order[:k]]


def head_map(
    model: Model | nn.Module,
    observable: Observable,
    *,
    kind: MapKind = "norm",
    prompts: Any = None,
    norm: NormMode | None = None,
    first_norm: NormMode | None = None,
    final_norm: NormMode | None = None,
    against: Against = "negative",
    tick: Tick = silent,
) -> HeadMap:
    """How strongly each head carries an observable to the logits of the last position, directly.

    Parameters
    ----------
    model : Model or torch.nn.Module
        A causal language model of a known family; nothing in it is changed.
    observable : Observable
        What is measured on the logits.
    kind : {"norm", "attribution", "ov_patching", "patching"}
        - "norm": length of the head's feature vector, from weights alone. It has no sign, and a
          head may be long that looks elsewhere;
        - "attribution": what the head writes, read by the observable with norms held at their
          scales, on the positive less on the negative prompt, each with its own scales;
        - "ov_patching": change of the measure if the head reads the values of the negative prompt
          where it looks on the positive one;
        - "patching": change of the measure if the head looks and reads as on the negative prompt.
    prompts : pair (positive, negative), or sequence of such pairs
        Texts or token ids; the two of a pair of one length, pairs may differ. Needed for all kinds
        but "norm". The measure should be larger on the positive one.
    norm, first_norm, final_norm : norm mode or None
        For "norm": as in `feature_vector`, of which it is then the length. None for all three:
        gains of the norms are multiplied in and their scales left out, so that the length is the
        standard deviation of the reading over normed inputs of unit variance.
    against : {"negative", "zero"}
        For "attribution": "zero" leaves the positive prompt alone.
    tick : Tick
        Called after each layer of each forward pass.

    Raises
    ------
    UnsupportedModel
        If the model cannot be taken apart, or gives no attention patterns.
    ValueError
        If an option is unknown, prompts are missing or those of a pair differ in length, or a value
        is not finite: names the pairs, or the heads.

    Notes
    -----
    Direct effects only: what a head changes goes to the final residual stream, and the final norm
    is computed again; heads and MLPs after it stay as they were. Computed in float64 from one
    forward pass a prompt, all heads of a layer at once.

    References
    ----------
    Dunefsky, Cohan, arXiv 2312.16291, sections on norms of feature vectors and path patching.
    """
    began = time.perf_counter()
    check.one_of("kind", kind, MAP_KINDS)
    check.one_of("against", against, ("negative", "zero"))
    opened = as_model(model)
    components = components_of(opened)
    weights = observable.weights(components.n_tokens)
    pairs = [] if prompts is None else pairs_of(opened, prompts, components.n_tokens)
    if kind == "norm":
        modes = (norm, first_norm, final_norm)
        values, gaps = (
            _lengths(opened, observable, components, pairs, modes=modes, tick=tick),
            np.empty(0),
        )
    elif not pairs:
        raise ValueError(
            f"prompts must be a pair (positive, negative) or a list of pairs for kind {kind!r}, "
            "got none; give two prompts, or take kind='norm'"
        )
    else:
        modes = (None, None, None)

        def of(read: Mixed, inner: Tick) -> tuple[Tensor, Tensor]:
            return _effects(components, weights, read, (kind, against), inner)

        values, gaps = over_pairs(opened, components, pairs, of, part(tick, 0.0, 0.95))
    _finite(components, values, gaps)
    found = _as_map(components, observable, kind, pairs=values, gaps=gaps)
    used = np.flatnonzero(observable.vector)
    origin = Origin(
        "head_map",
        {
            "observable": observable.name,
            "weights": {str(token): float(observable.vector[token]) for token in used},
            "kind": kind,
            "norms": list(modes),
            "against": against,
            "prompts": [pair.tolist() for pair in pairs],
        },
        model=opened.name,
        weights=opened.digest,
        seed=0 if len(pairs) > 1 else None,
    )
    result = HeadMap(origin=origin.after(time.perf_counter() - began), **found)
    tick(1.0, f"head map: {kind}")
    return result


def _effects(
    components: Components, weights: Tensor, read: Mixed, asked: tuple[str, str], tick: Tick
) -> tuple[Tensor, Tensor]:
    """Value of each pair and head, and gap of each pair."""
    kind, against = asked
    positive, negative = measured(components, weights, read.final)
    if kind != "attribution":
        whole = kind == "patching"
        return patched(components, weights, read, whole=whole, tick=tick), positive - negative
    values = attributed(components, weights, read, 0)
    if against == "zero":
        return values, positive
    return values - attributed(components, weights, read, 1), positive - negative


def _heads(components: Components) -> list[str]:
    return [
        f"L{layer}H{head}"
        for layer, part_of in enumerate(components.layers)
        for head in range(len(part_of.heads))
    ]


def _finite(components: Components, values: NDArray[np.float64], gaps: NDArray[np.float64]) -> None:
    """Raise with the names of the pairs, or of the heads, whose values are not finite."""
    if values.ndim == 2:
        lengths = values.reshape(-1)
        all_finite("lengths of heads", lengths, _heads(components), "look at their weights")
        return
    names = [f"pair {place}" for place in range(len(values))]
    remedy = "leave these prompts out, or look at the model's weights"
    all_finite("values of pairs", values, names, remedy)
    if len(gaps):
        all_finite("logits of pairs", gaps, names, remedy)


def _as_map(
    components: Components,
    observable: Observable,
    kind: str,
    *,
    pairs: NDArray[np.float64],
    gaps: NDArray[np.float64],
) -> dict[str, Any]:
    """Fields of a `HeadMap` from values a pair, or of lengths that need none (layers, heads)."""
    alone = pairs.ndim == 2
    values = pairs if alone else pairs.mean(0)
    low, high = interval(np.empty((0, *values.shape)) if alone else pairs)
    gap = float(gaps.mean()) if len(gaps) else math.nan
    return {
        "rows": Index(np.array(_heads(components)), "head"),
        "values": values,
        "pairs": np.empty((0, *values.shape)) if alone else pairs,
        "low": low,
        "high": high,
        "gap": gap,
        "rest": gap - float(values.sum()),
        "kind": kind,
        "observable": observable.name,
    }


def _lengths(
    model: Model,
    observable: Observable,
    components: Components,
    pairs: Sequence[Tensor],
    *,
    modes: tuple[NormMode | None, NormMode | None, NormMode | None],
    tick: Tick,
) -> NDArray[np.float64]:
    """Lengths of all heads' vectors: (layers, heads), or (n, layers, heads) with prompts."""
    if modes == (None, None, None):
        return _gained(components, observable.weights(components.n_tokens), tick)
    norm, first, final = modes
    asked = modes_of(norm or "skip", final, first)
    paths = [
        Path(f"L{layer}H{head}")
        for layer, one in enumerate(components.layers)
        for head in range(len(one.heads))
    ]
    weights = observable.weights(components.n_tokens)[None]
    found = []
    for place in range(max(1, len(pairs))):
        here = part(tick, 0.9 * place / max(1, len(pairs)), 0.9 * (place + 1) / max(1, len(pairs)))
        prompts = tuple(pairs[place]) if pairs else None
        read = readings_for(model, components, paths, asked, prompts=prompts)
        walked = pulled(
            components, weights, paths, modes=asked, read=read, mlp_point="pos", tick=here
        )
        found.append(torch.cat([one.vector for one in walked]).norm(dim=-1).numpy())
    shaped = np.array(found).reshape(len(found), len(components.layers), -1)
    return shaped if pairs else np.asarray(shaped[0])


def _gained(components: Components, weights: Tensor, tick: Tick) -> NDArray[np.float64]:
    """Lengths with all gains on the way multiplied in, and no scales."""
    covector, _constant = components.unembed(weights[None])
    y = covector * components.final_norm.gain
    rows = []
    for place, layer in enumerate(components.layers):
        at = y if layer.attention_post is None else y * layer.attention_post.gain
        back = layer.heads.pull_back(at)[0] * layer.attention_norm.gain
        rows.append(back.norm(dim=-1))
        tick((place + 1) / (len(components.layers) + 1), f"head map: layer {place}")
    return torch.stack(rows).numpy()

"""How strongly each token of some texts reads on a feature vector.

Notation
--------
x       residual stream of a token at the vector's site, (d,)
y       the vector, (d,);  the score is y . x, at unit attention
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from torch import nn

from cutaway.core import Index, Origin, Result, Tick, check, digest, part, silent
from cutaway.data.content import content_of
from cutaway.data.dataset import Dataset
from cutaway.model.model import Model, as_model, given
from cutaway.model.tokens import tell
from cutaway.observables.finite import some
from cutaway.observables.head_map import head_map
from cutaway.observables.observable import Observable
from cutaway.observables.opened import components_of
from cutaway.observables.prompts import Prompt
from cutaway.observables.texts import (
    Direction,
    Readings,
    Row,
    direction_of,
    read_directions,
    rows_of,
)
from cutaway.observables.vector import FeatureVector, feature_vector

Sinks: TypeAlias = Literal["mark", "drop"]
Read: TypeAlias = Literal["stream", "normed"]
TextNorm: TypeAlias = Literal["skip", "approx", "frozen", "exact"]


@dataclass(frozen=True, eq=False, repr=False)
class TokenScores(Result):
    """Reading of a direction at every token of some texts; a row a token, ``"text:position"``.

    Parameters
    ----------
    score : ndarray of shape (t,)
        Vector . residual stream of the token; in logits at unit attention, if norms were passed
        and not skipped, else in no unit. What is not finite is told and named by `not_finite`.
    text : ndarray of int of shape (t,)
        Place of the token's text among `text_ids`.
    position : ndarray of int of shape (t,)
        Position in the text, from 0.
    token : list of str
        What the token stands for in the text, the space before it included.
    sink : ndarray of bool of shape (t,)
        Position 0, or a stream ten times as long as the median one of its text: there models park
        attention, and the reading says nothing of the text.
    text_ids : ndarray of shape (n,)
        Ids of the texts.
    text_score : ndarray of shape (n,)
        Mean score of a text's tokens without sinks; NaN where it has no other, or a score is not
        finite.
    site, vector : str
        Norm whose input (or output) was read; what was read there.
    """

    score: NDArray[np.float64]
    text: NDArray[np.int64]
    position: NDArray[np.int64]
    token: list[str]
    sink: NDArray[np.bool_]
    text_ids: NDArray[Any]
    text_score: NDArray[np.float64]
    site: str
    vector: str

    _shapes: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("score", "text", "position", "token", "sink"), "n"),
        "text_ids": "texts",
        "text_score": "texts",
    }

    @property
    def not_finite(self) -> list[str]:
        """Ids of the tokens whose score is NaN or infinite; `top` and `bottom` leave them out."""
        return [str(name) for name in self.rows.ids[~np.isfinite(self.score)]]

    def to_frame(self) -> pd.DataFrame:
        """One line a token: text, position, token, score, sink."""
        return pd.DataFrame(
            {
                "text": self.text_ids[self.text],
                "position": self.position,
                "token": self.token,
                "score": self.score,
                "sink": self.sink,
            },
            index=pd.Index(self.rows.ids, name=self.rows.axis),
        )

    def top(self, k: int = 10, *, window: int = 8) -> pd.DataFrame:
        """Highest tokens with the words around them; sinks left out.

        Parameters
        ----------
        k : int
            How many.
        window : int
            Tokens on each side; the token itself stands in ⟦ ⟧.

        Returns
        -------
        DataFrame
            Columns text, position, token, score, window; the highest first.
        """
        return self._ends(k, window, -1)

    def bottom(self, k: int = 10, *, window: int = 8) -> pd.DataFrame:
        """Lowest tokens, the lowest first; see `top`."""
        return self._ends(k, window, 1)

    def _ends(self, k: int, window: int, sign: int) -> pd.DataFrame:
        check.whole("k", k, 1)
        check.whole("window", window, 0)
        kept = np.flatnonzero(~self.sink & np.isfinite(self.score))
        order = kept[np.argsort(sign * self.score[kept], kind="stable")[:k]]
        frame = self.to_frame().iloc[order].drop(columns="sink")
        return frame.assign(window=[self._window(int(place), window) for place in order])

    def _window(self, place: int, window: int) -> str:
        inside = np.flatnonzero(self.text == self.text[place])
        low, high = max(inside[0], place - window), min(inside[-1], place + window)
        before = "".join(self.token[low:place])
        after = "".join(self.token[place + 1 : high + 1])
        return f"{before}⟦{self.token[place]}⟧{after}"

    def __repr__(self) -> str:
        lost = len(self.not_finite)
        return (
            f"TokenScores({self.vector} at {self.site}; {len(self.rows)} tokens of "
            f"{len(self.text_ids)} texts, {int(self.sink.sum())} sinks"
            f"{f', {lost} not finite' if lost else ''})"
        )


def score_texts(
    model: Model | nn.Module,
    vector: Direction,
    texts: Sequence[Prompt],
    *,
    sinks: Sinks = "mark",
    read: Read = "stream",
    tick: Tick = silent,
) -> TokenScores:
    """Score of every token of some texts on a feature vector.

    Parameters
    ----------
    model : Model or torch.nn.Module
        A causal language model of a known family; runs up to the vector's site only.
    vector : FeatureVector or (str, array_like of shape (d,))
        What to read; or a norm's site and any direction on the residual stream that enters it.
    texts : sequence of str or of token ids
        Cut at the longest text that the model takes.
    sinks : {"mark", "drop"}
        Mark sink tokens, or leave them out of the rows.
    read : {"stream", "normed"}
        "stream": `FeatureVector.vector` on the norm's input; "normed": `vector_post` on its output,
        which needs no treatment of that norm.
    tick : Tick
        Called in every layer.

    Raises
    ------
    UnsupportedModel
        If the model cannot be taken apart.
    ValueError
        If there are no texts, one is empty, or the vector is of another model.
    """
    opened = as_model(model)
    check.one_of("sinks", sinks, ("mark", "drop"))
    check.one_of("read", read, ("stream", "normed"))
    components = components_of(opened)
    direction = direction_of(opened, components, vector, normed=read == "normed")
    rows = rows_of(opened, texts, components.n_tokens)
    origin = Origin(
        "score_texts",
        {**said_of(vector), "sinks": sinks, "read": read},
        model=opened.name,
        weights=opened.digest,
        site=direction[0],
        rows=digest.of_json([row.ids.tolist() for row in rows]),
    )
    return _scored(opened, rows, direction, origin=origin, ids=np.arange(len(rows)), tick=tick)


def observe_texts(
    model: Model | nn.Module,
    data: Dataset,
    ids: ArrayLike | None = None,
    *,
    plus: str | None = None,
    minus: str | None = None,
    path: str | None = None,
    norm: TextNorm = "skip",
    positive: str | None = None,
    negative: str | None = None,
    sinks: Sinks = "mark",
    tick: Tick = silent,
) -> TokenScores:
    """Scores of the tokens of some texts on the feature vector of an observable.

    Parameters
    ----------
    model : Model or torch.nn.Module
        A causal language model of a known family.
    data : Dataset
        Texts.
    ids : array_like of shape (n,) or None
        Which texts, in the order wanted; None for all.
    plus, minus : str or None
        Words whose logits count for and against, with commas between them. A bare word is taken
        with a space before it where that is one token; a word in quotes as it is written.
    path : str or None
        Heads and MLPs, earliest first, e.g. "L1H0 > M1"; None: the head with the longest vector.
    norm : {"skip", "approx", "frozen", "exact"}
        How norms are passed; all but "skip" need the two prompts.
    positive, negative : str or None
        Two prompts of the same number of tokens, for norms and MLPs.
    sinks : {"mark", "drop"}
        Mark sink tokens, or leave them out.
    tick : Tick
        Called in every layer.

    Raises
    ------
    UnsupportedModel
        If the model cannot be taken apart.
    TypeError
        If the data are no texts.
    ValueError
        If no words are given, a word is no token, the path is none of the model, or one prompt is
        missing.
    KeyError
        If an id is not in the data.
    """
    began = time.perf_counter()
    opened = as_model(model)
    check.one_of("sinks", sinks, ("mark", "drop"))
    if data.kind != "text":
        raise TypeError(
            f"data must be texts, got data of kind {data.kind!r} ({data.name}); open texts"
        )
    if (positive is None) != (negative is None):
        raise ValueError(
            "positive and negative must come together, got one of them; give both prompts or none"
        )
    some = data if ids is None else data.take(data.index.positions(ids))
    words = {"plus": _words(opened, plus), "minus": _words(opened, minus)}
    observable = Observable.from_tokens(opened, **words)
    components = components_of(opened)
    # Without a path: the head with the longest vector; no data is looked at.
    way = path or str(head_map(opened, observable).top(1).index[0])
    prompts = None if positive is None or negative is None else (positive, negative)
    vector = feature_vector(
        opened, observable, way, norm=norm, prompts=prompts, tick=part(tick, 0.0, 0.1)
    )
    rows = rows_of(opened, [some.text(one) for one in some.index], components.n_tokens)
    origin = Origin(
        "observe_texts",
        {
            "ids": some.index.ids.tolist(), "plus": plus, "minus": minus, "path": path,
            "norm": norm, "positive": positive, "negative": negative, "sinks": sinks,
            "found": way,
        },
        model=opened.name, weights=opened.digest, site=vector.site, data=some.name,
        rows=some.index.digest,
        content=content_of(some),
        given=given(opened, data) | {"rows": data.index.digest},
        seconds=time.perf_counter() - began,
    )  # fmt: skip
    direction = (vector.site, vector.vector)
    rest = part(tick, 0.1, 1.0)
    return _scored(opened, rows, direction, origin=origin, ids=some.index.ids, tick=rest)


def said_of(vector: Direction) -> dict[str, Any]:
    """What an origin says of a direction."""
    if isinstance(vector, FeatureVector):
        return {"vector": named(vector), "digest": vector.digest}
    site, values = vector
    return {"vector": named(vector), "digest": digest.of_arrays({site: np.asarray(values)})}


def named(vector: Direction) -> str:
    """Name of a direction for captions."""
    if isinstance(vector, FeatureVector):
        return f"{vector.observable} through {vector.path or 'the final norm'}"
    return "a given direction"


def _scored(
    model: Model,
    rows: Sequence[Row],
    direction: tuple[str, NDArray[np.float64]],
    *,
    origin: Origin,
    ids: NDArray[Any],
    tick: Tick,
) -> TokenScores:
    began = time.perf_counter()
    found = read_directions(
        model, components_of(model), rows, {"it": direction},
        normed=origin.parameters.get("read") == "normed", tick=tick, title="scores of texts",
    )  # fmt: skip
    sink, score = found.sink(0), found.reading[0]
    pieces = [piece for row in rows for piece in row.pieces]
    kept = ~sink if origin.parameters["sinks"] == "drop" else np.ones_like(sink)
    names = [f"{ids[text]}:{at}" for text, at in zip(found.text, found.position, strict=True)]
    parameters = origin.parameters
    said = parameters.get("vector") or _observed(parameters)
    result = TokenScores(
        rows=Index(np.array(names)[kept], "token"),
        origin=origin.after(origin.seconds + time.perf_counter() - began),
        score=score[kept],
        text=found.text[kept],
        position=found.position[kept],
        token=[piece for piece, keep in zip(pieces, kept, strict=True) if keep],
        sink=sink[kept],
        text_ids=np.asarray(ids),
        text_score=_text_means(found, score, sink, len(rows)),
        site=origin.site,
        vector=said,
    )
    lost = result.not_finite
    if lost:
        tell(
            f"scores must be finite, got NaN or infinite ones at {len(lost)} of "
            f"{len(result.rows)} tokens: {some(lost)}; they are left out of every order and mean, "
            "look at the model's weights or leave these texts out"
        )
    tick(1.0, f"scores of texts: {len(score)} tokens")
    return result


def _observed(parameters: Any) -> str:
    """Name of what `observe_texts` read."""
    words = " - ".join(one for one in (parameters["plus"], parameters["minus"]) if one)
    return f"{words} through {parameters['found']}"


def _text_means(
    found: Readings, score: NDArray[np.float64], sink: NDArray[np.bool_], n: int
) -> NDArray[np.float64]:
    kept = ~sink
    total = np.bincount(found.text[kept], score[kept], minlength=n)
    count = np.bincount(found.text[kept], minlength=n)
    means = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return np.where(np.isfinite(means), means, np.nan)


def _words(model: Model, text: str | None) -> list[str]:
    """Words of a text with commas; a bare one with a space before it where that is one token."""
    words = []
    for one in (text or "").split(","):
        bare = one.strip()
        if len(bare) > 1 and bare[0] == bare[-1] and bare[0] in "\"'":
            words.append(bare[1:-1])
        elif bare:
            words.append(f" {bare}" if _is_token(model.tokenizer, f" {bare}") else bare)
    return words


def _is_token(tokenizer: Any, word: str) -> bool:
    """Whether a word is exactly one token that the tokenizer knows."""
    if tokenizer is None:
        return False
    ids = tokenizer(word, add_special_tokens=False)["input_ids"]
    return len(ids) == 1 and ids[0] != getattr(tokenizer, "unk_token_id", None)

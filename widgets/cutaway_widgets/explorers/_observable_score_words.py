"""What the scores of texts say and show, as pure functions: no widget is touched here."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cutaway.core import Index, Selection
from cutaway.data import Dataset
from cutaway.observables import TokenScores
from cutaway_widgets.explorers._observable_words import number, read_prompts

AGAINST = {
    "position": "Position",
    "vector": "The vector kept last",
    "plane": "Principal components",
}
KINDS = ("token", "sink")


def texts_of(texts: Dataset | Sequence[str]) -> tuple[list[str], Index, list[str] | None]:
    """Texts, their ids, and their classes where there are some.

    Parameters
    ----------
    texts : Dataset or sequence of str
        What to score.

    Raises
    ------
    TypeError
        If a data set holds no texts, or it is one text.
    """
    if isinstance(texts, Dataset):
        if texts.kind != "text":
            raise TypeError(
                f"texts must be texts, got {texts.name} of kind {texts.kind!r}; give a list of "
                "texts, or text data"
            )
        labels = None
        if texts.labels is not None and texts.classes:
            labels = [texts.classes[int(one)] for one in texts.labels]
        ids = Index(texts.index.ids, "text")
        return [texts.text(one) for one in texts.index], ids, labels
    if isinstance(texts, str):
        raise TypeError(f"texts must be a list of texts, got the text {texts!r}; write [{texts!r}]")
    found = [str(one) for one in texts]
    return found, Index.count(len(found), "text"), None


def read_texts(text: str | None) -> list[str]:
    """Texts of a field, with bars between them."""
    return read_prompts(text)


def token_index(scores: TokenScores, ids: Index) -> Index:
    """Ids of the tokens, "text:position" with the ids of the texts."""
    names = [f"{ids.ids[t]}:{p}" for t, p in zip(scores.text, scores.position, strict=True)]
    return Index(np.array(names, dtype=np.str_), "token")


def by_text(scores: TokenScores, n: int) -> tuple[list[list[str]], list[NDArray[np.float64]]]:
    """Tokens and scores of each of n texts; sinks have no score, and so no colour."""
    tokens: list[list[str]] = [[] for _ in range(n)]
    values: list[list[float]] = [[] for _ in range(n)]
    for text, token, score, sink in zip(
        scores.text, scores.token, scores.score, scores.sink, strict=True
    ):
        tokens[text].append(token)
        values[text].append(float("nan") if sink else float(score))
    return tokens, [np.array(one) for one in values]


def text_order(scores: TokenScores, ids: Index) -> list[int | str]:
    """Ids of the texts by their scores, the highest first; those without come last."""
    order = np.argsort(-np.nan_to_num(scores.text_score, nan=-np.inf), kind="stable")
    found: list[int | str] = ids.ids[order].tolist()
    return found


def text_labels(scores: TokenScores, labels: Sequence[str] | None) -> list[str]:
    """One line a text: its class, if it has one, and its mean score."""
    said = [number(float(one)) if np.isfinite(one) else "no score" for one in scores.text_score]
    return said if labels is None else [f"{a} · {b}" for a, b in zip(labels, said, strict=True)]


def limits(scores: TokenScores) -> tuple[float, float] | None:
    """Ends of the colour scale: the largest score of a token that is no sink, both ways."""
    found = np.abs(scores.score[~scores.sink])
    most = float(found.max(initial=0.0))
    return (-most, most) if most > 0 else None


def scores_text(scores: TokenScores) -> str:
    """How many texts and tokens were scored, and what was made of sinks."""
    n, count = len(scores.text_score), len(scores.rows)
    sinks = int(scores.sink.sum())
    text = f"{count:,} tokens of {n:,} {'text' if n == 1 else 'texts'} read by {scores.vector}."
    if sinks:
        text += (
            f"\n{sinks:,} sinks (position 0, where models park attention) are marked, have no "
            "colour, and do not count for a text's score."
        )
    elif scores.origin.parameters.get("sinks") == "drop":
        text += "\nSinks (position 0, where models park attention) were left out."
    return text


def kinds(scores: TokenScores) -> NDArray[np.int64]:
    """Place in `KINDS` of each token."""
    return scores.sink.astype(np.int64)


_END_COLUMNS = ["score", "window", "position", "text"]


def no_ends() -> pd.DataFrame:
    """A table of `ends` before there is a score."""
    return pd.DataFrame(columns=_END_COLUMNS)


def ends(scores: TokenScores, ids: Index, k: int) -> dict[str, pd.DataFrame]:
    """The highest and the lowest tokens with the words around them, the most extreme first."""
    places = {str(one): str(name) for one, name in zip(scores.text_ids, ids, strict=True)}
    found = {"highest": scores.top(k), "lowest": scores.bottom(k)}
    return {
        end: frame.assign(text=[places[str(one)] for one in frame["text"]])[
            _END_COLUMNS
        ].reset_index(drop=True)
        for end, frame in found.items()
    }


def matched(scores: TokenScores, other: TokenScores) -> NDArray[np.float64]:
    """Scores of another vector at the same tokens; NaN where it has none."""
    places = {one: place for place, one in enumerate(other.rows.ids.tolist())}
    found = [places.get(one, -1) for one in scores.rows.ids.tolist()]
    values = np.append(other.score, np.nan)
    return np.asarray(values[found])


def chosen_text(scores: TokenScores | None, index: Index, selection: Selection | None) -> str:
    """One line about the selected tokens: how many, their mean score, the commonest ones."""
    if scores is None or selection is None or len(index) != len(scores.rows):
        return "No tokens selected: lasso some in the scatter, or click words in the texts."
    n = len(selection)
    places = index.positions(selection.ids)
    words, counts = np.unique(np.array(scores.token)[places], return_counts=True)
    order = np.argsort(-counts, kind="stable")[:3]
    commonest = ", ".join(f"{words[j].strip() or repr(words[j])} ({counts[j]})" for j in order)
    mean = number(float(np.mean(scores.score[places])))
    return f"{n:,} {'token' if n == 1 else 'tokens'} selected, mean score {mean}: {commonest}"

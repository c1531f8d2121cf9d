"""What the observable explorer says and shows, as pure functions: no widget is touched here."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cutaway.model import Model
from cutaway.observables import CoupledReadings, FeatureVector, Observable, Path, TokenRanks

_WORD = re.compile(r"""\s*(?:'([^']*)'|"([^"]*)"|([^,'"\s](?:[^,]*[^,\s])?))\s*(?:,|$)""")
_BARS = re.compile(r"\s*\|\s*")
POINT_COLUMNS = ["node", "kind", "position", "t", "error +", "error −"]
_ERRORS = {"error_positive": "error +", "error_negative": "error −"}


def read_words(text: str) -> tuple[list[str | int], list[bool]]:
    """Words of a field, and which of them stood without quotes.

    Commas stand between them, quotes around one whose blanks or commas count, # before an id.

    Parameters
    ----------
    text : str
        E.g. ``"she, ' her', #81"``.

    Raises
    ------
    ValueError
        If there is nothing between two commas, or a quote does not end.
    """
    words: list[str | int] = []
    bare: list[bool] = []
    place = 0
    while place < len(text.rstrip()):
        found = _WORD.match(text, place)
        if found is None:
            raise ValueError(
                f"words must stand between commas, got {text[place:].strip()!r}; write e.g. "
                "she, her, or with quotes ' she' where a blank counts"
            )
        quoted = found[1] if found[1] is not None else found[2]
        plain = quoted if quoted is not None else found[3]
        number = quoted is None and re.fullmatch(r"#\d+", plain)
        words.append(int(plain[1:]) if number else plain)
        bare.append(quoted is None)
        place = found.end()
    return words, bare


def spelled(model: Model, words: Sequence[str | int], bare: Sequence[bool]) -> list[str | int]:
    """Words as tokens are spelled: a bare one with a blank before it where that is one token.

    Parameters
    ----------
    model : Model
        Its tokenizer counts.
    words : sequence of str or int
        As read.
    bare : sequence of bool
        Whether each stood without quotes.
    """
    found: list[str | int] = []
    for word, plain in zip(words, bare, strict=True):
        if not (isinstance(word, str) and plain):
            found.append(word)
            continue
        blank = one_token(model, f" {word}")
        found.append(word if blank in {None, one_token(model, word)} else f" {word}")
    return found


def write_words(words: Sequence[str | int]) -> str:
    """Text of a field that `read_words` reads as these words."""
    return ", ".join(_written(one) for one in words)


def _written(word: str | int) -> str:
    if not isinstance(word, str):
        return f"#{word}"
    quote = '"' if "'" in word else "'"
    return f"{quote}{word}{quote}"


def read_prompts(text: str | None) -> list[str]:
    """Prompts of a field, with bars between them."""
    return [one for one in _BARS.split((text or "").strip()) if one]


def write_prompts(prompts: Sequence[Any]) -> str:
    """Text of a field that `read_prompts` reads as these prompts."""
    return " | ".join(str(one) for one in prompts)


def token_text(model: Model, words: Sequence[str | int], observable: Observable) -> str:
    """Which tokens the words are, other spellings of them, and the balance of the observable.

    Parameters
    ----------
    model : Model
        Its tokenizer counts.
    words : sequence of str or int
        What the observable was made of.
    observable : Observable
        It has passed the check.
    """
    parts, other = [], []
    for word in words:
        if not isinstance(word, str):
            reads = model.tokenizer is not None
            meant = f" is {model.tokenizer.decode([word])!r}" if reads else ""
            parts.append(f"token {word}{meant}")
            continue
        token = one_token(model, word)
        parts.append(f"{word!r} is token {token}")
        twin = word.strip() if word.startswith(" ") else f" {word}"
        if one_token(model, twin) not in {None, token}:
            other.append(f"{twin!r} is another one ({one_token(model, twin)})")
    balance = observable.balance
    weighed = (
        "balanced: what moves all logits alike does not move it"
        if balance == 0
        else f"balance {balance:+g}: what moves all logits alike moves it too".replace("-", "−")
    )
    lines = [f"{observable.name}: {', '.join(parts)}.", f"It is {weighed}."]
    return "\n".join([*lines, *([f"Note: {', '.join(other)}."] if other else [])])


def one_token(model: Model, word: str) -> int | None:
    """Token of a word; None if it is none or several, or the model reads no words."""
    tokenizer = model.tokenizer
    if tokenizer is None:
        return None
    ids = tokenizer(word, add_special_tokens=False)["input_ids"]
    known = len(ids) == 1 and (ids[0] != tokenizer.unk_token_id or word == tokenizer.unk_token)
    return int(ids[0]) if known else None


def card_text(vector: FeatureVector) -> str:
    """Card of a vector: path, site, norms, length, constant, and where it was linearised.

    Parameters
    ----------
    vector : FeatureVector
        The one on the page.
    """
    length = float(np.linalg.norm(vector.vector))
    modes = dict.fromkeys((vector.first_norm, vector.norm, vector.final_norm))
    norms = f"norms {vector.norm}" if len(modes) == 1 else (
        f"norms {vector.norm}, first {vector.first_norm}, final {vector.final_norm}"
    )  # fmt: skip
    lines = [
        f"{vector.observable} through {vector.path or 'the final norm'}",
        (
            f"Read at the input of {vector.site}; {norms}; length {number(length)}, constant "
            f"{signed(vector.affine)} logits."
        ),
    ]
    if not vector.points:
        lines.append("Nothing was linearised on prompts: it comes from the weights alone.")
    for one in vector.points:
        if one["kind"] == "mlp" and one.get("same_sign"):
            lines.append(
                f"{one['node']} has one sign on both prompts "
                f"({signed(one['negative'])}, {signed(one['positive'])}): no boundary lies "
                "between them, so it was linearised at their mean. Choose prompts that differ more."
            )
        elif one["kind"] == "mlp" and one["asked"] == "boundary":
            lines.append(f"{one['node']}: {_roots(one)}")
    return "\n".join(lines)


def _roots(point: dict[str, Any]) -> str:
    count = int(point["n_roots"])
    many = "one boundary" if count == 1 else f"{count} boundaries, the nearest to the middle"
    return f"{many} between the prompts, at {float(point['t']):.2f} of the way to the positive one."


def points_frame(vector: FeatureVector) -> pd.DataFrame:
    """Where a vector was linearised, latest part first; errors in logits."""
    frame = pd.DataFrame(vector.points).rename(columns=_ERRORS)
    frame = frame.reindex(columns=POINT_COLUMNS)
    return frame.dropna(axis="columns", how="all") if len(frame) else frame


def headline(model_name: str, vector: FeatureVector | None) -> str:
    """One line about what is on the page."""
    if vector is None:
        return f"Observables of {model_name}"
    return f"{vector.observable} through {vector.path or 'the final norm'} in {model_name}"


def head_path(layer: int, head: int) -> str:
    """Path of one head that reads at the last position."""
    return f"L{layer}H{head}"


def one_head(path: str) -> str | None:
    """Name of the head that a path ends with, without its position; None if it ends otherwise."""
    nodes = Path(path).nodes
    if not nodes or nodes[-1].head is None:
        return None
    return head_path(nodes[-1].layer, nodes[-1].head)


def kept_name(vector: FeatureVector, taken: Sequence[str]) -> str:
    """A short name for a kept vector that no other one has."""
    norm = "" if vector.norm == "skip" else f" ({vector.norm})"
    name = f"{vector.path or 'final norm'} · {vector.observable}{norm}"
    return next(
        one for one in (name, *(f"{name} #{k}" for k in range(2, len(taken) + 3)))
        if one not in taken
    )  # fmt: skip


def square(table: pd.DataFrame, column: str, names: Sequence[str]) -> NDArray[np.float64]:
    """A column of `coupling_table` as a matrix, row a by column b; 1 on the diagonal."""
    found = np.eye(len(names))
    places = {name: place for place, name in enumerate(names)}
    for a, b, value in zip(table["a"], table["b"], table[column], strict=True):
        found[places[a], places[b]] = value
    return found


def number(value: float) -> str:
    """A number of four digits, a minus as wide as a plus."""
    return f"{value:.4g}".replace("-", "−")


def signed(value: float, digits: int = 3) -> str:
    """A number of some digits with its sign."""
    return f"{value:+.{digits}g}".replace("-", "−")


def pair_text(found: "pd.Series[Any]") -> str:
    """One line of `coupling_table` in words."""
    a, b = found["a"], found["b"]
    cosines = (
        f"cosine {number(found['cosine'])}, against {number(found['observable_cosine'])} of the "
        "observables themselves"
    )
    if not found["same_space"]:
        return f"{a} and {b}: {cosines}. They live at different sites: no coupling between them."
    return (
        f"When {a} reads 1 more, {b} is expected to read {number(found['coupling'])} more; "
        f"{cosines}."
    )


def slope_text(found: CoupledReadings) -> str:
    """What texts show of a pair of vectors."""
    interval = (
        f" [{number(found.low)}, {number(found.high)}]" if np.isfinite(found.low) else ""
    )  # fmt: skip
    return (
        f"On the texts: slope {number(found.slope)}{interval}, r² {found.r2:.3f}, over "
        f"{len(found.rows):,} tokens without sinks."
    )


def ranks_frame(ranks: TokenRanks) -> pd.DataFrame:
    """The highest and the lowest tokens side by side, the most extreme first."""
    k = len(ranks.token) // 2
    return pd.DataFrame(
        {
            "highest": [_visible(one) for one in ranks.token[:k]],
            "score": ranks.score[:k],
            "lowest": [_visible(one) for one in ranks.token[::-1][:k]],
            "lowest score": ranks.score[::-1][:k],
        }
    )


def _visible(token: str) -> str:
    """A token whose blanks at the ends can be seen."""
    bare = token.strip()
    return f"␣{token[1:]}" if bare and token.startswith(" ") else (token if bare else repr(token))

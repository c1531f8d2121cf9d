"""Texts as tokens coloured by a number each: attributions, losses, activations."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
import traitlets
from ipywidgets import widget_serialization
from numpy.typing import ArrayLike, NDArray

from cutaway.core import Index, check
from cutaway_widgets._array import Array
from cutaway_widgets._base import LinkedView, texts
from cutaway_widgets._limits import ends
from cutaway_widgets._link import Link

Tokens: TypeAlias = Sequence[Sequence[str]] | Sequence[Sequence[int]]


class TokenText(LinkedView):
    """Texts, one block a row, each token on a ground of its value's colour.

    A click selects the text, with a position link the token too; shift adds. Only blocks in sight
    are in the page, so that thousands of texts scroll. Blanks and line ends that are tokens of
    their own are drawn as ␣, ⇥ and ⏎.

    Parameters
    ----------
    tokens : sequence of sequences of str or of int
        Tokens of each text in reading order; whole numbers are places in `vocab`.
    values : sequence of array_like, or None
        One number a token, in any unit; NaN and infinities have no colour. None colours nothing.
    index : Index or None
        Ids of the texts; None takes the link's, else 0 … n-1.
    link : Link or None
        Shared selection of texts; None makes an own one.
    position_link : Link or None
        Shared selection of tokens: its index has one id a token, text after text.
    vocab : sequence of str, mapping of int to str, or None
        Text of each token id.
    labels : sequence of str, mapping of id to str, or None
        Written behind the id of a text, e.g. its class.
    order : iterable of ids or None
        Texts in ranked order; None for all.
    mode : "ranked" or "selected"
        Show the order, or the selected texts only.
    name, unit : str
        What the values are, for the colour bar.
    diverging : bool
        Blue below zero and red above, symmetric limits; else from the ground to blue.
    limits : (float, float) or None
        Numbers at the ends of the colour scale; None takes them from the values.
    title, caption, height
        See `View`.

    Raises
    ------
    ValueError
        If a text and its values differ in length, or a token id has no text.
    """

    _kind = traitlets.Unicode("token_text").tag(sync=True)
    _words = traitlets.List().tag(sync=True)
    _codes = Array("u4", (None,))
    _starts = Array("u4", (None,))
    _values = Array("f4", (None,))
    _labels = traitlets.List().tag(sync=True)
    _order = Array("u4", (None,))
    _limits = traitlets.List().tag(sync=True)
    _position_digest = traitlets.Unicode("").tag(sync=True)
    position_link = traitlets.Instance(Link, allow_none=True).tag(sync=True, **widget_serialization)
    mode = traitlets.Enum(("selected", "ranked"), "ranked").tag(sync=True)
    name = traitlets.Unicode("").tag(sync=True)
    unit = traitlets.Unicode("").tag(sync=True)
    diverging = traitlets.Bool(False, read_only=True).tag(sync=True)

    def __init__(
        self,
        tokens: Tokens,
        values: Sequence[ArrayLike] | None = None,
        *,
        index: Index | None = None,
        link: Link | None = None,
        position_link: Link | None = None,
        vocab: Sequence[str] | Mapping[int, str] | None = None,
        labels: Sequence[str] | Mapping[Any, str] | None = None,
        order: Iterable[int | str] | None = None,
        mode: Literal["selected", "ranked"] = "ranked",
        name: str = "",
        unit: str = "",
        diverging: bool = False,
        limits: tuple[float, float] | None = None,
        title: str = "",
        caption: str = "",
        height: int = 320,
    ) -> None:
        check.one_of("mode", mode, ("selected", "ranked"))
        if link is None and index is None:
            index = Index.count(len(tokens), "text")
        self.set_trait("position_link", position_link)
        super().__init__(index, link, title=title, caption=caption, height=height)
        self.set_trait("diverging", bool(diverging))
        self._put({"mode": mode})
        self.set_texts(
            tokens,
            values,
            index=index,
            vocab=vocab,
            labels=labels,
            order=order,
            name=name,
            unit=unit,
            limits=limits,
        )

    def set_texts(
        self,
        tokens: Tokens,
        values: Sequence[ArrayLike] | None = None,
        *,
        index: Index | None = None,
        vocab: Sequence[str] | Mapping[int, str] | None = None,
        labels: Sequence[str] | Mapping[Any, str] | None = None,
        order: Iterable[int | str] | None = None,
        name: str | None = None,
        unit: str | None = None,
        limits: tuple[float, float] | None = None,
        title: str | None = None,
        caption: str | None = None,
    ) -> None:
        """Show other texts; arguments as in the constructor, None keeps name, unit and titles.

        Raises
        ------
        ValueError
            If a text and its values differ in length, or a token id has no text.
        KeyError
            If an id in `order` is not in the index.
        """
        rows = index if index is not None else self.link.index
        check.same_length("tokens", len(tokens), "index", len(rows))
        starts = np.concatenate([[0], np.cumsum([len(one) for one in tokens])]).astype(np.int64)
        words, codes = _coded([_read(one, vocab) for text in tokens for one in text])
        numbers = _flat(values, tokens)
        place = self.position_link
        if place is not None:
            check.same_length("position_link.index", place.n, "tokens in all", int(starts[-1]))
        said = {"name": name, "unit": unit, "title": title, "caption": caption}
        state = {
            "_words": words,
            "_codes": codes,
            "_starts": starts,
            "_values": numbers,
            "_labels": texts("labels", labels, rows),
            "_order": np.arange(len(rows)) if order is None else rows.positions(list(order)),
            "_limits": ends(numbers, limits, diverging=self.diverging),
            "_position_digest": place.digest if place is not None else "",
            "_digest": rows.digest,
            **{key: one for key, one in said.items() if one is not None},
        }
        self._rows = self._take_index(rows)
        self._put(state)


def _read(token: Any, vocab: Sequence[str] | Mapping[int, str] | None) -> str:
    """Text of a token, or of its id."""
    if isinstance(token, str):
        return token
    if vocab is None:
        raise ValueError(
            f"tokens must be texts where there is no vocab, got {token!r}; give vocab= for ids"
        )
    place = int(token)
    known = place in vocab if isinstance(vocab, Mapping) else 0 <= place < len(vocab)
    if not known:
        raise ValueError(
            f"tokens must be among the {len(vocab)} ids of vocab, got {place}; give the vocab of "
            "the tokenizer that made them"
        )
    return str(vocab[place])


def _coded(tokens: list[str]) -> tuple[list[str], NDArray[np.int64]]:
    """Distinct texts, and the place of each token among them."""
    places: dict[str, int] = {}
    codes = [places.setdefault(one, len(places)) for one in tokens]
    return list(places), np.array(codes, dtype=np.int64)


def _flat(values: Sequence[ArrayLike] | None, tokens: Tokens) -> NDArray[np.float32]:
    """Values of all tokens, text after text; empty for none."""
    if values is None:
        return np.zeros(0, np.float32)
    check.same_length("values", len(values), "tokens", len(tokens))
    lines = [np.array(one, dtype=np.float32) for one in values]
    for i, (line, text) in enumerate(zip(lines, tokens, strict=True)):
        check.n_dims(f"values[{i}]", line, 1, "one number a token")
        if len(line) != len(text):
            raise ValueError(
                f"values[{i}] must have one number a token ({len(text)}), got {len(line)}; "
                "NaN stands for none"
            )
    flat = np.concatenate([np.zeros(0, np.float32), *lines])
    return np.where(np.isfinite(flat), flat, np.float32(np.nan))

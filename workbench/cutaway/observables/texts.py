"""Running a model over texts, and reading the residual stream of their tokens as it goes by."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from cutaway.core import Tick, check
from cutaway.model import tokens
from cutaway.model.hooks import evaluating, hooked
from cutaway.model.model import Model
from cutaway.observables.components import Components
from cutaway.observables.norms import Norm
from cutaway.observables.prompts import Prompt
from cutaway.observables.vector import FeatureVector

Direction: TypeAlias = FeatureVector | tuple[str, ArrayLike]
"""A feature vector, or the site of a norm and a vector on the residual stream that enters it."""

_BATCH = 512  # tokens of one forward pass
SINK_LENGTH = 10.0
"""A token whose stream is longer than this many medians of its text is a sink."""


@dataclass(frozen=True, eq=False)
class Row:
    """One text as tokens.

    Attributes
    ----------
    ids : ndarray of shape (t,)
        Token ids.
    pieces : tuple of str
        What each token stands for in the text, the space before it included; together the text.
    """

    ids: NDArray[np.int64]
    pieces: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.ids)


def rows_of(model: Model, texts: Sequence[Prompt], n_tokens: int) -> list[Row]:
    """Texts as tokens, cut at the longest that the model takes.

    Raises
    ------
    TypeError
        If something else than texts or token ids is given, or the model has no tokenizer for them.
    ValueError
        If there are no texts, one has no token, or an id is unknown.
    """
    if isinstance(texts, str):
        raise TypeError(f"texts must be a list of texts, got the text {texts[:40]!r}; write [text]")
    every = list(texts)
    if not every:
        raise ValueError("texts must hold at least one text, got none; give some")
    limit = model.n_positions
    places = [place for place, text in enumerate(every) if isinstance(text, str)]
    if places and model.tokenizer is None:
        raise TypeError(
            f"model {model.name!r} must have a tokenizer to read texts, got none; give token ids"
        )
    strings = [str(every[place]) for place in places]
    found = model.rows(strings, limit=limit, spans=True) if places else []
    read = dict(zip(places, found, strict=True))
    rows = [
        _row_of_text(model, str(text), read[place])
        if place in read
        else _row_of_ids(model, text, n_tokens)
        for place, text in enumerate(every)
    ]
    for place, row in enumerate(rows):
        if not len(row):
            raise ValueError(
                f"texts must have at least one token each, got none in text {place}; leave it out"
            )
    if limit is not None:
        long = [place for place, row in enumerate(rows) if len(row) > limit]
        if long:
            tokens.tell(
                f"texts must have at most {limit} tokens for model {model.name!r}, got "
                f"{len(rows[long[0]])} in text {long[0]} ({len(long)} of {len(rows)} texts); the "
                "rest is cut off, give shorter texts"
            )
        rows = [Row(row.ids[:limit], row.pieces[:limit]) for row in rows]
    return rows


def _row_of_ids(model: Model, text: Prompt, n_tokens: int) -> Row:
    if not hasattr(text, "__iter__"):
        raise TypeError(
            f"texts must be texts or token ids, got {text!r} ({type(text).__name__}); "
            "convert it first"
        )
    ids: list[Any] = text.tolist() if hasattr(text, "tolist") else list(text)
    for token in ids:
        check.whole("token of texts", token, 0, n_tokens - 1, remedy="give ids of the vocabulary")
    return Row(np.array(ids, dtype=np.int64), tuple(words_of(model, ids)))


def _row_of_text(model: Model, text: str, found: tokens.Encoded) -> Row:
    words = words_of(model, found.ids)
    if found.spans is not None:
        begun = found.spans[0][0] if found.length > len(found.ids) and found.spans else 0
        ends = [begun]
        for place, (_, end) in enumerate(found.spans):
            words[place] = text[ends[-1] : end] or words[place]
            ends.append(max(end, ends[-1]))
    return Row(np.array(found.ids, dtype=np.int64), tuple(words))


def words_of(model: Model, ids: Sequence[int]) -> list[str]:
    """Text of single tokens; their numbers for a model without a tokenizer."""
    if model.tokenizer is None:
        return [f" {one}" for one in ids]
    return [str(model.tokenizer.decode([int(one)])) for one in ids]


def norms_by_site(components: Components) -> dict[str, Norm]:
    """Every norm that reads the residual stream, in order of depth."""
    every = [norm for layer in components.layers for norm in (layer.attention_norm, layer.mlp_norm)]
    return {norm.site: norm for norm in (*every, components.final_norm)}


def direction_of(
    model: Model, components: Components, one: Direction, *, normed: bool = False
) -> tuple[str, NDArray[np.float64]]:
    """Site and vector of a direction, checked against the model.

    Parameters
    ----------
    model : Model
        Named in errors.
    components : Components
        The model, taken apart.
    one : FeatureVector or (str, array_like of shape (d,))
        What to read.
    normed : bool
        Take the part of a feature vector that reads the norm's output.

    Raises
    ------
    TypeError
        If it is neither.
    ValueError
        If the site is no norm of the model or the vector has another length, is 0 or not finite.
    """
    if isinstance(one, FeatureVector):
        site, given = one.site, one.vector_post if normed else one.vector
    elif isinstance(one, tuple) and len(one) == 2 and isinstance(one[0], str):
        site, given = one[0], np.asarray(one[1], dtype=np.float64)
    else:
        raise TypeError(
            f"vector must be a FeatureVector or a pair (site, vector), got {type(one).__name__}; "
            "make one with feature_vector"
        )
    sites = norms_by_site(components)
    if site not in sites:
        raise ValueError(
            f"site must be a norm of model {model.name!r} that reads the residual stream, got "
            f"{site!r}; nearest: {', '.join(map(repr, check.nearest(site, sites)))}"
        )
    if given.shape != (components.width,):
        raise ValueError(
            f"vector must have {components.width} numbers, one a unit of model {model.name!r}, got "
            f"shape {given.shape}; make it for this model"
        )
    if not np.isfinite(given).all() or not given.any():
        raise ValueError(
            "vector must be finite and not 0, got one that is not; choose another path"
        )
    return site, given


@dataclass(frozen=True, eq=False)
class Streams:
    """Residual streams of one batch.

    Attributes
    ----------
    places : list of int
        Which texts, by their place.
    before, after : dict of str to Tensor of shape (n, t, d)
        By site of the norm: its input and output; behind the end of a text without meaning.
    """

    places: list[int]
    before: dict[str, Tensor]
    after: dict[str, Tensor]


class _SeenError(Exception):
    """Ends a forward pass once the last site was read: the rest is not needed."""


def streams(
    model: Model,
    components: Components,
    rows: Sequence[Row],
    sites: Collection[str],
    *,
    tick: Tick,
    title: str,
) -> Iterator[Streams]:
    """Run the model over texts in batches, up to the deepest of some norms.

    Parameters
    ----------
    model : Model
        Runs in eval mode without gradients, under its lock.
    components : Components
        The model, taken apart.
    rows : sequence of Row
        Texts; batches are made of texts of like length, so they come in another order.
    sites : collection of str
        Norms to read.
    tick : Tick
        Called in every layer; ends below 1.
    title : str
        For messages.

    Yields
    ------
    Streams
        One a batch.
    """
    order = list(norms_by_site(components))
    last = max(order.index(site) for site in sites)
    total = sum(len(row) for row in rows)
    done = 0
    for places in batched([len(row) for row in rows]):
        found = Streams(places, {}, {})
        share = sum(len(rows[place]) for place in places)

        def at(site: str, *, begun: int = done, weight: int = share, into: Streams = found) -> Any:
            depth = order.index(site)

            def watch(_module: nn.Module, arguments: tuple[Any, ...], output: Tensor) -> None:
                if site in sites:
                    into.before[site], into.after[site] = arguments[0].detach(), output.detach()
                fraction = (begun + weight * depth / (last + 1)) / total
                tick(0.99 * fraction, f"{title}: {begun} of {total} tokens")
                if depth == last:
                    raise _SeenError

            return watch

        watchers = {site: at(site) for site in order[: last + 1]}
        with model.lock, evaluating(model.module), hooked(model.module, watchers):
            _until_seen(model, padded([rows[place].ids for place in places]))
        done += share
        yield found


def _until_seen(model: Model, inputs: dict[str, Tensor]) -> None:
    try:
        model.call(model.prepared(inputs))
    except _SeenError:
        return


def batched(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Places of texts of like length, at most `_BATCH` tokens with padding, or one text."""
    waiting: list[int] = []
    for place in sorted(range(len(lengths)), key=lengths.__getitem__):
        if waiting and (len(waiting) + 1) * lengths[place] > _BATCH:
            yield waiting
            waiting = []
        waiting.append(place)
    if waiting:
        yield waiting


def padded(ids: Sequence[NDArray[np.int64]]) -> dict[str, Tensor]:
    """Token ids and mask, padded on the right with each text's own last token.

    No kept position sees it; another token's vector might hold NaN, which a weight of 0 spreads.
    """
    width = max(map(len, ids))
    filled = torch.zeros((len(ids), width), dtype=torch.int64)
    mask = torch.zeros_like(filled)
    for place, one in enumerate(ids):
        filled[place, : len(one)] = torch.from_numpy(np.array(one))
        filled[place, len(one) :] = int(one[-1])
        mask[place, : len(one)] = 1
    return {"input_ids": filled, "attention_mask": mask}


def sinks_of(length: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tokens of one text where models park attention, from the lengths (t,) of their streams.

    Position 0, and where the stream is `SINK_LENGTH` times as long as the text's median one.
    """
    found = np.zeros(len(length), dtype=np.bool_)
    finite = length[1:][np.isfinite(length[1:])]
    if len(finite):
        found = np.isfinite(length) & (length > SINK_LENGTH * np.median(finite))
    found[0] = True
    return found


@dataclass(frozen=True, eq=False)
class Readings:
    """Readings of some directions at every token of some texts, in the order of the texts.

    Attributes
    ----------
    reading : ndarray of shape (k, tokens)
        Of each direction.
    length : ndarray of shape (k, tokens)
        Length of the stream at the direction's site.
    text, position : ndarray of shape (tokens,)
        Where the token stands.
    """

    reading: NDArray[np.float64]
    length: NDArray[np.float64]
    text: NDArray[np.int64]
    position: NDArray[np.int64]

    def sink(self, which: int) -> NDArray[np.bool_]:
        """Tokens of all texts that are sinks at the site of one direction; see `sinks_of`."""
        starts = np.flatnonzero(self.position == 0)[1:]
        return np.concatenate([sinks_of(one) for one in np.split(self.length[which], starts)])


def read_directions(
    model: Model,
    components: Components,
    rows: Sequence[Row],
    directions: Mapping[str, tuple[str, NDArray[np.float64]]],
    *,
    normed: bool = False,
    tick: Tick,
    title: str,
) -> Readings:
    """Dot products of the residual stream of every token with some directions, in float64.

    Parameters
    ----------
    model, components, rows, tick, title
        As in `streams`.
    directions : mapping of str to (str, ndarray of shape (d,))
        Site and vector by name.
    normed : bool
        Read the norm's output instead of its input.
    """
    sites = {site for site, _ in directions.values()}
    values: dict[int, NDArray[np.float64]] = {}
    lengths: dict[int, NDArray[np.float64]] = {}
    for batch in streams(model, components, rows, sites, tick=tick, title=title):
        for place_in_batch, place in enumerate(batch.places):
            n = len(rows[place])

            def of(
                seen: Mapping[str, Tensor], site: str, *, at: int = place_in_batch, n: int = n
            ) -> Any:
                return seen[site][at, :n].double().cpu().numpy()

            read = batch.after if normed else batch.before
            values[place] = np.stack([of(read, site) @ y for site, y in directions.values()])
            lengths[place] = np.stack(
                [np.linalg.norm(of(batch.before, site), axis=1) for site, _ in directions.values()]
            )
    return Readings(
        np.concatenate([values[place] for place in range(len(rows))], axis=1),
        np.concatenate([lengths[place] for place in range(len(rows))], axis=1),
        np.repeat(np.arange(len(rows)), [len(row) for row in rows]),
        np.concatenate([np.arange(len(row)) for row in rows]),
    )

"""Texts as token ids, padded without touching the tokenizer; and which positions hold a token."""

import hashlib
import inspect
import json
import sys
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor, nn

SpecialTokens: TypeAlias = Literal["auto"] | bool
"""Whether a tokenizer's own special tokens are put around a text; see `load_model`."""

_PROBES = ("a", "the", "1", ".", "A")
# Decoders of transformers whose attention does not say itself that it looks back only.
_CAUSAL = frozenset(
    {
        *("bloom", "codegen", "ctrl", "falcon_mamba", "gpt_bigcode", "mamba", "mamba2"),
        *("mpt", "openai-gpt", "recurrent_gemma", "rwkv"),
    }
)
_NOTED = "_cutaway_texts"


def n_positions(config: Any, tokenizer: Any) -> int | None:
    """Longest text in tokens that a model takes, or None where nothing states one.

    Parameters
    ----------
    config : transformers.PretrainedConfig or None
        Read for ``max_position_embeddings``, ``n_positions`` and ``n_ctx``.
    tokenizer : transformers.PreTrainedTokenizerBase or None
        Read for ``model_max_length``; numbers above 10**9 mean "not stated" there.
    """
    stated = [getattr(config, key, None) for key in ("max_position_embeddings", "n_positions")]
    stated += [getattr(config, "n_ctx", None), getattr(tokenizer, "model_max_length", None)]
    limits = [int(given) for given in stated if isinstance(given, (int, float)) and 0 < given < 1e9]
    return min(limits, default=None)


@dataclass(frozen=True)
class Encoded:
    """One text as tokens.

    Attributes
    ----------
    ids : tuple of int
        Token ids.
    spans : tuple of (int, int) or None
        Where each token stands in the text; None unless asked for and told by the tokenizer.
    length : int
        Tokens before the text was cut.
    doubled, ended : bool
        Whether a second beginning, or an end that the tokenizer adds, was left out.
    closed : bool
        Whether an end that the tokenizer adds is the last token.
    """

    ids: tuple[int, ...]
    spans: tuple[tuple[int, int], ...] | None
    length: int
    doubled: bool = False
    ended: bool = False
    closed: bool = False


def added(tokenizer: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Special tokens that a tokenizer puts before and after a text; both empty if it tells none."""
    vocabulary: dict[str, int] = getattr(tokenizer, "get_vocab", dict)()
    for probe in (*_PROBES, *sorted(vocabulary)[:3]):
        try:
            plain = _ids(tokenizer(probe, add_special_tokens=False))
        except TypeError:  # a tokenizer of another make, without that option
            return (), ()
        if not plain:
            continue
        whole = _ids(tokenizer(probe))
        for start in range(len(whole) - len(plain) + 1):
            if whole[start : start + len(plain)] == plain:
                return whole[:start], whole[start + len(plain) :]
    return (), ()


def rows(
    tokenizer: Any,
    texts: Sequence[str],
    *,
    special_tokens: SpecialTokens = "auto",
    limit: int | None = None,
    open_ended: bool = False,
    spans: bool = False,
) -> list[Encoded]:
    """Token ids of some texts, each by itself.

    Parameters
    ----------
    tokenizer : transformers.PreTrainedTokenizerBase
        Used as it is.
    texts : sequence of str
        Any number.
    special_tokens : {"auto", True, False}
        True: what the tokenizer adds; False: none. "auto": what it adds, but no second beginning
        before a text that begins with it already, and no end if `open_ended`.
    limit : int or None
        Longer texts are cut off here, in tokens, at the side where the tokenizer truncates; its
        special tokens stay.
    open_ended : bool
        The model goes on where a text ends, so that a token for the end would be in the way.
    spans : bool
        Ask for the place of each token in its text.
    """
    if not texts:
        return []
    # Hugging Face would warn that a text is too long, which is cut below.
    options: dict[str, Any] = {"verbose": False} if hasattr(tokenizer, "is_fast") else {}
    if special_tokens is False:
        options["add_special_tokens"] = False
    spans = spans and bool(getattr(tokenizer, "is_fast", False))
    if spans:
        options["return_offsets_mapping"] = True
    found = tokenizer(list(texts), **options)
    before, after = ((), ()) if special_tokens is False else added(tokenizer)
    places = found["offset_mapping"] if spans else [None] * len(texts)
    from_left = getattr(tokenizer, "truncation_side", "right") == "left"
    encoded = []
    for given, where in zip(found["input_ids"], places, strict=True):
        ids = [int(token) for token in given]
        kept = list(range(len(ids)))
        head, tail = _length(ids, before, 0), _length(ids, after, -len(after))
        ended = special_tokens == "auto" and open_ended and 0 < tail < len(ids)
        if ended:
            kept, tail = kept[:-tail], 0
        begun = tuple(ids[head : 2 * head]) == before
        doubled = special_tokens == "auto" and head > 0 and begun
        if doubled:
            kept, head = kept[head:], 0
        length = len(kept)
        if limit is not None and length > limit:
            tail = min(tail, limit)
            head = min(head, limit - tail)
            inside, room = kept[head : length - tail], limit - head - tail
            inside = inside[len(inside) - room :] if from_left else inside[:room]
            kept = kept[:head] + inside + kept[length - tail :]
        spot = None if where is None else tuple((int(where[k][0]), int(where[k][1])) for k in kept)
        chosen = tuple(ids[k] for k in kept)
        encoded.append(Encoded(chosen, spot, length, doubled, ended, closed=tail > 0))
    return encoded


def encode(
    tokenizer: Any,
    texts: Sequence[str],
    *,
    limit: int | None = None,
    length: int | None = None,
    special_tokens: SpecialTokens = "auto",
    open_ended: bool = False,
) -> dict[str, Tensor]:
    """Token ids and attention mask of some texts, padded on the right.

    Parameters
    ----------
    tokenizer : transformers.PreTrainedTokenizerBase
        Used as it is, but for its side of padding.
    texts : sequence of str
        A text without any token becomes one padding token that is attended to, because a row
        without a position gives NaN in a softmax.
    limit : int or None
        Longer texts are cut off here, in tokens.
    length : int or None
        Pad (or cut) all rows to this many tokens; None pads to the longest text.
    special_tokens, open_ended
        As in `rows`.

    Returns
    -------
    dict of str to Tensor of shape (n, t)
        ``input_ids`` and ``attention_mask``, int64.
    """
    cut = min((most for most in (limit, length) if most is not None), default=None)
    found = rows(tokenizer, texts, special_tokens=special_tokens, limit=cut, open_ended=open_ended)
    return padded(tokenizer, [row.ids for row in found], length=length)


def padded(
    tokenizer: Any, ids: Sequence[Sequence[int]], *, length: int | None = None
) -> dict[str, Tensor]:
    """Rows of token ids as one tensor with its mask; see `encode`.

    A tokenizer without a padding token pads with its end token, else with id 0. Padding is masked,
    so its id never matters to a kept position of a causal model.
    """
    pad = getattr(tokenizer, "pad_token_id", None)
    pad = getattr(tokenizer, "eos_token_id", None) if pad is None else pad
    width = max([len(row) for row in ids] + [1]) if length is None else length
    filled = torch.full((len(ids), width), int(pad or 0), dtype=torch.int64)
    mask = torch.zeros((len(ids), width), dtype=torch.int64)
    for place, row in enumerate(ids):
        filled[place, : len(row)] = torch.tensor(row, dtype=torch.int64)
        mask[place, : max(len(row), 1)] = 1
    return {"input_ids": filled, "attention_mask": mask}


def aligned(inputs: Mapping[str, Tensor], ids: Any = None) -> dict[str, Tensor]:
    """Token tensors with every text at the left and its padding at the right.

    Parameters
    ----------
    inputs : mapping of str to Tensor
        Every tensor that has the shape (n, t, …) of ``attention_mask`` is moved along with it.
    ids : array_like of shape (n,) or None
        Ids of the texts, for the message.

    Raises
    ------
    ValueError
        If the mask of a text holds no token.

    Notes
    -----
    With padding at the left, absolute positions would count from the padding, and its rows of the
    attention would have nothing to look at, which some types answer with NaN for every text.
    """
    given = dict(inputs)
    mask = given.get("attention_mask")
    if mask is None or mask.ndim != 2 or mask.numel() == 0:
        return given
    held = mask != 0
    empty = (~held.any(1)).nonzero()[:, 0].tolist()
    if empty:
        raise ValueError(
            f"attention_mask must hold a token of every text, got none in {named(ids, empty[0])} "
            f"({len(empty)} such); leave these texts out"
        )
    first = held.to(torch.int8).argmax(1)
    if not bool(first.any()):
        return given
    n, t = mask.shape
    order = (torch.arange(t, device=mask.device) + first[:, None]) % t
    for key, tensor in given.items():
        if tuple(tensor.shape[:2]) == (n, t):
            at = order.to(tensor.device).reshape(n, t, *(1,) * (tensor.ndim - 2))
            given[key] = torch.take_along_dim(tensor, at, dim=1)
    return given


def named(ids: Any, row: int) -> str:
    """How a message names a text of a batch."""
    if ids is None or len(ids) <= row:
        return f"row {row} of the batch"
    plain = ids[row].item() if hasattr(ids[row], "item") else ids[row]
    return f"text {plain!r}"


def causal(module: nn.Module) -> bool:
    """Whether a model is known to look back only, so that what follows a text does not matter."""
    config = getattr(module, "config", None)
    if config is None or getattr(config, "is_encoder_decoder", False):
        return False
    stated: list[Any] = [part.is_causal for part in module.modules() if hasattr(part, "is_causal")]
    if stated:
        return all(said is True for said in stated)
    return getattr(config, "model_type", None) in _CAUSAL


def open_ended(module: nn.Module) -> bool:
    """Whether a model is known to go on where a text ends: causal, and not made to label texts."""
    name = type(module).__name__
    return causal(module) and not ("For" in name and not name.endswith("ForCausalLM"))


@dataclass(frozen=True, eq=False)
class Texts:
    """Which positions of a running batch hold a token.

    Attributes
    ----------
    mask : bool Tensor of shape (n, t)
        True at a token.
    ids : sequence or None
        Ids of the texts, for messages.
    """

    mask: Tensor
    ids: Any = None


def note(tensor: Tensor, texts: Texts) -> Tensor:
    """The same numbers, with a word on which of them are tokens: a model may take no mask."""
    view = tensor.view_as(tensor)
    setattr(view, _NOTED, texts)
    return view


def noted(tensor: Tensor) -> Texts | None:
    """What `note` said of a tensor; None for another one."""
    known = getattr(tensor, _NOTED, None)
    return known if isinstance(known, Texts) else None


def texts_of(
    module: nn.Module, arguments: tuple[Any, ...], keywords: Mapping[str, Any]
) -> Texts | None:
    """Which positions of a call of a model hold a token; None where nothing says so.

    Parameters
    ----------
    module : torch.nn.Module
        The model that is called.
    arguments, keywords
        What it is called with.
    """
    given = dict(keywords)
    try:
        names = [name for name in inspect.signature(module.forward).parameters if name != "self"]
    except (TypeError, ValueError):
        names = []
    names += [f"_{place}" for place in range(len(names), len(arguments))]
    given |= dict(zip(names, arguments, strict=False))
    for value in given.values():
        known = noted(value) if isinstance(value, Tensor) else None
        if known is not None:
            return known
    mask = given.get("attention_mask")
    if isinstance(mask, Tensor) and mask.ndim == 2:
        return Texts(mask != 0)
    ids = given.get("input_ids", next(iter(given.values()), None))
    if isinstance(ids, Tensor) and ids.ndim == 2 and not ids.is_floating_point():
        return Texts(torch.ones_like(ids, dtype=torch.bool))
    return None


def fingerprint(tokenizer: Any) -> str:
    """16 hexadecimal digits of all that decides which ids a tokenizer makes of a text."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    said: dict[str, Any] = {"class": type(tokenizer).__name__}
    if backend is not None and hasattr(backend, "to_str"):
        whole = json.loads(backend.to_str())
        # Left there by whoever called it last; texts are cut and padded by us.
        said["tokenizer"] = {
            key: value for key, value in whole.items() if key not in {"truncation", "padding"}
        }
    else:
        said["vocabulary"] = sorted(getattr(tokenizer, "get_vocab", dict)().items())
        said["init"] = {
            key: repr(value) for key, value in getattr(tokenizer, "init_kwargs", {}).items()
        }
    said["added"] = added(tokenizer)
    said["truncation"] = getattr(tokenizer, "truncation_side", "right")
    said["special"] = {
        key: str(value) for key, value in getattr(tokenizer, "special_tokens_map", {}).items()
    }
    text = json.dumps(said, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def tell(message: str) -> None:
    """Warn at the line outside of this package that began it all."""
    depth = 2
    frame = sys._getframe(1)  # noqa: SLF001 - the one way to the caller's line before Python 3.12
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("cutaway"):
        frame = frame.f_back
        depth += 1
    warnings.warn(message, stacklevel=depth)


def _ids(encoded: Any) -> tuple[int, ...]:
    return tuple(int(token) for token in encoded["input_ids"])


def _length(ids: Sequence[int], wanted: tuple[int, ...], start: int) -> int:
    """How many tokens of `wanted` stand at the start (0) or the end (negative) of a row."""
    if not wanted or len(ids) < len(wanted):
        return 0
    found = tuple(ids[start:][: len(wanted)])
    return len(wanted) if found == wanted else 0

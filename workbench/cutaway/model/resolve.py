"""From what a caller writes to what a pass needs: sites, batch sizes, masks of token positions."""

import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from cutaway.core import Tick, silent
from cutaway.data.batching import batches
from cutaway.data.dataset import Batch, Dataset
from cutaway.model import tokens
from cutaway.model.errors import UnknownSite
from cutaway.model.model import Model
from cutaway.model.sites import Site, Sites, sites

Where: TypeAlias = Sites | Site | str | Sequence[Site | str]

_BATCH_BYTES = 8_000_000
_LARGEST_BATCH = 256


def wanted_sites(model: Model, data: Dataset, where: Where) -> tuple[Site, ...]:
    """Sites that return a tensor, each once.

    Parameters
    ----------
    model : Model
        The model that they must belong to.
    data : Dataset
        Gives the shapes where names must be looked up.
    where : Sites, Site, str, or sequence of Site and str
        Names may be patterns. A pattern and a `Sites` skip what returns no tensor.

    Raises
    ------
    UnknownSite
        If a name or a `Site` is none of this model.
    ValueError
        If nothing is left, or a site that was asked for by name returns no tensor.
    TypeError
        If `where` is something else.
    """
    parts = [where] if isinstance(where, (Sites, Site, str)) else where
    if not isinstance(parts, (Sequence, Sites)) or isinstance(parts, (bytes, bytearray)):
        raise TypeError(_wrong_type(where))
    tree: Sites | None = None
    found: dict[Site, None] = {}
    for part in parts:
        if isinstance(part, str):
            tree = tree if tree is not None else sites(model, data)
            named = tree[part]
        elif isinstance(part, (Site, Sites)):
            named = part
        else:
            raise TypeError(_wrong_type(part))
        if isinstance(named, Site):
            if named.shape is None:
                raise ValueError(
                    f"sites must return a tensor, got {named.label!r} ({named.output}); "
                    "choose a site inside or around it"
                )
            found[named] = None
        else:
            found |= {one: None for one in named if one.shape is not None}
    if not found:
        raise ValueError(
            f"sites must name at least one site with an output, got {where!r}; "
            "see sites(model, data) for the names"
        )
    paths = dict(model.module.named_modules(remove_duplicate=False))
    for site in found:
        if site.path.partition("#")[0] not in paths:
            raise UnknownSite(
                f"sites must belong to model {model.name!r}, got {site.label!r}; "
                "take them from sites(model, data)"
            )
    return tuple(found)


def _wrong_type(value: object) -> str:
    return (
        f"sites must be Sites, a Site, a name, or a list of them, got {type(value).__name__}; "
        'write "conv*" or sites(model, data)["conv*"]'
    )


def usual_batch_size(data: Dataset, kept: Sequence[Site] = ()) -> int:
    """Samples a batch where the caller states none: a function of data and sites alone.

    Notes
    -----
    Input and kept outputs of a batch stay near 8 MB: small enough for the caches, and a batch is
    short enough for a progress bar and a Cancel.
    """
    one = data.batch(np.zeros(1, np.int64)).inputs
    tensors = (
        [one] if isinstance(one, Tensor) else list(one.values()) if isinstance(one, dict) else []
    )
    width = sum(tensor.nbytes for tensor in tensors)
    width += 4 * sum(math.prod(site.shape) for site in kept if site.shape is not None)
    largest = 32 if isinstance(one, (list, dict)) else _LARGEST_BATCH
    return max(1, min(largest, _BATCH_BYTES // max(width, 1)))


def n_positions(inputs: Tensor | dict[str, Tensor]) -> int:
    """Positions of a batch of tokens; 0 if it has none."""
    if isinstance(inputs, dict):
        inputs = inputs.get("input_ids", next(iter(inputs.values())))
    return int(inputs.shape[1]) if inputs.ndim == 2 else 0


def token_mask(
    model: Model, data: Dataset, batch_size: int, *, tick: Tick = silent
) -> NDArray[np.bool_] | None:
    """Which positions hold a token, for all samples; None if every position of every sample does.

    Returns
    -------
    ndarray of bool of shape (n, t) or None
        t is the longest sample in tokens, cut at what the model takes.
    """
    if model.kind != "tokens":
        return None
    parts = [batch_mask(model, batch) for batch in batches(data, batch_size, tick=tick)]
    known = [part for part in parts if part is not None]
    if len(known) != len(parts):
        return None
    whole = np.zeros((len(data), max(part.shape[1] for part in known)), np.bool_)
    start = 0
    for part in known:
        whole[start : start + len(part), : part.shape[1]] = part
        start += len(part)
    return None if whole.all() else whole


def batch_mask(model: Model, batch: Batch) -> NDArray[np.bool_] | None:
    """Which positions of a batch hold a token, or None if nothing says."""
    if isinstance(batch.inputs, list) and model.tokenizer is not None:
        mask = model.encode(batch.inputs, ids=batch.ids)["attention_mask"]
    elif isinstance(batch.inputs, dict) and "attention_mask" in batch.inputs:
        mask = tokens.aligned(batch.inputs, batch.ids)["attention_mask"]
    else:
        return None
    found: NDArray[np.bool_] = mask.cpu().numpy().astype(np.bool_)
    return found

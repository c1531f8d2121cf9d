"""Runs a lens for the page: on captured layers, or on some samples."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutaway.core import Index, Result, Selection, Tick, part
from cutaway.data import content_of
from cutaway.lenses import LENSES, Lens
from cutaway.model import Activations, Predictions, Sites, capture
from cutaway.session import inputs_of
from cutaway.workspace import Workspace
from cutaway_widgets.explorers._work import Opened
from cutaway_widgets.form import Field

POOL = 8
"""Places an axis that captured pictures are averaged to, as in the filter explorer."""
TAKES = ("activations", "samples")
"""Kinds of lenses that a page can run."""
WHICH, LIMIT = "samples", "limit"
_MOST = 48
_ASKED = (
    Field(
        WHICH, "choice", "selected", "Samples", options=("selected", "wrong", "all"),
        titles=("the selected ones", "those that the model gets wrong", "all"),
        help="Select samples in any view.",
    ),
    Field(LIMIT, "whole", _MOST, "Limit", low=1, unit="samples", help="Evenly spread over them."),
)  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """What a person asked of a lens.

    Parameters
    ----------
    lens : Lens
        Which one.
    picked : tuple of str
        Paths of the layers, of a lens that takes activations.
    arguments : mapping
        Keywords of the lens.
    ids : tuple of id
        The samples, of a lens that takes samples.
    """

    lens: Lens
    picked: tuple[str, ...]
    arguments: Mapping[str, Any]
    ids: tuple[int | str, ...] = ()
    name: str = field(init=False)

    def __post_init__(self) -> None:
        """What it is called while it runs."""
        about = ", ".join(self.picked) or f"{len(self.ids)} samples"
        object.__setattr__(self, "name", f"{self.lens.name} {about}")


def offered() -> tuple[Lens, ...]:
    """Lenses that a page can run."""
    return tuple(one for one in LENSES if one.takes in TAKES)


def sample_fields(lens: Lens) -> tuple[Field, ...]:
    """Fields that say which samples a lens is to look at; none where it takes layers."""
    return _ASKED if lens.takes == "samples" else ()


def chosen_ids(
    index: Index,
    values: Mapping[str, Any],
    selection: Selection | None,
    predictions: Predictions | None,
) -> tuple[int | str, ...]:
    """Ids of the samples that the fields of `sample_fields` mean, in the order of the data.

    Parameters
    ----------
    index : Index
        Samples that are open.
    values : mapping
        Of the form.
    selection : Selection or None
        Of samples.
    predictions : Predictions or None
        Of the open model on them.

    Raises
    ------
    ValueError
        If they mean none.
    """
    which, limit = values[WHICH], int(values[LIMIT])
    if which == "selected":
        places = np.sort(index.positions(selection.ids)) if selection else np.zeros(0, np.int64)
        said = "none selected; select some in a view, or choose all"
    elif which == "wrong":
        correct = None if predictions is None else predictions.correct
        places = np.zeros(0, np.int64) if correct is None else np.flatnonzero(~correct)
        said = "no known wrong answers; choose all" if correct is None else "none; choose all"
    else:
        places, said = np.arange(len(index)), "no data; open some"
    if not len(places):
        raise ValueError(f"{WHICH} must be one or more, got {said}")
    if len(places) > limit:
        places = places[np.linspace(0, len(places) - 1, limit).round().astype(np.int64)]
    found: list[int | str] = index.ids[places].tolist()
    return tuple(found)


def run_lens(
    asked: Asked, opened: Opened, workspace: Workspace, *, max_bytes: int | str, tick: Tick
) -> Result:
    """Result of a lens; the same settings again are not computed twice.

    Parameters
    ----------
    asked : Asked
        Lens, layers or samples, settings.
    opened : Opened
        Model, data and layers.
    workspace : Workspace
        Keeps activations and results.
    max_bytes : int or str
        The most that a capture may keep.
    tick : Tick
        Progress.

    Raises
    ------
    UnknownSite
        If the model has no such layer.
    BudgetExceeded
        If the capture would be too large.
    ValueError, TypeError
        If the lens refuses a setting; before anything is captured.
    """
    model, data, lens = opened.model, opened.data, asked.lens
    plain = {name: _plain(value) for name, value in asked.arguments.items()}
    same = {
        **inputs_of(model, data),
        "sites": asked.picked, "ids": list(asked.ids), "arguments": plain,
    }  # fmt: skip

    def of_layers() -> Result:
        refuse_early(lens, asked.arguments, data.index)
        acts = _captured(opened, asked.picked, workspace, max_bytes, part(tick, 0.0, 0.35))
        return lens.run()(acts, **asked.arguments, tick=part(tick, 0.35, 1.0))

    def of_samples() -> Result:
        return lens.run()(model, data, list(asked.ids), **asked.arguments, tick=tick)

    found = workspace.kept(lens.name, same, of_samples if lens.takes == "samples" else of_layers)
    tick(1.0, lens.name)
    return found


class _EnoughError(Exception):
    """Ends a trial run: the arguments were taken."""


def refuse_early(lens: Lens, arguments: Mapping[str, Any], rows: Index) -> None:
    """Let a lens check its settings before the capture that may take long.

    It is run on small random maps of as many samples, up to its first tick. Only what it says about
    a setting counts: the maps are not the person's.

    Parameters
    ----------
    lens : Lens
        One that takes activations.
    arguments : mapping
        Its keywords.
    rows : Index
        Ids of the samples.

    Raises
    ------
    ValueError, TypeError
        As the lens does.
    """
    maps = np.random.default_rng(0).normal(size=(len(rows), 2, 4, 4)).astype(np.float32)
    acts = Activations.from_arrays({"trial": maps}, ids=rows.ids)

    def stop(_fraction: float, _message: str) -> None:
        raise _EnoughError

    try:
        lens.run()(acts, **arguments, tick=stop)
    except (ValueError, TypeError) as error:
        word = re.match(r"\w+", str(error))
        if word is not None and word[0] in arguments:
            raise
    except Exception:  # noqa: BLE001, S110 - the real run will say what else is wrong
        pass


def _captured(
    opened: Opened, picked: tuple[str, ...], workspace: Workspace, max_bytes: int | str, tick: Tick
) -> Activations:
    """Activations of the layers; only the last ones are kept: they are the large thing here."""
    model, data = opened.model, opened.data
    chosen = opened.sites[list(picked)]
    acts = workspace.activations
    if not _fits(acts, chosen, opened):
        acts = capture(model, data, chosen, pool=POOL, max_bytes=max_bytes, show=None, tick=tick)
        with workspace.lock:
            workspace.activations = acts
    found: Activations = acts
    return found


def planned_bytes(tree: Sites, picked: tuple[str, ...], n: int) -> int:
    """Bytes that a capture of these layers will keep, by their shapes; nothing is run.

    Parameters
    ----------
    tree : Sites
        Layers with their shapes.
    picked : tuple of str
        Paths of the layers.
    n : int
        Number of samples.

    Returns
    -------
    int
        4 bytes a value; maps count as averaged to at most 8 places an axis.
    """
    total = 0
    for one in tree:
        if one.path in picked and one.shape:
            units, *places = one.shape
            pooled = (
                [min(side, POOL) for side in places] if one.layout.startswith("n c") else places
            )
            total += 4 * n * units * int(np.prod(pooled, dtype=np.int64))
    return total


def _fits(acts: Any, chosen: Sites, opened: Opened) -> bool:
    """Whether these are the activations of the chosen layers, model and data."""
    return isinstance(acts, Activations) and (
        (acts.sites, acts.rows.digest, acts.origin.content, acts.origin.weights, acts.origin.data)
        == (tuple(site.path for site in chosen), opened.data.index.digest,
            content_of(opened.data), opened.model.digest, opened.data.name)
    )  # fmt: skip


def _plain(value: Any) -> Any:
    """A keyword as JSON, for the key of what was computed."""
    if isinstance(value, np.ndarray):
        numbers: NDArray[Any] = value
        return numbers.tolist()
    return value

"""A model with edits at work: hooks apply them, and nothing else is touched."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from cutaway.core import check
from cutaway.data.dataset import Dataset
from cutaway.model import layout
from cutaway.model.edits import (
    Edit,
    Mean,
    ProjectOut,
    Replace,
    Steer,
    UnitEdit,
    Zero,
    too_high,
)
from cutaway.model.errors import UnknownSite
from cutaway.model.hooks import Watcher, hooked
from cutaway.model.model import ACTIVE_EDITS, Model, as_model
from cutaway.model.outputs import first_tensor
from cutaway.model.places import Places, axes_of
from cutaway.model.sites import Site, sites
from cutaway.model.swap import with_first_tensor
from cutaway.model.tokens import Texts, texts_of

__all__ = [
    "Edit",
    "Mean",
    "ProjectOut",
    "Replace",
    "Steer",
    "UnitEdit",
    "Watching",
    "Zero",
    "edited",
    "listed",
    "sites_of",
]


@contextmanager
def edited(
    model: Model | nn.Module, edits: Edit | Sequence[Edit], *, data: Dataset | None = None
) -> Iterator[Model]:
    """The model with edits at work, for the length of a ``with`` block.

    Parameters
    ----------
    model : Model or torch.nn.Module
        Its weights, modes and gradient flags are not touched; its lock is held.
    edits : Edit or sequence of Edit
        At one site, later ones see what earlier ones left.
    data : Dataset or None
        Gives the layout of the sites; None uses the model's own example, else types of modules.

    Raises
    ------
    UnknownSite
        If a site is none of the model.
    ValueError
        If a unit is out of range. Where sizes are not known beforehand, the forward raises it.
    """
    opened = as_model(model)
    every = listed(edits)
    with opened.lock:
        watching = Watching(opened, every, sites_of(opened, every, data))
        with watching.hooks(opened.module):
            yield opened


def listed(edits: Edit | Sequence[Edit]) -> tuple[Edit, ...]:
    """One or several edits as a tuple.

    Raises
    ------
    TypeError
        If something else is among them.
    """
    every = (edits,) if isinstance(edits, Edit) else tuple(edits)
    for one in every:
        if not isinstance(one, Edit):
            raise TypeError(
                f"edits must be edits, got {type(one).__name__}; make a Zero, Mean, Replace, "
                "ProjectOut or Steer"
            )
    return every


def sites_of(model: Model, edits: Sequence[Edit], data: Dataset | None) -> dict[str, Site] | None:
    """Sites of some edits by name, checked; None where neither data nor example tells shapes."""
    if data is None and model.example is None:
        paths = dict(model.module.named_modules(remove_duplicate=False))
        for one in edits:
            if one.site.partition("#")[0] not in paths:
                near = ", ".join(repr(path) for path in check.nearest(one.site, paths))
                raise UnknownSite(
                    f"site must be a site of the model, got {one.site!r}; nearest: {near}"
                )
        return None
    tree = sites(model, data)
    found = {one.site: tree.one(one.site) for one in edits}
    for one in edits:
        count = found[one.site].n_units
        if isinstance(one, UnitEdit) and count is not None and max(one.units) >= count:
            raise ValueError(too_high(one, count))
    return found


class Watching:
    """Hooks that apply edits; `cutaway.causal` uses it to change edits without a new look at sites.

    Parameters
    ----------
    model : Model
        The model.
    edits : sequence of Edit
        In order.
    known : mapping of str to Site or None
        From `sites_of`.
    """

    def __init__(
        self, model: Model, edits: Sequence[Edit], known: Mapping[str, Site] | None
    ) -> None:
        self._model = model
        self._known = known
        self._calls: dict[str, int] = {}
        self._texts: Texts | None = None
        self._edits: dict[tuple[str, int], list[Edit]] = {}
        for one in edits:
            path, _, call = one.site.partition("#")
            self._edits.setdefault((path, int(call or 1)), []).append(one)

    @contextmanager
    def hooks(self, module: nn.Module) -> Iterator[None]:
        """Hooks in place."""
        watchers = {path: self._watcher(path) for path, _ in self._edits}
        before = ACTIVE_EDITS.get(module, [])
        edits = [edit for of_site in self._edits.values() for edit in of_site]

        def begin(arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
            self._calls.clear()
            texts = self._model.kind == "tokens" or "attention_mask" in keywords
            self._texts = texts_of(module, arguments, keywords) if texts else None

        ACTIVE_EDITS[module] = [*before, *edits]
        try:
            with hooked(module, watchers, begin=begin):
                yield
        finally:
            ACTIVE_EDITS[module] = before

    def _watcher(self, path: str) -> Watcher:
        def watch(module: nn.Module, _arguments: tuple[Any, ...], output: Any) -> Any:
            call = self._calls.get(path, 0) + 1
            self._calls[path] = call
            edits = self._edits.get((path, call))
            if not edits:
                return None
            values = first_tensor(output)
            if values is None:
                raise TypeError(
                    f"site {path} must return a tensor to be edited, got {type(output).__name__}; "
                    "choose a site inside or around it"
                )
            letters = self._letters(edits[0].site, module, values.ndim)
            return with_first_tensor(output, _changed(values, edits, letters, self._texts))

        return watch

    def _letters(self, name: str, module: nn.Module, n_dims: int) -> list[str]:
        known = self._known[name].layout.split() if self._known is not None else []
        if not known:
            guess = layout.certain(layout.class_names(module), n_dims) or layout.usual(n_dims)
            known = guess.split()
        return [*["x"] * (n_dims - len(known)), *known[max(0, len(known) - n_dims) :]]


def _changed(
    values: Tensor, edits: Sequence[Edit], letters: list[str], texts: Texts | None
) -> Tensor:
    """Values of a site, its axes in their own order, after some edits."""
    if texts is None:
        units = layout.unit_axis(" ".join(letters))
        units = 1 if units is None else units
        return _in_order(values.movedim(units, 0), edits, None).movedim(0, units)
    n, t = texts.mask.shape
    in_a_row = values.ndim == 2 and letters[0] in {"n", "nt", "t"} and len(values) == n * t
    alone = not in_a_row and not {"n", "1"}.intersection(letters)
    if in_a_row:
        values, letters = values.reshape(n, t, -1), ["n", "t", "d"]
    elif alone:  # one output for all texts
        values, letters = values.unsqueeze(0), ["1", *letters]
    units = layout.unit_axis(" ".join(letters))
    units = 1 if units is None else units
    samples = next(axis for axis, letter in enumerate(letters) if letter in {"n", "1"})
    moved = values.movedim((units, samples), (0, 1))
    if moved.shape[1] == 1 < n and not bool(texts.mask.all()):
        moved = moved.expand(-1, n, *moved.shape[2:])  # each text has its own last token
    rest = [letter for axis, letter in enumerate(letters) if axis not in {units, samples}]
    places = Places(texts, (), certain=False)
    if moved.shape[1] in {1, n}:
        axes, certain = axes_of([letters[units], letters[samples], *rest], moved.shape, texts)
        places = Places(texts, axes, certain)
    after = _in_order(moved, edits, places).movedim((0, 1), (units, samples))
    if in_a_row:
        return after.flatten(0, 1)
    return after[0] if alone and len(after) == 1 else after


def _in_order(values: Tensor, edits: Sequence[Edit], places: Places | None) -> Tensor:
    for edit in edits:
        values = edit.placed(values, places)
    return values

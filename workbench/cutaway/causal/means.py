"""Mean of every unit over a data set: what a mean-ablation puts in a unit's place."""

import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress

import torch
from torch import Tensor

from cutaway.core import Tick, silent
from cutaway.data.batching import batches
from cutaway.data.dataset import Dataset
from cutaway.model.edits import Edit, Mean
from cutaway.model.hooks import hooked
from cutaway.model.model import Model
from cutaway.model.places import Places, axes_of
from cutaway.model.recorder import Enough, Recorder, Wanted
from cutaway.model.resolve import batch_mask, n_positions
from cutaway.model.sites import Site
from cutaway.model.tokens import Texts


def with_means(
    model: Model,
    data: Dataset,
    edits: tuple[Edit, ...],
    known: Mapping[str, Site],
    *,
    batch_size: int,
    tick: Tick,
) -> tuple[Edit, ...]:
    """The edits, with the means over `data` in every `Mean` that has no values."""
    unknown = [isinstance(one, Mean) and one.values is None for one in edits]
    names = {one.site for one, is_unknown in zip(edits, unknown, strict=True) if is_unknown}
    if not names:
        return edits
    wanted = [Wanted(site, known[site].layout) for site in sorted(names)]
    means = unit_means(model, data, wanted, batch_size=batch_size, tick=tick)
    return tuple(
        Mean(one.site, one.units, means[one.site]) if is_unknown and isinstance(one, Mean) else one
        for one, is_unknown in zip(edits, unknown, strict=True)
    )


def unit_means(
    model: Model,
    data: Dataset,
    wanted: Sequence[Wanted],
    *,
    batch_size: int,
    tick: Tick = silent,
) -> dict[str, tuple[float, ...]]:
    """Mean of every unit of some sites over samples and positions that hold a token.

    Parameters
    ----------
    model : Model
        In eval mode already.
    data : Dataset
        Samples.
    wanted : sequence of Wanted
        The sites.
    batch_size : int
        Samples a batch.
    tick : Tick
        Called after each batch.

    Raises
    ------
    ValueError
        If a unit has no finite value.

    Warns
    -----
    RuntimeWarning
        If values are NaN or infinite: these are left out of the mean.
    """
    recorder = Recorder(wanted, None)
    sums: dict[int, Tensor] = {}
    counts: dict[int, Tensor] = {}
    lost = dict.fromkeys(range(len(wanted)), 0)
    mask: Tensor | None = None

    def add(place: int, values: Tensor) -> None:
        letters = wanted[place].kept.split()
        axis = next((i for i, letter in enumerate(letters) if letter in {"c", "d"}), 1)
        moved = values.movedim(axis, 0).double()
        bad = ~moved.isfinite()
        moved = moved.masked_fill(bad, 0.0)
        if mask is None or len(letters) != values.ndim:
            total, count = moved.flatten(1).sum(1), moved[0].numel()
        else:
            texts = Texts(mask)
            rest = [letter for i, letter in enumerate(letters) if i not in {0, axis}]
            axes, certain = axes_of([letters[axis], letters[0], *rest], moved.shape, texts)
            total, count = Places(texts, axes, certain).sums(moved)
        sums[place] = sums.get(place, torch.zeros(())) + total.cpu()
        # Behind the end of a text the recorder writes zeros: what is not finite was counted.
        of_unit = count - bad.flatten(1).sum(1).double().cpu()
        counts[place] = counts.get(place, torch.zeros(())) + of_unit
        lost[place] += int(bad.sum())

    done = 0
    with hooked(model.module, recorder.watchers()):
        for batch in batches(data, batch_size):
            tick(done / len(data), f"means: {done}/{len(data)} samples")
            rows = batch_mask(model, batch)
            mask = None if rows is None else torch.from_numpy(rows)
            inputs = model.inputs(batch)
            recorder.begin(len(batch), add, mask, n_positions(inputs))
            with suppress(Enough):
                model.call(inputs)
            done += len(batch)
    for place, one in enumerate(wanted):
        empty = torch.nonzero(counts[place] <= 0).flatten().tolist()
        if empty:
            raise ValueError(
                f"unit {empty[0]} of {one.name!r} must have a finite value for its mean, got NaN "
                "or infinity in all samples; give Mean values=, or use Zero"
            )
        if lost[place]:
            warnings.warn(
                f"means of {one.name!r} must be over finite values, got {lost[place]} that are NaN "
                "or infinite; they are left out",
                RuntimeWarning,
                stacklevel=4,
            )
    return {
        one.name: tuple((sums[place] / counts[place]).tolist()) for place, one in enumerate(wanted)
    }

"""Feature maps and kernels as tiles: one small picture a unit and sample, by ids."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import nn

from cutaway.core import Index, check
from cutaway.data.dataset import Dataset
from cutaway.model.activations import Activations
from cutaway.model.capture import capture
from cutaway.model.errors import UnknownSite
from cutaway.model.model import Model, as_model

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d)


@dataclass(frozen=True, eq=False)
class Tiles:
    """Small pictures of units (down) and samples or input channels (across).

    Parameters
    ----------
    values : ndarray of shape (units, samples, h, w)
        float32, read-only.
    units : Index
        Ids such as ``"conv1:3"``, axis "unit".
    samples : Index
        Ids of the columns: samples, or ``"input"`` channels of kernels.
    """

    values: NDArray[np.float32]
    units: Index
    samples: Index

    def __post_init__(self) -> None:
        """Check the lengths and make the array read-only."""
        check.n_dims("values", self.values, 4, "units, samples, height and width")
        check.same_length("values", self.values.shape[0], "units", len(self.units))
        check.same_length("values[0]", self.values.shape[1], "samples", len(self.samples))
        fixed = self.values.view()
        fixed.setflags(write=False)
        object.__setattr__(self, "values", fixed)

    def __repr__(self) -> str:
        high, wide = self.values.shape[2:]
        return (
            f"Tiles({len(self.units)} {self.units.axis}s × {len(self.samples)} "
            f"{self.samples.axis}s of {high}×{wide})"
        )


def feature_maps(
    source: Activations | Model | nn.Module,
    site: str,
    units: Sequence[int] | None = None,
    ids: Iterable[int | str] | ArrayLike | None = None,
    *,
    data: Dataset | None = None,
) -> Tiles:
    """Feature maps of some units for some samples.

    Parameters
    ----------
    source : Activations, Model or torch.nn.Module
        Captured values, or a model to run on these samples only.
    site : str
        A site of maps (n c h w) or of sequences of channels (n c t), which become maps of height 1.
    units : sequence of int or None
        Which units, in the order of the rows; None for all.
    ids : iterable of int or str, or None
        Which samples, in the order of the columns; None for all.
    data : Dataset or None
        Where a model finds the samples; not for activations.

    Raises
    ------
    UnknownSite
        If the site is none of the source.
    ValueError
        If the site returns no maps, a unit is out of range, or a model comes without data.
    KeyError
        If an id is not in the source.
    """
    if not isinstance(source, Activations):
        if data is None:
            raise ValueError("data must be given with a model, got none; give data= or activations")
        some = data if ids is None else data.take(data.index.positions(ids))
        source, ids = capture(source, some, site, show=None), None
    array = source[site]
    letters = source.layouts.get(site, "")
    if letters not in {"n c h w", "n c t"}:
        raise ValueError(
            f"site must return maps (n c h w), got {site!r} with {letters!r}; "
            "choose a convolution, its activation or pooling"
        )
    wanted = _units(units, array.shape[1])
    places = np.arange(len(source)) if ids is None else source.rows.positions(ids)
    values = np.asarray(array[places][:, wanted], np.float32)
    if values.ndim == 3:
        values = values[:, :, None]
    return Tiles(values.swapaxes(0, 1), _names(site, wanted), source.rows.take(places))


def kernel_tiles(model: Model | nn.Module, site: str, units: Sequence[int] | None = None) -> Tiles:
    """Kernels of a convolution: a row a unit, a column an input channel.

    Parameters
    ----------
    model : Model or torch.nn.Module
        The model.
    site : str
        Path of a 1-D or 2-D convolution.
    units : sequence of int or None
        Which output units, in the order of the rows; None for all.

    Raises
    ------
    UnknownSite
        If the site is none of the model.
    ValueError
        If it is no convolution, or a unit is out of range.
    """
    root = as_model(model).module
    modules = dict(root.named_modules(remove_duplicate=False))
    if site not in modules:
        near = ", ".join(repr(one) for one in check.nearest(site, modules))
        raise UnknownSite(f"site must be a site of the model, got {site!r}; nearest: {near}")
    module: Any = modules[site]
    weight = getattr(module, "weight", None) if isinstance(module, _CONVOLUTIONS) else None
    if weight is None:
        raise ValueError(
            f"site must be a 1-D or 2-D convolution, got {site!r} ({type(module).__name__}); "
            "choose one, e.g. the first"
        )
    values = weight.detach().to("cpu", torch.float32).numpy()
    if values.ndim == 3:
        values = values[:, :, None]
    wanted = _units(units, len(values))
    return Tiles(values[wanted].copy(), _names(site, wanted), Index.count(values.shape[1], "input"))


def _units(units: Sequence[int] | None, count: int) -> NDArray[np.int64]:
    wanted = np.arange(count) if units is None else np.asarray(units, np.int64).reshape(-1)
    for one in wanted.tolist():
        check.whole("unit", one, 0, count - 1)
    return wanted


def _names(site: str, units: NDArray[np.int64]) -> Index:
    return Index(np.array([f"{site}:{one}" for one in units.tolist()], dtype=np.str_), "unit")

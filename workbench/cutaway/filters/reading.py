"""Maps of a site in pieces of bounded memory, as the numbers that describe each map.

A layer's maps may be larger than memory (a store on disk), so units are read in groups, each in
blocks of samples; only what describes a map is kept of it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from cutaway.core import Index, Origin, Tick, part, silent
from cutaway.core.scale import size_exponents
from cutaway.filters.coordinates import pooled, scaled

Array: TypeAlias = NDArray[np.float64]
PIXELS = 64  # a larger map is averaged before it is described
ROWS_EACH = 9  # samples that a direction of a robust covariance needs
_GROUP_BYTES = 48e6
_BLOCK_BYTES = 24e6
_FAINT = 1e-2  # of the median energy: below it an energy counts as none


@runtime_checkable
class Maps(Protocol):
    """What the screen reads of `cutaway.Activations`."""

    @property
    def sites(self) -> tuple[str, ...]:
        """Names of the captured sites."""

    @property
    def rows(self) -> Index:
        """Ids of the samples."""

    @property
    def origin(self) -> Origin:
        """How they were captured."""

    def __getitem__(self, site: str) -> NDArray[Any]:
        """Array of a site, samples first."""

    def unit_axis(self, site: str) -> int:
        """Axis of its units."""


@dataclass(frozen=True, eq=False)
class Group:
    """Some units of one site.

    Parameters
    ----------
    site : str
        Its name.
    number : int
        Its place among the sites.
    units : ndarray of shape (units,)
        Which.
    small : ndarray of shape (n, units, ...)
        The maps, averaged to at most 64 pixels, for the coordinates.
    rows : ndarray of shape (n, units, p)
        What describes a map for its distance from the bulk (see `described`).
    exponents : ndarray of shape (units,)
        Powers of two that each unit's maps were divided by (see `cutaway.core.scale`).
    span : (float, float)
        Fractions of all units that lie before the group and up to its end.
    """

    site: str
    number: int
    units: NDArray[np.int64]
    small: Array
    rows: Array
    exponents: NDArray[np.int64]
    span: tuple[float, float]


def groups(acts: Maps, tick: Tick = silent) -> Iterator[Group]:
    """All units of all sites, in order, in groups of bounded memory.

    The tick hears each group's `span` while it is read, up to the middle of it.
    """
    n, sites = len(acts.rows), len(acts.sites)
    size = max(1, int(_GROUP_BYTES / (8.0 * (2 * PIXELS + 3) * max(n, 1))))
    for number, site in enumerate(acts.sites):
        count = acts[site].shape[acts.unit_axis(site)]
        for first in range(0, count, size):
            units = np.arange(first, min(first + size, count))
            span = (number + first / count) / sites, (number + (units[-1] + 1) / count) / sites
            heard = part(tick, span[0], (span[0] + span[1]) / 2)
            yield Group(site, number, units, *read(acts, site, units, heard), span)


def read(
    acts: Maps, site: str, units: NDArray[np.int64], tick: Tick = silent
) -> tuple[Array, Array, NDArray[np.int64]]:
    """Small maps and describing rows of some consecutive units of a site.

    Parameters
    ----------
    acts : Activations
        Where from.
    site : str
        Which layer.
    units : ndarray of shape (units,)
        Consecutive numbers.
    tick : Tick
        Progress.

    Returns
    -------
    small, rows, exponents
        As in `Group`.
    """
    # Not acts.units: flat positions would be averaged along rows, not in squares.
    maps = np.moveaxis(acts[site], acts.unit_axis(site), 1)[:, units[0] : units[-1] + 1]
    exponents = size_exponents(maps, 1)
    n, pixels = len(maps), int(np.prod(maps.shape[2:]))
    each = max(1, int(_BLOCK_BYTES / (8.0 * max(pixels * len(units), 1))))
    if pixels <= PIXELS:
        small = np.asarray(scaled(maps, exponents), dtype=np.float64)
        return small, described(small), exponents
    small_blocks, coarse, energy = [], [], []
    for first in range(0, n, each):
        tick(first / n, f"reading {site}")
        block = np.asarray(scaled(maps[first : first + each], exponents), dtype=np.float64)
        small_blocks.append(pooled(block, 8))
        coarse.append(pooled(block, 4))
        energy.append(energies(block))
    rows = with_energies(np.concatenate(coarse), np.concatenate(energy))
    return np.concatenate(small_blocks), rows, exponents


def described(maps: Array) -> Array:
    """Rows (n, filters, p) that describe whole maps, for the robust distance.

    Parameters
    ----------
    maps : ndarray of shape (n, filters, ...)
        Float64.

    Returns
    -------
    ndarray of shape (n, filters, p)
        The pixels themselves, where they are at most 64 and the samples nine times as many.
        Otherwise averages of about 4 x 4 cells, and what averaging loses: the log energies of the
        map about its mean, of its first and of its second differences. A faint map, or one with a
        patch of noise, lies near the centre by its averages and is far out by these.
    """
    n, pixels = len(maps), int(np.prod(maps.shape[2:]))
    if pixels <= max(16, min(PIXELS, n // ROWS_EACH)):
        return maps.reshape(*maps.shape[:2], -1)
    return with_energies(pooled(maps, 4), energies(maps))


def energies(maps: Array) -> Array:
    """(n, filters, 3) mean square of maps about their mean, of first and of second differences."""
    axes = range(2, maps.ndim)
    with np.errstate(invalid="ignore", over="ignore"):  # infinite maps are dropped later
        found = [maps.reshape(*maps.shape[:2], -1).var(axis=2)]
        for order in (1, 2):
            steps = [np.diff(maps, order, axis=axis) for axis in axes if maps.shape[axis] > order]
            squares = [(one**2).mean(axis=tuple(axes)) for one in steps]
            found.append(sum(squares, np.zeros(maps.shape[:2])))
    return np.stack(found, axis=2)


def with_energies(coarse: Array, energy: Array) -> Array:
    """Averages and log energies as one row, both of unit scale."""
    with np.errstate(invalid="ignore", over="ignore"):
        finite = np.where(np.isfinite(energy), energy, np.nan)
        middle, mean = _quiet(np.nanmedian, finite), _quiet(np.nanmean, finite)
        unit = np.where(middle > 0, middle, np.where(mean > 0, mean, 1.0))
        logs = np.log(energy / unit + _FAINT)
        scale = np.nan_to_num(_quiet(np.nanstd, np.where(np.isfinite(logs), logs, np.nan)))
        width = np.nan_to_num(_quiet(np.nanstd, np.where(np.isfinite(coarse), coarse, np.nan)))
        widest = width.max(axis=1, keepdims=True)
        return np.concatenate(
            [coarse / np.where(widest > 0, widest, 1.0), logs / np.where(scale > 1e-9, scale, 1.0)],
            axis=2,
        )


def _quiet(function: Any, values: Array) -> Array:
    """A NaN-skipping reduction over samples that gives 0 for columns without any value."""
    some = np.isfinite(values).any(axis=0)
    return np.asarray(function(np.where(some, values, 0.0), axis=0))

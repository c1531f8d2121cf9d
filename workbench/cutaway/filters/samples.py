"""What every mixture engine takes and gives: a block of filters' samples, settings, fits.

Notation: b filters, k components, n samples, d dimensions, P = 1 + d + d (d + 1) / 2.
"""

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]
Scalar = TypeVar("Scalar", bound=np.number[Any])


@dataclass(frozen=True, eq=False)
class Settings:
    """What EM does: covariance type, ridge, stopping rule."""

    covariance: str = "full"
    reg: float = 1e-3
    tol: float = 1e-3
    max_iter: int = 200


@dataclass(frozen=True, eq=False)
class Samples:
    """One block of filters, samples last and in the order of their first coordinate.

    In this order a start that draws samples one after the other does not depend on how the data
    set was ordered. Rows with a NaN are dropped: they come last and are zero.

    Parameters
    ----------
    across : ndarray of shape (b, d, n)
        Centred coordinates.
    count : ndarray of shape (b,)
        Kept samples of each filter.
    order : ndarray of shape (b, n)
        Row of the coordinates that each sample was.
    centre : ndarray of shape (b, d)
        What was subtracted: moments about the origin cancel when data lie far from it.
    """

    across: Array
    count: NDArray[np.int64]
    order: NDArray[np.int64]
    centre: Array

    @classmethod
    def of(cls, x: NDArray[np.floating[Any]]) -> "Samples":
        """Block of coordinates (b, n, d)."""
        finite = np.isfinite(x).all(axis=2)
        count = finite.sum(axis=1)
        order = np.argsort(np.where(finite, x[:, :, 0], np.inf), axis=1, kind="stable")
        across = np.empty((x.shape[0], x.shape[2], x.shape[1]))
        for j, row in enumerate(np.moveaxis(across, 1, 0)):
            row[:] = np.take_along_axis(x[:, :, j], order, axis=1)
        dropped = ~finite.all()
        kept = np.arange(x.shape[1]) < count[:, None]
        if dropped:
            across[~np.broadcast_to(kept[:, None], across.shape)] = 0.0
        centre = across.sum(axis=2) / np.maximum(count, 1)[:, None]
        across -= centre[:, :, None]
        if dropped:
            across *= kept[:, None]
        return cls(across, count, order, centre)

    @cached_property
    def kept(self) -> Array:
        """(b, n): 1.0 for kept samples, else 0.0."""
        return (np.arange(self.across.shape[2]) < self.count[:, None]).astype(np.float64)

    @cached_property
    def phi(self) -> Array:
        """(b, P, n) monomials 1, x, x_i x_j (i >= j); zero in dropped samples."""
        rows, columns = np.tril_indices(self.across.shape[1])
        products = self.across[:, rows] * self.across[:, columns]
        return np.concatenate([self.kept[:, None], self.across, products], axis=1)

    def take(self, places: NDArray[np.int64]) -> "Samples":
        """Block of some of the filters."""
        return Samples(*(getattr(self, one.name)[places] for one in fields(self)))

    def sort(self, values: NDArray[Scalar]) -> NDArray[Scalar]:
        """Values (b, ..., n) of the rows of the coordinates, in the order of the samples."""
        return np.take_along_axis(values, self._wide_order(values), axis=-1)

    def restore(self, values: NDArray[Scalar], missing: float = np.nan) -> NDArray[Scalar]:
        """Values (b, ..., n) of the samples in the order of the rows, `missing` in dropped ones."""
        restored = np.empty_like(values)
        wide = (len(values), *(1,) * (values.ndim - 2), values.shape[-1])
        if (self.count < values.shape[-1]).any():
            values = np.where(self.kept.reshape(wide) > 0, values, missing).astype(values.dtype)
        np.put_along_axis(restored, self._wide_order(values), values, axis=-1)
        return restored

    def _wide_order(self, values: NDArray[Scalar]) -> NDArray[np.int64]:
        wide = (len(values), *(1,) * (values.ndim - 2), values.shape[-1])
        return np.broadcast_to(self.order.reshape(wide), values.shape)


@dataclass(frozen=True, eq=False)
class Fit:
    """One fitted mixture a filter of a block.

    Parameters
    ----------
    weights, means, covariances : ndarray of shape (b, k), (b, k, d), (b, k, d, d)
        Means about the block's centre; full matrices for every covariance type.
    done, failed : ndarray of shape (b,)
        Converged; stopped because a covariance was not positive definite.
    n_iter : ndarray of shape (b,)
        Iterations of the start that won.
    trace : ndarray of shape (b, iterations)
        Mean log-likelihood (nats a sample) before each of its M-steps, NaN after the last.
    """

    weights: Array
    means: Array
    covariances: Array
    done: NDArray[np.bool_]
    failed: NDArray[np.bool_]
    n_iter: NDArray[np.int64]
    trace: Array

    def at(self, filters: NDArray[np.int64]) -> "Fit":
        """Fit of some of the filters."""
        return Fit(*(getattr(self, one.name)[filters] for one in fields(self)))

    def by_falling_weight(self) -> "Fit":
        """Return the fit with each filter's components by falling weight."""
        order = np.argsort(-self.weights, axis=1, kind="stable")
        return Fit(
            np.take_along_axis(self.weights, order, axis=1),
            np.take_along_axis(self.means, order[..., None], axis=1),
            np.take_along_axis(self.covariances, order[..., None, None], axis=1),
            *(getattr(self, name) for name in ("done", "failed", "n_iter", "trace")),
        )

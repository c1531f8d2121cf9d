"""What a scatter of one filter's samples needs: points, clusters, tails and ellipses."""

from dataclasses import dataclass, fields
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class FilterPicture:
    """One filter in the plane of its first two coordinates; samples in the order of the screen.

    Parameters
    ----------
    points : ndarray of shape (n, 2)
        Float32; in standard deviations of the first coordinate. NaN for dropped samples; the
        second is 0 for a filter of one dimension.
    assignment : ndarray of shape (n,)
        Component of each sample, 0 the heaviest; -1 for dropped samples.
    responsibility : ndarray of shape (n,)
        Probability of that component.
    tail : ndarray of shape (n,)
        -log10 p of the sample's robust distance.
    weights : ndarray of shape (k,)
        Mixing weights.
    means : ndarray of shape (k, 2)
        Component means in the plane.
    covariances : ndarray of shape (k, 2, 2)
        Component covariances in the plane (marginals of the full ones).
    """

    points: Array
    assignment: NDArray[np.int16]
    responsibility: Array
    tail: Array
    weights: Array
    means: Array
    covariances: Array

    def __post_init__(self) -> None:
        """Make the arrays read-only."""
        for one in fields(self):
            getattr(self, one.name).setflags(write=False)

    def ellipses(self, *, coverage: float = 0.865, corners: int = 64) -> Array:
        """Closed outlines of the components.

        Parameters
        ----------
        coverage : float
            Fraction of a component's samples inside; 0.865 is two standard deviations.
        corners : int
            Points of an outline; the last repeats the first.

        Returns
        -------
        ndarray of shape (k, corners, 2)
            In the units of `points`.
        """
        if not 0.0 < coverage < 1.0:
            raise ValueError(f"coverage must lie inside 0..1, got {coverage}; 0.865 draws two sd")
        angle = np.linspace(0.0, 2.0 * np.pi, corners)
        circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        radius = np.sqrt(-2.0 * np.log1p(-coverage))
        values, axes = np.linalg.eigh(self.covariances)
        root = axes * np.sqrt(np.maximum(values, 0.0))[:, None, :]
        return np.asarray(self.means[:, None] + radius * (circle @ root.swapaxes(1, 2)))


def in_plane(
    coordinates: Array,
    assignment: NDArray[np.int16],
    responsibility: Array,
    tail: Array,
    mixture: tuple[Array, Array, Array],
) -> FilterPicture:
    """Picture of one filter from the arrays of a screen; `mixture` holds NaN-padded components."""
    weights, means, covariances = mixture
    k = int(np.isfinite(weights).sum())
    points = np.zeros((len(coordinates), 2), coordinates.dtype)
    d = min(2, coordinates.shape[1])
    points[:, :d] = coordinates[:, :d]
    if d == 2:
        flat = np.isfinite(points[:, 0]) & np.isnan(points[:, 1])
        points[flat, 1] = 0.0  # a filter of one dimension lies on a line
    points[np.isnan(points[:, 0]), 1] = np.nan
    centres, spread = np.zeros((k, 2)), np.zeros((k, 2, 2))
    centres[:, :d] = np.nan_to_num(means[:k, :d])
    spread[:, :d, :d] = np.nan_to_num(covariances[:k, :d, :d])
    return FilterPicture(
        points,
        assignment.copy(),
        responsibility.copy(),
        tail.copy(),
        weights[:k].copy(),
        centres,
        spread,
    )

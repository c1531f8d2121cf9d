"""One batch-normalised feature from several, with the variance that their mean has."""

from collections.abc import Callable

import numpy as np

from cutaway.merging.slots import Ints
from cutaway.merging.weights import Array, Weights

_POWER = 2.0  # of the cosine that stands for a correlation


def repaired_features(
    weights: Weights, path: str, norm: str, clusters: list[Ints]
) -> tuple[Array, dict[str, Array]]:
    """Rows of a layer, one for each cluster of its units, and the vectors that go with them.

    Parameters
    ----------
    weights : Weights
        Before any merge.
    path, norm : str
        Of the layer, and of the batch norm right behind it.
    clusters : list of ndarray of int
        Units in each feature.

    Returns
    -------
    rows : ndarray of shape (clusters, columns, …)
    vectors : dict of str to ndarray of shape (clusters,)
        By name: the layer's bias and all of the batch norm.

    Notes
    -----
    With gain g, standard deviation s and row w of each unit, what it contributes is g w / s. The
    new row is the mean of these over the m units of a cluster, the new gain the mean size of
    theirs, and the variance that of the mean,

        sum over i, j of abs(g_i g_j) r_ij / m^2,   r_ij = max(0, cos(g_i w_i, g_j w_j))^2.

    The cosine would be the correlation of two sums of independent inputs of one variance; inputs
    are not that, and its square did better at a quarter of the features on networks kept for
    choosing. Copies merge exactly (r = 1), and unlike features keep the size that the next layer
    was trained on.
    Row, mean and variance are then scaled so that the variance is the mean of the units' own.
    """
    tensor = weights.values[f"{path}.weight"]
    variance = weights.values[f"{norm}.running_var"]
    gain = weights.values.get(f"{norm}.weight", np.ones(len(tensor)))
    sign = np.array([-1.0 if gain[units].sum() < 0 else 1.0 for units in clusters])
    by = [
        one * _factors(tensor[units], gain[units], variance[units] + weights.norms[norm])
        for one, units in zip(sign, clusters, strict=True)
    ]

    def weighted(values: Array) -> Array:
        pairs = zip(by, clusters, strict=True)
        return np.stack([np.tensordot(one, values[units], 1) for one, units in pairs])

    def averaged(values: Array) -> Array:
        return np.array([values[units].mean() for units in clusters])

    made: dict[str, Callable[[Array], Array]] = {
        f"{path}.bias": weighted,
        f"{norm}.weight": lambda values: averaged(np.abs(values)) * sign,
        f"{norm}.bias": averaged,
        f"{norm}.running_mean": weighted,
        f"{norm}.running_var": averaged,
    }
    vectors = {
        name: make(weights.values[name]) for name, make in made.items() if name in weights.values
    }
    return weighted(tensor), vectors


def _factors(rows: Array, gain: Array, variance: Array) -> Array:
    """By what the units of one cluster are added, but for the sign of all; 1 for a single one."""
    m = len(rows)
    if m == 1:
        return np.where(gain < 0, -1.0, 1.0)
    part = gain / np.sqrt(variance)
    given = rows.reshape(m, -1) * part[:, None]
    norms = np.sqrt((given**2).sum(axis=1))
    norms[norms == 0] = 1
    alike = np.maximum((given / norms[:, None]) @ (given / norms[:, None]).T, 0) ** _POWER
    np.fill_diagonal(alike, 1)
    deviation = np.sqrt(np.abs(gain) @ alike @ np.abs(gain)) / m
    factors: Array = part * (np.sqrt(variance.mean()) / deviation if deviation > 0 else 1.0) / m
    return factors

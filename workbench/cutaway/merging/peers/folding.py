"""Model Folding: features clustered by k-means, each cluster replaced by its mean."""

import warnings

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning

from cutaway.merging.flow import Group, Producer
from cutaway.merging.peers.maps import columns_of, plain, read_as
from cutaway.merging.weights import Array, Weights

_STARTS = 4


def folded(weights: Weights, group: Group, size: int, *, repair: bool, seed: int) -> None:
    """Fold a group of features to a size, in place.

    Parameters
    ----------
    weights : Weights
        Batch norms not folded.
    group : Group
    size : int
        Clusters wanted.
    repair : bool
        See `averaged`.
    seed : int
        Of k-means, on each feature's rows and bias with batch norms folded, and its columns.

    References
    ----------
    Wang, Šikić, Thiele, Saukh, "Forget the data and fine-tuning! Just fold the network to
    compress", ICLR 2025, arXiv:2502.10216: equations 3-4, and "Fold-AR" for the repair.
    """
    parts = [plain(weights, one) for one in group.producers]
    biases = [bias[:, None] for _, bias in parts if bias is not None]
    rows = [one for one, _ in parts]
    points = np.concatenate([*rows, *biases, columns_of(weights, group)], axis=1)
    averaged(weights, group, clusters(points, size, seed), repair=repair)


def averaged(weights: Weights, group: Group, labels: NDArray[np.int64], *, repair: bool) -> None:
    """Replace each cluster of features by its mean, in place.

    Parameters
    ----------
    weights : Weights
        Batch norms not folded.
    group : Group
    labels : ndarray of shape (n,)
        Cluster of each feature, 0, 1, 2 …, none left out.
    repair : bool
        Undo the loss of variance that averaging brings, where a batch norm follows.

    Notes
    -----
    Rows and biases, batch norms folded in, are averaged, columns added. Batch norms stay in the
    network, written so that they change nothing (variance 1, gain the mean of the cluster's), so
    that `recalibrated` can be measured on the outcome too.

    The repair multiplies what a cluster of m members gives, about its mean over the data, by
    sqrt(m / (1 + (m - 1) c)), where c is the mean cosine of two members' rows (0 if negative),
    which stands for the correlation of their outputs.
    """
    members = np.zeros((labels.max() + 1, group.size))
    members[labels, np.arange(group.size)] = 1
    mean = members / members.sum(axis=1, keepdims=True)
    for one in group.producers:
        if one.norm is None:
            _average(weights, one.path, mean)
        else:
            _average_normed(weights, one, mean, members, repair=repair)
    read_as(weights, group, members.T)


def clusters(points: Array, size: int, seed: int) -> NDArray[np.int64]:
    """Labels of exactly `size` clusters, none empty.

    Parameters
    ----------
    points : ndarray of shape (n, d)
    size : int
    seed : int
    """
    n = len(points)
    if size >= n:
        return np.arange(n)
    # The same distances in at most n dimensions.
    coordinates = np.linalg.qr(points.T)[1].T
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct points than clusters
        found = KMeans(size, n_init=_STARTS, random_state=seed).fit(coordinates)
    labels: NDArray[np.int64] = found.labels_.astype(np.int64)
    for empty in sorted(set(range(size)) - set(labels.tolist())):
        largest = np.bincount(labels, minlength=size).argmax()
        labels[np.flatnonzero(labels == largest)[-1]] = empty
    return labels


def _average(weights: Weights, path: str, mean: Array) -> None:
    weight, bias = weights.values[f"{path}.weight"], weights.values.get(f"{path}.bias")
    made = mean @ weight.reshape(len(weight), -1)
    weights.values[f"{path}.weight"] = made.reshape(len(made), *weight.shape[1:])
    if bias is not None:
        weights.values[f"{path}.bias"] = mean @ bias


def _average_normed(
    weights: Weights, one: Producer, mean: Array, members: Array, *, repair: bool
) -> None:
    path, norm = one
    values, weight = weights.values, weights.values[f"{path}.weight"]
    rows, bias = plain(weights, one)
    n = len(weight)
    gain, shift = values.get(f"{norm}.weight", np.ones(n)), values.get(f"{norm}.bias", np.zeros(n))
    strength = mean @ np.abs(gain)
    factor = _inflation(rows, members) if repair else np.ones(len(mean))
    factor = factor * np.sqrt(1 + weights.norms[str(norm)]) / np.where(strength > 0, strength, 1)
    made = (mean @ rows) * factor[:, None]
    values[f"{path}.weight"] = made.reshape(len(made), *weight.shape[1:])
    new = {
        f"{path}.bias": np.zeros(len(made)),
        f"{norm}.running_mean": (mean @ (shift - (0 if bias is None else bias))) * factor,
        f"{norm}.running_var": np.ones(len(made)),
        f"{norm}.weight": strength,
        f"{norm}.bias": mean @ shift,
    }
    values.update({key: value for key, value in new.items() if key in values})


def _inflation(rows: Array, members: Array) -> Array:
    """Factor that gives the mean of each cluster's rows the variance of one member."""
    norms = np.linalg.norm(rows, axis=1)
    unit = rows / np.where(norms > 0, norms, 1)[:, None]
    size = members.sum(axis=1)
    total = ((members @ unit) ** 2).sum(axis=1) - members @ (norms > 0)
    pairs = np.maximum(size * (size - 1), 1)
    cosine = np.clip(total / pairs, 0, 1)
    factor: Array = np.sqrt(size / (1 + (size - 1) * cosine))
    return factor

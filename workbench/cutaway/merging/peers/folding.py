"""Model Folding: features clustered by k-means, each cluster replaced by its mean."""

import warnings

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning

from cutaway.merging.flow import Group, Producer
from cutaway.merging.peers.maps import columns_of, read_as, rows_of
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
        Undo the loss of variance that averaging rows brings, where a batch norm follows.
    seed : int
        Of k-means.

    Notes
    -----
    k-means (4 starts) on each feature's rows and bias with batch norms folded, and its columns.
    Rows and biases of a cluster are averaged, its columns added. Batch norms stay in the network,
    written so that they change nothing (mean 0, variance 1, their gain the mean of the cluster's),
    so that `recalibrated` can be measured on the outcome too.

    The repair multiplies the rows of a cluster of m members by sqrt(m / (1 + (m - 1) c)), where c
    is the mean cosine of two members' rows (0 if negative), which stands for the correlation of
    their outputs.

    References
    ----------
    Wang, Šikić, Thiele, Saukh, "Forget the data and fine-tuning! Just fold the network to
    compress", ICLR 2025, arXiv:2502.10216: equations 3-4, and "Fold-AR" for the repair.
    """
    ready = weights.copy()
    ready.fold(group)
    biases = [ready.values[one][:, None] for one in ready.vectors(group)]
    points = np.concatenate([rows_of(ready, group), *biases, columns_of(weights, group)], axis=1)
    labels = clusters(points, size, seed)
    members = np.zeros((size, group.size))
    members[labels, np.arange(group.size)] = 1
    mean = members / members.sum(axis=1, keepdims=True)
    for one in group.producers:
        _average(weights, ready, one, mean, members, repair=repair)
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


def _average(
    weights: Weights, ready: Weights, one: Producer, mean: Array, members: Array, *, repair: bool
) -> None:
    path, norm = one
    weight, bias = ready.values[f"{path}.weight"], ready.values.get(f"{path}.bias")
    rows = weight.reshape(len(weight), -1)
    made = mean @ rows
    if norm is None:
        if bias is not None:
            weights.values[f"{path}.bias"] = mean @ bias
    else:
        gain = weights.values.get(f"{norm}.weight", np.ones(len(weight)))
        strength = mean @ np.abs(gain)
        scale = np.sqrt(1 + weights.norms[norm]) / np.where(strength > 0, strength, 1)
        made = made * (scale * (_inflation(rows, members) if repair else 1))[:, None]
        shift = np.zeros(len(weight)) if bias is None else bias
        size = len(mean)
        if f"{path}.bias" in weights.values:
            weights.values[f"{path}.bias"] = np.zeros(size)
        weights.values[f"{norm}.running_mean"] = np.zeros(size)
        weights.values[f"{norm}.running_var"] = np.ones(size)
        if f"{norm}.weight" in weights.values:
            weights.values[f"{norm}.weight"] = strength
        if f"{norm}.bias" in weights.values:
            weights.values[f"{norm}.bias"] = mean @ shift
    weights.values[f"{path}.weight"] = made.reshape(len(made), *weight.shape[1:])


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

"""A group's features replaced by fewer ones, each a weighted sum of old ones."""

import numpy as np

from cutaway.merging.flow import Group, Producer
from cutaway.merging.weights import Array, Weights


def plain(weights: Weights, one: Producer) -> tuple[Array, Array | None]:
    """Weight (n, d) and bias (n,) of a producer with the batch norm behind it folded in.

    Parameters
    ----------
    weights : Weights
        Not changed.
    one : Producer
    """
    path, norm = one
    weight = weights.values[f"{path}.weight"]
    rows = weight.reshape(len(weight), -1)
    bias = weights.values.get(f"{path}.bias")
    if norm is None:
        return rows, bias
    zeros, ones = np.zeros(len(rows)), np.ones(len(rows))
    mean, variance = (weights.values[f"{norm}.running_{one}"] for one in ("mean", "var"))
    gain = weights.values.get(f"{norm}.weight", ones)
    scale = gain / np.sqrt(variance + weights.norms[norm])
    bias = zeros if bias is None else bias
    shift = weights.values.get(f"{norm}.bias", zeros)
    return rows * scale[:, None], (bias - mean) * scale + shift


def rows_of(weights: Weights, group: Group) -> Array:
    """Weights of each feature in all its producers, side by side: (n, d)."""
    parts = [weights.values[f"{one.path}.weight"] for one in group.producers]
    return np.concatenate([one.reshape(len(one), -1) for one in parts], axis=1)


def columns_of(weights: Weights, group: Group) -> Array:
    """Weights with which all consumers read each feature, side by side: (n, d)."""
    parts = [weights.values[f"{one.path}.weight"] for one in group.consumers]
    split = [one.reshape(len(one), group.size, -1).swapaxes(0, 1) for one in parts]
    return np.concatenate([one.reshape(group.size, -1) for one in split], axis=1)


def keep(weights: Weights, group: Group, kept: list[int]) -> None:
    """Leave only some features in what produces them: rows, biases, batch norms."""
    names = [f"{one.path}.weight" for one in group.producers]
    for name in names + weights.vectors(group):
        weights.values[name] = weights.values[name][kept]


def read_as(weights: Weights, group: Group, mixed: Array) -> None:
    """Let consumers read fewer features.

    Parameters
    ----------
    weights : Weights
    group : Group
    mixed : ndarray of shape (old, new)
        Old feature i was about the sum over j of ``mixed[i, j]`` times new feature j.
    """
    for path, _ in group.consumers:
        weight = weights.values[f"{path}.weight"]
        columns = weight.reshape(len(weight), group.size, -1)
        made = np.einsum("onb,nm->omb", columns, mixed)
        shape = (len(weight), weight.shape[1] // group.size * mixed.shape[1], *weight.shape[2:])
        weights.values[f"{path}.weight"] = made.reshape(shape)

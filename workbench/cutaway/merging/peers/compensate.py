"""Neuron Merging: prune by norm, let the most similar kept feature stand in for a lost one."""

import numpy as np

from cutaway.merging.flow import Group
from cutaway.merging.peers.maps import plain
from cutaway.merging.weights import Array, Weights

COSINE = 0.45  # least similarity at which a lost feature is stood in for
LAMBDA = 0.85  # part of the cosine distance in the choice behind a batch norm; the rest is biases


def stand_ins(weights: Weights, group: Group, kept: list[int]) -> Array:
    """How each old feature reads in terms of the kept ones.

    Parameters
    ----------
    weights : Weights
        Before pruning, batch norms not folded.
    group : Group
    kept : list of int

    Returns
    -------
    ndarray of shape (n, len(kept))
        One 1 in the row of a kept feature. In that of a lost one the ratio of norms, at the kept
        feature with which its rows have the largest cosine; all zeros if that is below 0.45 (what
        reads it then loses it, as in plain pruning).

    Notes
    -----
    Behind batch norms, rows and biases are those of the folded layers, and the kept feature with
    the least 0.85 * (1 - cosine) + 0.15 * (bias gap, scaled to [0, 1] over the kept ones) is taken.
    The gap is |b - s b'| / s for a ratio of norms s, in units of the kept feature. Without batch
    norm the cosine is that of rows with the bias appended, and nothing else counts.

    References
    ----------
    Kim, Kim, Choi, Kim, Kim, "Neuron merging: compensating for pruned neurons", NeurIPS 2020,
    arXiv:2010.13160, sections 3.2-3.3; threshold and lambda as there for VGG-16.
    """
    normed = any(one.norm is not None for one in group.producers)
    parts = [plain(weights, one) for one in group.producers]
    rows = np.concatenate([one for one, _ in parts], axis=1)
    biases = [bias for _, bias in parts if bias is not None]
    if biases and not normed:
        rows = np.column_stack([rows, *biases])
    norms = np.linalg.norm(rows, axis=1)
    unit = rows / np.where(norms > 0, norms, 1)[:, None]
    cosines = unit @ unit[kept].T
    safe = np.where(norms[kept] > 0, norms[kept], np.inf)
    scales = norms[:, None] / safe
    scores = 1 - cosines
    if normed:
        gaps = sum(np.abs(one[:, None] - scales * one[kept]) for one in biases)
        gaps = gaps / np.where(scales > 0, scales, 1)
        gaps = gaps - gaps.min(axis=1, keepdims=True)
        most = gaps.max(axis=1, keepdims=True)
        scores = LAMBDA * scores + (1 - LAMBDA) * gaps / np.where(most > 0, most, 1)
    mixed = np.zeros(cosines.shape)
    chosen = scores.argmin(axis=1)
    for lost in sorted(set(range(group.size)) - set(kept)):
        place = chosen[lost]
        if cosines[lost, place] >= COSINE:
            mixed[lost, place] = scales[lost, place]
    mixed[kept, np.arange(len(kept))] = 1
    return mixed

"""Planted attributions for the tests of their view."""

import numpy as np

from cutaway.causal import Attributions
from cutaway.core import Index, Origin


def attributed(ids, *, side=8, exact=True):
    """Sample i: left half −(i + 1), right half +(i + 1) / 2; no pixel missing."""
    n = len(ids)
    values = np.ones((n, side, side), np.float32) * np.arange(1, n + 1)[:, None, None]
    values[:, :, : side // 2] *= -1
    values[:, :, side // 2 :] /= 2
    return Attributions(
        Index(ids), Origin("attribute", model="net", data="planted"), values,
        np.arange(n) + 0.5, np.array([str(i % 10) for i in range(n)]),
        np.full(n, 0.25) if exact else None, "integrated_gradients",
    )  # fmt: skip

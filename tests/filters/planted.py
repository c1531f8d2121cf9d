"""Made-up feature maps whose odd filters and samples are known."""

from dataclasses import dataclass

import numpy as np

from cutaway.core import Index, Origin

SIDE = 6


class FakeMaps:
    """What the screen reads of Activations, from arrays."""

    def __init__(self, maps, ids=None):
        self._maps = maps if isinstance(maps, dict) else {"conv": maps}
        self.sites = tuple(self._maps)
        n = len(self._maps[self.sites[0]])
        self.rows = Index.count(n) if ids is None else Index(ids)
        self.origin = Origin("capture", model="planted", data="planted")

    def __getitem__(self, site):
        return self._maps[site]

    def unit_axis(self, site):
        return 1


@dataclass(frozen=True, eq=False)
class Planted:
    maps: np.ndarray  # (n, filters, SIDE, SIDE)
    odd_filter: np.ndarray  # (filters,)
    odd_sample: np.ndarray  # (n,) placed in at least one filter
    link: np.ndarray  # (filters, n)


def smooth_patterns(rng, count):
    """Smooth maps of unit norm a pixel: random low frequencies."""
    grid = np.linspace(0, np.pi, SIDE)
    low = np.stack([np.cos(k * grid) for k in range(3)])
    coefficients = rng.normal(size=(count, 3, 3))
    patterns = np.einsum("cij,ih,jw->chw", coefficients, low, low)
    return patterns / np.sqrt((patterns**2).mean(axis=(1, 2), keepdims=True))


def hard(seed, *, n=600, filters=48, odd=24, outliers=40, amplitude=(1.8, 4.5)):
    """A fresh set by the recipe of oracles/gmm: 24 of 48 filters displace some of 40 samples.

    Clean maps are three smooth patterns with falling sd plus pixel noise of 0.19, times a contrast
    of the sample that all filters share. Distractors: skewed, bimodal and class-detecting filters.
    """
    rng = np.random.default_rng(seed)
    classes = rng.integers(0, 5, n)
    contrast = np.exp(rng.normal(0, 0.15, n))
    pool = rng.choice(n, outliers, replace=False)
    maps = np.empty((n, filters, SIDE, SIDE))
    link = np.zeros((filters, n), bool)
    for f in range(filters):
        patterns = smooth_patterns(rng, 3)
        amounts = rng.normal(size=(n, 3)) * [1.0, 0.6, 0.35]
        if f % 4 == 1:
            amounts[:, 0] = rng.gamma(4.0, 0.5, n) - 2.0
        if f % 4 == 2:
            amounts[:, 0] = rng.normal(size=n) * 0.4 + np.where(rng.random(n) < 0.5, 1.5, -1.5)
        if f % 4 == 3:
            amounts[:, 0] += 2.0 * (classes == f % 5)
        one = 1.0 + np.einsum("nk,khw->nhw", amounts, patterns)
        one += rng.normal(0, 0.19, one.shape)
        if f < odd:
            chosen = rng.choice(pool, rng.integers(4, 11), replace=False)
            direction = rng.normal(size=(SIDE, SIDE))
            direction /= np.linalg.norm(direction)
            total = np.sqrt(one.var(axis=0).sum())
            size = rng.uniform(*amplitude, len(chosen)) * total
            one[chosen] += size[:, None, None] * direction
            link[f, chosen] = True
        maps[:, f] = one * contrast[:, None, None]
    order = rng.permutation(filters)
    return Planted(
        maps[:, order].astype(np.float32),
        (np.arange(filters) < odd)[order],
        link.any(axis=0),
        link[order],
    )


def null(kind, seed, *, n=600, filters=50):
    """Maps without any odd sample: "gaussian", "relu", "softplus" or "t6"."""
    rng = np.random.default_rng(seed)
    maps = np.empty((n, filters, SIDE, SIDE))
    for f in range(filters):
        amounts = rng.normal(size=(n, 3)) * [1.0, 0.6, 0.35]
        one = np.einsum("nk,khw->nhw", amounts, smooth_patterns(rng, 3))
        one += rng.normal(0, 0.19, one.shape)
        if kind == "t6":
            one *= np.sqrt(6.0 / rng.chisquare(6, n))[:, None, None]
        maps[:, f] = one
    if kind == "relu":
        maps = np.maximum(maps, 0.0)
    if kind == "softplus":
        maps = np.log1p(np.exp(maps))
    return maps.astype(np.float32)


def auc(score, truth):
    """Area under the ROC curve by counting pairs, ties one half."""
    good, bad = score[truth], score[~truth]
    wins = (good[:, None] > bad).sum() + 0.5 * (good[:, None] == bad).sum()
    return wins / (len(good) * len(bad))

"""Made-up feature maps whose odd filters and samples are known."""

from dataclasses import dataclass

import numpy as np

from cutaway.core import Index, Origin

NOISE = 0.19  # sd of a pixel
LATENT = np.array([1.0, 0.7, 0.5, 0.3, 0.2])  # sd along the smooth patterns
HARD, SOFT = (1.8, 4.5), (0.6, 1.5)  # displacements, in total sd of the filter


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
    maps: np.ndarray  # (n, filters, side, side)
    odd_filter: np.ndarray  # (filters,)
    odd_sample: np.ndarray  # (n,) placed in at least one filter
    link: np.ndarray  # (filters, n)


def smooth_patterns(rng, count, side):
    """Orthonormal smooth maps: random low frequencies."""
    grid = np.linspace(0, np.pi, side)
    low = np.stack([np.cos(k * grid) for k in range(3)])
    maps = np.einsum("cij,ih,jw->chw", rng.normal(size=(count, 3, 3)), low, low)
    columns, _ = np.linalg.qr(maps.reshape(count, -1).T)
    return columns.T.reshape(count, side, side)


def clean(rng, amounts, side):
    """Maps of the given amounts (n, 5) of five smooth patterns, with pixel noise."""
    maps = np.einsum("nk,khw->nhw", amounts, smooth_patterns(rng, amounts.shape[1], side))
    return maps + rng.normal(0, NOISE, maps.shape)


def latent(rng, n, kind, classes):
    """Amounts of the patterns: plain, skewed, bimodal or class-detecting by kind 0 .. 3."""
    amounts = rng.normal(size=(n, 5)) * LATENT
    if kind == 1:
        amounts[:, 0] = rng.gamma(4.0, 0.5, n) - 2.0
    if kind == 2:
        amounts[:, 0] = rng.normal(size=n) * 0.4 + np.where(rng.random(n) < 0.5, 1.5, -1.5)
    if kind == 3:
        amounts[:, 0] += 2.0 * (classes == rng.integers(5))
    return amounts


def hard(seed, *, n=600, filters=48, odd=24, outliers=40, amplitude=HARD, side=6, contrast=0.3):
    """A fresh set by the recipe of oracles/gmm: 24 of 48 filters displace 4 to 10 of 40 samples.

    Half of the odd filters displace all in one direction, half each in its own. Distractors:
    skewed, bimodal and class-detecting filters, and a contrast of the sample that all share.
    """
    rng = np.random.default_rng([seed, 77])
    classes = rng.integers(0, 5, n)
    gain = np.exp(rng.normal(0, contrast, n))
    pool = rng.choice(n, outliers, replace=False)
    maps = np.empty((n, filters, side, side), np.float32)
    link = np.zeros((filters, n), bool)
    for f in range(filters):
        one = clean(rng, latent(rng, n, f % 4, classes), side)
        if f < odd:
            chosen = rng.choice(pool, rng.integers(4, 11), replace=False)
            total = np.sqrt(one.var(axis=0).sum())
            direction = rng.normal(size=(1 if f % 8 < 4 else len(chosen), side, side))
            direction /= np.linalg.norm(direction, axis=(1, 2), keepdims=True)
            size = rng.uniform(*amplitude, len(chosen)) * total
            one[chosen] += size[:, None, None] * direction
            link[f, chosen] = True
        maps[:, f] = one * gain[:, None, None]
    order = rng.permutation(filters)
    return Planted(maps[:, order], (np.arange(filters) < odd)[order], link.any(axis=0), link[order])


def soft(seed, **options):
    """The same with outliers of 0.6 to 1.5 total sd."""
    return hard(seed, amplitude=SOFT, **options)


def null(kind, seed, *, n=600, filters=50, side=6, contrast=0.0):
    """Maps without any odd sample: "gaussian", "relu", "softplus" or "t6"."""
    rng = np.random.default_rng([seed, 5])
    maps = np.stack(
        [clean(rng, rng.normal(size=(n, 5)) * LATENT, side) for _ in range(filters)], axis=1
    )
    if kind == "t6":
        maps *= np.sqrt(6.0 / rng.chisquare(6, (n, filters)))[:, :, None, None]
    if kind == "relu":
        maps = np.maximum(maps, 0.0)
    if kind == "softplus":
        maps = np.log1p(np.exp(maps))
    maps *= np.exp(rng.normal(0, contrast, n))[:, None, None, None]
    return maps.astype(np.float32)


def auc(score, truth):
    """Area under the ROC curve by counting pairs, ties one half."""
    good, bad = score[truth], score[~truth]
    wins = (good[:, None] > bad).sum() + 0.5 * (good[:, None] == bad).sum()
    return wins / (len(good) * len(bad))


def average_precision(score, truth):
    """Mean precision at the places of the true ones, best score first."""
    hit = truth[np.argsort(-score, kind="stable")]
    return (np.cumsum(hit) / np.arange(1, len(hit) + 1))[hit].mean()

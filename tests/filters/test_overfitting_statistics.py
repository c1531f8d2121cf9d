"""Rank statistics of the experiments against scipy, scikit-learn and brute force."""

import itertools

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from cutaway.filters.overfitting.statistics import (
    auc,
    auc_by_class,
    mean_interval,
    shift_p,
    spearman,
    top,
)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize("n", [3, 8, 50])
def test_spearman_is_scipys_with_ties(rng, n):
    a, b = rng.integers(0, 4, n), rng.integers(0, 4, n)
    a[0], a[1], b[0], b[1] = 0, 3, 0, 3
    assert spearman(a, b) == pytest.approx(stats.spearmanr(a, b).statistic, abs=1e-12)


@pytest.mark.parametrize(("a", "b"), [([1, 1, 1], [1, 2, 3]), ([1, 2], [2, 1])])
def test_spearman_of_a_constant_or_of_two_is_undefined(a, b):
    assert np.isnan(spearman(a, b))
    assert np.isnan(shift_p(a, b))


def test_shift_p_counts_the_shifts_at_least_as_large(rng):
    a, b = np.arange(9.0), np.arange(9.0) + rng.normal(0, 0.1, 9)
    # Only the unshifted course follows time exactly.
    assert shift_p(a, b) == pytest.approx(1 / 9)


@pytest.mark.parametrize("draws", [150, pytest.param(400, marks=pytest.mark.slow)])
def test_shift_p_is_uniform_for_stationary_courses(rng, draws):
    kernel = np.fft.rfft(np.exp(-np.minimum(np.arange(40), 40 - np.arange(40)) / 5))

    def course():
        # Circular and autocorrelated: every shift is as likely as the course itself.
        return np.fft.irfft(np.fft.rfft(rng.normal(size=40)) * kernel, 40)

    pairs = [(course(), course()) for _ in range(draws)]
    p = np.array([shift_p(a, b) for a, b in pairs])
    naive = np.array([stats.spearmanr(a, b).pvalue for a, b in pairs])
    assert np.mean(naive <= 0.1) > 0.25
    # Binomial: so many draws at 0.1, four standard deviations.
    assert np.mean(p <= 0.1) < 0.1 + 4 * np.sqrt(0.1 * 0.9 / draws)


def test_shift_p_is_milder_than_the_textbook_on_trends_but_not_valid_there(rng):
    pairs = [(rng.normal(size=20).cumsum(), rng.normal(size=20).cumsum()) for _ in range(200)]
    p = np.array([shift_p(a, b) for a, b in pairs])
    naive = np.array([stats.spearmanr(a, b).pvalue for a, b in pairs])
    assert 0.1 < np.mean(p <= 0.05) < np.mean(naive <= 0.05) - 0.15


def test_auc_is_scikit_learns(rng):
    scores, positive = rng.integers(0, 6, 80).astype(float), rng.random(80) < 0.3
    assert auc(scores, positive) == pytest.approx(roc_auc_score(positive, scores), abs=1e-12)


def test_auc_counts_nan_as_smallest():
    assert auc([np.nan, 1.0, 2.0], [True, False, False]) == 0.0
    assert np.isnan(auc([1.0, 2.0], [True, True]))


def test_auc_by_class_is_the_auc_over_pairs_of_one_class(rng):
    scores = rng.normal(size=60)
    positive = rng.random(60) < 0.3
    labels = rng.integers(0, 3, 60)
    wins = [
        scores[i] > scores[j]
        for i, j in itertools.product(range(60), repeat=2)
        if positive[i] and not positive[j] and labels[i] == labels[j]
    ]
    assert auc_by_class(scores, positive, labels) == pytest.approx(np.mean(wins), abs=1e-12)


def test_auc_by_class_ignores_that_one_class_is_harder(rng):
    labels = np.repeat([0, 1], 500)
    scores = rng.normal(size=1000) + 5 * labels
    positive = rng.random(1000) < np.where(labels, 0.5, 0.02)
    assert auc(scores, positive) > 0.7
    assert auc_by_class(scores, positive, labels) == pytest.approx(0.5, abs=0.08)


def test_mean_interval_covers_the_mean_about_as_often_as_it_says(rng):
    hits = 0
    for seed in range(200):
        _, low, high = mean_interval(rng.normal(1.0, 1.0, 30), seed, n=400)
        hits += low <= 1.0 <= high
    assert 0.88 < hits / 200 <= 0.99


def test_mean_interval_leaves_undefined_runs_out():
    mean, low, high = mean_interval([np.nan, 2.0], 0)
    assert mean == 2.0
    assert np.isnan(low)
    assert np.isnan(high)


def test_top_takes_the_share_and_at_least_one():
    assert top(np.array([1.0, 3.0, np.nan, 2.0]), 0.5).tolist() == [False, True, False, True]
    assert top(np.array([1.0, 3.0]), 0.01).tolist() == [False, True]

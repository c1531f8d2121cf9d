import numpy as np
import pytest
from planted import null
from scipy.special import gammaincc
from sklearn.covariance import EmpiricalCovariance, MinCovDet

from cutaway.filters.robust import bulk_distances, whitened
from cutaway.filters.tails import (
    Distances,
    calibrated,
    check_classes,
    chi2_surprise,
    distances,
    without_gain,
)


def test_whitened_rows_have_unit_covariance_and_no_flat_direction():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(300, 3)) @ rng.normal(size=(3, 8)) + 5.0
    white = whitened(rows)
    assert white.shape == (300, 3)
    np.testing.assert_allclose(np.cov(white.T), np.eye(3), atol=1e-9)
    assert whitened(np.ones((50, 4))).shape == (50, 0)


def test_whole_data_as_bulk_gives_mahalanobis_distances():
    rows = np.random.default_rng(1).normal(size=(200, 3))
    mine = bulk_distances(rows, keep=1.0, ridge=0.0)
    np.testing.assert_allclose(mine, EmpiricalCovariance().fit(rows).mahalanobis(rows), rtol=1e-9)


def test_a_bulk_is_a_fixed_point_and_ignores_outliers():
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(400, 3))
    rows[:12] += [30.0, 0.0, 0.0]
    white = whitened(rows)
    mine = bulk_distances(white, ridge=0.0)
    bulk = np.sort(np.argsort(mine)[:380])
    fit = EmpiricalCovariance().fit(white[bulk])
    np.testing.assert_allclose(mine, fit.mahalanobis(white), rtol=1e-9)
    assert not np.isin(np.arange(12), bulk).any()
    theirs = MinCovDet(support_fraction=0.95, random_state=0).fit(white)
    assert np.array_equal(bulk, np.flatnonzero(theirs.raw_support_))


def test_no_variance_gives_zero_distance():
    assert np.array_equal(bulk_distances(np.empty((5, 0))), np.zeros(5))


@pytest.mark.parametrize("rank", [1, 2, 7, 16])
def test_surprise_is_the_logarithm_of_the_gamma_function_and_goes_on(rank):
    near = np.linspace(0.0, 900.0, 40)
    exact = -np.log10(gammaincc(rank / 2, near / 2))
    np.testing.assert_allclose(chi2_surprise(near, rank), exact, rtol=1e-12, atol=1e-15)
    # Beyond underflow: seen against the last value that the gamma function can still give.
    steps = chi2_surprise(np.linspace(1200.0, 1500.0, 3001), rank)
    assert np.diff(steps).min() > 0
    np.testing.assert_allclose(np.diff(steps, 2), 0.0, atol=1e-5)
    assert np.isfinite(chi2_surprise(np.array([1e8]), rank)).all()


def test_even_ranks_have_a_closed_form_far_out():
    far = np.array([2000.0, 1e5])
    tail = far / 2 - np.log(1 + far / 2)  # -ln P for 4 degrees of freedom
    np.testing.assert_allclose(chi2_surprise(far, 4), tail / np.log(10), rtol=1e-12)


def chi_squared(rank, n, seed):
    rng = np.random.default_rng(seed)
    return Distances(rng.chisquare(rank, size=(40, n)), np.full(40, rank))


def test_calibrated_tails_of_a_gaussian_bulk_are_uniform():
    sharp, strict = calibrated(chi_squared(9, 2000, 3))
    assert (strict <= sharp).all()
    for level in (0.2, 0.05, 0.01, 0.001):
        rate = (sharp > -np.log10(level)).mean()
        assert rate == pytest.approx(level, rel=0.25)
    assert (strict > 4.0).mean() < 1e-4


def test_strict_tails_hold_for_a_power_law_and_sharp_ones_do_not():
    rng = np.random.default_rng(4)
    heavy = Distances(rng.pareto(3.0, size=(40, 2000)) + 1.0, np.full(40, 4))
    sharp, strict = calibrated(heavy)
    assert (strict > -np.log10(0.001)).mean() < 0.0015
    assert (sharp > -np.log10(0.001)).mean() > 0.005


def test_tails_rise_with_distance_and_stay_finite():
    squared = np.sort(np.random.default_rng(5).chisquare(5, size=(1, 500)))
    squared[0, -1] = 1e12
    sharp, strict = calibrated(Distances(squared, np.array([5])))
    assert np.isfinite(sharp).all()
    assert (np.diff(sharp[0]) >= 0).all()
    assert (np.diff(strict[0]) >= 0).all()
    assert sharp[0, -1] > 1e6


def test_a_filter_of_ties_keeps_empirical_tails():
    squared = np.zeros((1, 300))
    squared[0, :2] = 50.0
    sharp, _ = calibrated(Distances(squared, np.array([3])))
    np.testing.assert_allclose(sharp[0, :2], -np.log10(1 / 300))
    np.testing.assert_allclose(sharp[0, 2:], -np.log10(1 - 298 / 600), atol=1e-12)


def test_unusable_filters_stay_without_numbers():
    sharp, _ = calibrated(Distances(np.full((2, 30), np.nan), np.zeros(2, int)))
    assert np.isnan(sharp).all()


def test_gain_removes_a_shared_contrast_only():
    rng = np.random.default_rng(6)
    plain = rng.chisquare(8, size=(20, 300)) / 7.344  # over the median of chi² with 8 dof
    contrast = rng.lognormal(0, 1, 300)
    found = Distances(plain * contrast * 7.344, np.full(20, 8))
    mine = without_gain(found).squared
    spread = np.median(np.log(mine), axis=0).std()
    assert spread < 0.2 < np.median(np.log(found.squared), axis=0).std()
    assert np.corrcoef(np.log(mine[0]), np.log(plain[0]))[0, 1] > 0.9


def test_gain_leaves_few_filters_alone():
    found = chi_squared(5, 50, 7)
    few = Distances(found.squared[:7], np.full(7, 30))
    assert without_gain(few) is few
    flat = Distances(found.squared, np.full(40, 3))
    assert without_gain(flat) is flat
    assert without_gain(found) is not found


def test_distances_have_the_median_of_their_law_and_skip_dropped_rows():
    maps = null("gaussian", 8, filters=3)
    kept = np.ones((3, 600), bool)
    kept[1, :5] = False
    found = distances(maps, kept, np.array([True, True, False]))
    assert found.rank.tolist() == [16, 16, 0]
    np.testing.assert_allclose(np.nanmedian(found.squared[:2], axis=1), 15.3385, atol=1e-3)
    assert np.isnan(found.squared[1, :5]).all()
    assert np.isnan(found.squared[2]).all()


def test_class_distances_start_from_the_own_class():
    rng = np.random.default_rng(9)
    labels = np.repeat([0, 1], 100)
    maps = rng.normal(size=(200, 1, 4, 4)) + 20.0 * labels[:, None, None, None]
    maps[0] += 20.0  # looks like class 1
    kept, fitted = np.ones((1, 200), bool), np.array([True])
    whole = distances(maps, kept, fitted).squared[0]
    own = distances(maps, kept, fitted, labels).squared[0]
    assert own.argmax() == 0
    assert (whole > whole[0]).sum() > 20


def test_classes_are_checked():
    with pytest.raises(ValueError, match=r"labels must have as many entries as the activations"):
        check_classes(np.zeros(9, int), 10)
    with pytest.raises(ValueError, match=r"labels must give at least 20 samples a class, got 3 of"):
        check_classes(np.repeat([0, 4], [30, 3]), 33)

import numpy as np
import pytest
from planted import null

from cutaway.filters.tails import (
    Distances,
    check_classes,
    distances,
    log_gain,
    profiles,
    sides,
    without_gain,
)


def chi_squared(rank, n, seed, filters=40):
    rng = np.random.default_rng(seed)
    return Distances(rng.chisquare(rank, size=(filters, n)), np.full(filters, rank))


def described_null(kind, seed, filters):
    return null(kind, seed, filters=filters).reshape(600, filters, -1).astype(float)


def test_gain_removes_a_shared_contrast_only():
    rng = np.random.default_rng(6)
    plain = rng.chisquare(8, size=(20, 300)) / 7.344  # over the median of chi² with 8 dof
    contrast = rng.lognormal(0, 1, 300)
    found = Distances(plain * contrast * 7.344, np.full(20, 8))
    mine = without_gain(found).squared
    spread = np.median(np.log(mine), axis=0).std()
    assert spread < 0.2 < np.median(np.log(found.squared), axis=0).std()
    assert np.corrcoef(np.log(mine[0]), np.log(plain[0]))[0, 1] > 0.9


def test_a_filter_that_does_not_follow_the_contrast_keeps_its_distances():
    rng = np.random.default_rng(7)
    contrast = rng.lognormal(0, 1, 300)
    squared = rng.chisquare(8, size=(20, 300))
    squared[:15] *= contrast
    mine = without_gain(Distances(squared, np.full(20, 8))).squared
    followed = np.abs(np.log(mine[:15] / squared[:15])).mean()
    alone = np.abs(np.log(mine[15:] / squared[15:])).mean()
    assert alone < 0.1 * followed


def test_gain_leaves_few_filters_alone():
    few = chi_squared(30, 50, 7, filters=7)
    assert without_gain(few) is few
    assert log_gain(few) is None
    flat = chi_squared(3, 50, 7)
    assert without_gain(flat) is flat
    assert without_gain(chi_squared(5, 50, 7)) is not flat


def test_distances_have_the_median_of_their_law_and_skip_dropped_rows():
    rows = described_null("gaussian", 8, 3)
    kept = np.ones((3, 600), bool)
    kept[1, :5] = False
    found = distances(rows, kept, np.array([True, True, False]))
    assert found.rank.tolist() == [36, 36, 0]
    np.testing.assert_allclose(np.nanmedian(found.squared[:2], axis=1), 35.3356, atol=1e-3)
    assert np.isnan(found.squared[1, :5]).all()
    assert np.isnan(found.squared[2]).all()


def test_class_distances_start_from_the_own_class():
    rng = np.random.default_rng(9)
    labels = np.repeat([0, 1], 100)
    rows = rng.normal(size=(200, 1, 16)) + 20.0 * labels[:, None, None]
    rows[0] += 20.0  # looks like class 1
    kept, fitted = np.ones((1, 200), bool), np.array([True])
    whole = distances(rows, kept, fitted).squared[0]
    own = distances(rows, kept, fitted, labels).squared[0]
    assert own.argmax() == 0
    assert (whole > whole[0]).sum() > 20


def test_classes_are_checked():
    with pytest.raises(ValueError, match=r"labels must have as many entries as the activations"):
        check_classes(np.zeros(9, int), 10)
    with pytest.raises(ValueError, match=r"labels must give at least 20 samples a class, got 3 of"):
        check_classes(np.repeat([0, 4], [30, 3]), 33)


def test_profiles_see_both_sides_and_each_site_by_itself():
    rng = np.random.default_rng(10)
    squared = rng.chisquare(20, size=(24, 500))
    squared[:12, 0] *= 0.4  # near the centre in all filters of the first site
    squared[:12, 1] *= 2.0
    squared[3, 2] *= 8.0
    found = Distances(squared, np.full(24, 20))
    mine = profiles(found, np.repeat([0, 1], 12))
    assert mine.rank.tolist() == [12, 12]
    assert set(np.argsort(-mine.squared[0])[:3]) == {0, 1, 2}
    assert not {0, 1, 2} & set(np.argsort(-mine.squared[1])[:3])


def test_sides_are_told_by_most_filters():
    points = np.random.default_rng(13).normal(size=(5, 100, 3)).astype(np.float32)
    points[:, 0] *= 0.01
    points[:, 1] *= 9.0
    points[:4, 2], points[4, 2] = 0.0, 50.0
    points[:, :, 2] = np.nan  # a dimension that is not used
    points[4] = np.nan
    assert sides(points)[:3].tolist() == ["near", "far", "near"]
    assert set(sides(np.full((2, 4, 2), np.nan, np.float32))) == {"far"}


def test_a_contrast_that_all_samples_vary_in_is_no_profile():
    rng = np.random.default_rng(11)
    squared = rng.chisquare(20, size=(24, 500)) * rng.lognormal(0, 0.6, 500)
    squared[4, 7] *= 5.0
    mine = profiles(Distances(squared, np.full(24, 20)), np.zeros(24, int))
    assert mine.squared[0].argmax() == 7


def test_profiles_skip_dropped_samples_and_empty_sites():
    squared = np.random.default_rng(12).chisquare(5, size=(4, 60))
    squared[0, 3] = np.nan
    squared[3] = np.nan
    rank = np.array([5, 5, 5, 0])
    mine = profiles(Distances(squared, rank), np.array([0, 0, 0, 1]))
    assert np.flatnonzero(np.isnan(mine.squared[0])).tolist() == [3]
    assert np.isnan(mine.squared[1]).all()
    assert mine.rank.tolist() == [3, 0]

import numpy as np
import pytest
from sklearn.covariance import EmpiricalCovariance, MinCovDet

from cutaway.filters.robust import bulk_distances, whitened


def test_whitened_rows_have_unit_covariance_and_no_flat_direction():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(300, 3)) @ rng.normal(size=(3, 8)) + 5.0
    white = whitened(rows)
    assert white.shape == (300, 3)
    np.testing.assert_allclose(np.cov(white.T), np.eye(3), atol=1e-9)
    assert whitened(np.ones((50, 4))).shape == (50, 0)


def test_the_widest_directions_stay():
    rows = np.random.default_rng(1).normal(size=(400, 4)) * [5.0, 1.0, 3.0, 0.5]
    assert whitened(rows, most=2).shape == (400, 2)
    np.testing.assert_allclose(whitened(rows, most=2), whitened(rows)[:, :2], atol=1e-12)


def test_every_row_is_measured_from_the_bulk_without_itself():
    rows = np.random.default_rng(1).normal(size=(60, 3))
    mine = bulk_distances(rows, keep=1.0, ridge=0.0)
    for i in range(60):  # the slow way: a fit without the row
        fit = EmpiricalCovariance().fit(np.delete(rows, i, axis=0))
        assert mine[i] == pytest.approx(fit.mahalanobis(rows[[i]])[0], rel=1e-9)


def test_leaving_out_holds_with_a_ridge_too():
    rows = np.random.default_rng(2).normal(size=(80, 3))
    mine = bulk_distances(rows, keep=1.0, ridge=0.05)
    for i in range(0, 80, 7):
        rest = np.delete(rows, i, axis=0)
        scatter = np.cov(rest.T, bias=True) + 0.05 * np.eye(3)
        away = rows[i] - rest.mean(axis=0)
        assert mine[i] == pytest.approx(away @ np.linalg.solve(scatter, away), rel=3e-3)


def test_a_bulk_is_the_reference_librarys_and_ignores_outliers():
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(400, 3))
    rows[:12] += [30.0, 0.0, 0.0]
    white = whitened(rows)
    mine = bulk_distances(white, ridge=0.0)
    theirs = MinCovDet(support_fraction=0.95, random_state=0).fit(white)
    bulk = theirs.raw_support_
    assert not bulk[:12].any()
    outside = EmpiricalCovariance().fit(white[bulk]).mahalanobis(white[~bulk])
    np.testing.assert_allclose(mine[~bulk], outside, rtol=1e-9)
    assert mine[~bulk].min() > np.sort(mine[bulk])[-5]


def test_a_tight_group_in_many_dimensions_does_not_hide():
    # 2 % in one place bend the covariance: in 36 dimensions they look like anybody else, at first.
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(400, 36))
    rows[:8] = 12.0 * np.eye(36)[5] + 0.05 * rng.normal(size=(8, 36))
    white = whitened(rows)
    plain = (white**2).sum(axis=1)
    assert (plain[8:] > plain[:8].min()).sum() > 20
    mine = bulk_distances(white)
    assert mine[:8].min() > mine[8:].max()


def test_order_of_rows_does_not_matter():
    rows = whitened(np.random.default_rng(4).standard_t(3, size=(300, 10)))
    order = np.random.default_rng(5).permutation(300)
    np.testing.assert_allclose(bulk_distances(rows)[order], bulk_distances(rows[order]), rtol=1e-6)


def test_no_variance_gives_zero_distance():
    assert np.array_equal(bulk_distances(np.empty((5, 0))), np.zeros(5))

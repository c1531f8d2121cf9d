import numpy as np
import pytest
from planted import FakeMaps

from cutaway.filters import screen_filters, summary


@pytest.fixture(scope="module")
def screen():
    rng = np.random.default_rng(0)
    maps = rng.normal(size=(300, 3, 3, 3))
    maps[:100, 0] += 4.0
    maps[:3, 1] += 9.0
    maps[5, 1, 0, 0] = np.nan
    maps[:, 2] = 0.0
    return screen_filters(FakeMaps({"conv1": maps}), k_max=3)


@pytest.fixture(scope="module")
def classes():
    return np.repeat(["seven", "two"], [100, 200])


def test_picture_holds_the_plane_of_the_first_two_coordinates(screen):
    picture = screen.picture("conv1", 0)
    np.testing.assert_array_equal(picture.points, screen.coordinates[0, :, :2])
    np.testing.assert_array_equal(picture.assignment, screen.assignments[0])
    np.testing.assert_array_equal(picture.tail, screen.tails[0])
    assert picture.weights.tolist() == pytest.approx([2 / 3, 1 / 3], abs=0.02)
    for k in range(2):
        inside = picture.assignment == k
        mean = picture.points[inside].mean(axis=0)
        np.testing.assert_allclose(picture.means[k], mean, atol=0.05)
        np.testing.assert_allclose(
            picture.covariances[k], np.cov(picture.points[inside].T), atol=0.05
        )


def test_ellipses_hold_the_stated_share(screen):
    picture = screen.picture("conv1", 0)
    outlines = picture.ellipses(coverage=0.865, corners=100)
    assert outlines.shape == (2, 100, 2)
    np.testing.assert_allclose(outlines[:, 0], outlines[:, -1], atol=1e-12)
    for mean, covariance, outline in zip(picture.means, picture.covariances, outlines, strict=True):
        apart = outline - mean
        squared = (apart * np.linalg.solve(covariance, apart.T).T).sum(axis=1)
        np.testing.assert_allclose(squared, -2 * np.log(1 - 0.865))


@pytest.mark.parametrize("coverage", [0.0, 1.0, float("nan")])
def test_coverage_is_checked(screen, coverage):
    with pytest.raises(ValueError, match=r"coverage must lie inside 0\.\.1, got"):
        screen.picture("conv1", 0).ellipses(coverage=coverage)


def test_dropped_samples_have_no_place(screen):
    picture = screen.picture("conv1", 1)
    assert np.isnan(picture.points[5]).all()
    assert picture.assignment[5] == -1
    assert np.isfinite(np.delete(picture.points, 5, axis=0)).all()


def test_a_filter_that_was_not_fitted_has_an_empty_picture(screen):
    picture = screen.picture("conv1", 2)
    assert np.isnan(picture.points).all()
    assert picture.means.shape == (0, 2)
    assert picture.ellipses().shape == (0, 64, 2)


@pytest.mark.parametrize("n_dims", [1, 4])
def test_one_dimension_lies_on_a_line(n_dims):
    values = np.random.default_rng(1).normal(size=(100, 2))
    values[3, 0] = np.nan
    picture = screen_filters(FakeMaps(values), k_max=1, n_dims=n_dims).picture("conv", 0)
    assert np.array_equal(np.delete(picture.points[:, 1], 3), np.zeros(99))
    assert np.isnan(picture.points[3]).all()
    assert picture.covariances[0, 1, 1] == 0.0


def test_pictures_are_read_only_copies(screen):
    with pytest.raises(ValueError, match="read-only"):
        screen.picture("conv1", 0).points[0, 0] = 1.0


def test_unknown_filters_are_named(screen):
    with pytest.raises(KeyError, match=r"unit must lie in 0\.\.2 of conv1, got 3"):
        screen.picture("conv1", 3)
    with pytest.raises(KeyError, match=r"site must be one of conv1, got 'conv2'"):
        screen.picture("conv2", 0)


def test_summary_counts_clusters_classes_and_outliers(screen, classes):
    lines = summary(screen, "conv1", 0, classes).split("\n")
    assert lines[0] == "conv1 unit 0: not flagged, 0 outliers"
    assert lines[1:] == [
        "cluster 1: 200 samples, 200 of class two",
        "cluster 2: 100 samples, 100 of class seven",
    ]
    text = summary(screen, "conv1", 1)
    assert text.startswith("conv1 unit 1: certain, 3 outliers, 1 sample dropped (not finite)\n")
    assert "3 samples, 3 outliers" in text
    assert summary(screen, "conv1", 2) == "conv1 unit 2: not fitted (dead)"


def test_summary_checks_labels(screen):
    with pytest.raises(ValueError, match=r"labels must have as many entries as screen\.rows"):
        summary(screen, "conv1", 0, [1, 2])

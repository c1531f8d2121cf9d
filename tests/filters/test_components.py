import numpy as np
import pytest
from scipy.stats import multivariate_normal

from cutaway.filters.components import bhattacharyya, minor_component
from cutaway.filters.criteria import measure
from cutaway.filters.samples import Fit, Samples
from cutaway.filters.search import choose_k
from cutaway.filters.starts import (
    draws,
    farthest,
    robust_distances,
    starting_responsibilities,
)

WEIGHTS = np.array([[0.55, 0.42, 0.03]])
MEANS = np.array([[[0.0, 0.0], [4.0, 0.0], [0.0, 6.0]]])
COVARIANCES = np.array([[np.eye(2), [[1.0, 0.3], [0.3, 0.5]], 0.2 * np.eye(2)]])


@pytest.fixture(scope="module")
def drawn():
    rng = np.random.default_rng(0)
    which = rng.choice(3, 400, p=WEIGHTS[0])
    x = np.stack([rng.multivariate_normal(MEANS[0, k], COVARIANCES[0, k]) for k in which])
    return x, which


def minor_of(x, means=MEANS, covariances=COVARIANCES, tau=0.05, weights=WEIGHTS):
    """The minor component of a mixture in the units of x, and the samples it was found in."""
    samples = Samples.of(x[None])
    fit = Fit(
        weights,
        means - samples.centre[:, None],
        covariances,
        done=np.ones(1, bool),
        failed=np.zeros(1, bool),
        n_iter=np.ones(1, int),
        trace=np.zeros((1, 1)),
    )
    return minor_component(samples, fit, measure(samples, fit, soft=True)[1], tau), samples


def test_deviance_is_what_deleting_the_component_costs(drawn):
    x, which = drawn
    found, samples = minor_of(x)
    density = np.stack(
        [w * multivariate_normal(m, c).pdf(x) for w, m, c in zip(
            WEIGHTS[0], MEANS[0], COVARIANCES[0], strict=True)], axis=1,
    )  # fmt: skip
    rest = density[:, :2].sum(axis=1) / 0.97
    expected = 2 * (np.log(density.sum(axis=1)) - np.log(rest)).sum()
    assert found.deviance[0] == pytest.approx(expected, rel=1e-9)
    assert found.weight[0] == 0.03
    assert found.evident[0]
    minor = samples.restore(found.responsibility)[0]
    np.testing.assert_allclose(minor, density[:, 2] / density.sum(axis=1), atol=1e-12)
    assert np.array_equal(minor > 0.5, which == 2)


def test_bhattacharyya_is_the_integral_of_the_root():
    grid = np.linspace(-12, 16, 1200)
    points = np.stack(np.meshgrid(grid, grid), axis=-1)
    root = np.sqrt(
        multivariate_normal(MEANS[0, 0], COVARIANCES[0, 0]).pdf(points)
        * multivariate_normal(MEANS[0, 1], COVARIANCES[0, 1]).pdf(points)
    )
    found = bhattacharyya(MEANS, COVARIANCES)[0]
    assert found[0, 1] == pytest.approx(root.sum() * (grid[1] - grid[0]) ** 2, rel=1e-4)
    np.testing.assert_allclose(np.diag(found), 1.0)


def test_an_overlapping_or_needless_component_is_not_evident(drawn):
    near = MEANS.copy()
    near[0, 2] = near[0, 0] + 0.1
    covariances = COVARIANCES.copy()
    covariances[0, 2] = covariances[0, 0]
    found, _ = minor_of(drawn[0], near, covariances)
    assert found.overlap[0] > 0.9
    assert not found.evident[0]


def test_without_a_minor_component_there_are_no_numbers(drawn):
    found, _ = minor_of(drawn[0], tau=0.01)
    assert np.isnan([found.weight[0], found.overlap[0], found.deviance[0]]).all()
    assert not found.evident[0]
    assert not found.responsibility.any()


def test_one_component_is_never_minor(drawn):
    means, covariances = np.zeros((1, 1, 2)), np.eye(2)[None, None]
    found, _ = minor_of(drawn[0], means, covariances, tau=0.5, weights=np.ones((1, 1)))
    assert np.isnan(found.deviance[0])


def test_choice_of_k():
    bics = np.array([[10.0, 8.5, 8.0], [10.0, 7.9, 8.0], [np.nan, 5.0, 4.0], [np.nan] * 3])
    assert choose_k(bics, bics, "bic").tolist() == [1, 2, 2, 1]
    chs = np.array([[np.nan, 3.0, 9.0], [np.nan, np.nan, np.nan]])
    assert choose_k(bics[:2], chs, "ch").tolist() == [3, 1]


def test_starts_are_hard_labels_of_the_kept_samples(drawn):
    x = np.stack([drawn[0], drawn[0] * 2])
    x[0, :7] = np.nan
    samples = Samples.of(x)
    far = farthest(samples, robust_distances(samples))
    assert far.sum(axis=2).tolist() == [[3, 8], [3, 8]]
    assert not far[0, :, 393:].any()
    resp = starting_responsibilities(samples, 3, far, draws(5, 3, seed=0))
    assert resp.shape == (2, 7, 3, 400)
    assert np.array_equal(np.unique(resp), [0.0, 1.0])
    assert np.array_equal(resp.sum(axis=2), np.broadcast_to(samples.kept[:, None], (2, 7, 400)))
    assert np.array_equal(resp[:, 5:, 2], far)
    assert (resp.sum(axis=3) > 0).all()

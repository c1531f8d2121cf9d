import json
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from cutaway.filters import prepare
from cutaway.filters.coordinates import pooled

ORACLE = Path(__file__).parents[1] / "oracles" / "gmm"


@pytest.fixture(scope="module")
def easy():
    return prepare(np.load(ORACLE / "planted_easy.npz")["maps"], n_dims=2)


def test_oracle_coordinates_and_statuses(easy):
    expected = np.load(ORACLE / "expected_easy.npz")
    entries = json.loads((ORACLE / "expected.json").read_text())["easy"]
    assert easy.status.tolist() == [one["status"] for one in entries]
    for f in np.flatnonzero(easy.fitted):
        stored = expected[f"coords_{f}"]
        mine = easy.values[f, easy.kept[f]][:, : stored.shape[1]]
        np.testing.assert_allclose(mine, stored, rtol=0, atol=1e-9)
        assert np.isnan(easy.values[f, :, stored.shape[1] :]).all()
    assert easy.kept.sum(axis=1).tolist() == [one["n"] for one in entries]


def test_agrees_with_scikit_learn_up_to_sign_and_scale():
    maps = np.random.default_rng(0).normal(size=(200, 2, 5, 5)) * np.arange(1, 26).reshape(5, 5)
    mine = prepare(maps, n_dims=3)
    for f in range(2):
        pca = PCA(3).fit(maps[:, f].reshape(200, -1))
        scores = pca.transform(maps[:, f].reshape(200, -1)) / np.sqrt(pca.explained_variance_[0])
        np.testing.assert_allclose(np.abs(mine.values[f]), np.abs(scores), atol=1e-9)
        assert mine.explained[f] == pytest.approx(pca.explained_variance_ratio_.sum(), abs=1e-12)


def test_more_pixels_than_samples():
    maps = np.random.default_rng(1).normal(size=(60, 1, 10, 10))
    mine = prepare(maps, n_dims=1, pool=10)
    scores = PCA(1).fit_transform(maps.reshape(60, -1))[:, 0]
    np.testing.assert_allclose(np.abs(mine.values[0, :, 0]), np.abs(scores / scores.std(ddof=1)))


@pytest.mark.parametrize("shape", [(28, 28), (9, 13), (8, 8), (3, 40)])
def test_pooling_is_torchs_adaptive_average(shape):
    maps = np.random.default_rng(2).normal(size=(3, 2, *shape))
    bins = tuple(min(8, one) for one in shape) if shape[0] * shape[1] > 64 else shape
    theirs = torch.nn.functional.adaptive_avg_pool2d(torch.from_numpy(maps), bins)
    np.testing.assert_allclose(pooled(maps, 8), theirs.flatten(2).numpy(), atol=1e-14)


def test_pooling_keeps_small_maps_and_reduces_other_layouts():
    small = np.arange(2 * 3 * 20.0).reshape(2, 3, 20)
    assert np.array_equal(pooled(small, 8), small)
    assert pooled(np.ones((2, 3)), 8).shape == (2, 3, 1)
    assert pooled(np.ones((2, 3, 200)), 8).shape == (2, 3, 64)
    assert pooled(np.ones((2, 3, 12, 12, 12)), 8).shape == (2, 3, 64)


def test_statuses_never_raise():
    rng = np.random.default_rng(3)
    maps = rng.normal(size=(200, 6, 4, 4))
    maps[:, 0] = 0.0
    maps[:, 1] = 7.5
    maps[3, 2, 0, 0] = np.nan
    maps[4, 2, 1, 1] = np.inf
    maps[:, 3] = np.nan
    maps[:176, 4] = np.nan
    found = prepare(maps)
    assert found.status.tolist() == [
        "dead", "constant", "nonfinite_dropped", "too_few", "too_few", "ok",
    ]  # fmt: skip
    assert found.kept.sum(axis=1).tolist() == [200, 200, 198, 0, 24, 200]
    assert np.isnan(found.values[2][~found.kept[2]]).all()
    assert found.fitted.tolist() == [False, False, True, False, False, True]


@pytest.mark.parametrize(("n", "dims"), [(25, 1), (54, 1), (55, 2), (95, 3), (144, 3), (145, 4)])
def test_few_samples_get_fewer_coordinates(n, dims):
    found = prepare(np.random.default_rng(5).normal(size=(n, 1, 4, 4)))
    assert found.status.tolist() == ["ok"]
    assert np.isfinite(found.values[0, 0]).sum() == dims


def test_scale_of_a_filter_does_not_matter():
    maps = np.random.default_rng(4).normal(size=(300, 1, 6, 6))
    np.testing.assert_allclose(prepare(maps).values, prepare(maps * 1e4).values, atol=1e-10)


def test_arrays_are_read_only(easy):
    with pytest.raises(ValueError, match="read-only"):
        easy.values[0, 0, 0] = 1.0


@pytest.mark.parametrize("shape", [(4,), (0, 3, 2, 2), (4, 0, 2, 2)])
def test_shapes_are_checked(shape):
    with pytest.raises(ValueError, match=r"maps must have shape \(n, filters, \.\.\.\).*got"):
        prepare(np.zeros(shape))


def test_options_are_checked():
    with pytest.raises(ValueError, match=r"n_dims must be 1\.\.64, got 0"):
        prepare(np.zeros((4, 2, 2, 2)), n_dims=0)
    with pytest.raises(ValueError, match=r"pool must be 1\.\.64, got 65"):
        prepare(np.zeros((4, 2, 2, 2)), pool=65)

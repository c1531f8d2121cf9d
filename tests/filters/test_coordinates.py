import json
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from cutaway.filters import prepare
from cutaway.filters.coordinates import pooled, scatter, shared_axes

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


class TestShared:
    def planted(self):
        """Three filters along one planted direction, each with its own scale and noise."""
        rng = np.random.default_rng(7)
        direction = rng.normal(size=16)
        direction /= np.linalg.norm(direction)
        amounts = rng.normal(size=(400, 3)) * (1.0, 50.0, 0.02)
        maps = amounts[..., None] * direction
        maps += rng.normal(size=maps.shape) * 0.2 * np.array([1.0, 50.0, 0.02])[:, None] + 5.0
        return maps.reshape(400, 3, 4, 4), amounts, direction

    def test_the_first_coordinate_is_the_planted_direction_in_every_filter(self):
        maps, amounts, direction = self.planted()
        axes = shared_axes(scatter(pooled(maps, 8)))
        assert abs(axes[:, 0] @ direction) > 0.999
        found = prepare(maps, n_dims=2, shared=True)
        for f in range(3):
            r = np.corrcoef(found.values[f, :, 0], amounts[:, f])[0, 1]
            assert r * np.sign(axes[:, 0] @ direction) > 0.97
            assert found.values[f, :, 0].std(ddof=1) == pytest.approx(1.0, abs=1e-12)

    def test_axes_are_those_of_scikit_learn_on_the_standardised_filters_together(self):
        maps, _, _ = self.planted()
        rows = maps.reshape(400, 3, 16)
        rows = rows - rows.mean(axis=0)
        rows /= np.sqrt((rows**2).sum(axis=(0, 2), keepdims=True))
        theirs = PCA(3).fit(rows.reshape(-1, 16)).components_
        mine = shared_axes(scatter(pooled(maps, 8)))[:, :3].T
        np.testing.assert_allclose(np.abs(mine), np.abs(theirs), atol=1e-7)

    def test_a_layer_in_pieces_has_the_axes_of_the_whole(self):
        maps, _, _ = self.planted()
        pieces = sum(scatter(pooled(maps[:, one], 8)) for one in ([0], [1, 2]))
        axes = shared_axes(pieces)
        whole = prepare(maps, shared=True)
        part = prepare(maps[:, 1:], shared=axes)
        np.testing.assert_allclose(np.abs(part.values), np.abs(whole.values[1:]), atol=1e-9)

    def test_one_filter_shares_with_itself(self):
        maps = np.random.default_rng(8).normal(size=(300, 1, 3, 3)) * np.arange(1, 10).reshape(3, 3)
        own, shared = prepare(maps, n_dims=3), prepare(maps, n_dims=3, shared=True)
        np.testing.assert_allclose(np.abs(shared.values), np.abs(own.values), atol=1e-9)
        np.testing.assert_allclose(shared.explained, own.explained, atol=1e-12)

    def test_a_filter_without_variance_along_the_first_axis_says_so(self):
        rng = np.random.default_rng(9)
        maps = np.zeros((200, 3, 2, 2))
        maps[:, :2, 0, 0] = rng.normal(size=(200, 2))
        maps[:, 2, 1, 1] = rng.normal(size=200)
        found = prepare(maps, shared=True)
        assert found.status.tolist() == ["ok", "ok", "off_axes"]
        assert np.isnan(found.values[2]).all()

    def test_axes_of_other_maps_are_refused(self):
        with pytest.raises(ValueError, match="shared must have as many.* 9|shared.*9.*16"):
            prepare(np.ones((30, 1, 4, 4)), shared=np.eye(9))


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

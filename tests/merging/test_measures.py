"""Measures of layers: against planted ranks and dimensions, slow versions and the libraries."""

import numpy as np
import pytest
import torch
from cka import cka_from_features
from skdim.id import TwoNN

import cutaway as ct
from cutaway.core import Cancelled
from cutaway.merging import LayerMeasures, measures


def acts_of(n=60, **arrays):
    return ct.Activations.from_arrays(arrays, ids=[f"s{i}" for i in range(n)])


def normal(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def frames(n, k, seed=0):
    """n points in k dimensions whose covariance is the identity up to rounding."""
    q, _ = np.linalg.qr(np.concatenate([np.ones((n, 1)), normal((n, k), seed)], axis=1))
    return q[:, 1 : k + 1] * np.sqrt(n)


def turned(d, seed=0):
    return np.linalg.qr(normal((d, d), seed))[0]


def slow_ranks(rows):
    """Definition 1 of Roy and Vetterli on the centred matrix itself."""
    values = np.linalg.svd(rows - rows.mean(0), compute_uv=False)
    share = values / values.sum()
    share = share[share > 0]
    return np.exp(-(share * np.log(share)).sum()), (values**2).sum() ** 2 / (values**4).sum()


class TestRanks:
    @pytest.mark.parametrize("k", [1, 3, 7])
    def test_planted_rank(self, k):
        values = frames(60, k) @ turned(10)[:k] + 100.0
        found = ct.layer_measures(acts_of(a=values))
        assert found.effective_rank[0] == pytest.approx(k, abs=1e-6)
        assert found.participation[0] == pytest.approx(k, abs=1e-6)
        assert found.units[0] == 10

    def test_closed_form_of_two_axes(self):
        values = frames(60, 2) * [3.0, 1.0]
        found = ct.layer_measures(acts_of(a=values))
        p = np.array([0.75, 0.25])
        assert found.effective_rank[0] == pytest.approx(np.exp(-(p * np.log(p)).sum()), rel=1e-9)
        assert found.participation[0] == pytest.approx(100 / 82, rel=1e-9)

    def test_positions_are_samples_of_the_units(self):
        maps = normal((60, 5, 3, 4))
        maps[:, 4] = maps[:, 0] + 0.1 * maps[:, 1]
        found = ct.layer_measures(acts_of(a=maps))
        expected = slow_ranks(maps.transpose(0, 2, 3, 1).reshape(-1, 5))
        assert found.effective_rank[0] == pytest.approx(expected[0], rel=1e-9)
        assert found.participation[0] == pytest.approx(expected[1], rel=1e-9)

    def test_blocks_do_not_show(self, monkeypatch):
        arrays = {"a": normal((60, 5, 3)) + 1e4, "b": normal((60, 8), 1)}
        whole = ct.layer_measures(acts_of(**arrays))
        monkeypatch.setattr(measures, "_AT_ONCE", 50)
        pieces = ct.layer_measures(acts_of(**arrays))
        for name in ("effective_rank", "participation", "two_nn", "cka"):
            np.testing.assert_allclose(getattr(whole, name), getattr(pieces, name), rtol=1e-7)

    def test_rotation_shift_and_scale_change_nothing(self):
        values = normal((60, 6)) * np.arange(1, 7)
        found = ct.layer_measures(acts_of(a=values, b=4 * values @ turned(6) - 2.0))
        for name in ("effective_rank", "participation", "two_nn", "two_nn_low"):
            one, two = getattr(found, name)
            assert one == pytest.approx(two, rel=1e-9)

    def test_a_constant_site_has_none(self):
        found = ct.layer_measures(acts_of(a=np.full((60, 4), 2.5), b=normal((60, 4))))
        assert np.isnan(found.effective_rank[0])
        assert np.isnan(found.two_nn[0])
        assert np.isnan(found.cka[0]).all()
        assert found.cka[1, 1] == pytest.approx(1.0, abs=1e-12)


def brute_two_nearest(points):
    apart = np.sqrt(((points[:, None] - points[None]) ** 2).sum(-1))
    return np.sort(apart, axis=1)[:, 1:3]


class TestTwoNN:
    @pytest.mark.parametrize("d", [1, 2, 5])
    def test_planted_dimension(self, d):
        flat = np.random.default_rng(d).random((1000, d)) @ turned(12)[:d]
        bent = np.concatenate([flat, np.sin(flat[:, :1])], axis=1)
        found = ct.layer_measures(acts_of(n=1000, a=bent))
        assert found.two_nn[0] == pytest.approx(d, rel=0.12)
        assert found.two_nn_low[0] < d < found.two_nn_high[0]

    def test_equals_the_library_on_brute_force_distances(self):
        points = normal((200, 4)) @ normal((4, 30), 1)
        found = ct.layer_measures(acts_of(n=200, a=points))
        expected = TwoNN(discard_fraction=0.1, dist=True, method="mle").fit(
            brute_two_nearest(points)
        )
        assert found.two_nn[0] == pytest.approx(expected.dimension_, rel=1e-9)
        whole = TwoNN(discard_fraction=0.1, method="mle").fit(points)
        assert found.two_nn[0] == pytest.approx(whole.dimension_, rel=1e-6)

    def test_interval_covers_as_often_as_it_says(self):
        """Exact Pareto ratios: 95 % of 400 intervals within four standard errors."""
        rng = np.random.default_rng(0)
        hits = 0
        for _ in range(400):
            mu = np.exp(rng.exponential(1 / 3.0, size=150))
            _, low, high = measures.two_nn(np.ones(150), mu)
            hits += low < 3.0 < high
        assert abs(hits / 400 - 0.95) < 4 * np.sqrt(0.95 * 0.05 / 400)

    def test_copies_are_left_out(self):
        points = normal((100, 3))
        twice = np.concatenate([points, points[:20]])
        found = ct.layer_measures(acts_of(n=120, a=twice))
        pairs = brute_two_nearest(twice)
        assert (pairs[:, 0] == 0).sum() == 40
        kept = pairs[pairs[:, 0] > 0]
        expected = TwoNN(discard_fraction=0.1, dist=True, method="mle").fit(kept)
        assert found.two_nn[0] == pytest.approx(expected.dimension_, rel=1e-9)

    def test_maps_are_taken_whole(self):
        maps = normal((80, 3, 2, 2))
        one, two = ct.layer_measures(acts_of(n=80, a=maps, b=maps.reshape(80, -1))).two_nn
        assert one == pytest.approx(two, rel=1e-12)


def slow_cka(x, y):
    """Equation 3 of Nguyen et al.: unbiased HSIC by its trace form, sample pair by sample pair."""

    def hsic(k, m):
        n = len(k)
        k, m = k - np.diag(np.diag(k)), m - np.diag(np.diag(m))
        one = np.ones(n)
        total = np.trace(k @ m) + (one @ k @ one) * (one @ m @ one) / ((n - 1) * (n - 2))
        return (total - 2 / (n - 2) * (one @ k @ m @ one)) / (n * (n - 3))

    k, m = x @ x.T, y @ y.T
    return hsic(k, m) / np.sqrt(hsic(k, k) * hsic(m, m))


class TestCka:
    @pytest.fixture
    def pair(self):
        x = normal((60, 8)) * np.arange(1, 9)
        return x, x[:, :5] @ normal((5, 6), 2) + 0.5 * normal((60, 6), 3)

    def test_equals_the_slow_form_and_the_library(self, pair):
        x, y = pair
        found = ct.layer_measures(acts_of(x=x, y=y)).cka
        assert found[0, 1] == pytest.approx(slow_cka(x, y), rel=1e-9)
        library = cka_from_features(torch.tensor(x), torch.tensor(y))
        assert found[0, 1] == pytest.approx(float(library), rel=1e-9)
        np.testing.assert_array_equal(found, found.T)

    def test_rotation_scale_and_shift_change_nothing(self, pair):
        x, y = pair
        same = ct.layer_measures(acts_of(x=x, turned=3 * x @ turned(8) + 7.0, y=y)).cka
        assert same[0, 1] == pytest.approx(1.0, abs=1e-12)
        assert same[0, 2] == pytest.approx(same[1, 2], rel=1e-9)

    def test_scaling_one_axis_does(self, pair):
        x, _ = pair
        found = ct.layer_measures(acts_of(x=x, y=x * np.array([50.0, *[1.0] * 7]))).cka
        assert found[0, 1] < 0.5

    def test_unrelated_sites_are_about_zero(self):
        """The biased estimate gives 0.86 here: more units than samples."""
        x, y = normal((60, 400)), normal((60, 400), 1)
        found = ct.layer_measures(acts_of(x=x, y=y)).cka
        assert abs(found[0, 1]) < 0.1
        assert found[0, 0] == pytest.approx(1.0, abs=1e-12)


class TestTexts:
    def test_padding_does_not_count(self):
        values = normal((60, 6, 4))
        mask = np.arange(6) < np.random.default_rng(1).integers(2, 7, 60)[:, None]
        garbage = np.where(mask[:, :, None], values, 0.0)
        acts = ct.Activations.from_arrays({"a": garbage}, layouts={"a": "n t d"})
        acts = ct.Activations(acts.arrays, acts.rows, acts.origin, acts.layouts, {}, mask)
        found = ct.layer_measures(acts)
        assert found.effective_rank[0] == pytest.approx(slow_ranks(values[mask])[0], rel=1e-9)
        means = np.array([v[m].mean(0) for v, m in zip(values, mask, strict=True)])
        expected = ct.layer_measures(acts_of(b=means))
        assert found.two_nn[0] == pytest.approx(expected.two_nn[0], rel=1e-9)


@pytest.fixture(scope="module")
def found():
    model, data = ct.load_model("lenet5-digits"), ct.load_data("digits", limit=50)
    acts = ct.capture(model, data, ["conv1", "fc1", "fc3"], show=None)
    return ct.layer_measures(acts, samples=40)


class TestResult:
    def test_rows_are_sites(self, found):
        assert list(found.rows) == ["conv1", "fc1", "fc3"]
        assert list(found.units) == [6, 120, 10]
        assert (found.effective_rank <= found.units).all()
        assert (found.participation <= found.effective_rank).all()
        assert found.samples == 40
        assert found.origin.model == "lenet5-digits"

    def test_save_load_and_frame(self, found, tmp_path):
        found.save(tmp_path / "m.zip")
        assert LayerMeasures.load(tmp_path / "m.zip").digest == found.digest
        frame = found.to_frame()
        assert frame.loc["conv1", "cka fc3"] == found.cka[0, 2]

    def test_few_samples_evenly_spread(self):
        values = normal((60, 3))
        few = ct.layer_measures(acts_of(a=values), samples=20)
        chosen = np.unique(np.linspace(0, 59, 20).round().astype(int))
        expected = ct.layer_measures(acts_of(n=20, a=values[chosen]))
        assert few.two_nn[0] == pytest.approx(expected.two_nn[0], rel=1e-12)
        assert few.effective_rank[0] == pytest.approx(slow_ranks(values)[0], rel=1e-9)

    def test_ticks_and_cancel(self):
        acts, calls = acts_of(a=normal((60, 3)), b=normal((60, 4))), []
        ct.layer_measures(acts, tick=lambda done, _: calls.append(done))
        assert calls == sorted(calls)
        assert calls[-1] == 1.0

        def cancel(done, _):
            if done > 0.5:
                raise Cancelled

        with pytest.raises(Cancelled):
            ct.layer_measures(acts, tick=cancel)


class TestBadInput:
    def test_too_few(self):
        with pytest.raises(ValueError, match="acts must hold at least 4 samples, got 3; capture"):
            ct.layer_measures(acts_of(n=3, a=normal((3, 4))))

    def test_not_finite(self):
        values = normal((60, 4))
        values[3, 2] = np.inf
        with pytest.raises(ValueError, match="acts must be finite, got 1 values .* in 'a'; cap"):
            ct.layer_measures(acts_of(a=values))

    def test_samples(self):
        with pytest.raises(ValueError, match="samples must be 4 or more, got 3"):
            ct.layer_measures(acts_of(a=normal((60, 4))), samples=3)

    def test_missing_library(self, monkeypatch):
        monkeypatch.setitem(__import__("sys").modules, "skdim.id", None)
        with pytest.raises(ImportError, match=r"scikit-dimension must be installed .*\[peers\]"):
            ct.layer_measures(acts_of(a=normal((60, 4))))

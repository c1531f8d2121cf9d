"""Complexity curves: equal to merges one by one, betas where features go, the random start."""

import math

import numpy as np
import pytest
import torch
from merging_nets import Mlp, ResnetStage
from torch import nn

import cutaway as ct
from cutaway.core import Cancelled
from cutaway.merging import ComplexityCurve, merge_features
from cutaway.merging.series import SEEDS, Series, start, started_anew

BETAS = (0.0, 0.1, 0.3, 0.5)


@pytest.fixture(scope="module")
def lenet():
    return ct.load_model("lenet5-digits"), ct.load_data("digits", split="test", limit=100)


@pytest.fixture(scope="module")
def curve(lenet):
    model, data = lenet
    return ct.complexity_curve(model, model.example, metric=(data, "accuracy"))


@pytest.fixture(scope="module")
def given(lenet):
    model, data = lenet
    return ct.complexity_curve(
        model, model.example, betas=BETAS[::-1], metric=(data, "accuracy"), rule="exact"
    )


class TestAgainstMerges:
    @pytest.mark.parametrize("place", range(len(BETAS)))
    def test_each_beta_is_the_merge_of_that_beta(self, lenet, given, place):
        model, data = lenet
        one = merge_features(model, model.example, beta=BETAS[place], rule="exact")
        assert given.betas[place] == BETAS[place]
        np.testing.assert_array_equal(given.features_left[place], one.left)
        assert given.clusters[place] == one.clusters
        assert given.kept_parameters[place] == one.kept_parameters
        score = ct.predict(ct.load_model(one.model), data).correct.mean()
        assert given.score[place] == pytest.approx(score, abs=1e-7)  # a float32 mean of 100

    def test_before(self, lenet, given):
        model, data = lenet
        none = merge_features(model, model.example, beta=0.0, rule="exact")
        for name in ("size", "closest", "farthest"):
            np.testing.assert_array_equal(getattr(given, name), getattr(none, name))
        assert given.score_before == pytest.approx(ct.predict(model, data).correct.mean(), abs=1e-7)
        assert given.parameters == sum(one.numel() for one in model.module.parameters())

    def test_baseline_is_the_mean_over_random_starts(self, lenet, given):
        model, _ = lenet
        merges = [
            merge_features(started_anew(model, seed), model.example, beta=0.5, rule="exact")
            for seed in SEEDS
        ]
        np.testing.assert_allclose(given.baseline_left[3], np.mean([m.left for m in merges], 0))
        np.testing.assert_allclose(given.baseline_closest, np.mean([m.closest for m in merges], 0))
        np.testing.assert_allclose(
            given.baseline_farthest, np.mean([m.farthest for m in merges], 0)
        )
        np.testing.assert_array_equal(given.baseline_left[1], model_sizes(given))

    def test_runs_nothing_where_nothing_can_merge(self, lenet, monkeypatch):
        model, _ = lenet
        runs = []
        once = Series._merged_at
        monkeypatch.setattr(
            Series,
            "_merged_at",
            lambda self, beta, tick: runs.append(beta) or once(self, beta, tick),
        )
        found = ct.complexity_curve(
            model, model.example, betas=(0.0, 0.001, 0.01, 0.02), baseline=False, rule="exact"
        )
        assert runs == [0.0]
        assert (found.features_left == found.size).all()


def model_sizes(curve):
    return curve.size.astype(float)


class TestLookedFor:
    def test_twelve_ascending_from_zero(self, curve):
        assert len(curve.betas) == 12
        assert curve.betas[0] == 0.0
        assert (np.diff(curve.betas) > 0).all()
        assert curve.betas[1] > start(curve.closest, curve.farthest)

    def test_no_step_over_the_useful_range(self, curve):
        share = curve.features_left.sum(1) / curve.size.sum()
        # A linear grid of 12 betas has one point between all and a tenth of the features.
        assert ((share > 0.1) & (share < 0.99)).sum() >= 6
        assert np.abs(np.diff(share)).max() < 0.25

    @pytest.mark.parametrize("cliff", [3e-5, 0.0123, 0.61])
    def test_a_planted_cliff_is_closed_in_on(self, cliff):
        """1000 features; from the cliff on a fall over 5 % of beta: evenly spaced betas miss it."""

        class Planted(Series):
            def __init__(self):
                self.points, self.first, self.looked = {}, None, []

            def start(self):
                return 0.0

            def at(self, beta, tick):
                self.looked.append(beta)
                left = 1000 if beta < cliff else max(1000 - 20000 * (beta / cliff - 1), 1)
                self.points[beta] = type("P", (), {"left": np.array([int(left)]), "beta": beta})()

        planted = Planted()
        points = planted.over(None, lambda *_: None)
        near = [one for one in planted.looked if 0.8 * cliff <= one <= 1.3 * cliff]
        assert len(points) == 12
        assert len(near) >= 3
        ends = [one.left[0] for one in points]
        assert ends[0] == 1000
        assert ends == sorted(ends, reverse=True)


class TestWhy:
    def test_nothing_merges_at_random_initialisation(self):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(64, 48), nn.ReLU(), nn.Linear(48, 32), nn.ReLU())
        net.append(nn.Linear(32, 10))
        found = ct.complexity_curve(net, torch.randn(4, 64), betas=(0.0, 0.1, 0.2))
        assert (found.features_left == found.size).all()
        ratio = found.closest / found.farthest
        assert f"{ratio.min():.2g} of the largest" in found.why
        assert "'0'" in found.why or "'2'" in found.why
        assert "at random initialisation" in found.why
        assert "target=" in found.why
        assert (found.baseline_left == found.size).all()
        again = ct.complexity_curve(
            net, torch.randn(4, 64), betas=(0.0, float(ratio.min()) * 1.01), baseline=False
        )
        assert again.features_left[-1].sum() < again.size.sum()
        assert again.why == ""

    def test_a_cliff_names_its_betas(self, lenet):
        model, _ = lenet
        found = ct.complexity_curve(model, model.example, betas=(0.1, 0.9), baseline=False)
        assert found.why.startswith("A cliff: between beta 0.1 and 0.9 the share of features left ")
        assert "target=" in found.why

    def test_no_reason_where_features_go_step_by_step(self, curve):
        assert curve.why == ""


class TestBaseline:
    def test_same_seed_same_start_and_the_global_generator_is_untouched(self):
        model = ct.load_model("vgg-digits")
        torch.manual_seed(5)
        expected = torch.rand(3)
        torch.manual_seed(5)
        one, two, other = (started_anew(model, seed).state_dict() for seed in (1, 1, 2))
        assert torch.equal(torch.rand(3), expected)
        assert all(torch.equal(one[key], two[key]) for key in one)
        assert not torch.equal(one["features.conv1.weight"], other["features.conv1.weight"])
        assert torch.equal(one["features.bn1.running_mean"], torch.zeros(16))

    def test_says_what_cannot_be_started_anew(self):
        class Scaled(nn.Module):
            def __init__(self):
                super().__init__()
                self.net, self.scale = Mlp(), nn.Parameter(torch.ones(()))

            def forward(self, x):
                return self.net(x) * self.scale

        found = ct.complexity_curve(Scaled(), torch.randn(3, 12), betas=(0.0, 0.2))
        assert found.baseline_reason.startswith("the model (Scaled) has weights but no reset_para")
        assert np.isnan(found.baseline_left).all()
        assert np.isnan(found.baseline_closest).all()

    def test_not_asked_for(self):
        found = ct.complexity_curve(Mlp(), torch.randn(3, 12), betas=[0.1], baseline=False)
        assert found.baseline_reason == "not asked for"
        assert found.baseline_left.shape == (1, 2)


class TestResult:
    def test_save_and_load(self, curve, tmp_path):
        curve.save(tmp_path / "curve.zip")
        again = ComplexityCurve.load(tmp_path / "curve.zip")
        assert again.digest == curve.digest
        assert again.clusters == curve.clusters
        assert again.why == curve.why

    def test_at_is_the_nearest(self, curve):
        for place, beta in enumerate(curve.betas):
            assert curve.at(beta) == place
        assert curve.at(1.0) == 11
        with pytest.raises(ValueError, match=r"beta must lie in 0\.0\.\.1\.0, got 1\.5"):
            curve.at(1.5)

    def test_frame_has_a_line_a_beta_and_group(self, curve):
        frame = curve.to_frame()
        assert len(frame) == curve.features_left.size
        line = frame[(frame["beta"] == curve.betas[7]) & (frame["group"] == "fc1")].iloc[0]
        assert line["left"] == curve.features_left[7, list(curve.rows).index("fc1")]
        assert line["share"] == line["left"] / line["size"]

    def test_same_numbers_twice(self, lenet, curve):
        model, data = lenet
        again = ct.complexity_curve(model, model.example, metric=(data, "accuracy"))
        assert again.digest == curve.digest

    def test_repr(self, curve):
        assert repr(curve).startswith(f"ComplexityCurve({curve.rule}, 12 betas to 0.")

    def test_residual_groups_are_rows(self):
        found = ct.complexity_curve(ResnetStage(), torch.randn(2, 3, 8, 8), betas=[0.2])
        assert list(found.rows) == ["stem", "a0.conv1", "a1.conv1", "b0.conv1", "b0.conv2"]
        assert math.isnan(found.score[0])
        assert math.isnan(found.score_before)


class TestBadInput:
    @pytest.mark.parametrize(
        ("options", "error", "message"),
        [
            ({"betas": []}, ValueError, "betas must hold at least one, got none; give None"),
            ({"betas": [0.1, 1.2]}, ValueError, r"betas must lie in 0\.0\.\.1\.0, got 1\.2"),
            ({"betas": [math.nan]}, ValueError, r"betas must lie in 0\.0\.\.1\.0, got nan"),
            ({"metric": "accuracy"}, TypeError, r"metric must be a function .*, got str; give"),
            ({"rule": "best"}, ValueError, "rule must be one of .*, got 'best'"),
        ],
    )
    def test_one_line(self, options, error, message):
        with pytest.raises(error, match=message):
            ct.complexity_curve(Mlp(), torch.randn(3, 12), **options)

    def test_unknown_metric_name(self, lenet):
        model, data = lenet
        with pytest.raises(ValueError, match="metric must be one of"):
            ct.complexity_curve(model, model.example, metric=(data, "acc"))


class TestTicks:
    def test_rise_to_one(self):
        calls = []
        ct.complexity_curve(
            Mlp(), torch.randn(3, 12), betas=BETAS, tick=lambda done, _: calls.append(done)
        )
        assert calls == sorted(calls)
        assert calls[-1] == 1.0

    def test_cancel_passes_through(self):
        def tick(done, _):
            if done > 0.5:
                raise Cancelled

        with pytest.raises(Cancelled):
            ct.complexity_curve(Mlp(), torch.randn(3, 12), betas=BETAS, tick=tick)

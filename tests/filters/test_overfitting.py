"""The three experiments: planted answers, slow versions, bad input."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import cutaway as ct
from cutaway.core import Cancelled
from cutaway.filters.overfitting import (
    AnomalyGrowth,
    FilterImpact,
    OutlierGradients,
    Removal,
    ablate_flagged,
    anomaly_growth,
    gradient_norms,
    outlier_gradients,
    without_outliers,
)
from cutaway.filters.overfitting.removal import left_out


@pytest.fixture(scope="module")
def model():
    return ct.load_model("lenet5-digits")


@pytest.fixture(scope="module")
def train():
    return ct.load_data("digits", split="train", limit=120)


@pytest.fixture(scope="module")
def test():
    return ct.load_data("digits", split="test", limit=100)


@pytest.fixture(scope="module")
def screen(model, train):
    acts = ct.capture(model, train, ct.sites(model, train)["conv*"], show=None)
    return ct.screen_filters(acts)


class TestGradients:
    def test_of_a_softmax_regression_are_known(self):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Flatten(), nn.Linear(12, 3))
        x = np.random.default_rng(0).normal(size=(9, 1, 3, 4)).astype(np.float32)
        y = np.arange(9) % 3
        found = gradient_norms(ct.load_model(net), ct.load_data((x, y)), batch_size=4)
        with torch.no_grad():
            p = net(torch.from_numpy(x)).softmax(1).double().numpy()
        # d loss / d logits = p - onehot; times the input and 1 for weight and bias.
        outer = np.linalg.norm(p - np.eye(3)[y], axis=1)
        inner = np.sqrt(1 + (x.reshape(9, -1).astype(float) ** 2).sum(1))
        np.testing.assert_allclose(found, outer * inner, rtol=2e-5)

    def test_equal_one_backward_a_sample(self, model, train):
        few = train.take(range(6))
        found = gradient_norms(model, few)
        net = model.module
        x = model.inputs(next(iter(ct.data.batches(few, 6))))
        slow = []
        for i in range(6):
            loss = nn.functional.cross_entropy(
                net(x[i : i + 1]), torch.tensor(few.labels[i : i + 1])
            )
            gradients = torch.autograd.grad(loss, list(net.parameters()))
            slow.append(sum(float(one.double().square().sum()) for one in gradients) ** 0.5)
        np.testing.assert_allclose(found, slow, rtol=1e-4)

    def test_leave_the_model_as_it_was(self, model, train):
        net = model.module
        net.train()
        try:
            gradient_norms(model, train.take(range(3)))
            assert net.training
            assert all(one.grad is None for one in net.parameters())
        finally:
            net.eval()

    def test_need_labels(self, model):
        data = ct.load_data(np.zeros((4, 1, 28, 28), np.float32))
        with pytest.raises(ValueError, match="data must have labels, got none"):
            gradient_norms(model, data)

    def test_planted_outliers_are_told(self, model, train):
        norms = gradient_norms(model, train)
        told = outlier_gradients([model], train, norms, initial=model)
        assert told.auc == 1.0
        assert told.auc_classes == 1.0
        assert told.auc_initial == 1.0
        assert told.outlier.sum() == 6
        blind = outlier_gradients([model], train, np.random.default_rng(3).random(120))
        low, high = blind.interval
        assert low < 0.5 < high
        assert np.isnan(blind.auc_initial)

    def test_is_saved_and_loaded(self, model, train, tmp_path):
        one = outlier_gradients([model], train, np.arange(120.0))
        one.save(tmp_path / "g.zip")
        assert OutlierGradients.load(tmp_path / "g.zip").digest == one.digest
        assert list(one.to_frame()) == ["norm", "outlier"]

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"early": []}, "early must hold at least one model, got none"),
            ({"share": 0.5}, "share must lie between 0 and 0.5, got 0.5"),
            ({"scores": [1.0]}, "scores must have as many"),
        ],
    )
    def test_bad_input(self, model, train, change, message):
        given = {"early": [model], "scores": np.zeros(120), **change}
        with pytest.raises(ValueError, match=message):
            outlier_gradients(given.pop("early"), train, given.pop("scores"), **given)


class TestNotFinite:
    def test_gradients_are_left_out_and_counted(self, model, train, monkeypatch):
        """NaN would rank as the smallest gradient."""
        from cutaway.filters.overfitting import gradients

        rng = np.random.default_rng(0)
        scores, norms = rng.normal(size=len(train)), rng.exponential(size=len(train))
        labels = np.asarray(train.labels)
        rest = np.arange(3, len(train))
        monkeypatch.setattr(gradients, "gradient_norms", lambda *_, **__: norms)
        base = gradients.outlier_gradients([model], train, scores)
        broken = norms.copy()
        broken[:3] = np.nan, np.inf, np.nan
        monkeypatch.setattr(gradients, "gradient_norms", lambda *_, **__: broken)
        with pytest.warns(RuntimeWarning, match=f"in 3 of {len(train)} samples"):
            found = gradients.outlier_gradients([model], train, scores)
        assert np.flatnonzero(np.isnan(found.norms)).tolist() == [0, 1, 2]
        assert found.auc == gradients.auc(norms[rest], base.outlier[rest])
        expected = gradients.auc_by_class(norms[rest], base.outlier[rest], labels[rest])
        assert found.auc_classes == pytest.approx(expected)
        assert np.isfinite(found.interval).all()
        broken[:] = np.nan
        with pytest.raises(ValueError, match=f"NaN or infinity in all {len(train)}"):
            gradients.outlier_gradients([model], train, scores)


class TestRemoval:
    LABELS = np.arange(200) % 4

    def test_finds_that_the_outliers_were_harmful(self):
        harmful = np.zeros(200, dtype=bool)
        harmful[:10] = True

        def fake(keep, seed):
            left = (keep & harmful).sum()
            noise = 1e-4 * np.random.default_rng(seed).random()
            return 1.0 + noise, 0.9 - 0.005 * left + noise

        scores = harmful + np.linspace(0, 0.1, 200)
        result = without_outliers(fake, self.LABELS, scores, gradients=-scores, seeds=range(5))
        change = result.differences().set_index("group")
        assert change.loc["outliers", "accuracy_test"] == pytest.approx(0.05)
        assert change.loc["outliers", "gap_high"] < 0
        assert abs(change.loc["random", "accuracy_test"]) < 0.02
        assert change.loc["largest gradient", "accuracy_test"] == pytest.approx(0.0)

    @pytest.mark.parametrize("group", ["outliers", "random", "class-matched", "largest gradient"])
    def test_leaves_out_as_many(self, group):
        rng = np.random.default_rng(1)
        scores, gradients = rng.random(200), rng.random(200)
        left = left_out(group, scores, self.LABELS, gradients=gradients, share=0.05, seed=3)
        assert left.sum() == 10
        outlier = left_out("outliers", scores, self.LABELS, gradients=None, share=0.05, seed=0)
        if group == "class-matched":
            counts = [np.bincount(self.LABELS[one], minlength=4) for one in (left, outlier)]
            assert counts[0].tolist() == counts[1].tolist()
        if group != "outliers":
            assert left.tolist() != outlier.tolist()

    def test_is_saved_and_loaded(self, tmp_path):
        result = without_outliers(lambda *_: (1.0, 0.9), self.LABELS, np.arange(200.0), seeds=[0])
        result.save(tmp_path / "r.zip")
        assert Removal.load(tmp_path / "r.zip").digest == result.digest
        assert "largest gradient" not in result.group

    def test_can_be_cancelled(self):
        def stop(fraction, _message):
            if fraction > 0:
                raise Cancelled

        with pytest.raises(Cancelled):
            without_outliers(lambda *_: (1.0, 0.9), self.LABELS, np.arange(200.0), tick=stop)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"seeds": []}, "seeds must hold at least one seed, got none"),
            ({"share": 0.0}, "share must lie between 0 and 0.5, got 0.0"),
            ({"gradients": [1.0]}, "gradients must have as many"),
        ],
    )
    def test_bad_input(self, change, message):
        with pytest.raises(ValueError, match=message):
            without_outliers(lambda *_: (1.0, 0.9), self.LABELS, np.arange(200.0), **change)


class TestAblation:
    def test_switches_off_what_was_flagged_and_compares(self, model, screen, train, test):
        found = ablate_flagged(model, screen, train, test, count=2, controls=9)
        ranked = screen.filters.sort_values("score", ascending=False, kind="stable").head(2)
        assert found.filters == [
            [site, unit] for site, unit in zip(ranked["site"], ranked["unit"], strict=True)
        ]
        assert found.chosen == "highest score"
        change = found.to_frame()["change"]
        assert change["gap"] == pytest.approx(change["train"] - change["test"])
        np.testing.assert_allclose(
            found.controls[2], found.controls[0] - found.controls[1], atol=1e-12
        )
        # The same edits by hand, means over the training samples.
        means = {}
        acts = ct.capture(model, train, ct.sites(model, train)["conv*"], show=None)
        edits = []
        for site, unit in found.filters:
            means[site] = np.asarray(acts[site]).astype(float).mean((0, 2, 3))
            edits.append(ct.Mean(site, [unit], tuple(means[site])))
        slow = ct.ablate(model, test, edits, controls=0).after
        assert found.after[1] == pytest.approx(slow, abs=1e-12)

    def test_all_flagged_ones(self, model, screen, train, test):
        flagged = (screen.filters["flag"] != "").sum()
        if not flagged:
            pytest.skip("this screen flags nothing")
        found = ablate_flagged(model, screen, train, test, by="zero", controls=3)
        assert len(found.filters) == flagged
        assert found.chosen == "flagged"

    def test_nothing_flagged_says_what_to_do(self, model, screen, train, test):
        import dataclasses

        mute = dataclasses.replace(screen, filters=screen.filters.assign(flag=""))
        with pytest.raises(ValueError, match="screen must flag at least one filter, got none"):
            ablate_flagged(model, mute, train, test)

    def test_is_saved_and_loaded(self, model, screen, train, test, tmp_path):
        found = ablate_flagged(model, screen, train, test, count=1, controls=2)
        found.save(tmp_path / "f.zip")
        assert FilterImpact.load(tmp_path / "f.zip").digest == found.digest


@pytest.fixture(scope="module")
def growth(train, test):
    first = ct.load_model("lenet5-digits-overfit", checkpoint=0)
    last = ct.load_model("lenet5-digits-overfit", checkpoint=25)
    return anomaly_growth(
        {"a": [(0, first), (25, last)]}, train, test, probe=100, options={"k_max": 2}
    )


class TestGrowth:
    def test_counts_filters_and_gaps(self, growth, train, test):
        frame = growth.to_frame()
        assert frame["run"].tolist() == ["a", "a"]
        assert frame["fitted"].tolist() == [22, 22]
        assert (frame["certain"] <= frame["likely"]).all()
        last = ct.load_model("lenet5-digits-overfit", checkpoint=25)
        assert frame["accuracy_test"].iloc[1] == pytest.approx(
            ct.predict(last, test).correct.mean()
        )
        assert frame["loss_train"].iloc[1] < frame["loss_train"].iloc[0]

    def test_two_checkpoints_have_no_trend(self, growth):
        assert np.isnan(growth.trends()["rho"]).all()

    def test_is_saved_and_loaded(self, growth, tmp_path):
        growth.save(tmp_path / "a.zip")
        assert AnomalyGrowth.load(tmp_path / "a.zip").digest == growth.digest

    def test_trend_of_a_planted_course(self, growth):
        import dataclasses

        n = 6
        course = {
            name: np.tile(values, 2)
            for name, values in {
                "epoch": np.arange(n), "fitted": np.full(n, 20), "likely": np.arange(n),
                "certain": np.zeros(n, int), "score": np.arange(n, 0.0, -1),
                "accuracy_train": np.linspace(0.5, 1.0, n), "accuracy_test": np.full(n, 0.5),
                "loss_train": np.ones(n), "loss_test": np.ones(n),
            }.items()
        }  # fmt: skip
        rows = ct.core.Index([f"{r}:{e}" for r in "ab" for e in range(n)], "checkpoint")
        planted = dataclasses.replace(growth, rows=rows, run=["a"] * n + ["b"] * n, **course)
        trends = planted.trends()
        assert trends["rho"].tolist() == pytest.approx([1.0, 1.0])
        assert trends["rho_score"].tolist() == pytest.approx([-1.0, -1.0])
        assert trends["p"].tolist() == pytest.approx([1 / n, 1 / n])
        assert np.isnan(trends["rho_loss"]).all()
        assert planted.mean_rho() == pytest.approx((1.0, 1.0, 1.0))
        assert isinstance(planted.to_frame(), pd.DataFrame)

    @pytest.mark.parametrize(
        ("runs", "message"),
        [({}, "runs must each hold at least one"), ({"a": []}, r"got none for \['a'\]")],
    )
    def test_bad_input(self, train, test, runs, message):
        with pytest.raises(ValueError, match=message):
            anomaly_growth(runs, train, test)

    def test_no_site_of_the_types(self, model, train, test):
        with pytest.raises(ValueError, match="types must match a site of lenet5-digits, got LSTM"):
            anomaly_growth({"a": [(0, model)]}, train, test, types=["LSTM"])

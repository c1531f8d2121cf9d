"""Figures of the overfitting experiments: their traces hold the results' numbers, nothing else."""

import dataclasses
import importlib
import pkgutil

import numpy as np
import pytest

import cutaway as ct
from cutaway.core import Index, Origin, Result
from cutaway.filters.overfitting import AnomalyGrowth, FilterImpact, OutlierGradients, Removal

WITHOUT_FIGURE = {"Completeness", "FeatureGroups", "FeatureVector", "Merge"}


def growth_of(epochs, seed=0):
    """A growth of runs a, b, ... with these epochs each."""
    rng = np.random.default_rng(seed)
    run = [name for name, course in zip("abcdefghij", epochs, strict=False) for _ in course]
    epoch = np.concatenate(epochs)
    n = len(run)
    return AnomalyGrowth(
        Index([f"{r}:{e}" for r, e in zip(run, epoch, strict=True)], "checkpoint"),
        Origin("anomaly_growth", seed=0), run, epoch, np.full(n, 20), rng.integers(1, 20, n),
        np.zeros(n, int), *rng.random((5, n)),
    )  # fmt: skip


@pytest.fixture
def growth():
    return growth_of([[0, 5, 10], [0, 5, 10, 15]])


@pytest.fixture
def gradients():
    rng = np.random.default_rng(1)
    n = 40
    outlier = np.arange(n) % 8 == 0
    return OutlierGradients(
        Index(np.arange(100, 100 + n), "sample"), Origin("outlier_gradients"),
        rng.lognormal(size=n), rng.lognormal(size=n), outlier,
        auc=0.61, auc_classes=0.622, interval=np.array([0.4, 0.7]), auc_initial=0.5,
    )  # fmt: skip


def removal_of(seeds):
    groups = ("none", "outliers", "random")
    rng = np.random.default_rng(2)
    pairs = [(group, seed) for seed in seeds for group in groups]
    return Removal(
        Index([f"{group}:{seed}" for group, seed in pairs], "training"), Origin("without_outliers"),
        [group for group, _ in pairs], np.array([seed for _, seed in pairs]),
        *rng.random((2, len(pairs))),
    )  # fmt: skip


@pytest.fixture
def impact():
    rng = np.random.default_rng(3)
    controls = np.round(rng.normal(-0.02, 0.02, (2, 50)), 3)
    controls = np.concatenate([controls, controls[:1] - controls[1:]])
    before, after = np.array([0.99, 0.9, 0.09]), np.array([0.9, 0.85, 0.05])
    return FilterImpact(
        Index(np.array(["train", "test", "gap"]), "accuracy"), Origin("ablate_flagged"),
        before, after, controls, np.array([0.02, 0.1, 0.4]),
        filters=[["conv1", 0], ["conv2", 3]], chosen="flagged",
    )  # fmt: skip


def panels(figure):
    """Traces of each panel, by the name of its x axis."""
    found = {}
    for trace in figure.data:
        found.setdefault(trace.xaxis or "x", []).append(trace)
    return list(found.values())


class TestGrowth:
    @pytest.mark.parametrize("gap", ["accuracy", "loss"])
    def test_draws_every_run_and_their_mean(self, growth, gap):
        figure = growth.plot(gap=gap)
        frame = growth.to_frame()
        gaps = 100 * frame["gap"] if gap == "accuracy" else frame["loss_gap"]
        for traces, values in zip(
            panels(figure), [100 * frame["share"], frame["score"], gaps], strict=True
        ):
            first, second, mean = traces
            a, b = (values[frame["run"] == name].to_numpy() for name in "ab")
            np.testing.assert_array_equal(first.y, a)
            np.testing.assert_array_equal(second.y, b)
            assert list(second.x) == [0, 5, 10, 15]
            # Epoch 15 has one run only.
            assert list(mean.x) == [0, 5, 10]
            np.testing.assert_allclose(mean.y, (a + b[:3]) / 2, rtol=1e-12)
            assert mean.line.width > first.line.width
        assert all(figure.layout[axis].title.text for axis in ("xaxis", "yaxis", "yaxis2"))
        assert ("points" if gap == "accuracy" else "nats") in figure.layout.yaxis3.title.text
        assert figure.layout.shapes[0].y0 == 0

    def test_says_the_correlation_of_the_gap_it_draws(self, growth):
        for gap, column in (("accuracy", "rho"), ("loss", "rho_loss")):
            title = growth.plot(gap=gap).layout.title.text
            assert (
                f"{gap} gap, mean over runs: {growth.trends()[column].mean():+.2f}, 95 % [" in title
            )
            assert title.endswith(growth.origin.caption())

    def test_one_run_has_no_mean_and_two_checkpoints_no_correlation(self):
        figure = growth_of([[0, 5]]).plot()
        assert [trace.name for trace in figure.data] == ["a"] * 3
        assert "mean over runs: undefined" in figure.layout.title.text

    def test_one_run_has_a_correlation_without_an_interval(self):
        one = growth_of([[0, 1, 2, 3]])
        assert f"{one.trends()['rho'][0]:+.2f}, no interval" in one.plot().layout.title.text

    def test_many_runs_share_one_entry_of_the_legend(self):
        figure = growth_of([[0, 1, 2]] * 8).plot()
        assert len(figure.data) == 3 * 9
        assert [one.name for one in figure.data if one.showlegend] == ["a run", "mean of all runs"]

    def test_no_screened_filter_is_no_share_of_zero(self, growth):
        none = dataclasses.replace(growth, fitted=np.array([20, 0, 20, 20, 20, 20, 20]))
        share, _, mean = panels(none.plot())[0]
        assert np.isnan(share.y).tolist() == [False, True, False]
        assert np.isnan(mean.y).tolist() == [False, True, False]

    def test_unknown_gap(self, growth):
        with pytest.raises(ValueError, match="gap must be one of .*accuracy.*, got 'f1'"):
            growth.plot(gap="f1")


class TestGradients:
    def test_draws_every_sample_once_in_order(self, gradients):
        figure = gradients.plot()
        norms = (gradients.norms, gradients.norms_initial)
        for traces, values in zip(panels(figure), norms, strict=True):
            for trace, chosen in zip(traces, (gradients.outlier, ~gradients.outlier), strict=True):
                np.testing.assert_array_equal(trace.x[1:], np.sort(values[chosen]))
                slow = [100 * np.mean(values[chosen] <= one) for one in trace.x[1:]]
                np.testing.assert_allclose(trace.y, [0, *slow], rtol=1e-12)
                assert sorted(trace.text[1:]) == sorted(map(str, gradients.rows.ids[chosen]))
        assert "within classes 0.622, 95 % [0.400, 0.700], over all pairs 0.610" in (
            figure.layout.title.text
        )
        assert "at initialisation 0.500" in figure.layout.title.text
        assert figure.layout.xaxis.type == "log"

    def test_one_panel_without_a_control_and_a_linear_axis_with_a_zero(self, gradients):
        norms = np.where(np.arange(40) == 7, 0.0, gradients.norms)
        nan = float("nan")
        bare = dataclasses.replace(gradients, norms=norms, norms_initial=None, auc_initial=nan)
        figure = bare.plot()
        assert len(figure.data) == 2
        assert figure.layout.xaxis.type == "linear"
        assert "initialisation" not in figure.layout.title.text

    def test_ranks_within_classes_forget_that_a_class_is_harder(self, gradients):
        labels = np.arange(40) % 3
        harder = dataclasses.replace(gradients, norms=gradients.norms * 10.0**labels)
        one, other = gradients.plot(labels=labels), harder.plot(labels=labels)
        np.testing.assert_array_equal(one.data[0].x, other.data[0].x)
        slow = []
        for i in np.flatnonzero(gradients.outlier):
            peers = gradients.norms[labels == labels[i]]
            slow.append(100 * (np.sum(peers < gradients.norms[i]) + 0.5) / len(peers))
        np.testing.assert_allclose(one.data[0].x[1:], sorted(slow), rtol=1e-12)
        assert "within its class (%)" in one.layout.xaxis.title.text

    def test_labels_of_another_length(self, gradients):
        with pytest.raises(ValueError, match="labels must have as many"):
            gradients.plot(labels=[1, 2])


class TestRemoval:
    def test_draws_every_seed_and_the_mean_with_its_interval(self):
        removal = removal_of(range(4))
        figure = removal.plot()
        frame = removal.to_frame().set_index(["seed", "group"])
        changes = removal.differences()
        for (dots, means), what in zip(panels(figure), ("accuracy_test", "gap"), strict=True):
            slow = [
                100 * (frame.loc[(seed, group), what] - frame.loc[(seed, "none"), what])
                for seed in range(4)
                for group in ("outliers", "random")
            ]
            np.testing.assert_allclose(dots.x, slow, rtol=1e-12)
            np.testing.assert_allclose(means.x, 100 * changes[what], rtol=1e-12)
            ends = means.x + means.error_x.array, means.x - means.error_x.arrayminus
            np.testing.assert_allclose(ends[0], 100 * changes[f"{what}_high"], rtol=1e-12)
            np.testing.assert_allclose(ends[1], 100 * changes[f"{what}_low"], rtol=1e-12)
            assert np.round(dots.y[:2]).tolist() == np.round(means.y).tolist() == [0, 1]
        assert list(figure.layout.yaxis.ticktext) == ["outliers", "random"]
        assert "4 seeds" in figure.layout.title.text
        assert [one.x0 for one in figure.layout.shapes] == [0, 0]

    def test_one_seed_has_no_interval_and_says_so(self):
        figure = removal_of([7]).plot()
        assert "one seed, so no interval" in figure.layout.title.text
        assert not figure.data[1].error_x.visible


class TestImpact:
    def test_draws_the_controls_and_the_observed_change(self, impact):
        figure = impact.plot()
        lines = [one.x0 for one in figure.layout.shapes]
        for row, trace in enumerate(figure.data):
            np.testing.assert_array_equal(trace.x, 100 * impact.controls[row])
            assert trace.xbins.start <= min(trace.x)
            assert trace.xbins.end >= max(trace.x)
            assert lines[2 * row : 2 * row + 2] == [0.0, 100 * impact.change[row]]
        titles = [one.text for one in figure.layout.annotations]
        assert titles[0] == "train: -9.00 points, p = 0.02"
        assert titles[2] == "gap: -4.00 points, p = 0.4"
        assert "2 filters off (flagged)" in figure.layout.title.text

    def test_the_panels_share_their_axis_and_zero_is_in_the_middle_of_a_bin(self, impact):
        figure = impact.plot()
        bins = figure.data[0].xbins
        assert {(t.xbins.start, t.xbins.size) for t in figure.data} == {(bins.start, bins.size)}
        assert (-bins.start / bins.size) % 1 == pytest.approx(0.5)
        low, high = figure.layout.xaxis.range
        assert low < 100 * min(impact.change.min(), impact.controls.min())
        assert high > 100 * max(impact.change.max(), impact.controls.max())

    def test_no_change_at_all(self, impact):
        still = dataclasses.replace(impact, after=impact.before, controls=np.zeros((3, 5)))
        bins = still.plot().data[0].xbins
        assert bins.start < 0 < bins.end


def test_every_kind_of_result_has_a_figure_or_says_that_it_has_none():
    for module in pkgutil.walk_packages(ct.__path__, "cutaway."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    kinds = [one for one in Result.__subclasses__() if one.__module__.startswith("cutaway.")]
    drawn = {one.__name__ for one in ct.plots.plot.registry}
    assert {one.__name__ for one in kinds} - drawn == WITHOUT_FIGURE
    for kind in kinds:
        if kind.__name__ in WITHOUT_FIGURE:
            with pytest.raises(TypeError, match=f"got {kind.__name__}; use to_frame"):
                object.__new__(kind).plot()

"""The three claims: planted trends are found, flat ones are not, noise is called unclear."""

import numpy as np
import pytest
from scipy import stats

from cutaway.core import Index, Origin
from cutaway.merging import ComplexityCurve, findings

BETAS = np.array([0.0, 0.1, 0.2, 0.3])


def curve_of(left, size=None, *, score=None, kept=None, before=0.95):
    """A curve by hand: features left (betas, groups)."""
    left = np.asarray(left)
    b, g = left.shape
    size = left[0] if size is None else np.asarray(size)
    nothing = np.full(g, np.nan)
    return ComplexityCurve(
        rows=Index([f"conv{i}" for i in range(1, g + 1)], "group"),
        origin=Origin("complexity_curve"),
        betas=BETAS[:b],
        size=size,
        features_left=left,
        parameters=1000,
        kept_parameters=np.asarray([1000, 800, 500, 100][:b] if kept is None else kept),
        macs=np.nan,
        kept_macs=np.full(b, np.nan),
        score=np.full(b, np.nan) if score is None else np.asarray(score),
        score_before=before,
        closest=np.ones(g),
        farthest=np.full(g, 2.0),
        baseline_left=np.full((b, g), np.nan),
        baseline_closest=nothing,
        baseline_farthest=nothing,
        baseline_reason="not asked for",
        clusters=[{} for _ in range(b)],
        rule="official",
        refused=[],
    )


def profiles(shape, n=5, noise=0.0, width=100):
    """Curves of n seeds whose shares at the second beta have a shape with depth."""
    rng = np.random.default_rng(0)
    size = np.full(len(shape), width)
    return [
        curve_of([size, size * (np.array(shape) + noise * rng.normal(size=len(shape)))], size)
        for _ in range(n)
    ]


class TestInterval:
    def test_against_scipy(self):
        values = np.random.default_rng(1).normal(size=12)
        mean, low, high = findings.mean_interval(values)
        wanted = stats.bootstrap(
            (values,), np.mean, method="percentile", n_resamples=20000, random_state=0
        ).confidence_interval
        assert mean == pytest.approx(values.mean())
        # 2,000 resamples: a quantile of their means errs by about 0.02 standard deviations.
        spread = values.std() / np.sqrt(12)
        assert low == pytest.approx(wanted.low, abs=0.2 * spread)
        assert high == pytest.approx(wanted.high, abs=0.2 * spread)

    def test_nan_is_left_out_and_one_value_has_no_interval(self):
        assert findings.mean_interval([1.0, np.nan])[0] == 1.0
        assert np.isnan(findings.mean_interval([1.0, np.nan])[1:]).all()
        assert np.isnan(findings.mean_interval([np.nan])).all()

    def test_covers_about_as_often_as_the_note_says(self):
        rng = np.random.default_rng(0)
        hits = []
        for _ in range(400):
            _, low, high = findings.mean_interval(rng.normal(size=5))
            hits.append(low < 0 < high)
        assert abs(np.mean(hits) - 0.85) < 4 * np.sqrt(0.85 * 0.15 / 400)

    @pytest.mark.parametrize(
        ("low", "high", "word"),
        [
            (0.1, 0.2, "yes"),
            (-0.2, -0.1, "reverse"),
            (-1, 1, "unclear"),
            (np.nan, np.nan, "unclear"),
        ],
    )
    def test_verdict(self, low, high, word):
        assert findings.verdict(low, high) == word


class TestRedundancy:
    def test_smallest_at_the_allowed_loss(self):
        sizes = [[10, 10]] * 4
        one = curve_of(sizes, score=[0.95, 0.945, 0.94, 0.5])
        assert findings.redundancy(one) == pytest.approx(0.5)
        assert findings.redundancy(one, loss=0.006) == pytest.approx(0.2)
        assert findings.redundancy(one, loss=0.6) == pytest.approx(0.9)

    def test_none_where_all_lose(self):
        one = curve_of([[10, 10]] * 4, score=[0.1, 0.1, 0.1, 0.1])
        assert findings.redundancy(one) == 0.0

    def test_needs_a_score(self):
        with pytest.raises(ValueError, match="curve must have a score, got none; make it with"):
            findings.redundancy(curve_of([[10, 10]]))


def test_complexity_is_the_mean_share():
    one = curve_of([[10, 30], [5, 15], [1, 3]])
    assert findings.complexity(one) == pytest.approx((1 + 0.5 + 0.1) / 3)


class TestDepth:
    @pytest.mark.parametrize("groups", [3, 4, 5, 6, 7, 8, 9])
    def test_thirds(self, groups):
        """Share = place: rise and fall are differences of means of places."""
        shape = np.arange(groups) / 100
        found = findings.rise_and_fall(profiles(shape), beta=0.1)
        outer = {3: 1, 4: 1, 5: 2, 6: 2, 7: 2, 8: 3, 9: 3}[groups]
        middle = shape[outer:-outer].mean()
        assert found.loc["rise", "mean"] == pytest.approx(middle - shape[:outer].mean())
        assert found.loc["fall", "mean"] == pytest.approx(middle - shape[-outer:].mean())
        assert list(found["verdict"]) == ["yes", "reverse"]

    def test_a_planted_hump(self):
        found = findings.rise_and_fall(profiles([0.3, 0.5, 0.8, 0.7, 0.4, 0.2], noise=0.05))
        assert list(found["verdict"]) == ["yes", "yes"]
        assert list(found["seeds"]) == [5, 5]

    def test_no_hump_in_noise(self):
        """A maximum that is looked for would be inside in most of them."""
        rng = np.random.default_rng(3)
        both = 0
        for _ in range(60):
            shares = rng.random((5, 8))
            size = np.full(8, 100)
            curves = [curve_of([size, 100 * one], size) for one in shares]
            both += (findings.rise_and_fall(curves, beta=0.1)["verdict"] == "yes").all()
        assert both <= 6

    def test_counts_follow_the_widths(self):
        size = np.array([10, 20, 30, 30, 20, 10])
        curves = [curve_of([size, size // 2], size) for _ in range(3)]
        share = findings.rise_and_fall(curves, beta=0.1)
        assert list(share["mean"]) == [0.0, 0.0]
        assert list(share["verdict"]) == ["unclear", "unclear"]
        counts = findings.rise_and_fall(curves, beta=0.1, counts=True)
        assert list(counts["verdict"]) == ["yes", "yes"]

    def test_profile(self):
        curves = [curve_of([[10, 20], [4, 20]]), curve_of([[10, 20], [6, 10]])]
        found = findings.by_depth(curves, beta=0.1)
        assert list(found.index) == ["conv1", "conv2"]
        assert list(found["left"]) == [5, 15]
        assert list(found["share"]) == [0.5, 0.75]
        assert found.loc["conv1", "low"] == pytest.approx(0.4)

    def test_halfway(self):
        assert findings.halfway(curve_of([[10, 10], [9, 9], [6, 5], [1, 1]])) == 2
        found = findings.by_depth([curve_of([[10, 10], [9, 9], [6, 5], [1, 1]])] * 2)
        assert list(found["share"]) == [0.6, 0.5]

    def test_errors(self):
        one, other = curve_of([[10, 20]]), curve_of([[10, 21]])
        with pytest.raises(ValueError, match="curves must be of one architecture, got groups"):
            findings.by_depth([one, other])
        with pytest.raises(ValueError, match="curves must hold at least one, got none"):
            findings.by_depth([])
        with pytest.raises(ValueError, match="curves must have at least three groups, got 2;"):
            findings.rise_and_fall([one, one])


class TestTrend:
    def test_planted_slope_a_doubling(self):
        values = {0.5: [0.1, 0.2, 0.15], 1.0: [0.3, 0.4, 0.35], 2.0: [0.5, 0.6, 0.55]}
        found = findings.trend(values)
        assert found.loc["slope", "mean"] == pytest.approx(0.2)
        assert found.loc["slope", "verdict"] == "yes"
        assert found.loc["1.0", "mean"] == pytest.approx(0.35)

    def test_a_unit(self):
        found = findings.trend({0.0: [1.0, 1.0], 0.4: [0.8, 0.6]}, log=False)
        assert found.loc["slope", "mean"] == pytest.approx(-0.75)
        assert found.loc["slope", "verdict"] == "reverse"

    def test_seeds_are_paired(self):
        """Seeds differ far more than sizes do; within each the slope is the same."""
        base = np.array([0.0, 10.0, -10.0, 5.0])
        found = findings.trend({1.0: base, 2.0: base + 0.1})
        assert found.loc["slope", "verdict"] == "yes"
        assert found.loc["slope", "low"] == pytest.approx(0.1)

    def test_incomplete(self):
        with pytest.raises(ValueError, match=r"values must hold two or more sizes of equally ma"):
            findings.trend({1.0: [1.0], 2.0: [1.0, 2.0]})


class TestAccuracy:
    def test_one_way_and_the_other(self):
        x = np.arange(12.0).reshape(3, 4)
        assert findings.with_accuracy(x, x**2)["mean"].iloc[0] == pytest.approx(1.0)
        assert findings.with_accuracy(x, -x)["verdict"].iloc[0] == "reverse"

    def test_constant_seeds_are_left_out(self):
        x = np.array([[1.0, 1.0, 1.0], [1.0, 2.0, 3.0], [3.0, 2.0, 4.0]])
        found = findings.with_accuracy(x, [[1, 2, 3]] * 3)
        assert found["seeds"].iloc[0] == 2
        assert found["mean"].iloc[0] == pytest.approx(0.75)

    def test_shapes(self):
        with pytest.raises(ValueError, match="complexities, accuracies must have one shape"):
            findings.with_accuracy([[1, 2]], [[1, 2, 3]])

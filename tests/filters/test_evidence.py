from math import comb

import numpy as np
import pytest

from cutaway.filters.evidence import (
    benjamini_hochberg,
    combine_samples,
    hit_level,
    hits,
    pair_p,
    second_largest,
)


def test_combination_of_uniform_p_is_uniform():
    p = np.random.default_rng(0).random((30, 20000))
    _, combined = combine_samples(-np.log10(p))
    for level in (0.5, 0.1, 0.01):
        assert (combined < level).mean() == pytest.approx(level, rel=0.1)


def test_combination_holds_for_filters_that_agree():
    p = np.broadcast_to(np.random.default_rng(1).random(5000), (10, 5000))
    np.testing.assert_allclose(combine_samples(-np.log10(p))[1], p[0], rtol=1e-9)


def test_combination_is_the_formula_and_goes_on_below_the_floor():
    tails = np.array([[3.0, 12.0, 400.0], [1.0, 0.2, 0.2]])
    score, p = combine_samples(tails)
    total = np.tan((0.5 - 10.0 ** -tails[:, 0]) * np.pi).mean()
    assert p[0] == pytest.approx(0.5 - np.arctan(total) / np.pi, rel=1e-12)
    assert score[0] == pytest.approx(-np.log10(p[0]))
    assert p[1] == pytest.approx(2e-12, rel=1e-6)
    assert score[2] == pytest.approx(400.0 - np.log10(2.0))
    assert p[2] == 1e-16


def test_score_is_continuous_where_the_formula_changes():
    score, _ = combine_samples(np.array([[8.0 - 1e-9, 8.0 + 1e-9], [0.5, 0.5]]))
    assert score[0] == pytest.approx(score[1], abs=1e-6)


def test_a_filter_without_a_say_counts_for_nothing():
    tails = np.random.default_rng(2).exponential(0.4, (5, 40))
    with_gap = np.vstack([tails, np.full((1, 40), np.nan)])
    np.testing.assert_allclose(combine_samples(with_gap)[1], combine_samples(tails)[1])
    score, p = combine_samples(np.full((2, 3), np.nan))
    assert np.isnan(score).all()
    assert np.isnan(p).all()


def test_second_largest():
    tails = np.array([[1.0, 5.0, 3.0], [2.0, np.nan, np.nan], [4.0, 4.0, np.nan]])
    np.testing.assert_array_equal(second_largest(tails), [3.0, np.nan, 4.0])
    assert np.isnan(second_largest(np.ones((2, 1)))).all()


@pytest.mark.parametrize("t", [1e-9, 1e-6, 1e-3, 0.1, 0.7])
def test_pair_p_is_the_binomial_tail(t):
    n = 50
    exact = sum(comb(n, i) * t**i * (1 - t) ** (n - i) for i in range(2, n + 1))
    tails = np.zeros((1, n))
    tails[0, :2] = -np.log10(t), 30.0
    assert pair_p(tails)[0] == pytest.approx(exact, rel=1e-4)


def test_pair_p_is_uniform_for_uniform_p():
    p = np.random.default_rng(3).random((20000, 25))
    found = pair_p(-np.log10(p))
    for level in (0.5, 0.1, 0.01):
        assert (found < level).mean() == pytest.approx(level, rel=0.15)


def test_q_values_are_the_definition():
    p = np.array([0.01, np.nan, 0.04, 0.03, 0.005, 0.9])
    q = benjamini_hochberg(p)
    known = p[np.isfinite(p)]
    for one, value in zip(p, q, strict=True):
        if np.isnan(one):
            assert np.isnan(value)
            continue
        candidates = [t * len(known) / (known <= t).sum() for t in known if t >= one]
        assert value == pytest.approx(min(1.0, *candidates, 1.0))
    assert np.isnan(benjamini_hochberg(np.full(3, np.nan))).all()


def test_weights_count_lines_as_repeated_ones():
    tails = np.array([[3.0, 0.2, 12.0], [0.5, 4.0, 1.0]])
    score, p = combine_samples(tails, np.array([1.0, 3.0]))
    repeated = combine_samples(np.vstack([tails[:1], *[tails[1:]] * 3]))
    np.testing.assert_allclose(score, repeated[0])
    np.testing.assert_allclose(p, repeated[1])


def test_blocks_of_samples_change_nothing(monkeypatch):
    tails = np.random.default_rng(3).exponential(0.6, size=(7, 50))
    tails[2, 5] = np.nan
    whole = combine_samples(tails)
    monkeypatch.setattr("cutaway.filters.evidence._BLOCK", 20)
    np.testing.assert_array_equal(np.stack(combine_samples(tails)), np.stack(whole))


def test_hits_lie_beyond_one_hundredth_over_the_samples_of_the_filter():
    tails = np.full((2, 100), 0.3)
    tails[0, :3] = [3.9, 4.1, 9.0]
    tails[1, 10:] = np.nan  # ten samples left: the level is 3
    tails[1, 0] = 3.1
    assert hit_level(tails).tolist() == pytest.approx([4.0, 3.0])
    assert np.argwhere(hits(tails)).tolist() == [[0, 1], [0, 2], [1, 0]]

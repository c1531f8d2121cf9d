import numpy as np
import pytest
from planted import FakeMaps
from scipy.stats import fisher_exact

from cutaway.filters import compare_screens, screen_filters
from cutaway.filters.stability import found_again, half_samples


def screen(seed, odd, n=400, sites=("conv",), filters=4):
    rng = np.random.default_rng(seed)
    maps = {site: rng.normal(size=(n, filters, 4, 4)) for site in sites}
    for unit, count in odd.items():
        maps[sites[0]][:count, unit] += 15.0
    return screen_filters(FakeMaps(maps), k_max=1)


def test_filters_are_matched_and_told_apart():
    train, test = screen(0, {1: 8, 2: 8}), screen(1, {2: 8, 3: 8}, n=300)
    table = compare_screens(train, test)
    assert table["unit"].tolist() == [0, 1, 2, 3]
    assert table["verdict"].tolist() == ["", "a", "both", "b"]
    assert table["hits_a"].tolist() == train.hit_counts().tolist()
    assert table["hits_b"].tolist() == test.hit_counts().tolist()
    one = table.loc[1]
    assert one["p"] == pytest.approx(fisher_exact([[one.hits_a, 400 - one.hits_a],
                                                   [one.hits_b, 300 - one.hits_b]])[1])  # fmt: skip
    assert one["p"] < 0.05 < table["p"][2]
    for name in ("score", "q", "flag", "status", "tail", "k"):
        assert table[f"{name}_a"].tolist() == train.filters[name].tolist()


def test_only_shared_filters_are_compared():
    wide, narrow = screen(0, {}, sites=("conv", "deep")), screen(1, {}, filters=2)
    assert len(compare_screens(wide, narrow)) == 2
    with pytest.raises(ValueError, match=r"a and b must share filters, got none in common of conv"):
        compare_screens(narrow, screen(2, {}, sites=("deep",)))
    with pytest.raises(TypeError, match=r"b must be a FilterScreen, got str; use screen_filters"):
        compare_screens(wide, "screen")


def test_halves_are_halves():
    halves = half_samples(101, 0)
    assert len(halves) == 10
    assert {len(one) for one in halves} == {51}
    assert len({tuple(one) for one in halves}) == 10
    assert all(np.all(np.diff(one) > 0) for one in halves)


def test_links_of_far_samples_are_found_again_and_chance_ones_are_not():
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(600, 9))
    rows[:7] += 12.0
    halves, gain = half_samples(600, 0), np.ones(600)
    real, chance = np.arange(600) < 7, (np.arange(600) >= 7) & (np.arange(600) < 14)
    assert found_again(rows, gain, real, shape=1.0, halves=halves) == 1.0
    assert found_again(rows, gain, chance, shape=1.0, halves=halves) == 0.0
    none = np.zeros(600, bool)
    assert np.isnan(found_again(rows[7:], gain[7:], none[7:], shape=1.0,
                                halves=half_samples(593, 0)))  # fmt: skip


def test_the_screen_says_how_stable_a_flag_is():
    strong, weak = screen(4, {1: 8}), screen(5, {})
    assert strong.filters["stability"][1] > 0.95
    assert weak.filters["stability"].isna().all()

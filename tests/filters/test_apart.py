"""From samples to filters: against counting pairs, scipy's test, and planted samples."""

import itertools

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from cutaway.filters import filters_of, screen_filters
from cutaway.model import Activations

N, FILTERS = 240, 12
ODD_SAMPLES = [3, 50, 77, 120, 121, 200]
ODD_FILTERS = [1, 8]


@pytest.fixture(scope="module")
def screen():
    """Two of twelve filters hold six of 240 samples far from the rest."""
    rng = np.random.default_rng(5)
    maps = rng.normal(size=(N, FILTERS, 4, 4))
    away = rng.normal(size=(4, 4))
    for f in ODD_FILTERS:
        maps[ODD_SAMPLES, f] += 4.0 * away
    maps[:, 5] = 0.0
    maps[7, 6] = np.nan
    ids = [f"s{i}" for i in range(N)]
    return screen_filters(Activations.from_arrays({"conv": maps}, ids), k_max=1)


def pairs(inside, outside):
    """The chance by its definition: every pair of samples, one by one."""
    wins = [1.0 if a > b else 0.5 if a == b else 0.0 for a, b in itertools.product(inside, outside)]
    return sum(wins) / len(wins)


@pytest.mark.parametrize("count", [1, 5, 30])
def test_every_number_against_pairs_counted_one_by_one(screen, count):
    places = np.random.default_rng(count).choice(N, count, replace=False)
    table = filters_of(screen, screen.rows.ids[[*places, 7]].tolist())
    chosen = np.isin(np.arange(N), [*places, 7])
    assert table[["site", "unit"]].equals(screen.filters[["site", "unit"]])
    checked = 0
    for tails, line in zip(screen.tails.astype(float), table.itertuples(), strict=True):
        inside, outside = (tails[one & np.isfinite(tails)] for one in (chosen, ~chosen))
        if not len(inside) or not len(outside):
            assert np.isnan([line.auc, line.p, line.q, line.inside, line.outside]).all()
            continue
        checked += 1
        assert line.auc == pytest.approx(pairs(inside, outside), abs=1e-12)
        assert line.inside == pytest.approx(inside.mean(), rel=1e-9)
        assert line.outside == pytest.approx(outside.mean(), rel=1e-9)
        method = "exact" if len(inside) <= 8 else "asymptotic"
        expected = mannwhitneyu(inside, outside, alternative="greater", method=method).pvalue
        assert line.p == pytest.approx(expected, rel=1e-9)
        assert line.q >= line.p * (1 - 1e-12)
    assert checked >= FILTERS - 2


def test_planted_samples_lead_to_their_filters(screen):
    table = filters_of(screen, [f"s{i}" for i in ODD_SAMPLES])
    first = table.sort_values("auc", ascending=False)["unit"].head(2)
    assert sorted(first) == ODD_FILTERS
    assert table["unit"][table["q"] < 0.01].tolist() == ODD_FILTERS
    assert table["auc"][ODD_FILTERS].min() > 0.99


def test_other_samples_do_not(screen):
    others = [f"s{i}" for i in range(N) if i not in ODD_SAMPLES][:12]
    table = filters_of(screen, others)
    assert not (table["q"] < 0.01).any()
    assert (table["auc"][ODD_FILTERS] < 0.8).all()


def test_order_and_repeats_of_the_samples_do_not_matter(screen):
    once = filters_of(screen, ["s3", "s50", "s9"])
    assert filters_of(screen, ["s9", "s3", "s50", "s3"]).equals(once)


@pytest.mark.parametrize(("ids", "count"), [([], 0), ([f"s{i}" for i in range(N)], N)])
def test_none_and_all_are_refused(screen, ids, count):
    with pytest.raises(ValueError, match=f"ids must be some of the {N} samples, got {count}; "):
        filters_of(screen, ids)


def test_an_unknown_sample_is_named(screen):
    with pytest.raises(KeyError, match="nobody"):
        filters_of(screen, ["nobody"])

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from planted import FakeMaps, auc, hard

from cutaway.core import Cancelled
from cutaway.filters import FilterScreen, fit_mixtures, prepare, screen_filters
from cutaway.model import Activations

ORACLE = Path(__file__).parents[1] / "oracles" / "gmm"
ENTRIES = json.loads((ORACLE / "expected.json").read_text())["easy"]


@pytest.fixture(scope="module")
def stored():
    return np.load(ORACLE / "planted_easy.npz")


@pytest.fixture(scope="module")
def easy(stored):
    acts = Activations.from_arrays({"conv": stored["maps"]})
    return screen_filters(acts, n_dims=2)


def flags(screen):
    return screen.filters["flag"].to_numpy().astype(str)


def test_oracle_k_and_minor_components(easy):
    table = easy.filters
    fitted = [one for one in ENTRIES if one["status"] not in {"dead", "constant"}]
    chosen = table["k"].to_numpy()[[one["filter"] for one in fitted]]
    assert chosen.tolist() == [one["K_bic_full"] for one in fitted]
    assert np.flatnonzero(table["minor"]).tolist() == [2, 3, 4, 5, 15]
    for f in (2, 3, 4, 5):
        assert np.flatnonzero(easy.assignments[f] == 1).tolist() == ENTRIES[f]["minor_samples"]
        assert table["deviance"][f] == pytest.approx(ENTRIES[f]["deletion_deviance"], rel=1e-2)
    assert len(np.flatnonzero(easy.assignments[15] == 1)) >= 2


def test_oracle_flags_and_samples(easy, stored):
    # Filter 5 holds a single odd sample, which never makes a flag; it leads by its largest tail.
    assert np.flatnonzero(flags(easy) == "certain").tolist() == [2, 3, 4, 15]
    assert np.flatnonzero(flags(easy) == "likely").tolist() == []
    assert easy.filters["tail"].idxmax() == 5
    assert easy.filters["q"][[2, 3, 4, 15]].max() < 1e-3
    truth = stored["sample_truth"].astype(bool)
    assert auc(easy.samples["score"].to_numpy(), truth) == 1.0
    links = stored["link_truth"].astype(bool)
    found = {(row.unit, row.id) for row in easy.links.itertuples()}
    planted = {(f, int(n)) for f in (2, 3, 4, 15) for n in np.flatnonzero(links[f])}
    assert planted <= found
    assert len(found - planted) <= 1


def test_order_of_samples_and_scale_of_filters_do_not_matter():
    planted = hard(3, filters=12, odd=6)
    screen = screen_filters(FakeMaps(planted.maps), k_max=3)
    order = np.random.default_rng(0).permutation(600)
    scale = np.logspace(-3, 3, 12)[:, None, None]
    moved = screen_filters(FakeMaps(planted.maps[order] * scale, ids=order), k_max=3)
    assert flags(moved).tolist() == flags(screen).tolist()
    assert moved.filters["k"].tolist() == screen.filters["k"].tolist()
    np.testing.assert_allclose(moved.filters["score"], screen.filters["score"], rtol=1e-4)
    before = screen.to_frame().loc[order, "score"]
    np.testing.assert_allclose(moved.to_frame()["score"], before, rtol=1e-4)
    assert moved.samples["id"].tolist() == order.tolist()


def test_same_seed_same_digest_and_several_sites():
    planted = hard(4, filters=10, odd=5)
    sites = {"conv1": planted.maps[:, :4], "conv2": planted.maps[:, 4:, :4, :4]}
    screens = [screen_filters(FakeMaps(sites), k_max=2, seed=3) for _ in range(2)]
    assert screens[0].digest == screens[1].digest
    table = screens[0].filters
    assert table["site"].tolist() == ["conv1"] * 4 + ["conv2"] * 6
    assert table["unit"].tolist() == [0, 1, 2, 3, 0, 1, 2, 3, 4, 5]
    assert screens[0].place("conv2", 0) == 4
    assert screens[0].origin.site == "conv1,conv2"
    assert screens[0].origin.seed == 3
    assert screens[0].origin.function == "screen_filters"


def test_another_seed_changes_the_pictures_at_most():
    """Ranking and flags are no matter of luck: the seed starts EM and draws the halves."""
    acts = Activations.from_arrays({"conv": hard(5, filters=12, odd=4).maps})
    one, other = (screen_filters(acts, seed=seed) for seed in (0, 1))
    for column in ("tail", "score", "q", "flag"):
        pd.testing.assert_series_equal(one.filters[column], other.filters[column])
    pd.testing.assert_frame_equal(
        one.links.drop(columns="responsibility"), other.links.drop(columns="responsibility")
    )
    agree = one.filters["k"] == other.filters["k"]
    assert agree.mean() >= 0.75


def test_shared_axes_change_the_pictures_and_nothing_else(monkeypatch):
    acts = Activations.from_arrays({"conv": hard(5, filters=12, odd=4).maps})
    own, shared = screen_filters(acts), screen_filters(acts, shared=True)
    for column in ("tail", "score", "q", "flag"):
        pd.testing.assert_series_equal(own.filters[column], shared.filters[column])
    assert not np.allclose(own.coordinates, shared.coordinates)
    direct = prepare(acts["conv"], shared=True)
    np.testing.assert_allclose(shared.coordinates, direct.values, atol=1e-5)
    assert own.digest != shared.digest
    monkeypatch.setattr("cutaway.filters.reading._GROUP_BYTES", 1.0)  # a filter at a time
    pieces = screen_filters(acts, shared=True)
    np.testing.assert_allclose(np.abs(pieces.coordinates), np.abs(shared.coordinates), atol=1e-5)


def test_chunks_of_filters_change_nothing(monkeypatch):
    acts = FakeMaps(hard(5, filters=10, odd=5).maps)
    whole = screen_filters(acts, k_max=2)
    monkeypatch.setattr("cutaway.filters.reading._GROUP_BYTES", 1.0)
    monkeypatch.setattr("cutaway.filters.screen._SEARCH_BYTES", 1.0)
    monkeypatch.setattr("cutaway.filters.mixtures._BLOCK_BYTES", 1.0)
    single = screen_filters(acts, k_max=2)
    np.testing.assert_allclose(single.bics, whole.bics, rtol=1e-10)
    np.testing.assert_allclose(single.tails, whole.tails, rtol=1e-6)


def test_k_at_the_limit_is_told():
    rng = np.random.default_rng(11)
    maps = rng.normal(size=(400, 2, 3, 3))
    maps[:, 1, 0, 0] += 12.0 * rng.integers(0, 3, 400)
    screen = screen_filters(FakeMaps(maps), k_max=2)
    assert screen.filters["at_limit"].tolist() == [False, True]
    wide = screen_filters(FakeMaps(maps), k_max=4)
    assert wide.filters["k"].tolist() == [1, 3]
    assert not wide.filters["at_limit"].any()


def test_faint_samples_lie_near_and_are_found():
    rng = np.random.default_rng(12)
    patterns = rng.normal(size=(16, 12, 12))
    size = rng.lognormal(0, 0.1, (300, 1, 1, 1))
    maps = size * patterns + 0.3 * rng.normal(size=(300, 16, 12, 12))
    maps -= maps.mean(axis=0)
    maps[:4] *= 0.2
    screen = screen_filters(FakeMaps(maps), k_max=1)
    assert set(screen.samples["score"].nlargest(4).index) == {0, 1, 2, 3}
    assert screen.samples["side"][:4].tolist() == ["near"] * 4


def test_bad_rows_and_filters_are_counted_not_fatal():
    maps = np.random.default_rng(6).normal(size=(300, 5, 4, 4))
    maps[7, 0, 0, 0] = np.nan
    maps[:, 1] = 0.0
    maps[:, 2] = 3.0
    screen = screen_filters(FakeMaps(maps), k_max=2)
    assert screen.filters["status"].tolist() == [
        "nonfinite_dropped", "dead", "constant", "ok", "ok",
    ]  # fmt: skip
    assert screen.filters["k"].tolist() == [1, 0, 0, 1, 1]
    assert screen.assignments[0, 7] == -1
    assert np.isnan(screen.tails[0, 7])
    assert np.isnan(screen.tails[1]).all()
    assert np.isnan(screen.filters["q"][1])
    assert screen.samples["p"].notna().all()


def test_nothing_to_fit_is_a_result_too(tmp_path):
    screen = screen_filters(FakeMaps(np.zeros((10, 3, 4, 4))))
    assert screen.filters["status"].tolist() == ["dead"] * 3
    assert screen.samples["p"].isna().all()
    assert len(screen.links) == 0
    screen.save(tmp_path / "screen.zip")
    assert FilterScreen.load(tmp_path / "screen.zip").digest == screen.digest


def test_few_samples():
    maps = np.random.default_rng(7).normal(size=(20, 2, 4, 4))
    assert screen_filters(FakeMaps(maps)).filters["status"].tolist() == ["too_few"] * 2


def test_units_without_pixels_are_screened_too():
    values = np.random.default_rng(8).normal(size=(400, 9))
    values[:3, 4] += 15.0
    screen = screen_filters(FakeMaps(values), k_max=2)
    assert np.flatnonzero(flags(screen) != "").tolist() == [4]
    assert set(screen.links["id"]) == {0, 1, 2}


def test_saved_and_loaded_equal(easy, tmp_path):
    easy.save(tmp_path / "screen.zip")
    again = FilterScreen.load(tmp_path / "screen.zip")
    assert again.digest == easy.digest
    pd.testing.assert_frame_equal(again.links, easy.links, check_dtype=False)
    assert again.picture("conv", 2).points.tobytes() == easy.picture("conv", 2).points.tobytes()


def test_ch_never_chooses_one_component(stored):
    acts = FakeMaps(stored["maps"][:, :4])
    screen = screen_filters(acts, n_dims=2, criterion="ch")
    assert screen.filters["k"].min() >= 2
    x = prepare(stored["maps"][:, :4], n_dims=2).values
    index = np.stack([fit_mixtures(x, k).ch for k in range(2, 6)], axis=1)
    assert screen.filters["k"].tolist() == (2 + index.argmax(axis=1)).tolist()


def test_channels_last_give_the_same_and_maps_are_pooled_in_squares():
    maps = hard(10, n=200, filters=4, odd=2).maps
    first = Activations.from_arrays({"block": maps})
    last = Activations.from_arrays({"block": np.moveaxis(maps, 1, 3)}, layouts={"block": "n h w c"})
    plain = screen_filters(FakeMaps({"block": maps}), k_max=2)
    assert screen_filters(first, k_max=2).values_digest == plain.values_digest
    np.testing.assert_allclose(screen_filters(last, k_max=2).tails, plain.tails, rtol=1e-5)


def test_ticks_rise_to_one_and_cancel_passes_through():
    acts = FakeMaps(hard(9, filters=6, odd=2).maps)
    heard = []
    screen_filters(acts, k_max=2, tick=lambda fraction, message: heard.append(fraction))
    assert heard[-1] == 1.0
    assert heard == sorted(heard)
    left = [len(heard) // 2]

    def stop(fraction, message):
        left[0] -= 1
        if left[0] == 0:
            raise Cancelled

    with pytest.raises(Cancelled):
        screen_filters(acts, k_max=2, tick=stop)


def test_frames_and_representations(easy):
    assert list(easy.to_frame().columns) == ["score", "p", "hits", "side"]
    assert easy.to_frame().index.tolist() == list(range(400))
    assert repr(easy).startswith("FilterScreen(16 filters, 4 certain, 0 likely; 400 samples; ")
    assert "certain" in easy._repr_html_()
    with pytest.raises(ValueError, match="read-only"):
        easy.tails[0, 0] = 1.0


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"criterion": "aic"}, ValueError, r"criterion must be one of 'bic', 'ch', got 'aic'"),
        ({"k_max": 0}, ValueError, r"k_max must be 1\.\.20, got 0"),
        ({"k_max": 1, "criterion": "ch"}, ValueError, r"k_max must be 2\.\.20, got 1"),
        ({"n_dims": 0}, ValueError, r"n_dims must be 1\.\.64, got 0"),
        ({"tau": 0.7}, ValueError, r"tau must lie in 0\.0\.\.0\.5, got 0\.7"),
        ({"covariance": "round"}, ValueError, r"covariance must be one of 'full'.*got 'round'"),
        ({"labels": [0.5] * 30}, TypeError, r"labels must be whole numbers, got dtype float64"),
        ({"labels": [[0]] * 30}, ValueError, r"labels must have 1 axes \(one class a sample\)"),
        ({"labels": [0] * 9}, ValueError, r"labels must have as many entries as the activations"),
        ({"labels": [0, 1] * 15}, ValueError, r"labels must give at least 20 samples a class"),
    ],
)
def test_arguments_are_checked(options, error, message):
    acts = FakeMaps(np.random.default_rng(10).normal(size=(30, 2, 3, 3)))
    with pytest.raises(error, match=message):
        screen_filters(acts, **options)


def test_no_site_is_an_error():
    acts = FakeMaps(np.ones((30, 2)))
    acts.sites = ()
    with pytest.raises(ValueError, match=r"acts must hold at least one site, got none; capture"):
        screen_filters(acts)


def test_bare_arrays_are_told_what_to_use():
    with pytest.raises(TypeError, match=r"acts must be Activations, got ndarray; .*from_arrays"):
        screen_filters(np.ones((30, 2)))

"""The screen has no unit: maps times any factor, one for all or one a filter, are the same maps."""

import numpy as np
import pytest
from planted import FakeMaps

from cutaway.filters import fit_mixtures, prepare, screen_filters
from cutaway.filters.classes import joined_cells

ARRAYS = ("tails", "coordinates", "bics", "assignments", "weights", "means", "covariances")


def maps(n=150, filters=10, side=4):
    """Rectified noise; samples 3, 7 and 11 are odd in filters 0 to 3."""
    rng = np.random.default_rng(0)
    made = np.maximum(rng.normal(size=(n, filters, side, side)) + 0.3, 0)
    made[[3, 7, 11], :4] += 6
    return made


def assert_same(one, other):
    """Equal to the bit, tables too."""
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    assert one.filters.equals(other.filters)
    assert one.samples.equals(other.samples)
    assert one.links.equals(other.links)


@pytest.fixture(scope="module")
def plain():
    screen = screen_filters(FakeMaps(maps()))
    assert (screen.filters["flag"].to_numpy().astype(str) != "").sum() == 4
    return screen


@pytest.mark.parametrize("power", [-990, -300, -40, 1, 61, 500, 1015])
def test_a_power_of_two_changes_no_bit(plain, power):
    assert_same(screen_filters(FakeMaps(np.ldexp(maps(), power))), plain)


@pytest.mark.parametrize("factor", [1e-300, 1e-12, 7.3, 1e200, 1e300])
def test_any_factor_keeps_flags_and_ranks(plain, factor):
    found = screen_filters(FakeMaps(maps() * factor))
    assert (found.filters["status"] == "ok").all()
    assert found.filters["flag"].tolist() == plain.filters["flag"].tolist()
    np.testing.assert_allclose(found.tails, plain.tails, rtol=1e-4)
    for table in ("filters", "samples"):
        order = [getattr(one, table)["score"].argsort().tolist() for one in (found, plain)]
        assert order[0] == order[1]


def test_every_filter_may_have_a_scale_of_its_own(plain):
    powers = np.random.default_rng(1).integers(-900, 900, 10)
    assert_same(screen_filters(FakeMaps(np.ldexp(maps(), powers[:, None, None]))), plain)


@pytest.mark.parametrize(
    ("dtype", "powers"), [(np.float32, (-118, 120)), (np.float16, (10, 12)), (np.float64, (-990,))]
)
def test_with_labels_too_and_in_every_type(dtype, powers):
    labels = np.arange(150) % 3
    some = (maps() * 64).round().astype(dtype) / dtype(64)
    base = screen_filters(FakeMaps(some), labels=labels, shared=True)
    for power in powers:
        scaled = np.ldexp(some, power)
        assert np.isfinite(scaled).all()
        assert_same(screen_filters(FakeMaps(scaled), labels=labels, shared=True), base)


def test_large_maps_are_read_in_blocks_of_one_scale(monkeypatch):
    monkeypatch.setattr("cutaway.filters.reading._BLOCK_BYTES", 1.0)  # a sample at a time
    wide = maps(side=10)
    base = screen_filters(FakeMaps(wide))
    assert_same(screen_filters(FakeMaps(np.ldexp(wide, 900))), base)
    assert_same(screen_filters(FakeMaps(np.ldexp(wide, -900))), base)


def test_a_constant_filter_is_one_at_every_scale():
    for size in (1e-300, 1e-12, 1.0, 1e300):
        status = prepare(np.full((60, 2, 3), 0.3 * size)).status
        assert status.tolist() == ["constant", "constant"]
    assert prepare(np.zeros((60, 1, 3))).status.tolist() == ["dead"]


def test_cells_of_a_site_keep_the_scales_of_its_filters():
    ones = np.ones((2, 4), np.float32)
    joined = joined_cells([(ones, np.array([900, 897])), (ones, np.array([0, 0]))])
    np.testing.assert_array_equal(joined[0], [1, 1, 0.125, 0.125, 0, 0, 0, 0])
    # a dead filter, whose power is 0, sets no scale
    joined = joined_cells([(ones, np.array([-900, -901])), (0 * ones, np.array([0, 0]))])
    np.testing.assert_array_equal(joined[0], [1, 1, 0.5, 0.5, 0, 0, 0, 0])


# --- maps that are not finite --------------------------------------------------------------------


@pytest.mark.parametrize("labels", [None, np.arange(150) % 3])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_sample_that_is_not_finite_has_no_say(value, labels):
    """Left out as if it were not there, counted in both tables, and in no link."""
    broken = maps()
    broken[20] = value
    found = screen_filters(FakeMaps(broken), labels=labels)
    assert (found.filters["status"] == "nonfinite_dropped").all()
    assert (found.filters["n_nonfinite"] == 1).all()
    assert found.samples["n_nonfinite"].tolist() == [10 if i == 20 else 0 for i in range(150)]
    assert np.isnan(found.samples["score"][20])
    assert np.isnan(found.samples["p"][20])
    assert 20 not in found.links["id"].tolist()
    assert "10 filters with NaN or infinity" in repr(found)
    rest = np.delete(np.arange(150), 20)
    alone = screen_filters(FakeMaps(maps()[rest]), labels=None if labels is None else labels[rest])
    np.testing.assert_allclose(found.tails[:, rest], alone.tails, atol=1e-5)
    np.testing.assert_allclose(found.samples["score"][rest], alone.samples["score"], atol=1e-5)
    assert found.filters["flag"].tolist() == alone.filters["flag"].tolist()
    if labels is not None:
        assert found.samples["fits"][20] == -1


def test_a_filter_that_is_not_finite_decides_nothing(plain):
    broken = maps()
    broken[:, 9] = np.nan
    found = screen_filters(FakeMaps(broken))
    assert found.filters["n_nonfinite"].tolist() == [0] * 9 + [150]
    assert found.filters["flag"][9] == ""
    assert np.isnan(found.filters["score"][9])
    assert found.filters["flag"].tolist() == plain.filters["flag"].tolist()


def test_one_number_beyond_all_others_is_an_outlier_and_no_error():
    broken = maps()
    broken[30, 8] = 1e300
    found = screen_filters(FakeMaps(broken))
    assert found.filters["status"][8] == "ok"
    assert found.tails[8].argmax() == 30


@pytest.mark.parametrize(
    ("array", "error", "message"),
    [
        (np.zeros((0, 3, 4, 4)), ValueError, "acts must hold at least one sample, got none"),
        (np.zeros((30, 0, 4, 4)), ValueError, r"site 'conv' must hold maps .* \(30, 0, 4, 4\)"),
        (np.zeros(30), ValueError, r"site 'conv' must hold maps .* got shape \(30,\)"),
        (np.zeros((30, 3, 4), complex), TypeError, "site 'conv' must hold real numbers, got"),
    ],
)
def test_empty_maps_are_one_line(array, error, message):
    with pytest.raises(error, match=message) as caught:
        screen_filters(FakeMaps(array))
    assert "\n" not in str(caught.value)


# --- mixtures ------------------------------------------------------------------------------------


def sides():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(3, 80, 2))
    x[:, :20] += 6
    return x


@pytest.mark.parametrize("engine", ["numpy", "numba"])
@pytest.mark.parametrize("power", [-480, -20, 20, 480])
def test_mixtures_scale_with_the_ridge(engine, power):
    base = fit_mixtures(sides(), 2, engine=engine)
    found = fit_mixtures(np.ldexp(sides(), power), 2, reg=float(np.ldexp(1e-3, 2 * power)),
                         engine=engine)  # fmt: skip
    np.testing.assert_allclose(found.weights, base.weights, rtol=1e-9)
    np.testing.assert_allclose(np.ldexp(found.means, -power), base.means, rtol=1e-9)
    np.testing.assert_allclose(found.responsibilities, base.responsibilities, atol=1e-9)
    jacobian = 2 * power * np.log(2)
    np.testing.assert_allclose(found.log_likelihood, base.log_likelihood - jacobian, rtol=1e-9)


@pytest.mark.parametrize("engine", ["numpy", "numba", "torch"])
@pytest.mark.parametrize(
    "make",
    [
        lambda x: np.full_like(x, 0.3),
        np.zeros_like,
        lambda x: np.repeat(x[:, :2], 40, axis=1),
        lambda x: np.round(x) * 5e-324,
        lambda x: np.where(np.abs(x) > 1.5, np.nan, x),
        lambda x: np.where(np.arange(80)[None, :, None] == 3, np.inf, x),
    ],
)
def test_every_engine_ends_on_constant_tied_tiny_and_lost_rows(engine, make):
    x = make(sides())
    found = fit_mixtures(x, 2, engine=engine)
    assert found.converged.all()
    assert np.isfinite(found.log_likelihood).all()
    lost = ~np.isfinite(x).all(axis=2)
    np.testing.assert_array_equal(np.isnan(found.responsibilities).all(axis=2), lost)
    np.testing.assert_allclose(found.weights.sum(axis=1), 1.0)


def test_what_a_mask_covers_is_left_out():
    x = sides()
    covered = np.ma.MaskedArray(x, np.zeros(x.shape, bool))
    covered[0, 5:9] = np.ma.masked
    expected = np.where(covered.mask, np.nan, x)
    found = fit_mixtures(covered, 2)
    np.testing.assert_array_equal(found.means, fit_mixtures(expected, 2).means)


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (np.zeros((2, 0, 2)), ValueError, "x must hold at least one sample"),
        (np.zeros((2, 9, 0)), ValueError, "x must hold at least one sample"),
        (np.full((1, 9, 2), "a"), TypeError, "x must be an array of real numbers .*<U1"),
        (np.ones((1, 9, 2), complex), TypeError, "x must be an array of real numbers .*complex"),
        ([[1.0, 2.0], [3.0]], TypeError, "x must be an array of real numbers .*got list"),
        (np.full((1, 9, 2), 1e200), ValueError, r"x must lie within ±1e\+150.*got 1e\+200"),
    ],
)
def test_mixtures_of_nothing_are_one_line(x, error, message):
    with pytest.raises(error, match=message) as caught:
        fit_mixtures(x, 1)
    assert "\n" not in str(caught.value)

import numpy as np
import pytest
from planted import FakeMaps

from cutaway.filters import reading
from cutaway.filters.coordinates import pooled
from cutaway.filters.reading import described, energies, groups


def test_energies_are_mean_squares_of_differences():
    maps = np.random.default_rng(0).normal(size=(5, 2, 6, 7))
    mine = energies(maps)
    for i in range(5):
        for f in range(2):
            one = maps[i, f]
            across, down = np.diff(one, axis=1), np.diff(one, axis=0)
            assert mine[i, f, 0] == pytest.approx(one.var())
            assert mine[i, f, 1] == pytest.approx((across**2).mean() + (down**2).mean())
            twice = (np.diff(across, axis=1) ** 2).mean() + (np.diff(down, axis=0) ** 2).mean()
            assert mine[i, f, 2] == pytest.approx(twice)


@pytest.mark.parametrize("shape", [(), (1,), (5,), (1, 2), (3, 4, 5)])
def test_any_layout_has_energies(shape):
    maps = np.random.default_rng(1).normal(size=(6, 2, *shape))
    assert energies(maps).shape == (6, 2, 3)
    assert np.isfinite(energies(maps)).all()


@pytest.mark.parametrize(
    ("n", "side", "numbers"), [(600, 6, 36), (600, 8, 64), (600, 9, 19), (300, 6, 19), (30, 4, 16)]
)
def test_pixels_stay_where_samples_are_enough(n, side, numbers):
    maps = np.random.default_rng(2).normal(size=(n, 2, side, side))
    assert described(maps).shape == (n, 2, numbers)


def test_averages_come_first_and_scale_and_faintness_are_tamed():
    maps = np.random.default_rng(3).normal(size=(200, 2, 12, 12))
    maps[7] = 1e-9 * maps[7]
    rows = described(maps)
    coarse = pooled(maps, 4)
    ratio = rows[:, :, :16] / coarse
    np.testing.assert_allclose(ratio[8], np.broadcast_to(ratio[8, :, :1], ratio[8].shape))
    np.testing.assert_allclose(described(maps * 1e3), rows, rtol=1e-9)
    assert np.isfinite(rows).all()
    assert (rows[7, :, 16:] < np.delete(rows, 7, axis=0)[:, :, 16:].min(axis=0)).all()
    assert rows[:, :, 16:].std() < 10


def test_a_bad_pixel_spoils_its_own_row_only():
    maps = np.random.default_rng(4).normal(size=(200, 2, 12, 12))
    maps[3, 0, 1, 1] = np.nan
    maps[4, 1, 0, 0] = np.inf
    bad = ~np.isfinite(described(maps)).all(axis=2)
    assert np.argwhere(bad).tolist() == [[3, 0], [4, 1]]


def test_groups_and_blocks_change_nothing(monkeypatch):
    rng = np.random.default_rng(5)
    sites = {"big": rng.normal(size=(50, 5, 12, 12)), "small": rng.normal(size=(50, 3, 4, 4))}
    whole = list(groups(FakeMaps(sites)))
    monkeypatch.setattr(reading, "_GROUP_BYTES", 1.0)
    monkeypatch.setattr(reading, "_BLOCK_BYTES", 5000.0)
    heard = []
    single = list(groups(FakeMaps(sites), lambda fraction, message: heard.append(fraction)))
    assert [(one.site, len(one.units)) for one in whole] == [("big", 5), ("small", 3)]
    assert [one.number for one in single] == [0] * 5 + [1] * 3
    assert heard == sorted(heard)
    assert whole[-1].span[1] == single[-1].span[1] == 1.0
    for site in sites:
        for name in ("small", "rows"):
            together = next(getattr(one, name) for one in whole if one.site == site)
            apart = [getattr(one, name) for one in single if one.site == site]
            np.testing.assert_allclose(np.concatenate(apart, axis=1), together, rtol=1e-12)

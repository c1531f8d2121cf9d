"""A stated, seeded part of very many points; selections on it brought to all rows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cutaway_widgets as cw
from cutaway.core import Index
from cutaway_widgets._thin import inside, thin


def planted(n, seed=0):
    """A dense blob, a sparse ring, five far outliers and some rows without a place."""
    rng = np.random.default_rng(seed)
    points = rng.normal(0, 1, (n, 2))
    ring = rng.uniform(0, 2 * np.pi, n // 50)
    points[: n // 50] = 20 * np.c_[np.cos(ring), np.sin(ring)]
    points[-5:] = [(60, 60), (-60, 2), (3, -60), (60, -60), (-60, 60)]
    points[n // 2 :: 97][:10] = np.nan
    return points.astype(np.float32)


def places(points, side):
    low, high = np.nanmin(points, 0).astype(float), np.nanmax(points, 0).astype(float)
    return np.minimum(((points - low) / (high - low) * side).astype(int), side - 1) @ (1, side)


@pytest.mark.parametrize("limit", [50, 2_000, 9_999])
def test_every_place_keeps_a_point_and_no_more_than_the_limit_are_kept(limit):
    points = planted(20_000)
    kept = thin(points, np.arange(20_000), limit, 0)
    assert np.all(np.diff(kept) > 0)
    assert 0.9 * limit - 10 <= len(kept) <= limit
    there = np.isfinite(points).all(1)
    assert there[kept].all()
    side = int(np.sqrt(limit // 2))
    assert set(places(points[there], side)) == set(places(points[kept], side))


def test_outliers_and_sparse_places_stay_whole_and_dense_ones_are_thinned_in_proportion():
    points = planted(50_000)
    kept = thin(points, np.arange(50_000), 10_000, 0)
    assert set(range(49_995, 50_000)) <= set(kept)
    assert np.isin(np.arange(1000), kept).mean() > 0.99
    counts, left = (
        np.histogram2d(*points[rows].T, bins=8, range=((-2, 2), (-2, 2)))[0].ravel()
        for rows in (np.isfinite(points).all(1), kept)
    )
    assert np.corrcoef(counts, left)[0, 1] > 0.93
    assert left.sum() < 0.3 * counts.sum()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.integers(0, 50))
def test_the_same_ids_are_kept_in_any_order_of_the_rows(shuffle, seed):
    points = planted(3_000)
    order = np.random.default_rng(shuffle).permutation(3_000)
    for ids in (np.arange(3_000), np.array([f"s{i}" for i in range(3_000)])):
        one = ids[thin(points, ids, 500, seed)]
        two = ids[order][thin(points[order], ids[order], 500, seed)]
        assert set(one.tolist()) == set(two.tolist())


def test_a_seed_repeats_and_another_keeps_others():
    points, keys = planted(5_000), np.arange(5_000)
    first = thin(points, keys, 1_000, 3)
    np.testing.assert_array_equal(thin(points, keys, 1_000, 3), first)
    assert 0 < len(np.setdiff1d(thin(points, keys, 1_000, 4), first)) < 900


def test_few_points_and_points_in_one_place_need_no_special_care():
    points = planted(300)
    np.testing.assert_array_equal(
        thin(points, np.arange(300), 300, 0), np.flatnonzero(np.isfinite(points).all(1))
    )
    assert len(thin(np.ones((400, 2), np.float32), np.arange(400), 100, 0)) == 100


def test_points_inside_an_outline_agree_with_the_winding_angle():
    rng = np.random.default_rng(2)
    points = rng.uniform(-1.2, 1.2, (400, 2)).astype(np.float32)
    angle = np.arange(12) * np.pi / 6
    star = np.where(np.arange(12) % 2, 0.4, 1.0)[:, None] * np.c_[np.cos(angle), np.sin(angle)]
    to = star[None] - points[:, None]
    bearing = np.arctan2(to[..., 1], to[..., 0])
    turn = np.diff(np.c_[bearing, bearing[:, :1]], axis=1)
    winding = ((turn + np.pi) % (2 * np.pi) - np.pi).sum(1)
    np.testing.assert_array_equal(inside(points, star), np.abs(winding) > 1)
    assert not inside(np.full((3, 2), np.nan, np.float32), star).any()


@pytest.fixture
def many():
    points = planted(4_000)
    view = cw.Scatter(
        points, colors={"half": np.arange(4_000) % 2, "x": points[:, 0]}, max_points=1_000, seed=5
    )
    return points, view


def test_of_very_many_rows_a_part_goes_out_and_says_so(many):
    points, view = many
    shown = view._shown
    assert len(shown) == len(view._points) <= 1_000
    np.testing.assert_array_equal(view._points, points[shown])
    state = view._colors[0]["data"]
    np.testing.assert_array_equal(np.frombuffer(state["data"], "<u2"), shown % 2)
    # The colour scale is that of all rows.
    assert view._colors[1]["limits"] == [np.nanmin(points[:, 0]), np.nanmax(points[:, 0])]
    assert view._note == (
        f"shows {len(shown):,} of 4,000 samples: every sparse place whole, dense ones thinned, "
        "seed 5; a lasso selects shown ones"
    )
    view.set_points(points[:50], index=Index.count(50))
    assert (view._note, len(view._shown), len(view._points)) == ("", 0, 50)
    view.complete()


def draw(view, corners, how="replace"):
    """As the page does: shown rows inside are selected, the outline is told."""
    within = view._shown[inside(view._points, np.asarray(corners, float))]
    now = set(view.link.selection.ids) if view.link.selection and how != "replace" else set()
    chosen = now - set(within.tolist()) if how == "subtract" else now | set(within.tolist())
    view.link.select(chosen)
    view._drawn = {"outline": np.ravel(corners).tolist(), "how": how}


def test_a_selection_is_completed_to_all_rows_inside_the_outline(many):
    points, view = many
    square = [(-1, -1), (1, -1), (1, 1), (-1, 1)]
    draw(view, square)
    assert len(view.link.selection) < 500
    view.complete()
    everybody = set(np.flatnonzero((np.abs(points) < 1).all(1)).tolist())
    assert set(view.link.selection.ids) == everybody
    # Again changes nothing; taking away takes the hidden ones away too.
    view.complete()
    assert len(view.link.selection) == len(everybody)
    draw(view, [(-1, -1), (0, -1), (0, 1), (-1, 1)], "subtract")
    view.complete()
    assert set(view.link.selection.ids) == {one for one in everybody if points[one, 0] > 0}


def test_an_outline_of_another_selection_completes_nothing(many):
    _, view = many
    with pytest.raises(ValueError, match="selection must be the one that the last outline made"):
        view.complete()
    draw(view, [(-1, -1), (1, -1), (1, 1), (-1, 1)])
    view.link.select([int(view._shown[0])])
    with pytest.raises(ValueError, match="draw the outline again, then complete it"):
        view.complete()


def test_arguments_are_checked():
    with pytest.raises(ValueError, match="engine must be one of"):
        cw.Scatter([[0, 0]], engine="svg")
    with pytest.raises(ValueError, match="max_points must"):
        cw.Scatter([[0, 0]], max_points=1)
    with pytest.raises(ValueError, match="seed must"):
        cw.Scatter([[0, 0]], seed=-1)

"""Feature-map strips without a browser: bytes, extremes, ids, refusals."""

import ipywidgets
import numpy as np
import pytest

import cutaway_widgets as cw
from cutaway.core import Index
from cutaway.model import Tiles
from cutaway_widgets._steps import MISSING, extremes, steps
from cutaway_widgets.export import page_html


def tiles(n_units=2, n_samples=3):
    values = np.random.default_rng(0).normal(size=(n_units, n_samples, 4, 5)).astype(np.float32)
    units = Index([f"conv:{i}" for i in range(n_units)], "unit")
    return Tiles(values, units, Index([f"s{i}" for i in range(n_samples)]))


def test_bytes_read_back_are_off_by_half_a_step_at_most():
    values = np.random.default_rng(1).normal(size=(5, 7, 9)).astype(np.float32) * 100
    limits = extremes(values)
    assert np.array_equal(limits, [(one.min(), one.max()) for one in values])
    codes = steps(values, limits)
    low, high = (limits[:, k].astype(float)[:, None, None] for k in (0, 1))
    back = low + codes / 254.0 * (high - low)
    assert (np.abs(back - values) <= (high - low) / 508 * (1 + 1e-5)).all()
    assert codes.min() == 0
    assert codes.max() == 254


def test_what_is_not_finite_is_marked_and_does_not_stretch_the_scale():
    values = np.array([[1, np.nan, 3], [np.inf, -np.inf, np.nan], [2, 2, 2]], np.float32)
    limits = extremes(values)
    assert limits.tolist() == [[1, 3], [0, 0], [2, 2]]
    assert steps(values, limits).tolist() == [[0, MISSING, 254], [MISSING] * 3, [0, 0, 0]]


def test_the_view_sends_bytes_extremes_and_places_by_id():
    shown = tiles()
    samples = cw.Link(Index(["s2", "x", "s0", "s1"]))
    units = cw.Link(Index(["conv:1", "conv:0"], "unit"))
    view = cw.FeatureMaps(shown, link=samples, unit_link=units)
    assert view._samples.tolist() == [2, 3, 0]
    assert view._units.tolist() == [1, 0]
    assert view._tiles.shape == (2, 3, 4, 5)
    assert view._limits.tolist() == extremes(shown.values).tolist()
    exact = np.stack([shown.values.min((2, 3)), shown.values.max((2, 3))], 2)
    np.testing.assert_array_equal(view._stats[..., :2], exact)
    np.testing.assert_allclose(view._stats[..., 2], shown.values.mean((2, 3)), atol=1e-6)
    assert repr(view) == "FeatureMaps(2 units × 3 samples)"


def test_alone_it_makes_its_links_and_they_follow():
    view = cw.FeatureMaps(tiles())
    assert view.link.index.ids.tolist() == ["s0", "s1", "s2"]
    assert view.unit_link.index.ids.tolist() == ["conv:0", "conv:1"]
    sent = []
    view.comm.send = lambda data=None, **_: sent.append(data)
    view.set_maps(tiles(3, 2), title="new")
    assert len(sent) == 1
    assert len(view.unit_link.index) == 3
    assert view._digest == view.link.digest
    view.clear()
    assert view._tiles.shape[:2] == (0, 0)
    assert len(view.link.index) == 2


def test_an_array_brings_ids_or_counts():
    view = cw.FeatureMaps(np.zeros((2, 3, 4, 4)), samples=["a", "b", "c"])
    assert view.link.index.ids.tolist() == ["a", "b", "c"]
    assert view.unit_link.index.ids.tolist() == [0, 1]


def test_refusals_name_what_was_given():
    link = cw.Link(Index(["s0"]))
    cases = [
        (lambda: cw.FeatureMaps(tiles(), link=link), KeyError, "got 's1'"),
        (lambda: cw.FeatureMaps(np.zeros((2, 3))), ValueError, "maps must have 4 axes"),
        (lambda: cw.FeatureMaps(tiles(), scale="all"), ValueError, "scale must be one of"),
        (lambda: cw.FeatureMaps(tiles(), colors="jet"), ValueError, "colors must be one of"),
        (lambda: cw.FeatureMaps(tiles(), tile=5), ValueError, r"tile must be 16\.\.256, got 5"),
        (lambda: cw.FeatureMaps(tiles(), units=["a"]), ValueError, "must be left out with Tiles"),
        (lambda: cw.FeatureMaps(tiles(), titel="x"), TypeError, "did you mean 'title'"),
        (
            lambda: cw.FeatureMaps(np.zeros((201, 100, 1, 1))),
            ValueError,
            "maps must hold at most 20,000 tiles, got 20,100",
        ),
        (
            lambda: cw.FeatureMaps(np.zeros((2, 3, 4, 4)), samples=["a"]),
            ValueError,
            r"samples must have as many entries as maps\[0\] \(3\), got 1",
        ),
    ]
    for call, kind, message in cases:
        with pytest.raises(kind, match=message):
            call()


def test_a_saved_page_holds_both_links_once():
    view = cw.FeatureMaps(tiles())
    table = cw.Histogram([1.0, 2.0], link=view.unit_link)
    page = page_html(ipywidgets.VBox([view, table]))
    assert page.count('"axis":"unit"') == 1
    assert page.count('"axis":"sample"') == 1

"""Views without a browser: what they send, what they refuse, what they say back."""

import gzip
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import cutaway_widgets as cw
from cutaway.core import Index
from cutaway_widgets import _array
from cutaway_widgets._code import STATIC, code

SITES = [
    SimpleNamespace(path=path, type=kind, shape=(6, 4), layout="n c d", n_parameters=9, n_units=6)
    for path, kind in [("conv1", "Conv2d"), ("relu1", "ReLU"), ("conv2", "Conv2d")]
]

BUILD = {
    "Link": lambda **more: cw.Link(Index.count(3), **more),
    "Scatter": lambda **more: cw.Scatter(np.zeros((3, 2)), **more),
    "ImageGrid": lambda **more: cw.ImageGrid(index=Index.count(3), **more),
    "Table": lambda **more: cw.Table(pd.DataFrame({"a": [1, 2]}), **more),
    "Histogram": lambda **more: cw.Histogram([1.0, 2.0], **more),
    "SiteTree": lambda **more: cw.SiteTree(SITES, **more),
    "Progress": lambda **more: cw.Progress(cw.Job(), **more),
    "Job": cw.Job,
}


@pytest.mark.parametrize("name", BUILD)
def test_an_unknown_keyword_is_refused_with_a_hint(name):
    with pytest.raises(TypeError, match=rf"{name} keywords must be among .*got 'titel'; did you"):
        BUILD[name](titel="x")


@pytest.mark.parametrize("name", [one for one in BUILD if one not in {"Link", "Job"}])
def test_every_view_shares_one_copy_of_the_code(name):
    view = BUILD[name]()
    state = view.get_state()
    assert state["_code"] == f"anywidget:{code().model_id}"
    assert len(state["_esm"]) < 500
    assert state["_kind"]
    assert repr(view).startswith(name)


def test_the_bundle_exports_a_default_only_and_is_small():
    text = (STATIC / "cutaway.js").read_text()
    assert text.count("export") == 1
    assert text.rstrip().endswith("as default};")
    assert len(gzip.compress(text.encode())) < 100_000
    assert "import(" not in text
    assert "http" not in text.replace("http://www.w3.org", "")


def test_views_given_one_link_share_it_and_alone_make_their_own():
    link = cw.Link(Index.count(3))
    one, two = cw.Scatter(np.zeros((3, 2)), link=link), cw.Histogram([1, 2, 3.0], link=link)
    assert one.link is two.link is link
    assert one.get_state()["link"] == f"IPY_MODEL_{link.model_id}"
    assert cw.Histogram([1.0]).link is not link


def test_a_view_without_index_and_link_says_what_is_missing():
    with pytest.raises(ValueError, match="ImageGrid must have an index or a link, got neither"):
        cw.ImageGrid()


def test_scatter_swaps_everything_in_one_message():
    index = Index(["a", "b", "c"])
    view = cw.Scatter(np.zeros((3, 2)), index=index, title="old")
    sent = []
    view.comm.send = lambda data=None, **_: sent.append(data)
    view.set_points(
        [[0, 1], [np.inf, 2], [3, 4]],
        colors={"class": ["x", "y", "x"]},
        ellipses=cw.Ellipses([[0, 0]], [np.eye(2)]),
        x_label="component 1",
        title="new",
    )
    assert len(sent) == 1
    assert {"_points", "_colors", "_ellipses", "x_label", "title"} <= set(sent[0]["state"])
    assert np.isnan(view._points[1]).all()
    assert view.index.digest == index.digest


def test_scatter_refuses_rows_that_do_not_match():
    view = cw.Scatter(np.zeros((3, 2)))
    with pytest.raises(ValueError, match=r"points must have as many entries as index \(3\), got 2"):
        view.set_points(np.zeros((2, 2)))
    with pytest.raises(ValueError, match=r"points must have 2 axes \(rows, x and y\)"):
        view.set_points(np.zeros(3))


def test_new_rows_move_an_own_link_but_never_a_shared_one():
    own = cw.Scatter(np.zeros((3, 2)))
    own.set_points(np.zeros((2, 2)), index=Index(["x", "y"]))
    assert own._digest == own.link.digest
    link = cw.Link(Index.count(3))
    shared = cw.Scatter(np.zeros((3, 2)), link=link)
    shared.set_points(np.zeros((2, 2)), index=Index(["x", "y"]))
    assert shared._digest != link.digest
    link.set_index(Index(["x", "y"]))
    assert shared._digest == link.digest


def test_ellipses_hold_the_stated_part_of_the_mass():
    rng = np.random.default_rng(0)
    covariance = np.array([[2.0, 1.2], [1.2, 1.5]])
    (cx, cy, a, b, angle, category) = cw.Ellipses([[1, -2]], [covariance], [4], 0.7).table()[0]
    x = rng.multivariate_normal([1, -2], covariance, 200_000) - (cx, cy)
    turned = x @ np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    inside = ((turned / (a, b)) ** 2).sum(1) <= 1
    # Standard error of a share of 200,000 draws: 0.001.
    assert abs(inside.mean() - 0.7) < 0.005
    assert a >= b
    assert category == 4


def test_ellipses_leave_out_what_is_not_finite_and_refuse_nonsense():
    assert cw.Ellipses([[0, 0], [np.nan, 0]], [np.eye(2)] * 2).table().shape == (1, 6)
    with pytest.raises(ValueError, match=r"covariances must have shape \(1, 2, 2\), got \(2, 2\)"):
        cw.Ellipses([[0, 0]], np.eye(2)).table()
    with pytest.raises(ValueError, match="level must lie between 0 and 1, got 1.0; 0.9 outlines"):
        cw.Ellipses([[0, 0]], [np.eye(2)], level=1.0).table()
    with pytest.raises(ValueError, match=r"categories must have as many entries as means \(1\)"):
        cw.Ellipses([[0, 0]], [np.eye(2)], [1, 2]).table()


def test_scatter_takes_other_colours_and_outlines_for_the_same_points():
    view = cw.Scatter(np.zeros((2, 2)))
    view.set_colors({"loss": [0.1, 0.2]})
    assert [one["name"] for one in view._colors] == ["loss"]
    view.set_ellipses(cw.Ellipses([[0, 0]], [np.eye(2)]))
    assert len(view._ellipses) == 1
    view.set_ellipses(None)
    assert len(view._ellipses) == 0


def test_the_grid_sends_places_of_ids_in_ranked_order():
    grid = cw.ImageGrid(index=Index(["a", "b", "c"]), order=["c", "a"], labels={"a": "seven"})
    assert not grid._whole
    assert grid._order.tolist() == [2, 0]
    assert grid._labels == ["seven", "", ""]
    grid.set_order(None)
    assert grid._whole
    assert grid._order.tolist() == []
    grid.set_labels(["x", "y", "z"])
    assert grid._labels == ["x", "y", "z"]
    with pytest.raises(KeyError, match="ids must be among the 3 ids"):
        grid.set_order(["nobody"])
    with pytest.raises(ValueError, match="labels must have as many entries as index"):
        grid.set_labels(["x"])
    with pytest.raises(ValueError, match="mode must be one of 'selected', 'ranked', got 'best'"):
        cw.ImageGrid(index=Index.count(1), mode="best")
    with pytest.raises(ValueError, match="tile must be 16..512, got 4; give pixels"):
        cw.ImageGrid(index=Index.count(1), tile=4)


def test_the_table_sends_numbers_as_bytes_and_texts_as_codes():
    frame = pd.DataFrame(
        {
            "site": ["conv1", "conv2", "conv1"],
            "p": [1e-300, np.nan, 0.5],
            "k": [3, 2, 1],
            "maybe": pd.array([1, None, 3], dtype="Int64"),
            "converged": [True, False, True],
            "note": ["x", None, ""],
        },
        index=pd.Index(["u0", "u1", "u2"], name="unit"),
    )
    view = cw.Table(frame, units={"p": "chance"}, sort="p", descending=False)
    unit, site, p, k, maybe, converged, note = view._columns
    assert unit["names"] == ["u0", "u1", "u2"]
    assert view.index.axis == "unit"
    assert list(view.index) == ["u0", "u1", "u2"]
    assert [site["names"][i] for i in _array.decode(site["data"])] == ["conv1", "conv2", "conv1"]
    assert _array.decode(p["data"])[0] == 1e-300
    assert p["unit"] == "chance"
    assert (k["whole"], p["whole"]) == (True, False)
    np.testing.assert_array_equal(_array.decode(maybe["data"]), [1, np.nan, 3])
    assert [converged["names"][i] for i in _array.decode(converged["data"])] == ["yes", "", "yes"]
    assert [note["names"][i] for i in _array.decode(note["data"])] == ["x", "", ""]
    assert view._sort == {"column": "p", "descending": False}


def test_the_table_refuses_unknown_columns_and_lengths():
    frame = pd.DataFrame({"a": [1, 2]})
    for more in ({"sort": "b"}, {"columns": ["b"]}, {"units": {"b": "nats"}}):
        with pytest.raises(ValueError, match="column must be one of 'a', got 'b'"):
            cw.Table(frame, **more)
    with pytest.raises(ValueError, match=r"frame must have as many entries as index \(3\), got 2"):
        cw.Table(frame, index=Index.count(3))


def test_the_table_shows_the_wanted_columns_only_and_swaps_frames():
    view = cw.Table(pd.DataFrame({"a": [1], "b": [2]}), columns=["b"])
    assert [one["name"] for one in view._columns] == ["b"]
    view.set_frame(pd.DataFrame({"c": [5, 6]}), index=Index(["x", "y"], "unit"), title="new")
    assert [one["name"] for one in view._columns] == ["c"]
    assert view.title == "new"
    assert view.link.n == 2


def test_a_table_of_its_own_takes_frames_of_any_length():
    view = cw.Table(pd.DataFrame({"a": []}))
    view.set_frame(pd.DataFrame({"a": [1, 2, 3]}))
    assert (view.link.n, len(view.index)) == (3, 3)
    view.set_frame(pd.DataFrame({"a": [1, 2]}, index=["x", "y"]))
    assert [one["name"] for one in view._columns] == ["row", "a"]
    assert list(view.link.index) == ["x", "y"]
    shared = cw.Table(pd.DataFrame({"a": [1]}), link=cw.Link(Index.count(1)))
    with pytest.raises(ValueError, match=r"frame must have as many entries as index \(1\), got 2"):
        shared.set_frame(pd.DataFrame({"a": [1, 2]}))


def test_the_histogram_takes_one_number_a_row():
    view = cw.Histogram([1.0, np.nan], name="loss", unit="nats")
    assert view._values.dtype == np.float32
    view.set_values([2.0, 3.0], name="score")
    assert (view.name, view.unit) == ("score", "")
    with pytest.raises(ValueError, match=r"values must have as many entries as index \(2\), got 3"):
        view.set_values([1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match=r"values must have 1 axes \(one number a row\)"):
        view.set_values(np.zeros((2, 2)))
    with pytest.raises(ValueError, match=r"bins must be 1..512, got 0"):
        cw.Histogram([1.0], bins=0)


def test_the_tree_tells_what_is_picked_in_network_order():
    view = cw.SiteTree(SITES, picked=["conv1"])
    heard = []
    stop = view.on_pick(heard.append)
    view.set_state({"_picked": ["conv2", "conv1"]})
    assert view.picked == ("conv1", "conv2")
    assert heard == [("conv1", "conv2")]
    stop()
    view.pick([])
    assert view.picked == ()
    assert len(heard) == 1
    assert repr(view) == "SiteTree(3 sites, 0 picked)"


def test_the_tree_acts_on_what_the_click_itself_says():
    view = cw.SiteTree(SITES, picked=["relu1"], action="Screen")
    heard = []
    stop = view.on_action(heard.append)
    # The picks of this click came before the message about the picks themselves.
    view.set_state({"_asked": {"count": 1, "picked": ["conv2", "conv1"]}})
    assert view.picked == ("relu1",)
    assert heard == [("conv1", "conv2")]
    view.busy = True
    view.set_state({"_asked": {"count": 2, "picked": ["conv1"]}})
    assert len(heard) == 1
    view.busy = False
    view.act()
    view.act()
    assert heard[1:] == [("relu1",), ("relu1",)]
    stop()
    view.on_action(lambda paths: 1 / (len(paths) - 1))
    view.act()
    assert view.error == "ZeroDivisionError: division by zero"
    assert len(heard) == 3


def test_the_tree_refuses_what_cannot_be_picked():
    with pytest.raises(ValueError, match=r"paths of pickable sites, got 'conv3'; nearest are conv"):
        cw.SiteTree(SITES, picked=["conv3"])
    view = cw.SiteTree(SITES, pick="one", pickable=["conv1", "conv2"])
    with pytest.raises(ValueError, match="got 'relu1'"):
        view.pick(["relu1"])
    with pytest.raises(
        ValueError, match="picked must hold one path at most, got 2; use pick='many"
    ):
        view.pick(["conv1", "conv2"])
    with pytest.raises(ValueError, match="pick must be one of 'many', 'one', got 'all'"):
        cw.SiteTree(SITES, pick="all")


def test_an_exception_in_an_observer_is_shown_under_the_view():
    view = cw.SiteTree(SITES)
    view.on_pick(lambda paths: 1 / len(paths))
    view.set_state({"_picked": ["conv1"]})
    assert view.error == ""
    view.set_state({"_picked": []})
    assert view.error == "ZeroDivisionError: division by zero"
    view.set_state({"_picked": ["conv2"]})
    assert view.error == ""


def test_a_height_without_sense_is_refused():
    with pytest.raises(ValueError, match="height must be 60..4000, got 5; give pixels"):
        cw.Histogram([1.0], height=5)


def test_the_package_imports_nothing_before_a_class_is_used():
    import subprocess
    import sys

    told = subprocess.run(
        [sys.executable, "-c", "import sys, cutaway_widgets; print('anywidget' in sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.strip() == "False"
    with pytest.raises(AttributeError, match="has no attribute 'Scater'"):
        cw.Scater  # noqa: B018
    assert set(cw.__all__) <= set(dir(cw))

"""The line chart without a browser: what it sends, refuses and says back."""

import numpy as np
import pytest

import cutaway_widgets as cw
from cutaway.core import Index
from cutaway_widgets import _array

LOSS = {"train": [3.0, 2.0, np.nan, 1.0], "test": [3.0, 2.5, np.inf, 2.6]}


def line(view, k, part="y"):
    return _array.decode(view._series[k][part]).tolist()


def test_lines_keep_names_and_missing_numbers_are_gaps():
    view = cw.LineChart(LOSS, [0, 1, 2, 3], unit="nats")
    assert [one["name"] for one in view._series] == ["train", "test"]
    np.testing.assert_equal(line(view, 0), [3.0, 2.0, np.nan, 1.0])
    np.testing.assert_equal(line(view, 1), [3.0, 2.5, np.nan, 2.6])
    assert view._x.tolist() == [0, 1, 2, 3]
    assert view._series[0]["x"] is None, "a common x travels once"
    assert view.link is None
    assert repr(view) == "LineChart(2 series)"


def test_arrays_are_named_by_place_or_by_names():
    assert [one["name"] for one in cw.LineChart(np.zeros((2, 3)))._series] == [
        "series 0",
        "series 1",
    ]
    assert cw.LineChart(np.zeros(3))._series[0]["name"] == "value"
    assert cw.LineChart(np.zeros((1, 3)), names=["bic"])._series[0]["name"] == "bic"


def test_each_series_may_have_its_own_places():
    view = cw.LineChart({"a": [1, 2], "b": [1, 2, 3]}, {"a": [0, 10], "b": [0, 5, 10]})
    assert line(view, 0, "x") == [0, 10]
    assert line(view, 1, "x") == [0, 5, 10]
    view.cursor = 6.0
    assert view.cursor == 5.0


def test_the_cursor_snaps_to_the_data_and_tells():
    view = cw.LineChart(LOSS, [1, 2, 4, 8], cursor=5)
    assert view.cursor == 4.0
    told = []
    stop = view.on_cursor(told.append)
    view.cursor = 100
    view.cursor = 8.0
    view.cursor = None
    assert told == [8.0, None]
    stop()
    view.cursor = 1
    assert told == [8.0, None]
    free = cw.LineChart(LOSS, [1, 2, 4, 8], cursor=5, snap=False)
    assert free.cursor == 5.0


def test_the_cursor_is_the_nearest_place_by_the_slow_way_too():
    rng = np.random.default_rng(0)
    x = np.sort(rng.normal(size=50))
    view = cw.LineChart(np.zeros(50), x)
    for one in rng.normal(size=40):
        view.cursor = one
        assert view.cursor == min(x, key=lambda place, one=one: abs(place - one))


def test_what_an_observer_raises_is_shown_under_the_chart():
    view = cw.LineChart(LOSS)

    def fail(x):
        raise ValueError(f"no model of epoch {x}")

    view.on_cursor(fail)
    view.cursor = 2
    assert view.error == "ValueError: no model of epoch 2.0"


def test_new_series_keep_words_and_move_the_cursor_onto_the_data():
    view = cw.LineChart(LOSS, cursor=3, x_label="epoch", title="Losses", hidden=["test"])
    said = []
    view.comm.send = lambda data=None, **_: said.append(data)
    view.set_series({"train": [1.0, 2.0]}, [0, 1])
    assert len(said) == 1
    assert (view.cursor, view.x_label, view.title, view.hidden) == (1.0, "epoch", "Losses", [])


def test_places_can_be_rows_of_a_link():
    epochs = cw.Link(Index.count(4, "epoch"))
    view = cw.LineChart(LOSS, link=epochs)
    assert view.link is epochs
    assert view._digest == epochs.digest
    own = cw.LineChart(LOSS, index=Index(list("abcd"), "epoch"))
    own.set_series({"a": [1, 2]}, index=Index(["x", "y"], "epoch"))
    assert own.link.n == 2
    assert own._digest == own.link.digest


def test_bands_travel_with_their_series():
    view = cw.LineChart({"a": [1.0, 2.0]}, bands={"a": ([0, 1], [2, 4])})
    assert (line(view, 0, "low"), line(view, 0, "high")) == ([0, 1], [2, 4])


def test_what_does_not_fit_is_refused_in_one_line():
    with pytest.raises(ValueError, match=r"series\['test'\] must have as many entries as its x"):
        cw.LineChart({"train": [1, 2], "test": [1, 2, 3]})
    with pytest.raises(ValueError, match="x must be finite, got nan in the x of 'train'; leave"):
        cw.LineChart(LOSS, [0, 1, np.nan, 3])
    with pytest.raises(ValueError, match=r"x must have an array for each of the series \['a'\]"):
        cw.LineChart({"a": [1]}, {"b": [1]})
    with pytest.raises(ValueError, match="x must be one array for all series where it is linked"):
        cw.LineChart({"a": [1]}, {"a": [1]}, index=Index.count(1))
    with pytest.raises(ValueError, match=r"x must have as many entries as index \(3\), got 4"):
        cw.LineChart(LOSS, index=Index.count(3))
    with pytest.raises(ValueError, match="hidden must name series among 'train', 'test', got 'x'"):
        cw.LineChart(LOSS, hidden=["x"])
    with pytest.raises(ValueError, match="bands must name series among 'train', 'test', got 'x'"):
        cw.LineChart(LOSS, bands={"x": ([], [])})
    with pytest.raises(ValueError, match=r"bands\['a'\] must be low, then high, got 3.0 above 2.0"):
        cw.LineChart({"a": [1.0]}, bands={"a": ([3], [2])})
    with pytest.raises(ValueError, match="cursor must be a finite number or None, got nan"):
        cw.LineChart(LOSS, cursor=np.nan)
    with pytest.raises(ValueError, match="y_limits must be two finite numbers, the smaller first"):
        cw.LineChart(LOSS, y_limits=(2, 1))
    with pytest.raises(ValueError, match="names must be None where series is a mapping"):
        cw.LineChart(LOSS, names=["a", "b"])
    with pytest.raises(ValueError, match=r"distinct names must have as many entries as series"):
        cw.LineChart(np.zeros((2, 2)), names=["a", "a"])
    with pytest.raises(TypeError, match=r"LineChart keywords must be among .*got 'curser'; did"):
        cw.LineChart(LOSS, curser=3)

"""Bars without a browser: what they send, steps by id, refusals; a chart that follows a link."""

import re

import numpy as np
import pytest

import cutaway_widgets as cw
from cutaway.core import Index
from cutaway_widgets._array import decode
from cutaway_widgets.export import page_html

LAYERS = Index(["conv1", "fc1"], "layer")
BETAS = Index(["0.01", "0.1", "0.3"], "beta")
LEFT = [[6, 120], [6, 60], [3, 12]]


def sent(view, name=""):
    one = next(one for one in view._series if one["name"] == name)
    return decode(one["values"]).tolist(), decode(one["whole"]).tolist()


def test_every_number_goes_to_the_page():
    view = cw.Bars(LEFT, whole=[6, 120], index=LAYERS, steps=BETAS, marks=[5, np.nan],
                   notes=["a", "b", "c"], details={"fc1": "close"})  # fmt: skip
    assert sent(view) == (LEFT, [6, 120])
    np.testing.assert_array_equal(view._marks, [[5, np.nan]] * 3)
    assert (view._notes, view._details) == (["a", "b", "c"], ["", "close"])
    assert view.step_link.index.digest == view._step_digest == BETAS.digest
    assert repr(view) == "Bars(2 layers)"


def test_one_measure_for_all_is_the_largest_of_all_series_and_steps():
    view = cw.Bars({"a": LEFT, "b": [[1, 240]] * 3}, index=LAYERS, steps=BETAS)
    assert sent(view, "a")[1] == sent(view, "b")[1] == [240, 240]
    apart = cw.Bars({"a": LEFT, "b": LEFT}, whole={"a": [6, 120], "b": [9, 200]}, index=LAYERS)
    assert sent(apart, "b")[1] == [9, 200]


def test_the_step_is_the_first_selected_one_of_its_link():
    betas = cw.Link(BETAS)
    view = cw.Bars(LEFT, index=LAYERS, step_link=betas)
    assert view.step == 0
    betas.select(["0.3", "0.1"])
    assert view.step == 1
    betas.clear()
    assert view.step == 0


def test_other_rows_and_steps_come_in_one_message():
    view = cw.Bars(LEFT, index=LAYERS, steps=BETAS)
    heard = []
    view.comm.send = lambda data=None, **_: heard.append(data)
    view.set_values([[1, 2, 3]], index=Index(["a", "b", "c"], "layer"), title="new")
    assert len(heard) == 1
    assert view.link.index.ids.tolist() == ["a", "b", "c"]
    assert (len(view.step_link.index), view.title) == (1, "new")


def test_refusals_name_what_was_given():
    with pytest.raises(ValueError, match=r"values\[''\]\[0\] .*2.* index .*3|index"):
        cw.Bars(LEFT, index=Index.count(3), steps=BETAS)
    with pytest.raises(ValueError, match=r"must be finite and not negative, got -1.0; a bar"):
        cw.Bars([[1, -1]])
    with pytest.raises(ValueError, match=r"must be finite and not negative, got inf"):
        cw.Bars([[1, np.inf]])
    with pytest.raises(ValueError, match=r"notes .*steps"):
        cw.Bars(LEFT, notes=["only one"])
    with pytest.raises(ValueError, match=r"whole must name the series \['a'\], got \['b'\]"):
        cw.Bars({"a": LEFT}, whole={"b": [1, 2]})
    with pytest.raises(ValueError, match=r"marks .*steps"):
        cw.Bars(LEFT, marks=[[1, 2], [1, 2]])
    with pytest.raises(ValueError, match="steps"):
        cw.Bars(LEFT, step_link=cw.Link(Index.count(2, "beta")))
    with pytest.raises(TypeError, match="did you mean 'details'"):
        cw.Bars(LEFT, detail=[])


def test_a_chart_follows_only_a_link():
    with pytest.raises(
        ValueError, match="follow must be False without a link, got True; give link="
    ):
        cw.LineChart([1, 2], follow=True)
    assert cw.LineChart([1, 2], index=Index.count(2), follow=True).follow


def test_a_saved_page_holds_bars_and_the_link_of_the_steps():
    view = cw.Bars(LEFT, index=LAYERS, steps=BETAS, notes=["x", "y", "z<"])
    text = page_html(view)
    assert re.search(r'"step_link":"m\d+"', text)
    assert '"axis":"beta"' in text
    assert '"z\\u003c"' in text

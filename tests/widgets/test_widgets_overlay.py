"""Attribution overlay without a browser: bytes about zero, ids, captions, refusals."""

import numpy as np
import pytest
from attributed import attributed

import cutaway_widgets as cw
from cutaway.core import Index
from cutaway.data import load_data
from cutaway_widgets.export import page_html

IDS = ["a", "b", "c"]


def pictures():
    images = np.random.default_rng(0).uniform(0, 1, (5, 8, 8)).astype(np.float32)
    return load_data(images, ids=["x", "a", "y", "b", "c"], name="planted")


def test_bytes_are_symmetric_about_zero_and_read_back_to_within_half_a_step():
    some = attributed(IDS)
    view = cw.AttributionOverlay(some)
    assert view._peaks.tolist() == [1, 2, 3]
    back = (view._values.astype(float) - 127) / 127 * view._peaks[:, None, None]
    assert (np.abs(back - some.values) <= view._peaks[:, None, None] / 254 + 1e-6).all()
    assert (view._values[:, :, 0] == 0).all()
    np.testing.assert_allclose(view._numbers[:, 0], [0.5, 1.5, 2.5])
    np.testing.assert_allclose(view._numbers[:, 1], some.values.sum((1, 2)))
    assert (view._numbers[:, 2] == 0.25).all()


def test_all_zero_and_missing_values_are_no_trouble():
    some = attributed(IDS)
    values = some.values.copy()
    values[0], values[1, 0, 0] = 0, np.nan
    object.__setattr__(some, "values", values)
    view = cw.AttributionOverlay(some)
    assert view._peaks[0] == 0
    assert view._values[1, 0, 0] == 255


def test_samples_are_found_on_the_link_by_id():
    data = pictures()
    link = cw.Link(data.index)
    view = cw.AttributionOverlay(attributed(IDS), data=data, link=link, order=["c", "a"])
    assert view._samples.tolist() == [1, 3, 4]
    assert view._order.tolist() == [2, 0]
    assert view._thumbnails["n"] == 3
    view.set_order(["b"])
    assert view._order.tolist() == [1]
    with pytest.raises(KeyError, match="got 'y'"):
        view.set_order(["y"])
    assert repr(view) == "AttributionOverlay(3 samples)"


def test_the_caption_tells_method_target_and_error():
    assert cw.AttributionOverlay(attributed(["a"])).caption == (
        "attribute · net · planted · integrated_gradients · target: 0 · sums off by at most 0.25"
    )
    several = cw.AttributionOverlay(attributed(IDS, exact=False))
    assert several.caption.endswith("integrated_gradients · target: 3 targets, each its sample's")
    assert np.isnan(several._numbers[:, 2]).all()
    assert several._labels == ["0 · 0.5", "1 · 1.5", "2 · 2.5"]
    assert cw.AttributionOverlay(attributed(IDS), caption="mine").caption == "mine"
    assert cw.AttributionOverlay(attributed(IDS), labels={"b": "odd"})._labels == ["", "odd", ""]


def test_new_attributions_go_in_one_message_and_move_an_own_link():
    view = cw.AttributionOverlay(attributed(IDS))
    sent = []
    view.comm.send = lambda data=None, **_: sent.append(data)
    view.set_attributions(attributed(["x", "y"]))
    assert len(sent) == 1
    assert view.link.index.ids.tolist() == ["x", "y"]
    assert view._digest == view.link.digest


def test_refusals_name_what_was_given():
    texts = attributed(IDS)
    object.__setattr__(texts, "values", np.zeros((3, 7), np.float32))
    cases = [
        (lambda: cw.AttributionOverlay(texts), ValueError, r"about pictures .*shape \(3, 7\)"),
        (
            lambda: cw.AttributionOverlay(attributed(IDS), link=cw.Link(Index(["a"]))),
            KeyError,
            "got 'b'",
        ),
        (lambda: cw.AttributionOverlay(layer="heat"), ValueError, "layer must be one of 'overlay'"),
        (lambda: cw.AttributionOverlay(mode="all"), ValueError, "mode must be one of 'ranked'"),
        (lambda: cw.AttributionOverlay(scale="all"), ValueError, "scale must be one of 'sample'"),
        (lambda: cw.AttributionOverlay(opacity=2), ValueError, r"opacity must lie in 0\.0\.\.1\.0"),
        (lambda: cw.AttributionOverlay(opasity=1), TypeError, "did you mean 'opacity'"),
    ]
    for call, kind, message in cases:
        with pytest.raises(kind, match=message):
            call()


def test_a_saved_page_holds_pictures_and_bytes():
    data = pictures()
    page = page_html(cw.AttributionOverlay(attributed(IDS), data=data))
    assert '"_kind":"attribution_overlay"' in page
    assert page.count('"per_page"') == 1

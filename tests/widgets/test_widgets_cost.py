"""Cost card view without a browser: what it sends, sites by id, refusals."""

import numpy as np
import pytest

import cutaway as ct
import cutaway_widgets as cw
from cutaway.core import Index
from cutaway.model.card import CostCard
from cutaway_widgets.export import page_html


def card(sites=("conv1", "fc"), **changes):
    n = len(sites)
    fields = {
        "model": "net", "data": "digits", "n": 10, "batch_size": 4, "sites": tuple(sites),
        "shapes": ((6, 28, 28), (10,), (3,))[:n], "dtype": "float32",
        "sizes": (188_160, 400, 120)[:n], "limit": 1_000_000, "free": None, "seconds": 1.5,
        "where": "memory", "parameters": (156, 850, 4)[:n], "macs": (117_600, 840, 0)[:n],
    }  # fmt: skip
    return CostCard(**(fields | changes))


def test_the_view_sends_every_number_and_finds_sites_by_id():
    link = cw.Link(Index(["fc", "tanh", "conv1"], "site"))
    view = cw.CostCard(card(), link=link, sort="bytes")
    assert view._sites.tolist() == [2, 0]
    assert view._sizes.tolist() == [188_160, 400]
    assert view._macs.tolist() == [117_600, 840]
    assert view._parameters.tolist() == [156, 850]
    assert view._card["shapes"] == ["6×28×28", "10"]
    assert view._card["free"] is None
    assert view._sort == "bytes"
    assert repr(view) == "CostCard(2 sites)"


def test_terabytes_arrive_to_the_byte():
    size = 8_999_999_999_999_999
    view = cw.CostCard(card(sizes=(size, 1), limit=size, free=size - 1))
    assert int(view._sizes[0]) == size
    assert view._card["free"] == size - 1


def test_another_card_goes_in_one_message_and_moves_an_own_link():
    view = cw.CostCard(card())
    sent = []
    view.comm.send = lambda data=None, **_: sent.append(data)
    view.set_card(card(("a", "b", "c"), parameters=(), macs=()), title="new")
    assert len(sent) == 1
    assert view.link.index.ids.tolist() == ["a", "b", "c"]
    assert len(view._macs) == 0
    view.clear()
    assert view._card == {}
    assert len(view._sites) == 0


def test_a_real_card_and_one_that_was_refused_are_shown():
    model, data = ct.load_model("lenet5-digits"), ct.load_data("digits", limit=50)
    shown = cw.CostCard(ct.cost_card(model, data, "**"))
    assert shown.link.index.ids[0] == ""
    assert shown._macs[0] == shown._macs[1:].sum()
    with pytest.raises(ct.BudgetExceeded) as caught:
        ct.capture(model, data, "conv*", max_bytes="1KB", show=None)
    refused = cw.CostCard(caught.value.card)
    assert refused._sizes.sum() > refused._card["limit"]
    assert len(refused._macs) == 0


def test_refusals_name_what_was_given():
    with pytest.raises(KeyError, match="got 'conv1'"):
        cw.CostCard(card(), link=cw.Link(Index(["fc"], "site")))
    with pytest.raises(ValueError, match="sort must be one of 'order', 'parameters', 'macs'"):
        cw.CostCard(card(), sort="size")
    with pytest.raises(TypeError, match="did you mean 'title'"):
        cw.CostCard(titel="x")


def test_a_saved_page_holds_the_card():
    assert '"batch_size":4' in page_html(cw.CostCard(card()))
    assert np.array_equal(cw.CostCard()._sizes, [])

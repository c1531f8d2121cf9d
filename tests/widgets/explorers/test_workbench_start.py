"""The empty page: what each lens finds, in words and in pictures of real results."""

import base64

import numpy as np
import pytest

import cutaway as ct
import cutaway_widgets as cw
from cutaway.lenses import LENSES
from cutaway_widgets.explorers import _lens_pictures as pictures

N = 160


@pytest.fixture(scope="module")
def opened():
    model, data = ct.load_model("lenet5-digits"), ct.load_data("digits", split="test", limit=500)
    return model, data, ct.capture(model, data, ["conv1", "conv2"], pool=8, show=None)


def made(opened):
    """The stored texts, made again from the model."""
    model, data, acts = opened
    picture = ct.screen_filters(acts).picture("conv1", 5)
    order = np.argsort(-np.nan_to_num(picture.tail), kind="stable")
    shown = np.concatenate([order[12:][: N - 12], order[:12]])
    odd = np.concatenate([np.full(N - 12, 7), np.full(12, 5)])
    some = np.linspace(0, len(data) - 1, N).astype(int)  # ids are in the order of the classes
    points = ct.project(acts, method="tsne", seed=0).points[some]
    merged = ct.merge_on(ct.load_model("resnet-digits"), ct.load_data("digits32"), beta=0.3)
    found = ct.attribute(model, data, data.index.ids[[3]], steps=20)
    return {
        "screen": pictures.coded(picture.points[shown, :2], odd),
        "project": pictures.coded(points, data.labels[some]),
        "attribute": pictures.coded_shares(found.values[0]),
        "merge": pictures.coded_left(merged.left, merged.size),
    }


def test_the_stored_pictures_are_of_real_results(opened):
    fresh = made(opened)
    for name in ("screen", "attribute"):
        kept = pictures.SHARES if name == "attribute" else pictures.POINTS[name]
        assert len(kept) == len(fresh[name])
        levels = [[pictures.LEVELS.index(one) for one in text] for text in (kept, fresh[name])]
        # Another machine rounds otherwise.
        assert np.mean(np.abs(np.subtract(*levels)) <= 1) > 0.95, name
    assert fresh["merge"] == pictures.LEFT
    # Chance and rounding move the points of a t-SNE; its classes stay.
    assert pictures.POINTS["project"][2::3] == fresh["project"][2::3]


@pytest.mark.parametrize("lens", LENSES, ids=lambda one: one.name)
def test_every_lens_has_its_picture_on_the_empty_page(lens):
    address = pictures.picture(lens.name)
    drawing = base64.b64decode(address.partition(",")[2]).decode()
    assert drawing.count("<circle") == N or drawing.count("<rect") > 10
    page = cw.Workbench(inline=True)
    assert address in page.results.empty
    assert lens.title in page.results.empty
    page.close()
    assert pictures.picture("unknown") == ""


def test_an_open_model_without_results_says_what_comes_next():
    page = cw.Workbench("lenet5-digits", ct.load_data("digits", limit=20), inline=True)
    assert "press Run" in page.results.empty
    page.close()

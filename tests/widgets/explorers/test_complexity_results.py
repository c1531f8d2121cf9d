"""Curves and merges as cards of the workbench: views of a result that no explorer made."""

import threading

import numpy as np
import pytest
import torch
from explorer_pages import views_in
from torch import nn

import cutaway as ct
import cutaway_widgets as cw
from cutaway.core import Index
from cutaway_widgets._array import decode
from cutaway_widgets.explorers._result_views import views_of
from cutaway_widgets.explorers._scene import Scene


@pytest.fixture(scope="module")
def opened():
    model = ct.load_model("lenet5-digits")
    return model, model.inputs(ct.load_data("digits", limit=8).batch(np.arange(8)))


@pytest.fixture
def scene():
    lock = threading.RLock()
    scene = Scene(cw.Link(Index.count(0), lock=lock), lock)
    yield scene
    scene.close()


def kinds(shown):
    views = views_in(shown.box)
    assert [one.error for one in views] == [""] * len(views)
    return {type(one).__name__: one for one in views}


def test_a_curve_has_its_slider_and_charts(opened, scene):
    curve = ct.complexity_curve(*opened, betas=[0.02, 0.2], baseline=False)
    shown = views_of(curve, scene)
    views = kinds(shown)
    assert set(views) == {"Bars", "LineChart", "HeatMap"}
    np.testing.assert_array_equal(decode(views["Bars"]._series[0]["values"]), curve.features_left)
    assert "Accuracy" not in views["Bars"]._notes[1]
    assert views["Bars"]._marks.size == 0
    assert views["Bars"].step == 1
    for one in shown.parts:
        one.close()


@pytest.mark.parametrize("how", [{"beta": 0.2}, {"target": 0.5}])
def test_a_merge_has_bars_and_the_tree_of_the_picked_layer(opened, scene, how):
    merge = ct.merge_features(*opened, **how)
    shown = views_of(merge, scene)
    views = kinds(shown)
    assert set(views) == {"Bars", "Dendrogram", "Table"}
    link = views["Bars"].link
    assert decode(views["Bars"]._series[0]["values"]).tolist() == [merge.left.tolist()]
    assert f"of {merge.parameters:,} parameters" in views["Bars"]._notes[0]
    for group, left in merge.features_left.items():
        link.select([group])
        merged = len(set(views["Dendrogram"].clusters.values()))
        size = int(merge.size[list(merge.features_left).index(group)])
        if left < size:
            assert left == merged + size - len(views["Dendrogram"].index)
    for one in shown.parts:
        one.close()


def test_many_groups_are_a_heat_map(scene):
    torch.manual_seed(0)
    layers = [one for _ in range(10) for one in (nn.Linear(6, 6), nn.ReLU())]
    curve = ct.complexity_curve(
        nn.Sequential(*layers, nn.Linear(6, 3)), torch.randn(4, 6), betas=[0.1, 0.5], baseline=False
    )
    views = kinds(views_of(curve, scene))
    assert len(curve.rows) == 10
    assert views["HeatMap"].layout.display is None
    shares = np.frombuffer(views["HeatMap"]._values["data"], np.float32).reshape(10, 2)
    np.testing.assert_allclose(shares, (curve.features_left / curve.size).T, atol=1e-6)

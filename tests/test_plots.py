import numpy as np
import pytest

import cutaway as ct
from cutaway.core import Index, Origin, Result
from cutaway.plots import OKABE_ITO


@pytest.fixture(scope="module")
def opened():
    return ct.load_model("lenet5-digits"), ct.load_data("digits", split="test", limit=100)


@pytest.fixture(scope="module")
def screen(opened):
    model, data = opened
    acts = ct.capture(model, data, ct.sites(model, data)["conv1"], show=None)
    return ct.screen_filters(acts, k_max=3)


def labelled(figure):
    return figure.layout.xaxis.title.text and figure.layout.yaxis.title.text


def test_screen_shows_every_filter_once(screen):
    figure = screen.plot()
    names = [name for trace in figure.data for name in trace.x]
    assert sorted(names) == [f"conv1:{unit}" for unit in range(6)]
    assert labelled(figure)
    assert figure.layout.title.text == screen.origin.caption()


def test_one_filter_shows_every_fitted_sample_once(screen):
    figure = screen.plot(site="conv1", unit=2)
    ids = [one for trace in figure.data for one in trace.text]
    assert sorted(ids) == sorted(map(str, screen.rows))
    assert labelled(figure)


def test_effect_shows_its_controls_and_itself(opened):
    model, data = opened
    effect = ct.ablate(model, data, [ct.Zero("conv2", [0, 1])], metric="accuracy", controls=10)
    figure = effect.plot()
    np.testing.assert_array_equal(figure.data[0].x, effect.control_changes)
    assert figure.layout.shapes[0].x0 == effect.change
    assert labelled(figure)


def test_predictions_split_right_from_wrong(opened):
    model, data = opened
    found = ct.predict(model, data)
    figure = found.plot()
    sizes = {trace.name: len(trace.x) for trace in figure.data}
    assert sizes == {"correct": int(found.correct.sum()), "wrong": int((~found.correct).sum())}


def test_attributions_show_one_sample_on_a_scale_about_zero(opened):
    pytest.importorskip("captum", reason="needs the extra 'attribution'")
    model, data = opened
    ids = data.index.ids[[3, 8]]
    found = ct.attribute(model, data, ids, method="input_x_gradient")
    figure = found.plot(sample=ids[1])
    np.testing.assert_array_equal(figure.data[0].z, found.values[1])
    assert figure.data[0].zmax == -figure.data[0].zmin == np.abs(found.values[1]).max()
    assert str(ids[1]) in figure.layout.xaxis.title.text
    assert labelled(figure)


def test_a_result_without_a_figure_is_one_line():
    class Bare(Result):
        pass

    with pytest.raises(
        TypeError, match="result must be one of .*FilterScreen.*, got Bare; use to_"
    ):
        Bare(rows=Index([1]), origin=Origin("x")).plot()


def test_colours_are_distinct():
    assert len(set(OKABE_ITO)) == 8

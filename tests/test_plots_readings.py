"""Figures of the observables lens: what is drawn is what the result holds."""

import numpy as np
import pytest

import cutaway as ct
from cutaway_samples import occupations

TEXTS = [f"The {job} said that she was late ." for job in occupations.SHE]


@pytest.fixture(scope="module")
def vectors():
    model = ct.load_model("gpt-occupations")
    she, her = (
        ct.Observable.from_tokens(model, [plus], [minus])
        for plus, minus in (("she", "he"), ("her", "his"))
    )
    return model, she, *(ct.feature_vector(model, one, "L0H0") for one in (she, her))


def labelled(figure):
    return figure.layout.xaxis.title.text and figure.layout.yaxis.title.text


def test_scores_show_every_token_once_and_sinks_hollow(vectors):
    model, _, vector, _ = vectors
    found = ct.score_texts(model, vector, TEXTS)
    figure = found.plot()
    assert labelled(figure)
    assert sum(len(trace.x) for trace in figure.data) == len(found.rows)
    hollow = [trace for trace in figure.data if trace.marker.symbol == "circle-open"]
    assert [set(trace.x) for trace in hollow] == [{0}]
    groups = np.arange(len(TEXTS)) % 2
    assert {trace.name for trace in found.plot(color=groups).data} == {"sinks", "0", "1"}
    with pytest.raises(
        ValueError, match="color must have an entry for each of the 16 texts, got 3"
    ):
        found.plot(color=[1, 2, 3])


def test_ranks_stand_in_order(vectors):
    model, _, vector, _ = vectors
    found = ct.logit_lens(model, vector, k=4)
    figure = found.plot()
    assert labelled(figure)
    np.testing.assert_array_equal(figure.data[0].x, found.score)
    assert figure.data[0].y[0] == repr(found.token[0])
    assert figure.layout.yaxis.autorange == "reversed"


def test_steering_stands_beside_its_controls(vectors):
    model, she, vector, _ = vectors
    found = ct.steer(model, TEXTS[:3], vector, by=1.0, observable=she, positions="all", controls=4)
    figure = found.plot()
    assert labelled(figure)
    np.testing.assert_array_equal(figure.data[0].y, found.random_change)
    assert figure.data[1].y[0] == found.change.mean()
    assert figure.data[1].x[0] == found.kl.mean()


def test_learning_curves_have_their_bands(vectors):
    model, _, vector, _ = vectors
    labels = [share > 0.45 for share in occupations.SHE.values()]
    found = ct.compare_probes(
        model, vector, TEXTS, labels, methods=["ridge"], sizes=(2, 4), draws=2, position=1
    )
    figure = found.plot()
    assert labelled(figure)
    band, line, trained, curve = figure.data
    assert (line.name, line.line.dash, curve.name) == ("vector", "dash", "ridge")
    np.testing.assert_array_equal(line.y, [found.auc[0]] * 2)
    np.testing.assert_array_equal(curve.y, found.auc[1:])
    np.testing.assert_array_equal(trained.y, [*found.auc_high[1:], *found.auc_low[1:][::-1]])
    assert len(band.x) == 4
    assert "r²" in found.plot(measure="r2").layout.yaxis.title.text
    with pytest.raises(ValueError, match="measure must be one of auc, r2, within, got 'f1'"):
        found.plot(measure="f1")


def test_coupled_readings_show_both_slopes(vectors):
    model, _, a, b = vectors
    found = ct.coupling_on_texts(model, a, b, TEXTS)
    figure = found.plot()
    assert labelled(figure)
    np.testing.assert_array_equal(figure.data[0].x, found.a)
    for trace, slope in zip(figure.data[1:], (found.slope, found.coupling), strict=True):
        assert np.diff(trace.y)[0] / np.diff(trace.x)[0] == pytest.approx(slope, rel=1e-9)

"""Results of the observables lens on the workbench: their own views, not a bare table."""

import numpy as np
import pytest

import cutaway as ct
import cutaway_widgets as cw
from cutaway.core import Index
from cutaway.observables import Observable, feature_vector, score_texts, steer
from cutaway.observables.head_map import head_map
from cutaway_widgets.explorers._observable_results import views_of
from cutaway_widgets.explorers._scene import Scene

PAIR = ("The nurse said that", "The plumber said that")


@pytest.fixture(scope="module")
def model():
    return ct.load_model("gpt-occupations")


@pytest.fixture(scope="module")
def she(model):
    return Observable.from_tokens(model, ["she"], ["he"])


@pytest.fixture
def scene():
    data = ct.load_data("occupations", limit=6)
    link = cw.Link(Index.count(0))
    found = Scene(link, link.lock)
    found.set_data(data)
    yield found
    found.close()


def kinds(shown):
    found = [type(one).__name__ for one in shown.parts]
    for one in shown.parts:
        one.close()
    return found


def test_a_head_map_is_a_grid_and_a_table_of_heads(model, she, scene):
    found = head_map(model, she, kind="ov_patching", prompts=[PAIR, PAIR])
    shown = views_of(found, scene)
    grid, table = shown.parts
    assert (len(grid.rows), len(grid.index), grid.diverging) == (2, 4, True)
    assert table.link is scene.link_of(found.rows)
    assert [one["name"] for one in table._columns] == ["name", "value", "low", "high"]
    assert kinds(views_of(head_map(model, she), scene)) == ["HeatMap", "Table"]


def test_scores_of_the_page_s_samples_are_on_their_selection(model, she, scene):
    vector = feature_vector(model, she, "L0H0@1")
    index = scene.samples.index
    texts = [scene.data.text(one) for one in index]
    scores = score_texts(model, vector, texts)
    shown = views_of(scores, scene)
    text = shown.parts[1]
    assert text.link is not scene.samples  # numbered texts are not the page's samples
    # A lens that runs on the page's data names its samples.
    from cutaway.observables.scores import TokenScores

    fields = {name: getattr(scores, name) for name in scores._fields()}
    named = TokenScores(
        rows=Index([f"{index.ids[t]}:{p}" for t, p in
                    zip(scores.text, scores.position, strict=True)], "token"),
        origin=scores.origin, **{**fields, "text_ids": index.ids},
    )  # fmt: skip
    told, text, scatter = views_of(named, scene).parts
    assert text.link is scene.samples
    assert text.position_link is scatter.link is scene.link_of(named.rows)
    assert f"{len(scores.rows)} tokens of 6 texts" in told.value
    assert np.allclose(np.asarray(scatter._points)[:, 1], scores.score, rtol=1e-6)


def test_a_vector_is_its_card(model, she, scene):
    assert kinds(views_of(feature_vector(model, she, "L0H0@1"), scene)) == ["HTML"]
    found = feature_vector(model, she, "L0H0@1", norm="exact", prompts=PAIR)
    assert kinds(views_of(found, scene)) == ["HTML", "Table"]


def test_steering_stands_among_its_controls(model, she, scene):
    vector = feature_vector(model, she, "L1H1@1")
    found = steer(model, PAIR, vector, by=0.3, observable=she, positions=1, controls=3)
    shown = views_of(found, scene)
    told, histogram, _table = shown.parts
    assert "3 random directions" in told.value
    values = np.asarray(histogram._values)
    assert values[0] == pytest.approx(found.change.mean(), rel=1e-6)
    assert histogram.link.selection.ids == ("this direction",)
    none = steer(model, PAIR, vector, by=0.3, observable=she, positions=1, controls=0)
    assert kinds(views_of(none, scene)) == ["HTML", "Table"]

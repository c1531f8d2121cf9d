"""The explorer without a browser: what its views hold after each step."""

import numpy as np
import pytest

import cutaway as ct
import cutaway_widgets as cw
from cutaway.core import Index, Selection
from cutaway_widgets.explorers import _filter_views as views


@pytest.fixture(scope="module")
def data():
    return ct.load_data("digits", split="test", limit=120)


@pytest.fixture(scope="module")
def explorer(data):
    return cw.FilterExplorer("lenet5-digits", data, sites="conv1", inline=True)


def test_first_screen_fills_every_view(explorer, data):
    screen = explorer.workspace.results["screen"]
    assert len(screen.filters) == 6
    assert explorer.job.status.state == "done"
    assert explorer.units.index.ids.tolist() == [f"conv1:{unit}" for unit in range(6)]
    assert explorer.samples.index.digest == data.index.digest
    top = screen.filters["score"].idxmax()
    assert explorer.units.selection.ids == (f"conv1:{top}",)
    assert explorer.scatter.title == f"Samples of conv1, filter {top}"
    assert f"conv1 unit {top}" in explorer._text.value
    for view in (
        explorer.tree,
        explorer.table,
        explorer.scatter,
        explorer.grid,
        explorer.histogram,
    ):
        assert view.error == ""


def test_results_are_in_the_workspace_and_true(explorer, data):
    predictions = explorer.workspace.results["predictions"]
    assert predictions.rows.digest == data.index.digest
    assert explorer.workspace.activations.sites == ("conv1",)
    accuracy = np.mean(predictions.predicted == data.labels)
    assert f"accuracy {accuracy:.1%}" in explorer._head.value


def test_picking_a_filter_in_the_browser_shows_it(explorer):
    screen = explorer.workspace.results["screen"]
    mask = np.packbits(np.arange(6) == 2, bitorder="little").tobytes()
    explorer.units.set_state({"_of": explorer.units.digest, "_mask": memoryview(mask)})
    assert explorer.scatter.title == "Samples of conv1, filter 2"
    farthest = screen.rows.ids[np.nanargmax(screen.tails[2])]
    assert explorer.grid.index.ids[explorer.grid._order[0]] == farthest


def test_selected_samples_reach_the_workspace_as_ids(explorer, data):
    n = len(data)
    mask = np.packbits(np.isin(np.arange(n), [4, 17]), bitorder="little").tobytes()
    explorer.samples.set_state({"_of": data.index.digest, "_mask": memoryview(mask)})
    chosen = explorer.workspace.selection
    assert chosen.ids == tuple(data.index.ids[[4, 17]].tolist())
    assert "2 samples selected" in explorer._chosen.value
    explorer.samples.clear()
    assert explorer.workspace.selection is None
    assert "No samples selected" in explorer._chosen.value


def test_the_same_layers_again_are_not_computed_twice(explorer):
    before = explorer.workspace.results["screen"]
    explorer.run()
    assert explorer.workspace.results["screen"] is before


def test_an_empty_pick_says_what_to_do(data):
    page = cw.FilterExplorer("lenet5-digits", data, sites="conv1", inline=True, start=False)
    page.tree.pick([])
    page.run()
    assert "Pick at least one layer" in page._text.value
    assert page.job.status.state == "idle"


def test_a_failing_screen_is_shown_and_the_next_one_runs(data, monkeypatch):
    page = cw.FilterExplorer("lenet5-digits", data, sites="conv1", inline=True, start=False)
    module = "cutaway_widgets.explorers._filter_screen.screen_filters"
    with monkeypatch.context() as patch:
        patch.setattr(module, lambda *_args, **_kw: (_ for _ in ()).throw(ValueError("planted")))
        page.run()
    assert page.job.status.state == "failed"
    assert "planted" in page.job.status.error
    page.run()
    assert page.job.status.state == "done"


def test_pages_may_share_a_workspace(data):
    workspace = ct.Workspace()
    one = cw.FilterExplorer("lenet5-digits", data, sites="conv1", workspace=workspace, inline=True)
    two = cw.FilterExplorer(workspace=workspace, sites="conv2", inline=True)
    assert one.units.index.digest == two.units.index.digest
    one.close()
    two.tree.pick(["conv1"])
    two.run()
    assert len(two.units.index) == 6


def test_missing_model_or_data_is_one_line():
    with pytest.raises(ValueError, match="model must be given here or in the workspace, got None"):
        cw.FilterExplorer()


def test_unknown_keyword_is_refused(data):
    with pytest.raises(TypeError, match="got 'site'; did you mean 'sites'"):
        cw.FilterExplorer("lenet5-digits", data, site="conv1")


def test_a_page_can_be_made_after_all_widgets_were_closed(data):
    import ipywidgets

    ipywidgets.Widget.close_all()
    page = cw.FilterExplorer("lenet5-digits", data, sites="conv1", inline=True)
    assert page.job.status.state == "done"
    assert page.model_id


def test_texts_are_shown_as_cards():
    texts = ct.load_data("occupations", limit=40)
    page = cw.FilterExplorer("gpt-occupations", texts, inline=True)
    assert page.job.status.state == "done"
    assert page.grid._labels[0].startswith(texts.text(texts.index.ids[0].item())[:20])


class TestViews:
    @pytest.mark.parametrize(
        ("name", "data", "first"),
        [
            ("lenet5-digits", "digits", ["conv1", "conv2"]),
            ("vgg-digits", "digits32", ["features.conv1", "features.conv2"]),
            ("gpt-occupations", "occupations", ["transformer.wte", "transformer.wpe"]),
        ],
    )
    def test_first_sites_are_convolutions_or_layers(self, name, data, first):
        tree = ct.sites(ct.load_model(name), ct.load_data(data, limit=1))
        assert views.first_sites(tree, None) == first

    def test_order_leaves_out_dropped_samples(self):
        rows = Index(["a", "b", "c", "d"])
        assert views.outlier_order(rows, np.array([1.0, np.nan, 3.0, 2.0])) == ["c", "d", "a"]

    def test_labels_show_what_the_model_said_where_it_was_wrong(self, explorer, data):
        predictions = explorer.workspace.results["predictions"]
        lines = views.sample_labels(data, predictions, None)
        for i, line in enumerate(lines):
            own, said = str(data.labels[i]), str(predictions.predicted[i])
            assert line == (own if own == said else f"{own} → {said}")

    def test_selection_text_counts_classes(self, data):
        ids = tuple(data.index.ids[data.labels == 3].tolist())
        text = views.selection_text(data, Selection(ids, of=data.index.digest))
        assert text == f"{len(ids)} samples selected: {len(ids)} of class 3"

    def test_filter_names_come_back(self):
        assert views.split_name("features.conv1:12") == ("features.conv1", 12)

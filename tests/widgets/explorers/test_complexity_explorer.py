"""The complexity explorer without a browser: what its views hold after each step."""

import json

import numpy as np
import pytest
import safetensors.numpy
import torch
from explorer_pages import views_in
from ipywidgets.widgets import widget
from torch import nn

import cutaway as ct
import cutaway_widgets as cw
from cutaway_widgets._array import decode
from cutaway_widgets.explorers import _complexity_words as words
from cutaway_widgets.explorers._complexity_members import top

BETAS = (0.02, 0.17, 0.3)


@pytest.fixture(scope="module")
def data():
    return ct.load_data("digits", split="test", limit=100)


@pytest.fixture(scope="module")
def page(data):
    page = cw.ComplexityExplorer("lenet5-digits", data, betas=BETAS, inline=True)
    yield page
    page.close()


@pytest.fixture
def fresh(page):
    """The shared page, at its middle beta and without selections."""
    page.steps.select(["0.17"])
    page.samples.clear()
    page.groups.select(["fc1"])
    return page


def choose(link, *ids):
    """Select as a browser does."""
    bits = np.isin(link.index.ids, list(ids))
    mask = np.packbits(bits, bitorder="little").tobytes()
    link.set_state({"_of": link.digest, "_by": "bars", "_mask": memoryview(mask)})


def press(actions, name):
    """Click a button as a browser does."""
    clicks = dict(actions._clicks)
    actions.set_state({"_clicks": {**clicks, name: clicks.get(name, 0) + 1}})


def quiet(page):
    views = views_in(page)
    assert len(views) > 20
    assert [one.error for one in views] == [""] * len(views)
    links = (page.samples, page.groups, page.steps, page.units)
    assert [one.error for one in links] == [""] * 4
    assert page.job.status.error == page.desk.job.status.error == ""


def test_the_first_curve_fills_every_view(fresh):
    curve = fresh.workspace.results["complexity"]
    np.testing.assert_array_equal(curve.betas, BETAS)
    assert fresh.groups.index.ids.tolist() == ["conv1", "conv2", "fc1", "fc2"]
    assert fresh.steps.index.ids.tolist() == ["0.02", "0.17", "0.3"]
    left = decode(fresh.bars._series[0]["values"])
    np.testing.assert_array_equal(left, curve.features_left)
    np.testing.assert_array_equal(fresh.bars._marks, curve.baseline_left)
    for chart in (fresh.curves.whole, fresh.curves.each):
        assert chart.link is fresh.bars.step_link is fresh.steps
        assert chart.follow
    assert fresh.curves.each.layout.display is None
    assert fresh.curves.heat.layout.display == "none"
    assert "accuracy" in fresh._head.value
    quiet(fresh)


def test_notes_tell_the_measured_accuracy_and_its_samples(fresh, data):
    curve = fresh.workspace.results["complexity"]
    before = np.mean(fresh.workspace.results["predictions"].correct)
    assert curve.score_before == pytest.approx(before)
    assert f"on {len(data)} samples, unmerged {before:.1%}" in fresh.bars._notes[1]
    assert "Nothing merges at beta 0.02" in fresh.bars._notes[0]


def test_the_merge_of_the_slider_is_the_curve_s(fresh, data):
    curve = fresh.workspace.results["complexity"]
    for place, name in ((1, "0.17"), (2, "0.3")):
        choose(fresh.steps, name)
        merge = fresh.workspace.results["merge"]
        assert (merge.beta, merge.rule) == (BETAS[place], curve.rule)
        np.testing.assert_array_equal(merge.left, curve.features_left[place])
        score = float(np.mean(ct.predict(merge.model, data).correct))
        assert score == pytest.approx(curve.score[place])
        assert f"accuracy is {score:.1%} on 100 samples" in fresh.sections.samples.text.value
        assert fresh.sections.take.text.value.count(f"beta {BETAS[place]}") == 1
    quiet(fresh)


def test_a_layer_where_nothing_merges_says_what_would(fresh):
    choose(fresh.groups, "conv1")
    tree = fresh.sections.tree
    assert tree.group == "conv1"
    assert "Nothing merges in conv1 at beta 0.17: its closest pair needs 0.2" in tree.text.value
    assert tree._views.layout.display == "none"
    assert fresh.tree.picked == ("conv1",)
    assert fresh.sections.members.text.value == ""
    quiet(fresh)


def test_the_tree_of_sites_and_the_bars_pick_the_same_layer(fresh):
    fresh.tree.set_state({"_picked": ["fc2"]})
    assert fresh.groups.selection.ids == ("fc2",)
    assert fresh.sections.tree.group == "fc2"
    assert fresh.sections.tree.tree.title == "Merge tree of fc2"
    lines = {one["path"]: one["pickable"] for one in fresh.tree._sites}
    assert [path for path, can in lines.items() if can] == ["conv1", "conv2", "fc1", "fc2"]


def test_a_picked_feature_shows_its_members_side_by_side(fresh, data):
    merge, tree = fresh.workspace.results["merge"], fresh.sections.tree
    frame = words.merged_features(merge, "fc1")
    place = int(frame.index[-1])
    choose(tree.features, f"fc1:{place}")
    units = merge.clusters["fc1"][place]
    assert set(fresh.units.selection.ids) == {f"fc1:{one}" for one in units}
    section = fresh.sections.members
    shown = section._shown
    assert sorted(shown.units) == units
    grid = section.grids[0]
    answers = ct.capture(fresh.workspace.model, data, "fc1", show=None)["fc1"][:, shown.units[0]]
    np.testing.assert_array_equal(grid._order, top(answers.astype(float), 12))
    assert grid.title == f"Top samples of fc1:{shown.units[0]}"
    visible = [box.layout.display is None for box in section._columns]
    assert visible == [k < len(units) for k in range(4)]
    weight = fresh.workspace.model.module.fc1.weight.detach().numpy()
    np.testing.assert_array_equal(shown.kernels[0].ravel()[:400], weight[shown.units[0]])
    quiet(fresh)


def test_members_of_a_convolution_have_kernels_and_maps_of_the_selected_samples(fresh, data):
    choose(fresh.steps, "0.3")
    choose(fresh.groups, "conv1")
    section = fresh.sections.members
    n = len(section._shown.units)
    assert n >= 2
    assert section.kernels._tiles.shape == (n, 1, 5, 5)
    assert section.maps._tiles.shape[:2] == (n, 10)
    choose(fresh.samples, *data.index.ids[:3].tolist())
    assert section.maps._samples.tolist() == [0, 1, 2]
    assert fresh.workspace.selection.ids == tuple(data.index.ids[:3].tolist())
    assert "3 samples selected" in fresh.sections.samples.chosen.value
    quiet(fresh)


def test_samples_are_placed_by_their_answers_before_and_after(fresh, data):
    merge = fresh.workspace.results["merge"]
    before = ct.predict(fresh.workspace.model, data)
    after = ct.predict(merge.model, data)
    points = fresh.sections.samples.scatter._points
    np.testing.assert_allclose(points[:, 0], np.exp(-before.loss), atol=1e-6)
    np.testing.assert_allclose(points[:, 1], np.exp(-after.loss), atol=1e-6)
    change = np.exp(-after.loss) - np.exp(-before.loss)
    order = fresh.sections.samples.grid._order
    assert (np.diff(change[order]) >= 0).all()
    assert (change[order] < 0).all()


def test_the_merged_model_and_its_clusters_can_be_taken(fresh):
    merge, take = fresh.workspace.results["merge"], fresh.sections.take
    press(take.actions, "model")
    held = safetensors.numpy.load(take.download.data)
    for name, tensor in merge.model.state_dict().items():
        np.testing.assert_array_equal(held[name], tensor.numpy())
    assert take.download.file == f"lenet5-digits-merged-{merge.rule}-0.17.safetensors"
    press(take.actions, "clusters")
    said = json.loads(take.download.data)
    assert said["groups"]["fc2"]["features"] == merge.clusters["fc2"]
    assert (said["beta"], said["weights"]) == (0.17, fresh.workspace.model.digest)
    assert take.download.file.endswith("-clusters.json")


def test_a_merge_without_weights_says_so(fresh, tmp_path):
    merge = fresh.workspace.results["merge"]
    merge.save(tmp_path / "merge.npz")
    fresh.workspace.results["merge"] = type(merge).load(tmp_path / "merge.npz")
    press(fresh.sections.take.actions, "model")
    assert "holds no weights" in fresh.sections.take.text.value
    fresh.workspace.results["merge"] = merge


def test_settings_that_are_wrong_are_said_at_their_field(fresh):
    before = fresh.workspace.results["complexity"]
    fresh.form.set_values(betas="0.1, much")
    fresh.run()
    assert fresh.form.errors["betas"].startswith("betas must be numbers in [0, 1], got 'much'")
    fresh.form.set_values(betas=", ".join(str(one) for one in BETAS))
    fresh.run()
    assert fresh.form.errors == {}
    assert fresh.workspace.results["complexity"] is before


class TestOtherPages:
    def test_a_checkpoint_is_compared_at_the_same_betas(self, data):
        page = cw.ComplexityExplorer(
            "lenet5-digits-overfit", data, betas=(0.1, 0.2), compare=("lenet5-digits-overfit", 3),
            inline=True,
        )  # fmt: skip
        page.sections.compare.form.send()
        results = page.workspace.results
        second = results["complexity_compared"]
        np.testing.assert_array_equal(second.betas, [0.1, 0.2])
        first, other = page.sections.compare.bars._series
        np.testing.assert_array_equal(decode(first["values"]), results["complexity"].features_left)
        np.testing.assert_array_equal(decode(other["values"]), second.features_left)
        assert page.sections.compare.bars.step_link is page.steps
        assert "largest difference" in page.sections.compare.text.value
        quiet(page)
        page.close()

    def test_without_a_second_model_the_page_says_how_to_give_one(self, data):
        net = nn.Sequential(nn.Flatten(), nn.Linear(784, 12), nn.ReLU(), nn.Linear(12, 10))
        page = cw.ComplexityExplorer(net, data, betas=[0.2], inline=True)
        assert "There is nothing to compare with" in page.sections.compare.text.value
        assert "Nothing merged at beta 0.2: all 100 samples" in page.sections.samples.text.value
        assert page.sections.members.text.value == ""
        note = page.bars._notes[0]
        assert "Nothing merges at beta 0.2" in note
        assert "compute one with betas above" in note
        quiet(page)
        page.close()

    def test_a_model_that_cannot_be_merged_is_said_and_closes(self, data):
        page = cw.ComplexityExplorer(Branching(), data, inline=True)
        assert page.job.status.state == "failed"
        assert "must be traceable by torch.fx" in page.job.status.error
        assert page.workspace.results.get("complexity") is None
        page.close()

    def test_before_the_first_curve_the_page_says_what_to_do(self, data):
        page = cw.ComplexityExplorer("lenet5-digits", data, inline=True, start=False)
        assert "Compute the curve" in page._text.value
        assert "Merge first" in page.sections.tree.text.value
        page.sections.take.take_model()
        assert "Merge first" in page.sections.take.text.value
        page.sections.compare.compare({})
        assert "First compute the curve" in page.sections.compare.text.value
        quiet(page)
        page.close()

    def test_data_without_labels_has_no_accuracy(self, data):
        pictures = np.stack([data.thumbnail(one) for one in data.index.ids[:20]])
        page = cw.ComplexityExplorer(
            "lenet5-digits", ct.load_data(pictures), betas=[0.17], inline=True
        )
        assert "Accuracy" not in page.bars._notes[0]
        assert "samples get another answer" in page.sections.samples.text.value
        quiet(page)
        page.close()

    def test_closing_leaves_nothing(self, data):
        page = cw.ComplexityExplorer("lenet5-digits", data, betas=[0.1], inline=True)
        page.close()
        before = set(widget._instances)
        space = ct.Workspace()
        page = cw.ComplexityExplorer(
            "lenet5-digits", data, betas=[0.1], workspace=space, inline=True
        )
        page.close()
        assert set(widget._instances) == before
        assert space._listeners == []
        page.close()

    def test_another_curve_keeps_the_beta_that_it_has_too(self, data):
        page = cw.ComplexityExplorer("lenet5-digits", data, betas=[0.1, 0.17], inline=True)
        page.steps.select(["0.1"])
        page.form.set_values(betas="0.1, 0.3, 0.5", rule="official")
        page.run()
        assert page.steps.selection.ids == ("0.1",)
        merge = page.workspace.results["merge"]
        assert (merge.rule, merge.beta) == ("official", 0.1)
        quiet(page)
        page.close()

    def test_refusals(self, data):
        with pytest.raises(ValueError, match="model must be given here or in the workspace"):
            cw.ComplexityExplorer(data=data)
        with pytest.raises(ValueError, match=r"betas must be numbers in \[0, 1\], got 2"):
            cw.ComplexityExplorer("lenet5-digits", data, betas=[2])
        with pytest.raises(TypeError, match="did you mean 'betas'"):
            cw.ComplexityExplorer("lenet5-digits", data, beta=[2])


class Branching(nn.Module):
    """Cannot be traced: its way depends on the numbers."""

    def __init__(self):
        super().__init__()
        self.out = nn.Linear(784, 10)

    def forward(self, x):
        x = x.flatten(1)
        return self.out(x if float(torch.sum(x)) > 0 else -x)

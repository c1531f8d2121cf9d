"""The workbench without a browser: what it holds after each thing a person does."""

import ipywidgets
import pytest
from bench_script import brush, names, open_digits, run, states

import cutaway as ct
import cutaway_widgets as cw
from cutaway.policy import Policy
from cutaway_widgets.export import page_html


@pytest.fixture
def bench(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = cw.Workbench(inline=True)
    yield page
    page.close()


class TestSteps:
    def test_the_guide_follows_from_open_to_brush(self, bench):
        assert states(bench) == ["now", "later", "later", "later"]
        assert "press Open" in bench.results.empty
        open_digits(bench)
        assert "lenet5-digits on 60 samples of digits/test, accuracy" in bench.head.title.value
        assert bench.tabs.value == "lens"
        assert states(bench) == ["done", "now", "later", "later"]
        assert "press Run" in bench.results.empty
        bench.lens_panel.tree.pick(["conv1"])
        assert states(bench) == ["done", "done", "now", "later"]
        assert "1 layer, 6 units" in bench.lens_panel.cost.value
        bench.lens_panel.form.send()
        assert bench.job.status.state == "done"
        assert names(bench) == ["screen"]
        assert states(bench) == ["done", "done", "done", "now"]
        brush(bench.samples, 3, 5)
        assert states(bench) == ["done"] * 4
        assert bench.workspace.selection.ids == tuple(bench.samples.index.ids[[3, 5]].tolist())
        assert "2 samples selected" in bench.chosen.value

    def test_the_example_does_the_first_three_steps(self, bench):
        bench.guide.ask()
        assert states(bench) == ["done", "done", "done", "now"]
        assert bench.lens_panel.tree.picked == ("conv1", "conv2")
        assert list(bench.workspace.results) == ["predictions", "screen"]
        assert bench.guide.example == ""

    def test_run_before_anything_is_picked_says_so(self, bench):
        assert "Open a model" in bench.lens_panel.form.note
        open_digits(bench)
        bench.lens_panel.form.send()
        assert bench.lens_panel.form.note == "Pick at least one layer."
        assert names(bench) == []


class TestOpen:
    def test_the_data_follows_the_model_and_can_be_changed(self, bench):
        form = bench.open_panel.form
        form.set_state({"_values": {**form.raw, "model": "vgg-digits"}})
        assert form.raw["data"] == "digits32"
        form.set_state({"_values": {**form.raw, "data": "digits"}})
        assert form.raw["data"] == "digits"

    def test_checkpoints_are_asked_for_where_there_are_some(self, bench):
        form = bench.open_panel.form
        assert "checkpoint" not in form.raw
        form.set_state({"_values": {**form.raw, "model": "lenet5-digits-overfit", "limit": "20"}})
        form.set_state({"_values": {**form.raw, "checkpoint": "26"}})
        form.send()
        assert "checkpoint must be a whole number from 0 to 25" in form.errors["checkpoint"]
        form.set_state({"_values": {**form.raw, "checkpoint": "3"}})
        form.send()
        assert bench.workspace.model.name == "lenet5-digits-overfit@3"
        assert len(bench.workspace.data) == 20

    @pytest.mark.parametrize(
        ("field", "value", "line"),
        [
            ("model_path", "nowhere", "source must be a sample name or an existing path"),
            ("data_path", "nowhere", "source must be a sample name or an existing path"),
            ("limit", "many", "limit must be a whole number, 1 or more, got many"),
        ],
    )
    def test_errors_appear_at_the_field(self, bench, field, value, line):
        open_digits(bench, **{field: value} if field != "limit" else {"limit": value})
        assert line in bench.open_panel.form.errors[field]
        assert states(bench)[0] == "now"

    def test_another_model_takes_the_old_results_away(self, bench):
        run(open_digits(bench), "conv1")
        open_digits(bench, model="lenet5-digits-noisy", data="digits")
        assert names(bench) == []
        assert list(bench.workspace.results) == ["predictions"]
        assert bench.lens_panel.tree.picked == ()

    def test_a_team_opens_what_the_policy_allows(self, tmp_path):
        page = cw.Workbench(inline=True, policy=Policy(("alexnet-digits",)))
        form = page.open_panel.form
        assert [one["value"] for one in form._fields[0]["options"]] == ["alexnet-digits"]
        assert "model_path" not in form.raw
        assert page.session_panel.folder is None
        form.set_state({"_values": {**form.raw, "model": "lenet5-digits"}})
        form.send()
        assert "model must be one of alexnet-digits" in form.errors["model"]
        page.guide.ask()
        assert page.workspace.model.name == "alexnet-digits"
        page.close()

    def test_given_in_code(self):
        with pytest.raises(ValueError, match="data must be given here or in the workspace"):
            cw.Workbench(ct.load_model("lenet5-digits"), inline=True)
        with pytest.raises(TypeError, match="got 'modle'; did you mean 'model'"):
            cw.Workbench(modle="lenet5-digits")
        data = ct.load_data("digits", limit=20)
        page = cw.Workbench("lenet5-digits", data, inline=True)
        assert states(page)[0] == "done"
        page.close()


class TestRun:
    def test_settings_reach_the_lens_and_the_title(self, bench):
        run(open_digits(bench, limit=300), "conv1", k_max=2, seed=3, labels=True)
        result = bench.workspace.results["screen"]
        assert result.bics.shape[1] == 2
        assert result.origin.seed == 3
        assert "k_max 2" in bench.results.cards[0].head.title
        assert bench.results.cards[0].head.caption == result.origin.caption()

    def test_a_value_that_the_lens_refuses_is_said_at_its_field(self, bench):
        run(open_digits(bench), "conv1", tau=0.9)
        assert bench.job.status.state == "failed"
        assert bench.lens_panel.form.errors["tau"].startswith("tau must lie in ")
        run(bench, "conv1", tau=0.05)
        assert names(bench) == ["screen"]

    def test_another_lens_brings_its_own_fields_and_views(self, bench):
        open_digits(bench)
        form = bench.lens_panel.form
        form.set_state({"_values": {**form.raw, "lens": "project"}})
        assert "method" in form.raw
        assert "k_max" not in form.raw
        run(bench, "fc1")
        assert names(bench) == ["project"]
        assert bench.results.cards[0].head.error == ""
        assert [type(one).__name__ for one in bench.results.cards[0].shown.parts] == [
            "Scatter", "ExitStack", "ImageGrid",
        ]  # fmt: skip

    def test_the_same_again_is_not_computed_or_shown_twice(self, bench):
        run(open_digits(bench), "conv1")
        before = bench.workspace.results["screen"]
        run(bench, "conv1")
        assert names(bench) == ["screen"]
        assert bench.workspace.results["screen"] is before

    def test_results_share_the_samples_and_two_stay_open(self, bench):
        open_digits(bench)
        for sites in (("conv1",), ("conv2",), ("conv1", "conv2")):
            run(bench, *sites)
        assert names(bench) == ["screen", "screen-2"][::-1] or len(names(bench)) == 2
        links = {id(card.shown.parts[0].scatter.link) for card in bench.results.cards}
        assert links == {id(bench.samples)}
        assert set(bench.workspace.results) == {"predictions", *names(bench)}

    def test_a_kept_result_stays(self, bench):
        run(open_digits(bench), "conv1")
        bench.results.cards[0].head.press("keep")
        for sites in (("conv2",), ("conv1", "conv2"), ("fc1",)):
            run(bench, *sites)
        assert "screen" in names(bench)
        assert len(names(bench)) == 3
        bench.results.cards[-1].head.press("close")
        assert "screen" not in bench.workspace.results

    def test_a_result_from_a_cell_gets_a_card(self, bench):
        open_digits(bench)
        acts = ct.capture(bench.workspace.model, bench.workspace.data, "conv1")
        bench.workspace.results["mine"] = ct.screen_filters(acts)
        assert names(bench) == ["mine"]
        del bench.workspace.results["mine"]
        assert names(bench) == []

    def test_a_failing_view_says_so_in_its_card(self, bench, monkeypatch):
        open_digits(bench)
        module = "cutaway_widgets.explorers._results.views_of"
        with monkeypatch.context() as patch:
            patch.setattr(module, lambda *_: (_ for _ in ()).throw(ValueError("planted")))
            run(bench, "conv1")
        assert bench.results.cards[0].head.error == "ValueError: planted"

    def test_the_budget_of_the_policy_holds(self):
        page = cw.Workbench(inline=True, policy=Policy(max_bytes="10KB"))
        run(open_digits(page), "conv1")
        assert "more than the 10.0 kB allowed" in page.lens_panel.cost.value
        assert page.job.status.state == "failed"
        assert "BudgetExceeded" in page.job.status.error
        page.close()


class TestCompare:
    @pytest.fixture
    def pair(self, bench):
        run(open_digits(bench), "conv1")
        form = bench.compare_panel.form
        form.set_state({"_values": {**form.raw, "model": "lenet5-digits-overfit"}})
        form.set_values(checkpoint=4)
        form.send()
        return bench

    def test_both_results_and_what_differs(self, pair):
        first, second, third = pair.results.cards
        assert first.about == {"screen", "screen-2"}
        assert (second.name, third.name) == ("screen", "screen-2")
        assert pair.workspace.results["screen-2"].origin.model == "lenet5-digits-overfit@4"
        assert "6 filters matched" in first.shown.parts[1].value

    def test_a_filter_picked_in_one_is_shown_in_all(self, pair):
        table = pair.results.cards[0].shown.parts[0]
        brush(table.link, 4)
        for card in pair.results.cards[1:]:
            assert card.shown.parts[0].scatter.title == "Samples of conv1, filter 4"

    def test_closing_one_closes_the_comparison(self, pair):
        pair.results.cards[1].head.press("close")
        assert names(pair) == ["screen-2"]

    def test_the_first_one_stays_when_others_came_since(self, bench):
        run(open_digits(bench), "conv1")
        run(bench, "conv2")
        bench.lens_panel.tree.pick(["conv1"])
        bench.compare_panel.form.set_values(model="lenet5-digits-noisy")
        bench.compare_panel.form.send()
        assert names(bench) == ["screen and screen-3", "screen", "screen-3"]

    def test_the_same_model_is_no_second_one(self, bench):
        run(open_digits(bench), "conv1")
        bench.compare_panel.form.send()
        line = bench.compare_panel.form.errors["model"]
        assert line.startswith("model must be another than the open one, got lenet5-digits")
        assert names(bench) == ["screen"]

    def test_needs_layers_and_says_so(self, bench):
        open_digits(bench)
        bench.compare_panel.form.send()
        assert bench.compare_panel.form.note.startswith("First open a model, pick layers")

    def test_a_model_without_these_layers_is_said_at_the_model(self, bench):
        run(open_digits(bench, model="vgg-digits"), "features.conv1")
        bench.compare_panel.form.set_values(model="resnet-digits")
        bench.compare_panel.form.send()
        assert "features.conv1" in bench.compare_panel.form.errors["model"]
        assert names(bench) == ["screen"]


def test_closing_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    space = ct.Workspace()
    space.model, space.data = ct.load_model("lenet5-digits"), ct.load_data("digits", limit=60)
    before = set(ipywidgets.widgets.widget._instances)
    page = cw.Workbench(workspace=space, inline=True)
    run(page, "conv1")
    run(page, "conv2")
    page.compare_panel.form.set_values(model="lenet5-digits-noisy")
    page.compare_panel.form.send()
    assert len(page.results.cards) == 3
    page.close()
    left = set(ipywidgets.widgets.widget._instances) - before
    kinds = [type(ipywidgets.widgets.widget._instances[one]).__name__ for one in left]
    # The code is shared by all pages.
    assert sorted(kinds) in ([], ["Code", "Layout"])
    assert space._listeners == []


def test_export_holds_the_panels_and_results(bench):
    run(open_digits(bench), "conv1")
    text = page_html(bench)
    assert bench.tabs._panels["session"] in text
    assert "screen: conv1 of lenet5-digits" in text

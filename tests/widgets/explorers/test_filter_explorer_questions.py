"""The tabs of the explorer, without a browser: each question, its answer, and its empty state."""

import builtins
import importlib.util

import numpy as np
import pytest
from explorer_pages import quiet

import cutaway as ct
import cutaway_widgets as cw
from cutaway.filters import filters_of
from cutaway_widgets.explorers._filter_ablate import CONTROLS


class TestSelectionBar:
    def test_it_is_about_the_samples_and_undoes(self, page, data):
        assert page.bar.link is page.samples
        ids = data.index.ids[:3].tolist()
        page.samples.select(ids)
        page.samples.clear()
        page.samples.undo()
        assert page.samples.selection.ids == tuple(ids)


class TestHeatMap:
    def test_rows_are_filters_and_columns_samples_by_their_scores(self, page):
        screen, view = page.workspace.results["screen"], page.sections.heat.map
        assert (view.row_link, view.link) == (page.units, page.samples)
        scores = screen.filters["score"].to_numpy()[view._row_order]
        assert (np.diff(scores) <= 0).all()
        assert (np.diff(screen.samples["score"].to_numpy()[view._column_order]) <= 0).all()
        assert view.error_bound < 0.005
        quiet(page)

    def test_selected_samples_rank_the_filters(self, page, data):
        section = page.sections.heat
        assert section.table.layout.display == "none"
        assert "Select samples" in section.text.value
        ids = data.index.ids[::10].tolist()
        page.samples.select(ids)
        expected = filters_of(page.workspace.results["screen"], ids)
        assert section.table.layout.display is None
        sent = {one["name"]: one for one in section.table._columns}
        assert list(sent) == ["site", "unit", "auc", "q", "inside", "outside"]
        numbers = np.frombuffer(sent["auc"]["data"]["data"], np.float64)
        assert numbers.tolist() == expected["auc"].tolist()
        assert "15 selected samples" in section.text.value
        page.samples.clear()
        assert section.table.layout.display == "none"

    def test_picking_a_filter_there_shows_its_samples(self, page):
        page.units.select(["conv2:7"])
        assert page.scatter.title == "Samples of conv2, filter 7"

    def test_all_samples_are_no_selection_to_compare(self, page, data):
        page.samples.select(data.index.ids.tolist())
        assert page.sections.heat.table.layout.display == "none"
        assert page.samples.error == ""


class TestComponents:
    def test_curve_of_the_picked_filter_with_the_cursor_at_its_k(self, page):
        screen, curve = page.workspace.results["screen"], page.sections.components.curve
        for unit in (0, 3):
            page.units.select([f"conv1:{unit}"])
            place = screen.place("conv1", unit)
            assert curve.cursor == screen.filters["k"].iloc[place]
            sent = np.frombuffer(curve._series[0]["y"]["data"], np.float64)
            assert np.array_equal(sent, screen.bics[place], equal_nan=True)
            assert f"filter {unit}" in curve.title
        assert "K = " in page.sections.components.text.value
        assert page.sections.components.kernels._tiles.shape == (1, 1, 5, 5)

    def test_layers_without_kernels_say_so(self, page):
        page.tree.pick(["tanh1"])
        page.run()
        kernels = page.sections.components.kernels
        assert kernels._tiles.shape[:2] == (0, 0)
        assert "Only convolutions" in kernels.empty
        quiet(page)

    def test_scatter_offers_responsibility(self, page):
        names = [one["name"] for one in page.scatter._colors]
        assert names[:2] == ["cluster", "responsibility"]


class TestMaps:
    def test_nothing_selected_is_an_empty_state(self, page):
        maps = page.sections.maps.maps
        assert maps._tiles.shape[:2] == (0, 0)
        assert "select samples" in maps.empty

    def test_captured_maps_of_the_selected_samples_the_oddest_first(self, page, data):
        page.units.select(["conv1:2", "conv1:4"])
        page.samples.select(data.index.ids[:60].tolist())
        maps, screen = page.sections.maps.maps, page.workspace.results["screen"]
        assert maps._tiles.shape == (2, 40, 8, 8)
        tails = screen.tails[screen.place("conv1", 2)][:60]
        shown = screen.tails[screen.place("conv1", 2)][maps._samples.astype(int)]
        assert shown.tolist() == np.sort(tails)[::-1][:40].tolist()
        raw = page.workspace.activations["conv1"][int(maps._samples[0]), 4]
        assert maps._stats[1, 0].tolist() == pytest.approx([raw.min(), raw.max(), raw.mean()])

    def test_maps_of_what_was_captured_earlier_come_from_the_model(self, page, data):
        page.tree.pick(["tanh1"])
        page.run()
        page.tree.pick(["conv1", "conv2"])
        page.run()  # kept, so that the activations are still those of tanh1
        assert page.workspace.activations.sites == ("tanh1",)
        page.units.select(["conv2:1"])
        page.samples.select(data.index.ids[:4].tolist())
        assert page.sections.maps.maps._tiles.shape == (1, 4, 10, 10)
        quiet(page)

    def test_layers_that_have_no_maps_say_so(self, page, data):
        page.tree.pick(["fc1"])
        page.run()
        page.samples.select(data.index.ids[:4].tolist())
        assert "must return maps" in page.sections.maps.maps.empty
        quiet(page)


class TestAttribution:
    def test_why_these_samples(self, page, data):
        section = page.sections.maps
        section.actions.press("why")
        assert "First pick a filter and select samples" in section.text.value
        page.units.select(["conv2:3"])
        page.samples.select(data.index.ids[:20].tolist())
        section.actions.press("why")
        found = page.workspace.results["attributions"]
        assert (len(found.rows), set(found.target.tolist())) == (12, {"conv2:3"})
        assert section.overlay._values.shape == (12, 28, 28)
        assert section.overlay.title == "What drives conv2:3"
        quiet(page)

    def test_without_captum_one_line_says_what_to_do(self, page, data, monkeypatch):
        find = importlib.util.find_spec
        monkeypatch.setattr(
            importlib.util, "find_spec", lambda name, *a: None if name == "captum" else find(name)
        )
        page.samples.select(data.index.ids[:2].tolist())
        page.sections.maps.actions.press("why")
        assert "pip install captum" in page.sections.maps.text.value
        assert page.desk.job.status.state == "idle"

    def test_texts_have_no_pictures_to_draw_on(self):
        texts = ct.load_data("occupations", limit=24)
        page = cw.FilterExplorer("gpt-occupations", texts, inline=True)
        page.samples.select(texts.index.ids[:3].tolist())
        page.sections.maps.actions.press("why")
        assert "drawn on pictures" in page.sections.maps.text.value
        quiet(page)


class TestSwitchingOff:
    def test_effect_edits_text_chart_and_colours(self, page, data):
        page.units.select(["conv2:3", "conv2:5", "conv1:1"])
        section, space = page.sections.ablate, page.workspace
        section.actions.press("off")
        effect = space.results["effect"]
        assert space.effect is effect
        assert [(one.site, one.units) for one in space.edits] == [
            ("conv1", (1,)),
            ("conv2", (3, 5)),
        ]
        assert len(effect.control_changes) == CONTROLS
        # The means come with the edits: what anyone computes under them is what was measured.
        with ct.edited(space.model, space.edits):
            under = ct.predict(space.model, data)
        assert np.array_equal(under.correct, effect.per_sample_after > 0.5)
        assert f"{effect.before:.1%} → {effect.after:.1%}" in section.text.value
        assert f"p {effect.p:.2g}" in section.text.value
        outline, mark = section.chart._series
        assert np.frombuffer(outline["y"]["data"], np.float64).sum() == 2 * CONTROLS
        assert set(np.frombuffer(mark["x"]["data"], np.float64)) == {effect.change}
        assert {"correct after", "loss change"} <= {one["name"] for one in page.scatter._colors}
        assert page.samples.color_by == "correct after"
        page.units.select(["conv1:0"])
        assert "loss change" in {one["name"] for one in page.scatter._colors}
        quiet(page)

    def test_undo_and_redo(self, page):
        section, space = page.sections.ablate, page.workspace

        def enabled():
            return {one["name"]: one["enabled"] for one in section.actions._items}

        assert enabled() == {"off": True, "undo": False, "redo": False}
        page.units.select(["conv1:0"])
        section.actions.press("off")
        effect, edits = space.results["effect"], space.edits
        assert enabled() == {"off": True, "undo": True, "redo": False}
        section.actions.press("undo")
        assert (space.edits, space.effect) == (None, None)
        assert "effect" not in space.results
        assert "No filter is switched off" in section.text.value
        assert "correct after" not in {one["name"] for one in page.scatter._colors}
        assert section.chart.layout.display == "none"
        section.actions.press("redo")
        assert space.edits == edits
        assert space.results["effect"] is effect
        assert section.chart.layout.display is None

    def test_a_whole_layer_has_no_random_filters_beside_it(self, page):
        page.units.select([f"conv1:{unit}" for unit in range(6)])
        section = page.sections.ablate
        section.actions.press("off")
        effect = page.workspace.results["effect"]
        assert len(effect.control_changes) == 0
        assert "no random filters to compare with" in section.text.value
        outline, mark = section.chart._series
        assert not np.frombuffer(outline["y"]["data"], np.float64).any()
        assert set(np.frombuffer(mark["x"]["data"], np.float64)) == {effect.change}
        quiet(page)

    def test_an_edit_from_elsewhere_is_not_passed_off_as_measured(self, page):
        page.workspace.edits = (ct.Zero("conv1", 1),)
        assert "not measured" in page.sections.ablate.text.value
        assert "effect" not in page.workspace.results

    def test_an_effect_of_somebody_else_stays(self, data):
        space = ct.Workspace()
        space.model, space.data = ct.load_model("lenet5-digits"), data
        effect = ct.ablate(space.model, data, ct.Zero("conv1", 1), controls=0)
        space.results["effect"] = effect
        cw.FilterExplorer(workspace=space, sites="conv1", inline=True)
        assert space.results["effect"] is effect

    def test_a_session_brings_all_answers_back(self, page, data, tmp_path):
        page.units.select(["conv1:0"])
        page.samples.select(data.index.ids[:3].tolist())
        page.sections.maps.explain()
        page.sections.ablate.switch_off()
        said, space = page.sections.ablate.text.value, page.workspace
        space.save(tmp_path / "session")
        again = ct.open_workspace(tmp_path / "session")
        assert {name: one.digest for name, one in again.results.items()} == {
            name: one.digest for name, one in space.results.items()
        }
        other = cw.FilterExplorer(workspace=again, sites="conv[12]", inline=True)
        assert other.sections.ablate.text.value == said
        quiet(other)
        other.close()

    def test_nothing_picked_and_no_labels(self, page, data):
        page.units.clear()
        page.sections.ablate.actions.press("off")
        assert "First pick one filter" in page.sections.ablate.text.value
        bare = ct.load_data(np.zeros((6, 28, 28), np.float32))
        unlabelled = cw.FilterExplorer("lenet5-digits", bare, sites="conv1", inline=True)
        unlabelled.units.select(["conv1:0"])
        unlabelled.sections.ablate.actions.press("off")
        assert "needs labels" in unlabelled.sections.ablate.text.value


class TestPage:
    def test_a_running_question_is_left_alone(self, page):
        asked = []

        def work(tick):
            page.sections.ablate.switch_off()
            asked.append(page.sections.ablate.text.value)
            tick(1.0, "")

        page.desk.begin("long", work, lambda _none: None)
        assert "Still at work" in asked[0]
        assert "effect" not in page.workspace.results

    def test_the_latest_waiting_question_is_asked_at_the_end(self, page):
        heard = []

        def work(_tick):
            for one in (1, 2):
                page.desk.later(f"{one}", lambda _tick, one=one: one, heard.append)

        page.desk.begin("first", work, lambda _none: None)
        assert heard == [2]

    def test_progress_shows_only_while_there_is_something_to_say(self, page):
        seen = []
        progress = page.sections.progress
        page.desk.begin(
            "short", lambda _tick: seen.append(progress.layout.display), lambda _none: None
        )
        assert (seen, progress.layout.display) == ([None], "none")
        page.desk.begin("bad", lambda _tick: builtins.int("x"), lambda _none: None)
        assert progress.layout.display is None

    def test_the_button_screens_what_was_picked_at_the_click(self, page):
        page.tree.pick(["conv2"])
        page.tree.act()
        assert len(page.units.index) == 16
        assert not page.tree.busy

    def test_closing_leaves_nothing(self, data):
        from ipywidgets.widgets import widget

        cw.FilterExplorer("lenet5-digits", data, sites="conv1", inline=True).close()
        before = set(widget._instances)
        space = ct.Workspace()
        page = cw.FilterExplorer("lenet5-digits", data, sites="conv1", workspace=space, inline=True)
        page.close()
        assert set(widget._instances) == before
        assert space._listeners == []
        page.close()

    def test_a_thousand_digits_as_a_page_stay_small(self, tmp_path):
        digits = ct.load_data("digits", split="test")
        page = cw.FilterExplorer("lenet5-digits", digits, inline=True)
        page.samples.select(digits.index.ids[:40].tolist())
        page.sections.maps.explain()
        page.sections.ablate.switch_off()
        target = cw.export_html(page, tmp_path / "explorer.html")
        assert len(digits) == 1000
        assert target.stat().st_size < 2e6
        quiet(page)

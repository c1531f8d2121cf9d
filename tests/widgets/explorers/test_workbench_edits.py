"""The workbench's edits, lenses about samples, and what is said before a capture."""

import numpy as np
import pytest
from bench_script import brush, names, open_digits, run

import cutaway as ct
import cutaway_widgets as cw
from cutaway.policy import Policy
from cutaway_widgets.explorers._edits import edits_of, edits_text, effect_text
from cutaway_widgets.explorers._run import chosen_ids, refuse_early
from cutaway_widgets.export import page_html


@pytest.fixture
def bench(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = cw.Workbench(inline=True)
    yield page
    page.close()


def use(bench, lens, **values):
    form = bench.lens_panel.form
    form.set_state({"_values": {**form.raw, "lens": lens}})
    form.set_values(**values)
    form.send()


def edit(bench, **values):
    bench.edit_panel.form.set_values(controls=3, **values)
    bench.edit_panel.form.send()


class TestEdits:
    def test_units_picked_in_a_table_are_switched_off_and_measured(self, bench):
        run(open_digits(bench), "conv1")
        table = bench.results.cards[0].shown.parts[0].table
        brush(table.link, 2, 4)
        assert bench.edit_panel.form.raw["units"] == "conv1:2, conv1:4"
        edit(bench)
        space = bench.workspace
        assert names(bench) == ["effect", "screen"]
        assert bench.results.cards[0].head.title == "effect: Zero conv1: 2, 4 of lenet5-digits"
        own = ct.ablate(space.model, space.data, ct.Zero("conv1", (2, 4)), controls=3)
        assert space.effect is space.results["effect"]
        assert space.effect.digest == own.digest
        assert space.edits == (ct.Zero("conv1", (2, 4)),)
        assert bench.edit_panel.history.caption == "Zero conv1: 2, 4"

    def test_the_card_says_it_in_words_and_marks_the_edit_among_its_controls(self, bench):
        open_digits(bench)
        edit(bench, units="conv1:0", metric="loss")
        text, controls, changes, table, *_, grid = bench.results.cards[0].shown.parts
        effect = bench.workspace.effect
        assert f"→ {effect.after:.4g}" in text.value
        assert controls.link.selection.ids == ("this edit",)
        np.testing.assert_allclose(
            controls._values, [effect.change, *effect.control_changes], rtol=1e-6
        )
        assert {id(one.link) for one in (changes, table, grid)} == {id(bench.samples)}
        worst = bench.samples.index.ids[np.argmax(effect.to_frame()["change"])]
        assert bench.samples.index.ids[grid._order[0]] == worst

    def test_undo_and_redo_bring_back_the_edits_and_their_effect(self, bench):
        open_digits(bench)
        edit(bench, units="conv1:0")
        first = bench.workspace.effect
        edit(bench, units="conv2:1", edit="mean", together=True)
        space, history = bench.workspace, bench.edit_panel.history
        assert [one["edit"] for one in space.effect.edits] == ["Zero", "Mean"]
        assert history.caption == "Zero conv1: 0; Mean conv2: 1"
        history.press("undo")
        assert space.edits == (ct.Zero("conv1", (0,)),)
        assert space.effect is first
        assert history.caption == "Zero conv1: 0"
        history.press("redo")
        assert history.caption == "Zero conv1: 0; Mean conv2: 1"
        history.press("clear")
        assert (space.edits, space.effect) == (None, None)
        assert history.caption == "No edit is in force."
        assert [one["enabled"] for one in history._items] == [True, False, False]

    def test_samples_in_the_plane_can_be_coloured_by_their_change(self, bench):
        open_digits(bench)
        bench.lens_panel.tree.pick(["fc1"])
        use(bench, "project")
        scatter = bench.results.cards[0].shown.parts[0]

        def columns():
            return [one["name"] for one in scatter._colors]

        before = columns()
        edit(bench, units="conv1:0", metric="loss")
        assert columns() == [*before, "change of loss, Zero conv1: 0"]
        found = np.frombuffer(scatter._colors[-1]["data"]["data"], np.float32)
        change = bench.workspace.effect.to_frame()["change"]
        np.testing.assert_allclose(found, change, rtol=1e-6)
        bench.results.cards[0].head.press("close")
        assert columns() == before

    @pytest.mark.parametrize(
        ("units", "line"),
        [
            ("", "units must be one or more, got none"),
            ("conv1", "units must be names of units, got 'conv1'"),
            ("conv1:99", "0..5"),
            ("nowhere:1", "nowhere"),
        ],
    )
    def test_wrong_units_are_said_at_the_field(self, bench, units, line):
        open_digits(bench)
        edit(bench, units=units)
        assert line in bench.edit_panel.form.errors["units"]
        assert bench.workspace.edits is None
        assert names(bench) == []

    def test_without_a_model_it_says_so(self, bench):
        edit(bench, units="conv1:0")
        assert bench.edit_panel.form.note == "Open a model and data first."

    def test_a_session_keeps_edits_and_effect_and_code_makes_them_again(self, bench, tmp_path):
        open_digits(bench)
        edit(bench, units="conv1:0")
        bench.workspace.save(tmp_path / "kept")
        other = cw.Workbench(workspace=ct.open_workspace(tmp_path / "kept"), inline=True)
        assert names(other) == ["effect"]
        assert other.edit_panel.history.caption == "Zero conv1: 0"
        assert "ct.ablate(" in ct.code_of(other.workspace)
        other.close()

    def test_words(self):
        assert edits_of(" a.b:1, a.b:1 ,c:0", "zero") == (ct.Zero("a.b", (1,)), ct.Zero("c", (0,)))
        assert edits_text(edits_of("a:1,a:3", "mean")) == "Mean a: 1, 3"
        data = ct.load_data("digits", limit=50)
        effect = ct.ablate(ct.load_model("lenet5-digits"), data, ct.Zero("conv2", 3), controls=4)
        larger = np.sum(np.abs(effect.control_changes) >= abs(effect.change) - 1e-9)
        said = effect_text(effect)
        assert f"Of 4 random edits of as many units, {larger} changed it at least as much" in said
        assert f"50 samples: {effect.before:.1%} → {effect.after:.1%}" in said
        whole = ct.ablate(ct.load_model("lenet5-digits"), data, ct.Zero("conv1", tuple(range(6))))
        assert "No random control" in effect_text(whole)


class TestSamples:
    def test_a_lens_about_samples_needs_a_selection_not_a_layer(self, bench):
        open_digits(bench)
        use(bench, "attribute", steps=4)
        assert bench.lens_panel.form.errors["samples"].startswith("samples must be one or more")
        brush(bench.samples, 5, 9)
        use(bench, "attribute", steps=4)
        result = bench.workspace.results["attribute"]
        assert result.rows.ids.tolist() == bench.samples.index.ids[[5, 9]].tolist()
        (overlay,) = bench.results.cards[0].shown.parts
        assert overlay.link is bench.samples
        assert overlay._samples.tolist() == [5, 9]
        code = ct.code_of(bench.workspace)
        made = {}
        exec(code, made)  # stops where a digest differs
        assert made["attribute"].digest == result.digest

    def test_a_target_is_a_number_or_a_unit(self, bench):
        open_digits(bench)
        use(bench, "attribute", samples="all", limit=2, steps=3, target="3")
        assert bench.workspace.results["attribute"].target.tolist() == ["3", "3"]
        use(bench, "attribute", samples="all", limit=2, target="conv2:1", method="grad_cam")
        found = bench.workspace.results["attribute-2"]
        assert found.target.tolist() == ["conv2:1"] * 2
        assert "target=('conv2', 1)" in ct.code_of(found)
        use(bench, "attribute", target="cow", steps=3)
        assert bench.lens_panel.form.errors["target"].startswith("target must be one of")

    def test_texts_are_shown_as_tokens(self):
        data = ct.load_data("occupations", limit=12)
        page = cw.Workbench("gpt-occupations", data, inline=True)
        use(page, "attribute", samples="all", limit=3, method="input_x_gradient")
        (view,) = page.results.cards[0].shown.parts
        result = page.workspace.results["attribute"]
        assert type(view).__name__ == "TokenText"
        place = page.samples.index.positions(result.rows.ids[:1])[0]
        own = view._values[view._starts[place] : view._starts[place + 1]]
        np.testing.assert_allclose(own, result.values[0, : len(own)], rtol=1e-6)
        assert len(own) > 1
        words = [view._words[view._codes[one]] for one in range(*view._starts[place : place + 2])]
        assert "".join(words).strip() == data.text(result.rows.ids[0])
        page.close()

    def test_which_samples(self, bench):
        open_digits(bench)
        index, ask = bench.samples.index, {"samples": "all", "limit": 5}
        assert chosen_ids(index, ask, None, None) == tuple(index.ids[[0, 15, 30, 44, 59]].tolist())
        known = bench.scene.predictions[bench.workspace.model.digest]
        wrong = index.ids[~known.correct].tolist()
        ask = {"samples": "wrong", "limit": 48}
        if wrong:
            assert chosen_ids(index, ask, None, known) == tuple(wrong)
        with pytest.raises(ValueError, match="samples must be one or more, got no known wrong"):
            chosen_ids(index, ask, None, None)


class TestBefore:
    def test_the_cost_of_the_picked_layers_is_drawn(self, bench):
        card = bench.lens_panel.costs.view
        assert card.layout.display == "none"
        open_digits(bench)
        bench.lens_panel.tree.pick(["conv1", "fc1"])
        assert card.layout.display is None
        assert card._card["n"] == 60
        wanted = ct.cost_card(bench.workspace.model, bench.workspace.data, ["conv1", "fc1"], pool=8)
        assert card._sizes.tolist() == list(wanted.sizes)
        bench.lens_panel.tree.pick([])
        assert card.layout.display == "none"

    def test_a_plan_over_the_limit_is_drawn_too(self):
        page = cw.Workbench(inline=True, policy=Policy(max_bytes="10KB"))
        open_digits(page)
        page.lens_panel.tree.pick(["conv1"])
        card = page.lens_panel.costs.view
        assert card._card["limit"] == 10_000 < card._sizes.sum()
        page.close()

    @pytest.mark.parametrize(
        ("values", "name"),
        [({"tau": 0.9}, "tau"), ({"k_max": 0}, "k_max"), ({"n_dims": 0}, "n_dims")],
    )
    def test_a_refused_setting_is_said_before_anything_is_captured(self, bench, values, name):
        run(open_digits(bench), "conv1", **values)
        assert bench.lens_panel.form.errors[name].startswith(f"{name} must ")
        assert bench.workspace.activations is None

    def test_what_only_the_trial_maps_cannot_give_is_no_refusal(self):
        from cutaway.lenses import lens

        rows = ct.load_data("digits", limit=40).index
        refuse_early(lens("project"), {"site": "conv1", "method": "pca", "seed": 0}, rows)


def test_two_results_of_each_kind_stay_open(bench):
    run(open_digits(bench), "conv1")
    for unit in range(3):
        edit(bench, units=f"conv1:{unit}")
    assert names(bench) == ["effect-3", "effect-2", "screen"]


def test_a_page_with_effects_and_attributions_is_saved_whole(bench):
    open_digits(bench)
    edit(bench, units="conv1:0")
    use(bench, "attribute", samples="all", limit=2, steps=3)
    text = page_html(bench)
    assert "effect: Zero conv1: 0" in text
    assert "Where each answer comes from" in text

"""The observable explorer's further questions: texts, search, couplings, steering."""

import threading

import numpy as np
import pytest
import torch
from test_observable_explorer import column, edit, quiet, text_of

import cutaway as ct
import cutaway_widgets as cw
from cutaway.model import edited
from cutaway.observables import (
    coupling,
    coupling_on_texts,
    feature_vector,
    score_texts,
    steer,
)
from cutaway.observables.search import search_paths


@pytest.fixture(scope="module")
def model():
    return ct.load_model("gpt-occupations")


@pytest.fixture
def page(model):
    found = cw.ObservableExplorer(model, inline=True)
    yield found
    found.close()


class TestTexts:
    def test_tokens_of_texts_scatter_and_histogram_share_one_link(self, page):
        texts, desk = page.texts, page.desk
        assert texts.scatter.link is texts.histogram.link is texts.bar.link is desk.tokens
        assert texts.words.position_link is desk.tokens
        assert texts.words.link is desk.texts
        scores = page.workspace.results["token_scores"]
        points = np.asarray(texts.scatter._points)
        assert np.allclose(points[:, 1], scores.score, rtol=1e-6)
        assert points[:, 0].tolist() == scores.position.tolist()
        first = page.workspace.data.index.ids[0]
        assert desk.tokens.index.ids[:3].tolist() == [f"{first}:{one}" for one in range(3)]

    def test_selected_tokens_are_told(self, page):
        scores = page.workspace.results["token_scores"]
        ids = page.desk.tokens.index.ids[[1, 2]].tolist()
        page.desk.tokens.select(ids)
        mean = f"{scores.score[1:3].mean():.4g}".replace("-", "−")
        assert f"2 tokens selected, mean score {mean}" in text_of(page.texts.chosen)
        page.desk.tokens.clear()
        assert "No tokens selected" in text_of(page.texts.chosen)

    def test_sinks_are_marked_or_left_out(self, page):
        texts = page.texts
        values = np.asarray(texts.words._values)
        scores = page.workspace.results["token_scores"]
        assert np.array_equal(np.isnan(values), scores.sink)
        assert np.isnan(np.asarray(texts.histogram._values)).sum() == scores.sink.sum() >= 60
        edit(texts.form, sinks="drop")
        texts.form.send()
        left = page.workspace.results["token_scores"]
        assert len(left.rows) == (~scores.sink).sum() == page.desk.tokens.n
        assert not left.sink.any()
        quiet(page)

    def test_texts_of_one_s_own_and_back(self, page, model):
        texts = page.texts
        edit(texts.form, texts="The nurse left | Mary said that he was ill")
        texts.form.send()
        assert page.desk.texts.n == 2
        vector = page.workspace.results["vector"]
        expected = score_texts(model, vector, ["The nurse left", "Mary said that he was ill"])
        assert np.allclose(np.asarray(texts.scatter._points)[:, 1], expected.score, rtol=1e-6)
        edit(texts.form, texts="")
        texts.form.send()
        assert page.desk.texts.n == 60
        quiet(page)

    def test_highest_and_lowest_tokens(self, page):
        scores = page.workspace.results["token_scores"]
        kept = np.sort(scores.score[~scores.sink])
        ends = page.texts.ends
        assert column(ends["highest"], "score").tolist() == kept[::-1][:10].tolist()
        assert column(ends["lowest"], "score").tolist() == kept[:10].tolist()

    def test_against_the_vector_kept_last(self, page, model):
        page.texts.against.choose("vector")
        assert "keep a vector" in page.texts.scatter.x_label
        page.coupling.keep(page.workspace.results["vector"])
        other = feature_vector(model, page.desk.question.observable, "L0H2@1")
        page.coupling.keep(other)
        texts = [page.workspace.data.text(one) for one in page.workspace.data.index]
        expected = score_texts(model, other, texts).score
        assert np.allclose(np.asarray(page.texts.scatter._points)[:, 0], expected, rtol=1e-6)
        assert page.texts.scatter.x_label == "L0H2@1 · she - he"
        quiet(page)

    def test_principal_components_of_what_is_read(self, page, model):
        page.texts.against.choose("plane")
        scores = page.workspace.results["token_scores"]
        points = np.asarray(page.texts.scatter._points)
        assert np.array_equal(np.isnan(points[:, 0]), scores.sink)
        kept = points[~scores.sink].astype(np.float64)
        # Slowly: at this site a token's stream is its embedding and its position's.
        table = model.module.transformer
        ids = [model.tokenizer(one)["input_ids"] for one in page.texts.texts]
        with torch.no_grad():
            streams = [
                (table.wte.weight[row] + table.wpe.weight[: len(row)]).double().numpy()
                for row in ids
            ]
        x = np.concatenate(streams)[~scores.sink]
        assert scores.site == "transformer.h.0.ln_1"
        values, vectors = np.linalg.eigh(np.cov(x.T))
        expected = (x - x.mean(0)) @ vectors[:, [-1, -2]]
        assert np.allclose(np.abs(kept), np.abs(expected), atol=1e-4)
        share = f"{values[-1] / values.sum():.0%}"
        assert page.texts.scatter.x_label == f"component 1 ({share})"
        quiet(page)

    def test_pictures_are_no_texts(self, model):
        digits = ct.load_data("digits", limit=3)
        with pytest.raises(TypeError, match="texts must be texts, got digits"):
            cw.ObservableExplorer(model, texts=digits, inline=True)


class TestSearch:
    def test_a_row_becomes_the_path_above(self, page, model):
        page.search.form.set_values(max_length=2, beam=5)
        page.search.form.send()
        question = page.desk.question
        expected = search_paths(model, question.observable, question.prompts, max_length=2, beam=5)
        table = page.search.table
        assert column(table, "path") == expected.rows.ids.tolist()
        assert column(table, "score").tolist() == expected.score.tolist()
        place = expected.path.index(max(expected.path, key=len))
        page.search.link.select([expected.rows.ids[place]])
        assert page.workspace.results["vector"].path == expected.path[place]
        quiet(page)


class TestCouplings:
    def test_kept_vectors_beside_each_other(self, page, model):
        section = page.coupling
        section.actions.press("strongest")
        assert len(section.kept) == 3
        section.actions.press("strongest")
        assert len(section.kept) == 3  # the same ones again
        names, vectors = list(section.kept), list(section.kept.values())
        sent = np.frombuffer(section.maps["coupling"]._values["data"], np.float32).reshape(3, 3)
        for i, a in enumerate(vectors):
            for j, b in enumerate(vectors):
                same = a.site == b.site
                expected = coupling(a, b) if same else np.nan
                assert sent[i, j] == pytest.approx(1.0 if i == j else expected, nan_ok=True)
        cosines = np.frombuffer(section.maps["cosine"]._values["data"], np.float32).reshape(3, 3)
        assert np.allclose(cosines, cosines.T)
        assert all(f"kept: {name}" in page.workspace.results for name in names)
        quiet(page)

    def test_a_picked_pair_is_told_and_measured(self, page, model):
        section = page.coupling
        for path in ("L1H1@1", "L1H2@1"):
            section.keep(feature_vector(model, page.desk.question.observable, path))
        a, b = section.kept
        section.a.select([a])
        section.b.select([a])
        assert "with itself" in text_of(section.text)
        section.b.select([b])
        predicted = f"{coupling(section.kept[a], section.kept[b]):.4g}".replace("-", "−")
        assert f"{b} is expected to read {predicted} more" in text_of(section.text)
        section.actions.press("measure")
        expected = coupling_on_texts(model, section.kept[a], section.kept[b], page.texts.texts)
        slope = f"{expected.slope:.4g}".replace("-", "−")
        assert f"slope {slope}" in text_of(section.text)
        assert f"r² {expected.r2:.3f}" in text_of(section.text)
        quiet(page)

    def test_forgetting_and_taking_up_again(self, page, model):
        section = page.coupling
        section.actions.press("strongest")
        first, *rest = section.kept
        other = cw.ObservableExplorer(workspace=page.workspace, inline=True, start=False)
        assert list(other.coupling.kept) == [first, *rest]
        other.close()
        section.a.select([first])
        section.actions.press("forget")
        assert list(section.kept) == rest
        assert f"kept: {first}" not in page.workspace.results


class TestSteering:
    @pytest.fixture
    def steered(self, page):
        page.desk.heads.select(["L1H1"])
        edit(page.steer.form, controls="4")
        page.steer.form.send()
        return page

    def test_the_curve_is_what_steering_measures(self, steered, model):
        section, question = steered.steer, steered.desk.question
        vector = steered.workspace.results["vector"]
        assert sorted(section._curve) == sorted(-one for one in section._curve)
        for by, found in section._curve.items():
            expected = steer(
                model, [low for _, low in question.prompts], vector, by=by,
                observable=question.observable, positions=1, controls=4,
            )  # fmt: skip
            assert found.change.tolist() == expected.change.tolist()
            assert found.random_change.tolist() == expected.random_change.tolist()
        sent = {one["name"]: one for one in section.curve._series}
        lines = {name: np.frombuffer(one["y"]["data"]) for name, one in sent.items()}
        means = [section._curve[one].change.mean() if one else 0.0 for one in section.curve._stops]
        assert lines["along the vector"].tolist() == means
        assert sent["random directions, mean"]["low"] is not None

    def test_the_slider_holds_an_edit_that_does_what_the_page_says(self, steered, model):
        section, space = steered.steer, steered.workspace
        by = max(section._curve)
        section.curve.set_state({"cursor": by})
        assert [one.by for one in space.edits] == [by]
        found = space.results["steering"]
        assert found.by == by
        prompts = [low for _, low in steered.desk.question.prompts]
        changes = []
        for prompt in prompts:
            ids = torch.tensor([model.tokenizer(prompt)["input_ids"]])
            with torch.no_grad():
                before = model.module(ids).logits[0, -1]
                with edited(model, space.edits):
                    after = model.module(ids).logits[0, -1]
            measure = steered.desk.question.observable.measure
            changes.append(measure(after) - measure(before))
        assert found.change == pytest.approx(changes, rel=1e-5, abs=1e-6)
        assert f"moves by {np.mean(changes):+.3g}".replace("-", "−") in text_of(section.text)
        table = found.tokens
        assert sorted(column(section.table, "after")) == sorted(table["after"])

    def test_undo_goes_back_to_the_step_before(self, steered):
        section, space = steered.steer, steered.workspace
        first = section.by
        assert first == min(one for one in section._curve if one > 0)
        section.curve.set_state({"cursor": min(section._curve)})
        section.actions.press("undo")
        assert section.by == section.curve.cursor == section.divergence.cursor == first
        section.actions.press("redo")
        assert section.by == section.curve.cursor == min(section._curve)
        section.actions.press("none")
        assert not space.edits
        assert "No step is held" in text_of(section.text)
        assert column(section.table, "change").tolist() == [0.0] * len(
            column(section.table, "token")
        )
        section.actions.press("undo")
        assert section.by == min(section._curve)
        quiet(steered)

    def test_another_vector_takes_the_step_away(self, steered):
        steered.desk.heads.select(["L0H0"])
        assert not steered.workspace.edits
        assert "Steer to see" in text_of(steered.steer.text)
        assert steered.steer.views.layout.display == "none"

    def test_edits_of_others_stay(self, steered):
        space = steered.workspace
        mine = ct.Zero("transformer.h.0.mlp", (1,))
        space.edits = (mine, *space.edits)
        steered.steer.curve.set_state({"cursor": max(steered.steer._curve)})
        assert space.edits[0] is mine
        steered.steer.actions.press("none")
        assert space.edits == (mine,)

    def test_no_controls_and_a_bad_prompt(self, page):
        edit(page.steer.form, controls="0", largest="0.1", positions="all")
        page.steer.form.send()
        assert max(page.steer._curve) == 0.1
        assert "No random directions to compare with" in text_of(page.steer.text)
        edit(page.steer.form, prompts="The", positions="path")
        page.steer.form.send()
        assert "position" in str(page.steer.form.errors)
        quiet(page)


class TestWorker:
    def test_the_newest_question_of_a_subject_wins(self, page):
        desk, found = page.desk, []

        def ask(name):
            desk.ask("x", name, lambda _tick: name, found.append, found.append)

        def first(_tick):
            ask("second")
            ask("third")
            return "first"

        desk.ask("x", "first", first, found.append, found.append)
        assert found == ["third"]

    def test_questions_wait_for_each_other_in_order(self, page):
        desk, found = page.desk, []

        def first(_tick):
            for name in "abc":
                desk.ask(name, name, lambda _t, name=name: name, found.append, found.append)
            desk.drop("b")
            return "first"

        desk.ask("x", "first", first, found.append, found.append)
        assert found == ["first", "a", "c"]

    def test_a_wrong_question_is_told_and_a_broken_one_is_a_failed_job(self, page):
        told = []

        def wrong(_tick):
            raise ValueError("path must be good, got bad; mend it")

        page.desk.ask("x", "wrong", wrong, told.append, told.append)
        assert told == ["path must be good, got bad; mend it"]
        assert page.desk.job.status.state == "done"
        assert page.progress.layout.display == "none"
        page.desk.ask("x", "broken", lambda _tick: 1 / 0, told.append, told.append)
        assert page.desk.job.status.error == "ZeroDivisionError: division by zero"
        assert page.progress.layout.display is None

    def test_in_threads_the_page_ends_at_the_last_pick(self, model):
        page = cw.ObservableExplorer(model, start=False)
        page.run()
        for head in ("L0H0", "L1H2", "L0H2", "L1H1"):
            page.desk.heads.select([head]) if head in page.desk.heads.index else None
        for _ in range(400):
            page.desk.job.wait(0.05)
            with page.workspace.lock:
                if not page.desk._waiting and not page.desk.job.running:
                    break
        page.desk.heads.select(["L0H2"])
        page.desk.heads.select(["L1H1"])
        for _ in range(400):
            page.desk.job.wait(0.05)
            with page.workspace.lock:
                if not page.desk._waiting and not page.desk.job.running:
                    break
        assert page.workspace.results["vector"].path == "L1H1@1"
        assert "L1H1@1" in page.workspace.results["token_scores"].vector
        quiet(page)
        page.close()

    def test_the_slider_waits_for_no_view_while_a_worker_draws(self, page):
        # A worker holds the workspace's lock and needs the chart's; a hand on the slider must not
        # hold these the other way round.
        edit(page.steer.form, controls="0")
        page.steer.form.send()
        section, free = page.steer, threading.Event()

        def slide():
            section.curve.set_state({"cursor": min(section._curve)})
            free.set()

        with page.workspace.lock:
            hand = threading.Thread(target=slide)
            hand.start()
            assert not free.wait(0.3)  # it waits for the workspace
            taken = section.curve._lock.acquire(timeout=5)
            assert taken
            section.curve._lock.release()
        hand.join(10)
        assert free.is_set()
        assert section.by == min(section._curve)

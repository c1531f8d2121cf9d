"""The explorer on two models: filters compared, and a film over the checkpoints."""

import time

import numpy as np
import pytest
from explorer_pages import quiet

import cutaway as ct
import cutaway_widgets as cw
from cutaway_widgets.explorers._differences import filter_differences
from cutaway_widgets.explorers._filter_checkpoints import thinned


@pytest.fixture(scope="module")
def film(data):
    page = cw.FilterExplorer("lenet5-digits-overfit", data, sites="conv1", inline=True)
    page.sections.film.form.set_values(epochs=(0, 4, 25), samples=60)
    page.sections.film.form.send()
    yield page
    page.close()


class TestComparing:
    def test_with_a_given_model(self, data):
        page = cw.FilterExplorer(
            "lenet5-digits", data, sites="conv1", inline=True, compare=("lenet5-digits-overfit", 3)
        )
        section, space = page.sections.compare, page.workspace
        assert "lenet5-digits-overfit" in section.form.title
        section.form.send()
        other = space.results["screen_compared"]
        assert other.origin.weights == ct.load_model("lenet5-digits-overfit", checkpoint=3).digest
        frame = filter_differences(space.results["screen"], other)
        sent = {one["name"]: one for one in section.table._columns}
        change = np.frombuffer(sent["rank_change"]["data"]["data"], np.float64)
        assert change.tolist() == frame["rank_change"].tolist()
        scores = frame[["score_a", "score_b"]].to_numpy(np.float32)
        assert np.array_equal(section.plane._points, scores)
        assert "6 filters matched" in section.text.value
        quiet(page)
        page.tree.pick(["conv2"])
        page.run()
        assert section._found.layout.display == "none"
        quiet(page)

    def test_a_model_without_checkpoints_says_how(self, page):
        assert "compare=other" in page.sections.compare.text.value
        assert page.sections.compare.form.layout.display == "none"

    def test_what_is_no_model_is_one_line(self, data):
        with pytest.raises(ValueError, match="compare must be a model, a name, or .name, epoch."):
            cw.FilterExplorer("lenet5-digits", data, compare=("a", 1, 2), start=False)


class TestFilm:
    def test_numbers_are_those_of_the_experiment(self, film):
        growth, section = film.workspace.results["growth"], film.sections.film
        assert growth.epoch.tolist() == [0, 4, 25]
        share, gap = (np.frombuffer(one["y"]["data"], np.float64) for one in section.gap._series)
        assert share.tolist() == (growth.likely / growth.fitted).tolist()
        assert gap.tolist() == growth.gap.tolist()
        assert "which is no proof" in section.text.value or "not defined" in section.text.value
        quiet(film)

    def test_the_cursor_loads_an_epoch_and_questions_are_about_it(self, film):
        film.sections.film.gap.cursor = 4
        wanted = ct.load_model("lenet5-digits-overfit", checkpoint=4)
        screen = film.workspace.results["screen"]
        assert screen.origin.weights == wanted.digest
        assert film.workspace.results["predictions"].origin.weights == wanted.digest
        assert "epoch 4" in film._head.value
        assert film.sections.film.score.cursor == 4
        film.units.select(["conv1:0"])
        film.sections.ablate.switch_off()
        assert film.workspace.results["effect"].origin.weights == wanted.digest
        film.sections.film.score.cursor = 25
        film.sections.film.gap.cursor = 4
        assert film.workspace.results["screen"] is screen  # kept
        quiet(film)

    def test_an_unknown_epoch_is_said_at_its_field(self, film):
        film.sections.film.form.set_values(epochs=(0, 99))
        film.sections.film.form.send()
        assert "epochs must be among 0..25, got 99" in film.sections.film.form.errors["epochs"]

    def test_a_model_without_checkpoints_says_so(self, page):
        assert "keeps no checkpoints" in page.sections.film.text.value


@pytest.mark.parametrize("most", [2, 7, 26, 40])
def test_thinned_epochs_keep_both_ends_and_even_steps(most):
    shown = thinned(tuple(range(26)), most)
    assert (shown[0], shown[-1], len(shown)) == (0, 25, min(most, 26))
    steps = np.diff(shown)
    assert steps.min() > 0
    assert steps.max() - steps.min() <= 1


class TestThreads:
    @pytest.fixture
    def page(self, data):
        page = cw.FilterExplorer("lenet5-digits-overfit", data, sites="conv1")
        assert page.job.wait(120)
        yield page
        page.close()
        assert page.job.wait(60)
        assert page.desk.job.wait(60)

    def test_a_cancelled_film_leaves_nothing_and_the_next_one_runs(self, page):
        form = page.sections.film.form
        form.set_values(epochs=(0, 1, 2, 3), samples=60)
        form.send()
        page.desk.job.cancel()
        assert page.desk.job.wait(120)
        assert page.desk.job.status.state == "cancelled"
        assert "growth" not in page.workspace.results
        assert page.sections.progress.layout.display is None
        form.set_values(epochs=(0, 1))
        form.send()
        assert page.desk.job.wait(120)
        assert page.workspace.results["growth"].epoch.tolist() == [0, 1]

    def test_of_quick_moves_the_last_epoch_is_loaded(self, page):
        section = page.sections.film
        section.form.set_values(epochs=(0, 2, 4), samples=60)
        section.form.send()
        assert page.desk.job.wait(120)
        for epoch in (0, 2, 4, 2):
            section.gap.cursor = epoch
        deadline = time.monotonic() + 120
        wanted = ct.load_model("lenet5-digits-overfit", checkpoint=2).digest
        while page.workspace.results["screen"].origin.weights != wanted:
            assert time.monotonic() < deadline, page.job.status
            time.sleep(0.02)
        assert page.job.wait(120)
        assert page.workspace.results["screen"].origin.weights == wanted
        assert "epoch 2" in page._head.value
        quiet(page)

"""Sessions of the workbench: save, open again, open without model or data; files taken away."""

import json
import subprocess
import sys

import numpy as np
import pytest

import cutaway as ct
import cutaway_widgets as cw
from cutaway.core import digest
from cutaway.policy import Policy


@pytest.fixture
def bench(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = cw.Workbench(inline=True)
    page.open_panel.form.set_values(limit=60)
    page.open_panel.form.send()
    page.lens_panel.tree.pick(["conv1"])
    page.lens_panel.form.send()
    yield page
    page.close()


def save(page, name):
    page.session_panel.saving.set_values(name=name)
    page.session_panel.saving.send()


def reopen(page, name):
    page.session_panel.opening.set_values(session=name)
    page.session_panel.opening.send()


def fresh(policy=None):
    return cw.Workbench(inline=True, policy=policy)


def test_a_session_comes_back_whole(bench):
    chosen = bench.samples.index.ids[[2, 7]].tolist()
    bench.samples.select(chosen)
    bench.samples.keep("odd ones", bench.samples.index.ids[:5].tolist())
    save(bench, "first look")
    assert bench.session_panel.saving.note == "Saved as first look."
    page = fresh()
    reopen(page, "first look")
    assert page.job.status.error == ""
    assert [one.name for one in page.results.cards] == ["screen"]
    assert page.workspace.results["screen"].digest == bench.workspace.results["screen"].digest
    assert page.head.title.value == bench.head.title.value
    assert page.lens_panel.tree.picked == ("conv1",)
    assert page.workspace.selection.ids == tuple(chosen)
    assert page.samples.named["odd ones"].ids == tuple(bench.samples.index.ids[:5].tolist())
    assert page.head.banner.layout.display == "none"
    page.lens_panel.form.set_values(seed=1)
    page.lens_panel.form.send()
    assert [one.name for one in page.results.cards] == ["screen-2", "screen"]
    page.close()


@pytest.mark.parametrize("gone", ["model", "data"])
def test_without_model_or_data_it_opens_read_only(bench, tmp_path, gone):
    save(bench, "old")
    manifest = tmp_path / "cutaway-sessions" / "old" / "workspace.json"
    stored = json.loads(manifest.read_text())
    stored[gone]["digest"] = "0" * 16
    del stored["digest"]
    stored["digest"] = digest.of_json(stored)
    manifest.write_text(json.dumps(stored))
    page = fresh()
    reopen(page, "old")
    assert [one.name for one in page.results.cards] == ["screen"]
    assert page.results.cards[0].head.error == ""
    assert "Read-only" in page.head.banner.value
    assert f"{gone} &#x27;" in page.head.banner.value
    assert page.head.banner.layout.display is None
    table = page.results.cards[0].shown.parts[0].table
    table.link.select([table.link.index.ids[3].item()])
    assert page.results.cards[0].shown.parts[0].scatter.title == "Samples of conv1, filter 3"
    page.lens_panel.form.send()
    assert page.lens_panel.form.note == "Open a model and data first."
    # Opening something ends the read-only session.
    page.open_panel.form.set_values(limit=30)
    page.open_panel.form.send()
    assert page.head.banner.layout.display == "none"
    assert page.results.cards == ()
    page.close()


@pytest.mark.parametrize("name", ["../out", "a/b", ".hidden", ""])
def test_names_that_are_no_names_are_refused_at_the_field(bench, tmp_path, name):
    save(bench, name)
    assert bench.session_panel.saving.errors["name"].startswith("name must be ")
    assert not (tmp_path / "cutaway-sessions").exists()


def test_the_list_is_made_again_when_it_is_looked_at(bench):
    other = fresh()
    assert other.session_panel.opening.busy
    save(bench, "later")
    other.tabs.set_state({"value": "session"})
    assert other.session_panel.opening.raw["session"] == "later"
    assert not other.session_panel.opening.busy
    other.close()


def test_a_taken_name_is_said_at_the_field(bench):
    save(bench, "twice")
    save(bench, "twice")
    assert "twice" in bench.session_panel.saving.errors["name"]


def test_a_team_saves_inside_its_folder_only(tmp_path):
    allowed = tmp_path / "allowed"
    allowed.mkdir()
    page = fresh(Policy(("lenet5-digits",), allowed))
    page.guide.ask()
    save(page, "ours")
    assert (allowed / "sessions" / "ours" / "workspace.json").is_file()
    other = fresh(Policy(("lenet5-digits",), allowed))
    reopen(other, "ours")
    assert len(other.results.cards) == 1
    for one in (page, other):
        one.close()


class TestFiles:
    def test_table(self, bench):
        bench.session_panel.files.press("csv")
        text = bench.session_panel.download.data.decode()
        assert bench.session_panel.download.file == "screen.csv"
        assert len(text.splitlines()) == 7
        assert text.startswith("site,unit,")

    def test_page_does_not_hold_the_last_file(self, bench):
        for _ in range(2):
            bench.session_panel.files.press("html")
            page = bench.session_panel.download.data
            assert page.startswith(b"<!doctype html>")
            assert len(page) < 400_000

    def test_code_makes_the_same_result_in_a_new_process(self, bench, tmp_path):
        bench.session_panel.files.press("code")
        script = tmp_path / bench.session_panel.download.file
        digest = bench.workspace.results["screen"].digest
        script.write_bytes(bench.session_panel.download.data + b"\nprint(screen.digest)\n")
        done = subprocess.run(
            [sys.executable, str(script)], capture_output=True, text=True, cwd=tmp_path
        )
        assert done.stdout.split()[-1:] == [digest], done.stderr

    def test_without_a_result_it_says_what_to_do(self):
        page = fresh()
        page.session_panel.files.press("csv")
        assert "run a lens first" in page.session_panel.files.error
        page.close()


def test_results_of_a_workspace_are_shown_at_once():
    space = ct.Workspace()
    maps = np.random.default_rng(0).normal(size=(80, 2, 4, 4)).astype(np.float32)
    space.results["own"] = ct.screen_filters(ct.Activations.from_arrays({"layer": maps}))
    page = cw.Workbench(workspace=space, inline=True)
    assert [one.name for one in page.results.cards] == ["own"]
    assert page.results.cards[0].head.error == ""
    page.close()

"""A small seeded part of `make faults`, and what the suite's own judgements rest on."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

BENCH = Path(__file__).parents[1] / "bench"
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks and reads /proc")


@pytest.fixture(autouse=True)
def bench_on_the_path(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCH))


def run(tmp_path, *arguments):
    """Counts of a run in a process of its own: forking is not safe once threads have run here."""
    where = os.pathsep.join([str(BENCH), *filter(None, sys.path)])
    done = subprocess.run(
        [sys.executable, "-m", "faults.run", "--quick", "--json", tmp_path / "counts.json",
         *arguments],
        env={**os.environ, "PYTHONPATH": where}, capture_output=True, text=True,
    )  # fmt: skip
    assert (tmp_path / "counts.json").is_file(), done.stderr[-2000:]
    return json.loads((tmp_path / "counts.json").read_text())


def test_damaged_files_kills_full_disks_cancels_and_payloads(tmp_path):
    only = "files|work: (capture|session)|task: (capture|merge)|shrinks"
    counts = run(tmp_path, "--files", "20", "--moments", "2", "--only", only)
    assert len(counts["files"]) >= 16
    for name, form in counts["files"].items():
        assert form["kinds"]["files"] >= 20
        assert form["wrong"] == 0, (name, form["signatures"])
    assert len(counts["others"]) >= 11
    assert {what: one["wrong"] for what, one in counts["others"].items() if one["wrong"]} == {}


def test_markup_and_code_in_origins_stay_text(tmp_path):
    from faults import markup

    n, wrong = markup.drawn(tmp_path / "drawn", quick=True)
    assert n >= 100
    assert wrong == []
    n, wrong = markup.written_as_code(quick=True)
    assert n >= 500
    assert wrong == []


def test_the_judge_of_errors():
    from faults.watch import why_raw

    from cutaway.core import check

    def judged(error, *names):
        try:
            raise error
        except type(error) as caught:
            return why_raw(caught, names)

    assert "not raised by us" in judged(ValueError("file.npy must be whole, got less; get it"), "f")
    assert "kind of error" in judged(RuntimeError("x"))
    with pytest.raises(ValueError) as caught:
        check.one_of("name", "a.zip", ("b.zip",))
    assert why_raw(caught.value, ("a.zip",)) == ""
    assert "names no file" in why_raw(caught.value, ("other.zip",))


def test_the_judge_of_markup_and_code():
    from faults import markup

    assert markup.skeleton("<p>a &lt;b&gt;</p>") == markup.skeleton("<p>plain</p>")
    assert markup.skeleton("<p><b></p>") != markup.skeleton("<p>plain</p>")
    assert markup.more_than_calls("import cutaway as ct\nx = ct.load_model('a')\n") == ""
    for text in (
        "import os", "x = ct.load_model('a.pt', trust=True)", "x = f('a')", "x = (",
        "y = ct.ablate(ct.load_model('a'))", "ct.load_data.__globals__['os'].system('a')",
    ):  # fmt: skip
        assert markup.more_than_calls(text), text


def test_a_watch_counts_code_requests_and_foreign_files(tmp_path):
    code = f"""
import os, pathlib, socket, subprocess
from faults.watch import Watch, examined
watch = Watch({str(tmp_path / "inside")!r})
def work(number):
    if number == 0:
        eval("1 + 1")
    elif number == 1:
        socket.create_connection(("127.0.0.1", 9))
    elif number == 2:
        pathlib.Path({str(tmp_path / "outside")!r}).write_text("x")
    elif number == 3:
        subprocess.Popen(["true"]).wait()
    return "same", ""
for number in range(5):
    found = examined(work, number, watch, ("",))
    print(len(found.ran), len(found.asked), len(found.foreign))
"""
    where = os.pathsep.join([str(BENCH), *filter(None, sys.path)])
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": where},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    counted = [[int(n) > 0 for n in line.split()] for line in done.stdout.splitlines()]
    assert counted[0][0]
    assert counted[1] == [False, True, False]
    assert counted[2] == [False, False, True]
    assert counted[3][0]
    assert counted[4] == [False, False, False]


def test_mutations_are_seeded_and_change_something():
    from faults.mutations import OF_ENDING, mutated

    content = np.random.default_rng(0).bytes(300)
    for ending in OF_ENDING:
        name = f"file.{ending}"
        made = [mutated(name, content, seed) for seed in range(30)]
        assert made == [mutated(name, content, seed) for seed in range(30)]
        assert all(changed != content for _, changed in made)
        assert len({what for what, _ in made}) >= 5

"""What the README promises: its code runs as written, its links and commands exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


def test_the_quick_start_has_ten_lines_of_code():
    lines = [line for line in BLOCKS[0].splitlines() if line.strip()]
    assert len(lines) == 10


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_code_runs_as_written(number, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    exec(compile(BLOCKS[number], "README.md", "exec"), {})
    if number == 0:
        printed = capsys.readouterr().out
        assert "conv" in printed
        assert "Effect(" in printed


def test_links_lead_to_files():
    for target in re.findall(r"\]\(([^)#:]+)\)", TEXT):
        assert (ROOT / target).exists(), target


def test_make_targets_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"`?make ([a-z]+)", TEXT)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_extras_exist():
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for extra in re.findall(r"`\[(\w+)\]`", TEXT):
        assert re.search(rf"^{extra} = \[", project, re.MULTILINE), extra

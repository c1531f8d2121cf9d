import subprocess
import sys

import pytest

from cutaway import cli, serve
from cutaway.causal import Attributions
from cutaway.filters import FilterScreen
from cutaway.merging import Merge, open_merged
from cutaway.model import load_model
from cutaway.observables import TokenScores
from cutaway.projection import Projection


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "cutaway.cli", *arguments], capture_output=True, text=True
    )


def test_help_lists_the_commands(capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    commands = "serve lab models sites screen project attribute merge observe"
    for command in commands.split():
        assert command in text


@pytest.mark.parametrize(
    "command",
    ["serve", "lab", "models", "sites", "screen", "project", "attribute", "merge", "observe"],
)
def test_every_command_has_help_seed_and_out(command, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main([command, "--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert "--seed" in text
    assert "--out" in text


def test_wrong_usage_exits_with_2(capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["screen"])
    assert ended.value.code == 2
    assert "model" in capsys.readouterr().err


def test_an_error_is_one_line_and_exit_status_1(capsys):
    assert cli.main(["sites", "lenet5-digit"]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert error.startswith("cutaway: ")
    assert "lenet5-digits" in error


def test_models_prints_and_writes_the_cards(tmp_path, capsys):
    assert cli.main(["models", "--out", str(tmp_path / "models.csv")]) == 0
    text = capsys.readouterr().out
    assert "lenet5-digits-overfit" in text
    assert "98.0%" in text
    lines = (tmp_path / "models.csv").read_text().splitlines()
    assert lines[0] == "name,title,parameters,train_accuracy,test_accuracy"
    assert len(lines) == 9


def test_tables_that_are_written_hold_no_formulas(tmp_path, monkeypatch):
    cards = {"title": "=1+1", "parameters": -3, "train_accuracy": -0.5, "test_accuracy": "@x"}
    monkeypatch.setattr("cutaway_samples.names", lambda: ["+name"])
    monkeypatch.setattr("cutaway_samples.card", lambda _name: cards)
    assert cli.main(["models", "--out", str(tmp_path / "models.csv")]) == 0
    lines = (tmp_path / "models.csv").read_text().splitlines()
    assert lines[1] == "'+name,'=1+1,-3,-0.5,'@x"


def test_sites_are_written_as_a_table(tmp_path):
    assert cli.main(["sites", "lenet5-digits", "--out", str(tmp_path / "sites.csv")]) == 0
    assert len((tmp_path / "sites.csv").read_text().splitlines()) > 5


def test_screen_without_convolutions_asks_for_sites(capsys):
    assert cli.main(["screen", "gpt-occupations", "--limit", "5"]) == 1
    assert "--sites must be given for gpt-occupations" in capsys.readouterr().err


def test_screen_runs_on_a_real_model_and_saves(tmp_path):
    out = tmp_path / "screen.zip"
    done = run(
        "screen", "lenet5-digits", "--sites", "conv1", "--split", "test", "--limit", "200",
        "--out", str(out),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    screen = FilterScreen.load(out)
    assert len(screen.rows) == 200
    assert set(screen.filters["site"]) == {"conv1"}
    assert "conv1" in done.stdout


def test_project_runs_on_a_real_model_and_saves(tmp_path, capsys):
    out = tmp_path / "points.zip"
    arguments = ["project", "lenet5-digits", "--split", "test", "--limit", "50", "--out", str(out)]
    assert cli.main([*arguments, "--method", "tsne", "--seed", "3"]) == 0
    points = Projection.load(out)
    assert (points.method, points.origin.seed, len(points.rows)) == ("tsne", 3, 50)
    assert points.origin.site == "conv1, conv2"
    assert "by tsne of 50 components" in capsys.readouterr().out


def test_observe_scores_texts_and_saves(tmp_path, capsys):
    out = tmp_path / "scores.zip"
    arguments = ["observe", "gpt-occupations", "--split", "test", "--limit", "40"]
    assert cli.main([*arguments, "--plus", "she", "--minus", "he", "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert said.startswith("TokenScores(she - he through L0H0 at transformer.h.0.ln_1; ")
    highest, lowest = said.partition("highest:")[2].split("lowest:")
    assert " nanny⟧" in highest
    assert " plumber⟧" in lowest
    assert len(TokenScores.load(out).text_ids) == 40
    assert cli.main(arguments) == 1
    assert "plus and minus must hold at least one token" in capsys.readouterr().err


def test_attribute_runs_on_a_real_model_and_saves(tmp_path, capsys):
    out = tmp_path / "shares.zip"
    arguments = ["attribute", "lenet5-digits", "--split", "test", "--limit", "3", "--target", "7"]
    assert cli.main([*arguments, "--method", "input_x_gradient", "--out", str(out)]) == 0
    found = Attributions.load(out)
    assert (found.method, found.target.tolist()) == ("input_x_gradient", ["7"] * 3)
    assert "Attributions(input_x_gradient, 3 samples of 28×28)" in capsys.readouterr().out
    assert cli.main([*arguments[:-1], "cow"]) == 1
    assert "target must be one of" in capsys.readouterr().err


def test_merge_runs_on_a_real_model_and_saves(tmp_path, capsys):
    out, module = tmp_path / "merge.zip", tmp_path / "small.safetensors"
    arguments = ["merge", "lenet5-digits", "--limit", "4", "--beta", "0.2", "--out", str(out)]
    assert cli.main([*arguments, "--rule", "official", "--save-model", str(module)]) == 0
    found = Merge.load(out)
    said = capsys.readouterr().out
    assert repr(found) in said
    assert (found.rule, found.beta) == ("official", 0.2)
    small = open_merged(load_model("lenet5-digits"), module)
    assert sum(one.numel() for one in small.parameters()) == found.kept_parameters
    assert cli.main([*arguments, "--rule", "best"]) == 1
    assert "rule must be one of 'auto'" in capsys.readouterr().err


def test_a_page_is_one_of_ours_or_a_path(tmp_path):
    assert serve.page("dashboard") == serve.notebooks_folder() / "dashboard.ipynb"
    (tmp_path / "mine.ipynb").write_text("{}")
    assert serve.page(tmp_path / "mine.ipynb") == tmp_path / "mine.ipynb"
    for wrong in ("dashbord", "../notebooks/dashboard", tmp_path, tmp_path / "mine.txt"):
        with pytest.raises(FileNotFoundError, match="page must be one of dashboard.* or the path"):
            serve.page(wrong)


def test_a_taken_port_leads_to_the_next_one():
    import socket

    with socket.socket() as taken:
        taken.bind((serve.ADDRESS, 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert port < serve.free_port(port) < port + serve.PORTS_TRIED


def test_no_free_port_is_one_line(monkeypatch):
    monkeypatch.setattr(serve, "PORTS_TRIED", 0)
    with pytest.raises(OSError, match=r"port must be free between .*; stop another server"):
        serve.free_port(9000)


def test_missing_host_is_one_line(monkeypatch):
    monkeypatch.setattr(serve.importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(ModuleNotFoundError, match=r"run: pip install 'cutaway\[dashboard\]'"):
        serve.widgets_folder()

"""What a page may open: on one's own machine, and on a team's server."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

import cutaway as ct
from cutaway.policy import Policy, current_policy


@pytest.fixture
def shared(tmp_path):
    """An allowed folder with data, a model, and traps; something private beside it."""
    folder = tmp_path / "shared"
    (folder / "pictures" / "a").mkdir(parents=True)
    for i in range(3):
        Image.fromarray(np.full((8, 8), 40 * i, np.uint8)).save(folder / f"pictures/a/{i}.png")
    (folder / "texts.csv").write_text("text\none\ntwo\nthree\n")
    (folder / "gpt").mkdir()
    (folder / "gpt" / "config.json").write_text(json.dumps({"model_type": "gpt2"}))
    private = tmp_path / "private"
    (private / "b").mkdir(parents=True)
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(private / "b" / "secret.png")
    (private / "secret.csv").write_text("text\nsecret\n")
    return folder


@pytest.fixture
def team(shared):
    return Policy(("lenet5-digits",), shared)


def test_without_a_server_everything_is_allowed_but_trust(monkeypatch, tmp_path):
    for name in ("CUTAWAY_MODELS", "CUTAWAY_FOLDER", "CUTAWAY_MAX_BYTES"):
        monkeypatch.delenv(name, raising=False)
    policy = current_policy()
    assert policy == Policy()
    assert not policy.restricted
    assert policy.trust is False
    assert policy.code_entry is False
    assert "alexnet-digits" in policy.models_offered()
    module = torch.nn.Linear(2, 2)
    assert policy.open(module).module is module
    assert len(policy.open_data(np.zeros((3, 2)))) == 3
    assert policy.place(tmp_path / "x") == tmp_path.resolve() / "x"
    with pytest.raises(PermissionError, match="trust must be False here, got True for 'net.pt'"):
        policy.open("net.pt", trust=True)


def test_the_environment_states_the_policy(monkeypatch, shared):
    monkeypatch.setenv("CUTAWAY_MODELS", "lenet5-digits,alexnet-digits")
    monkeypatch.setenv("CUTAWAY_FOLDER", str(shared))
    monkeypatch.setenv("CUTAWAY_MAX_BYTES", "1000000000")
    policy = current_policy()
    assert policy == Policy(("lenet5-digits", "alexnet-digits"), shared, "1000000000")
    monkeypatch.setenv("CUTAWAY_MODELS", "")
    monkeypatch.setenv("CUTAWAY_FOLDER", "")
    policy = current_policy()
    assert policy.restricted
    assert policy.models_offered() == []
    with pytest.raises(PermissionError, match="this server opens no files"):
        policy.open_data("/etc")


def test_what_is_offered_lies_in_the_list_and_the_folder(team, shared):
    (shared / "link").symlink_to(shared.parent / "private")
    (shared / "link.csv").symlink_to(shared.parent / "private" / "secret.csv")
    assert team.models_offered() == ["lenet5-digits", "gpt"]
    offered = team.data_offered()
    assert "digits" in offered
    assert offered[-2:] == ["pictures", "texts.csv"]


def test_listed_models_and_what_lies_inside_are_opened(team, shared):
    assert team.open("lenet5-digits").name == "lenet5-digits"
    assert len(team.open_data("digits", split="test", limit=5)) == 5
    assert len(team.open_data("pictures")) == 3
    assert len(team.open_data(shared / "texts.csv")) == 3
    assert len(team.open_data("./pictures/../texts.csv")) == 3


@pytest.mark.parametrize("kind", ["open", "open_data", "place"])
@pytest.mark.parametrize(
    "path", ["../private", "pictures/../../private", "/etc", "{private}", "link", "inner/b"]
)
def test_no_path_leads_outside(team, shared, kind, path):
    private = shared.parent / "private"
    (shared / "link").symlink_to(private)
    (shared / "inner").symlink_to(private)
    with pytest.raises(PermissionError, match="path must lie in the folder .*; give a name inside"):
        getattr(team, kind)(path.format(private=private))


def test_a_link_among_the_pictures_is_found(team, shared):
    (shared / "pictures" / "a" / "9.png").symlink_to(shared.parent / "private/b/secret.png")
    with pytest.raises(PermissionError, match="path must lie in the folder that this server"):
        team.open_data("pictures")
    (shared / "pictures" / "a" / "9.png").unlink()
    (shared / "pictures" / "b").symlink_to(shared.parent / "private" / "b")
    with pytest.raises(PermissionError, match="path must lie in the folder that this server"):
        team.open_data("pictures")


def test_a_split_is_no_way_out(team):
    with pytest.raises(PermissionError, match="path must lie in the folder that this server"):
        team.open_data("pictures", split="../../private")


@pytest.mark.parametrize("name", ["net.pt", "net.pt2", "net.bin"])
def test_files_that_could_run_code_are_refused(team, shared, name):
    torch.save(torch.nn.Linear(2, 2), shared / name)
    with pytest.raises(PermissionError, match="which could run code; save the model with"):
        team.open(name)
    with pytest.raises(PermissionError, match="trust must be False here"):
        team.open(name, trust=True)


def test_a_model_that_is_not_offered_is_refused(team):
    with pytest.raises(PermissionError, match="model must be one of lenet5-digits, got 'alexnet-"):
        team.open("alexnet-digits")


@pytest.mark.parametrize("source", [torch.nn.Linear(1, 1), (torch.nn.Flatten, "w"), 3])
def test_live_objects_are_no_names(team, source):
    with pytest.raises(PermissionError, match="source must be a name or a path on this server"):
        team.open(source)
    with pytest.raises(PermissionError, match="source must be a name or a path on this server"):
        team.open_data(np.zeros((3, 2)))


def test_a_folder_model_is_opened_and_its_code_is_not_run(team, shared):
    (shared / "gpt" / "config.json").write_text(
        json.dumps({"model_type": "x", "auto_map": {"AutoModel": "evil.Model"}})
    )
    (shared / "gpt" / "evil.py").write_text("raise SystemExit('ran')")
    with pytest.raises(ct.UnsupportedModel, match="auto_map"):
        team.open("gpt")


def test_unknown_models_and_folders_are_refused_at_the_start(tmp_path):
    with pytest.raises(ValueError, match="models must be sample models, got 'lenet'"):
        Policy(("lenet",))
    with pytest.raises(FileNotFoundError, match="folder must be an existing folder, got"):
        Policy(None, tmp_path / "none")


def test_a_session_is_opened_only_inside_and_by_the_rules(team, shared, tmp_path):
    space = ct.Workspace()
    space.model, space.data = ct.load_model("alexnet-digits"), ct.load_data("digits", limit=9)
    space.save(shared / "session")
    space.save(tmp_path / "outside")
    back = ct.open_workspace("session", policy=team)
    assert back.model is None
    assert len(back.data) == 9
    assert len(back.missing) == 1
    assert "PermissionError (model must be one of lenet5-digits" in back.missing[0]
    with pytest.raises(PermissionError, match="path must lie in the folder that this server"):
        ct.open_workspace(tmp_path / "outside", policy=team)


def test_a_path_that_leads_nowhere_is_one_line(tmp_path):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for policy in (Policy(folder=tmp_path), Policy()):
        for name in ("a\0b", str(tmp_path / "loop")):
            with pytest.raises(ValueError, match=r"^path must lead to [^\n]+check its name$"):
                policy.place(name)
    assert "loop" not in Policy(folder=tmp_path).data_offered()

"""Sessions on real models: saved, opened again, read-only when model or data are gone."""

import importlib
import json
import shutil

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file, save_file

import cutaway as ct
from cutaway.core import digest
from cutaway.session import MANIFEST, _type, digest_of, inputs_of


@pytest.fixture(scope="module")
def parts():
    model = ct.load_model("lenet5-digits")
    data = ct.load_data("digits", split="test", limit=40)
    acts = ct.capture(model, data, ["conv1", "conv2"], pool=4, show=None)
    edits = (ct.Zero("conv1", 2), ct.Mean("conv2", (0, 3)))
    return {
        "model": model, "data": data, "activations": acts, "edits": edits,
        "effect": ct.ablate(model, data, edits, controls=3),
        "results": {
            "screen": ct.screen_filters(acts, k_max=2),
            "my points/1": ct.project(acts),
            "predictions": ct.predict(model, data),
            "groups": ct.feature_groups(model, model.example),
        },
    }  # fmt: skip


@pytest.fixture
def workspace(parts):
    space = ct.Workspace()
    for slot in ("model", "data", "activations", "edits", "effect"):
        setattr(space, slot, parts[slot])
    for name, one in parts["results"].items():
        space.results[name] = one
    ids = parts["data"].index.ids[[3, 7]].tolist()
    space.selection = ct.Selection(ids, of=parts["data"].index.digest, by="scatter")
    space.selections["odd ones"] = ct.Selection(ids[:1], of=parts["data"].index.digest)
    space.picked = ("conv2",)
    return space


def same_but_model_and_data(first, second):
    assert {name: one.digest for name, one in first.results.items()} == {
        name: one.digest for name, one in second.results.items()
    }
    assert second.effect.digest == first.effect.digest
    assert second.selection == first.selection
    assert dict(second.selections) == dict(first.selections)
    assert tuple(second.edits) == tuple(first.edits)
    assert second.picked == first.picked


def changed(folder, **entries):
    """Rewrite entries of a manifest."""
    manifest = json.loads((folder / MANIFEST).read_text()) | entries
    manifest.pop("digest")
    manifest["digest"] = digest.of_json(manifest)
    (folder / MANIFEST).write_text(json.dumps(manifest))


def test_all_comes_back_with_model_and_data(workspace, tmp_path):
    workspace.save(tmp_path / "s")
    shutil.move(tmp_path / "s", tmp_path / "moved")
    back = ct.open_workspace(tmp_path / "moved")
    assert back.missing == ()
    assert not back.read_only
    assert back.model.digest == workspace.model.digest
    assert back.data.index.digest == workspace.data.index.digest
    assert back.sources == workspace.sources
    assert back.sources["data"] == {"source": "digits", "split": "test", "limit": 40}
    same_but_model_and_data(workspace, back)
    back.save(tmp_path / "again")
    same_but_model_and_data(workspace, ct.open_workspace(tmp_path / "again"))


def test_the_manifest_says_how_each_result_was_made(workspace, tmp_path):
    workspace.save(tmp_path / "s")
    manifest = json.loads((tmp_path / "s" / MANIFEST).read_text())
    screen = manifest["results"]["screen"]
    assert (screen["type"], screen["function"], screen["seed"]) == (
        "FilterScreen", "screen_filters", 0,
    )  # fmt: skip
    assert screen["parameters"]["k_max"] == 2
    assert manifest["model"]["given"] == {"source": "lenet5-digits"}
    kinds = {one.suffix for one in (tmp_path / "s").iterdir()}
    assert kinds == {".json", ".zip"}


def test_a_checkpoint_is_loaded_again(tmp_path):
    space = ct.Workspace()
    space.model = ct.load_model("lenet5-digits-overfit", checkpoint=_epoch())
    space.save(tmp_path / "s")
    assert ct.open_workspace(tmp_path / "s").model.digest == space.model.digest


def _epoch():
    import cutaway_samples

    return cutaway_samples.checkpoints("lenet5-digits-overfit")[0]


def test_a_store_of_activations_is_mapped_again(parts, tmp_path):
    space = ct.Workspace()
    space.model, space.data = parts["model"], parts["data"]
    space.activations = ct.capture(
        space.model, space.data, "conv1", store=tmp_path / "store", show=None
    )
    space.save(tmp_path / "s")
    assert ct.open_workspace(tmp_path / "s").activations.digest == space.activations.digest
    shutil.rmtree(tmp_path / "store")
    back = ct.open_workspace(tmp_path / "s")
    assert back.activations is None
    assert back.missing == ()
    assert back.picked == ("conv1",)


def test_live_objects_must_be_supplied_and_lift_the_lock(workspace, tmp_path):
    bare = ct.load_model(workspace.model.module, name="mine")
    workspace.model = bare
    workspace.save(tmp_path / "s")
    back = ct.open_workspace(tmp_path / "s")
    assert back.missing == (
        "model 'mine' must be supplied, got only its digest; load it and assign ws.model",
    )
    assert back.read_only
    same_but_model_and_data(workspace, back)
    with pytest.raises(ValueError, match="model must have digest .* use a new workspace"):
        back.model = ct.load_model("lenet5-digits-noisy")
    back.model = bare
    assert back.missing == ()
    back.results["more"] = back.results["screen"]


def test_a_read_only_session_keeps_what_was_saved(workspace, tmp_path):
    workspace.save(tmp_path / "s")
    changed(tmp_path / "s", model={"name": "x", "digest": "0", "given": None})
    back = ct.open_workspace(tmp_path / "s")
    for change in (
        lambda: back.results.update(new=back.results["screen"]),
        lambda: back.results.pop("screen"),
        lambda: setattr(back, "edits", ()),
        lambda: setattr(back, "effect", None),
    ):
        with pytest.raises(PermissionError, match="must stay as saved in a read-only session"):
            change()
    assert not back.can_undo
    assert not back.undo()
    back.selection = None  # looking is free
    same_selection = dict(back.selections)
    back.save(tmp_path / "again")
    again = ct.open_workspace(tmp_path / "again")
    assert again.missing == back.missing
    assert dict(again.selections) == same_selection


@pytest.fixture
def folder_model(tmp_path):
    """A Hugging Face folder of a tiny real model."""
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(n_layer=1, n_head=2, n_embd=8, vocab_size=11, n_positions=16)
    GPT2LMHeadModel(config).save_pretrained(tmp_path / "net")
    return tmp_path / "net"


def test_a_changed_weight_file_is_missing_and_says_so(folder_model, tmp_path):
    space = ct.Workspace()
    space.model = ct.load_model(folder_model)
    space.save(tmp_path / "s")
    assert ct.open_workspace(tmp_path / "s").missing == ()
    file = folder_model / "model.safetensors"
    weights = load_file(file)
    name = min(weights)
    weights[name] = weights[name] + 1e-3
    save_file(weights, file, {"format": "pt"})
    back = ct.open_workspace(tmp_path / "s")
    assert back.model is None
    (line,) = back.missing
    assert f"must have digest {digest_of(space.model)}, got " in line
    assert "it has changed since: put the old one back" in line
    folder_model.rename(tmp_path / "elsewhere")
    (line,) = ct.open_workspace(tmp_path / "s").missing
    assert f"model 'net' must be at {str(folder_model)!r}, got FileNotFoundError" in line


def test_changed_data_are_missing_and_say_so(tmp_path):
    pictures = tmp_path / "pictures"
    for name in ("a", "b"):
        (pictures / name).mkdir(parents=True)
        for i in range(3):
            Image.fromarray(np.full((8, 8), i, np.uint8)).save(pictures / name / f"{i}.png")
    space = ct.Workspace()
    space.data = ct.load_data(pictures, size=(6, 6))
    space.save(tmp_path / "s")
    back = ct.open_workspace(tmp_path / "s")
    assert back.missing == ()
    assert back.data.batch([0]).inputs.shape[2:] == (6, 6)
    (pictures / "a" / "0.png").rename(pictures / "b" / "9.png")
    (line,) = ct.open_workspace(tmp_path / "s").missing
    assert line.startswith("data 'pictures' must have digest ")


def test_other_labels_of_the_same_ids_are_other_data(tmp_path):
    table = tmp_path / "texts.csv"
    table.write_text("text,label\nx,0\ny,1\n")
    space = ct.Workspace()
    space.data = ct.load_data(table)
    space.save(tmp_path / "s")
    assert ct.open_workspace(tmp_path / "s").missing == ()
    table.write_text("text,label\nx,1\ny,0\n")
    assert len(ct.open_workspace(tmp_path / "s").missing) == 1


def test_other_content_under_the_same_ids_is_other_data(tmp_path):
    """Row A5: half of the pictures, or every text of a table; ids and labels stay."""
    rng = np.random.default_rng(0)

    def draw(numbers):
        for number in numbers:
            picture = rng.integers(0, 255, (8, 8), np.uint8)
            folder = tmp_path / "pictures" / "ab"[number % 2]
            Image.fromarray(picture).save(folder / f"{number}.png")

    for name in ("a", "b"):
        (tmp_path / "pictures" / name).mkdir(parents=True)
    draw(range(10))
    table = tmp_path / "texts.csv"
    table.write_text("text,label\nred,0\ngreen,1\n")
    for name, source in (("pictures", tmp_path / "pictures"), ("texts", table)):
        space = ct.Workspace()
        space.data = ct.load_data(source)
        space.save(tmp_path / name / "session" if name != "pictures" else tmp_path / "s")
    assert ct.open_workspace(tmp_path / "s").missing == ()
    draw(range(5))
    table.write_text("text,label\nblue,0\nblack,1\n")
    for folder, name in ((tmp_path / "s", "pictures"), (tmp_path / "texts" / "session", "texts")):
        back = ct.open_workspace(folder)
        assert back.read_only
        (line,) = back.missing
        assert line.startswith(f"data {name!r} must have digest ")
        assert "changed" in line
        with pytest.raises(ValueError, match="data must have digest"):
            back.data = ct.load_data(tmp_path / "pictures" if name == "pictures" else table)


def test_another_structure_of_the_same_weights_is_another_model(tmp_path):
    import torch

    def network(*modules):
        torch.manual_seed(0)
        return torch.nn.Sequential(torch.nn.Linear(4, 3), *modules)

    space = ct.Workspace()
    space.model = ct.load_model(network(torch.nn.ReLU()))
    space.save(tmp_path / "s")
    back = ct.open_workspace(tmp_path / "s")
    with pytest.raises(ValueError, match="model must have digest"):
        back.model = ct.load_model(network(torch.nn.Tanh()))
    back.model = ct.load_model(network(torch.nn.ReLU()))
    assert not back.read_only


def test_a_session_without_content_digests_says_so(workspace, tmp_path):
    """Sessions of the first edition noted ids and labels only."""
    workspace.save(tmp_path / "s")
    changed(tmp_path / "s", schema=2)
    back = ct.open_workspace(tmp_path / "s")
    assert back.read_only
    assert len(back.missing) == 2
    assert all("earlier version" in line for line in back.missing)
    back.model, back.data = workspace.model, workspace.data
    assert not back.read_only


def test_the_key_of_cached_results_follows_data_changed_in_place():
    x = np.zeros((6, 1, 28, 28), np.float32)
    model, data = ct.load_model("lenet5-digits"), ct.load_data(x)
    before = inputs_of(model, data)
    assert inputs_of(model, data) == before
    handle = model.module.conv1.register_forward_hook(lambda *_: None)
    assert inputs_of(model, data) != before
    handle.remove()
    assert inputs_of(model, data) == before
    x[3] = 1
    assert inputs_of(model, data) != before
    assert inputs_of(model, ct.load_data(x, labels=np.arange(6))) != inputs_of(model, data)


def test_what_needs_trust_is_never_loaded(tmp_path):
    import torch

    torch.save(torch.nn.Linear(2, 2), tmp_path / "net.pt")
    space = ct.Workspace()
    space.model = ct.load_model(tmp_path / "net.pt", trust=True)
    space.save(tmp_path / "s")
    (line,) = ct.open_workspace(tmp_path / "s").missing
    assert "trust must be False here" in line


def test_a_part_of_data_is_a_live_object(parts):
    space = ct.Workspace()
    space.data = parts["data"].take([0, 2])
    assert space.sources == {"model": None, "data": None}


def test_sessions_of_schema_1_open(parts, tmp_path):
    folder = tmp_path / "old"
    folder.mkdir()
    screen = parts["results"]["screen"]
    screen.save(folder / "screen.zip")
    manifest = {
        "format": "cutaway-workspace", "schema": 1, "data": None,
        "model": {"name": "net", "digest": "12"}, "results": {"screen": "FilterScreen"},
        "selection": {"ids": [3], "axis": "sample", "of": "x", "by": "code"},
    }  # fmt: skip
    (folder / MANIFEST).write_text(json.dumps(manifest))
    back = ct.open_workspace(folder)
    assert back.results["screen"].digest == screen.digest
    assert back.selection.ids == (3,)
    assert len(back.missing) == 1


def test_a_manifest_that_was_changed_is_refused(workspace, tmp_path):
    workspace.save(tmp_path / "s")
    file = tmp_path / "s" / MANIFEST
    file.write_text(file.read_text().replace('"conv2"', '"conv1"'))
    with pytest.raises(ValueError, match="digest differs"):
        ct.open_workspace(tmp_path / "s")


def test_damaged_and_newer_sessions_are_refused(workspace, tmp_path):
    folder = tmp_path / "s"
    workspace.save(folder)
    with pytest.raises(FileExistsError, match="path must not exist yet"):
        workspace.save(folder)
    results = json.loads((folder / MANIFEST).read_text())["results"]
    wrong = results["screen"] | {"file": "../s/result-0.zip"}
    changed(folder, results={"screen": wrong})
    with pytest.raises(ValueError, match="file of result 'screen' must lie in the session's"):
        ct.open_workspace(folder)
    changed(folder, results={"screen": results["screen"] | {"digest": "00"}})
    with pytest.raises(ValueError, match="result 'screen' must have digest 00, got"):
        ct.open_workspace(folder)
    changed(folder, results={"screen": results["screen"] | {"type": "Popen"}})
    with pytest.raises(ValueError, match="results must be of a known kind .*, got Popen for"):
        ct.open_workspace(folder)
    changed(folder, schema=4)
    with pytest.raises(ValueError, match="schema must be at most 3, got 4 in .*update cutaway"):
        ct.open_workspace(folder)
    (folder / MANIFEST).write_text("[]")
    with pytest.raises(ValueError, match="path must be a saved workspace"):
        ct.open_workspace(folder)


def test_every_kind_of_result_is_kept(tmp_path, parts):
    """What the package can make, a session keeps: the subclasses of `Result` with a place."""
    kinds = [one for one in subclasses(ct.core.Result) if one.__module__.startswith("cutaway.")]
    assert len(kinds) >= 12
    assert [one for one in kinds if _type("a", one.__name__) is not one] == []
    space = ct.Workspace()
    space.results["why"] = ct.attribute(
        parts["model"], parts["data"], parts["data"].index.ids[:2], method="input_x_gradient"
    )
    space.results["merged"] = ct.merge_features(parts["model"], parts["model"].example, beta=0.1)
    space.save(tmp_path / "s")
    found = ct.open_workspace(tmp_path / "s").results
    assert {name: one.digest for name, one in found.items()} == {
        name: one.digest for name, one in space.results.items()
    }


def subclasses(kind):
    """All of them, once the modules that make results are loaded."""
    for name in ("causal", "filters.overfitting", "merging.merge", "observables", "projection"):
        importlib.import_module(f"cutaway.{name}")
    return kind.__subclasses__()


def test_a_result_that_could_not_be_opened_is_refused_when_saving(tmp_path, parts):
    class Own(type(parts["results"]["predictions"])):
        pass

    one = parts["results"]["predictions"]
    space = ct.Workspace()
    space.results["own"] = Own(
        one.rows, one.origin, one.predicted, one.probability, one.correct, one.loss
    )
    with pytest.raises(ValueError, match="results must be of a known kind .*, got Own"):
        space.save(tmp_path / "s")
    assert list(tmp_path.iterdir()) == []

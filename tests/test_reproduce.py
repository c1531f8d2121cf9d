"""Code that reproduces results, run in a process of its own."""

import ast
import dataclasses
import subprocess
import sys

import numpy as np
import pytest

import cutaway as ct


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


@pytest.fixture(scope="module")
def space():
    workspace = ct.Workspace()
    workspace.model = ct.load_model("lenet5-digits")
    workspace.data = ct.load_data("digits", split="test", limit=240)
    acts = ct.capture(workspace.model, workspace.data, ["conv*"], pool=4, show=None)
    workspace.activations = acts
    results = workspace.results
    results["screen"] = ct.screen_filters(acts, k_max=2, labels=workspace.data.labels, seed=5)
    results["class"] = ct.project(acts, site="conv2", seed=5)  # no word for a variable
    results["predictions"] = ct.predict(workspace.model, workspace.data, batch_size=7)
    workspace.edits = (ct.Zero("conv1", 2), ct.Steer("fc1", np.arange(120.0), by=2.0))
    workspace.effect = ct.ablate(
        workspace.model, workspace.data, workspace.edits, metric="loss", controls=3, seed=1
    )
    workspace.selection = ct.Selection((3, 4), of=workspace.data.index.digest)
    workspace.selections["a b"] = workspace.selection
    return workspace


def test_all_of_a_workspace_comes_out_the_same_in_a_fresh_process(space):
    code = ct.code_of(space)
    done = run(f"{code}\nprint(screen.digest, class_2.digest, predictions.digest, effect.digest)")
    assert done.returncode == 0, done.stderr
    expected = [one.digest for one in space.results.values()] + [space.effect.digest]
    assert done.stdout.split() == expected
    assert code.count("ct.load_model(") == code.count("ct.capture(") == 1


def test_one_result_is_enough_and_so_is_a_saved_one(space, tmp_path):
    code = ct.code_of(space.results["screen"])
    assert "ct.predict" not in code
    space.results["screen"].save(tmp_path / "screen.zip")
    from cutaway.filters import FilterScreen

    assert ct.code_of(FilterScreen.load(tmp_path / "screen.zip")) == code
    space.save(tmp_path / "session")
    assert ct.code_of(ct.open_workspace(tmp_path / "session")) == ct.code_of(space)


def test_a_digest_that_differs_stops_the_script(space):
    code = ct.code_of(space.results["class"])
    done = run(code.replace("site='conv2'", "site='conv1'"))
    assert done.returncode == 1
    assert "project must have digest" in done.stderr


def test_two_models_and_two_captures_have_names_of_their_own(space):
    both = ct.Workspace()
    for name in ("lenet5-digits", "lenet5-digits-noisy"):
        model = ct.load_model(name)
        for pool in (2, 4):
            acts = ct.capture(model, space.data, "conv1", pool=pool, show=None)
            both.results[f"{name} {pool}"] = ct.project(acts)
    assert len({one.origin.digest for one in both.results.values()}) == 4
    code = ct.code_of(both)
    assert code.count("ct.load_model(") == 2
    assert code.count("ct.load_data(") == 1
    assert code.count("ct.capture(") == 4
    done = run(code)
    assert done.returncode == 0, done.stderr


def test_live_objects_are_to_be_supplied(space):
    model = ct.load_model(space.model.module, name="mine\n\rimport os")
    data = space.data.take(np.arange(20))
    acts = ct.capture(model, data, "conv1", show=None)
    code = ct.code_of(ct.project(acts))
    lines = [one for one in code.splitlines() if one.startswith("# SUPPLY")]
    assert len(lines) == 2
    assert model.digest in lines[0]
    assert "import os" not in code.splitlines()
    done = run(code)
    assert done.returncode == 1
    assert f"model must have digest {model.digest}, got None" in done.stderr
    ready = code.replace("model = None", "model = ct.load_model('lenet5-digits')").replace(
        "data = None",
        "import numpy as np; "
        "data = ct.load_data('digits', split='test', limit=240).take(np.arange(20))",
    )
    assert run(ready).returncode == 0


def test_a_part_of_a_capture_needs_its_data_supplied(space):
    part = space.activations.take(space.data.index.ids[:30])
    code = ct.code_of(ct.project(part))
    assert "# SUPPLY the data" in code
    assert f"digest {part.rows.digest}" in code
    assert "ct.load_data" not in code


def test_activations_without_a_capture_are_to_be_supplied():
    acts = ct.Activations.from_arrays({"a": np.random.default_rng(0).normal(size=(9, 3))})
    code = ct.code_of(ct.project(acts))
    assert "# SUPPLY the activations of 'a'; no capture made them" in code
    compile(code, "code", "exec")


def test_what_cannot_be_written_is_left_out_and_said(space):
    groups = ct.feature_groups(space.model, space.model.example)
    code = ct.code_of(groups)
    assert "# LEFT OUT 'result': the inputs of feature_groups are not recorded" in code
    compile(code, "code", "exec")


def test_attributions_of_some_samples_name_the_whole_data(space):
    ids = space.data.index.ids[[5, 2]]
    options = {"method": "grad_cam", "target": ("conv2", 3), "site": "conv1"}
    found = ct.attribute(space.model, space.data, ids, **options)
    code = ct.code_of(found)
    done = run(f"{code}\nprint(attribute.digest)")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == found.digest
    assert f"same('data', data.index.digest, {space.data.index.digest!r})" in code
    dark = ct.attribute(space.model, space.data, ids, baseline=np.zeros((1, 28, 28)), steps=2)
    assert "# LEFT OUT 'attribute'" in ct.code_of(dark)


def test_trust_is_never_written(tmp_path):
    import torch

    torch.save(torch.nn.Linear(3, 2), tmp_path / "net.pt")
    workspace = ct.Workspace()
    workspace.model = ct.load_model(tmp_path / "net.pt", trust=True)
    code = ct.code_of(workspace)
    assert "trust=True" not in code.replace("# needs trust=True", "")
    assert "trust must be True" in run(code).stderr


@pytest.mark.parametrize(
    "evil",
    [
        {"parameters": {"edits": [{"edit": "x(); import os; os.x", "site": "a"}]}},
        {"parameters": {"edits": [{"edit": "Zero", "site='a'); x(": "a"}]}},
        {"given": {"model": {"source": "a", "name=0); x(": 1}, "data": None}},
    ],
)
def test_a_forged_origin_writes_no_code_of_its_own(space, evil):
    origin = dataclasses.replace(space.effect.origin, **evil)
    forged = dataclasses.replace(space.effect, origin=origin)
    with pytest.raises(ValueError, match="origin must hold names of parameters, got"):
        ct.code_of(forged)


def test_names_of_results_stay_in_comments(space):
    workspace = ct.Workspace()
    workspace.results["x\nimport os\r"] = space.results["class"]
    assert "import os" not in [one.strip() for one in ct.code_of(workspace).splitlines()]


def test_only_workspaces_and_results_have_code():
    with pytest.raises(TypeError, match="what must be a Workspace or a Result, got int"):
        ct.code_of(3)


PAYLOADS = (
    "x.pt', trust=True) #", "\n__import__('os').system('echo run')\n", "\x00", "\u202e", "a\\",
    "${x}", "{x}", "\U0001d588\U0001d599", "ct",
    "same", "SystemExit", "selections", "class", "import", "__builtins__",
    "",
    "'" * 3, '"' * 3, "#", "\r\nct.load_model('x.pt', trust=True)", "x²", "\ud800",
)  # fmt: skip


def calls(code):
    """Functions that a script calls, and whether it trusts anything."""
    tree = ast.parse(code)
    made = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    names = {ast.unparse(node.func) for node in made}
    words = {word.arg for node in made for word in node.keywords}
    return names, words


ALLOWED = {"ct.load_model", "ct.load_data", "ct.capture", "ct.ablate", "ct.project", "same"} | {
    "SystemExit", "ct.Zero", "ct.Steer", "ct.Selection", "ct.screen_filters", "ct.predict",
}  # fmt: skip


@pytest.mark.parametrize(
    "edit",
    [
        {"edit": "load_model", "source": "x.pt", "trust": True},
        {"edit": "open_workspace", "path": "x"},
        {"edit": "Edit", "site": "a"},
        {"edit": ["Zero"], "site": "a", "units": [1]},
        {"edit": "Zero", "site": "a", "units": [1], "trust": True},
        {"edit": "Zero", "site": "a"},
        {"edit": "Replace", "site": "a", "units": [1], "values": [{"edit": "load_model"}]},
        {"edit": "Steer", "site": "a", "direction": "__import__('os')"},
        {"edit": "Steer", "site": "a", "direction": [1.0], "by": float("nan")},
        "load_model('x.pt', trust=True)",
        [["Zero"]],
        None,
    ],
)
def test_only_the_five_edits_are_written(space, edit):
    for edits in ([edit], edit):
        origin = dataclasses.replace(space.effect.origin, parameters={"edits": edits})
        with pytest.raises(ValueError, match=r"^[^\n]+$"):
            ct.code_of(dataclasses.replace(space.effect, origin=origin))


@pytest.mark.parametrize("evil", PAYLOADS)
def test_hostile_texts_stay_literals(space, evil):
    origin = space.effect.origin
    given = dict(origin.given)
    forged = [
        dataclasses.replace(origin, **{name: evil})
        for name in ("model", "weights", "site", "data", "rows", "content")
    ]
    forged += [
        dataclasses.replace(origin, parameters=dict(origin.parameters) | {"metric": evil, evil: 1}),
        dataclasses.replace(origin, versions={evil: evil}),
        dataclasses.replace(origin, given=given | {"model": {"source": evil, "name": evil}}),
        dataclasses.replace(origin, given=given | {"data": {"source": evil, "split": [evil, [1]]}}),
        dataclasses.replace(origin, parameters={
            "edits": [{"edit": "Zero", "site": evil, "units": [1]}], "metric": [{evil: evil}]}),
    ]  # fmt: skip
    for one in forged:
        workspace = ct.Workspace()
        workspace.results[evil] = dataclasses.replace(space.effect, origin=one)
        workspace.selections[evil] = ct.Selection((evil, 3), axis=evil, of=evil, by=evil)
        code = ct.code_of(workspace)
        names, words = calls(code)
        assert names <= ALLOWED
        assert "trust" not in words
        stores = [ast.unparse(node) for node in ast.walk(ast.parse(code))
                  if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]  # fmt: skip
        assert not {"ct", "same", "SystemExit"} & set(stores)


@pytest.mark.parametrize(
    "given",
    [
        {"model": {"source": "a", "device": "cuda"}},
        {"model": {"source": "a", "example": 1}},
        {"model": {"source": ["a"]}},
        {"model": {}},
        {"data": {"source": "a", "labels.x": [1]}},
        {"capture": {"sites": ["a"], "store": "/tmp/x"}},
        {"capture": {"sites": ["a"], "tick": 1}},
        {"capture": {}},
        {"capture": 3},
    ],
)
def test_arguments_are_those_that_a_file_may_name(space, given):
    result = space.results["class" if "capture" in given else "predictions"]
    forged = dataclasses.replace(result.origin, given=dict(result.origin.given) | given)
    with pytest.raises(ValueError, match=r"^[^\n]+$"):
        ct.code_of(dataclasses.replace(result, origin=forged))


def test_numbers_without_a_plain_form(space):
    origin = space.effect.origin
    edits = [{"edit": "Replace", "site": "conv1", "units": [1], "values": [float("inf")]}]
    forged = dataclasses.replace(origin, parameters=dict(origin.parameters) | {"edits": edits})
    code = ct.code_of(dataclasses.replace(space.effect, origin=forged))
    assert "values=[1e999]" in code
    edits[0]["values"] = [float("nan")]
    with pytest.raises(ValueError, match="NaN"):
        ct.code_of(dataclasses.replace(space.effect, origin=forged))


@pytest.mark.parametrize(
    "line",
    [
        "import os", "x = ct.load_model('a', trust=True)", "x = ct.open_workspace('a')", "print(1)",
        "x = ct.load_model(__import__('os'))", "x = ct.capture.__globals__", "ct.load_model('a')",
        "x = [ct.load_model('a')]", "same('a', ct.load_model('a').digest, 'b')", "ct = 3",
        "x = ct.predict(*[1])", "x = ct.predict(**{'trust': True})", "del ct", "x: int = 3",
        "x = (lambda: 3)()", "x = ct.Zero('a', 1)", "selections['a'] = ct.load_model('a')",
        "x = y = None", "def same(a): pass", "x = ct.load_data('a' + 'b' * 10)",
        "if 1:\n  x = None",
        "same = None", "x = ct.capture(ct, ct, 'a')", "SystemExit = None", "x = f'{ct}'",
    ],
)  # fmt: skip
def test_the_finished_script_is_checked_on_its_own(line):
    from cutaway.reproduce import _HEAD, _check_script

    _check_script(_HEAD + "m = ct.load_model('a')\nsame('m', m.digest, 'b')\n")
    with pytest.raises(ValueError, match="code must be calls"):
        _check_script(f"{_HEAD}{line}\n")
    with pytest.raises(ValueError, match="code must be calls"):
        _check_script(_HEAD.replace("ct\n", "os as ct\n"))


def test_a_script_stops_where_the_samples_have_changed(tmp_path):
    """Row A5 for scripts: the same names and labels, other content."""
    from PIL import Image

    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(6):
        pixels = np.full((28, 28), 40 * number, np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    model, data = ct.load_model("lenet5-digits"), ct.load_data(folder)
    code = ct.code_of(ct.predict(model, data))
    assert run(code).returncode == 0
    Image.fromarray(np.full((28, 28), 7, np.uint8)).save(folder / "3.png")
    done = run(code)
    assert done.returncode != 0
    assert "content of data must have digest" in done.stderr


def test_what_was_captured_from_an_edited_model_must_be_supplied():
    model, data = ct.load_model("lenet5-digits"), ct.load_data("digits", limit=20)
    with ct.edited(model, ct.Zero("conv1", [0]), data=data):
        acts = ct.capture(model, data, "conv2", show=None)
    code = ct.code_of(ct.project(acts))
    assert "SUPPLY the activations" in code
    assert "edited" in code

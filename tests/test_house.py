"""The house itself: import directions, lengths of functions, public names, clean notebooks."""

import ast
import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

import cutaway as ct

ROOT = Path(__file__).parents[1]
PACKAGES = {
    "cutaway": ROOT / "workbench" / "cutaway",
    "cutaway_widgets": ROOT / "widgets" / "cutaway_widgets",
    "cutaway_samples": ROOT / "sample_models" / "cutaway_samples",
}
LENSES = {"filters", "merging", "observables", "projection", "causal"}
# What each part of `cutaway` may import from `cutaway`, besides itself.
MAY_IMPORT = {
    "core": {"plots"},  # Result.plot, inside the method
    "data": {"core"},
    "model": {"core", "data"},
    **{lens: {"core", "data", "model"} for lens in LENSES},
    # Its experiments ask what ablating a flagged filter does.
    "filters": {"core", "data", "model", "causal"},
    "plots": {"core", "data", "model"} | LENSES,
    "lenses": {"core"} | LENSES,
    "policy": {"data", "model"},
    "workspace": {"core", "session"},  # save() and the digest of what an opened one awaits
    "session": {"core", "data", "model", "lenses", "policy", "workspace"} | LENSES,
    "reproduce": {"core", "data", "model", "lenses", "workspace"} | LENSES,
    "serve": set(),
    "team": {"policy", "serve"},
    "cli": {"core", "serve", "team", "lenses", "session", "workspace", "plots", "", "data", "model"}
    | LENSES,
    "__init__": {"core", "data", "model", "lenses", "plots", "policy", "reproduce", "session"}
    | {"workspace"}
    | LENSES,
}
SAMPLES_MAY_BE_USED_BY = {"data", "model", "cli", "policy"}


def imports_of(file):
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            if node.module == "cutaway":
                yield from (f"cutaway.{one.name}" for one in node.names)
            else:
                yield node.module


def sources():
    for package, folder in PACKAGES.items():
        for file in sorted(folder.rglob("*.py")):
            if "node_modules" not in file.parts:
                yield package, file


def part_of(file):
    first = file.relative_to(PACKAGES["cutaway"]).parts[0]
    return first.removesuffix(".py")


def test_import_directions():
    wrong = []
    for package, file in sources():
        for name in imports_of(file):
            head, _, rest = name.partition(".")
            if package == "cutaway_samples" and head in {"cutaway", "cutaway_widgets"}:
                wrong.append((file.name, name))
            if package != "cutaway":
                continue
            part = part_of(file)
            if head == "cutaway_widgets":
                wrong.append((file.name, name))
            if head == "cutaway_samples" and part not in SAMPLES_MAY_BE_USED_BY:
                wrong.append((file.name, name))
            target = rest.split(".")[0]
            if head == "cutaway" and target not in MAY_IMPORT[part] | {part, "__version__"}:
                wrong.append((str(file.relative_to(ROOT)), name))
    assert wrong == []


def test_the_direction_test_can_fail(tmp_path):
    (tmp_path / "a.py").write_text("from cutaway import filters\nimport cutaway.model.capture\n")
    assert list(imports_of(tmp_path / "a.py")) == ["cutaway.filters", "cutaway.model.capture"]


def test_no_user_interface_below_the_widgets():
    banned = {"ipywidgets", "traitlets", "anywidget", "IPython", "tqdm", "pickle"}
    found = [
        (file.name, name)
        for package, file in sources()
        for name in imports_of(file)
        if package == "cutaway" and name.split(".")[0] in banned and file.name != "cli.py"
    ]
    # Only to name the error that torch raises for what it refuses to unpickle.
    assert found == [("load_files.py", "pickle")]


def body_lengths(text):
    """Lines of each function of a source, without its heading and its docstring."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            documented = ast.get_docstring(node) is not None and len(node.body) > 1
            yield node.name, node.end_lineno - node.body[documented].lineno + 1


def test_functions_are_short():
    lengths = {
        f"{file.name}: {name}": n
        for _, file in sources()
        for name, n in body_lengths(file.read_text(encoding="utf-8"))
    }
    assert {name: n for name, n in lengths.items() if n > 60} == {}


def test_the_length_test_can_fail():
    text = 'def f(x):\n    """Two\n\n    lines."""\n' + "    x += 1\n" * 61
    assert list(body_lengths(text)) == [("f", 61)]


@pytest.mark.parametrize("package", ["cutaway", "cutaway_widgets"])
def test_every_public_name_exists(package):
    module = importlib.import_module(package)
    for name in module.__all__:
        assert getattr(module, name) is not None
        assert name in dir(module)


def test_public_names_are_pinned():
    assert set(ct.__all__) == {
        "Activations", "Attributions", "BudgetExceeded", "Cancelled", "Mean", "Observable", "Path",
        "Policy", "ProjectOut", "Projection", "Replace", "Selection", "Steer", "UnknownSite",
        "UnsupportedModel", "Workspace", "Zero", "__version__", "ablate", "attribute", "capture",
        "code_of", "compare_probes", "complexity_curve", "cost_card", "coupling",
        "coupling_on_texts", "coupling_table", "edited", "feature_groups", "feature_vector",
        "head_map", "layer_measures", "load_data", "load_model", "logit_lens", "merge_features",
        "merge_on", "observe_texts", "open_workspace", "predict", "project", "score_texts",
        "screen_filters", "search_paths", "sites", "steer",
    }  # fmt: skip


def test_unknown_public_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'cutaway' has no attribute 'lode_model'"):
        _ = ct.lode_model


def loaded_after(code):
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return {name.split(".")[0] for name in done.stdout.split()}


def test_import_of_cutaway_and_help_of_the_command_line_load_nothing_heavy():
    heavy = {"torch", "numpy", "pandas", "plotly", "sklearn", "transformers", "captum", "umap"}
    assert loaded_after("import cutaway") & heavy == set()
    script = "from cutaway.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass"
    assert loaded_after(script) & heavy == set()


def test_lenses_and_core_work_without_torch_or_a_user_interface():
    heavy = {"torch", "transformers", "captum", "umap", "IPython", "ipywidgets", "matplotlib"}
    assert loaded_after("import cutaway.core, cutaway.filters") & heavy == set()


def test_a_script_session_loads_no_jupyter():
    code = "import cutaway as ct; ct.load_model, ct.load_data, ct.capture, ct.screen_filters"
    assert loaded_after(code) & {"IPython", "ipywidgets", "traitlets", "anywidget"} == set()


def test_notebooks_are_stored_without_outputs():
    notebooks = sorted((ROOT / "notebooks").rglob("*.ipynb"))
    assert notebooks
    for file in notebooks:
        for cell in json.loads(file.read_text(encoding="utf-8"))["cells"]:
            assert not cell.get("outputs"), file.name
            assert cell.get("execution_count") is None, file.name

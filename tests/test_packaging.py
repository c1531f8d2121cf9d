"""The wheel: built from this tree, holding everything, working in a clean environment."""

import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SMOKE = """
import cutaway as ct
model = ct.load_model("lenet5-digits")
data = ct.load_data("digits", split="test", limit=100)
acts = ct.capture(model, data, ct.sites(model, data)["conv1"], show=lambda card: None)
screen = ct.screen_filters(acts)
assert acts["conv1"].shape[0] == 100 and len(screen.filters) == 6, screen
print("smoke", ct.__version__)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT],
        check=True, capture_output=True,
    )  # fmt: skip
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def clean(wheel, tmp_path_factory):
    folder = tmp_path_factory.mktemp("clean")
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    install = [python, "-m", "pip", "install", "--quiet", "-c", ROOT / "constraints.txt"]
    done = subprocess.run([*install, wheel], capture_output=True, text=True)
    if done.returncode and "No matching distribution" in done.stderr:
        pytest.skip("no package index can be reached, so no clean environment can be made")
    assert done.returncode == 0, done.stderr
    return python


def test_wheel_holds_code_pages_weights_and_notebooks(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    for name in (
        "cutaway/py.typed",
        "cutaway_widgets/static/cutaway.js",
        "cutaway_widgets/static/cutaway.css",
        "cutaway_widgets/static/page.js",
        "cutaway_widgets/static/page.css",
        "cutaway_widgets/notebooks/dashboard.ipynb",
        "cutaway_widgets/jupyter/voila/templates/cutaway/index.html.j2",
        "cutaway_samples/weights/lenet5-digits/card.json",
    ):
        assert name in names
    assert any(name.endswith(".safetensors") for name in names)
    assert not any("node_modules" in name or name.startswith("tests") for name in names)


@pytest.mark.slow
def test_wheel_installs_clean_without_jupyter_or_cuda_and_works(clean, tmp_path):
    listed = subprocess.run(
        [clean, "-m", "pip", "list", "--format=freeze"], capture_output=True, text=True, check=True
    )
    names = {line.split("==")[0].lower() for line in listed.stdout.splitlines()}
    assert "cutaway" in names
    jupyter = {"jupyterlab", "voila", "ipywidgets", "ipykernel", "ipython", "anywidget", "notebook"}
    assert names & jupyter == set()
    if sysconfig.get_platform().startswith("linux"):
        assert not any(name.startswith("nvidia") for name in names)
    done = subprocess.run([clean, "-c", SMOKE], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().startswith("smoke")


@pytest.mark.slow
def test_command_line_of_the_wheel(clean, tmp_path):
    command = clean.parent / "cutaway"
    listed = subprocess.run([command, "models"], capture_output=True, text=True, cwd=tmp_path)
    assert listed.returncode == 0, listed.stderr
    assert "resnet-digits" in listed.stdout
    hosted = subprocess.run([command, "serve"], capture_output=True, text=True, cwd=tmp_path)
    assert hosted.returncode == 1
    assert "run: pip install 'cutaway[dashboard]'" in hosted.stderr

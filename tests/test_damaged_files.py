"""Damaged files are refused in one line with their name; what hostile ones say is only text."""

import dataclasses
import json
import os
import random
import zipfile

import mutations
import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import cutaway as ct
from cutaway.causal import Attributions, Effect
from cutaway.filters import FilterScreen
from cutaway.merging import FeatureGroups, Merge, merge_features, merge_on, open_merged
from cutaway.model import Predictions
from cutaway.projection import Projection

# More of them with CUTAWAY_MUTATIONS=2000.
N = int(os.environ.get("CUTAWAY_MUTATIONS", "0"))
KINDS = {
    "project": Projection, "predict": Predictions, "screen": FilterScreen, "effect": Effect,
    "groups": FeatureGroups, "merge": Merge, "attribute": Attributions,
}  # fmt: skip


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(6, 8), nn.Linear(8, 3)

    def forward(self, x):
        return self.second(torch.relu(self.first(x)))


@pytest.fixture(scope="module")
def results():
    model = ct.load_model("lenet5-digits")
    data = ct.load_data("digits", split="test", limit=40)
    acts = ct.capture(model, data, ["conv1"], pool=4, show=None)
    return {
        "project": ct.project(acts),
        "predict": ct.predict(model, data),
        "screen": ct.screen_filters(acts, k_max=2),
        "effect": ct.ablate(model, data, (ct.Zero("conv1", 2),), controls=3),
        "groups": ct.feature_groups(model, model.example),
        "merge": merge_on(model, data, beta=0.4),
        "attribute": ct.attribute(model, data, data.index.ids[:2], method="grad_cam", site="conv2"),
    }


def look_at(result):
    """Everything that is asked of a result as soon as it is there."""
    assert "\n" not in repr(result)
    assert result.digest
    result.to_frame()
    html = result._repr_html_()
    assert "<b>&<" not in html


def damage(path, mutate, n, look, *, seed=0):
    """Open `n` damaged versions of a file; returns how many were refused."""
    rng = random.Random(seed)
    whole = path.read_bytes()
    refused = 0
    for _ in range(n):
        path.write_bytes(mutate(whole, rng))
        refused += mutations.refusal(look, path) is not None
    path.write_bytes(whole)
    return refused


@pytest.mark.parametrize("name", KINDS)
def test_results(results, tmp_path, name):
    path = tmp_path / "one.zip"
    results[name].save(path)
    n = N or 60
    refused = damage(
        path, mutations.in_zip, n, lambda: look_at(KINDS[name].load(path)),
        seed=sorted(KINDS).index(name),
    )  # fmt: skip
    assert refused > n // 2


def test_sessions(results, tmp_path):
    space = ct.Workspace()
    for name, result in results.items():
        space.results[name] = result
    space.effect = results["effect"]
    space.edits = (ct.Zero("conv1", 2), ct.Steer("fc1", np.arange(120.0), by=2.0))
    space.selection = ct.Selection((3, 4), of="ab")
    space.selections["odd"] = ct.Selection(("a",), of="ab")
    space.picked = ("conv1",)
    folder = tmp_path / "session"
    space.save(folder)
    manifest = folder / "workspace.json"
    content = json.loads(manifest.read_bytes())
    content["model"] = {"name": "net", "digest": "ab", "given": {"source": str(tmp_path / "no")}}
    content["data"] = {"name": "d", "digest": "cd", "given": {"source": str(tmp_path), "limit": 3}}
    content["activations"] = {"path": str(tmp_path / "acts"), "digest": "ef"}
    content["schema"] = 2  # without a digest of the whole: what is changed reaches the reader
    whole = json.dumps(content).encode()
    manifest.write_bytes(whole)

    def look():
        back = ct.open_workspace(folder)
        assert back.read_only == bool(back.missing)
        assert all("\n" not in line for line in back.missing)
        for result in back.results.values():
            look_at(result)

    look()
    assert damage(manifest, mutations.json_bytes, N or 150, look) > 30
    result = folder / content["results"]["predict"]["file"]
    n = (N or 150) // 3
    # What is changed in a result of a session is never opened, however whole it is.
    rng = random.Random(3)
    whole = result.read_bytes()
    for _ in range(n):
        result.write_bytes(mutations.in_zip(whole, rng))
        if result.read_bytes() == whole:
            continue
        if mutations.refusal(look, result) is None:  # the same content in another archive
            back = ct.open_workspace(folder)
            assert back.results["predict"].digest == results["predict"].digest


@pytest.mark.parametrize("form", ["pt", "safetensors", "legacy.pt"])
def test_weights(tmp_path, form):
    path = tmp_path / f"weights.{form}"
    state = Net().state_dict()
    mutate = mutations.in_zip
    if form == "safetensors":
        save_file(state, path)
        mutate = mutations.in_safetensors
    elif form == "pt":
        torch.save(state, path)
    else:
        torch.save(state, path, _use_new_zipfile_serialization=False)
        mutate = mutations.in_bytes
    n = N or 100
    refused = damage(path, mutate, n, lambda: ct.load_model((Net, path)))
    assert refused > n // 3
    ct.load_model((Net, path))


def test_merged_models(tmp_path):
    torch.manual_seed(0)
    net, path = Net(), tmp_path / "small.safetensors"
    merge_features(net, torch.rand(5, 6), beta=0.3).save_model(path)

    def look():
        module = open_merged(net, path)
        module(torch.rand(2, 6))

    n = N or 100
    assert damage(path, mutations.in_safetensors, n, look) > n // 3
    look()


# --- hostile texts -------------------------------------------------------------------------------

EVIL = "<img src=x onerror=alert(1)><script>a&b</script>"


def hostile(value):
    """Same value with markup in every text."""
    if isinstance(value, str):
        return EVIL + value
    if isinstance(value, (list, tuple)):
        return type(value)(map(hostile, value))
    if isinstance(value, dict):
        return {key: hostile(one) for key, one in value.items()}
    if isinstance(value, np.ndarray) and value.dtype.kind == "U":
        return np.array([EVIL + one for one in value.ravel().tolist()]).reshape(value.shape)
    if isinstance(value, pd.DataFrame):
        texts = [name for name in value if value[name].dtype.kind not in "biufc"]
        return value.assign(**{name: [hostile(one) for one in value[name]] for name in texts})
    return value


@pytest.mark.parametrize("name", KINDS)
def test_markup_in_a_file_is_drawn_as_text(results, tmp_path, name):
    result = results[name]
    origin = dataclasses.replace(
        result.origin, model=EVIL, data=EVIL, site=EVIL, function=EVIL, versions={EVIL: EVIL}
    )
    rows = ct.core.Index([f"{EVIL}{one}" for one in result.rows], EVIL)
    fields = {
        field.name: hostile(getattr(result, field.name))
        for field in dataclasses.fields(result)
        if field.name not in {"rows", "origin", "method", "rule", "status"}
    }
    dataclasses.replace(result, rows=rows, origin=origin, **fields).save(tmp_path / "evil.zip")
    evil = KINDS[name].load(tmp_path / "evil.zip")
    assert evil.digest != result.digest
    html = evil._repr_html_()
    assert "<img" not in html
    assert "<script" not in html
    assert "&lt;img" in html
    figure = evil.plot()
    assert "<img" not in figure.to_json().replace("\\u003c", "<")
    assert "&lt;img" in figure.layout.title.text


def test_options_of_a_figure_find_what_they_name(results):
    screen = results["screen"]
    named = screen.filters.assign(site="<b>&")
    evil = dataclasses.replace(screen, filters=named)
    figure = evil.plot(site="<b>&", unit=1)
    assert figure.layout.xaxis.title.text == "PC 1 of &lt;b>&amp;, filter 1"


def test_an_origin_that_was_changed_in_a_session_is_refused(results, tmp_path):
    space = ct.Workspace()
    space.results["effect"] = results["effect"]
    space.save(tmp_path / "s")
    path = tmp_path / "s" / "result-0.zip"
    with zipfile.ZipFile(path) as archive:
        members = [(one.filename, archive.read(one)) for one in archive.infolist()]
    for key, value in {
        "model": "other", "parameters": {}, "seconds": 3.5, "versions": {"numpy": "1"},
        "given": {"model": {"source": "x.pt", "trust": True}},
    }.items():  # fmt: skip
        header = json.loads(members[0][1])
        header["origin"][key] = value
        header["format"] = "cutaway-result"  # the first form, without a digest of the file
        path.write_bytes(
            mutations.zipped([("header.json", json.dumps(header).encode()), *members[1:]])
        )
        message = mutations.refusal(lambda: ct.open_workspace(tmp_path / "s"), path)
        assert message is not None, key
        assert "effect" in message
    path.write_bytes(mutations.zipped(members))
    assert ct.open_workspace(tmp_path / "s").results["effect"].digest == results["effect"].digest


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
@pytest.mark.parametrize("slot", ["model", "data"])
@pytest.mark.parametrize("what", ["pipe", "device", "url", "trust", "null", "list", "huge"])
def test_a_session_that_names_something_odd_opens_read_only(tmp_path, slot, what):
    space = ct.Workspace()
    space.save(tmp_path / "s")
    place = tmp_path / "odd.csv"
    given = {"source": str(place)}
    if what == "pipe":
        os.mkfifo(place)
    elif what == "trust":
        torch.save(Net(), place.with_suffix(".pt"))
        given = {"source": str(place.with_suffix(".pt")), "trust": True}
    else:
        sources = {"device": "/dev/zero", "url": "https://example.org/net", "null": "a\0b",
                   "list": ["a"], "huge": "x" * 100_000}  # fmt: skip
        given = {"source": sources[what]}
    manifest = tmp_path / "s" / "workspace.json"
    content = json.loads(manifest.read_text())
    content[slot] = {"name": "n", "digest": "ab", "given": given}
    content["schema"] = 2  # which has no digest of the whole
    manifest.write_text(json.dumps(content))
    back = ct.open_workspace(tmp_path / "s")
    assert back.read_only
    assert len(back.missing) == 1
    assert slot in back.missing[0]
    assert "\n" not in back.missing[0]

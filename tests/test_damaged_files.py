"""Damaged files of every format: opened whole, or refused in one line with the file's name."""

import json
import os
import random

import mutations
import numpy as np
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

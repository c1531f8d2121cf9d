"""Merged modules in files, counts to reach, what a merge says of itself, and its lens."""

import json

import numpy as np
import pytest
import torch
from merging_nets import LenetBn, Mlp, oracle
from safetensors.torch import save_file
from torch import nn

import cutaway as ct
from cutaway.core import Index
from cutaway.data import load_data
from cutaway.merging import Merge, merge_features, merge_on, open_merged
from cutaway.model import load_model
from cutaway.model.macs import macs
from cutaway.model.sites import sites


@pytest.mark.parametrize("rule", ["official", "official_var", "exact"])
@pytest.mark.parametrize("name", ["lenet_bn", "resnet_stage"])
def test_a_merged_module_opens_again(tmp_path, name, rule):
    net, x, _ = oracle(name)
    found = merge_features(net, x, beta=0.3, rule=rule)
    found.save_model(tmp_path / "small.safetensors")
    again = open_merged(type(net)().double(), tmp_path / "small.safetensors")
    assert type(again) is type(net)
    assert torch.equal(again(x), found.model(x))
    shapes = {k: v.shape for k, v in again.state_dict().items()}
    assert shapes == {k: v.shape for k, v in found.model.state_dict().items()}
    assert [str(one) for one in again.children()] == [str(one) for one in found.model.children()]


def test_files_that_are_no_merged_module_of_this_architecture(tmp_path):
    net, x, _ = oracle("mlp")
    merge_features(net, x, beta=0.3).save_model(tmp_path / "small.safetensors")
    message = (
        r"model must be of the architecture that was merged \(merging_nets.Mlp\), got "
        r"merging_nets.LenetBn with 'fc1.weight' of shape \[20, 144\] instead of \[32, 12\]; give"
    )
    with pytest.raises(ValueError, match=message):
        open_merged(LenetBn(), tmp_path / "small.safetensors")
    save_file({"a": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="path must be a merged model, got other tensors in"):
        open_merged(Mlp(), tmp_path / "other.safetensors")
    (tmp_path / "text").write_text("no tensors")
    with pytest.raises(ValueError, match="path must be a merged model, got .*text .*; write one"):
        open_merged(Mlp(), tmp_path / "text")


def test_a_loaded_result_has_no_module_to_save(tmp_path):
    net, x, _ = oracle("mlp")
    merge_features(net, x, beta=0.3).save(tmp_path / "merge.zip")
    with pytest.raises(RuntimeError, match="model must be in memory, got a Merge loaded from"):
        Merge.load(tmp_path / "merge.zip").save_model(tmp_path / "small.safetensors")


def test_counts_are_reached_exactly_and_others_stay():
    net, x, _ = oracle("lenet_bn")
    found = merge_features(net, x, left={"conv2": 5, "fc1": 20})
    assert found.features_left == {"conv1": 10, "conv2": 5, "fc1": 20}
    assert np.isnan(found.beta)
    assert repr(found).startswith("Merge(official_var, to given counts: 46 → 35 features")
    assert set(found.tree["group"]) == {"conv2"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"left": {"conv3": 5}}, "left must be one of 'conv1', 'conv2', 'fc1', got 'conv3'"),
        ({"left": {"conv1": 0}}, r"left\['conv1'\] must be .*, got 0"),
        ({"left": {"conv1": 11}}, r"left\['conv1'\] must be at most its 10 features, got 11; "),
        ({"left": {}, "beta": 0.1}, "left must be given without beta and target, got 0.1, None"),
        ({"beta": 0.1, "order": "random"}, "order must be one of 'round_robin', 'layerwise', got"),
    ],
)
def test_bad_counts_and_orders_are_one_line(options, message):
    net, x, _ = oracle("lenet_bn")
    with pytest.raises(ValueError, match=message) as caught:
        merge_features(net, x, **options)
    assert "\n" not in str(caught.value)


def test_macs_are_those_of_the_smaller_module():
    net, x, _ = oracle("resnet_stage")
    found = merge_features(net, x, beta=0.4)
    for module, count in ((net, found.macs), (found.model, found.kept_macs)):
        opened = load_model(module)
        assert count == macs(opened, sites(opened, example=x[:1]))[""]
    assert found.kept_macs < found.macs


def test_why_names_the_groups_that_did_not_merge_and_the_swallowed_ones():
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Linear(40, 30), nn.ReLU(), nn.Linear(30, 1), nn.ReLU(), nn.Linear(1, 9), nn.ReLU(),
        nn.Linear(9, 2),
    )  # fmt: skip
    with torch.no_grad():
        net[4].weight[:6], net[4].bias[:6], net[6].weight[:, :6] = 1.0, 1.0, 1.0
    found = merge_features(net, torch.rand(2, 40), beta=0.05)
    why = found.why()
    ratio = found.closest[0] / found.farthest[0]
    assert why["0"].startswith(f"nothing merged: the closest pair is at {ratio:.3g} of the")
    assert why["2"] == "a group of one has nothing to merge"
    assert why["4"].startswith("one feature holds 6 of 9 units")
    assert found.biggest.tolist() == [1, 1, 6]
    assert found.to_frame()["biggest"].tolist() == [1, 1, 6]
    assert "nothing merges in 1 of 3 groups" in repr(found)


def test_the_lens_gives_what_the_function_gives():
    model, data = load_model("lenet5-digits"), load_data("digits", split="test", limit=12)
    ids = data.index.ids[[5, 2, 7]]
    found = merge_on(model, data, ids, beta=0.1, rule="official")
    x = data.batch(data.index.positions(ids)).inputs
    plain = merge_features(model, x, beta=0.1, rule="official")
    assert found.values_digest == plain.values_digest
    assert isinstance(found.rows, Index)
    assert found.origin.function == "merge_on"
    assert found.origin.rows == data.index.take(data.index.positions(ids)).digest
    assert json.loads(json.dumps(found.origin.parameters))["ids"] == ids.tolist()
    assert "ct.merge_on(" in ct.code_of(found)
    assert found.model.fc1.in_features == plain.model.fc1.in_features


def test_tied_embeddings_are_refused_by_name():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.mid = nn.Embedding(7, 6), nn.Linear(6, 5)
            self.out, self.head = nn.Linear(5, 6), nn.Linear(6, 7, bias=False)
            self.head.weight = self.embed.weight

        def forward(self, x):
            return self.head(self.out(torch.relu(self.mid(self.embed(x)))))

    found = merge_features(Tied(), torch.tensor([[1, 2]]), beta=1.0)
    assert list(found.features_left) == ["mid"]
    assert "shared" in {one["name"]: one["reason"] for one in found.refused}["out"]

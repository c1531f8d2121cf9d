"""Groups of trained networks, and copies planted into them; where their packages are installed."""

import importlib.util

import pytest
import torch
from kinds import plant

from cutaway.merging import feature_groups, merge_features
from cutaway.model import load_model
from cutaway_samples.pretrained import sources


def installed(name):
    return all(importlib.util.find_spec(one) for one in sources.SOURCES[name].modules)


def needs(name):
    return pytest.mark.skipif(not installed(name), reason=f"the packages of {name} are missing")


@pytest.mark.slow
@needs("efficientnet-lite0")
def test_every_convolution_of_efficientnet_is_in_a_group_and_copies_merge():
    net = load_model("efficientnet-lite0").module
    x = torch.rand(2, 3, 64, 64, generator=torch.manual_seed(0))
    found = feature_groups(net, x)
    convolutions = {k for k, one in net.named_modules() if isinstance(one, torch.nn.Conv2d)}
    made = {one["path"] for group in found.groups for one in group["producers"]}
    assert made == convolutions
    assert {one["name"] for one in found.refused} == {"x", "net._fc"}
    inner = [one for one in found.groups if one["name"].endswith("_expand_conv")]
    assert len(inner) == 15
    for one in inner:
        block = one["name"].removesuffix("_expand_conv")
        assert [each["path"] for each in one["producers"]] == [
            f"{block}_expand_conv", f"{block}_depthwise_conv",
        ]  # fmt: skip
        assert one["consumers"] == [{"path": f"{block}_project_conv", "block": 1, "start": 0}]
        assert one["rules"] == ["exact", "ward"]
    net = plant(net.double().eval(), found.groups, 3)
    merged = merge_features(net, x, beta=0.0, rule="exact")
    wanted = {one["name"]: one["size"] - 2 for one in found.groups}
    # Some networks hold features that are copies of each other already: dead ones.
    assert all(merged.features_left[name] <= left for name, left in wanted.items())
    assert sum(merged.features_left.values()) > 0.5 * sum(wanted.values())
    assert merged.output_change <= 1e-12 * max(merged.output_size, 1.0)


@pytest.mark.slow
@needs("smollm2-135m")
def test_mlps_of_smollm2_are_grouped_and_copies_merge():
    model = load_model("smollm2-135m")
    ids = torch.arange(100, 116)[None]
    found = feature_groups(model, ids)
    assert [(one["name"], one["size"]) for one in found.groups] == [
        (f"model.layers.{layer}.mlp.gate_proj", 1536) for layer in range(30)
    ]
    reasons = {one["name"]: one["reason"] for one in found.refused}
    assert reasons["lm_head.weight"] == "lm_head.weight is shared with another module"
    merged = merge_features(plant(model.module, found.groups, 2), ids, beta=0.0, rule="exact")
    assert set(merged.features_left.values()) == {1535}
    assert merged.output_change <= 1e-4 * merged.output_size  # its norms compute in float32

"""Groups: what belongs together, what is refused and why, and that every group permutes."""

import re

import numpy as np
import pytest
import torch
from kinds import Net, conv
from merging_nets import ORACLE_GROUPS, ORACLE_NETS, oracle
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm

from cutaway.merging import FeatureGroups, feature_groups
from cutaway.merging.flow import Consumer, Group, Producer
from cutaway.merging.proof import permuted
from cutaway.model import UnsupportedModel, load_model
from cutaway.model.model import as_model

IMAGES = torch.rand(2, 3, 6, 6)
ROWS = torch.rand(4, 6)


def plain(**middle):
    """conv1, something, conv2, pooled to scores."""

    def forward(net, x):
        x = net.conv1(x)
        for name in middle:
            x = getattr(net, name)(x)
        return net.conv2(x).mean((2, 3))

    return Net(forward, conv1=conv(3, 8), conv2=conv(8, 4), **middle)


def reasons(net, example):
    return {one["name"]: one["reason"] for one in feature_groups(net, example).refused}


def as_group(one):
    return Group(
        one["name"], one["size"],
        tuple(Producer(each["path"], each["norm"]) for each in one["producers"]),
        tuple(Consumer(each["path"], each["block"]) for each in one["consumers"]), (),
    )  # fmt: skip


@pytest.mark.parametrize("name", ORACLE_NETS)
def test_groups_of_the_oracle(name):
    net, inputs, expected = oracle(name)
    found = feature_groups(net, inputs)
    for ours in found.groups:
        theirs = expected["groups"][ORACLE_GROUPS[name][ours["name"]]]
        assert ours["size"] == theirs["n"]
        assert [[one["path"], one["norm"]] for one in ours["producers"]] == theirs["producers"]
        assert [[one["path"], one["block"]] for one in ours["consumers"]] == theirs["consumers"]
    assert len(found.groups) == len(expected["groups"])
    assert [one["reason"] for one in found.refused] == [
        "it is the model's input", "it is the model's output",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "side", "n_groups", "size"),
    [("lenet5-digits", 28, 4, 226), ("vgg-digits", 32, 8, 560), ("resnet-digits", 32, 9, 336)],
)
def test_every_group_of_a_sample_model_permutes(name, side, n_groups, size):
    model = load_model(name)
    before = model.digest
    found = feature_groups(model, torch.rand(2, 1, side, side))
    assert model.digest == before
    assert (len(found.groups), int(found.size.sum())) == (n_groups, size)
    module = model.module.double().eval()
    x = torch.rand(2, 1, side, side, dtype=torch.float64)
    with torch.no_grad():
        wanted = module(x)
        for one in found.groups:
            group = as_group(one)
            torch.testing.assert_close(
                permuted(module, group, seed=1)(x), wanted, rtol=1e-10, atol=1e-10
            )
            half = Group(group.name, group.size, group.producers, (), ())
            assert (permuted(module, half, seed=1)(x) - wanted).abs().max() > 1e-3


def test_residual_stream_of_the_resnet_is_one_group():
    found = feature_groups(load_model("resnet-digits"), torch.rand(2, 1, 32, 32))
    stream = found.groups[0]
    assert [one["path"] for one in stream["producers"]] == [
        "conv1",
        "layer1.0.conv2",
        "layer1.1.conv2",
    ]
    assert [one["path"] for one in stream["consumers"]] == [
        "layer1.0.conv1", "layer1.1.conv1", "layer2.0.downsample.0", "layer2.0.conv1",
    ]  # fmt: skip


def test_activations_that_are_not_homogeneous_are_named():
    found = feature_groups(load_model("lenet5-digits"), torch.rand(2, 1, 28, 28))
    assert found.groups[0]["curved"] == ["tanh1 (Tanh)"]
    assert feature_groups(plain(act=nn.ReLU()), IMAGES).groups[0]["curved"] == []


@pytest.mark.parametrize(
    ("net", "group", "reason"),
    [
        (plain(mid=nn.LayerNorm((8, 6, 6))), "conv1", "layer norm 'mid' goes over more than one"),
        (plain(mid=nn.LayerNorm(6)), "conv1", "layer norm 'mid' does not have the features on its"),
        (plain(mid=nn.GroupNorm(2, 8)), "conv1", "'mid' .GroupNorm., which may mix features"),
        (plain(mid=nn.Softmax(1)), "conv1", "'mid' .Softmax., which may mix features"),
        (plain(mid=nn.PReLU(8)), "conv1", "'mid' .PReLU., which may mix features"),
        (plain(bn=nn.BatchNorm2d(8, track_running_stats=False)), "conv1", "no running statistics"),
        (plain(mid=weight_norm(conv(8, 8))), "conv1", "mid.weight is computed from other tensors"),
    ],
)  # fmt: skip
def test_refused_between_two_convolutions(net, group, reason):
    found = feature_groups(net, IMAGES)
    assert group not in [one["name"] for one in found.groups]
    assert len([one for one in found.refused if one["name"] == group]) == 1
    assert re.search(reason, reasons(net, IMAGES)[group])


def twice(net, x):
    return net.c(torch.relu(net.b(torch.relu(net.b(torch.relu(net.a(x)))))))


def test_a_module_used_twice_is_refused():
    net = Net(twice, a=nn.Linear(6, 6), b=nn.Linear(6, 6), c=nn.Linear(6, 2))
    assert reasons(net, ROWS)["a"] == "module 'b' is used 2 times"
    assert reasons(net, ROWS)["b"] == "module 'b' is used 2 times"


def test_shared_weights_are_refused():
    net = Net(
        lambda net, x: net.c(net.b(net.a(x))),
        a=nn.Linear(6, 6),
        b=nn.Linear(6, 6),
        c=nn.Linear(6, 2),
    )
    net.b.weight = net.a.weight
    assert reasons(net, ROWS)["a"] == "a.weight is shared with another module"


def test_a_weight_read_outside_its_module_is_refused():
    net = Net(
        lambda net, x: net.b(net.a(x)) + net.a.weight.sum(), a=nn.Linear(6, 5), b=nn.Linear(5, 2)
    )
    assert reasons(net, ROWS)["a"] == "a.weight is also read outside its module"


def by_shape(net, x):
    x = net.conv1(x)
    return net.fc(x.reshape(x.shape[0], -1))


def by_size(net, x):
    x = net.conv1(x)
    return net.fc(x.view(x.size(0), -1))


@pytest.mark.parametrize(
    ("forward", "grouped"),
    [
        (lambda net, x: net.fc(net.conv1(x).flatten(1)), True),
        (lambda net, x: net.fc(torch.flatten(net.conv1(x), 1)), True),
        (lambda net, x: net.fc(net.conv1(x).view(x.size(0), -1)), True),
        (lambda net, x: net.fc(net.conv1(x).reshape((x.shape[0], -1))), True),
        (lambda net, x: net.fc(F.relu(net.conv1(x) * 0.5).flatten(1)), True),
        (by_shape, True),
        (by_size, True),
        (lambda net, x: net.fc(net.conv1(x).flatten(2).flatten(1)), False),
        (lambda net, x: net.fc(net.conv1(x).view(-1, 288)), False),
        (lambda net, x: net.fc(net.conv1(x).view(x.size(0), 288)), False),
        (lambda net, x: net.fc(net.conv1(x).permute(0, 2, 3, 1).flatten(1)), False),
    ],
)
def test_flatten_makes_blocks_and_a_reshape_to_a_fixed_length_is_refused(forward, grouped):
    found = feature_groups(Net(forward, conv1=conv(3, 8), fc=nn.Linear(288, 2)), IMAGES)
    consumer = {"path": "fc", "block": 36, "start": 0}
    assert [one["consumers"] for one in found.groups] == [[consumer]] * grouped


def test_addition_that_broadcasts_is_refused():
    def forward(net, x):
        return net.c(net.a(x) + net.b(x).mean((2, 3), keepdim=True)).mean((2, 3))

    net = Net(forward, a=conv(3, 4), b=conv(3, 4), c=conv(4, 2))
    assert "does not join two known streams" in reasons(net, IMAGES)["a"]
    assert "does not join two known streams" in reasons(net, IMAGES)["b"]


def test_three_streams_added_in_a_row_are_one_group_and_functions_are_named():
    def forward(net, x):
        return net.d(torch.tanh(net.a(x) + (net.b(x) + net.c(x))))

    layers = {name: nn.Linear(6, 5) for name in "abc"}
    found = feature_groups(Net(forward, **layers, d=nn.Linear(5, 2)), ROWS)
    (group,) = found.groups
    assert sorted(one["path"] for one in group["producers"]) == ["a", "b", "c"]
    assert group["curved"] == ["tanh (tanh)"]


def test_a_layer_that_reads_another_axis_is_refused():
    net = Net(lambda net, x: net.fc(net.conv1(x)), conv1=conv(3, 8), fc=nn.Linear(6, 2))
    assert reasons(net, IMAGES)["conv1"] == "layer 'fc' reads another axis than the features'"


def test_a_computed_weight_is_refused():
    net = Net(lambda net, x: net.b(net.a(x)), a=nn.Linear(6, 5), b=nn.Linear(5, 2))
    with pytest.warns(FutureWarning, match="weight_norm"):
        torch.nn.utils.weight_norm(net.a)
    with torch.no_grad():
        net(ROWS)
    assert reasons(net, ROWS)["a"].startswith("a.weight is computed from other tensors")


class Padded(nn.Conv2d):
    """Pads by itself, as the convolutions of EfficientNet do; still linear in its weights."""

    def forward(self, x):
        return F.conv2d(F.pad(x, (0, 2, 0, 2)), self.weight, self.bias)


class Standardized(nn.Conv2d):
    """Weights of mean 0 and deviation 1 in each row: no sum over the weights as stored."""

    def forward(self, x):
        rows = self.weight.flatten(1)
        rows = (rows - rows.mean(1, keepdim=True)) / rows.std(1, keepdim=True)
        return F.conv2d(x, rows.reshape(self.weight.shape), self.bias, padding=1)


def test_a_subclass_is_grouped_if_it_is_linear_in_its_weights():
    net = plain(mid=Padded(8, 8, 3), act=nn.ReLU())
    assert [one["name"] for one in feature_groups(net, IMAGES).groups] == ["conv1", "mid"]
    net = plain(mid=Standardized(8, 8, 3))
    reason = "layer 'mid' (Standardized) is not linear in its weights"
    assert reasons(net, IMAGES)["conv1"] == reason
    assert reasons(net, IMAGES)["mid"] == reason


def test_weights_that_no_layer_of_the_walk_holds_are_listed():
    def forward(net, x):
        return net.c(F.linear(net.a(x), net.own) + net.b(x.long().clamp(0, 1)).sum(1))

    layers = {"a": nn.Linear(6, 5), "b": nn.Embedding(2, 4), "c": nn.Linear(4, 2)}
    net = Net(forward, **layers, own=nn.Parameter(torch.ones(4, 5)))
    found = reasons(net, ROWS)
    wanted = "it is used otherwise than as a torch.nn convolution or linear layer"
    assert (found["own"], found["b.weight"]) == (wanted, wanted)
    assert found["a"] == "it enters operation 'linear' (linear), which may mix features"


def test_a_batch_norm_of_the_input_is_left_alone():
    net = nn.Sequential(nn.BatchNorm1d(6), nn.Linear(6, 5), nn.BatchNorm1d(5), nn.Linear(5, 2))
    found = feature_groups(net, ROWS)
    producer = {"path": "1", "norm": "2", "start": 0}
    assert [one["producers"] for one in found.groups] == [[producer]]


def test_linear_layers_on_the_last_axis_of_sequences():
    net = nn.Sequential(nn.Linear(6, 9), nn.GELU(), nn.Linear(9, 3))
    found = feature_groups(net, torch.rand(2, 5, 6))
    assert [(one["name"], one["size"]) for one in found.groups] == [("0", 9)]


def test_what_the_trace_does_not_see_is_found_by_the_permutation():
    net = plain(act=nn.ReLU())
    ramp = torch.arange(1.0, 9.0).reshape(8, 1, 1)
    net.act.register_forward_hook(lambda module, arguments, output: output * ramp)
    found = feature_groups(net, IMAGES)
    assert found.groups == []
    assert "permuting its features changes the output" in found.refused[-1]["reason"]
    assert len(net.act._forward_hooks) == 1


def test_a_layer_that_nothing_reads_is_listed():
    net = Net(lambda net, x: (net.a(x), net.b(x))[1], a=nn.Linear(6, 3), b=nn.Linear(6, 2))
    assert reasons(net, ROWS)["a"] == "no layer with weights reads it"


def test_the_model_is_not_touched():
    net = plain(bn=nn.BatchNorm2d(8), act=nn.ReLU(inplace=True)).train()
    net.bn.eval()
    net.conv1.weight.requires_grad_(False)
    before, random = as_model(net).digest, torch.get_rng_state()
    x = IMAGES.clone()
    feature_groups(net, x)
    assert as_model(net).digest == before
    assert torch.equal(torch.get_rng_state(), random)
    assert (net.training, net.bn.training) == (True, False)
    assert torch.equal(x, IMAGES)


def test_result_saves_and_loads(tmp_path):
    found = feature_groups(load_model("resnet-digits"), torch.rand(2, 1, 32, 32))
    found.save(tmp_path / "groups.zip")
    again = FeatureGroups.load(tmp_path / "groups.zip")
    assert again.digest == found.digest
    assert list(found.to_frame().loc["conv1"]) == [16, 3, 4, 1]
    assert repr(found) == "FeatureGroups(9 groups, 336 features; 2 refused)"
    assert feature_groups(nn.Linear(6, 2), ROWS).to_frame().empty


def branching(net, x):
    return net.a(x) if x.sum() > 0 else net.b(x)


@pytest.mark.parametrize(
    ("net", "example", "error", "message"),
    [
        (Net(branching, a=nn.Linear(6, 2), b=nn.Linear(6, 2)), ROWS, UnsupportedModel,
         "must be traceable by torch.fx, got TraceError: .*; take"),
        (nn.Bilinear(6, 6, 2), ROWS, UnsupportedModel, "must take one tensor, got 2 inputs; wrap"),
        (nn.LazyLinear(3), ROWS, UnsupportedModel, "must have all its weights, got lazy parameter"),
        (nn.Linear(5, 2), ROWS, RuntimeError, r"must run on the batch, got float64 \(4, 6\)"),
        (nn.Linear(6, 2), np.zeros((2, 6)), TypeError, "example must be a tensor, got ndarray; "),
        (nn.Linear(6, 2), ROWS[:0], ValueError, r"at least one sample, got shape \(0, 6\); give"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line(net, example, error, message):
    with pytest.raises(error, match=message) as caught:
        feature_groups(net, example)
    assert "\n" not in str(caught.value)


def test_a_model_that_cannot_be_copied():
    with pytest.warns(FutureWarning, match="weight_norm"):
        net = torch.nn.utils.weight_norm(nn.Linear(6, 2))
    net(ROWS)
    with pytest.raises(
        UnsupportedModel, match=r"must allow a deep copy, got RuntimeError: .*; rem"
    ):
        feature_groups(net, ROWS)

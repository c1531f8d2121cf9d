"""Every kind of group: what belongs to it, and that exact copies in it merge without a change."""

import copy

import pytest
import torch
from kinds import IMAGES, KINDS, SEQUENCES, Net, conv, made, plant
from torch import nn
from torch.nn import functional as F

from cutaway.merging import feature_groups, merge_features
from cutaway.merging.groups import float64_copy, proved_groups
from cutaway.merging.proof import permuted
from cutaway.model.model import as_model


def outputs(net, x):
    with torch.no_grad():
        return net.eval()(x)


@pytest.mark.parametrize("kind", KINDS)
def test_groups_and_their_sizes(kind):
    net, x = made(kind)
    state = {k: v.clone() for k, v in net.state_dict().items()}
    found = feature_groups(net, x)
    assert {one["name"]: one["size"] for one in found.groups} == KINDS[kind][2]
    assert list(state) == list(net.state_dict())
    assert all(torch.equal(v, state[k]) for k, v in net.state_dict().items())


@pytest.mark.parametrize("kind", KINDS)
def test_cut_nets_do_the_same_and_every_group_permutes(kind):
    net, x = made(kind)
    model = as_model(net)
    cut = float64_copy(model)
    groups, _ = proved_groups(model, cut, x)
    wanted = outputs(net, x)
    torch.testing.assert_close(outputs(cut, x), wanted, rtol=1e-12, atol=1e-12)
    for group in groups:
        close = {"rtol": 1e-11, "atol": 1e-11}
        torch.testing.assert_close(outputs(permuted(cut, group, seed=2), x), wanted, **close)
        for part in ("producers", "consumers"):
            half = copy.copy(group)
            object.__setattr__(half, part, ())
            gap = (outputs(permuted(cut, half, seed=2), x) - wanted).abs().max()
            assert gap > 1e-6, (group.name, part)


@pytest.mark.parametrize("kind", KINDS)
def test_planted_copies_merge_without_a_change(kind):
    net, x = made(kind)
    net = plant(net, feature_groups(net, x).groups, 3)
    found = merge_features(net, x, beta=0.0, rule="exact")
    assert found.features_left == {name: size - 2 for name, size in KINDS[kind][2].items()}
    assert all(one[-1] == [0, 1, 2] for one in found.clusters.values())
    gap = float((outputs(found.model, x) - outputs(net, x)).abs().max())
    assert max(gap, found.output_change) <= 1e-12 < found.output_size
    kinds = [type(one) for one in net.modules()]
    now = [type(one) for one in found.model.modules()]
    folded = (nn.BatchNorm2d, nn.Identity)
    assert all(one is two or (one, two) == folded for one, two in zip(kinds, now, strict=True))
    numbers = sum(one.numel() for one in found.model.parameters())
    assert numbers == found.kept_parameters < sum(one.numel() for one in net.parameters())


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_merges_without_copies_and_widths_agree_when_much_does(kind):
    net, x = made(kind)
    none = merge_features(net, x, beta=0.0, rule="exact")
    torch.testing.assert_close(outputs(none.model, x), outputs(net, x), rtol=1e-12, atol=1e-12)
    much = merge_features(net, x, beta=0.9, rule="exact")
    assert sum(much.features_left.values()) < sum(KINDS[kind][2].values())
    assert outputs(much.model, x).shape == outputs(net, x).shape
    for one in much.model.modules():
        if isinstance(one, nn.Conv2d):
            assert one.weight.shape[0] == one.out_channels
            assert one.weight.shape[1] * one.groups == one.in_channels
        elif isinstance(one, nn.Linear):
            assert tuple(one.weight.shape) == (one.out_features, one.in_features)


@pytest.mark.parametrize("kind", ["concatenated", "dense", "grouped", "preactivated"])
def test_cut_layers_come_back_in_single_precision_with_their_flags(kind):
    net, x = made(kind)
    net = plant(net, feature_groups(net, x).groups, 2).float().train()
    frozen = next(one for one in net.modules() if isinstance(one, nn.Conv2d))
    frozen.weight.requires_grad_(False)
    path = next(name for name, one in net.named_modules() if one is frozen)
    found = merge_features(net, x, beta=0.0, rule="exact").model
    assert found.training
    assert not found.get_submodule(path).weight.requires_grad
    assert {one.dtype for one in found.parameters()} == {torch.float32}
    assert list(net.state_dict())
    close = {"rtol": 1e-4, "atol": 1e-5}
    torch.testing.assert_close(outputs(found, x.float()), outputs(net, x.float()), **close)


def test_a_feature_of_a_depthwise_convolution_owns_its_kernel():
    net, x = made("depthwise")
    group = feature_groups(net, x).groups[0]
    assert group["producers"] == [
        {"path": "expand", "norm": "bn1", "start": 0},
        {"path": "own", "norm": "bn2", "start": 0},
    ]
    assert group["consumers"] == [{"path": "project", "block": 1, "start": 0}]
    assert "own (depthwise convolution)" in group["curved"]
    net = plant(net, [group], 2)
    with torch.no_grad():
        net.own.weight[1] += 1  # now the two differ in their kernels alone
    assert merge_features(net, x, beta=0.0, rule="exact").features_left["expand"] == 8


def test_blocks_of_a_concatenation_start_where_their_stream_does():
    net, x = made("concatenated")
    groups = {one["name"]: one for one in feature_groups(net, x).groups}
    assert groups["a"]["consumers"] == [
        {"path": "c", "block": 1, "start": 0},
        {"path": "skip", "block": 36, "start": 0},
    ]
    assert groups["b"]["consumers"] == [
        {"path": "c", "block": 1, "start": 8},
        {"path": "skip", "block": 36, "start": 8 * 36},
    ]
    assert groups["c"]["producers"] == [{"path": "c", "norm": "bn", "start": 0}]


def test_one_stream_twice_in_a_concatenation():
    net = Net(
        lambda net, x: net.b(torch.cat([net.a(x), torch.tanh(net.a2(x))] * 2, -1)),
        a=nn.Linear(6, 4), a2=nn.Linear(6, 3), b=nn.Linear(14, 2),
    ).double()  # fmt: skip
    groups = feature_groups(net, SEQUENCES).groups
    assert [one["start"] for one in groups[0]["consumers"]] == [0, 7]
    assert [one["start"] for one in groups[1]["consumers"]] == [4, 11]
    net = plant(net, groups, 2)
    found = merge_features(net, SEQUENCES, beta=0.0, rule="exact")
    assert found.features_left == {"a": 3, "a2": 2}
    assert found.output_change <= 1e-14
    assert found.model.b.in_features == 10


def test_a_batch_norm_in_front_of_a_layer_belongs_to_all_streams_that_it_sees():
    net, x = made("dense")
    groups = {one["name"]: one for one in feature_groups(net, x).groups}
    norms = [one for one in groups["layer1.conv2"]["producers"] if "norm" in one["path"]]
    assert norms == [
        {"path": "layer2.norm1", "norm": None, "start": 6},
        {"path": "norm5", "norm": None, "start": 6},
    ]
    assert groups["layer1.conv2"]["rules"] == ["exact", "ward"]


def test_a_feature_of_a_grouped_convolution_is_one_channel_of_each_of_its_groups():
    net, x = made("grouped")
    first, second, third = feature_groups(net, x).groups
    assert (first["size"], first["channels"]) == (4, 3)
    assert [one["start"] for one in first["producers"]] == [0, 4, 8]
    assert first["consumers"] == [{"path": "conv2", "block": 1, "start": 0}]
    assert [one["start"] for one in second["consumers"]] == [0, 5, 10]
    assert third["channels"] == 1
    found = merge_features(plant(net, [first, second], 2), x, beta=0.0, rule="exact").model
    assert (found.conv2.groups, found.conv2.in_channels, found.conv2.out_channels) == (3, 9, 12)


def normed(norm, act):
    def forward(net, x):
        return net.c(net.act(net.norm(net.a(x))))

    return Net(forward, a=nn.Linear(6, 8), norm=norm, act=act, c=nn.Linear(8, 3)).double()


@pytest.mark.parametrize("norm", [nn.LayerNorm(8), nn.RMSNorm(8), nn.LayerNorm(8, bias=False)])
def test_features_under_a_layer_norm_change_places_and_do_not_merge(norm):
    net = normed(norm, nn.GELU())
    (group,) = feature_groups(net, SEQUENCES).groups
    assert group["rules"] == []
    reason = "layer norm 'norm' averages over its features, so that merging two changes the rest"
    assert group["still"] == reason
    assert [one["path"] for one in group["producers"]] == ["a", "norm"]
    net.more, net.way = (
        nn.Linear(3, 7).double(),
        lambda n, x: n.last(torch.relu(n.more(n.c(n.norm(n.a(x)))))),
    )
    net.last = nn.Linear(7, 2).double()
    net = plant(net, feature_groups(net, SEQUENCES).groups, 2)
    found = merge_features(net, SEQUENCES, beta=0.0, rule="exact")
    assert found.features_left == {"c": 2, "more": 6}
    assert {"name": "a", "size": 8, "reason": reason} in found.refused
    assert found.output_change <= 1e-14


def test_rules_that_leave_exact_copies_exact():
    net, x = made("plain MLP")
    assert feature_groups(net, x).groups[0]["rules"] == ["exact", "ward"]
    net[1] = nn.ReLU()
    linear = ["official_bnfold", "exact_scale"]
    assert feature_groups(net, x).groups[0]["rules"] == ["exact", "ward", *linear, "official"]
    net = nn.Sequential(conv(3, 8), nn.BatchNorm2d(8), nn.ReLU(), conv(8, 2), nn.Flatten())
    rules = feature_groups(net, IMAGES).groups[0]["rules"]
    assert rules == ["exact", "ward", *linear, "official_var"]


@pytest.mark.parametrize(
    ("kind", "what"),
    [("gated MLP", r"mul \(product\)|silu"), ("depthwise", "relu6"), ("plain MLP", "GELU")],
)
def test_the_gauge_is_refused_where_a_feature_is_not_linear_in_its_rows(kind, what):
    net, x = made(kind)
    with pytest.raises(ValueError, match=f'rule must not be "exact_scale" .* got .*({what})'):
        merge_features(net, x, beta=0.1, rule="exact_scale")


def test_a_product_alone_refuses_the_gauge():
    net, x = made("gated MLP")
    net.way = lambda net, x: net.down(net.gate(x) * net.up(x))
    with pytest.raises(ValueError, match=r"got mul \(product\) behind 'gate'"):
        merge_features(net, x, beta=0.1, rule="exact_scale")


def refused(net, x):
    return {one["name"]: one for one in feature_groups(net, x).refused}


@pytest.mark.parametrize(
    ("forward", "layers", "name", "reason"),
    [
        (lambda n, x: n.c(torch.cat([n.a(x), n.b(x)], 2)).mean((2, 3)), (3, 8, 8), "a",
         "concatenation 'cat' is not along the features"),
        (lambda n, x: n.g(torch.cat([n.a(x), n.b(x)], 1)).mean((2, 3)), (3, 3, 3), "a",
         r"layer 'g' is a grouped \(2\) convolution of a concatenation"),
        (lambda n, x: n.w(n.a(x)).mean((2, 3)), (3, 6, 6), "a",
         "layer 'w' is a depthwise convolution with several outputs a channel"),
        (lambda n, x: n.c(n.h(n.g(n.a(x)))).mean((2, 3)), (3, 6, 6), "g",
         "grouped convolutions of 2 and 3 groups share its features"),
    ],
)  # fmt: skip
def test_what_is_refused_and_why(forward, layers, name, reason):
    n_in, wide, other = layers
    net = Net(
        forward, a=conv(n_in, wide), b=conv(n_in, other), c=conv(6 if wide == 6 else 8, 4),
        g=conv(6, 6, groups=2), h=conv(6, 6, groups=3), w=conv(6, 12, groups=6),
    )  # fmt: skip
    assert (found := refused(net, IMAGES)[name])["reason"] == reason.replace("\\", "")
    assert found["size"] == 3 * (wide == 3) + 6 * (wide == 6) + 8 * (wide == 8)


class Scaled(nn.Conv2d):
    """Linear in its weights, but of another kind than its parts would be."""

    def forward(self, x):
        return F.conv2d(x, self.weight, self.bias, padding=1) * x.shape[1]


def test_a_subclass_is_not_cut():
    net = Net(
        lambda n, x: n.c(torch.cat([n.a(x), n.b(x)], 1)).mean((2, 3)),
        a=conv(3, 4), b=conv(3, 4), c=Scaled(8, 2, 3),
    )  # fmt: skip
    assert refused(net, IMAGES)["b"]["reason"] == "layer 'c' (Scaled) cannot be cut"


# (A grouped convolution of one channel a group is a depthwise one, whose features can merge again.)
@pytest.mark.parametrize("kind", [one for one in KINDS if one != "grouped"])
def test_a_group_of_one_is_left_alone(kind):
    net, x = made(kind)
    everything = merge_features(net, x, beta=1.0, rule="exact")
    again = merge_features(everything.model, x, beta=1.0, rule="exact")
    assert set(again.features_left.values()) == {1}
    assert again.output_change == 0.0

"""Merging: planted copies merge exactly, models stay whole, options and errors do what they say."""

import copy
import math

import numpy as np
import pytest
import torch
from merging_nets import oracle
from torch import nn

from cutaway.core import Cancelled
from cutaway.data import load_data
from cutaway.data.batching import batches
from cutaway.merging import Merge, feature_groups, merge_features
from cutaway.model import UnsupportedModel, evaluate, load_model
from cutaway.model.model import Model, as_model

SIDES = {"lenet5-digits": 28, "vgg-digits": 32, "resnet-digits": 32}
RELU = ["vgg-digits", "resnet-digits"]


def planted(net, example, copies, scale=1.0):
    """A float64 copy of a net in which units 1, 2, … of each group are copies of unit 0.

    With `scale` s the copies' rows, biases (behind a batch norm: its gain and bias) are s times
    those of unit 0, and their columns 1 / s times.
    """
    net = copy.deepcopy(net).double().eval()
    parts = dict(net.named_modules())
    to = range(1, copies)
    groups = feature_groups(net, example).groups
    with torch.no_grad():
        for group in groups:
            for one in group["producers"]:
                makers = [parts[one["path"]]] + ([parts[one["norm"]]] if one["norm"] else [])
                for part in makers:
                    by = scale if part is makers[-1] else 1.0
                    for name in ("weight", "bias", "running_mean", "running_var"):
                        tensor = getattr(part, name, None)
                        if tensor is not None:
                            tensor[to] = tensor[0] * (1.0 if name.startswith("running") else by)
            for one in group["consumers"]:
                weight = parts[one["path"]].weight
                columns = weight.reshape(len(weight), group["size"], -1)
                columns[:, to] = columns[:, :1] / scale
                weight.copy_(columns.reshape(weight.shape))
    return net, groups


def change(merge, net, x):
    with torch.no_grad():
        return float((merge.model(x) - net(x)).abs().max())


@pytest.mark.parametrize(
    ("name", "rule", "scale"),
    [(name, "exact", 1.0) for name in SIDES]
    + [(name, "exact_scale", scale) for name in RELU for scale in (1.0, 2.5, 3.0)],
)
def test_planted_copies_merge_without_a_change_of_the_output(name, rule, scale):
    side = SIDES[name]
    x = torch.rand(16, 1, side, side, dtype=torch.float64, generator=torch.manual_seed(0))
    net, groups = planted(load_model(name).module, x, copies=3, scale=scale)
    found = merge_features(net, x, beta=0.0, rule=rule)
    assert found.features_left == {one["name"]: one["size"] - 2 for one in groups}
    assert all(one[-1] == [0, 1, 2] for one in found.clusters.values())
    assert change(found, net, x) <= 1e-12
    assert found.output_change <= 1e-12 < found.output_size
    assert type(found.model) is type(net)


def test_copies_up_to_a_factor_are_not_copies_without_the_gauge():
    x = torch.rand(4, 1, 32, 32)
    net, groups = planted(load_model("vgg-digits").module, x, copies=3, scale=2.5)
    found = merge_features(net, x, beta=0.0, rule="exact")
    # The two copies of one scale are copies of each other.
    assert found.features_left == {one["name"]: one["size"] - 1 for one in groups}
    assert all(one[-1] == [1, 2] for one in found.clusters.values())


@pytest.mark.parametrize("rule", ["official", "official_bnfold"])
def test_published_rules_do_not_crash_on_copies_and_leave_the_third(rule):
    x = torch.rand(4, 1, 28, 28)
    net, groups = planted(load_model("lenet5-digits").module, x, copies=3)
    found = merge_features(net, x, beta=0.0, rule=rule)
    assert found.features_left == {one["name"]: one["size"] - 1 for one in groups}


def test_a_net_of_copies_only_ends_with_one_feature():
    net = nn.Sequential(nn.Linear(3, 6), nn.ReLU(), nn.Linear(6, 2)).double()
    with torch.no_grad():
        for part, one in ((net[0].weight, 0), (net[0].bias, 0)):
            part[:] = part[one].clone()
        net[2].weight[:] = net[2].weight[:, :1].clone()
    x = torch.rand(5, 3, dtype=torch.float64)
    for rule in ("exact", "exact_scale"):
        found = merge_features(net, x, beta=0.0, rule=rule)
        assert found.features_left == {"0": 1}
        assert change(found, net, x) <= 1e-14


def test_equal_weights_with_other_biases_are_not_merged_by_exact_rules():
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)).double()
    with torch.no_grad():
        net[0].weight[1] = net[0].weight[0]
        net[2].weight[:, 1] = net[2].weight[:, 0]
        net[0].bias[:2] = torch.tensor([1.0, -1.0])
    x = torch.rand(5, 3)
    assert merge_features(net, x, beta=0.0, rule="official").features_left == {"0": 3}
    assert merge_features(net, x, beta=0.0, rule="exact").features_left == {"0": 4}
    assert merge_features(net, x, beta=0.0, rule="exact_scale").features_left == {"0": 4}


def test_dead_features_pass_the_gauge():
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)).double()
    with torch.no_grad():
        net[0].weight[:2], net[0].bias[:2] = 0, 0
    x = torch.rand(5, 3, dtype=torch.float64)
    found = merge_features(net, x, beta=0.0, rule="exact_scale")
    assert found.clusters == {"0": [[2], [3], [0, 1]]}
    assert change(found, net, x) <= 1e-15


def test_order_of_units_does_not_matter():
    net, x, _ = oracle("mlp")
    order = torch.as_tensor(np.random.default_rng(1).permutation(32))
    other = copy.deepcopy(net)
    with torch.no_grad():
        other.fc1.weight[:], other.fc1.bias[:] = net.fc1.weight[order], net.fc1.bias[order]
        other.fc2.weight[:] = net.fc2.weight[:, order]
    one, two = (merge_features(each, x, beta=0.2) for each in (net, other))
    assert one.features_left == two.features_left
    renamed = sorted(sorted(order[units].tolist()) for units in two.clusters["fc1"])
    assert renamed == sorted(one.clusters["fc1"])


@pytest.mark.parametrize("name", list(SIDES))
def test_sample_models_keep_their_accuracy_at_beta_0(name):
    model, data = (
        load_model(name),
        load_data("digits" if "lenet" in name else "digits32", split="test"),
    )
    x = next(batches(data, 32)).inputs
    before = model.digest
    found = merge_features(model, x, beta=0.0)
    assert model.digest == before
    assert next(found.model.parameters()).dtype == torch.float32
    with torch.no_grad():
        close = (found.model(x) - model.module(x)).abs().max()
    assert close <= 1e-4
    merged = Model(found.model, kind="image")
    assert evaluate(merged, data, "accuracy").mean() == evaluate(model, data, "accuracy").mean()


def test_lenet_merges_at_a_small_cost():
    model, data = load_model("lenet5-digits"), load_data("digits", split="test")
    x = next(batches(data, 32)).inputs
    found = merge_features(model, x, beta=0.1, rule="official")
    assert sum(found.features_left.values()) < 226
    assert found.kept_parameters < 0.95 * found.parameters
    accuracy = evaluate(Model(found.model, kind="image"), data, "accuracy").mean()
    assert accuracy >= evaluate(model, data, "accuracy").mean() - 0.02
    assert found.model.fc1.out_features == found.features_left["fc1"]
    assert found.model.fc1.in_features == 25 * found.features_left["conv2"]
    assert found.model.conv2.in_channels == found.features_left["conv1"]


def test_nothing_merges_at_initialisation_and_the_distances_say_why():
    torch.manual_seed(0)
    net = type(load_model("vgg-digits").module)()
    found = merge_features(net, torch.rand(2, 1, 32, 32), beta=0.3, rule="official")
    frame = found.to_frame()
    assert (frame["left"] == frame["size"]).all()
    assert (frame["closest"] > 0.3 * frame["farthest"]).all()
    assert len(found.tree) == 0


def test_tanh_and_the_gauge():
    message = (
        r'rule must not be "exact_scale" where an activation is not positively homogeneous, '
        r"got tanh1 \(Tanh\) behind 'conv1'; use rule=\"exact\""
    )
    with pytest.raises(ValueError, match=message):
        merge_features(
            load_model("lenet5-digits"), torch.rand(2, 1, 28, 28), beta=0.1, rule="exact_scale"
        )


def test_batch_norms_are_folded_or_cut_with_flags_kept():
    net = copy.deepcopy(load_model("vgg-digits").module).train()
    net.features.bn2.eval()
    net.features.conv1.weight.requires_grad_(False)
    x = torch.rand(2, 1, 32, 32)
    state = {k: v.clone() for k, v in net.state_dict().items()}
    folded = merge_features(net, x, beta=0.1, rule="exact").model
    assert isinstance(folded.features.bn1, nn.Identity)
    assert folded.features.conv1.bias is not None
    cut = merge_features(net, x, beta=0.3, rule="official").model
    widths = [one.num_features for one in cut.modules() if isinstance(one, nn.BatchNorm2d)]
    convs = [one for one in cut.modules() if isinstance(one, nn.Conv2d)]
    assert widths == [one.out_channels for one in convs]
    for one in (folded, cut):
        assert one.training
        assert not one.features.bn2.training
        assert not one.features.conv1.weight.requires_grad
        assert one.features.conv2.weight.requires_grad
        assert one(x).shape == (2, 10)
    assert net.training
    assert all(torch.equal(v, state[k]) for k, v in net.state_dict().items() if "num_b" not in k)
    assert sum(len(m._forward_hooks) for m in net.modules()) == 0


@pytest.mark.parametrize("rule", ["official", "exact", "exact_scale"])
def test_target_is_reached_at_the_smallest_beta_found(rule):
    net, x, _ = oracle("mlp")
    found = merge_features(net, x, target=0.6, rule=rule)
    assert found.kept_parameters <= 0.6 * found.parameters
    # One merge less had not reached it, and a beta 1 % smaller does not either.
    largest = 12 + 1 + 24, 32 + 1 + 5
    assert found.kept_parameters > 0.6 * found.parameters - max(largest)
    assert merge_features(net, x, beta=0.98 * found.beta, rule=rule).kept_parameters > (
        0.6 * found.parameters
    )
    assert merge_features(net, x, target=1.0, rule=rule).beta == 0.0


def test_a_target_out_of_reach():
    net, x, _ = oracle("mlp")
    with pytest.raises(
        ValueError, match=r"target must be within reach .*, got 0\.01, of which \d+ p"
    ):
        merge_features(net, x, target=0.01)
    with pytest.raises(ValueError, match=r"stay at beta 1; raise target or max_ratio"):
        merge_features(net, x, target=0.5, max_ratio=0.1)


@pytest.mark.parametrize("ratio", [0.0, 0.25, 0.5, 1.0])
def test_max_ratio_caps_the_rounds_of_each_group(ratio):
    net, x, _ = oracle("mlp")
    found = merge_features(net, x, beta=1.0, max_ratio=ratio)
    wanted = {"fc1": max(32 - math.ceil(32 * ratio), 1), "fc2": max(24 - math.ceil(24 * ratio), 1)}
    assert found.features_left == wanted


def test_batch_norm_without_gain_on_a_linear_layer_folds():
    net = nn.Sequential(
        nn.Linear(3, 8, bias=False), nn.BatchNorm1d(8, affine=False), nn.ReLU(), nn.Linear(8, 2)
    )
    net(torch.rand(50, 3))
    net = net.double().eval()
    x = torch.rand(5, 3, dtype=torch.float64)
    found = merge_features(net, x, beta=0.0)
    assert isinstance(found.model[1], nn.Identity)
    assert change(found, net, x) <= 1e-14
    cut = merge_features(net, x, beta=0.8, rule="official")
    assert cut.model[1].num_features == cut.features_left["0"] < 8
    assert cut.model(x).shape == (5, 2)


def test_a_group_of_one_is_left_alone():
    net = nn.Sequential(nn.Linear(3, 1), nn.ReLU(), nn.Linear(1, 2))
    found = merge_features(net, torch.rand(2, 3), beta=1.0)
    assert found.features_left == {"0": 1}
    assert np.isnan(found.closest).all()


def test_result_saves_and_loads_without_the_module(tmp_path):
    net, x, _ = oracle("resnet_stage")
    found = merge_features(net, x, beta=0.2)
    found.save(tmp_path / "merge.zip")
    again = Merge.load(tmp_path / "merge.zip")
    assert again.digest == found.digest
    assert list(again.features_left) == list(found.features_left)
    assert again.clusters == found.clusters
    assert repr(again) == repr(found)
    assert repr(found).startswith("Merge(exact, beta 0.2: 76 → ")
    with pytest.raises(
        RuntimeError, match="model must be in memory, got a Merge loaded from a file"
    ):
        _ = again.model


def test_merged_weights_load_into_the_merged_module():
    net, x, _ = oracle("lenet_bn")
    found = merge_features(net, x, beta=0.1, rule="official")
    twin = copy.deepcopy(found.model)
    with torch.no_grad():
        for one in twin.parameters():
            one.zero_()
    twin.load_state_dict(found.model.state_dict())
    assert torch.equal(twin(x), found.model(x))


def test_same_call_same_digest():
    net, x, _ = oracle("lenet_bn")
    one, two = (merge_features(net, x, beta=0.3) for _ in range(2))
    assert one.digest == two.digest
    assert one.origin.digest == two.origin.digest


@pytest.mark.parametrize("options", [{"beta": 0.3}, {"target": 0.5}])
def test_ticks_rise_to_one_and_cancelling_leaves_the_model(options):
    net, x, _ = oracle("mlp")
    seen = []
    merge_features(net, x, **options, tick=lambda done, message: seen.append(done))
    assert seen == sorted(seen)
    assert (seen[0], seen[-1], seen.count(1.0)) == (0.0, 1.0, 1)
    before = as_model(net).digest
    for stop in (0, 2, len(seen) // 2, len(seen) - 1):
        left = iter(range(len(seen)))

        def tick(done, message, left=left, stop=stop):
            if next(left) == stop:
                raise Cancelled

        with pytest.raises(Cancelled):
            merge_features(net, x, **options, tick=tick)
    assert as_model(net).digest == before


class Biasless(nn.Linear):
    """Takes no bias, whatever it holds."""

    def forward(self, x):
        return x @ self.weight.T


def test_a_layer_that_would_not_use_a_folded_bias_is_found():
    net = nn.Sequential(Biasless(3, 6, bias=False), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 2))
    net(torch.rand(50, 3))
    x = torch.rand(5, 3)
    assert feature_groups(net, x).size.tolist() == [6]
    with pytest.raises(UnsupportedModel, match="must keep its output when .*; use rule=.official."):
        merge_features(net, x, beta=0.1)
    assert merge_features(net, x, beta=0.0, rule="official").output_change == 0.0


NAN = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
NAN[1].weight.data[0, 0] = torch.nan
FINE = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))


@pytest.mark.parametrize(
    ("net", "options", "error", "message"),
    [
        (
            FINE,
            {},
            ValueError,
            "beta, target must be given one without the other, got None, None; ",
        ),
        (FINE, {"beta": 0.1, "target": 0.5}, ValueError, "got 0.1, 0.5; give beta=0.1, say, or"),
        (FINE, {"beta": 1.5}, ValueError, "beta must lie in 0.0..1.0, got 1.5; choose"),
        (FINE, {"beta": float("nan")}, ValueError, "beta must lie in 0.0..1.0, got nan; choose"),
        (FINE, {"target": 0.0}, ValueError, r"target must lie in \(0, 1\], got 0.0; give the part"),
        (
            FINE,
            {"beta": 0.1, "max_ratio": 2},
            ValueError,
            "max_ratio must lie in 0.0..1.0, got 2; ",
        ),
        (
            FINE,
            {"beta": 0.1, "rule": "wards"},
            ValueError,
            "rule must be one of 'auto', 'official', .*; cho",
        ),
        (
            NAN,
            {"beta": 0.1},
            ValueError,
            "weights must be finite, got NaN or infinity in '1.weight'",
        ),
        (
            nn.Linear(3, 2),
            {"beta": 0.1},
            UnsupportedModel,
            "must have a group of features .*, got n",
        ),
    ],
)
def test_bad_input_is_one_line(net, options, error, message):
    with pytest.raises(error, match=message) as caught:
        merge_features(net, torch.rand(2, 3), **options)
    assert "\n" not in str(caught.value)

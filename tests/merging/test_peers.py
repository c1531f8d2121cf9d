"""Pruning, neuron merging and folding at given sizes: against planted answers and slow forms."""

import copy

import numpy as np
import pytest
import torch
from merging_nets import LenetBn, Mlp, ResnetStage, oracle
from torch import nn

from cutaway.merging import feature_groups
from cutaway.merging.peers import METHODS, pruned, recalibrated
from cutaway.merging.peers.folding import clusters

NETS = ("mlp", "lenet_bn", "resnet_stage")
INPUTS = {"mlp": (6, 12), "lenet_bn": (6, 1, 12, 12), "resnet_stage": (6, 3, 8, 8)}
SEEDED = {"random", "folding", "folding_repair"}


def net_of(name, seed=0):
    """A net with random weights and batch norm statistics, and inputs for it."""
    torch.manual_seed(seed)
    net = {"mlp": Mlp, "lenet_bn": LenetBn, "resnet_stage": ResnetStage}[name]().double().eval()
    for one in net.modules():
        if isinstance(one, nn.BatchNorm2d):
            nn.init.uniform_(one.weight, 0.5, 2)
            nn.init.normal_(one.bias)
            one.running_mean.normal_()
            one.running_var.uniform_(0.5, 2)
    return net, torch.randn(INPUTS[name], dtype=torch.float64)


def gap(one, other):
    """Largest difference, in parts of the largest number."""
    return float((one - other).detach().abs().max() / other.detach().abs().max())


def sizes_of(net, x, part):
    return {g["name"]: max(1, int(g["size"] * part)) for g in feature_groups(net, x).groups}


# "torch_pruning_bn_scale" ranks batch norms alone; one of the nets has them everywhere.
CASES = [
    (name, method)
    for name in NETS
    for method in METHODS
    if method != "torch_pruning_bn_scale" or name == "resnet_stage"
]


def data_for(net, x):
    return x, net(x).argmax(1)


@pytest.mark.parametrize(("name", "method"), CASES)
def test_all_kept_is_the_same_network(name, method):
    net, x = net_of(name)
    made = pruned(net, x, sizes_of(net, x, 1), method=method, data=data_for(net, x))
    assert torch.equal(made(x), net(x))


@pytest.mark.parametrize(("name", "method"), CASES)
def test_sizes_are_those_asked_for_and_the_original_is_not_touched(name, method):
    net, x = net_of(name)
    before = copy.deepcopy(net.state_dict())
    left = sizes_of(net, x, 0.5)
    made = pruned(net, x, left, method=method, data=data_for(net, x))
    found = feature_groups(made, x)
    assert {g["name"]: g["size"] for g in found.groups} == left
    assert type(made) is type(net)
    assert made(x).shape == net(x).shape
    assert all(p.grad is None for p in made.parameters())
    assert all(torch.equal(value, net.state_dict()[key]) for key, value in before.items())


@pytest.mark.parametrize("name", ["mlp", "lenet_bn"])
@pytest.mark.parametrize("method", ["magnitude", "magnitude_l2", "torch_pruning_magnitude"])
def test_the_weakest_go(name, method):
    """Features of next to no weight, in and out, are the ones that every criterion drops."""
    net, x = net_of(name)
    first, second = [m for m in net.children() if not isinstance(m, nn.BatchNorm2d)][:2]
    with torch.no_grad():
        first.weight[[3, 7]] *= 1e-3
        second.weight[:, [3, 7]] *= 1e-3
        if name == "lenet_bn":
            net.bn1.weight[[3, 7]] *= 1e-3
    group = feature_groups(net, x).groups[0]
    made = pruned(net, x, {group["name"]: group["size"] - 2}, method=method)
    kept = [i for i in range(group["size"]) if i not in (3, 7)]
    assert torch.equal(next(iter(made.children())).weight, first.weight[kept])


def test_magnitude_is_that_of_all_producers_together():
    net, x = net_of("resnet_stage")
    rows = torch.cat([m.weight.flatten(1) for m in (net.stem, net.a0.conv2, net.a1.conv2)], dim=1)
    for method, p in (("magnitude", 1), ("magnitude_l2", 2)):
        made = pruned(net, x, {"stem": 5}, method=method)
        kept = rows.norm(p=p, dim=1).topk(5).indices.sort().values
        assert torch.equal(made.stem.weight, net.stem.weight[kept])
        assert torch.equal(made.bn_stem.running_var, net.bn_stem.running_var[kept])
        assert torch.equal(made.b0.proj.weight, net.b0.proj.weight[:, kept])


def test_our_deletion_is_the_library_s():
    """The same features out: the same network, bit for bit."""
    torch_pruning = pytest.importorskip("torch_pruning")
    net, x = net_of("lenet_bn")
    made = pruned(net, x, {"conv2": 6}, method="magnitude_l2")
    kept = net.conv2.weight.flatten(1).norm(dim=1).topk(6).indices
    theirs = copy.deepcopy(net)
    graph = torch_pruning.DependencyGraph().build_dependency(theirs, example_inputs=x[:1])
    lost = sorted(set(range(16)) - set(kept.tolist()))
    graph.get_pruning_group(theirs.conv2, torch_pruning.prune_conv_out_channels, idxs=lost).prune()
    assert torch.equal(made(x), theirs(x))


def test_frozen_weights_stay_frozen():
    net, x = net_of("mlp")
    net.fc1.requires_grad_(False)
    for method in ("magnitude", "torch_pruning_taylor"):
        made = pruned(net, x, {"fc1": 4}, method=method, data=data_for(net, x))
        flags = {name: one.requires_grad for name, one in made.named_parameters()}
        assert flags == {name: one.requires_grad for name, one in net.named_parameters()}


@pytest.mark.parametrize("method", METHODS)
def test_a_seed_decides_or_does_not_matter(method):
    net, x = net_of("resnet_stage")
    left = sizes_of(net, x, 0.5)
    data = data_for(net, x)
    first, again, other = (
        pruned(net, x, left, method=method, seed=seed, data=data)(x) for seed in (0, 0, 1)
    )
    assert torch.equal(first, again)
    if method == "random":
        assert not torch.equal(first, other)
    if method not in SEEDED:
        assert torch.equal(first, other)


def copied(name):
    """A net in which features 2 and 9 of a group are exact copies of 0 and 1; group and size."""
    net, x = net_of(name)
    with torch.no_grad():
        if name == "mlp":
            parts, consumer, group, size = [net.fc1], net.fc2, "fc1", 32
        else:
            parts, consumer, group, size = [net.conv2, net.bn2], net.fc1, "conv2", 16
        for part in parts:
            for value in (*part.parameters(), *part.buffers()):
                if value.ndim:
                    value[[2, 9]] = value[[0, 1]]
        columns = consumer.weight.view(len(consumer.weight), size, -1)
        columns[:, [2, 9]] = columns[:, [0, 1]]
    return net, x, group, size


@pytest.mark.parametrize("name", ["mlp", "lenet_bn"])
@pytest.mark.parametrize("method", ["folding", "folding_repair"])
def test_folding_exact_copies_changes_nothing(name, method):
    net, x, group, size = copied(name)
    made = pruned(net, x, {group: size - 2}, method=method)
    assert gap(made(x), net(x)) <= 1e-12


@pytest.mark.parametrize("name", ["mlp", "lenet_bn"])
def test_neuron_merging_is_exact_on_scaled_copies(name):
    """Copies times 0.1 and 0.2 are the weakest by norm, and their stand-ins are exact (ReLU)."""
    net, x, group, size = copied(name)
    scale = torch.tensor([0.01, 0.02], dtype=torch.float64)
    with torch.no_grad():
        if name == "mlp":
            net.fc1.weight[[2, 9]] *= scale[:, None]
            net.fc1.bias[[2, 9]] *= scale
        else:  # behind a batch norm the scale of rows is free; that of gain and shift is not
            net.conv2.weight[[2, 9]] *= scale[:, None, None, None]
            net.conv2.bias[[2, 9]] *= scale
            net.bn2.running_mean[[2, 9]] *= scale
            net.bn2.weight[[2, 9]] *= 3
            net.bn2.bias[[2, 9]] *= 3 * scale
            net.bn2.running_var.fill_(1.0 - net.bn2.eps)
    made = pruned(net, x, {group: size - 2}, method="neuron_merging")
    assert gap(made(x), net(x)) <= 1e-12
    plain = pruned(net, x, {group: size - 2}, method="magnitude_l2")
    assert gap(plain(x), net(x)) > 1e-4


def test_neuron_merging_leaves_the_dissimilar_out():
    """Orthogonal rows have no stand-in: it is then plain pruning."""
    net, x = net_of("mlp")
    with torch.no_grad():
        net.fc1.weight.zero_()
        net.fc1.bias.zero_()
        net.fc1.weight[:12] = torch.diag(torch.arange(1.0, 13.0).double())
    merged = pruned(net, x, {"fc1": 9}, method="neuron_merging")
    plain = pruned(net, x, {"fc1": 9}, method="magnitude_l2")
    assert torch.equal(merged(x), plain(x))


def test_folding_averages_what_it_clusters():
    """Two clouds of rows: k-means finds them, rows become means, columns sums."""
    net, x = net_of("mlp")
    generator = torch.Generator().manual_seed(1)
    cloud = torch.arange(32) % 2
    noise = 1e-3 * torch.randn(32, 12, generator=generator, dtype=torch.float64)
    with torch.no_grad():
        net.fc1.weight.copy_(torch.where(cloud[:, None] == 1, 5.0, -5.0) + noise)
        net.fc1.bias.zero_()
    made = pruned(net, x, {"fc1": 2}, method="folding")
    order = made.fc1.weight[:, 0].argsort()
    means = torch.stack([net.fc1.weight[cloud == k].mean(0) for k in (0, 1)])
    sums = torch.stack([net.fc2.weight[:, cloud == k].sum(1) for k in (0, 1)], dim=1)
    assert torch.allclose(made.fc1.weight[order], means, rtol=1e-12)
    assert torch.allclose(made.fc2.weight[:, order], sums, rtol=1e-12)


def test_the_repair_gives_variance_back_on_uncorrelated_rows():
    """Mean of m orthogonal rows under white inputs: variance 1 / m, and 1 with the repair."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(8, 8, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU())
    net = nn.Sequential(*net, nn.Conv2d(8, 3, 1)).double().eval()
    with torch.no_grad():
        net[0].weight.copy_(torch.eye(8)[:, :, None, None])
        net[1].running_mean.fill_(5.0)
        net[1].bias.fill_(-2.0)
    x = 5 + torch.randn(4000, 8, 1, 1, dtype=torch.float64)
    for method, wanted in (("folding", 1 / 8), ("folding_repair", 1.0)):
        made = pruned(net, x, {"0": 1}, method=method)
        seen = made[1](made[0](x)).detach()
        assert float(seen.var()) == pytest.approx(wanted, rel=0.1)
        assert float(seen.mean()) == pytest.approx(-2, abs=0.1)


def test_clusters_are_as_many_as_asked_for_even_of_equal_points():
    points = np.zeros((6, 3))
    points[0] = 1
    assert sorted(np.bincount(clusters(points, 4, 0)).tolist()) == [1, 1, 1, 3]
    assert clusters(points, 6, 0).tolist() == list(range(6))


def test_clusters_have_the_inertia_of_scikit_learn():
    """Turning the points into fewer dimensions changes no distance."""
    from sklearn.cluster import KMeans

    points = np.random.default_rng(0).normal(size=(30, 200))
    labels = clusters(points, 5, 0)
    within = sum(((points[labels == k] - points[labels == k].mean(0)) ** 2).sum() for k in range(5))
    theirs = min(KMeans(5, n_init=4, random_state=s).fit(points).inertia_ for s in range(5))
    assert within <= 1.05 * theirs


def test_recalibrated_statistics_are_those_of_the_data():
    net, _ = net_of("lenet_bn")
    x = torch.randn(200, 1, 12, 12, dtype=torch.float64)
    before = copy.deepcopy(net.state_dict())
    made = recalibrated(net, x)
    first = net.conv1(x)
    assert torch.allclose(made.bn1.running_mean, first.mean((0, 2, 3)))
    assert torch.allclose(made.bn1.running_var, first.var((0, 2, 3)))
    second = made.conv2(nn.functional.max_pool2d(nn.functional.relu(made.bn1(first)), 2))
    assert torch.allclose(made.bn2.running_mean, second.mean((0, 2, 3)), rtol=1e-2, atol=1e-2)
    assert not made.training
    assert made.bn1.momentum == net.bn1.momentum
    assert all(torch.equal(value, net.state_dict()[key]) for key, value in before.items())


def test_recalibration_undoes_wrong_statistics_and_leaves_other_networks_alone():
    net, _ = net_of("resnet_stage")
    x = torch.randn(600, 3, 8, 8, dtype=torch.float64)
    right = recalibrated(net, x)
    wrong = copy.deepcopy(right)
    wrong.a0.bn1.running_var *= 100
    assert torch.allclose(recalibrated(wrong, x)(x), right(x))
    plain, inputs, _ = oracle("mlp")
    assert torch.equal(recalibrated(plain, inputs)(inputs), plain(inputs))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"method": "magic"}, ValueError, r"^method must be one of .*, got 'magic'"),
        ({"left": {"fc9": 3}}, ValueError, r"^left must name groups of the model, got 'fc9'; they"),
        ({"left": {"fc1": 0}}, ValueError, r"^left\['fc1'\] must lie in \[1, 32\], got 0; that is"),
        ({"left": {"fc1": 33}}, ValueError, r"^left\['fc1'\] must lie in \[1, 32\], got 33; that"),
        (
            {"method": "torch_pruning_taylor"},
            ValueError,
            r"^data must hold inputs and labels for method 'torch_pruning_taylor', got None; give",
        ),
        (
            {"method": "torch_pruning_bn_scale"},
            ValueError,
            r"^method must rank every group, got 'torch_pruning_bn_scale', which ranks none wi",
        ),
    ],
)
def test_wrong_options_are_one_clear_line(options, error, message):
    net, x = net_of("mlp")
    given = {"method": "magnitude", "left": {"fc1": 4}, **options}
    left = given.pop("left")
    with pytest.raises(error, match=message) as caught:
        pruned(net, x, left, **given)
    assert "\n" not in str(caught.value)


def test_recalibration_wants_two_inputs():
    net, x = net_of("lenet_bn")
    with pytest.raises(ValueError, match=r"^data must hold at least two inputs, got 1; give more"):
        recalibrated(net, x[:1])

"""Groups beside those of torch-pruning's dependency graph, which is made another way (autograd)."""

import pytest
import torch
import torch_pruning
from kinds import made
from merging_nets import oracle
from torch import nn

from cutaway.merging import feature_groups
from cutaway.model import load_model


def theirs(net, x):
    """Each group as the set of (layer, axis, places) that torch-pruning would cut together."""
    graph = torch_pruning.DependencyGraph().build_dependency(net, example_inputs=x)
    names = {module: name for name, module in net.named_modules()}
    found = set()
    for group in graph.get_all_groups(root_module_types=(nn.Conv2d, nn.Linear)):
        axes = {
            (
                names[each.target.module],
                0 if graph.is_out_channel_pruning_fn(each.handler) else 1,
                tuple(sorted(places)),
            )
            for each, places in group
            if each.target.module in names
        }
        if any(axis == 1 for _, axis, _ in axes):
            found.add(frozenset(axes))
    return found


def ours(net, x):
    """The same of ours."""
    found = set()
    for group in feature_groups(net, x).groups:
        axes = set()
        for one in group["producers"]:
            rows = tuple(range(one["start"], one["start"] + group["size"]))
            axes |= {(path, 0, rows) for path in (one["path"], one["norm"]) if path is not None}
        for one in group["consumers"]:
            stop = one["start"] + group["size"] * one["block"]
            axes.add((one["path"], 1, tuple(range(one["start"], stop))))
        found.add(frozenset(axes))
    return found


def sample(name):
    side = 28 if "lenet" in name else 32
    return load_model(name).module, torch.rand(2, 1, side, side)


NETS = {
    **{
        name: lambda name=name: sample(name)
        for name in ("lenet5-digits", "vgg-digits", "resnet-digits")
    },
    **{
        name: lambda name=name: made(name)
        for name in ("dense", "depthwise", "excited", "plain MLP", "gated MLP")
    },
    **{name: lambda name=name: oracle(name)[:2] for name in ("mlp", "lenet_bn", "resnet_stage")},
}


@pytest.mark.parametrize("name", NETS)
def test_groups_equal_those_of_torch_pruning(name):
    net, x = NETS[name]()
    net = net.float().eval()
    x = x.float()
    wanted = theirs(net, x)
    found = ours(net, x)
    assert found == wanted
    assert len(found) > 0


def test_an_input_in_a_concatenation_is_seen_by_ours_only():
    """A tensor without gradient is not in torch-pruning's graph: what follows it is shifted."""
    net, x = made("concatenated")
    found, wrong = ours(net.float(), x.float()), theirs(net.float(), x.float())
    places = {(path, axis): one for group in found for path, axis, one in group}
    assert places["b", 0] == (0, 1, 2, 3)
    assert {("c", 1, (8, 9, 10, 11)), ("b", 0, (0, 1, 2, 3))} < next(
        one for one in found if ("b", 0, (0, 1, 2, 3)) in one
    )
    assert found != wrong
    assert any({("a", 0), ("b", 0)} <= {axis[:2] for axis in one} for one in wrong)


def test_grouped_convolutions_couple_the_same_layers():
    """torch-pruning counts channels here, ours the features that one of each run makes."""
    net, x = made("grouped")
    layers = [
        {frozenset((path, axis) for path, axis, _ in one) for one in found(net.float(), x.float())}
        for found in (ours, theirs)
    ]
    assert layers[0] == layers[1]


def test_one_more_axis_would_be_seen():
    net, x = sample("lenet5-digits")
    first = next(iter(ours(net, x)))
    assert first | {("fc1", 0, (0,))} not in theirs(net, x)

"""Merging on freshly trained networks: what it keeps, what that costs, and when it does nothing.

Weight decay decides: with 2e-2 (VGG) and 5e-3 (perceptron) there is something to merge, at random
initialisation there is nothing, and the distances say so.
"""

import importlib.util
from pathlib import Path

import pytest
import torch

from cutaway.merging import merge_features

BETAS = (0.01, 0.02, 0.03, 0.05)
VGG_BETAS = (0.16, 0.17, 0.18, 0.2)


@pytest.fixture(scope="module")
def bench():
    """The benchmark's networks, under a name of their own."""
    path = Path(__file__).parents[2] / "bench" / "merging_nets.py"
    spec = importlib.util.spec_from_file_location("bench_merging_nets", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def trained(bench, name):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # sums in another order make another network
    *_, (_, net) = bench.trained(name, 7)
    torch.set_num_threads(threads)
    return net


def example(bench):
    return bench.digits()[2][:2]


@pytest.mark.slow
def test_official_merges_half_of_a_decayed_vgg(bench):
    net = trained(bench, "vgg")
    before = bench.accuracy(net)
    assert before >= 0.96
    # At 0.2 the published rule keeps a seventh to a quarter here and may lose 3 points.
    merges = [merge_features(net, example(bench), beta=one, rule="official") for one in VGG_BETAS]
    kept = [one.kept_parameters / one.parameters for one in merges]
    assert kept[-1] <= 0.45
    assert any(
        part <= 0.45 and bench.accuracy(one.model) >= before - 0.02
        for part, one in zip(kept, merges, strict=True)
    )


@pytest.mark.slow
def test_official_merges_most_of_a_decayed_perceptron(bench):
    net = trained(bench, "mlp")
    before = bench.accuracy(net)
    assert before >= 0.93
    merges = [merge_features(net, example(bench), beta=beta, rule="official") for beta in BETAS]
    kept = [one.kept_parameters / one.parameters for one in merges]
    assert kept == sorted(kept, reverse=True)
    assert any(
        part <= 0.2 and bench.accuracy(one.model) >= before - 0.02
        for part, one in zip(kept, merges, strict=True)
    )


@pytest.mark.parametrize("name", ["mlp", "lenet", "vgg", "resnet"])
@pytest.mark.parametrize("rule", ["official", "exact"])
def test_nothing_merges_at_random_initialisation_and_the_distances_say_why(bench, name, rule):
    net = bench.fresh(name, 7)
    merge = merge_features(net, example(bench), beta=0.2, rule=rule)
    assert (merge.left == merge.size).all()
    assert len(merge.tree) == 0
    assert merge.kept_parameters == merge.parameters or rule == "exact"
    assert (merge.closest > 0.2 * merge.farthest).all()

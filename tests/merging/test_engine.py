"""The engine against the slow form that computes all distances at each merge."""

import numpy as np
import pytest
import torch
from merging_nets import ORACLE_NETS, oracle
from rebuild_form import slow_of
from torch import nn

from cutaway.merging import Prepared, distances
from cutaway.merging.distances import add_products
from cutaway.merging.rules import RULES

TREE = ["round", "group", "first", "second", "made"]


class Stream(nn.Module):
    """A residual block of one convolution: a tensor with both axes in one group."""

    def __init__(self):
        super().__init__()
        self.stem, self.mid = nn.Conv2d(2, 10, 3, padding=1), nn.Conv2d(10, 10, 3, padding=1)
        self.fc1, self.fc2 = nn.Linear(90, 9), nn.Linear(9, 3)

    def forward(self, x):
        x = torch.relu(self.stem(x))
        x = torch.relu(x + self.mid(x))
        return self.fc2(torch.relu(self.fc1(x.flatten(1))))


def alike(prepared, run, slow):
    """Same pairs in the same order, same distances, same tensors."""
    lines = [[one[name] for name in TREE] for one in run.tree]
    assert lines == [list(one[:5]) for one in slow.tree]
    found = np.array([[one["distance"], one["largest"]] for one in run.tree]).reshape(-1, 2)
    wanted = np.array([one[5:] for one in slow.tree]).reshape(-1, 2)
    scale = wanted[:, 1:].max(initial=0)
    np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-13 * scale)
    merged, by_hand = run.working.merged().values, slow.finished(prepared._weights)
    assert merged.keys() == by_hand.keys()
    for key, values in merged.items():
        np.testing.assert_allclose(values, by_hand[key], rtol=1e-9, atol=1e-12)


@pytest.fixture(scope="module")
def nets():
    torch.manual_seed(3)
    made = {"stream": (Stream().double().eval(), torch.rand(2, 2, 3, 3).double())}
    return made | {name: oracle(name)[:2] for name in ORACLE_NETS}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", ["stream", *ORACLE_NETS])
def test_same_merges_as_the_slow_form(nets, name, rule):
    prepared = Prepared(*nets[name], rule)
    merges = 0
    for beta in (0.0, 0.15, 0.4, 0.9):
        run, slow = prepared.run(beta=beta), slow_of(prepared)
        slow.round_robin(beta)
        alike(prepared, run, slow)
        merges += len(run.tree)
    assert merges > 10


@pytest.mark.parametrize("rule", RULES)
def test_same_pairs_on_a_wide_layer_with_copies(rule):
    torch.manual_seed(5)
    net = nn.Sequential(nn.Linear(4, 300), nn.ReLU(), nn.Linear(300, 3)).double()
    with torch.no_grad():
        net[0].weight[100:130], net[0].bias[100:130] = net[0].weight[:30], net[0].bias[:30]
        net[2].weight[:, 100:130] = net[2].weight[:, :30]
        net[0].weight[200:210], net[0].bias[200:210] = net[0].weight[:10], net[0].bias[:10]
        net[2].weight[:, 200:210] = net[2].weight[:, :10]
    prepared = Prepared(net, torch.rand(2, 4).double(), rule)
    run, slow = prepared.run(left={"0": 150}), slow_of(prepared)
    slow.round_robin(left={"0": 150})
    alike(prepared, run, slow)
    assert len(run.tree) == 150


@pytest.mark.parametrize("rule", ["official", "ward"])
def test_layer_by_layer_as_the_slow_form(nets, rule):
    prepared = Prepared(*nets["stream"], rule)
    run, slow = prepared.run(beta=0.9, order="layerwise"), slow_of(prepared)
    slow.layerwise(0.9)
    alike(prepared, run, slow)
    groups = [one["group"] for one in run.tree]
    assert groups == sorted(groups, key=["stem", "fc1"].index)
    assert len(groups) > 5


def test_a_run_leaves_the_start_as_it_was(nets):
    prepared = Prepared(*nets["mlp"], "official")
    first, second = (prepared.run(beta=0.3) for _ in range(2))
    assert first.tree == second.tree
    assert prepared.run(beta=0.0).tree == first.tree[: len(prepared.run(beta=0.0).tree)]
    last = prepared.run(beta=0.3, last=True)
    assert last.tree == first.tree


def test_products_are_added_in_place_beyond_a_size(monkeypatch):
    points = np.random.default_rng(0).normal(size=(37, 5))
    plain, in_place = np.ones((37, 37)), np.ones((37, 37))
    add_products(plain, points, -1.0)
    monkeypatch.setattr(distances, "_IN_PLACE", 8)
    add_products(in_place, points, -1.0)
    np.testing.assert_allclose(in_place, plain, rtol=1e-13)
    np.testing.assert_array_equal(in_place, in_place.T)

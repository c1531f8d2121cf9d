"""Distances and merges of a pair against slow versions from the formulas."""

import numpy as np
import pytest
import torch
from rebuild_form import joined
from torch import nn

from cutaway.merging import merge_features
from cutaway.merging.distances import Distances, add_products
from cutaway.merging.rules import RULES
from cutaway.merging.slots import Slots


def distances_of(points):
    """The engine's state for features with these coordinates."""
    gram = np.zeros((len(points), len(points)))
    add_products(gram, points, 1.0)

    def measure(slot, others, *, level):
        return ((points[others] - points[slot]) ** 2).sum(axis=1)

    none = np.empty((len(points), 0))
    return Distances(Slots(len(points)), [gram], none, rule=RULES["exact"], measure=measure)


def slow_distances(points):
    n = len(points)
    return [[float(sum((points[i] - points[j]) ** 2)) for j in range(n)] for i in range(n)]


@pytest.mark.parametrize("scale", [1e-150, 1e-6, 1.0, 1e6])
def test_squared_distances_by_their_definition(scale):
    rng = np.random.default_rng(0)
    points = scale * rng.normal(size=(30, 17))
    points[7] = points[3]
    points[20] = points[3] * (1 + 1e-9)
    points[21] = points[4] + 1e-4 * scale * rng.normal(size=17)
    state = distances_of(points)
    found = state.rows(np.arange(30))
    apart = ~np.eye(30, dtype=bool)
    wanted = np.array(slow_distances(points))[apart]
    np.testing.assert_allclose(found[apart], wanted, rtol=1e-9, atol=0)
    np.testing.assert_allclose(state.norms, (points**2).sum(axis=1), rtol=1e-14)
    assert found[3, 7] == found[7, 3] == 0.0
    np.testing.assert_array_equal(found[apart], found.T[apart])
    np.testing.assert_array_equal(state.rows(np.array([4]))[0, 5:], found[4, 5:])


def test_joined_puts_the_weighted_sum_last_on_any_axis():
    values = np.arange(24.0).reshape(2, 4, 3)
    made = joined(values, (0, 2), np.array([0.25, 0.75]), axis=1)
    assert made.shape == (2, 3, 3)
    np.testing.assert_array_equal(made[:, :2], values[:, [1, 3]])
    np.testing.assert_allclose(made[:, 2], 0.25 * values[:, 0] + 0.75 * values[:, 2])


def slow_official(first, second, beta):
    """Rounds over one hidden layer as in the paper's code, with lists: the units of each feature.

    `first` (n, inputs) makes the features, `second` (outputs, n) reads them; no bias.
    """
    features = [([i], first[i].copy(), second[:, i].copy()) for i in range(len(first))]
    pairs = []
    while len(features) > 1:
        best, largest = None, 0.0
        for i, (_, row, column) in enumerate(features):
            for j, (_, row_2, column_2) in enumerate(features[i + 1 :], i + 1):
                d = float(((row - row_2) ** 2).sum() + ((column - column_2) ** 2).sum())
                largest = max(largest, d)
                if best is None or d < best[0]:
                    best = (d, i, j)
        if best[0] > beta * largest:
            break
        (units, row, column), (units_2, row_2, column_2) = features[best[1]], features[best[2]]
        c, c_2 = len(units), len(units_2)
        mean = (c * column + c_2 * column_2) / (c + c_2)
        features = [one for k, one in enumerate(features) if k not in best[1:]]
        features.append((sorted(units + units_2), row + row_2, mean))
        pairs.append((best[0], largest))
    return features, pairs


@pytest.mark.parametrize("beta", [0.05, 0.25, 0.4, 0.9])
def test_round_robin_on_one_layer_by_a_slow_version(beta):
    torch.manual_seed(4)
    net = nn.Sequential(nn.Linear(5, 14, bias=False), nn.ReLU(), nn.Linear(14, 3)).double()
    first, second = net[0].weight.detach().numpy(), net[2].weight.detach().numpy()
    features, pairs = slow_official(first, second, beta)
    found = merge_features(net, torch.rand(4, 5), beta=beta, rule="official")
    assert found.clusters["0"] == [units for units, _, _ in features]
    table = found.tree[["distance", "largest"]].to_numpy(np.float64).reshape(-1, 2)
    np.testing.assert_allclose(table, np.array(pairs).reshape(-1, 2), rtol=1e-9)
    state = {k: v.numpy() for k, v in found.model.state_dict().items()}
    rows, columns = (np.stack([one[k] for one in features]) for k in (1, 2))
    np.testing.assert_allclose(state["0.weight"], rows, rtol=1e-12)
    np.testing.assert_allclose(state["2.weight"], columns.T, rtol=1e-12)
    np.testing.assert_array_equal(state["2.bias"], net[2].bias.detach().numpy())


def test_the_merge_tree_gives_the_clusters():
    torch.manual_seed(5)
    net = nn.Sequential(nn.Linear(5, 20), nn.Tanh(), nn.Linear(20, 3))
    found = merge_features(net, torch.rand(4, 5), beta=0.6)
    nodes = {unit: [unit] for unit in range(20)}
    for line in found.tree.itertuples():
        nodes[line.made] = sorted(nodes.pop(line.first) + nodes.pop(line.second))
        assert len(nodes[line.made]) == line.units
    assert len(found.tree) > 3
    assert sorted(nodes.values()) == sorted(found.clusters["0"])
    assert (found.tree.distance <= found.tree.runner_up).all()
    assert (found.tree.runner_up <= found.tree.largest).all()

"""The engine against the slow form that computes all distances at each merge."""

import numpy as np
import pytest
import torch
from merging_nets import ORACLE_NETS, oracle
from rebuild_form import slow_of
from torch import nn

from cutaway.merging import Prepared
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
    merged = run.working.merged().values
    assert merged.keys() == slow.values.keys()
    for key, values in merged.items():
        np.testing.assert_allclose(values, slow.values[key], rtol=1e-9, atol=1e-12)


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

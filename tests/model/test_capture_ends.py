"""How a capture ends: modes and hooks restored, errors in one line, whatever interrupts it."""

import threading

import numpy as np
import pytest
import torch
from capture_nets import (
    Failing,
    Maps,
    Swallowing,
    hooks_left,
    made,
    pictures,
    plainly,
    rows,
)
from torch import nn

from cutaway.core import Cancelled
from cutaway.data import load_data
from cutaway.model import Model, capture, sites

QUIET = {"show": None}


def test_modes_gradients_and_hooks_restored():
    module = made(Maps).train()
    module.conv2.eval()
    module.fc.weight.requires_grad_(False)
    modes = [one.training for one in module.modules()]
    acts = capture(module, pictures(), "fc", **QUIET)
    assert [one.training for one in module.modules()] == modes
    assert not module.fc.weight.requires_grad
    assert module.conv1.weight.requires_grad
    assert module.conv1.weight.grad is None
    assert torch.is_grad_enabled()
    assert hooks_left(module) == 0
    assert acts["fc"].dtype == np.float32


def test_eval_mode_is_used():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.drop = nn.Dropout(0.9)

        def forward(self, x):
            return self.drop(x)

    data = rows()
    acts = capture(Net().train(), data, "drop", **QUIET)
    np.testing.assert_array_equal(acts["drop"], data.batch(np.arange(40)).inputs.numpy())


@pytest.mark.parametrize("error", [Cancelled("enough"), KeyboardInterrupt()])
@pytest.mark.parametrize("at", [0, 1, 3])
def test_stopped_from_the_tick(error, at):
    module = made(Maps).train()
    calls = []

    def tick(fraction, _message):
        calls.append(fraction)
        if len(calls) == at + 1:
            raise error

    with pytest.raises(type(error)):
        capture(module, pictures(), "conv*", batch_size=5, tick=tick, **QUIET)
    assert hooks_left(module) == 0
    assert all(one.training for one in module.modules())
    free = threading.Thread(target=Model(module).lock.acquire)  # would wait for ever if still held
    free.start()
    free.join(5)
    assert not free.is_alive()


def test_ticks_rise_to_one():
    seen = []
    capture(
        made(Maps), pictures(), "fc", batch_size=5, tick=lambda f, m: seen.append((f, m)), **QUIET
    )
    fractions = [f for f, _ in seen]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert len(fractions) >= 10
    assert seen[-1][1] == "capture: 50 samples"


def test_model_that_fails_names_the_samples():
    x = np.zeros((9, 4), np.float32)
    x[5] = np.inf
    module = made(Failing)
    nn.init.ones_(module.a.weight)
    data = load_data(x, ids=[f"s{i}" for i in range(9)], name="rows")
    with pytest.raises(RuntimeError) as caught:
        capture(module, data, "b", batch_size=2, **QUIET)
    message = str(caught.value)
    assert "of samples 's4' … 's5'" in message
    assert "ArithmeticError: too large for me" in message
    assert "\n" not in message
    assert hooks_left(module) == 0


def test_site_left_out_by_the_forward():
    class Sometimes(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Linear(4, 2)
            self.b = nn.Linear(4, 2)

        def forward(self, x):
            return self.a(x) if float(x.sum()) < 100 else self.b(x)

    x = np.zeros((6, 4), np.float32)
    x[4] = 100
    with pytest.raises(RuntimeError, match="sites must be reached for every batch, got 'a' which"):
        capture(Sometimes(), load_data(x), "a", batch_size=2, **QUIET)


def test_swallowed_exceptions_neither_run_on_nor_hide_errors():
    module, data = made(Swallowing), rows()
    tree = sites(module, data)
    before = module.n_after
    acts = capture(module, data, tree["a"], **QUIET)
    assert module.n_after == before  # the forward ended although the model catches Exception
    np.testing.assert_allclose(acts["a"], plainly(module, data, "a"), atol=1e-6)


def test_swallowed_errors_of_the_capture_come_out():
    module, data = made(Swallowing), rows()
    tree = sites(module, data)
    module.a = nn.Sequential(nn.Linear(4, 6), nn.Flatten(0))  # 240 values, no samples
    with pytest.raises(ValueError, match="site a must return 40 samples, got shape"):
        capture(module, data, tree["a"], **QUIET)


def test_output_that_changes_shape():
    class Growing(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Identity()

        def forward(self, x):
            return self.a(x[:, : 2 if float(x.sum()) < 100 else 3])

    x = np.zeros((6, 4), np.float32)
    x[4] = 100
    with pytest.raises(
        ValueError, match=r"site a must return one shape for all batches, got \(3,\)"
    ):
        capture(Growing(), load_data(x), "a", batch_size=2, **QUIET)


def test_output_without_samples():
    class Windows(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Identity()

        def forward(self, x):
            return self.a(x.reshape(-1, 2)).reshape(len(x), -1)

    with pytest.raises(ValueError, match=r"site a must return 5 samples, got shape \(10, 2\)"):
        capture(Windows(), rows(10), "a", batch_size=5, **QUIET)


def test_output_shared_by_all_samples():
    class Shared(nn.Module):
        def __init__(self):
            super().__init__()
            self.place = nn.Embedding(4, 3)

        def forward(self, x):
            return self.place(torch.arange(4)[None]).sum() + x

    module = made(Shared)
    acts = capture(Model(module, kind="array"), rows(6), "place", batch_size=4, **QUIET)
    assert acts["place"].shape == (6, 4, 3)
    np.testing.assert_array_equal(acts["place"][5], module.place.weight.detach().numpy())

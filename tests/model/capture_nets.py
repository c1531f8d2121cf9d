"""Networks and data for capture and edit tests, and the slow, plain way to capture."""

from pathlib import Path

import numpy as np
import torch
from torch import nn

from cutaway.data import load_data
from cutaway.model import Model


class Maps(nn.Module):
    """Two convolutions with ReLUs behind them, in place or not, then a linear layer."""

    def __init__(self, *, inplace=True):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 3, 3)
        self.relu1 = nn.ReLU(inplace)
        self.conv2 = nn.Conv2d(3, 5, 3)
        self.relu2 = nn.ReLU(inplace)
        self.fc = nn.Linear(5 * 8 * 8, 4)

    def forward(self, x):
        x = self.relu2(self.conv2(self.relu1(self.conv1(x))))
        return self.fc(x.flatten(1))


class Twice(nn.Module):
    """One ReLU that runs twice, on outputs of different width."""

    def __init__(self):
        super().__init__()
        self.a = nn.Linear(4, 6)
        self.relu = nn.ReLU()
        self.b = nn.Linear(6, 3)
        self.c = nn.Linear(3, 2)

    def forward(self, x):
        return self.c(self.relu(self.b(self.relu(self.a(x)))))


class Failing(nn.Module):
    """Runs until a value above 100 comes along."""

    def __init__(self):
        super().__init__()
        self.a = nn.Linear(4, 6)
        self.b = nn.Linear(6, 2)

    def forward(self, x):
        x = self.a(x)
        if not torch.jit.is_scripting() and float(x.detach().sum()) == float("inf"):
            raise ArithmeticError("too large\nfor me")
        return self.b(x)


class Swallowing(nn.Module):
    """Hides every exception of its part."""

    def __init__(self):
        super().__init__()
        self.a = nn.Linear(4, 6)
        self.after = nn.Linear(6, 2)
        self.n_after = 0

    def forward(self, x):
        try:
            x = self.a(x)
        except Exception:  # noqa: BLE001
            x = x.new_zeros(len(x), 6)
        self.n_after += 1
        return self.after(x)


def made(net, seed=0, **options):
    torch.manual_seed(seed)
    module = net(**options)
    for one in module.parameters():
        nn.init.normal_(one, std=0.3)
    return module


def pictures(n=50, seed=0, **options):
    rng = np.random.default_rng(seed)
    x = rng.random((n, 1, 12, 12), dtype=np.float32)
    return load_data((x, rng.integers(0, 4, n)), name="pictures", **options)


def rows(n=40, d=4, seed=0, **options):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, d)).astype(np.float32)
    return load_data((x, rng.integers(0, 2, n)), name="rows", **options)


def plainly(module, data, path, call=1):
    """Output of one module for all samples at once, cloned by a hook of the test's own."""
    found = []

    def keep(_module, _arguments, output):
        found.append(output.detach().clone())

    handle = dict(module.named_modules())[path].register_forward_hook(keep)
    was = [one.training for one in module.modules()]
    with torch.no_grad():
        module.eval()(Model(module).inputs(data.batch(np.arange(len(data)))))
    handle.remove()
    for one, mode in zip(module.modules(), was, strict=True):
        one.training = mode
    return found[call - 1].numpy()


def hooks_left(module):
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in module.modules())


def partial(path: Path) -> Path:
    return path.with_name(f".{path.name}.partial")

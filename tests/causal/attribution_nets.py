"""Small models whose attributions are known, and the slow ways to compute them."""

import numpy as np
import torch
from torch import nn

from cutaway.data import load_data

SIDE = 6


class Linear(nn.Module):
    """Two logits, each a weighted sum of all pixels of both channels plus a constant."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.linspace(-1, 1, 2 * 2 * SIDE * SIDE).reshape(2, -1))
        self.bias = nn.Parameter(torch.tensor([0.3, -0.1]))

    def forward(self, x):
        return x.flatten(1) @ self.weight.T + self.bias


class Small(nn.Module):
    """A convolution with a ReLU that writes in place, a second one, and a linear read-out."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv1 = nn.Conv2d(2, 3, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(3, 4, 3)
        self.tanh = nn.Tanh()
        self.read = nn.Linear(4 * (SIDE - 2) ** 2, 3)

    def forward(self, x):
        return self.read(self.tanh(self.conv2(self.relu(self.conv1(x)))).flatten(1))


class Reused(nn.Module):
    """One ReLU for two places."""

    def __init__(self):
        super().__init__()
        self.one, self.two, self.relu = nn.Linear(4, 5), nn.Linear(5, 3), nn.ReLU()

    def forward(self, x):
        return self.relu(self.two(self.relu(self.one(x))))


def pictures(n=5, channels=2):
    rng = np.random.default_rng(1)
    images = rng.uniform(0, 1, (n, channels, SIDE, SIDE)).astype(np.float32)
    labels = [("cat", "dog", "owl")[i % 3] for i in range(n)]
    return load_data(images, labels=labels, ids=[f"p{i}" for i in range(n)], name="pictures")


def inputs(data):
    return data.batch(np.arange(len(data))).inputs


def state(module):
    """Everything that an attribution must leave as it was."""
    return {
        path: (
            one.training,
            {k: sorted(v) if isinstance(v, dict) else None for k, v in vars(one).items()},
            [(p.requires_grad, p.grad is None) for p in one.parameters(recurse=False)],
        )
        for path, one in module.named_modules()
    }


def occluded(score, x, window, stride, base=0.0):
    """Mean drop of the score over all covering patches, one patch and sample at a time."""
    found = np.zeros((len(x), SIDE, SIDE))
    count = np.zeros((SIDE, SIDE))
    last = SIDE - window
    places = [min(one, SIDE) for one in range(0, last + stride, stride)]
    for top in places:
        for left in places:
            patch = (slice(top, top + window), slice(left, left + window))
            count[patch] += 1
            for i, one in enumerate(x):
                covered = one.clone()
                covered[(slice(None), *patch)] = base
                found[(i, *patch)] += float(score(one[None])) - float(score(covered[None]))
    return found / count

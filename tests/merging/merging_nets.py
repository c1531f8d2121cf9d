"""Small nets for the merging tests: the three of the oracle, and ones that cannot be grouped."""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F

ORACLE = Path(__file__).parents[1] / "oracles" / "ifm"


class Mlp(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.fc2, self.fc3 = nn.Linear(12, 32), nn.Linear(32, 24), nn.Linear(24, 5)

    def forward(self, x):
        return self.fc3(torch.relu(self.fc2(torch.relu(self.fc1(x)))))


class LenetBn(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(1, 10, 3, padding=1), nn.BatchNorm2d(10)
        self.conv2, self.bn2 = nn.Conv2d(10, 16, 3, padding=1), nn.BatchNorm2d(16)
        self.fc1, self.fc2 = nn.Linear(144, 20), nn.Linear(20, 6)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 2)
        x = F.avg_pool2d(F.relu(self.bn2(self.conv2(x))), 2)
        return self.fc2(F.relu(self.fc1(x.view(x.size(0), -1))))


class Block(nn.Module):
    def __init__(self, n_in, n_out, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(n_out)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(n_out)
        self.projects = stride > 1
        if self.projects:
            self.proj = nn.Conv2d(n_in, n_out, 1, stride, bias=False)
            self.bnp = nn.BatchNorm2d(n_out)

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + (self.bnp(self.proj(x)) if self.projects else x))


class ResnetStage(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.bn_stem = nn.Conv2d(3, 12, 3, 1, 1, bias=False), nn.BatchNorm2d(12)
        self.a0, self.a1, self.b0 = Block(12, 12, 1), Block(12, 12, 1), Block(12, 20, 2)
        self.head = nn.Linear(20, 7)

    def forward(self, x):
        x = self.b0(self.a1(self.a0(F.relu(self.bn_stem(self.stem(x))))))
        return self.head(x.mean((2, 3)))


ORACLE_NETS = {"mlp": Mlp, "lenet_bn": LenetBn, "resnet_stage": ResnetStage}
# Names of the oracle's groups, in the order of ours (by first producer).
ORACLE_GROUPS = {
    "mlp": {"fc1": "h1", "fc2": "h2"},
    "lenet_bn": {"conv1": "c1", "conv2": "c2", "fc1": "f1"},
    "resnet_stage": {
        "stem": "stream_a", "a0.conv1": "a0.mid", "a1.conv1": "a1.mid", "b0.conv1": "b0.mid",
        "b0.conv2": "stream_b",
    },
}  # fmt: skip


def oracle(name):
    """The net in float64 with the oracle's weights, its input, and what is expected of it."""
    tensors = load_file(ORACLE / f"{name}.safetensors")
    inputs = tensors.pop("input").double()
    net = ORACLE_NETS[name]().double().eval()
    missing, extra = net.load_state_dict({k: v.double() for k, v in tensors.items()}, strict=False)
    assert not extra
    assert all(one.endswith("num_batches_tracked") for one in missing)
    return net, inputs, json.loads((ORACLE / f"{name}.json").read_text())

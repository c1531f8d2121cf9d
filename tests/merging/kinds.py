"""One small net of every kind of group, and copies planted into any of them."""

import copy

import torch
from torch import nn
from torch.nn import functional as F

IMAGES = torch.rand(3, 3, 6, 6, dtype=torch.float64, generator=torch.manual_seed(3))
SEQUENCES = torch.rand(2, 5, 6, dtype=torch.float64, generator=torch.manual_seed(5))


class Net(nn.Module):
    """Layers by name, and a forward given as a function of the net and its input."""

    def __init__(self, forward, **layers):
        super().__init__()
        for name, layer in layers.items():
            setattr(self, name, layer)
        self.way = forward

    def forward(self, x):
        return self.way(self, x)


def conv(n_in, n_out, kernel=3, **options):
    return nn.Conv2d(n_in, n_out, kernel, padding=kernel // 2, **options)


def depthwise():
    """1×1, depthwise and 1×1, as a block of MobileNet."""

    def forward(net, x):
        x = F.relu6(net.bn1(net.expand(x)))
        x = F.relu6(net.bn2(net.own(x)))
        return net.fc(net.project(x).mean((2, 3)))

    return Net(
        forward, expand=conv(3, 8, 1, bias=False), bn1=nn.BatchNorm2d(8),
        own=conv(8, 8, groups=8, bias=False), bn2=nn.BatchNorm2d(8),
        project=conv(8, 5, 1), fc=nn.Linear(5, 4),
    )  # fmt: skip


def excited():
    """Squeeze and excitation: a gate of each channel over all of its places."""

    def forward(net, x):
        x = F.silu(net.conv1(x))
        gate = net.wider(F.relu(net.narrower(F.adaptive_avg_pool2d(x, 1))))
        return net.conv2(torch.sigmoid(gate) * x).mean((2, 3))

    return Net(
        forward, conv1=conv(3, 8), narrower=conv(8, 3, 1), wider=conv(3, 8, 1), conv2=conv(8, 4)
    )


def concatenated():
    """Two streams and the input side by side, flattened."""

    def forward(net, x):
        both = torch.cat([F.relu(net.a(x)), x, net.b(x)], dim=1)
        return net.fc(F.relu(net.bn(net.c(both))).flatten(1)) + net.skip(both.flatten(1))

    return Net(
        forward, a=conv(3, 5), b=conv(3, 4), c=conv(12, 6), bn=nn.BatchNorm2d(6),
        fc=nn.Linear(216, 2), skip=nn.Linear(432, 2),
    )  # fmt: skip


class DenseLayer(nn.Module):
    def __init__(self, n_in, growth):
        super().__init__()
        self.norm1, self.conv1 = nn.BatchNorm2d(n_in), conv(n_in, 2 * growth, 1, bias=False)
        self.norm2, self.conv2 = nn.BatchNorm2d(2 * growth), conv(2 * growth, growth, bias=False)

    def forward(self, *before):
        x = self.conv1(F.relu(self.norm1(torch.cat(before, 1))))
        return self.conv2(F.relu(self.norm2(x)))


def dense():
    """A block of DenseNet: every layer reads all before it, each through a batch norm."""

    def forward(net, x):
        x = F.relu(net.norm0(net.conv0(x)))
        one = net.layer1(x)
        two = net.layer2(x, one)
        x = F.relu(net.norm5(torch.cat([x, one, two], 1)))
        return net.fc(F.adaptive_avg_pool2d(x, 1).flatten(1))

    return Net(
        forward, conv0=conv(3, 6, bias=False), norm0=nn.BatchNorm2d(6), layer1=DenseLayer(6, 4),
        layer2=DenseLayer(10, 4), norm5=nn.BatchNorm2d(14), fc=nn.Linear(14, 4),
    )  # fmt: skip


def grouped():
    """A block of ResNeXt: a grouped convolution between two of 1×1."""

    def forward(net, x):
        x = F.relu(net.bn1(net.conv1(x)))
        x = F.relu(net.bn2(net.conv2(x)))
        return net.fc(net.conv3(x).mean((2, 3)))

    return Net(
        forward, conv1=conv(3, 12, 1), bn1=nn.BatchNorm2d(12), conv2=conv(12, 15, groups=3),
        bn2=nn.BatchNorm2d(15), conv3=conv(15, 5, 1), fc=nn.Linear(5, 4),
    )  # fmt: skip


def plain_mlp():
    return nn.Sequential(nn.Linear(6, 9), nn.GELU(), nn.Linear(9, 3))


def gated_mlp():
    def forward(net, x):
        return net.down(F.silu(net.gate(x)) * net.up(x))

    return Net(forward, gate=nn.Linear(6, 9), up=nn.Linear(6, 9, bias=False), down=nn.Linear(9, 3))


def preactivated():
    """A batch norm behind an addition, as in the second ResNet."""

    def forward(net, x):
        x = net.conv1(x)
        x = x + net.conv2(F.relu(net.bn(x)))
        return net.conv3(F.relu(x)).mean((2, 3))

    return Net(
        forward, conv1=conv(3, 8), bn=nn.BatchNorm2d(8, affine=False), conv2=conv(8, 8),
        conv3=conv(8, 4),
    )  # fmt: skip


# Net, example, and size of each group by its name.
KINDS = {
    "depthwise": (depthwise, IMAGES, {"expand": 8, "project": 5}),
    "excited": (excited, IMAGES, {"conv1": 8, "narrower": 3}),
    "concatenated": (concatenated, IMAGES, {"a": 5, "b": 4, "c": 6}),
    "dense": (
        dense, IMAGES,
        {"conv0": 6, "layer1.conv1": 8, "layer1.conv2": 4, "layer2.conv1": 8, "layer2.conv2": 4},
    ),
    "grouped": (grouped, IMAGES, {"conv1": 4, "conv2": 5, "conv3": 5}),
    "plain MLP": (plain_mlp, SEQUENCES, {"0": 9}),
    "gated MLP": (gated_mlp, SEQUENCES, {"gate": 9}),
    "preactivated": (preactivated, IMAGES, {"conv1": 8}),
}  # fmt: skip


def made(kind):
    """A net of a kind in float64 with random weights and batch norm statistics, and an example."""
    torch.manual_seed(0)
    make, example, _ = KINDS[kind]
    net = make().double().eval()
    for name, tensor in net.state_dict().items():
        if tensor.ndim == 1 and tensor.is_floating_point():
            tensor.copy_(
                torch.rand_like(tensor) + (-0.5 if "bias" in name or "mean" in name else 0.5)
            )
    return net, example


def rows_of(layer, start, size):
    """Views of a layer's tensors along the features that it makes."""
    names = ("weight", "bias", "running_mean", "running_var")
    tensors = [getattr(layer, name, None) for name in names]
    if type(layer).__name__ == "Conv1D":
        tensors[0] = tensors[0].T
    return [one[start : start + size] for one in tensors if one is not None]


def columns_of(layer, start, size, block):
    """View of a layer's weight along the features that it reads: (outputs, size, …)."""
    weight = layer.weight.T if type(layer).__name__ == "Conv1D" else layer.weight
    here = weight[:, start : start + size * block]
    return here.unflatten(1, (size, block))


def plant(net, groups, copies):
    """A copy of a net in which features 1, 2, … of each group are copies of feature 0."""
    net = copy.deepcopy(net)
    parts, to = dict(net.named_modules()), range(1, copies)
    with torch.no_grad():
        for group in groups:
            size = group["size"]
            for one in group["producers"]:
                for path in filter(None, (one["path"], one["norm"])):
                    for rows in rows_of(parts[path], one["start"], size):
                        rows[to] = rows[0].clone()
            for one in group["consumers"]:
                columns = columns_of(parts[one["path"]], one["start"], size, one["block"])
                columns[:, to] = columns[:, :1].clone()
    return net

"""A small residual network for 32x32 pictures, with torchvision's names."""

from collections import OrderedDict

import torch
from torch import Tensor, nn


class BasicBlock(nn.Module):
    """Two 3x3 convolutions around which the input is carried and added.

    Parameters
    ----------
    n_in, n_out : int
        Channels before and after.
    stride : int
        Step of the first convolution; if the shape changes, the carried input goes through a 1x1
        convolution (`downsample`).
    """

    def __init__(self, n_in: int, n_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(n_in, n_out, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(n_out)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(n_out)
        self.downsample: nn.Module | None = None
        if stride != 1 or n_in != n_out:
            self.downsample = nn.Sequential(
                nn.Conv2d(n_in, n_out, 1, stride=stride, bias=False), nn.BatchNorm2d(n_out)
            )
        self.relu2 = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Maps of shape (n, n_out, height / stride, width / stride)."""
        carried = x if self.downsample is None else self.downsample(x)
        x = self.relu1(self.bn1(self.conv1(x)))
        x = self.bn2(self.conv2(x))
        out: Tensor = self.relu2(x + carried)
        return out


class ResNet(nn.Module):
    """Ten scores from pictures of shape (n, 1, 32, 32) in [0, 1].

    Notes
    -----
    The form for small pictures of section 4.2: a 3x3 stem, three stages of `n_blocks` blocks with
    16, 32 and 64 channels, a global average and one linear layer; 6 * `n_blocks` + 2 layers with
    weights. Shortcuts that change the shape are 1x1 convolutions (option B). Unlike torchvision,
    each block has two ReLU modules, because one module that is used twice is not two sites.

    References
    ----------
    He, Zhang, Ren, Sun, "Deep residual learning for image recognition", arXiv:1512.03385.
    """

    def __init__(self, n_blocks: int = 2) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = _stage(16, 16, n_blocks, stride=1)
        self.layer2 = _stage(16, 32, n_blocks, stride=2)
        self.layer3 = _stage(32, 64, n_blocks, stride=2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Scores (n, 10), before the softmax."""
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        x = torch.flatten(self.avgpool(x), 1)
        scores: Tensor = self.fc(x)
        return scores


def _stage(n_in: int, n_out: int, n_blocks: int, *, stride: int) -> nn.Sequential:
    """Blocks of one width, numbered from 0; the first one carries the stride."""
    blocks: OrderedDict[str, nn.Module] = OrderedDict()
    for number in range(n_blocks):
        first = number == 0
        blocks[str(number)] = BasicBlock(n_in if first else n_out, n_out, stride if first else 1)
    return nn.Sequential(blocks)

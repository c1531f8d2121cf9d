"""VGG-11 with batch norm, narrow, for 32x32 pictures."""

from collections import OrderedDict

import torch
from torch import Tensor, nn

# Widths of the eight convolutions of VGG-11 (configuration A), a quarter to a fifth of the
# original; 0 stands for pooling.
_PLAN = (16, 0, 32, 0, 64, 64, 0, 96, 96, 0, 96, 96, 0)


class Vgg(nn.Module):
    """Ten scores from pictures of shape (n, 1, 32, 32) in [0, 1].

    Notes
    -----
    `features.conv1` ... `features.conv8`, each followed by `bn` and `relu` of the same number, and
    `pool1` ... `pool5`. After five poolings a 32x32 picture is one pixel, so that a single linear
    layer replaces the original's three (as is usual on small pictures).

    References
    ----------
    Simonyan, Zisserman, "Very deep convolutional networks for large-scale image recognition",
    arXiv:1409.1556, table 1, column A; batch norm: Ioffe, Szegedy, arXiv:1502.03167.
    """

    def __init__(self) -> None:
        super().__init__()
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        width, n_conv, n_pool = 1, 0, 0
        for wanted in _PLAN:
            if wanted == 0:
                n_pool += 1
                layers[f"pool{n_pool}"] = nn.MaxPool2d(2)
                continue
            n_conv += 1
            layers[f"conv{n_conv}"] = nn.Conv2d(width, wanted, 3, padding=1)
            layers[f"bn{n_conv}"] = nn.BatchNorm2d(wanted)
            layers[f"relu{n_conv}"] = nn.ReLU(inplace=True)
            width = wanted
        self.features = nn.Sequential(layers)
        self.classifier = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Scores (n, 10), before the softmax."""
        x = torch.flatten(self.features(x), 1)
        scores: Tensor = self.classifier(x)
        return scores

"""LeNet-5, adapted to 28x28 pictures."""

import torch
from torch import Tensor, nn


class LeNet5(nn.Module):
    """Ten scores of digits from pictures of shape (n, 1, 28, 28) in [0, 1].

    The 1998 names of the layers: `conv1` is C1, `pool1` S2, `conv2` C3, `pool2` S4, `fc1` C5,
    `fc2` F6.

    Notes
    -----
    What differs from 1998: the input is 28x28 with two pixels of padding instead of 32x32; C3 sees
    all six maps (no connection table); subsampling is a plain average without trained factor; tanh
    is not scaled; the output is linear with cross entropy instead of radial basis functions.

    References
    ----------
    LeCun, Bottou, Bengio, Haffner, "Gradient-based learning applied to document recognition",
    Proc. IEEE 86 (1998), section II.B, doi:10.1109/5.726791.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5, padding=2)
        self.tanh1 = nn.Tanh()
        self.pool1 = nn.AvgPool2d(2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.tanh2 = nn.Tanh()
        self.pool2 = nn.AvgPool2d(2)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.tanh3 = nn.Tanh()
        self.fc2 = nn.Linear(120, 84)
        self.tanh4 = nn.Tanh()
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Scores (n, 10), before the softmax."""
        x = self.pool1(self.tanh1(self.conv1(x)))
        x = self.pool2(self.tanh2(self.conv2(x)))
        x = torch.flatten(x, 1)
        x = self.tanh3(self.fc1(x))
        x = self.tanh4(self.fc2(x))
        scores: Tensor = self.fc3(x)
        return scores

"""AlexNet with a stem for 32x32 pictures, narrow."""

import torch
from torch import Tensor, nn


class AlexNet(nn.Module):
    """Ten scores from pictures of shape (n, 1, 32, 32) in [0, 1].

    Notes
    -----
    Five convolutions and three linear layers in the order of 2012, with overlapping 3x3 pooling
    and dropout before the first two linear layers. What differs: the stem is 5x5 with stride 1
    (the original's 11x11 with stride 4 would leave a 32x32 picture almost no pixels), widths are
    16 to 96, and there is no local response normalisation (as in torchvision).

    References
    ----------
    Krizhevsky, Sutskever, Hinton, "ImageNet classification with deep convolutional neural
    networks", NIPS 2012.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 5, padding=2)
        self.relu1 = nn.ReLU(inplace=True)
        self.pool1 = nn.MaxPool2d(3, 2)
        self.conv2 = nn.Conv2d(16, 48, 5, padding=2)
        self.relu2 = nn.ReLU(inplace=True)
        self.pool2 = nn.MaxPool2d(3, 2)
        self.conv3 = nn.Conv2d(48, 96, 3, padding=1)
        self.relu3 = nn.ReLU(inplace=True)
        self.conv4 = nn.Conv2d(96, 64, 3, padding=1)
        self.relu4 = nn.ReLU(inplace=True)
        self.conv5 = nn.Conv2d(64, 64, 3, padding=1)
        self.relu5 = nn.ReLU(inplace=True)
        self.pool5 = nn.MaxPool2d(3, 2)
        self.dropout6 = nn.Dropout(0.3)
        self.fc1 = nn.Linear(64 * 3 * 3, 256)
        self.relu6 = nn.ReLU(inplace=True)
        self.dropout7 = nn.Dropout(0.3)
        self.fc2 = nn.Linear(256, 256)
        self.relu7 = nn.ReLU(inplace=True)
        self.fc3 = nn.Linear(256, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Scores (n, 10), before the softmax."""
        x = self.pool1(self.relu1(self.conv1(x)))
        x = self.pool2(self.relu2(self.conv2(x)))
        x = self.relu3(self.conv3(x))
        x = self.relu4(self.conv4(x))
        x = self.pool5(self.relu5(self.conv5(x)))
        x = torch.flatten(x, 1)
        x = self.relu6(self.fc1(self.dropout6(x)))
        x = self.relu7(self.fc2(self.dropout7(x)))
        scores: Tensor = self.fc3(x)
        return scores

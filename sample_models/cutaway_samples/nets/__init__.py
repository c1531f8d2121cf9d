"""The image networks: plain `nn.Module`s in which every step is a named module."""

from cutaway_samples.nets.alexnet import AlexNet
from cutaway_samples.nets.lenet import LeNet5
from cutaway_samples.nets.resnet import ResNet
from cutaway_samples.nets.vgg import Vgg

__all__ = ["AlexNet", "LeNet5", "ResNet", "Vgg"]

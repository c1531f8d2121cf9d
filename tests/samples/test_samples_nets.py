"""The networks: the stated forms, with every step a module."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from cutaway_samples.nets import AlexNet, LeNet5, ResNet, Vgg


@pytest.mark.parametrize(
    ("net", "side", "convolutions", "linear"),
    [(LeNet5, 28, 2, 3), (AlexNet, 32, 5, 3), (Vgg, 32, 8, 1), (ResNet, 32, 15, 1)],
)
def test_form(net, side, convolutions, linear):
    made = net().eval()
    kinds = [type(module) for module in made.modules()]
    assert kinds.count(nn.Conv2d) == convolutions
    assert kinds.count(nn.Linear) == linear
    assert made(torch.rand(3, 1, side, side)).shape == (3, 10)


def test_sizes_are_what_the_issue_allows():
    n = {net: sum(p.numel() for p in net().parameters()) for net in (LeNet5, AlexNet, Vgg, ResNet)}
    assert n[LeNet5] == 156 + 2416 + 48120 + 10164 + 850
    assert n[AlexNet] <= 1_000_000
    assert n[Vgg] <= 800_000
    assert n[ResNet] <= 300_000


@pytest.mark.parametrize(("net", "side"), [(LeNet5, 28), (AlexNet, 32), (Vgg, 32), (ResNet, 32)])
def test_every_leaf_module_is_called_once(net, side):
    made = net().eval()
    calls = {}
    for name, module in made.named_modules():
        if not list(module.children()):
            module.register_forward_hook(
                lambda *_, name=name: calls.__setitem__(name, calls.get(name, 0) + 1)
            )
    made(torch.rand(1, 1, side, side))
    leaves = [name for name, module in made.named_modules() if not list(module.children())]
    assert calls == dict.fromkeys(leaves, 1)


def test_lenet_is_the_formula():
    torch.manual_seed(0)
    net, x = LeNet5().eval(), torch.rand(4, 1, 28, 28)
    with torch.no_grad():
        y = functional.conv2d(functional.pad(x, (2, 2, 2, 2)), net.conv1.weight, net.conv1.bias)
        y = functional.avg_pool2d(torch.tanh(y), 2)
        y = torch.tanh(functional.conv2d(y, net.conv2.weight, net.conv2.bias))
        y = functional.avg_pool2d(y, 2).reshape(4, 400)
        y = torch.tanh(y @ net.fc1.weight.T + net.fc1.bias)
        y = torch.tanh(y @ net.fc2.weight.T + net.fc2.bias)
        y = y @ net.fc3.weight.T + net.fc3.bias
        torch.testing.assert_close(net(x), y, rtol=1e-4, atol=1e-5)


def test_a_residual_block_with_a_silent_branch_is_its_shortcut():
    block = ResNet().layer1[0].eval()
    nn.init.zeros_(block.bn2.weight)
    x = torch.rand(2, 16, 8, 8)
    with torch.no_grad():
        torch.testing.assert_close(block(x), x, rtol=0, atol=0)

"""Multiply-accumulates: by hand, by brute force, and against torch's own counter."""

import numpy as np
import pytest
import torch
from capture_nets import Maps, Twice, made, pictures
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from cutaway.data import load_data
from cutaway.model import Model, cost_card, load_model, sites
from cutaway.model.macs import macs

LAYERS = {
    "plain": (nn.Conv2d(3, 8, 3), (3, 9, 7)),
    "groups": (nn.Conv2d(4, 8, (3, 1), groups=2, stride=2, padding=1, dilation=(2, 1)), (4, 9, 8)),
    "depthwise": (nn.Conv2d(6, 6, 5, groups=6, padding=2, bias=False), (6, 8, 8)),
    "line": (nn.Conv1d(5, 3, 4), (5, 20)),
    "volume": (nn.Conv3d(2, 3, 2), (2, 4, 5, 6)),
    "turned": (
        nn.ConvTranspose2d(3, 4, (3, 2), stride=2, padding=1, output_padding=(1, 0)),
        (3, 5, 6),
    ),
    "turned groups": (nn.ConvTranspose1d(4, 6, 3, stride=3, groups=2, dilation=2), (4, 7)),
    "linear": (nn.Linear(7, 5), (7,)),
    "linear over positions": (nn.Linear(7, 5), (3, 7)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_counts_what_torchs_counter_counts(name):
    layer, shape = LAYERS[name]
    x = torch.zeros(1, *shape)
    counter = FlopCounterMode(display=False)
    with counter:
        layer(x)
    root = nn.Sequential(layer)
    found = macs(Model(root), sites(root, example=x))
    assert found == {"": counter.get_total_flops() // 2, "0": counter.get_total_flops() // 2}


def test_a_convolution_by_brute_force():
    """Each product of the definition counted, one loop an index."""
    layer, high, wide = nn.Conv2d(2, 3, (2, 3), stride=(1, 2)), 4, 7
    count = 0
    for _out in range(3):
        for top in range(0, high - 2 + 1, 1):
            for left in range(0, wide - 3 + 1, 2):
                for _in in range(2):
                    for _row in range(top, top + 2):
                        for _column in range(left, left + 3):
                            count += 1
    root = nn.Sequential(layer)
    assert macs(Model(root), sites(root, example=torch.zeros(1, 2, high, wide)))["0"] == count


@pytest.mark.parametrize(
    ("name", "data"), [("lenet5-digits", "digits"), ("resnet-digits", "digits32")]
)
def test_whole_networks_agree_with_torchs_counter(name, data):
    model, data = load_model(name), load_data(data, limit=4)
    found = macs(model, sites(model, data))
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        model.forward(data.batch(np.zeros(1, np.int64)))
    assert found[""] == counter.get_total_flops() // 2


def test_lenet_by_hand():
    model, data = load_model("lenet5-digits"), load_data("digits", limit=4)
    found = macs(model, sites(model, data))
    assert found["conv1"] == 6 * 28 * 28 * 25
    assert found["conv2"] == 16 * 10 * 10 * 6 * 25
    assert found["fc1"] == 120 * 400
    assert found["tanh1"] == found["pool1"] == 0


def test_a_transformer_counts_its_layers_with_weights():
    model, data = load_model("gpt-occupations"), load_data(["The nurse said that"])
    tree = sites(model, data)
    found = macs(model, tree)
    n, config = tree.one("transformer.h.0").shape[0], model.module.config
    d = config.n_embd
    block = n * (3 * d * d + d * d + 2 * d * (config.n_inner or 4 * d))
    assert found["transformer.h.0"] == block
    assert found[""] == config.n_layer * block + n * d * config.vocab_size


def test_calls_count_together_and_alone():
    class Again(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Linear(4, 4)

        def forward(self, x):
            return self.a(self.a(x))

    root = Again()
    assert macs(Model(root), sites(root, example=torch.zeros(1, 4))) == {"": 32, "a": 32, "a#2": 16}
    twice = made(Twice)
    found = macs(Model(twice), sites(twice, example=torch.zeros(1, 4)))
    assert found[""] == 4 * 6 + 6 * 3 + 3 * 2


def test_the_cost_card_tells_parameters_and_macs():
    module, data = made(Maps), pictures()
    card = cost_card(module, data, ["conv1", "relu1", "fc"])
    shape = dict(zip(card.sites, card.shapes, strict=True))["conv1"]
    assert card.macs == (int(np.prod(shape)) * 9, 0, 5 * 8 * 8 * 4)
    assert card.parameters == (30, 0, 5 * 8 * 8 * 4 + 4)
    frame = card.to_frame()
    assert frame["macs"].tolist() == list(card.macs)
    assert frame["parameters"].tolist() == list(card.parameters)
    bare = cost_card(module, data, "conv1")
    assert str(bare).startswith("capture 1 site of Maps")

"""Feature maps and kernels as tiles: the right numbers under the right ids."""

import numpy as np
import pytest
import torch
from capture_nets import Maps, hooks_left, made, pictures
from torch import nn

from cutaway.core import Index
from cutaway.model import Activations, Tiles, UnknownSite, capture, feature_maps, kernel_tiles


@pytest.fixture
def acts():
    values = np.random.default_rng(0).normal(size=(4, 3, 5, 6)).astype(np.float32)
    flat = values.reshape(4, 3, 30)
    return Activations.from_arrays(
        {"conv": values, "line": flat, "flat": flat[..., 0]}, ids=["a", "b", "c", "d"]
    )


def test_tiles_are_the_captured_maps_of_these_units_and_samples(acts):
    tiles = feature_maps(acts, "conv", [2, 0], ["d", "a", "b"])
    assert tiles.values.shape == (2, 3, 5, 6)
    for row, unit in enumerate([2, 0]):
        for column, sample in enumerate([3, 0, 1]):
            np.testing.assert_array_equal(tiles.values[row, column], acts["conv"][sample, unit])
    assert tiles.units.ids.tolist() == ["conv:2", "conv:0"]
    assert tiles.samples.ids.tolist() == ["d", "a", "b"]
    assert (tiles.units.axis, tiles.samples.axis) == ("unit", "sample")
    assert repr(tiles) == "Tiles(2 units × 3 samples of 5×6)"
    with pytest.raises(ValueError, match="read-only"):
        tiles.values[0] = 0


def test_sequences_become_maps_of_height_one(acts):
    tiles = feature_maps(acts, "line")
    assert tiles.values.shape == (3, 4, 1, 30)
    np.testing.assert_array_equal(tiles.values[:, :, 0].swapaxes(0, 1), acts["line"])


def test_a_model_runs_on_the_wanted_samples_only():
    module, data = made(Maps), pictures()
    ids = data.index.ids[[4, 1]]
    tiles = feature_maps(module, "conv2", [1, 3], ids, data=data)
    every = capture(module, data, "conv2", show=None)
    wanted = every["conv2"][[4, 1]][:, [1, 3]].swapaxes(0, 1)
    np.testing.assert_allclose(tiles.values, wanted, atol=1e-6)
    assert tiles.samples.ids.tolist() == ids.tolist()
    assert hooks_left(module) == 0


def test_kernels_are_the_weights():
    module = made(Maps)
    tiles = kernel_tiles(module, "conv2", [4, 2])
    np.testing.assert_array_equal(tiles.values, module.conv2.weight.detach()[[4, 2]])
    assert tiles.units.ids.tolist() == ["conv2:4", "conv2:2"]
    assert tiles.samples.axis == "input"
    assert len(tiles.samples) == 3
    line = nn.Sequential(nn.Conv1d(2, 4, 3))
    assert kernel_tiles(line, "0").values.shape == (4, 2, 1, 3)
    before = tiles.values.copy()
    with torch.no_grad():
        module.conv2.weight.zero_()
    np.testing.assert_array_equal(tiles.values, before)


def test_bad_input_is_one_named_line(acts):
    cases = [
        (lambda: feature_maps(acts, "flat"), ValueError, "site must return maps .*'flat' with 'n"),
        (lambda: feature_maps(acts, "conw"), UnknownSite, "nearest: 'conv'"),
        (lambda: feature_maps(acts, "conv", [3]), ValueError, r"unit must be 0\.\.2, got 3"),
        (lambda: feature_maps(acts, "conv", None, ["z"]), KeyError, "got 'z'"),
        (lambda: feature_maps(made(Maps), "conv1"), ValueError, "data must be given with a model"),
        (lambda: kernel_tiles(made(Maps), "fc"), ValueError, r"convolution, got 'fc' \(Linear\)"),
        (lambda: kernel_tiles(made(Maps), "conf1"), UnknownSite, "nearest: 'conv1'"),
        (
            lambda: Tiles(np.zeros((2, 1, 3, 3)), Index.count(3, "unit"), Index.count(1)),
            ValueError,
            r"values must have as many entries as units \(3\), got 2",
        ),
    ]
    for call, kind, message in cases:
        with pytest.raises(kind, match=message) as caught:
            call()
        assert "\n" not in str(caught.value)

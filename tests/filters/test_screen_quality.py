"""Quick forms of the screen's goals; bench/screen_quality.py measures them in full.

One set, null or sample of pictures of each kind is in the quick tier, the others in the slow one.
"""

import functools

import numpy as np
import pytest
import torch
from odd_images import KINDS, spoilt
from planted import FakeMaps, auc, average_precision, hard, null, soft

import cutaway_samples
from cutaway.data import load_data
from cutaway.filters import screen_filters
from cutaway.model import capture, load_model, sites


def flags(screen):
    return screen.filters["flag"].to_numpy().astype(str)


def slow(*values):
    return pytest.param(*values, marks=pytest.mark.slow)


@functools.cache
def screened(make, seed, side):
    planted = make(seed, side=side)
    return planted, screen_filters(FakeMaps(planted.maps), k_max=1)


@pytest.mark.parametrize(("seed", "side"), [(0, 6), slow(1, 8), slow(2, 4)])
def test_hard_planted_sets(seed, side):
    planted, screen = screened(hard, seed, side)
    odd, found = planted.odd_filter, flags(screen) != ""
    assert auc(screen.filters["score"].to_numpy(), odd) >= 0.99
    assert (found & odd).sum() >= 22
    assert not (found & ~odd).any()
    score = screen.samples["score"].to_numpy()
    assert auc(score, planted.odd_sample) >= 0.995
    assert average_precision(score, planted.odd_sample) >= 0.98
    assert screen.filters["stability"][found].mean() > 0.8


@pytest.mark.parametrize(("seed", "side"), [(0, 6), slow(1, 8)])
def test_soft_planted_sets(seed, side):
    planted, screen = screened(soft, seed, side)
    odd, found = planted.odd_filter, flags(screen) != ""
    assert auc(screen.filters["score"].to_numpy(), odd) >= 0.98
    assert (found & odd).sum() >= 18
    assert (found & ~odd).sum() <= 1
    assert auc(screen.samples["score"].to_numpy(), planted.odd_sample) > 0.95


@pytest.mark.parametrize("seeds", [(0,), slow(range(10, 14))], ids=["one", "four"])
def test_false_discoveries_at_q(seeds):
    chosen = []
    for seed in seeds:
        planted, screen = screened(soft, seed, 6)
        chosen.append(planted.odd_filter[screen.filters["q"] <= 0.1])
    found = np.concatenate(chosen)
    assert len(found) > 20 * len(seeds)
    assert (~found).mean() <= 0.12


@pytest.mark.parametrize(
    ("kind", "contrast"),
    [
        ("gaussian", 0.0), slow("gaussian", 0.3), slow("relu", 0.0), ("relu", 0.3),
        slow("softplus", 0.0), slow("softplus", 0.3), slow("t6", 0.0), slow("t6", 0.3),
    ],
)  # fmt: skip
def test_false_flags_on_nulls(kind, contrast):
    maps = null(kind, 0, contrast=contrast)
    screen = screen_filters(FakeMaps(maps), k_max=1)
    assert (flags(screen) == "certain").sum() == 0
    assert (flags(screen) == "likely").sum() <= 1
    assert (screen.filters["q"] < 0.1).sum() <= (5 if kind == "t6" else 2)


def seen(model, images, names):
    loaded, data = load_model(model), load_data(images)
    return capture(loaded, data, sites(loaded, data)[list(names)], show=None)


def test_an_untrained_network_has_hardly_a_certain_filter():
    torch.manual_seed(0)
    net = type(cutaway_samples.build("lenet5-digits"))().eval()
    images = cutaway_samples.digits("test").images
    screen = screen_filters(seen(net, images, ("conv1", "conv2")), k_max=1)
    assert (flags(screen) == "certain").sum() <= 1


def test_spoilt_pictures_are_found_on_both_sides():
    images, kind = spoilt(cutaway_samples.digits("test").images, 100)
    screen = screen_filters(seen("lenet5-digits", images, ("conv1", "conv2")), k_max=1)
    score = screen.samples["score"].to_numpy()
    assert auc(score, kind >= 0) >= 0.9
    for k, name in enumerate(KINDS):
        some = (kind < 0) | (kind == k)
        assert auc(score[some], kind[some] >= 0) > (0.55 if name == "noise patch" else 0.85), name


# A third of the pictures give each class a third of the examples, and a few more false alarms.
@pytest.mark.parametrize(("step", "bar"), [(3, 0.9), slow(1, 0.95)], ids=["a third", "all"])
def test_wrong_labels_of_a_network_that_learnt_them(step, bar):
    given = cutaway_samples.digits("train", noisy=True)
    wrong = (given.labels != given.true_labels)[::step]
    acts = seen("lenet5-digits-noisy", given.images[::step], ("conv2",))
    screen = screen_filters(acts, k_max=1, labels=given.labels[::step])
    score = screen.samples["score"].to_numpy()
    assert auc(score, wrong) >= 0.99
    assert average_precision(score, wrong) >= bar
    assert (flags(screen) != "").mean() < 0.6

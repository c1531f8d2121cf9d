"""Ids lead to their own sample, whatever was taken, sorted or filtered before."""

import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cutaway.core import Cancelled
from cutaway.data import Dataset, batches, load_data

N = 300


def pictures_that_hold_their_id(n=N):
    """Images whose first pixels spell their number in base 256, with ids in another order."""
    numbers = np.random.default_rng(3).permutation(n)
    images = np.zeros((n, 4, 4), np.uint8)
    images[:, 0, 0], images[:, 0, 1] = numbers // 256, numbers % 256
    return load_data(images, ids=numbers, labels=numbers % 7)


def number_in(picture):
    return int(picture[0, 0]) * 256 + int(picture[0, 1])


def test_is_a_dataset():
    data = pictures_that_hold_their_id()
    assert isinstance(data, Dataset)
    assert (data.kind, len(data), data.skipped) == ("image", N, ())


steps = st.lists(
    st.tuples(
        st.sampled_from(["take", "mask", "sort", "reverse", "by_label"]), st.integers(0, 2**32 - 1)
    ),
    max_size=5,
)


@settings(max_examples=60, deadline=None)
@given(steps)
def test_the_right_thumbnail_after_any_take_sort_and_filter(steps):
    data = pictures_that_hold_their_id()
    for step, seed in steps:
        rng = np.random.default_rng(seed)
        if step == "take":
            data = data.take(rng.permutation(len(data))[: max(1, len(data) // 2)])
        elif step == "mask":
            mask = rng.random(len(data)) < 0.7
            mask[0] = True
            data = data.take(mask)
        elif step == "sort":
            data = data.take(np.argsort(data.index.ids))
        elif step == "reverse":
            data = data.take(np.arange(len(data))[::-1])
        else:
            data = data.take(np.argsort(data.labels, kind="stable"))
    for place, one in enumerate(data.index):
        assert number_in(data.thumbnail(one, size=None)) == one
        assert data.labels[place] == one % 7
    batch = data.batch(np.arange(len(data)))
    pixels = np.rint(batch.inputs.numpy()[:, 0] * 255)
    assert [number_in(one) for one in pixels] == batch.ids.tolist() == list(data.index)
    np.testing.assert_array_equal(batch.labels, batch.ids % 7)


def test_batch_is_float32_in_0_1_with_a_channel_axis():
    images = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3) * 14
    batch = load_data(images).batch([1, 0])
    assert batch.inputs.dtype == torch.float32
    assert batch.inputs.shape == (2, 1, 3, 3)
    assert batch.labels is None
    assert len(batch) == 2
    expected = torch.from_numpy(images[[1, 0]][:, None].astype(np.float32) / 255)
    torch.testing.assert_close(batch.inputs, expected, rtol=1e-6, atol=0)


def test_arrays_are_read_only_and_the_data_frozen():
    data = pictures_that_hold_their_id()
    with pytest.raises(ValueError, match="read-only"):
        data.labels[0] = 1
    with pytest.raises(AttributeError):
        data.name = "other"


@pytest.mark.parametrize(
    ("positions", "error", "message"),
    [
        ([300], ValueError, "positions must lie in 0..299, got 300; look ids up with"),
        ([-1], ValueError, "positions must lie in 0..299, got -1"),
        ([0.5], TypeError, "positions must be whole numbers, got dtype float64"),
        ([[0]], ValueError, r"positions must have 1 axes \(one place a sample\), got shape"),
        ([True, False], ValueError, r"positions must have as many entries as the data \(300\)"),
    ],
)
def test_wrong_places(positions, error, message):
    data = pictures_that_hold_their_id()
    for method in (data.take, data.batch):
        with pytest.raises(error, match=message):
            method(positions)


def test_taking_a_sample_twice_is_refused():
    with pytest.raises(ValueError, match="ids must be unique"):
        pictures_that_hold_their_id().take([4, 4])


def test_nothing_may_be_taken_but_not_batched():
    data = pictures_that_hold_their_id()
    assert len(data.take([])) == 0
    with pytest.raises(ValueError, match="positions must hold at least one place, got none"):
        data.batch([])


def test_unknown_id():
    with pytest.raises(KeyError, match="ids must be among the 300 ids of this sample index"):
        pictures_that_hold_their_id().thumbnail(1000)


def test_each_kind_says_which_method_is_its_own():
    text, array = load_data(["a", "b"]), load_data(np.eye(3))
    message = "thumbnail needs data of kind 'image', got kind 'text' (texts); use .text(id)"
    with pytest.raises(TypeError, match=re.escape(message)):
        text.thumbnail(0)
    with pytest.raises(TypeError, match=r"got kind 'array' \(array\); use .batch\(places\)"):
        array.thumbnail(0)
    with pytest.raises(TypeError, match="text needs data of kind 'text', got kind 'image'"):
        pictures_that_hold_their_id().text(0)


def test_thumbnail_sizes():
    data = load_data(np.arange(4 * 8, dtype=np.uint8).reshape(1, 4, 8))
    assert data.thumbnail(0).shape == (14, 28)
    assert data.thumbnail(0, size=None).shape == (4, 8)
    enlarged = data.thumbnail(0, size=16)
    np.testing.assert_array_equal(enlarged[::2, ::2], data.thumbnail(0, size=None))
    halved = data.thumbnail(0, size=4)
    blocks = data.thumbnail(0, size=None).reshape(2, 2, 4, 2).mean(axis=(1, 3))
    assert np.abs(halved - blocks).max() <= 0.5
    with pytest.raises(ValueError, match="size must be 1..4096, got 0; give pixels, or None"):
        data.thumbnail(0, size=0)


def test_batches_cover_everything_once_in_order():
    data = pictures_that_hold_their_id()
    ticks = []
    seen = [b.ids for b in batches(data, 64, tick=lambda f, m: ticks.append((f, m)))]
    assert [len(one) for one in seen] == [64, 64, 64, 64, 44]
    np.testing.assert_array_equal(np.concatenate(seen), data.index.ids)
    assert ticks[-1] == (1.0, "samples 300/300")
    assert [f for f, _ in ticks] == sorted(f for f, _ in ticks)


def test_batches_go_on_where_they_stopped():
    data = pictures_that_hold_their_id()
    ids = np.concatenate([b.ids for b in batches(data, 64, start=128)])
    np.testing.assert_array_equal(ids, data.index.ids[128:])
    ticks = []
    assert list(batches(data, 64, start=N, tick=lambda f, m: ticks.append(f))) == []
    assert ticks == [1.0]


def test_batches_stop_when_the_tick_cancels():
    def cancel(fraction, message):
        raise Cancelled

    reader = batches(pictures_that_hold_their_id(), 64, tick=cancel)
    assert len(next(reader)) == 64
    with pytest.raises(Cancelled):
        next(reader)


def test_batches_arguments_are_checked_at_the_call():
    data = pictures_that_hold_their_id()
    with pytest.raises(ValueError, match="batch_size must be 1 or more, got 0"):
        batches(data, 0)
    with pytest.raises(ValueError, match="start must be 0..300, got 301"):
        batches(data, 8, start=301)


def test_repr_says_what_it_is():
    assert repr(pictures_that_hold_their_id()) == "Samples(images: 300 of kind image, 7 classes)"

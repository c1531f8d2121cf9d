"""Class indices from any labels, and random draws that keep the classes' shares."""

import numpy as np
import pandas as pd
import pytest
import torch

from cutaway.data.draw import draw
from cutaway.data.labels import are_classes, class_labels


@pytest.mark.parametrize(
    "values",
    [
        [2, 0, 1],
        (2.0, 0.0, 1.0),
        np.array([2, 0, 1], np.uint8),
        torch.tensor([2, 0, 1]),
        pd.Series([2, 0, 1], index=[7, 8, 9]),
        np.array([2, 0, 1], object),
    ],
)
def test_whole_numbers_are_kept(values):
    labels, classes = class_labels(values)
    assert labels.dtype == np.int64
    assert labels.tolist() == [2, 0, 1]
    assert classes == ("0", "1", "2")


def test_gaps_keep_their_index():
    labels, classes = class_labels([5, 0])
    assert classes[labels[0]] == "5"


@pytest.mark.parametrize(
    "values", [["dog", "cat", "dog"], pd.Series(["dog", "cat", "dog"]), ("dog", "cat", "dog")]
)
def test_strings_are_numbered_in_sorted_order(values):
    labels, classes = class_labels(values)
    assert labels.tolist() == [1, 0, 1]
    assert classes == ("cat", "dog")


def test_booleans():
    labels, classes = class_labels([True, False])
    assert (labels.tolist(), classes) == ([1, 0], ("False", "True"))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.eye(3), r"got shape \(3, 3\); use labels.argmax\(axis=1\)"),
        ([0, -1], "labels must lie in 0..999999, got -1; drop unlabelled samples"),
        ([0, 2_000_000], "labels must lie in 0..999999, got 2000000"),
        ([0.5, 1.0], "labels must be whole numbers or strings, got 0.5 at place 0; leave labels"),
        ([1.0, np.nan], "labels must be whole numbers or strings, got nan at place 1"),
        (["a", None], "labels must name a class for every sample, got None at place 1"),
        (pd.Series(["a", None]), "labels must name a class for every sample, got nan at place 1"),
        ([1j], "labels must be whole numbers or strings, got dtype complex128; convert"),
    ],
)
def test_what_is_no_class(values, message):
    with pytest.raises(ValueError, match=message):
        class_labels(values)
    assert not are_classes(values)


def test_labels_must_fit_the_class_names():
    with pytest.raises(ValueError, match=r"labels must lie in 0..1, got 2"):
        class_labels([0, 2], ("a", "b"))


def test_draw_without_limit_keeps_all():
    np.testing.assert_array_equal(draw(5, None), np.arange(5))
    np.testing.assert_array_equal(draw(5, 9), np.arange(5))


def test_draw_is_seeded_ordered_and_not_the_first():
    one = draw(1000, 100)
    np.testing.assert_array_equal(one, draw(1000, 100))
    assert (np.diff(one) > 0).all()
    assert one[-1] > 900
    assert draw(1000, 100, seed=1).tolist() != one.tolist()


def test_draw_is_uniform():
    counts = np.zeros(20)
    for seed in range(2000):
        counts[draw(20, 5, seed=seed)] += 1
    # Binomial(2000, 1/4): standard deviation 19.4; five of them.
    assert np.abs(counts - 500).max() < 97


def test_stratified_draw_keeps_shares():
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.repeat([0, 1, 2], [700, 200, 100]))
    for limit in (10, 33, 100, 500):
        got = np.bincount(labels[draw(1000, limit, labels)], minlength=3)
        assert got.sum() == limit
        assert np.abs(got - limit * np.array([0.7, 0.2, 0.1])).max() <= 1.5


def test_stratified_draw_of_sorted_classes_holds_every_class():
    labels = np.repeat(np.arange(10), 50)
    assert set(labels[draw(500, 10, labels)]) == set(range(10))


@pytest.mark.parametrize("limit", [0, -3])
def test_limit_must_be_positive(limit):
    with pytest.raises(ValueError, match=f"limit must be 1 or more, got {limit}; give how many"):
        draw(10, limit)


def test_limit_must_be_whole():
    with pytest.raises(TypeError, match=r"limit must be a whole number, got 2.5 \(float\)"):
        draw(10, 2.5)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.ma.array([0, 1], mask=[0, 1]), ["1 of 2", "masked"]),
        (pd.Series([0, None], dtype="Int64"), ["place 1"]),
        (np.array([0, pd.NA], object), ["NA", "place 1"]),
        (pd.Series(["a", None], dtype="string"), ["NA", "place 1"]),
        ([[1], [2, 3]], ["different lengths"]),
        (pd.Series(["a", None], dtype="category"), ["place 1"]),
        (np.array([0, pd.NaT], object), ["NaT", "place 1"]),
        (np.array([2**63, 0], np.uint64), [str(2**63)]),
        ([2**70, 0], [str(2**70)]),
        ([1e300, 0], ["0..999999"]),
        ([b"a", b"b"], ["S1"]),
        (np.array([b"a", "b"], object), ["b'a'", "bytes"]),
        (pd.to_datetime(["2020-01-01"]), ["datetime64"]),
        (np.array([[1], [2, 3]], object), ["list", "place 0"]),
        (5, ["()"]),
    ],
)
def test_labels_that_would_become_others_are_refused(values, words):
    with pytest.raises(ValueError, match="labels must") as caught:
        class_labels(values)
    assert all(one in str(caught.value) for one in words), caught.value
    assert "\n" not in str(caught.value)
    assert not are_classes(values)


def test_a_long_label_costs_its_room_once():
    labels, classes = class_labels(np.array(["x" * 10_000_000] * 5_000 + ["a"], object))
    assert labels.tolist() == [1] * 5_000 + [0]
    assert len(classes[1]) == 10_000_000

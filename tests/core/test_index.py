from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutaway.core import Index


@given(st.lists(st.integers(-(2**40), 2**40), unique=True, max_size=50), st.randoms())
def test_positions_find_every_id_in_any_order(ids, random):
    index = Index(np.array(ids, dtype=np.int64))
    wanted = random.sample(ids, len(ids))
    assert [ids[place] for place in index.positions(wanted)] == wanted


def test_take_keeps_ids_and_axis():
    index = Index(["b", "a", "c"], axis="unit")
    taken = index.take([2, 0])
    assert list(taken) == ["c", "b"]
    assert taken.axis == "unit"


def test_digest_depends_on_ids_order_and_axis():
    base = Index(["a", "b"])
    assert base.digest == Index(np.array(["a", "b"])).digest
    assert len({base.digest, Index(["b", "a"]).digest, Index(["a", "b"], axis="unit").digest}) == 3


def test_digest_does_not_confuse_boundaries_between_strings():
    assert Index(["ab", "c"]).digest != Index(["a", "bc"]).digest


def test_ids_are_read_only_and_independent_of_the_given_array():
    given_ids = np.array([3, 1, 2])
    index = Index(given_ids)
    given_ids[0] = 9
    assert list(index) == [3, 1, 2]
    with pytest.raises(ValueError, match="read-only"):
        index.ids[0] = 5


def test_membership():
    index = Index(["x", "y"])
    assert "x" in index
    assert "z" not in index


def test_empty_index():
    assert len(Index([])) == 0
    assert Index([]).positions([]).tolist() == []


@pytest.mark.parametrize(
    ("ids", "error", "message"),
    [
        ([1, 2, 1], ValueError, "ids must be unique, got 1 2 times; make every id distinct"),
        ([[1, 2]], ValueError, r"ids must have 1 axes \(one id a row\), got shape \(1, 2\)"),
        ([1.5, 2.5], TypeError, "ids must be whole numbers or strings, got dtype float64"),
    ],
)
def test_bad_ids(ids, error, message):
    with pytest.raises(error, match=message):
        Index(ids)


def test_unknown_id_names_it_and_some_known_ones():
    with pytest.raises(KeyError, match="got 'q'; the first ids here are 'a', 'b'"):
        Index(["a", "b"]).positions(["a", "q"])


def test_a_table_of_ids_is_refused():
    with pytest.raises(ValueError, match=r"ids must have 1 axes .*got shape \(1, 2\)"):
        Index(["a", "b"]).positions(np.array([["a", "b"]]))


def test_repr_is_one_line():
    assert repr(Index.count(5)) == "Index(5 samples: 0, 1, 2, …)"


@given(
    st.lists(st.integers(-9, 9), unique=True, max_size=12),
    st.lists(st.integers(-12, 12), max_size=12),
)
def test_places_of_whole_numbers_are_those_of_a_list(ids, wanted):
    index = Index(np.array(ids, dtype=np.int64))
    strangers = [one for one in wanted if one not in ids]
    if strangers:
        with pytest.raises(KeyError, match=rf"got {strangers[0]}; the first ids"):
            index.positions(wanted)
    else:
        assert index.positions(wanted).tolist() == [ids.index(one) for one in wanted]


@given(st.lists(st.integers(-5, 5), max_size=6))
def test_ids_are_refused_exactly_when_one_comes_twice(ids):
    if len(set(ids)) == len(ids):
        assert list(Index(np.array(ids, dtype=np.int64))) == ids
    else:
        with pytest.raises(ValueError, match="ids must be unique"):
            Index(ids)


@pytest.mark.parametrize(
    ("ids", "error", "words"),
    [
        (np.array([1, 2**63], np.uint64), ValueError, [str(2**63), "strings"]),
        ([2**70, 1], ValueError, [str(2**70)]),
        (np.array([-(2**64), 1], object), ValueError, [str(-(2**64))]),
        (np.ma.array([1, 2, 3], mask=[0, 1, 1]), ValueError, ["2 of 3", "filled"]),
        (["a", None], TypeError, ["None", "place 1"]),
        (["a", float("nan")], TypeError, ["nan", "place 1"]),
        (pd.Series([1, None], dtype="Int64"), TypeError, []),
        (pd.Series(["a", None]), TypeError, ["place 1"]),
        (pd.to_datetime(["2020-01-01"]), TypeError, ["datetime64"]),
        (np.array([pd.Timestamp(0)], object), TypeError, ["Timestamp"]),
        ([b"a", b"b"], TypeError, ["S1"]),
        (np.array([b"a", "b"], object), TypeError, ["b'a'", "bytes"]),
        ([1 + 2j], TypeError, ["complex"]),
        ([True, False], TypeError, ["bool"]),
        (np.array([True, 1], object), TypeError, ["True"]),
        (pd.MultiIndex.from_tuples([("a", 1)]), TypeError, ["tuple"]),
        ([["a"], ["a", "b"]], ValueError, ["different lengths"]),
        (np.array(5), ValueError, ["()"]),
    ],
)
def test_ids_that_would_become_others_are_refused(ids, error, words):
    with pytest.raises(error) as caught:
        Index(ids)
    assert all(one in str(caught.value) for one in ["ids must", *words]), caught.value
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        (np.array([1, 2**63 - 1], np.uint64), [1, 2**63 - 1]),
        (np.array([3, 1], object), [3, 1]),
        (pd.Series([3, 1], dtype="Int64"), [3, 1]),
        (pd.Series(["b", "a"]), ["b", "a"]),
        (pd.Series(["b", "a"], dtype="category"), ["b", "a"]),
        ([Path("a/b"), Path("c")], ["a/b", "c"]),
        (["a", 1], ["a", "1"]),
        (np.ma.array([1, 2]), [1, 2]),
        (range(3), [0, 1, 2]),
    ],
)
def test_ids_that_stay_what_they_are(ids, expected):
    assert list(Index(ids)) == expected


def test_a_mask_is_no_list_of_ids():
    index = Index([0, 1, 2])
    with pytest.raises(TypeError, match=r"booleans; use \.take\(mask\)"):
        index.positions(np.array([True, False, True]))
    with pytest.raises(ValueError, match="1 of 2"):
        index.positions(np.ma.array([1, 2], mask=[0, 1]))
    for wrong in (3, "abc"):
        with pytest.raises(TypeError, match="ids must be a list of ids"):
            index.positions(wrong)
    with pytest.raises(KeyError, match=str(2**63)):
        index.positions(np.array([2**63], np.uint64))

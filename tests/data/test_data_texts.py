"""Lists, frames and files of texts."""

import sys

import numpy as np
import pandas as pd
import pytest

from cutaway.data import load_data

WORDS = ["one", "two words", "drei", "NA"]


@pytest.mark.parametrize("source", [WORDS, tuple(WORDS), np.array(WORDS), np.array(WORDS, object)])
def test_lists(source):
    data = load_data(source)
    assert (data.name, data.kind) == ("texts", "text")
    assert data.batch([3, 0]).inputs == ["NA", "one"]
    assert data.take([2]).text(2) == "drei"


def test_two_texts_in_a_tuple_are_texts():
    assert len(load_data(("a", "b"))) == 2


def test_texts_with_labels():
    data = load_data((WORDS, ["x", "y", "x", "y"]))
    assert data.classes == ("x", "y")
    assert data.batch([1, 2]).labels.tolist() == [1, 0]


def test_a_later_change_of_the_list_changes_nothing():
    words = list(WORDS)
    data = load_data(words)
    words[0] = "changed"
    assert data.text(0) == "one"


def test_empty_texts_are_skipped():
    data = load_data(["a", "", "b"])
    assert list(data.index) == [0, 2]
    assert [(one.id, one.reason) for one in data.skipped] == [(1, "empty text")]
    assert data.text(2) == "b"
    again = load_data(data, limit=1)
    assert again.skipped == data.skipped


def test_something_else_among_texts():
    with pytest.raises(TypeError, match=r"texts must be strings, got 3 \(int\) at place 1; conv"):
        load_data(["a", 3])


def test_a_series_keeps_its_index():
    data = load_data(pd.Series(WORDS, index=[10, 20, 30, 40])[lambda s: s != "drei"])
    assert list(data.index) == [10, 20, 40]
    assert data.text(40) == "NA"


def frame():
    return pd.DataFrame(
        {"review": ["good", "bad", None, "fine"], "label": ["p", "n", "n", "p"], "stars": range(4)},
        index=list("abcd"),
    )


def test_a_frame_gives_ids_texts_and_labels():
    data = load_data(frame())
    assert (data.name, list(data.index)) == ("table", ["a", "b", "d"])
    assert [(one.id, one.reason) for one in data.skipped] == [("c", "no text")]
    assert data.classes == ("n", "p")
    assert data.labels.tolist() == [1, 0, 1]
    assert data.text("d") == "fine"


def test_columns_by_name():
    data = load_data(frame(), text_column="label", label_column="stars")
    assert data.text("c") == "n"
    assert data.labels.tolist() == [0, 1, 2, 3]


def test_a_column_called_text_wins():
    table = frame().rename(columns={"label": "text"})
    assert load_data(table).text("a") == "p"
    assert load_data(table).labels is None


def test_a_label_column_of_measurements_is_left_unless_asked_for():
    table = frame().assign(label=[0.5, 1.0, 2.0, 3.0])
    assert load_data(table).labels is None
    with pytest.raises(ValueError, match="labels must be whole numbers or strings, got 0.5"):
        load_data(table, label_column="label")


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (
            {"other": list("wxyz")},
            {},
            (
                r"where several or none hold strings, got None for columns 'review', 'label', "
                r"'stars', 'other' \(strings in: 'review', 'other'\)"
            ),
        ),
        ({"review": range(4)}, {}, r"strings in: none\); name one of them"),
        ({}, {"text_column": "body"}, "text_column must be one of 'review', 'label', 'stars', got"),
        ({}, {"label_column": "y"}, "label_column must be one of 'review', 'label', 'stars', got"),
    ],
)
def test_columns_that_are_not_there(change, options, message):
    with pytest.raises(ValueError, match=message):
        load_data(frame().assign(**change), **options)


def test_columns_of_one_name():
    table = frame().set_axis(["a", "b", "a"], axis=1)
    with pytest.raises(ValueError, match="columns of different names, got 'a', 'b', 'a'; rename"):
        load_data(table)


def test_numbers_in_the_text_column():
    with pytest.raises(TypeError, match=r"texts must be strings, got 0 \(int\) at place 0"):
        load_data(frame(), text_column="stars")


def test_a_frame_with_repeated_index():
    with pytest.raises(ValueError, match="ids must be unique, got 'a' 2 times"):
        load_data(frame().set_axis(list("aacd")))


@pytest.mark.parametrize(("ending", "sep"), [("csv", ","), ("tsv", "\t")])
def test_separated_files(tmp_path, ending, sep):
    rows = [("text", "label"), ("hello", "1"), ("NA", "0"), ("", "1"), ('"a{} b"', "0")]
    path = tmp_path / f"reviews.{ending}"
    path.write_text("\n".join(sep.join(row) for row in rows).replace("{}", sep))
    data = load_data(path)
    assert (data.name, list(data.index)) == ("reviews", [0, 1, 3])
    assert data.batch([0, 1, 2]).inputs == ["hello", "NA", f"a{sep} b"]
    assert data.labels.tolist() == [1, 0, 0]
    assert [(one.id, one.reason) for one in data.skipped] == [(2, "no text")]


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n1,2,3,4\n", b"text\n\xff\xfe\n"])
def test_files_that_are_no_tables(tmp_path, content):
    path = tmp_path / "x.csv"
    path.write_bytes(content)
    with pytest.raises(
        ValueError, match=r"source must be a csv table that can be read, got .*x.cs"
    ):
        load_data(path)


def test_a_table_without_rows(tmp_path):
    (tmp_path / "x.csv").write_text("text\n")
    with pytest.raises(ValueError, match="source must hold at least one sample, got none in x"):
        load_data(tmp_path / "x.csv", text_column="text")


def test_other_endings(tmp_path):
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(ValueError, match=r"must be one of '.csv', '.tsv', '.parquet', got '.json'"):
        load_data(tmp_path / "x.json")


def test_parquet(tmp_path):
    pytest.importorskip("pyarrow", reason="Parquet needs the extra [tables]")
    frame().to_parquet(tmp_path / "x.parquet")
    data = load_data(tmp_path / "x.parquet")
    assert list(data.index) == [0, 1, 3]
    assert data.text(3) == "fine"
    assert data.classes == ("n", "p")
    (tmp_path / "y.parquet").write_bytes(b"no parquet")
    with pytest.raises(ValueError, match="source must be a parquet table that can be read"):
        load_data(tmp_path / "y.parquet")


def test_parquet_without_pyarrow(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (tmp_path / "x.parquet").write_bytes(b"")
    with pytest.raises(ImportError, match=r"pyarrow reads Parquet .*pip install 'cutaway\[tables"):
        load_data(tmp_path / "x.parquet")

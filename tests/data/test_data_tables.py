"""Tables of texts: what is not one for certain is refused, with the line and the remedy."""

import csv
import io
import os

import numpy as np
import pandas as pd
import pytest

from cutaway.core._io import DamagedFile
from cutaway.data import load_data


def table(tmp_path, content, name="t.csv"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def refused(tmp_path, content, name="t.csv", **options):
    path = table(tmp_path, content, name)
    with pytest.raises(DamagedFile) as caught:
        load_data(path, **options)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("text,label\nI came, I saw,1\nbad, very,0\n", ["line 2", "3 fields", "header has 2", '"']),
        ("text,label\nfine,1\nI came, I saw,1\n", ["line 3", "3 fields", "double quotes"]),
        ("text,label\nfine,1\n\nwell\n", ["line 4", "1 field,", "has 2: text, label", "missing"]),
        ('text,label\n"two\nlines",1\na,b,0\n', ["line 4", "3 fields"]),
        ("text\nhello, you\n", ["line 2", "2 fields", "header has 1"]),
        ("text,label\na,1,\nb,0,\n", ["line 2", "3 fields"]),
        ("a;label\nx, y;1\n", ["line 1", "no comma but a semicolon", "text_column"]),
        ("text\tlabel\na\t1\n", ["line 1", "no comma but a tab"]),
        ('text,label\n"open,1\nb,0\n', ["line 2", "quotes", '""']),
        ('text,label\nb,1\n"a" b,0\n', ["line 3", "quotes"]),
        ("hello world,1\nbye,0\n", ["line 1", "the number 1", "names of the columns"]),
        ("text,text,label\na,b,1\n", ["'text', 'text', 'label'", "rename"]),
        ("", ["empty", "header line"]),
        ("\n\n", ["empty"]),
        ("text\none\n\xe4".encode("latin-1"), ["line 3", "UTF-8"]),
        ("text,label\na,1\n".encode("utf-16"), ["UTF-16", "UTF-8"]),
        ("text,label\na,1\nb\0,1\n", ["line 3", "null"]),
    ],
)
def test_what_is_no_table_for_certain(tmp_path, content, words):
    message = refused(tmp_path, content) if words[-1] != "rename" else None
    if message is None:  # a frame of such names is refused in the same words
        with pytest.raises(ValueError, match="text") as caught:
            load_data(table(tmp_path, content))
        message = str(caught.value)
    assert all(one in message for one in words), message


def test_a_separated_file_with_tabs(tmp_path):
    message = refused(tmp_path, "text,label\na,1\n", "t.tsv")
    assert "no tab but a comma" in message
    assert list(load_data(table(tmp_path, "text\tlabel\na, b\t1\n", "t.tsv")).source.show(0)) == [
        *"a, b"
    ]


TEXTS = ["a, b", 'say "hi"', "two\nlines", "two\r\nlines", "  spaces ", "äöü ", "NA", "x" * 200_000]


@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_what_was_written_well_is_read_to_the_letter(tmp_path, start, ends):
    file = io.StringIO()
    writer = csv.writer(file, lineterminator=ends)
    writer.writerows([["text", "label"], *zip(TEXTS, range(8), strict=True)])
    limit = csv.field_size_limit()
    data = load_data(table(tmp_path, start + file.getvalue().encode()))
    assert data.batch(np.arange(8)).inputs == TEXTS
    assert data.labels.tolist() == list(range(8))
    assert list(data.index) == list(range(8))
    assert csv.field_size_limit() == limit


def test_what_pandas_wrote_is_read(tmp_path):
    frame = pd.DataFrame({"text": TEXTS, "label": list("aabbccdd"), "score": np.arange(8) / 3})
    for index in (True, False):
        frame.to_csv(tmp_path / "t.csv", index=index)
        data = load_data(tmp_path / "t.csv")
        assert data.batch(np.arange(8)).inputs == TEXTS
        assert data.classes == ("a", "b", "c", "d")


def test_a_header_that_looks_odd_is_taken_at_the_callers_word(tmp_path):
    path = table(tmp_path, "2019,label\nyes,1\nno,0\n")
    assert load_data(path, text_column="2019").text(1) == "no"
    path = table(tmp_path, "a;b\nyes\nno\n")
    assert load_data(path, text_column="a;b").text(0) == "yes"


def test_numbers_and_gaps(tmp_path):
    data = load_data(table(tmp_path, "text,label,n\na,3.0,\n,1,2\nc,,5\n"))
    assert data.labels is None  # one has no class
    with pytest.raises(ValueError, match="nan at place 2"):
        load_data(tmp_path / "t.csv", label_column="label")
    data = load_data(table(tmp_path, "text,label\na,07\nb,0\nc,2e0\n"))
    assert data.labels.tolist() == [7, 0, 2]


def test_a_pipe_is_not_waited_for(tmp_path):
    for name in ("t.csv", "t.parquet"):
        os.mkfifo(tmp_path / name)
        with pytest.raises(DamagedFile, match="pipe"):
            load_data(tmp_path / name)


def test_the_size_of_a_table_is_bounded(tmp_path):
    message = refused(tmp_path, "text\n" + "word\n" * 300, max_bytes=1000)
    assert "1,505 bytes, more than max_bytes=1,000" in message
    with pytest.raises(ValueError, match="max_bytes must be 1 or more, got 0"):
        load_data(tmp_path / "t.csv", max_bytes=0)


class TestParquet:
    @pytest.fixture(autouse=True)
    def _packages(self):
        self.pa = pytest.importorskip("pyarrow", reason="Parquet needs the extra [tables]")
        from pyarrow import parquet

        self.parquet = parquet

    def written(self, tmp_path, columns, **options):
        path = tmp_path / "t.parquet"
        self.parquet.write_table(self.pa.table(columns), path, **options)
        return path

    def test_texts_of_every_type(self, tmp_path):
        pa, texts = self.pa, ["b", None, "a", "", "b"]
        kinds = [
            pa.array(texts),
            pa.array(texts, pa.large_string()),
            pa.array(texts).dictionary_encode(),
            pa.array(texts, pa.string_view()),
        ]
        for kind in kinds:
            columns = {"words": kind, "label": pa.array(list("xyxyy")).dictionary_encode()}
            data = load_data(self.written(tmp_path, columns))
            assert list(data.index) == [0, 2, 4]
            assert data.batch([0, 1, 2]).inputs == ["b", "a", "b"]
            assert data.classes == ("x", "y")
            assert data.labels.tolist() == [0, 0, 1]
            assert [one.reason for one in data.skipped] == ["no text", "empty text"]

    def test_categories_of_a_frame(self, tmp_path):
        frame = pd.DataFrame({"words": pd.Categorical(["b", "a", None]), "label": [0, 1, 1]})
        assert load_data(frame).batch([0, 1]).inputs == ["b", "a"]
        frame.set_index(pd.Index(list("xyz"), name="key")).to_parquet(tmp_path / "t.parquet")
        data = load_data(tmp_path / "t.parquet")
        assert data.batch([0, 1]).inputs == ["b", "a"]
        assert list(data.index) == [0, 1]

    def test_what_is_declared_is_bounded_before_it_is_read(self, tmp_path):
        long = self.pa.DictionaryArray.from_arrays([0] * 5000, ["x" * 1_000_000])
        path = self.written(tmp_path, {"text": long}, store_schema=False)
        assert path.stat().st_size < 2_000_000
        data = load_data(path, max_bytes=3_000_000)  # 5 GB as 5,000 strings, one as it is held
        assert len(data) == 5000
        assert data.text(4999) is data.text(0)
        with pytest.raises(DamagedFile, match=r"t\.parquet.*bytes, more than max_bytes=1,000,000"):
            load_data(path, max_bytes=1_000_000)
        rows = self.written(tmp_path, {"text": ["a"] * 200_000})
        with pytest.raises(DamagedFile, match="max_bytes=3,000,000"):
            load_data(rows, max_bytes=3_000_000)

    def test_only_the_columns_wanted_are_read(self, tmp_path):
        columns = {"text": ["a", "b"], "other": self.pa.array([[1], [2, 3]])}
        path = self.written(tmp_path, columns)
        assert load_data(path).batch([0, 1]).inputs == ["a", "b"]
        with pytest.raises(ValueError, match="labels must .*lists of different lengths"):
            load_data(path, label_column="other")


def test_labels_numbered_from_one_are_told_at_once(tmp_path):
    path = table(tmp_path, "text,label\na,1\nb,2\nc,3\n")
    with pytest.warns(UserWarning, match=r"got 1..3 and no 0.*classes=range\(1, 4\)") as told:
        data = load_data(path)
    assert told[0].filename == __file__
    assert data.labels.tolist() == [1, 2, 3]


@pytest.mark.filterwarnings("error")
def test_labels_that_only_lack_a_zero_are_not(tmp_path):
    for labels in ([1, 1, 1], [1, 3, 3], [0, 1, 2], ["1", "2", "3"], [2, 3, 2]):
        assert len(load_data((list("abc"), labels))) == 3


@pytest.mark.parametrize(
    ("labels", "classes", "expected"),
    [
        ([1, 2, 3], range(1, 4), [0, 1, 2]),
        ([1, 2, 3], [3, 2, 1], [2, 1, 0]),
        ([0, 1, 2], ["x", "y", "z", "w"], [0, 1, 2]),
        (["dog", "cat", "dog"], ["dog", "owl", "cat"], [0, 2, 0]),
        (["1", "2", "1"], range(1, 3), [0, 1, 0]),
        (np.array([1.0, 2.0, 2.0]), np.arange(1, 3), [0, 1, 1]),
        ([True, False, True], ["True", "False"], [0, 1, 0]),
    ],
)
def test_classes_say_what_labels_are_numbered_by(labels, classes, expected):
    data = load_data(list("abc"), labels=labels, classes=classes)
    assert data.labels.tolist() == expected
    assert data.classes == tuple(str(one) for one in classes)


def test_classes_of_a_source_that_names_them(tmp_path):
    data = load_data((list("abc"), ["dog", "cat", "dog"]))
    again = load_data(data, classes=["owl", "dog", "cat"])
    assert again.labels.tolist() == [1, 2, 1]
    path = table(tmp_path, "text,label\na,1\nb,2\n")
    given = load_data(path, classes=range(1, 3)).given
    assert given["classes"] == [1, 2]
    again = load_data(given["source"], classes=given["classes"])
    assert again.labels.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("classes", "error", "words"),
    [
        ("cat", TypeError, ["'cat'"]),
        (5, TypeError, ["5"]),
        (["a", 1], TypeError, ["1", "one way"]),
        ([1.5], TypeError, ["1.5"]),
        ([1, 1], ValueError, ["1 twice"]),
        ([], ValueError, ["none"]),
        ([0, 1], ValueError, ["2", "place 1", "not among 0, 1"]),
        (["a", "b"], ValueError, ["0..1", "2"]),
    ],
)
def test_classes_that_do_not_fit(classes, error, words):
    with pytest.raises(error) as caught:
        load_data(list("abc"), labels=[0, 2, 1], classes=classes)
    assert all(one in str(caught.value) for one in words), caught.value
    with pytest.raises(ValueError, match="without labels, got 2 of them"):
        load_data(list("abc"), classes=["x", "y"])

"""Hugging Face datasets: recognised by what they offer, and the real package where installed."""

import numpy as np
import pytest
from PIL import Image

from cutaway.data import load_data

ARRAYS = np.random.default_rng(0).integers(0, 256, (6, 5, 5), np.uint8)


def feature(name, **fields):
    """A feature as `datasets.features` has them: known by class name, dtype and class names."""
    return type(name, (), fields)()


IMAGE = feature("Image", dtype="PIL.Image.Image")
TEXT = feature("Value", dtype="string")
NUMBER = feature("Value", dtype="int64")
FRACTION = feature("Value", dtype="float32")
PETS = feature("ClassLabel", dtype="int64", names=["cat", "dog"])


class Table:
    """The part of `datasets.Dataset` that is read: rows, lists of rows and columns."""

    def __init__(self, columns, features):
        self.columns, self.features = columns, features

    @property
    def column_names(self):
        return list(self.columns)

    def __len__(self):
        return len(next(iter(self.columns.values())))

    def __getitem__(self, key):
        if isinstance(key, str):
            return self.columns[key]
        if isinstance(key, list):
            return {name: [one[k] for k in key] for name, one in self.columns.items()}
        row = {name: one[key] for name, one in self.columns.items()}
        if any(isinstance(one, Exception) for one in row.values()):
            raise next(one for one in row.values() if isinstance(one, Exception))
        return row


def pictures(**changes):
    columns = {"image": [Image.fromarray(one) for one in ARRAYS], "kind": [0, 1] * 3} | changes
    return Table(columns, {"image": IMAGE, "kind": PETS})


def reviews(**changes):
    columns = {"body": ["good", "bad", None, ""], "label": [1, 0, 1, 0]} | changes
    features = {"body": TEXT, "label": NUMBER} | dict.fromkeys(changes, TEXT)
    return Table(columns, {one: features[one] for one in columns})


def test_pictures():
    data = load_data(pictures())
    assert (data.name, data.kind, data.classes) == ("dataset", "image", ("cat", "dog"))
    assert data.labels.tolist() == [0, 1] * 3
    np.testing.assert_array_equal(data.take([4, 2]).thumbnail(4, size=None), ARRAYS[4])
    assert data.batch([1, 5]).inputs.shape == (2, 1, 5, 5)


def test_broken_and_missing_pictures_are_skipped():
    images = [Image.fromarray(one) for one in ARRAYS]
    images[1], images[3] = OSError("truncated"), None
    data = load_data(pictures(image=images))
    assert list(data.index) == [0, 2, 4, 5]
    assert [(one.id, one.reason) for one in data.skipped] == [
        (1, "truncated"),
        (3, "no picture but NoneType"),
    ]


def test_texts():
    data = load_data(reviews())
    assert (data.kind, list(data.index)) == ("text", [0, 1])
    assert data.labels.tolist() == [1, 0]
    assert data.batch([1, 0]).inputs == ["bad", "good"]
    assert data.text(1) == "bad"
    assert [one.reason for one in data.skipped] == ["no text", "empty text"]


def test_columns_by_name():
    table = reviews(title=list("abcd"))
    with pytest.raises(
        ValueError, match=r"columns 'body', 'label', 'title' \(strings in: 'body', "
    ):
        load_data(table)
    data = load_data(table, text_column="title", label_column="label")
    assert data.text(3) == "d"
    with pytest.raises(
        ValueError, match="text_column must be one of 'body', 'label', 'title', got"
    ):
        load_data(table, text_column="x")
    with pytest.raises(ValueError, match="label_column must be one of 'image', 'kind', got 'x'"):
        load_data(pictures(), label_column="x")


def test_unlabelled_test_split():
    assert load_data(pictures(kind=[-1] * 6)).labels is None
    with pytest.raises(ValueError, match="labels must lie in 0..1, got -1"):
        load_data(pictures(kind=[-1, 0] * 3), label_column="kind")


def test_a_label_column_of_measurements_is_left_unless_asked_for():
    table = reviews()
    table.columns["label"], table.features["label"] = [0.5, 1.5, 2.5, 3.5], FRACTION
    assert load_data(table).labels is None
    with pytest.raises(ValueError, match="labels must be whole numbers or strings, got 0.5"):
        load_data(table, label_column="label")


def test_two_image_columns():
    table = pictures()
    table.columns["mask"], table.features["mask"] = table.columns["image"], IMAGE
    with pytest.raises(
        ValueError, match="1 column of images, got 'image', 'mask'; use .select_col"
    ):
        load_data(table)


def test_splits():
    both = {"train": pictures(), "test": reviews()}
    assert load_data(both, split="test").name == "dataset/test"
    assert load_data({"train": pictures()}).name == "dataset/train"
    with pytest.raises(ValueError, match="split must be one of 'train', 'test', got None"):
        load_data(both)
    with pytest.raises(ValueError, match="split must be one of 'train', 'test', got 'dev'"):
        load_data(both, split="dev")
    with pytest.raises(ValueError, match="split must be None for a data set that is one split al"):
        load_data(pictures(), split="train")


def test_streams_are_refused_with_the_reason():
    class Stream:
        def __init__(self):
            self.column_names, self.features = ["text"], {"text": TEXT}

    with pytest.raises(TypeError, match="rows by place, got the streaming Stream; load it without"):
        load_data(Stream())


def test_no_column_of_use():
    with pytest.raises(ValueError, match=r"columns 'a' \(strings in: none\); name one of them"):
        load_data(Table({"a": [1]}, {"a": NUMBER}))


@pytest.fixture
def datasets():
    return pytest.importorskip("datasets", reason="the package datasets is no dependency")


def test_the_real_package_with_texts(datasets):
    table = datasets.Dataset.from_dict({"text": ["a", None, "c"], "label": [0, 1, 1]})
    table = table.cast_column("label", datasets.ClassLabel(names=["no", "yes"]))
    for one in (table, table.with_format("torch")):
        data = load_data(one)
        assert (list(data.index), data.classes) == ([0, 2], ("no", "yes"))
        assert data.labels.tolist() == [0, 1]
        assert data.batch([1]).inputs == ["c"]
    both = datasets.DatasetDict({"train": table, "test": table.select([2])})
    assert load_data(both, split="test").text(0) == "c"
    with pytest.raises(ValueError, match="split must be one of 'train', 'test', got None"):
        load_data(both)


def test_the_real_package_with_pictures(datasets, tmp_path):
    for k, one in enumerate(ARRAYS):
        Image.fromarray(one).save(tmp_path / f"{k}.png")
    (tmp_path / "2.png").write_bytes(b"broken")
    columns = {"image": [str(tmp_path / f"{k}.png") for k in range(6)], "label": [0, 1] * 3}
    table = datasets.Dataset.from_dict(columns).cast_column("image", datasets.Image())
    for one in (table, table.with_format("torch")):
        data = load_data(one)
        assert list(data.index) == [0, 1, 3, 4, 5]
        assert [one.id for one in data.skipped] == [2]
        np.testing.assert_array_equal(data.thumbnail(4, size=None), ARRAYS[4])
        assert data.batch([0, 1]).labels.tolist() == [0, 1]


def test_the_real_package_streaming(datasets):
    table = datasets.Dataset.from_dict({"text": ["a"]}).to_iterable_dataset()
    with pytest.raises(TypeError, match="got the streaming IterableDataset"):
        load_data(table)

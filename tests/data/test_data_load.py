"""`load_data` finds the loader, refuses what means nothing, and loads the sample data."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch

import cutaway_samples
from cutaway.data import Dataset, load_data


@pytest.mark.parametrize(
    ("name", "size", "noisy"),
    [("digits", 28, False), ("digits32", 32, False), ("digits-noisy", 28, True)],
)
def test_sample_digits(name, size, noisy):
    data = load_data(name)
    truth = cutaway_samples.digits(size=size, noisy=noisy)
    assert (data.name, data.kind, len(data)) == (name, "image", 5000)
    assert list(data.index) == truth.ids.tolist()
    assert data.classes == tuple("0123456789")
    np.testing.assert_array_equal(data.labels, truth.labels)
    batch = data.batch([7, 4999])
    assert batch.inputs.shape == (2, 1, size, size)
    expected = truth.images[[7, 4999]][:, None] / np.float32(255)
    torch.testing.assert_close(batch.inputs, torch.from_numpy(expected), rtol=1e-6, atol=0)
    np.testing.assert_array_equal(data.thumbnail("digit-0007", size=None), truth.images[7])


def test_sample_split():
    data = load_data("digits", split="test")
    assert (data.name, len(data)) == ("digits/test", 1000)
    whole = load_data("digits")
    one = data.index.ids[500]
    np.testing.assert_array_equal(data.thumbnail(one), whole.thumbnail(one))
    with pytest.raises(ValueError, match="split must be 'train', 'test' or None, got 'dev'"):
        load_data("digits", split="dev")


@pytest.mark.parametrize(("name", "classes"), [("python-source", None), ("occupations", "he she")])
def test_sample_texts(name, classes):
    data = load_data(name, split="test")
    truth = cutaway_samples.texts(name, "test")
    assert (data.kind, data.skipped) == ("text", ())
    assert list(data.index) == truth.ids.tolist()
    one = truth.ids[3]
    assert data.text(one) == truth.texts[3] == data.batch([3]).inputs[0]
    assert data.classes == (None if classes is None else tuple(classes.split()))


def test_occupations_are_labelled_by_their_pronoun():
    data = load_data("occupations", limit=200)
    assert len(set(data.labels.tolist())) == 2
    for one, label in zip(data.index, data.labels, strict=True):
        words = set(data.text(one).lower().replace(".", " ").replace(",", " ").split())
        assert words & ({"she", "her", "hers", "herself"} if label else {"he", "his", "him"})


def test_limit_is_stratified_and_keeps_the_order():
    data = load_data("digits", limit=200)
    assert np.bincount(data.labels).tolist() == [20] * 10
    assert list(data.index) == sorted(data.index)
    assert data.index.digest == load_data("digits", limit=200).index.digest


def test_loaded_data_may_be_loaded_again():
    data = load_data("digits", limit=200)
    fewer = load_data(data, limit=20, name="few")
    assert isinstance(fewer, Dataset)
    assert (fewer.name, fewer.classes) == ("few", data.classes)
    assert set(fewer.index) < set(data.index)
    one = fewer.index.ids[11]
    np.testing.assert_array_equal(fewer.thumbnail(one), data.thumbnail(one))
    assert fewer.labels[11] == data.labels[data.index.positions([one])[0]]


@pytest.mark.parametrize(
    ("source", "near"), [("digit", "'digits', 'digits32'"), ("pyhton-source", "'python-source'")]
)
def test_neither_name_nor_path(source, near):
    message = f"sample name or an existing path, got '{source}'; nearest sample names: {near}"
    with pytest.raises(FileNotFoundError, match=message):
        load_data(source)


def test_a_sample_name_wins_over_a_folder(tmp_path, monkeypatch):
    (tmp_path / "digits").mkdir()
    monkeypatch.chdir(tmp_path)
    assert len(load_data("digits")) == 5000
    with pytest.raises(ValueError, match="source must hold images"):
        load_data("./digits")


@pytest.mark.parametrize("source", [3, None, object(), {"x": 1}, [np.zeros(3)], (1, 2, 3), b"x"])
def test_what_is_no_data(source):
    with pytest.raises(TypeError, match=r"source must be a sample name, .*; got \w+; convert it"):
        load_data(source)


@pytest.mark.parametrize("source", [[], ()])
def test_empty_list(source):
    with pytest.raises(
        ValueError, match="source must hold at least one sample, got none in an emp"
    ):
        load_data(source)


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        ("digits", {"size": 32}, "size must be left out for sample data, which takes only split"),
        (np.eye(3), {"split": "train"}, "split must be left out for an array, which takes none of"),
        (["a"], {"text_column": "x"}, "text_column must be left out for a list of texts, which"),
        (
            pd.DataFrame(),
            {"size": 3},
            "a DataFrame, which takes only text_column, label_column, go",
        ),
        (
            torch.utils.data.TensorDataset(torch.zeros(1)),
            {"label_column": "y"},
            "label_column must be left out for torch data, which takes only size, max_pixels, g",
        ),
        (["a"], {"labels": [1], "label_column": "y"}, "labels and label_column must not both be"),
    ],
)
def test_options_that_mean_nothing_are_refused(source, options, message):
    with pytest.raises(ValueError, match=message):
        load_data(source, **options)


def test_options_of_files_and_loaded_data(tmp_path):
    (tmp_path / "x.csv").write_text("text\nhello\n")
    with pytest.raises(ValueError, match="split must be left out for a table"):
        load_data(tmp_path / "x.csv", split="train")
    with pytest.raises(ValueError, match="text_column must be left out for a folder"):
        load_data(tmp_path, text_column="text")
    with pytest.raises(ValueError, match="size must be left out for data loaded before"):
        load_data(load_data(["a"]), size=3)


def test_importing_and_listing_texts_needs_no_torch():
    code = (
        "import sys, cutaway.data as d; x = d.load_data(['a', 'b']); x.text(1);"
        "assert not {'torch', 'PIL', 'datasets'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

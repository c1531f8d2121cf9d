"""The digest of what samples hold: taken while they are read, changed by any change of them."""

import os
from collections import UserDict
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch.nn.utils import rnn
from torch.utils.data import DataLoader, Dataset, TensorDataset

from cutaway.core import Index
from cutaway.data import Batch, batches, content_of, load_data
from cutaway.data.content import (
    UnknownContent,
    digest_of_content,
    digest_of_value,
    digests_of,
    digests_of_inputs,
    keep_content,
)

RNG = np.random.default_rng(3)
IMAGES = RNG.integers(0, 256, (12, 6, 5), np.uint8)


def passed(data, batch_size=5):
    """Digests that a complete pass finds."""
    return [one for batch in batches(data, batch_size) for one in batch.content]


def folder_of(path, images=IMAGES):
    path.mkdir(exist_ok=True)
    for k, image in enumerate(images):
        Image.fromarray(image).save(path / f"{k:02}.png")
    return path


class Items(Dataset):
    def __init__(self, items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, place):
        return self.items[place]


class Foreign:
    """A data set of somebody else: it follows the protocol and knows of no digests."""

    def __init__(self, inputs):
        self.inputs, self.index, self.labels = inputs, Index.count(12), None
        self.name, self.kind, self.classes, self.skipped = "foreign", "image", None, ()

    def __len__(self):
        return 12

    def batch(self, positions):
        if isinstance(self.inputs, dict):
            return Batch(positions, {name: one[positions] for name, one in self.inputs.items()})
        if isinstance(self.inputs, list):
            return Batch(positions, [self.inputs[k] for k in positions])
        return Batch(positions, self.inputs[positions])


def kinds():
    texts = [f"text {k}" for k in range(12)]
    ids = torch.arange(24).reshape(12, 2)
    pictures = [(Image.fromarray(one), k) for k, one in enumerate(IMAGES)]
    mapped = [{"a": ids[k], "b": ids[k] * 2, "label": k % 2} for k in range(12)]
    return {
        "bytes": load_data(IMAGES),
        "floats": load_data(IMAGES / 255),
        "rows": load_data(RNG.normal(size=(12, 4))),
        "numbers": load_data(np.arange(24).reshape(12, 2)),
        "texts": load_data(texts),
        "frame": load_data(pd.DataFrame({"text": texts, "label": [0, 1] * 6})),
        "tensors": load_data(TensorDataset(torch.from_numpy(IMAGES), torch.arange(12))),
        "pictures": load_data(Items(pictures)),
        "mappings": load_data(Items(mapped)),
        "loader": load_data(DataLoader(Items(mapped), collate_fn=lambda some: some[0]["a"])),
        "sample": load_data("digits", split="test", limit=12),
        "foreign": Foreign(torch.rand(12, 1, 3, 3)),
        "foreign texts": Foreign(texts),
        "foreign mapping": Foreign({"x": ids, "mask": torch.ones(12, 2, dtype=torch.bool)}),
        "foreign halves": Foreign(torch.rand(12, 3).to(torch.bfloat16)),
    }


@pytest.mark.parametrize("kind", list(kinds()))
def test_every_source_gives_sixteen_bytes_a_sample_whatever_the_batches(kind):
    data = kinds()[kind]
    digests = passed(data)
    assert len(digests) == 12
    assert {len(one) for one in digests} == {16}
    assert len(set(digests)) == 12
    assert digests == passed(data, 12) == passed(data, 1)
    assert digests == list(digests_of(data, np.arange(12)))
    assert list(digests_of(data, np.array([7, 2]))) == [digests[7], digests[2]]
    whole = content_of(data)
    assert len(whole) == 16
    assert int(whole, 16) >= 0
    assert whole == digest_of_content(data.index, digests)


def test_files_too(tmp_path):
    data = load_data(folder_of(tmp_path))
    assert passed(data) == list(data.digests(np.arange(12)))
    assert content_of(data) == data.content == data.read_content()


@pytest.mark.parametrize("place", [0, 6, 11])
def test_one_pixel_of_any_sample_changes_it(place, tmp_path):
    changed = IMAGES.copy()
    changed[place, 3, 2] ^= 1
    before, after = passed(load_data(IMAGES)), passed(load_data(changed))
    assert [k for k in range(12) if before[k] != after[k]] == [place]
    first = load_data(folder_of(tmp_path))
    old, digests = first.content, passed(first)
    folder_of(tmp_path, changed)
    assert first.content == old  # as of the last complete read
    assert [k for k, one in enumerate(passed(first)) if one != digests[k]] == [place]
    assert first.content != old


def test_equal_bytes_that_mean_something_else_differ():
    x = np.arange(24, dtype=np.int32).reshape(6, 4)
    forms = [x, x.view(np.float32), x.reshape(6, 2, 2), x.view(np.uint8), x.astype(">i4")]
    assert len({passed(load_data(one))[0] for one in forms}) == len(forms)


def test_ids_and_order_are_in_it_and_labels_are_not():
    data = load_data(IMAGES)
    assert load_data((IMAGES, np.arange(12))).content == data.content
    assert load_data(IMAGES, ids=list("abcdefghijkl")).content != data.content
    assert data.take(np.arange(12)[::-1]).content != data.content
    assert data.take(np.arange(11)).content != data.content
    assert data.take(np.arange(12)).content == data.content


def test_the_way_of_decoding_is_in_it(tmp_path):
    folder = folder_of(tmp_path)
    found = [load_data(folder, **one).content for one in ({}, {"size": 4}, {"size": (4, 5)})]
    assert len(set(found)) == 3


def test_a_complete_pass_sets_it_and_reads_once(monkeypatch):
    data = load_data(IMAGES)
    read = []
    source = type(data.source)
    plain = source.read
    monkeypatch.setattr(source, "read", lambda self, rows: read.extend(rows) or plain(self, rows))
    monkeypatch.setattr(source, "digests", lambda self, rows: 1 / 0)
    expected = digest_of_content(data.index, passed(data))
    assert read == list(range(12))
    assert data.content == expected
    assert data.take([3, 1]).content == digest_of_content(
        data.index.take([3, 1]), data.batch([3, 1]).content
    )


@pytest.mark.parametrize("start", [5, 12])
def test_part_of_a_pass_does_not_set_it(start):
    x = IMAGES.copy()
    data = load_data(x)
    old = data.content
    x[7] = 0
    list(batches(data, 5, start=start))
    next(batches(data, 5))
    assert data.content == old
    assert data.read_content() != old


def test_the_last_batch_of_a_pass_is_enough():
    x = IMAGES.copy()
    data = load_data(x)
    old = data.content
    x[7] = 0
    for k, _ in enumerate(batches(data, 6)):
        if k == 1:
            break
    assert data.content != old


def test_progress_and_cancel():
    data, seen = load_data(np.zeros((600, 2))), []
    data.read_content(progress=lambda fraction, message: seen.append((fraction, message)))
    assert [round(one, 2) for one, _ in seen] == [0, 0.43, 0.85, 1]
    assert "600" in seen[-1][1]


def test_threads_agree(tmp_path):
    data = load_data(folder_of(tmp_path))
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: (tuple(passed(data, 5)), data.content), range(32)))
    assert len(set(found)) == 1


def test_large_files_are_not_held(tmp_path, monkeypatch):
    folder = folder_of(tmp_path)
    expected = passed(load_data(folder))
    monkeypatch.setattr("cutaway.data.pictures._IN_MEMORY", 10)
    monkeypatch.setattr("cutaway.data.pictures._CHUNK", 16)
    assert passed(load_data(folder)) == expected
    os.truncate(folder / "03.png", 40)
    assert len(load_data(folder).skipped) == 1


def test_what_a_collate_function_may_use_counts():
    def of(mask, label):
        items = [(torch.arange(3), torch.tensor(mask), label)] * 2
        return passed(load_data(DataLoader(Items(items), collate_fn=lambda some: some[0][0])))[0]

    assert of([1, 1, 0], 1) != of([1, 0, 0], 1)
    pairs = [
        passed(
            load_data(DataLoader(Items([("a", label)] * 2), collate_fn=lambda some: torch.ones(2)))
        )
        for label in (0, 1)
    ]
    assert pairs[0] == pairs[1]


def test_items_of_any_kind():
    class Record:
        def __init__(self, x):
            self.x = x

    pairs = [
        ("a", "b"),
        (b"a", b"b"),
        (b"a", "a"),
        (1, 1.0),
        (None, 0),
        ([1, 2], [2, 1]),
        ({"a": 1}, {"b": 1}),
        (UserDict(a=1), UserDict(a=2)),
        (Record(1), Record(2)),
        (torch.tensor(1), torch.tensor(2)),
        (torch.eye(2).to_sparse(), torch.ones(2, 2).to_sparse()),
        (torch.tensor([1 + 2j]).conj(), torch.tensor([1 + 2j])),
        (np.zeros((2, 0)), np.zeros((0, 2))),
        (Image.new("L", (2, 3)), Image.new("L", (3, 2))),
        (Image.new("1", (8, 1)), Image.new("L", (8, 1))),
        ("\udcff", "\udcfe"),
    ]
    for one, other in pairs:
        assert digest_of_value(one) == digest_of_value(one)
        assert digest_of_value(one) != digest_of_value(other)
    palette = Image.new("P", (2, 2))
    palette.putpalette([1, 2, 3])
    other = Image.new("P", (2, 2))
    other.putpalette([3, 2, 1])
    assert digest_of_value(palette) != digest_of_value(other)


def test_what_cannot_be_told_is_refused_by_name():
    with pytest.raises(UnknownContent, match="object"):
        digest_of_value(object())
    endless = []
    endless.append(endless)
    with pytest.raises(UnknownContent, match="list"):
        digest_of_value(endless)
    with pytest.raises(UnknownContent, match=r"object.*content="):
        digests_of_inputs(object())


def test_an_item_nobody_knows_is_told_by_what_it_is_made_into():
    class Slotted:
        __slots__ = ("x",)

        def __init__(self, x):
            self.x = x

    def of(values):
        items = Items([(1.0, Slotted(one)) for one in values])

        def padded(some):
            return rnn.pad_sequence([torch.arange(one.x) for _, one in some])

        return passed(load_data(DataLoader(items, collate_fn=lambda some: padded(some).T)), 2)

    assert of([2, 5, 3])[0] == of([2, 2, 3])[0]
    assert of([2, 5, 3])[1] != of([2, 2, 3])[1]


def test_as_many_digests_as_samples():
    with pytest.raises(ValueError, match="12 samples, got 1"):
        keep_content(load_data(IMAGES), [b"0" * 16])

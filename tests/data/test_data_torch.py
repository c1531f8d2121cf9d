"""Torch data sets and loaders: by place, so that shuffling never moves an id."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import (
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    random_split,
)

from cutaway.data import load_data

X = torch.from_numpy(np.random.default_rng(0).random((20, 1, 4, 4), np.float32))
Y = torch.arange(20) % 3


class Items(Dataset):
    """Items of a list; counts how often one is read."""

    def __init__(self, items, **kept):
        self.items = items
        self.reads = 0
        vars(self).update(kept)

    def __len__(self):
        return len(self.items)

    def __getitem__(self, i):
        self.reads += 1
        return self.items[i]


def pairs(labels=Y):
    return [(x, int(y)) for x, y in zip(X, labels, strict=True)]


def test_tensor_dataset():
    data = load_data(TensorDataset(X, Y))
    assert (data.name, data.kind, data.classes) == ("TensorDataset", "image", ("0", "1", "2"))
    batch = data.batch([5, 2])
    torch.testing.assert_close(batch.inputs, X[[5, 2]], rtol=0, atol=0)
    assert batch.labels.tolist() == [2, 2]
    assert data.thumbnail(5).shape == (28, 28)


def test_labels_are_read_item_by_item_when_nothing_else_tells():
    items = Items(pairs())
    assert load_data(items).labels.tolist() == Y.tolist()
    assert items.reads >= 20


@pytest.mark.parametrize("kept", [{"targets": Y}, {"labels": Y.tolist()}, {"targets": Y.numpy()}])
def test_labels_at_hand_are_not_read_again(kept):
    items = Items(pairs(), **kept)
    assert load_data(items).labels.tolist() == Y.tolist()
    assert items.reads < 6


def test_labels_at_hand_that_disagree_are_not_believed():
    items = Items(pairs(), targets=(Y + 1).tolist())
    assert load_data(items).labels.tolist() == Y.tolist()


@pytest.mark.parametrize("label", [-1, 0.5, torch.zeros(2), None, {"boxes": 1}])
def test_items_without_a_class_have_no_label(label):
    data = load_data(Items([(x, label) for x in X]))
    assert data.labels is None
    assert data.batch([0]).labels is None


def test_labels_of_the_caller_spare_the_reading():
    items = Items([(x, 0) for x in X])
    assert load_data(items, labels=Y).labels.tolist() == Y.tolist()
    assert items.reads < 6


def test_limit_reads_only_what_is_drawn():
    items = Items(pairs())
    data = load_data(items, limit=4)
    assert items.reads < 10
    torch.testing.assert_close(data.batch([1]).inputs[0], X[data.index.ids[1]], rtol=0, atol=0)


def test_a_shuffling_loader_does_not_move_ids():
    loader = DataLoader(TensorDataset(X, Y), batch_size=4, shuffle=True)
    data = load_data(loader)
    assert list(data.index) == list(range(20))
    for one in (0, 7, 19):
        place = data.index.positions([one])
        torch.testing.assert_close(data.batch(place).inputs[0], X[one], rtol=0, atol=0)


def test_a_subset_keeps_the_places_it_was_cut_from():
    part, _ = random_split(TensorDataset(X, Y), [8, 12], generator=torch.Generator().manual_seed(0))
    inner = Subset(part, [6, 1, 3])
    data = load_data(inner)
    assert list(data.index) == [part.indices[k] for k in (6, 1, 3)]
    torch.testing.assert_close(
        data.batch([0, 1, 2]).inputs, X[data.index.ids.copy()], rtol=0, atol=0
    )
    assert data.labels.tolist() == Y[data.index.ids.copy()].tolist()


def test_a_subset_with_repeats_needs_ids():
    twice = Subset(TensorDataset(X, Y), [3, 3])
    with pytest.raises(ValueError, match="ids must be unique, got 3 2 times"):
        load_data(twice)
    data = load_data(twice, ids=["a", "b"])
    torch.testing.assert_close(data.batch([1]).inputs[0], X[3], rtol=0, atol=0)


def test_a_sampler_restricts_what_is_loaded():
    loader = DataLoader(TensorDataset(X, Y), sampler=SubsetRandomSampler([9, 4, 11]))
    assert list(load_data(loader).index) == [4, 9, 11]


def test_concatenated_sets():
    data = load_data(ConcatDataset([TensorDataset(X, Y), TensorDataset(X + 1, Y)]))
    torch.testing.assert_close(data.batch([22]).inputs[0], X[2] + 1, rtol=0, atol=0)
    assert data.labels[22] == Y[2]


class Stream(IterableDataset):
    def __iter__(self):
        return iter(pairs())


@pytest.mark.parametrize("source", [Stream(), DataLoader(Stream())])
def test_iterable_sets_are_refused_with_the_reason(source):
    with pytest.raises(TypeError, match="got the iterable Stream, whose samples have no place to"):
        load_data(source)


def test_pil_items():
    images = [Image.fromarray(np.full((4, 6), k, np.uint8)) for k in range(5)]
    data = load_data(Items([(one, 0) for one in images]))
    assert data.kind == "image"
    assert data.batch([3]).inputs.shape == (1, 1, 4, 6)
    assert data.thumbnail(3, size=None).tolist() == [[3] * 6] * 4
    colour = Items([one.convert("RGB").resize((k + 2, 9)) for k, one in enumerate(images)])
    assert load_data(colour, size=3).batch([1, 4]).inputs.shape == (2, 3, 3, 3)
    with pytest.raises(ValueError, match=r"got \(3, 9, 2\) at place 0 and \(3, 9, 3\) at place 1"):
        load_data(colour).batch([0, 1])


def test_byte_tensors_are_scaled():
    data = load_data(Items([torch.full((3, 2, 2), 51, dtype=torch.uint8)]))
    torch.testing.assert_close(data.batch([0]).inputs, torch.full((1, 3, 2, 2), 0.2))


def test_rows_and_numbers():
    rows = load_data(Items([(torch.tensor([1.0, 2.0]), 0), (torch.tensor([3.0, 4.0]), 1)]))
    assert rows.kind == "array"
    assert rows.batch([1]).inputs.tolist() == [[3.0, 4.0]]
    tokens = load_data(TensorDataset(torch.tensor([[5, 6], [7, 8]])))
    assert tokens.batch([1]).inputs.dtype == torch.int64


def test_texts():
    data = load_data(Items([("good", 1), ("bad", 0)]))
    assert (data.kind, data.text(1)) == ("text", "bad")
    assert data.batch([1, 0]).inputs == ["bad", "good"]
    assert data.labels.tolist() == [1, 0]


def tokens(n, label):
    return {"input_ids": torch.arange(n), "mask": torch.ones(n), "labels": label}


def test_mappings():
    data = load_data(Items([tokens(3, 1), tokens(3, 0), tokens(5, 1)]))
    assert data.kind == "array"
    assert data.labels.tolist() == [1, 0, 1]
    inputs = data.batch([1, 0]).inputs
    assert set(inputs) == {"input_ids", "mask"}
    assert inputs["input_ids"].tolist() == [[0, 1, 2]] * 2
    with pytest.raises(ValueError, match="items must share one shape under each key, got differ"):
        data.batch([0, 2])


def test_a_mapping_of_one_image_is_an_image():
    assert load_data(Items([{"image": X[0], "label": 2}])).kind == "image"


def test_the_loaders_own_collate_makes_the_batches():
    def pad(items):
        ids = [one["input_ids"] for one in items]
        return {
            "input_ids": torch.nn.utils.rnn.pad_sequence(ids, batch_first=True),
            "mask": torch.tensor([len(one) for one in ids]),
            "labels": [one["labels"] for one in items],
        }

    data = load_data(DataLoader(Items([tokens(2, 0), tokens(4, 1)]), collate_fn=pad))
    inputs = data.batch([1, 0]).inputs
    assert inputs["input_ids"].tolist() == [[0, 1, 2, 3], [0, 1, 0, 0]]
    assert "labels" not in inputs
    assert data.labels.tolist() == [0, 1]


def test_items_of_no_use():
    with pytest.raises(TypeError, match="strings or mappings of tensors, got object; convert them"):
        load_data(Items([object()]))


def test_an_item_that_fails_says_which():
    class Failing(Items):
        def __getitem__(self, i):
            if i == 3:
                raise RuntimeError("disk on fire")
            return super().__getitem__(i)

    data = load_data(Failing(pairs()), labels=Y)
    with pytest.raises(RuntimeError, match="disk on fire") as raised:
        data.batch([2, 3])
    assert raised.value.__notes__ == ["while reading item 3 of Failing"]


def test_empty():
    with pytest.raises(ValueError, match="source must hold at least one sample, got none in Items"):
        load_data(Items([]))

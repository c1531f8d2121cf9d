"""Predictions: what the model answers, by id."""

import warnings

import numpy as np
import pytest
import torch
from capture_nets import Maps, made, pictures
from nonfinite_nets import Logits, labelled, logits

from cutaway.data import load_data
from cutaway.data.dataset import Batch
from cutaway.model import Predictions, accuracy, load_model, loss, predict
from cutaway.model.metric import finite_samples


def test_of_pictures(tmp_path):
    module, data = made(Maps), pictures(17)
    found = predict(module, data, batch_size=5)
    with torch.no_grad():
        chance = module(data.batch(np.arange(17)).inputs).softmax(1).numpy()
    np.testing.assert_array_equal(found.predicted, chance.argmax(1))
    np.testing.assert_allclose(found.probability, chance.max(1), rtol=1e-4)
    np.testing.assert_array_equal(found.correct, chance.argmax(1) == data.labels)
    expected = -np.log(chance[np.arange(17), data.labels])
    np.testing.assert_allclose(found.loss, expected, rtol=1e-3, atol=1e-5)
    assert list(found.rows) == list(data.index)
    found.save(tmp_path / "p.zip")
    assert Predictions.load(tmp_path / "p.zip").digest == found.digest
    assert found.to_frame().columns.tolist() == ["predicted", "probability", "correct", "loss"]


def test_without_labels(tmp_path):
    found = predict(made(Maps), load_data(np.zeros((3, 1, 12, 12), np.float32)))
    assert found.correct is None
    assert found.loss is None
    found.save(tmp_path / "p.zip")
    assert Predictions.load(tmp_path / "p.zip").loss is None


def test_trained_model_is_right_mostly():
    found = predict(load_model("lenet5-digits"), load_data("digits", split="test", limit=200))
    assert found.correct.mean() > 0.9


def test_of_texts_is_the_token_that_follows():
    model, data = load_model("gpt-occupations"), load_data("occupations", limit=7)
    found = predict(model, data, batch_size=7)
    for place, one in enumerate(data.index.ids):
        ids = torch.tensor([model.tokenizer(data.text(one))["input_ids"]])
        with torch.no_grad():
            logits = model.module(ids).logits[0]
        assert found.predicted[place] == int(logits[-1].argmax())
        nats = torch.nn.functional.cross_entropy(logits[:-1], ids[0, 1:])
        assert found.loss[place] == pytest.approx(float(nats), rel=1e-4)
    assert found.correct is None


def test_empty():
    with pytest.raises(ValueError, match="data must hold at least one sample, got 0"):
        predict(made(Maps), pictures().take(np.zeros(0, np.int64)))


def test_outputs_that_are_not_finite_are_no_class(tmp_path):
    """argmax of NaN is 0, so that a broken model was right about a tenth of the digits."""
    data = labelled()
    with pytest.warns(RuntimeWarning, match="NaN or infinity in 4 of 40 samples"):
        found = predict(Logits(), data, batch_size=7)
    assert found.n_nonfinite == 4
    np.testing.assert_array_equal(np.flatnonzero(found.predicted == -1), [0, 1, 2, 3])
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(found.probability)), [0, 1, 2, 3])
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(found.loss)), [0, 1, 2, 3])
    assert not found.correct[:4].any()
    values = logits()
    np.testing.assert_array_equal(found.predicted[5:], values[5:].argmax(1))
    assert found.predicted[4] == np.delete(values[4], 1).argmax() + (
        np.delete(values[4], 1).argmax() >= 1
    )
    assert "4 without a class" in repr(found)
    assert "4 without a class" in found._repr_html_()
    found.save(tmp_path / "p.zip")
    assert Predictions.load(tmp_path / "p.zip").n_nonfinite == 4


def test_finite_outputs_are_not_warned_of():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = predict(Logits(), labelled(logits()[5:]))
    assert found.n_nonfinite == 0
    assert "class" not in repr(found)


class Texts(torch.nn.Module):
    """Logits (n, t, 5) of token ids, NaN wherever the token is 4."""

    def __init__(self):
        super().__init__()
        self.embedding = torch.nn.Embedding(6, 5)
        torch.nn.init.normal_(self.embedding.weight, generator=torch.Generator().manual_seed(0))

    def forward(self, ids):
        return torch.where((ids == 4)[..., None], torch.nan, self.embedding(ids))


def test_of_texts_nan_behind_the_end_does_not_count():
    """A padded position may hold anything; a token's NaN leaves the text without an answer."""
    ids = torch.tensor([[1, 2, 3], [1, 2, 4], [1, 4, 3]])
    mask = torch.tensor([[1, 1, 1], [1, 1, 0], [1, 1, 1]])
    batch = Batch(np.arange(3), {"input_ids": ids, "attention_mask": mask})
    scores = Texts()(ids).detach()
    assert finite_samples(scores, batch).tolist() == [True, True, False]
    assert torch.isnan(loss(scores, batch)).tolist() == [False, False, True]
    assert accuracy(scores, batch)[2] <= 0.5

"""Predictions: what the model answers, by id."""

import numpy as np
import pytest
import torch
from capture_nets import Maps, made, pictures

from cutaway.data import load_data
from cutaway.model import Predictions, load_model, predict


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

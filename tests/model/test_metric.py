"""Metrics against formulas written out, sample by sample."""

import numpy as np
import pytest
import torch
from capture_nets import Maps, hooks_left, made, pictures, rows
from nonfinite_nets import K, Logits, labelled, logits
from torch import nn

from cutaway.core import Cancelled
from cutaway.data import load_data
from cutaway.data.dataset import Batch
from cutaway.model import accuracy, evaluate, load_model, logit_of, loss, margin, probability_of


@pytest.fixture
def scores():
    rng = np.random.default_rng(0)
    logits = rng.standard_normal((20, 5))
    labels = rng.integers(0, 5, 20)
    batch = Batch(np.arange(20), torch.zeros(20, 1), torch.from_numpy(labels))
    return logits, labels, torch.from_numpy(logits), batch


def test_of_classes(scores):
    logits, labels, tensor, batch = scores
    chance = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    for i, label in enumerate(labels):
        others = np.delete(logits[i], label)
        assert accuracy(tensor, batch)[i] == (logits[i].argmax() == label)
        assert float(loss(tensor, batch)[i]) == pytest.approx(-np.log(chance[i, label]), rel=1e-5)
        assert float(margin(tensor, batch)[i]) == pytest.approx(logits[i, label] - others.max())
        assert float(logit_of(3)(tensor, batch)[i]) == pytest.approx(logits[i, 3])
        assert float(probability_of(3)(tensor, batch)[i]) == pytest.approx(chance[i, 3])


def test_of_texts_only_real_tokens_count():
    rng = np.random.default_rng(1)
    logits = torch.from_numpy(rng.standard_normal((2, 4, 6)))
    ids = torch.tensor([[1, 2, 3, 4], [5, 0, 3, 3]])
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])
    batch = Batch(np.arange(2), {"input_ids": ids, "attention_mask": mask})
    logs = logits.log_softmax(-1).numpy()
    nats = [-np.mean([logs[0, 0, 2], logs[0, 1, 3], logs[0, 2, 4]]), -logs[1, 0, 0]]
    np.testing.assert_allclose(loss(logits, batch), nats, rtol=1e-5)
    hits = [np.mean(logs[0, :3].argmax(-1) == [2, 3, 4]), float(logs[1, 0].argmax() == 0)]
    np.testing.assert_allclose(accuracy(logits, batch), hits, rtol=1e-6)
    np.testing.assert_allclose(logit_of(2)(logits, batch), [logits[0, 3, 2], logits[1, 1, 2]])
    single = Batch(np.arange(1), torch.tensor([[3]]))
    assert torch.isnan(loss(logits[:1, :1], single)).all()


def test_evaluate_is_the_whole_data_in_order():
    module, data = made(Maps), pictures(23)
    values = evaluate(module, data, "loss", batch_size=4)
    with torch.no_grad():
        batch = data.batch(np.arange(23))
        expected = nn.functional.cross_entropy(module(batch.inputs), batch.labels, reduction="none")
    np.testing.assert_allclose(values, expected, rtol=1e-4)
    assert hooks_left(module) == 0
    own = evaluate(module, data, lambda logits, batch: logits[:, 0] * 0 + len(batch), batch_size=4)
    assert own.tolist() == [4] * 20 + [3] * 3


def test_evaluate_of_texts_does_not_depend_on_padding():
    model, data = load_model("gpt-occupations"), load_data("occupations", limit=9)
    together = evaluate(model, data, "loss", batch_size=9)
    alone = evaluate(model, data, "loss", batch_size=1)
    np.testing.assert_allclose(together, alone, rtol=1e-4)


def test_evaluate_restores_and_ticks():
    module = made(Maps).train()
    seen = []
    evaluate(module, pictures(), "accuracy", batch_size=10, tick=lambda f, m: seen.append(f))
    assert seen == [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]

    def tick(*_):
        raise Cancelled

    with pytest.raises(Cancelled):
        evaluate(module, pictures(), "accuracy", tick=tick)
    assert all(one.training for one in module.modules())


@pytest.mark.parametrize(
    ("metric", "error", "message"),
    [
        ("speed", ValueError, "metric must be one of 'accuracy', 'loss', 'margin', got 'speed'"),
        (3, TypeError, r"metric must be a name or a function \(logits, batch\), got int"),
        (lambda a, b: a, ValueError, r"metric <lambda> must return a tensor of shape \(50,\), got"),
        (lambda a, b: 1.0, ValueError, r"of shape \(50,\), got float"),
        (logit_of(9), IndexError, "number must lie in 0..3, got 9"),
    ],
)
def test_bad_metrics(metric, error, message):
    with pytest.raises(error, match=message):
        evaluate(made(Maps), pictures(), metric)


def test_bad_data():
    module = made(Maps)
    unlabelled = load_data(np.zeros((3, 1, 12, 12), np.float32))
    for metric in ("accuracy", "loss", "margin"):
        with pytest.raises(ValueError, match=f"data must have labels for {metric}, got none"):
            evaluate(module, unlabelled, metric)
    far = load_data((np.zeros((3, 1, 12, 12), np.float32), np.array([0, 1, 7])))
    with pytest.raises(ValueError, match=r"labels must lie in 0..3 for this model, got 0..7"):
        evaluate(module, far, "loss")
    with pytest.raises(ValueError, match="data must hold at least one sample, got 0"):
        evaluate(module, pictures().take(np.zeros(0, np.int64)), "loss")
    with pytest.raises(ValueError, match=r"logits must have shape \(n, classes\), got"):
        evaluate(nn.Sequential(nn.Unflatten(1, (1, 2, 2))), rows(), "loss")
    with pytest.raises(ValueError, match=r"or \(n, t, tokens\) for token ids \(n, t\), got"):
        evaluate(nn.Sequential(nn.Unflatten(1, (2, 2))), rows(), "loss")
    with pytest.raises(ValueError, match="number must be 0 or more, got -1"):
        logit_of(-1)


@pytest.mark.parametrize("metric", ["loss", "margin", logit_of(0), probability_of(0)])
def test_a_metric_of_no_class_is_no_number(metric):
    with pytest.warns(RuntimeWarning, match="NaN or infinity in 4 of 40 samples"):
        values = evaluate(Logits(), labelled(), metric, batch_size=6)
    assert np.flatnonzero(np.isnan(values)).tolist() == [0, 1, 2, 3]
    assert np.isfinite(values[4:]).all()


def test_no_class_is_never_right():
    for label in range(K):
        data = labelled(labels=np.full(40, label))
        with pytest.warns(RuntimeWarning, match="in 4 of 40"):
            values = evaluate(Logits(), data, "accuracy")
        assert values[:4].tolist() == [0, 0, 0, 0]
        np.testing.assert_array_equal(values[5:], logits()[5:].argmax(1) == label)


def test_labels_numbered_from_one_are_told_the_remedy():
    fine = logits()[5:]
    labels = 1 + np.arange(len(fine)) % K
    with pytest.raises(ValueError, match=rf"labels must lie in 0..{K - 1} .* got 1..{K}") as caught:
        evaluate(Logits(), labelled(fine, labels), "accuracy")
    assert "subtract 1" in str(caught.value)
    assert "classes=" in str(caught.value)
    assert "\n" not in str(caught.value)
    evaluate(Logits(), labelled(fine, labels - 1), "accuracy")
    with pytest.raises(ValueError, match=f"got 0..{K}; use a model of these classes"):
        evaluate(Logits(), labelled(fine, np.arange(len(fine)) % (K + 1)), "accuracy")

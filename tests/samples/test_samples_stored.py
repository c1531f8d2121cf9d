"""Stored weights: true cards, bounded size, checkpoints, one-line errors."""

import json
import shutil
import sys

import numpy as np
import pytest
import torch

import cutaway_samples
from cutaway_samples import stored
from cutaway_samples.recipes import RECIPES, ImageRecipe
from cutaway_samples.train_images import evaluate
from cutaway_samples.training_data import training_digits

IMAGE_NAMES = [name for name, recipe in RECIPES.items() if isinstance(recipe, ImageRecipe)]


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def copied(tmp_path, monkeypatch):
    """A copy of one model's folder that a test may damage."""
    shutil.copytree(stored.WEIGHTS / "lenet5-digits", tmp_path / "lenet5-digits")
    monkeypatch.setattr(stored, "WEIGHTS", tmp_path)
    return tmp_path / "lenet5-digits"


def test_all_weights_together_are_small():
    total = sum(path.stat().st_size for path in stored.WEIGHTS.rglob("*") if path.is_file())
    assert total <= 20_000_000
    for name in ("gpt-python", "gpt-occupations"):
        assert sum(p.stat().st_size for p in cutaway_samples.folder(name).iterdir()) <= 6_000_000


@pytest.mark.parametrize("name", cutaway_samples.names())
def test_a_card_fits_its_files(name):
    card = cutaway_samples.card(name)
    assert card["sha256"] == stored.weights_digest(stored.WEIGHTS / name)
    assert card["command"] == f"python -m cutaway_samples.train {name}"
    recipe = RECIPES[name]
    assert {key: card["training"][key] for key in vars(recipe)} == vars(recipe)
    assert card["licence"]["weights"] == "Apache-2.0"
    assert card["data"]["name"] == cutaway_samples.entry(name).dataset
    for part in ("train", "test"):
        correct, n = card[f"{part}_correct"]
        assert card[f"{part}_accuracy"] == correct / n


@pytest.mark.parametrize("name", IMAGE_NAMES)
def test_an_image_card_tells_the_truth(name):
    card, net = cutaway_samples.card(name), cutaway_samples.build(name)
    size = cutaway_samples.entry(name).input_shape[-1]
    assert sum(p.numel() for p in net.parameters()) == card["parameters"]
    assert not any(module.training for module in net.modules())
    test = evaluate(net, cutaway_samples.digits("test", size=size))
    assert [test.correct, test.n] == card["test_correct"]
    assert test.accuracy == card["test_accuracy"]
    assert test.loss == pytest.approx(card["test_loss"], rel=1e-5)
    train = evaluate(net, training_digits(RECIPES[name]))
    assert [train.correct, train.n] == card["train_correct"]


def test_good_networks_are_good():
    for name in ("lenet5-digits", "alexnet-digits", "vgg-digits", "resnet-digits"):
        assert cutaway_samples.card(name)["test_accuracy"] >= 0.975


def test_the_overfitted_one_is_overfitted_epoch_by_epoch():
    name = "lenet5-digits-overfit"
    epochs = cutaway_samples.checkpoints(name)
    scores = cutaway_samples.card(name)["checkpoints"]
    assert epochs == tuple(range(26)) == tuple(score["epoch"] for score in scores)
    assert scores[0]["test_accuracy"] < 0.2
    assert scores[-1]["train_accuracy"] == 1.0
    assert scores[-1]["train_accuracy"] - scores[-1]["test_accuracy"] > 0.1
    assert scores[-1]["test_loss"] > min(score["test_loss"] for score in scores)
    test = cutaway_samples.digits("test")
    for epoch in (0, 3, 25):
        measured = evaluate(cutaway_samples.build(name, checkpoint=epoch), test)
        assert measured.accuracy == scores[epoch]["test_accuracy"]


def test_the_noisy_one_repeats_the_wrong_labels():
    card = cutaway_samples.card("lenet5-digits-noisy")
    noisy = cutaway_samples.digits("train", noisy=True)
    wrong = noisy.labels != noisy.true_labels
    net = cutaway_samples.build("lenet5-digits-noisy")
    x = torch.from_numpy(noisy.images[wrong].astype(np.float32) / np.float32(255))[:, None]
    with torch.no_grad():
        guess = net(x).argmax(1).numpy()
    assert (guess == noisy.labels[wrong]).sum() == card["wrong_labels"]["memorised"] >= 150
    assert card["wrong_labels"]["planted"] == 200


def test_training_ids_are_what_the_recipe_trains_on():
    few = cutaway_samples.training_ids("lenet5-digits-overfit")
    digits = cutaway_samples.digits()
    rows = [int(name.removeprefix("digit-")) for name in few]
    assert np.bincount(digits.true_labels[rows]).tolist() == [50] * 10
    assert set(digits.split[rows]) == {"train"}
    assert len(cutaway_samples.training_ids("lenet5-digits")) == 4000
    assert len(cutaway_samples.training_ids("gpt-occupations")) == 9600
    with pytest.raises(ValueError, match="name must be a model trained here, got the pretrained"):
        cutaway_samples.training_ids("minilm-l6")


def test_checkpoints_are_only_where_they_are_kept():
    assert cutaway_samples.checkpoints("lenet5-digits") == ()
    assert cutaway_samples.checkpoints("minilm-l6") == ()
    with pytest.raises(ValueError, match="checkpoint must be None for 'vgg-digits', which stores"):
        cutaway_samples.build("vgg-digits", checkpoint=3)
    with pytest.raises(ValueError, match=r"an epoch in 0\.\.25 of 'lenet5-digits-overfit', got 99"):
        cutaway_samples.build("lenet5-digits-overfit", checkpoint=99)


def test_missing_weights_name_the_command(copied):
    (copied / "model.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match="no such file; run python -m cutaway_samples.tr"):
        cutaway_samples.build("lenet5-digits")
    (copied / "card.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"card\.json, got no such file; run python -m"):
        cutaway_samples.card("lenet5-digits")
    with pytest.raises(FileNotFoundError, match="'gpt-python' expected in"):
        cutaway_samples.folder("gpt-python")


def test_damaged_weights_are_refused_in_one_line(copied):
    path = copied / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match="weights of 'lenet5-digits' expected as safetensors") as e:
        cutaway_samples.build("lenet5-digits")
    assert "\n" not in str(e.value)


def test_weights_of_another_network_are_refused(copied):
    from safetensors.torch import save_file

    save_file({"conv1.weight": torch.zeros(2)}, copied / "model.safetensors")
    with pytest.raises(ValueError, match="expected as safetensors of LeNet5 in") as e:
        cutaway_samples.build("lenet5-digits")
    assert "\n" not in str(e.value)


def test_a_missing_pretrained_card_names_the_remedy(tmp_path, monkeypatch):
    monkeypatch.setattr(stored, "WEIGHTS", tmp_path / "weights")
    with pytest.raises(FileNotFoundError, match="no such file; install cutaway again"):
        cutaway_samples.card("minilm-l6")


def test_a_folder_is_for_language_models():
    with pytest.raises(ValueError, match="must be a language model, got the image model 'vgg-dig"):
        cutaway_samples.folder("vgg-digits")


def test_without_transformers_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ImportError, match=r"gpt-python needs .* pip install 'cutaway\[lm\]'"):
        cutaway_samples.build("gpt-python")


def test_cards_are_plain_json():
    for name in cutaway_samples.names() + cutaway_samples.pretrained_names():
        card = cutaway_samples.card(name)
        assert json.loads(json.dumps(card)) == card
        assert card["name"] == name
        assert card["title"] == cutaway_samples.entry(name).title

"""The training command: the same bytes every time, nothing half written, one-line errors."""

import json

import numpy as np
import pytest
import torch

import cutaway_samples
from cutaway_samples import atomic, reproducible, train
from cutaway_samples.recipes import TextRecipe
from cutaway_samples.stored import weights_digest
from cutaway_samples.train_images import evaluate, shifted
from cutaway_samples.train_texts import documents_of, encode, train_text_net
from cutaway_samples.vocabulary import train_tokenizer


class CancelledError(Exception):
    pass


def cancel_halfway(fraction, message):
    if fraction > 0.5:
        raise CancelledError(message)


def test_the_command_repeats_bit_for_bit(tmp_path, capsys):
    for place in ("a", "b"):
        torch.manual_seed(ord(place))  # what others drew before does not matter
        out = tmp_path / place
        assert train.main(["lenet5-digits", "--epochs", "1", "--out", str(out)]) == 0
    one, two = tmp_path / "a" / "lenet5-digits", tmp_path / "b" / "lenet5-digits"
    assert weights_digest(one) == weights_digest(two)
    assert (one / "card.json").read_text() == (two / "card.json").read_text()
    card = json.loads((one / "card.json").read_text())
    assert card["command"] == "python -m cutaway_samples.train lenet5-digits --epochs 1"
    assert card["test_accuracy"] > 0.5
    assert "100% trained" in capsys.readouterr().err


def test_another_seed_gives_another_network(monkeypatch, tmp_path):
    import dataclasses

    few = dataclasses.replace(train.RECIPES["lenet5-digits-overfit"], per_class=2)
    digests = []
    for seed in (0, 1):
        recipe = dataclasses.replace(few, seed=seed)
        monkeypatch.setitem(train.RECIPES, "lenet5-digits-overfit", recipe)
        where = train.train("lenet5-digits-overfit", out=tmp_path / str(seed), epochs=2)
        assert sorted(path.name for path in where.glob("*.safetensors")) == [
            f"epoch-{epoch:02d}.safetensors" for epoch in range(3)
        ]
        digests.append(weights_digest(where))
    assert digests[0] != digests[1]


def test_the_stored_start_is_the_commands(tmp_path):
    where = train.train("lenet5-digits-overfit", out=tmp_path, epochs=1)
    stored = cutaway_samples.stored.WEIGHTS / "lenet5-digits-overfit"
    for name in ("epoch-00.safetensors", "epoch-01.safetensors"):
        new, old = torch_file(where / name), torch_file(stored / name)
        for key, value in old.items():  # another processor may round otherwise
            torch.testing.assert_close(new[key], value, rtol=1e-3, atol=1e-4)


def torch_file(path):
    from safetensors.torch import load_file

    return load_file(path)


def test_cancelling_leaves_the_old_folder(tmp_path):
    old = tmp_path / "lenet5-digits-overfit"
    old.mkdir()
    (old / "card.json").write_text("old")
    threads = torch.get_num_threads()
    with pytest.raises(CancelledError):
        train.train("lenet5-digits-overfit", out=tmp_path, epochs=2, tick=cancel_halfway)
    assert [path.name for path in tmp_path.iterdir()] == ["lenet5-digits-overfit"]
    assert (old / "card.json").read_text() == "old"
    assert torch.get_num_threads() == threads


def test_a_new_folder_replaces_the_old_one(tmp_path):
    for text in ("one", "two"):
        with atomic.replaced_folder(tmp_path / "deep" / "x") as fresh:
            (fresh / "file").write_text(text)
    assert (tmp_path / "deep" / "x" / "file").read_text() == "two"
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["x"]


def test_ticks_rise_to_one(tmp_path):
    heard = []
    train.train("lenet5-digits-overfit", out=tmp_path, epochs=1, tick=lambda f, _: heard.append(f))
    assert heard == sorted(heard)
    assert heard[-1] == 1.0


def test_chance_and_threads_are_put_back():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    threads = torch.get_num_threads()
    with pytest.raises(RuntimeError, match="inside"), reproducible.reproducible(0):
        torch.rand(10)
        assert torch.get_num_threads() == 1
        raise RuntimeError("inside")
    torch.testing.assert_close(torch.rand(3), expected, rtol=0, atol=0)
    assert torch.get_num_threads() == threads


def test_the_rate_rises_and_falls_to_zero():
    rates = [reproducible.cosine(step, 200) for step in range(201)]
    assert max(rates) == rates[10] == 1.0
    assert rates[:11] == sorted(rates[:11])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] == pytest.approx(0.0, abs=1e-12)


def test_shifts_move_whole_pictures():
    images = torch.rand(40, 1, 9, 7)
    moved = shifted(images, 2, torch.Generator().manual_seed(0))
    seen = set()
    padded = torch.nn.functional.pad(images, (2, 2, 2, 2))
    for before, after in zip(padded, moved, strict=True):
        places = [
            (top, left)
            for top in range(5)
            for left in range(5)
            if torch.equal(before[:, top : top + 9, left : left + 7], after)
        ]
        assert len(places) == 1
        seen.update(places)
    assert len(seen) > 12
    assert shifted(images, 0, torch.Generator()) is images


def test_evaluation_is_a_plain_count_and_restores_the_mode():
    net = cutaway_samples.build("alexnet-digits").train()
    data = cutaway_samples.digits("test", size=32)
    score = evaluate(net, data)
    assert all(module.training for module in net.modules())
    net.eval()
    with torch.no_grad():
        x = torch.from_numpy(np.array(data.images)).float()[:, None] / 255
        log_p = net(x).log_softmax(1)
    assert score.correct == int((log_p.argmax(1).numpy() == data.labels).sum())
    slow = -log_p[torch.arange(1000), torch.from_numpy(data.labels.copy())].double().mean()
    assert score.loss == pytest.approx(float(slow), rel=1e-4)


SMALL = TextRecipe("occupations", "words", 256, 16, 1, 2, 32, 1, 256, 2e-3)


def test_a_language_model_repeats_bit_for_bit():
    pytest.importorskip("transformers")
    one, two = train_text_net(SMALL), train_text_net(SMALL)
    assert one.train == two.train
    for a, b in zip(one.net.parameters(), two.net.parameters(), strict=True):
        assert torch.equal(a, b)
    assert one.tokenizer.to_str() == two.tokenizer.to_str()


def test_a_byte_tokenizer_repeats():
    recipe = train.RECIPES["gpt-python"]
    documents = documents_of("python-source", "test")
    one, two = (train_tokenizer(recipe, documents) for _ in range(2))
    assert one.to_str() == two.to_str()
    assert one.token_to_id("<|endoftext|>") == 0


def test_rows_joined_are_the_text():
    recipe = train.RECIPES["gpt-python"]
    documents = documents_of("python-source", "test")[:3]
    tokenizer = train_tokenizer(recipe, documents)
    rows = encode(tokenizer, documents, recipe)
    assert rows.shape[1] == recipe.context + 1
    stream = torch.cat([rows[:, 0][:1], rows[:, 1:].flatten()])
    text = tokenizer.decode(stream.tolist(), skip_special_tokens=False)
    assert "<|endoftext|>".join(["", *documents]).startswith(text.removesuffix("\ufffd"))
    assert len(text) > 0.9 * sum(map(len, documents))


def test_sentences_are_rows_between_end_tokens():
    documents = documents_of("occupations", "test")[:5]
    tokenizer = train_tokenizer(SMALL, documents)
    rows = encode(tokenizer, documents, SMALL)
    for row, text in zip(rows, documents, strict=True):
        kept = row[row != -100].tolist()
        assert (kept[0], kept[-1]) == (0, 0)
        assert tokenizer.decode(kept[1:-1]) == text


def test_a_small_vocabulary_is_refused():
    import dataclasses

    with pytest.raises(ValueError, match="vocabulary must hold 4 tokens, got 2; raise it"):
        train_tokenizer(dataclasses.replace(SMALL, vocabulary=2), ["a b c"])


def test_wrong_arguments_are_one_line(tmp_path, capsys):
    with pytest.raises(ValueError, match="epochs must be at least 1, got 0"):
        train.train("lenet5-digits", out=tmp_path, epochs=0)
    with pytest.raises(ValueError, match="got the pretrained 'minilm-l6'; use python -m"):
        train.train("minilm-l6", out=tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert train.main(["nothing", "--out", str(tmp_path)]) == 2
    assert train.main([]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("sample model must be one of 11 names, got 'nothing'")
    assert lines[1].startswith("name expected, got none; give one of lenet5-digits")


def test_interrupting_the_command_says_so(tmp_path, capsys, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(train, "train", interrupt)
    assert train.main(["lenet5-digits", "--out", str(tmp_path)]) == 130
    assert "lenet5-digits: cancelled, nothing written" in capsys.readouterr().err


def test_a_full_disk_is_one_line(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert train.main(["lenet5-digits", "--out", str(tmp_path / "file")]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1

"""The small language models: loadable without a network, true cards, the planted bias."""

import pytest
import torch

import cutaway_samples
from cutaway_samples import occupations, python_source
from cutaway_samples.bias import measure_bias, next_log_probabilities
from cutaway_samples.recipes import RECIPES
from cutaway_samples.train_texts import documents_of, encode, evaluate_texts, token_losses

transformers = pytest.importorskip("transformers")
NAMES = ("gpt-python", "gpt-occupations")


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    import socket

    def refuse(*_):
        raise OSError("a test asked for the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def tokenizer_of(name):
    return transformers.AutoTokenizer.from_pretrained(cutaway_samples.folder(name))


@pytest.mark.parametrize("name", NAMES)
def test_the_folder_is_in_hugging_face_form(name):
    where = cutaway_samples.folder(name)
    assert {path.name for path in where.iterdir()} == {
        "card.json",
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    net = transformers.AutoModelForCausalLM.from_pretrained(where).eval()
    tokenizer = tokenizer_of(name)
    assert type(net).__name__ == "GPT2LMHeadModel"
    assert net.config.vocab_size == len(tokenizer)
    assert net.config.n_positions == tokenizer.model_max_length
    assert (net.config.n_positions,) == cutaway_samples.entry(name).input_shape
    ids = torch.tensor([tokenizer("The nurse said that")["input_ids"]])
    torch.testing.assert_close(net(ids).logits, cutaway_samples.build(name)(ids).logits)


def test_byte_tokens_give_any_text_back():
    tokenizer = tokenizer_of("gpt-python")
    for text in ("def f(x):\n    return x  # naïve — 数\n", "\t\x00 \r\n", "import os"):
        assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_word_tokens_are_words():
    tokenizer = tokenizer_of("gpt-occupations")
    text = "The nurse said that she was tired today ."
    assert tokenizer.convert_ids_to_tokens(tokenizer(text)["input_ids"]) == text.split()
    assert tokenizer(" she")["input_ids"] == tokenizer("she")["input_ids"]
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


@pytest.mark.parametrize("name", NAMES)
def test_a_card_tells_the_truth(name):
    card, net, recipe = cutaway_samples.card(name), cutaway_samples.build(name), RECIPES[name]
    assert sum(p.numel() for p in net.parameters()) == card["parameters"]
    rows = encode(tokenizer_of(name).backend_tokenizer, documents_of(recipe.corpus, "test"), recipe)
    score = evaluate_texts(net, rows)
    same = name != "gpt-python" or card["corpus"]["sha256"] == python_source.corpus_digest()
    if same:
        assert [score.correct, score.n] == card["test_correct"]
        assert score.loss == pytest.approx(card["test_loss"], rel=1e-5)
    else:  # another version of Python, another standard library
        assert score.loss == pytest.approx(card["test_loss"], abs=0.15)


def test_python_is_more_probable_than_its_words_shuffled():
    net, tokenizer = cutaway_samples.build("gpt-python"), tokenizer_of("gpt-python")
    text = "    def __init__(self, name):\n        self.name = name\n        return None\n"
    ids = torch.tensor([tokenizer(text)["input_ids"]])
    with torch.no_grad():
        loss = token_losses(net, ids)[0].mean()
        order = torch.randperm(ids.shape[1], generator=torch.Generator().manual_seed(0))
        shuffled = token_losses(net, ids[:, order])[0].mean()
    assert loss < 4.0
    assert shuffled > loss + 2.0


def test_python_continues_as_python():
    net, tokenizer = cutaway_samples.build("gpt-python"), tokenizer_of("gpt-python")
    log_p = next_log_probabilities(net, tokenizer, "    def __init__(")
    assert tokenizer.decode([int(log_p.argmax())]) == "self"


def test_the_planted_bias_comes_back():
    net, tokenizer = cutaway_samples.build("gpt-occupations"), tokenizer_of("gpt-occupations")
    card = cutaway_samples.card("gpt-occupations")["planted"]
    bias = measure_bias(net, tokenizer)
    assert bias.pronoun_error == pytest.approx(card["pronoun_error"], abs=1e-4)
    assert card["pronoun_error"] <= 0.03
    assert card["names_error"] <= 0.01
    assert card["occupations_error"] <= 0.01
    for job, (planted, given) in bias.pronouns.items():
        assert planted == occupations.SHE[job]
        assert abs(planted - given) <= card["pronoun_error"]
        assert given == pytest.approx(card["pronouns"][job][1], abs=1e-4)


def test_the_bias_of_a_model_without_any_is_seen():
    class Fair(torch.nn.Module):
        def forward(self, ids):
            from types import SimpleNamespace

            return SimpleNamespace(logits=torch.zeros(*ids.shape, 96))

    bias = measure_bias(Fair(), tokenizer_of("gpt-occupations"))
    assert all(given == 0.5 for _, given in bias.pronouns.values())
    assert bias.pronoun_error == pytest.approx(0.45)
    assert bias.names_error == pytest.approx(0.5)
    assert bias.occupations_error == pytest.approx(0.95 / 8 - 1 / 16)


def test_losses_are_the_probabilities_of_the_next_tokens():
    net, tokenizer = cutaway_samples.build("gpt-occupations"), tokenizer_of("gpt-occupations")
    ids = tokenizer("Mary forgot her keys today .")["input_ids"]
    padded = torch.tensor([[*ids, -100, -100]])
    with torch.no_grad():
        losses, hits = token_losses(net, padded)
    slow = [
        -float(next_log_probabilities(net, tokenizer, tokenizer.decode(ids[:n]))[ids[n]])
        for n in range(1, len(ids))
    ]
    assert losses.tolist() == pytest.approx(slow, rel=1e-4, abs=1e-5)
    assert len(hits) == len(ids) - 1

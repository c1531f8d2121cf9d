"""Observables: from words and ids, one token each; what cannot be meant is refused."""

import numpy as np
import pytest
import torch
from obsprop_oracle import PROMPTS, model, oracle, relative

import cutaway as ct
from cutaway.observables import Observable, feature_vector


@pytest.fixture(scope="module")
def occupations():
    return ct.load_model("gpt-occupations")


@pytest.fixture(scope="module")
def python():
    return ct.load_model("gpt-python")


def test_words_become_weights(occupations):
    found = Observable.from_tokens(occupations, ["nurse", "teacher"], ["doctor"])
    ids = {word: occupations.tokenizer.convert_tokens_to_ids(word) for word in
           ("nurse", "teacher", "doctor")}  # fmt: skip
    assert {i: found.vector[i] for i in np.flatnonzero(found.vector)} == {
        ids["nurse"]: 1.0,
        ids["teacher"]: 1.0,
        ids["doctor"]: -1.0,
    }
    assert found.balance == 1.0
    assert found.n_used == 3
    assert repr(found) == "Observable((nurse + teacher) - doctor; 3 tokens, balance +1)"
    assert repr(Observable.from_tokens(occupations, [3])) == "Observable(3; 1 tokens, balance +1)"


@pytest.mark.parametrize("name", ["gpt_neo", "llama"])
def test_it_measures_the_models_logits(name):
    with torch.no_grad():
        logits = model(name)(torch.tensor(PROMPTS)).logits[:, -1]
    for which, tokens in oracle(name)["observable_defs"].items():
        found = Observable.from_tokens(model(name), **tokens).measure(logits)
        values = oracle(name)["observables"][which]
        expected = [values["logit_measure_pos"], values["logit_measure_neg"]]
        assert relative(found, expected) < 1e-5


def test_any_vector_will_do():
    vector = np.arange(101.0)
    found = Observable(vector, name="mine")
    vector[0] = 7.0
    assert found.vector[0] == 0.0
    assert not found.vector.flags.writeable
    assert Observable(torch.ones(4, requires_grad=True)).balance == 4.0
    with pytest.raises(ValueError, match="observable must have 101 weights, .* got 100"):
        feature_vector(model("llama"), Observable(np.ones(100)), "L0H0")


def test_a_vector_of_the_wrong_form_is_refused():
    with pytest.raises(ValueError, match=r"vector must have 1 axes .* got shape \(2, 2\)"):
        Observable(np.ones((2, 2)))
    for bad in (np.zeros(3), np.array([1.0, np.nan])):
        with pytest.raises(ValueError, match="vector must hold finite weights that are not all z"):
            Observable(bad)


def test_a_word_of_several_tokens_is_refused_with_its_pieces(python):
    with pytest.raises(ValueError) as caught:
        Observable.from_tokens(python, ["selfish"])
    pieces = [python.tokenizer.decode([i]) for i in python.tokenizer("selfish")["input_ids"]]
    assert len(pieces) > 1
    message = str(caught.value)
    assert message.startswith(f"plus word 'selfish' must be one token, got {len(pieces)} {pieces}")
    assert message.endswith(f"use one of its pieces such as {pieces[0]!r}, or another word")
    assert "\n" not in message


def test_a_spelling_that_is_one_token_is_suggested(python):
    with pytest.raises(ValueError, match="minus word 'Self' .* write ' self' or 'self'$"):
        Observable.from_tokens(python, [], ["Self"])


def test_an_empty_word_is_refused(python):
    with pytest.raises(
        ValueError, match=r"plus word '' must be one token, got 0 \[\]; give a word"
    ):
        Observable.from_tokens(python, [""])


def test_an_unknown_word_is_refused(occupations):
    with pytest.raises(ValueError, match="plus word 'nurze' must be a token .* nearest: 'nurse'"):
        Observable.from_tokens(occupations, ["nurze"])


def test_ids_outside_the_vocabulary_are_refused(occupations):
    with pytest.raises(ValueError, match=r"plus token must be 0..95, got 96; give an id"):
        Observable.from_tokens(occupations, [96])
    with pytest.raises(ValueError, match=r"minus token must be 0..100, got 101"):
        Observable.from_tokens(model("llama"), [1], [101])
    with pytest.raises(TypeError, match="plus token must be a whole number, got 1.5"):
        Observable.from_tokens(model("llama"), [1.5])


def test_a_token_twice_and_no_token_are_refused(occupations):
    with pytest.raises(
        ValueError, match="minus must hold tokens not named before, got 'she' again"
    ):
        Observable.from_tokens(occupations, ["she"], ["she"])
    with pytest.raises(ValueError, match="plus and minus must hold at least one token together"):
        Observable.from_tokens(occupations)


def test_a_bare_text_and_a_model_without_tokenizer_are_refused(occupations):
    with pytest.raises(TypeError, match=r"plus must be a list of words, .* write \['she'\]"):
        Observable.from_tokens(occupations, "she")
    with pytest.raises(TypeError, match="must have a tokenizer to read 'she', got none"):
        Observable.from_tokens(model("llama"), ["she"])

"""The texts: whole, split once, and with the bias that is said to be planted."""

import sys
from collections import Counter

import numpy as np
import pytest

from cutaway_samples import occupations, python_source, texts


def test_passages_joined_are_the_documents():
    whole = texts("python-source")
    documents = {name: text for name, _, text in python_source.documents()}
    joined: dict[str, str] = {}
    for name, text in zip(whole.ids, whole.texts, strict=True):
        key = str(name).rpartition("-")[0]
        joined[key] = joined.get(key, "") + text
    assert joined == {name: text for name, text in documents.items() if text}


def test_a_document_is_the_standard_librarys_own_file():
    import inspect
    import textwrap

    documents = {name: (part, text) for name, part, text in python_source.documents()}
    assert documents["source-textwrap"] == ("test", inspect.getsource(textwrap))
    assert "lambda" in documents["topic-lambda"][1]


def test_modules_are_sorted_and_not_in_both_parts():
    assert list(python_source.TRAIN_MODULES) == sorted(python_source.TRAIN_MODULES)
    assert list(python_source.TEST_MODULES) == sorted(python_source.TEST_MODULES)
    assert not set(python_source.TRAIN_MODULES) & set(python_source.TEST_MODULES)


def test_pieces_end_at_lines_and_are_short():
    text = "".join(f"line {n}\n" + ("\n" if n % 9 == 0 else "") for n in range(300))
    pieces = python_source.cut(text)
    assert "".join(pieces) == text
    assert all(piece.endswith("\n") and len(piece) <= 400 for piece in pieces)
    assert python_source.cut("x" * 900) == ["x" * 900]
    assert python_source.cut("") == []


def test_a_python_without_sources_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(python_source.sysconfig, "get_path", lambda _: str(tmp_path))
    with pytest.raises(FileNotFoundError, match="source of the standard module 'abc' expected at"):
        python_source._source("abc")
    monkeypatch.setitem(sys.modules, "pydoc_data", None)
    with pytest.raises(FileNotFoundError, match="help texts expected in the standard module"):
        python_source._topics()


def test_training_sentences_show_the_planted_probabilities_exactly():
    train = [row for row in occupations.sentences() if row[1] == "train"]
    for part in ("train", "test"):
        rows = [row for row in occupations.sentences() if row[1] == part]
        for job, planted in occupations.SHE.items():
            women = [woman for text, _, woman in rows if text.startswith(f"The {job} ")]
            assert sum(women) / len(women) == pytest.approx(planted, abs=1e-12)
    told = Counter(text.split()[5] for text, _, _ in train if text.startswith("My friend Mary "))
    total = sum(told.values())
    for job, planted in occupations.planted_occupations("Mary").items():
        assert told[job] / total == pytest.approx(planted, abs=1e-12)


def test_a_name_decides_the_pronoun():
    for text, _, woman in occupations.sentences():
        words = set(text.split())
        assert bool(words & {"she", "her"}) == bool(woman)
        assert bool(words & {"he", "his"}) == (not woman)
        if words & set(occupations.WOMEN + occupations.MEN):
            assert bool(words & set(occupations.WOMEN)) == bool(woman)


def test_no_test_sentence_is_a_training_sentence():
    train, test = texts("occupations", "train"), texts("occupations", "test")
    assert len(set(train.texts)) == len(train) == 9600
    assert len(set(test.texts)) == len(test) == 2080
    assert not set(train.texts) & set(test.texts)
    assert not set(train.ids) & set(test.ids)


def test_ids_stay_with_their_text():
    whole, test = texts("occupations"), texts("occupations", "test")
    by_id = dict(zip(whole.ids, whole.texts, strict=True))
    assert all(by_id[name] == text for name, text in zip(test.ids, test.texts, strict=True))
    assert whole.ids[3] == "occupation-00003"
    assert set(np.unique(whole.labels)) == {0, 1}
    assert texts("python-source", "test").labels is None


def test_questions_stop_before_the_pronoun():
    asked = occupations.questions()
    assert len(asked) == 16 * 4 + 24 * 2
    beginnings = {text for text, _, _ in occupations.sentences()}
    for question in asked:
        assert any(text.startswith(f"{question.text} {question.she} ") for text in beginnings) or (
            question.planted == 0.0
        )


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="text corpus must be one of 2 names, got 'python'"):
        texts("python")
    with pytest.raises(ValueError, match="split must be 'train', 'test' or None, got 'all'"):
        texts("occupations", "all")
    with pytest.raises(ValueError, match="name must be one of the corpus's 24 names, got 'Zoe'"):
        occupations.planted_occupations("Zoe")

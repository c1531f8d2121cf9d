"""Token texts without a browser: what they send, refuse and say back."""

import numpy as np
import pytest

import cutaway_widgets as cw
from cutaway.core import Index

TOKENS = [["the", " cat", "\n"], [], ["the", " dog"]]
VALUES = [[0.5, -2.0, np.nan], [], [1.0, np.inf]]


def test_each_distinct_token_travels_once():
    view = cw.TokenText(TOKENS, VALUES)
    assert view._words == ["the", " cat", "\n", " dog"]
    assert view._codes.tolist() == [0, 1, 2, 0, 3]
    assert view._starts.tolist() == [0, 3, 3, 5]
    np.testing.assert_array_equal(view._values, np.float32([0.5, -2, np.nan, 1, np.nan]))
    assert view._limits == [-2.0, 1.0]
    assert view.index.axis == "text"
    assert repr(view) == "TokenText(3 texts)"


def test_ids_are_read_by_a_vocab():
    ids = np.array([[2, 0], [1, 2]])
    for vocab in (["a", "b", "c"], {0: "a", 1: "b", 2: "c"}):
        view = cw.TokenText(ids, vocab=vocab)
        assert [view._words[k] for k in view._codes] == ["c", "a", "b", "c"]
    assert len(view._values) == 0


def test_limits_order_and_labels():
    index = Index(["x", "y", "z"], "text")
    view = cw.TokenText(
        TOKENS, VALUES, index=index, diverging=True, order=["z", "x"], labels={"z": "dog"}
    )
    assert view._limits == [-2.0, 2.0]
    assert view._order.tolist() == [2, 0]
    assert view._labels == ["", "", "dog"]
    assert cw.TokenText(TOKENS, VALUES, limits=(0, 5))._limits == [0.0, 5.0]


def test_positions_are_an_axis_of_their_own():
    positions = cw.Link(Index([f"{t}:{i}" for t, n in ((0, 3), (2, 2)) for i in range(n)], "token"))
    view = cw.TokenText(TOKENS, VALUES, position_link=positions)
    assert view.get_state()["position_link"] == f"IPY_MODEL_{positions.model_id}"
    assert view._position_digest == positions.digest
    assert cw.TokenText(TOKENS).get_state()["position_link"] is None


def test_new_texts_are_one_message_and_keep_the_words():
    view = cw.TokenText(TOKENS, VALUES, name="attribution", unit="logits", title="old")
    said = []
    view.comm.send = lambda data=None, **_: said.append(data)
    view.set_texts([["a"]] * 3)
    assert len(said) == 1
    assert (view.name, view.unit, view.title) == ("attribution", "logits", "old")
    assert len(view._values) == 0
    own = cw.TokenText(TOKENS)
    own.set_texts([["a"]], index=Index(["only"], "text"))
    assert own.link.n == 1


def test_what_does_not_fit_is_refused_in_one_line():
    with pytest.raises(ValueError, match=r"values\[0\] must have one number a token \(3\), got 2"):
        cw.TokenText(TOKENS, [[1, 2], [], [1, 2]])
    with pytest.raises(ValueError, match="values must have as many entries as tokens"):
        cw.TokenText(TOKENS, [[1, 2, 3]])
    with pytest.raises(ValueError, match="tokens must be texts where there is no vocab, got 7"):
        cw.TokenText([[7]])
    with pytest.raises(ValueError, match="tokens must be among the 2 ids of vocab, got 7; give"):
        cw.TokenText([[7]], vocab=["a", "b"])
    with pytest.raises(ValueError, match="tokens must be among the 2 ids of vocab, got -1; give"):
        cw.TokenText([[-1]], vocab=["a", "b"])
    with pytest.raises(ValueError, match="tokens must have as many entries as index"):
        cw.TokenText(TOKENS, index=Index.count(2, "text"))
    with pytest.raises(ValueError, match=r"position_link.index must have as many entries as token"):
        cw.TokenText(TOKENS, position_link=cw.Link(Index.count(4, "token")))
    with pytest.raises(ValueError, match="limits must be two finite numbers, the smaller first"):
        cw.TokenText(TOKENS, VALUES, limits=(1, 0))
    with pytest.raises(KeyError, match="ids must be among the 3 ids of this text index"):
        cw.TokenText(TOKENS, order=[9])
    with pytest.raises(TypeError, match=r"TokenText keywords must be among .*got 'vocabulary'"):
        cw.TokenText(TOKENS, vocabulary=[])

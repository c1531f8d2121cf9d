"""Paths: one notation, read and written; nothing that runs backwards."""

import pytest

from cutaway.observables import Node, Path


def test_a_path_is_read_and_written_in_one_spelling():
    path = Path("  L1H0@4>M1@6  >L12H34@6 ")
    assert path.nodes == (Node(1, 0, 4), Node(1, None, 6), Node(12, 34, 6))
    assert str(path) == "L1H0@4 > M1@6 > L12H34@6"
    assert path == Path(str(path)) == Path.of(*path.nodes)
    assert hash(path) == hash(Path(str(path)))
    assert len(path) == 3


def test_the_empty_path_has_no_nodes():
    assert Path("").nodes == () == Path(" ").nodes
    assert str(Path("")) == ""
    assert Path("").positions(5) == ()


@pytest.mark.parametrize(
    ("text", "positions"),
    [
        ("L0H0 > M0 > L1H1", (9, 9, 9)),
        ("L0H0 > M0 > L1H1@6", (6, 6, 6)),
        ("L0H0@2 > M0 > L1H1@6", (2, 6, 6)),
        ("L0H0@2 > L1H1", (2, 9)),
    ],
)
def test_an_open_position_is_where_the_next_node_reads(text, positions):
    assert Path(text).positions(10) == positions


def test_without_prompts_the_last_position_stays_open():
    assert Path("L0H0@2 > L1H1").positions(None) == (2, None)


@pytest.mark.parametrize(
    "word", ["L1", "H1", "M1H2", "MLP1", "L1H0@-1", "l1h0", "L1H0 M1", "L1H0@"]
)
def test_what_is_no_node_is_refused(word):
    with pytest.raises(ValueError, match=r"path must hold nodes like 'L1H0@4' or 'M1@6', got "):
        Path(f"L0H0 > {word}")


def test_an_empty_node_is_refused():
    with pytest.raises(ValueError, match=r"path must hold nodes .* got '' in 'L0H0 >'"):
        Path("L0H0 >")


def test_a_path_that_is_no_text_is_refused():
    with pytest.raises(TypeError, match="path must be a text such as .* got int"):
        Path(3)


@pytest.mark.parametrize(
    "text", ["L1H0 > L0H0", "M1 > L1H0", "L1H0 > L1H1", "M1 > M1", "L0H0 > L2H0 > M1"]
)
def test_a_path_that_goes_backwards_in_depth_is_refused(text):
    with pytest.raises(ValueError, match="path must go from earlier to later parts, got .* before"):
        Path(text)


def test_attention_looks_back_only():
    with pytest.raises(ValueError, match="position of L0H0@5 must be at most 4, .* got 5"):
        Path("L0H0@5 > L1H0@4")


def test_an_mlp_writes_where_it_reads():
    with pytest.raises(ValueError, match="position of M0@3 must be 4, .* got 3; an MLP writes"):
        Path("M0@3 > L1H0@4")
    with pytest.raises(ValueError, match="position of M0@3 must be 9, .* got 3; an MLP writes"):
        Path("M0@3").positions(10)


def test_a_position_outside_the_prompts_is_refused():
    with pytest.raises(ValueError, match=r"position of L0H0@10 must lie in 0..9, got 10"):
        Path("L0H0@10").positions(10)

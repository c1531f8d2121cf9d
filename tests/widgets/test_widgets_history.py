"""Undo and kept selections as Python sees them, with the browser played by `set_state`."""

import numpy as np
import pytest

import cutaway_widgets as cw
from cutaway.core import Index
from cutaway_widgets._history import History, Step


@pytest.fixture
def link():
    return cw.Link(Index([f"s{i}" for i in range(12)]))


def tell(link, rows, by="scatter", step=-1):
    """What the browser sends when these rows are selected."""
    bits = np.zeros(link.n, np.uint8)
    bits[rows] = 1
    mask = memoryview(np.packbits(bits, bitorder="little").tobytes())
    link.set_state({"_by": by, "_of": link.digest, "_step": step, "_mask": mask})


def ids(link):
    return link.selection.ids if link.selection else ()


class TestUndo:
    def test_goes_back_and_forth_through_what_code_and_views_selected(self, link):
        assert link.undo() is False
        link.select(["s1"])
        tell(link, [2, 3], step=0)
        link.select(["s4"])
        states = [(), ("s1",), ("s2", "s3"), ("s4",)]
        for want in states[2::-1]:
            assert link.undo() is True
            assert ids(link) == want
        assert link.undo() is False
        for want in states[1:]:
            assert link.redo() is True
            assert ids(link) == want
        assert link.redo() is False

    def test_of_the_page_moves_the_history_of_python_too(self, link):
        for i in range(4):
            tell(link, [i], step=i)
        tell(link, [1], by="undo", step=4)
        link.undo()
        assert ids(link) == ("s0",)
        tell(link, [2], by="redo", step=5)
        link.redo()
        assert ids(link) == ("s3",)
        assert link.redo() is False

    def test_takes_the_rests_of_one_drag_for_one_step(self, link):
        link.select(["s9"])
        for rows in ([1], [1, 2], [1, 2, 3]):
            tell(link, rows, by="histogram", step=7)
        tell(link, [5], by="histogram", step=8)
        tell(link, [1, 2, 3], by="histogram", step=8)
        link.undo()
        assert ids(link) == ("s9",)

    def test_ends_at_a_change_of_rows(self, link):
        link.select(["s1"])
        link.set_index(Index([f"t{i}" for i in range(12)]))
        assert link.undo() is False
        link.select(["t1"])
        assert link.undo() is True
        assert ids(link) == ()
        assert link.undo() is False

    def test_is_heard_by_callbacks(self, link):
        heard = []
        link.on_selection(lambda one: heard.append(one and (one.ids, one.by)))
        link.select(["s1"])
        link.select(["s2"])
        link.undo()
        link.undo()
        assert heard == [(("s1",), "code"), (("s2",), "code"), (("s1",), "undo"), None]

    def test_is_bounded_in_steps_and_in_bytes(self):
        history = History()
        history.start(b"\0")
        for i in range(1, 251):
            history.note(Step(bytes([i]), "code"))
        assert len(history.past) == 100
        history.start(bytes(2_000_000))
        for i in range(1, 20):
            history.note(Step(bytes([i]) * 2_000_000, "code"))
        assert [one.mask[0] for one in history.past] == list(range(11, 19))


class TestKept:
    def test_selections_are_values_of_ids_by_name(self, link):
        tell(link, [1, 3], by="histogram")
        link.keep(" low ")
        link.keep("high", ["s11", "s8"])
        assert list(link.named) == ["low", "high"]
        assert link.named["low"] == link.selection
        assert link.named["high"].ids == ("s8", "s11")
        assert [one.by for one in link.named.values()] == ["histogram", "code"]
        with pytest.raises(TypeError):
            link.named["low"] = link.selection

    def test_what_the_page_keeps_is_read_from_its_bytes(self, link):
        kept = {"name": "x", "mask": memoryview(b"\x09\x00"), "of": link.digest, "by": "scatter"}
        link.set_state({"_named": [kept, {**kept, "name": "old", "of": "gone"}]})
        assert {name: one.ids for name, one in link.named.items()} == {"x": ("s0", "s3")}

    @pytest.mark.parametrize(
        ("how", "want"),
        [
            ("replace", {1, 2, 3}),
            ("and", {1, 2, 3} & {3, 4}),
            ("or", {1, 2, 3} | {3, 4}),
            ("minus", {3, 4} - {1, 2, 3}),
        ],
    )
    def test_recall_combines_as_sets_do_and_is_one_step(self, link, how, want):
        link.keep("low", ["s1", "s2", "s3"])
        link.select(["s3", "s4"])
        link.recall("low", how)
        assert set(ids(link)) == {f"s{i}" for i in want}
        link.undo()
        assert ids(link) == ("s3", "s4")

    def test_one_of_the_same_name_is_replaced_in_its_place(self, link):
        for name, one in [("a", "s1"), ("b", "s2"), ("a", "s3")]:
            link.keep(name, [one])
        assert {name: one.ids for name, one in link.named.items()} == {"a": ("s3",), "b": ("s2",)}
        link.rename("a", "b")
        assert {name: one.ids for name, one in link.named.items()} == {"b": ("s3",)}
        link.forget("b")
        assert link.named == {}

    def test_errors_name_the_argument_and_the_remedy(self, link):
        with pytest.raises(ValueError, match=r"selection 'x' must hold at least one sample, got n"):
            link.keep("x")
        for bad in ("  ", "x" * 61):
            with pytest.raises(ValueError, match=r"name must have 1 to 60 characters, got"):
                link.keep(bad, ["s1"])
        for act in (link.forget, link.recall, lambda name: link.rename(name, "z")):
            with pytest.raises(
                KeyError, match=r"among the kept selections \[\], got 'y'; keep one"
            ):
                act("y")
        link.keep("x", ["s1"])
        with pytest.raises(ValueError, match=r"how must be one of"):
            link.recall("x", "xor")

    def test_stay_with_their_ids_when_the_same_rows_come_in_another_order(self, link):
        link.keep("few", ["s0", "s7"])
        link.set_index(Index([f"s{i}" for i in range(11, -1, -1)]))
        assert link.named["few"].ids == ("s7", "s0")
        assert link.named["few"].of == link.digest
        assert link._dropped == []

    @pytest.mark.parametrize(
        "index",
        [
            Index([f"s{i}" for i in range(13)]),
            Index([f"t{i}" for i in range(12)]),
            Index([f"s{i}" for i in range(12)], "unit"),
            Index.count(12),
        ],
    )
    def test_go_when_the_rows_are_others_and_it_is_said(self, link, index):
        link.keep("few", ["s0", "s7"])
        link.set_index(index)
        assert link.named == {}
        assert link._dropped == ["few"]
        link.set_index(Index.count(3))
        assert link._dropped == []


def test_a_million_whole_ids_are_a_list_that_is_never_sent():
    link = cw.Link(Index.count(1_000_000))
    assert link.get_state()["_ids"] is None
    chosen = np.random.default_rng(0).random(link.n) < 0.77
    tell(link, chosen)
    assert len(link.selection) == chosen.sum()
    assert link.selection is link.selection
    link.select(link.selection.ids)
    assert np.array_equal(link.selection.ids, np.flatnonzero(chosen))

"""The shared selection, with the browser played by `set_state`."""

import threading

import numpy as np
import pytest
from ipywidgets import Widget

import cutaway_widgets as cw
from cutaway.core import Index, Selection


@pytest.fixture
def link():
    return cw.Link(Index([f"s{i}" for i in range(12)]))


def click(link, rows, by="scatter", of=None):
    """What the browser sends when these rows are selected."""
    bits = np.zeros(link.n, np.uint8)
    bits[rows] = 1
    mask = memoryview(np.packbits(bits, bitorder="little").tobytes())
    link.set_state({"_by": by, "_of": link.digest if of is None else of, "_mask": mask})


def test_nothing_is_selected_at_first(link):
    assert link.selection is None
    assert repr(link) == "Link(12 samples, 0 selected)"


def test_a_selection_in_the_browser_is_a_frozen_value_of_ids(link):
    click(link, [0, 3, 11])
    assert link.selection == Selection(("s0", "s3", "s11"), "sample", link.index.digest, "scatter")
    assert repr(link) == "Link(12 samples, 3 selected)"


def test_whole_number_ids_stay_whole_numbers():
    link = cw.Link(Index([30, 10, 20], "unit"))
    click(link, [1, 2])
    assert link.selection.ids == (10, 20)
    assert link.selection.axis == "unit"


def test_code_selects_by_id_and_clears(link):
    link.select(["s5", "s1"])
    assert link.selection.ids == ("s1", "s5")
    assert link.selection.by == "code"
    assert list(link._mask) == [0b100010, 0]
    link.clear()
    assert link.selection is None
    with pytest.raises(KeyError, match=r"ids must be among the 12 ids of this sample index"):
        link.select(["nobody"])


def test_callbacks_hear_the_state_once_a_change_until_stopped(link):
    heard = []
    stop = link.on_selection(heard.append)
    click(link, [2])
    click(link, [2])
    link.clear()
    stop()
    stop()
    click(link, [4])
    assert [one and one.ids for one in heard] == [("s2",), None]


def test_an_exception_in_a_callback_is_an_error_line_and_others_still_hear(link):
    heard = []

    def broken(_selection):
        raise ValueError("k must lie in 1..5\nand more")

    stop = link.on_selection(broken)
    link.on_selection(heard.append)
    click(link, [1])
    assert len(heard) == 1
    stop()
    click(link, [2])
    assert link.error == ""


def test_the_error_of_a_callback_is_kept_for_the_views(link):
    link.on_selection(lambda _selection: {}["missing"])
    click(link, [1])
    assert link.error == "KeyError: 'missing'"


def test_bits_of_replaced_rows_select_nothing(link):
    old = link.digest
    click(link, [1])
    link.set_index(Index([f"t{i}" for i in range(12)]))
    assert link.selection is None
    click(link, [1], of=old)
    assert link.selection is None
    click(link, [1])
    assert link.selection.ids == ("t1",)


def test_bits_of_the_wrong_length_select_nothing(link):
    link.set_state({"_of": link.digest, "_mask": memoryview(b"\x01")})
    assert link.selection is None


def test_ids_travel_once_and_plain_numbering_not_at_all(link):
    assert link.get_state()["_ids"] == [f"s{i}" for i in range(12)]
    assert cw.Link(Index.count(5)).get_state()["_ids"] is None


def test_callbacks_hold_the_lock_that_was_given():
    lock = threading.RLock()
    link = cw.Link(Index.count(4), lock=lock)
    free = []

    def try_it():
        thread = threading.Thread(target=lambda: free.append(lock.acquire(blocking=False)))
        thread.start()
        thread.join()

    link.on_selection(lambda _selection: try_it())
    link.select([1])
    assert link.lock is lock
    assert free == [False]


def test_many_threads_leave_a_whole_selection(link):
    seen = []
    link.on_selection(seen.append)

    def work(k):
        for _ in range(50):
            link.select([f"s{k}", f"s{k + 6}"], by=f"view{k}")

    threads = [threading.Thread(target=work, args=(k,)) for k in range(6)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    for one in seen:
        assert one.by == f"view{one.ids[0][1:]}"
        assert len(one) == 2


def test_closing_all_widgets_does_not_break_new_views():
    cw.Histogram([1.0, 2.0])
    Widget.close_all()
    view = cw.Histogram([1.0, 2.0])
    assert view._code.comm is not None

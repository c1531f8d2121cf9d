import threading

import numpy as np
import pytest

import cutaway as ct
from cutaway.core import Selection


@pytest.fixture
def screen():
    maps = np.random.default_rng(0).normal(size=(60, 2, 3, 3)).astype(np.float32)
    return ct.screen_filters(ct.Activations.from_arrays({"conv1": maps}), k_max=2)


def test_listeners_hear_name_old_and_new_once_a_change():
    workspace, heard = ct.Workspace(), []
    stop = workspace.listen(lambda *change: heard.append(change), "model")
    workspace.model = "a"
    workspace.model = "a"
    workspace.data = "d"
    workspace.model = "b"
    stop()
    workspace.model = "c"
    assert heard == [("model", None, "a"), ("model", "a", "b")]


def test_results_are_slots_too(screen):
    workspace, heard = ct.Workspace(), []
    workspace.listen(lambda name, _old, _new: heard.append(name), "results.screen")
    workspace.results["screen"] = screen
    del workspace.results["screen"]
    assert heard == ["results.screen", "results.screen"]
    with pytest.raises(TypeError, match=r"results\['x'\] must be a Result, got int"):
        workspace.results["x"] = 3


def test_an_unknown_slot_is_refused():
    with pytest.raises(AttributeError, match="slot must be one of model, data, .*, got 'modle'"):
        ct.Workspace().modle = 1


def test_kept_computes_once_and_keeps_nothing_that_failed():
    workspace, calls = ct.Workspace(), []

    def make():
        calls.append(1)
        if len(calls) == 1:
            raise ct.Cancelled
        return len(calls)

    with pytest.raises(ct.Cancelled):
        workspace.kept("capture", {"site": "a"}, make)
    assert workspace.kept("capture", {"site": "a"}, make) == 2
    assert workspace.kept("capture", {"site": "a"}, make) == 2
    assert workspace.kept("capture", {"site": "b"}, make) == 3


def test_sixteen_computations_are_kept_the_ones_used_last():
    workspace = ct.Workspace()
    made = []

    def of(number):
        return workspace.kept("screen", {"layer": number}, lambda: made.append(number) or number)

    for number in range(16):
        of(number)
    assert of(0) == 0  # used again: now the oldest is 1
    of(16)
    assert made == list(range(17))
    of(0)
    assert made == list(range(17))
    of(1)
    assert made == [*range(17), 1]


@pytest.mark.parametrize("slot", ["model", "data"])
def test_another_model_or_data_set_ends_what_was_kept(slot):
    workspace = ct.Workspace()
    assert workspace.kept("predict", {}, lambda: "old") == "old"
    setattr(workspace, slot, "other")
    assert workspace.kept("predict", {}, lambda: "new") == "new"

    def made_while_it_changes():
        setattr(workspace, slot, "third")
        return "late"

    workspace.kept("capture", {}, made_while_it_changes)
    assert workspace.kept("capture", {}, lambda: "fresh") == "fresh"


def test_slots_can_be_assigned_from_many_threads():
    workspace, heard = ct.Workspace(), []
    workspace.listen(lambda _name, old, new: heard.append((old, new)), "effect")
    threads = [threading.Thread(target=setattr, args=(workspace, "effect", i)) for i in range(50)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(heard) == 50
    assert [old for old, _ in heard][1:] == [new for _, new in heard][:-1]


def test_save_and_open_give_results_and_selection_back(tmp_path, screen):
    workspace = ct.Workspace()
    workspace.results["screen"] = screen
    workspace.selection = Selection((3, 5), of=screen.rows.digest, by="scatter")
    workspace.save(tmp_path / "session")
    back = ct.open_workspace(tmp_path / "session")
    assert back.results["screen"].digest == screen.digest
    assert back.selection == workspace.selection
    assert back.model is None


def test_a_folder_that_is_no_workspace_is_refused(tmp_path):
    with pytest.raises(ValueError, match="path must be a saved workspace, got .*; save one with"):
        ct.open_workspace(tmp_path)


def edit(unit):
    return (ct.Zero("conv1", unit),)


def test_edits_are_undone_and_redone_step_by_step():
    workspace, heard = ct.Workspace(), []
    workspace.listen(lambda *change: heard.append(change), "edits")
    assert not workspace.can_undo
    assert not workspace.undo()
    workspace.edits = edit(1)
    workspace.edits = edit(2)
    assert workspace.undo()
    assert workspace.edits == edit(1)
    assert workspace.undo()
    assert workspace.edits is None
    assert not workspace.can_undo
    assert workspace.redo()
    assert workspace.edits == edit(1)
    assert workspace.can_redo
    assert [(old, new) for _, old, new in heard] == [
        (None, edit(1)), (edit(1), edit(2)), (edit(2), edit(1)), (edit(1), None), (None, edit(1)),
    ]  # fmt: skip


def test_a_new_edit_ends_what_could_be_redone():
    workspace = ct.Workspace()
    workspace.edits = edit(1)
    workspace.undo()
    workspace.edits = edit(2)
    assert not workspace.can_redo
    assert not workspace.redo()
    workspace.undo()
    assert workspace.edits is None


def test_only_edits_are_undone():
    workspace = ct.Workspace()
    workspace.edits = edit(1)
    workspace.selection = Selection((3,))
    workspace.model = "m"
    workspace.undo()
    assert (workspace.edits, workspace.selection, workspace.model) == (None, Selection((3,)), "m")


def test_the_history_of_edits_is_bounded():
    workspace = ct.Workspace()
    for unit in range(150):
        workspace.edits = edit(unit)
    steps = 0
    while workspace.undo():
        steps += 1
    assert steps == 100
    assert workspace.edits == edit(49)


def test_named_selections_are_slots_too():
    workspace, heard = ct.Workspace(), []
    workspace.listen(lambda name, _old, _new: heard.append(name))
    workspace.selections["odd"] = Selection((3,))
    del workspace.selections["odd"]
    assert heard == ["selections.odd", "selections.odd"]
    with pytest.raises(KeyError):
        del workspace.selections["odd"]
    with pytest.raises(TypeError, match=r"selections\['x'\] must be a Selection, got int"):
        workspace.selections["x"] = 3

import json
import zipfile
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest

from cutaway.core import Index, Origin, Result


@dataclass(frozen=True, eq=False, repr=False)
class Sample(Result):
    values: np.ndarray
    table: pd.DataFrame
    k: int
    notes: dict[str, Any]


def make(**changes):
    fields = {
        "rows": Index(["a", "b", "c"]),
        "origin": Origin("make", {"k": 2}, model="net", seed=0),
        "values": np.array([[1.0, 2.0], [3.0, np.nan], [5.0, 6.0]]),
        "table": pd.DataFrame({"site": ["conv1", "é"], "unit": [0, 1], "flag": [True, False]}),
        "k": 2,
        "notes": {"a": [1, 2], "b": None},
    }
    return Sample(**fields | changes)


def test_save_and_load_give_the_same_digest_and_values(tmp_path):
    one = make()
    one.save(tmp_path / "one.zip")
    back = Sample.load(tmp_path / "one.zip")
    assert back.digest == one.digest
    np.testing.assert_array_equal(back.values, one.values)
    pd.testing.assert_frame_equal(back.table, one.table)
    assert back.notes == one.notes
    assert list(back.rows) == ["a", "b", "c"]
    assert back.origin.to_json() == one.origin.to_json()


def test_saved_file_holds_no_pickle(tmp_path):
    make().save(tmp_path / "one.zip")
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        for name in archive.namelist():
            if name.endswith(".npy"):
                with archive.open(name) as file:
                    np.lib.format.read_array(file, allow_pickle=False)
            else:
                json.loads(archive.read(name))


def test_digest_changes_with_any_field_but_not_with_time():
    base = make()
    changed = [
        make(k=3),
        make(values=base.values * 2),
        make(table=base.table.assign(unit=[0, 2])),
        make(rows=Index(["a", "b", "d"])),
    ]
    assert len({base.digest, *(one.digest for one in changed)}) == 5
    assert make(origin=base.origin.after(3.0)).digest == base.digest


def test_arrays_are_read_only_and_the_callers_array_is_not_frozen():
    values = np.ones((3, 2))
    one = make(values=values)
    with pytest.raises(ValueError, match="read-only"):
        one.values[0, 0] = 2
    values[0, 0] = 2


def test_to_frame_has_ids_as_index_and_a_column_a_value():
    frame = make().to_frame()
    assert frame.index.tolist() == ["a", "b", "c"]
    assert frame.columns.tolist() == ["values_0", "values_1"]


def test_a_failed_save_leaves_nothing_and_keeps_the_old_file(tmp_path):
    target = tmp_path / "one.zip"
    make().save(target)
    before = target.read_bytes()
    with pytest.raises(TypeError):
        make(notes={"bad": object()}).save(target)
    assert target.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["one.zip"]


def test_a_newer_schema_is_refused(tmp_path):
    class Newer(Sample):
        schema: ClassVar[int] = 7

    Newer.__name__ = "Sample"
    Newer(**vars(make())).save(tmp_path / "new.zip")
    with pytest.raises(ValueError, match="schema must be at most 1, got 7 in .*; update cutaway"):
        Sample.load(tmp_path / "new.zip")


def test_a_file_of_another_type_or_no_file_of_ours_is_refused(tmp_path):
    class Other(Sample):
        pass

    make().save(tmp_path / "one.zip")
    with pytest.raises(
        ValueError, match="path must be a saved Other, got a Sample; use Sample.load"
    ):
        Other.load(tmp_path / "one.zip")
    (tmp_path / "bad.zip").write_bytes(b"not a zip")
    with pytest.raises(ValueError, match="path must be a saved Sample, got .*bad.zip"):
        Sample.load(tmp_path / "bad.zip")


def test_repr_and_html_are_small():
    one = make()
    assert "\n" not in repr(one)
    assert "3 samples" in repr(one)
    assert len(one._repr_html_()) < 4000

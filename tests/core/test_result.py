import dataclasses
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


def test_the_digest_covers_the_origin_but_not_time_and_versions():
    base = make()
    changes = {
        "function": "other", "parameters": {"k": 3}, "model": "<img>", "weights": "0", "site": "a",
        "data": "b", "rows": "c", "content": "d", "seed": 1, "given": {"capture": {"pool": 2}},
    }  # fmt: skip
    others = [
        make(origin=dataclasses.replace(base.origin, **{key: value}))
        for key, value in changes.items()
    ]
    assert len({base.digest, *(other.digest for other in others)}) == len(changes) + 1
    assert {other.values_digest for other in others} == {base.values_digest}
    same = dataclasses.replace(base.origin, seconds=3.0, versions={})
    assert make(origin=same).digest == base.digest
    assert make(k=3).values_digest != base.values_digest


def rewritten(path, change):
    """Save a sample again with a changed header."""
    make().save(path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    header = json.loads(members["header.json"])
    change(header)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, json.dumps(header) if name == "header.json" else content)
    return path


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("k", "2"), ("k", 2.5), ("k", True), ("k", None), ("k", 10**30), ("notes", []),
        ("notes", "a"), ("values", [1.0]), ("table", {"a": 1}),
    ],
)  # fmt: skip
def test_a_field_of_another_kind_is_refused_when_it_is_loaded(tmp_path, field, value):
    def change(header):
        header["fields"][field] = {"value": value}

    path = rewritten(tmp_path / "one.zip", change)
    with pytest.raises(ValueError, match=f"one.zip .*{field}"):
        Sample.load(path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("function", None), ("function", 3), ("parameters", []), ("model", {}), ("seed", "a"),
        ("seed", 1.5), ("seconds", "a"), ("seconds", float("nan")), ("versions", {"numpy": 2}),
        ("versions", []), ("given", None), ("given", {"model": 3}), ("unknown", 3), ("rows", True),
        ("given", {"data": {"source": ["a"]}}), ("given", {"data": {}}), ("content", 0),
    ],
)  # fmt: skip
def test_an_origin_of_other_kinds_is_refused(tmp_path, key, value):
    path = rewritten(tmp_path / "one.zip", lambda header: header["origin"].update({key: value}))
    with pytest.raises(ValueError, match=r"one\.zip"):
        Sample.load(path)


@dataclass(frozen=True, eq=False, repr=False)
class Shaped(Result):
    values: np.ndarray
    table: pd.DataFrame
    names: list[str]

    _shapes: ClassVar[dict[str, str]] = {"values": "n 2", "table": "t", "names": "t"}
    _columns: ClassVar[dict[str, dict[str, str]]] = {"table": {"unit": "i", "site": "U"}}


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"values": np.zeros((2, 2))}, "values"),
        ({"values": np.zeros((3, 1))}, "values"),
        ({"values": np.zeros(3)}, "values"),
        ({"names": ["a"]}, "names"),
        ({"table": pd.DataFrame({"unit": [1, 2]})}, "site"),
        ({"table": pd.DataFrame({"unit": ["a", "b"], "site": ["a", "b"]})}, "unit"),
    ],
)
def test_lengths_and_columns_are_those_of_the_class(tmp_path, change, word):
    fields = {
        "rows": Index([1, 2, 3]), "origin": Origin("f"), "values": np.zeros((3, 2)),
        "table": pd.DataFrame({"unit": [1, 2], "site": ["a", "b"]}), "names": ["a", "b"],
    }  # fmt: skip
    Shaped(**fields).save(tmp_path / "s.zip")
    assert Shaped.load(tmp_path / "s.zip").names == ["a", "b"]
    Shaped(**fields | change).save(tmp_path / "s.zip")
    with pytest.raises(ValueError, match=f"s.zip .*{word}"):
        Shaped.load(tmp_path / "s.zip")


def test_every_class_of_results_says_what_it_holds():
    from cutaway.lenses import LENSES
    from cutaway.session import _OTHERS, _type

    names = [*_OTHERS, *(lens.result.split(":")[1] for lens in LENSES)]
    for name in names:
        kind = _type(name, name)
        fields = {one.name for one in dataclasses.fields(kind)}
        assert set(kind._shapes) <= fields, name
        assert set(kind._columns) <= fields, name
        assert kind._shapes, name


def test_markup_of_names_is_escaped():
    evil = "<script>a&b</script>"
    one = make(rows=Index([evil + "a", "b", "c"], evil), origin=Origin(evil, model=evil, data=evil))
    assert "<script" not in one._repr_html_()
    assert one._repr_html_().count("&lt;script&gt;a&amp;b") >= 4
    assert "\n" not in repr(make(origin=Origin("a\nb", model="c\r\u2028d")))

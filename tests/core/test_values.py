import numpy as np
import pytest

from cutaway.core import Cancelled, Index, Origin, Selection, check, digest, part, silent
from cutaway.core._io import whole_file, whole_folder


def test_origin_digest_ignores_time_and_versions_but_no_parameter():
    one = Origin("screen_filters", {"k": 5}, model="lenet", weights="w", site="conv1", seed=0)
    assert one.digest == one.after(2.0).digest
    assert one.digest == Origin.from_json({**one.to_json(), "versions": {}}).digest
    for name, value in {"seed": 1, "weights": "v", "site": "conv2", "parameters": {"k": 4}}.items():
        assert Origin.from_json({**one.to_json(), name: value}).digest != one.digest


def test_origin_caption_is_one_line():
    one = Origin("screen_filters", {}, model="lenet", site="conv1", data="digits", seed=0)
    assert one.after(1.25).caption() == "screen_filters · lenet · conv1 · digits · seed 0 · 1.2 s"


def test_selection_set_operations_keep_order():
    a = Selection(("x", "y", "z"), of="d")
    b = Selection(("z", "w", "y"), of="d")
    assert (a & b).ids == ("y", "z")
    assert (a | b).ids == ("x", "y", "z", "w")
    assert (a - b).ids == ("x",)
    assert not (a - a)


def test_selections_of_different_data_do_not_mix():
    with pytest.raises(ValueError, match="selections must share axis and index"):
        Selection((1,), of="a") | Selection((1,), of="b")


def test_part_rescales_and_passes_cancel_through():
    seen = []
    scaled = part(lambda fraction, _: seen.append(fraction), 0.2, 0.6)
    for fraction in (0.0, 0.5, 1.0, 3.0):
        scaled(fraction, "")
    np.testing.assert_allclose(seen, [0.2, 0.4, 0.6, 0.6])

    def stop(_fraction, _message):
        raise Cancelled

    with pytest.raises(Cancelled):
        part(stop, 0.0, 1.0)(0.5, "")
    with pytest.raises(ValueError, match="start, stop must satisfy"):
        part(silent, 0.5, 0.1)


def test_digest_of_arrays_sees_dtype_shape_and_layout():
    a = np.arange(6, dtype=np.float32)
    assert digest.of_arrays({"a": a}) == digest.of_arrays({"a": a.copy()})
    assert digest.of_arrays({"a": a[::2]}) == digest.of_arrays({"a": a[::2].copy()})
    others = [{"a": a.astype(np.float64)}, {"a": a.reshape(2, 3)}, {"b": a}, {"a": -a}]
    assert len({digest.of_arrays(one) for one in [{"a": a}, *others]}) == 5
    with pytest.raises(TypeError, match="a must be a plain array, got dtype object"):
        digest.of_arrays({"a": np.array([object()])})


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: check.one_of("rule", "x", ("a", "b")),
            ValueError,
            "rule must be one of 'a', 'b', got 'x'; choose one of these",
        ),
        (
            lambda: check.in_range("tau", float("nan"), 0, 1),
            ValueError,
            r"tau must lie in 0\.\.1, got nan",
        ),
        (
            lambda: check.whole("k", 1.0, 1),
            TypeError,
            r"k must be a whole number, got 1.0 \(float\)",
        ),
        (lambda: check.whole("k", True, 1), TypeError, r"k must be a whole number, got True"),
        (lambda: check.whole("k", 9, 1, 5), ValueError, r"k must be 1\.\.5, got 9"),
        (lambda: check.whole("k", 0, 1), ValueError, "k must be 1 or more, got 0"),
        (
            lambda: check.same_length("labels", 3, "samples", 4),
            ValueError,
            r"labels must have as many entries as samples \(4\), got 3",
        ),
    ],
)
def test_checks_say_name_expected_got_and_remedy(call, error, message):
    with pytest.raises(error, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
    assert ";" in str(caught.value)


def test_nearest_orders_by_likeness():
    assert check.nearest("conv_1", ["fc", "conv1", "conv2", "pool"], 2) == ["conv1", "conv2"]


def test_whole_file_is_absent_or_whole(tmp_path):
    target = tmp_path / "deep" / "a.txt"
    with pytest.raises(RuntimeError, match="midway"), whole_file(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError("midway")
    assert list(target.parent.iterdir()) == []
    with whole_file(target) as temporary:
        temporary.write_text("done")
    assert target.read_text() == "done"


def test_whole_folder_is_absent_or_whole_and_never_overwrites(tmp_path):
    target = tmp_path / "store"
    with pytest.raises(Cancelled), whole_folder(target) as temporary:
        (temporary / "a").write_text("half")
        raise Cancelled
    assert list(tmp_path.iterdir()) == []
    with whole_folder(target) as temporary:
        (temporary / "a").write_text("done")
    with pytest.raises(FileExistsError, match="path must not exist yet"), whole_folder(target):
        pass
    assert (target / "a").read_text() == "done"


def test_a_selection_of_flagged_rows_is_the_one_of_their_ids():
    for index in (Index(["c", "a", "b"]), Index([30, 10, 20], "unit")):
        made = Selection.where(index, [True, False, True], by="lasso")
        ids = (index.ids[0].item(), index.ids[2].item())
        assert made == Selection(ids, index.axis, index.digest, "lasso")
        assert vars(made) == vars(Selection(ids, index.axis, index.digest, "lasso"))
    with pytest.raises(ValueError, match=r"chosen must have as many entries as index \(3\), got 2"):
        Selection.where(index, [True, False])

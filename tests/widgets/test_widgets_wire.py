"""Arrays, colours and thumbnails on the wire."""

from types import SimpleNamespace

import numpy as np
import pytest
import traitlets

from cutaway.core import Index
from cutaway_widgets import Categories, Values, _array, _atlas, _color


class Holder(traitlets.HasTraits):
    points = _array.Array("f4", (None, 2))
    counts = _array.Array("u4", (None,))


@pytest.mark.parametrize("code", list(_array.DTYPES))
def test_arrays_come_back_from_the_wire_as_they_went(code):
    array = np.arange(6).astype(_array.DTYPES[code]).reshape(2, 3)
    wire = _array.encode(array)
    assert isinstance(wire["data"], memoryview)
    assert wire["data"].nbytes == array.nbytes
    np.testing.assert_array_equal(_array.decode(wire), array)


def test_arrays_that_are_not_contiguous_or_are_empty_pass():
    strided = np.arange(12, dtype=np.float32).reshape(3, 4)[:, ::2]
    np.testing.assert_array_equal(_array.decode(_array.encode(strided)), strided)
    assert _array.decode(_array.encode(np.zeros((0, 2), np.float32))).shape == (0, 2)


def test_a_dtype_without_a_typed_array_is_refused():
    with pytest.raises(TypeError, match=r"array dtype must be one of f4, .*got int64; convert"):
        _array.encode(np.arange(3))


def test_the_trait_casts_copies_and_freezes():
    mine = np.ones((2, 2))
    holder = Holder(points=mine)
    mine[0, 0] = 7
    assert holder.points.dtype == np.float32
    assert holder.points[0, 0] == 1
    with pytest.raises(ValueError, match="read-only"):
        holder.points[0, 0] = 3


def test_the_trait_tells_only_of_changes():
    holder = Holder(points=[[0, np.nan]])
    heard = []
    holder.observe(heard.append, "points")
    holder.points = [[0, np.nan]]
    assert heard == []
    holder.points = [[1, 2]]
    assert len(heard) == 1


def test_the_trait_names_itself_when_it_refuses():
    with pytest.raises(
        traitlets.TraitError,
        match=r"Holder.points must be an array of shape \(n, 2\), got shape \(3,\); reshape",
    ):
        Holder(points=[1, 2, 3])
    with pytest.raises(traitlets.TraitError, match=r"Holder.counts must be .* got str"):
        Holder(counts="many")


def test_plain_columns_become_numbers_or_kinds_by_their_dtype():
    loss, label, flag = _color.wire(
        {"loss": [0.5, np.nan, 2.0], "label": [7, 3, 7], "flag": [True, False, True]}, 3
    )
    assert (loss["kind"], loss["limits"]) == ("number", [0.5, 2.0])
    np.testing.assert_array_equal(_array.decode(loss["data"]), np.float32([0.5, np.nan, 2]))
    assert (label["kind"], label["names"]) == ("category", ["3", "7"])
    assert _array.decode(label["data"]).tolist() == [1, 0, 1]
    assert flag["names"] == ["False", "True"]


def test_infinite_numbers_are_missing_and_limits_hold():
    (column,) = _color.wire({"x": Values([1.0, np.inf], "nats", (0.0, 5.0))}, 2)
    assert column["limits"] == [0.0, 5.0]
    assert column["unit"] == "nats"
    assert np.isnan(_array.decode(column["data"])[1])
    (empty,) = _color.wire({"x": Values([np.nan])}, 1)
    assert empty["limits"] == [0.0, 1.0]


def test_negative_codes_are_no_kind():
    (column,) = _color.wire({"c": Categories([-1, 0, 1], ["a", "b"], ["#111111", "#222222"])}, 3)
    assert _array.decode(column["data"]).tolist() == [0xFFFF, 0, 1]
    assert column["colors"] == ["#111111", "#222222"]


def test_columns_of_another_length_or_with_nameless_codes_are_refused():
    with pytest.raises(ValueError, match=r"colors\['a'\] must have as many entries as index \(3\)"):
        _color.wire({"a": [1.0, 2.0]}, 3)
    with pytest.raises(ValueError, match=r"colors\['c'\] must have as many entries as index"):
        _color.wire({"c": Categories([0], ["x"])}, 3)
    with pytest.raises(
        ValueError, match=r"codes must lie below the number of names 1, got 4; name"
    ):
        _color.wire({"c": Categories([0, 4], ["x"])}, 2)
    with pytest.raises(ValueError, match="number of names of colors.*colour by Values instead"):
        _color.wire({"c": Categories([0], [str(i) for i in range(70000)])}, 1)


def atlas(n):
    return SimpleNamespace(pages=(b"png",), n=n, columns=4, tile=(28, 20), per_page=8)


def test_an_atlas_is_sent_with_its_geometry():
    sent = _atlas.wire(atlas(3), Index.count(3))
    assert sent == {
        "pages": [b"png"],
        "n": 3,
        "columns": 4,
        "width": 28,
        "height": 20,
        "per_page": 8,
    }
    assert _atlas.wire(None, Index.count(3)) is None


def test_wrong_thumbnails_are_refused():
    with pytest.raises(ValueError, match=r"thumbnails must have as many entries as index \(3\)"):
        _atlas.wire(atlas(2), Index.count(3))
    with pytest.raises(TypeError, match="thumbnails must be an Atlas, a Dataset or None, got str"):
        _atlas.wire("pictures", Index.count(3))


def test_thumbnails_of_a_data_set_are_drawn_by_id():
    data = pytest.importorskip("cutaway.data")
    images = np.linspace(0, 1, 3)[:, None, None, None] * np.ones((3, 1, 8, 8))
    dataset = data.load_data(images.astype(np.float32), ids=["a", "b", "c"])
    sent = _atlas.wire(dataset, Index(["c", "a"]))
    assert sent["n"] == 2
    import io

    from PIL import Image

    tiles = np.asarray(Image.open(io.BytesIO(sent["pages"][0])).convert("L"))
    width = sent["width"]
    assert tiles[width // 2, width // 2] > 240
    assert tiles[width // 2, width + width // 2] < 15

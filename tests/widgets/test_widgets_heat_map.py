"""The heat-map without a browser: what it sends, refuses and says back."""

import numpy as np
import pytest

import cutaway_widgets as cw
from cutaway.core import Index
from cutaway_widgets import _array

HEADS = Index([f"head {i}" for i in range(4)], "head")
LAYERS = Index([f"layer {i}" for i in range(3)], "layer")


def sent(view):
    """Numbers as the page reads them."""
    wire = view._values
    codes = _array.decode(wire).astype(np.float64)
    missing = {"u1": 255, "u2": 65535}.get(wire["dtype"])
    numbers = wire.get("low", 0.0) + codes * wire.get("step", 1.0)
    return np.where(codes == missing, np.nan, numbers) if missing else numbers


def test_numbers_go_as_single_precision_with_missing_ones_as_nan():
    values = np.arange(12.0).reshape(3, 4)
    values[1, 2], values[2, 0] = np.nan, np.inf
    view = cw.HeatMap(values, rows=LAYERS, columns=HEADS)
    assert view._values["dtype"] == "f4"
    np.testing.assert_array_equal(sent(view), np.where(np.isfinite(values), values, np.nan))
    assert view._limits == [0.0, 11.0]
    assert (view.rows, view.index) == (LAYERS, HEADS)
    assert (view.row_link.index.digest, view.link.index.digest) == (LAYERS.digest, HEADS.digest)
    assert view.error_bound == 0.0
    assert repr(view) == "HeatMap(3 layers by 4 heads)"


@pytest.mark.parametrize("kind", ["u1", "u2"])
def test_quantised_numbers_stay_within_the_stated_error(kind):
    values = np.random.default_rng(0).normal(size=(40, 300)).astype(np.float32)
    values[3, 5] = np.nan
    view = cw.HeatMap(values, quantise=kind)
    got = sent(view)
    assert np.isnan(got[3, 5])
    assert np.isnan(got).sum() == 1
    worst = np.nanmax(np.abs(got - values))
    # Half a step, up to the rounding of double precision.
    assert 0.4 * view.error_bound < worst <= view.error_bound * (1 + 1e-6)
    assert len(view._values["data"]) == values.size * int(kind[1])


def test_quantised_constants_and_nothing_are_exact():
    assert np.all(sent(cw.HeatMap(np.full((2, 2), 3.0), quantise="u1")) == 3.0)
    assert np.isnan(sent(cw.HeatMap(np.full((2, 2), np.nan), quantise="u2"))).all()


def test_limits_are_symmetric_where_the_map_diverges():
    values = [[-1.0, 3.0], [0.5, np.nan]]
    assert cw.HeatMap(values, diverging=True)._limits == [-3.0, 3.0]
    assert cw.HeatMap(values, limits=(-2, 2))._limits == [-2.0, 2.0]
    assert cw.HeatMap([[np.nan]], diverging=True)._limits == [-1.0, 1.0]
    assert cw.HeatMap(np.zeros((0, 0)))._limits == [0.0, 1.0]


def test_orders_are_ids_and_travel_as_places():
    view = cw.HeatMap(
        np.zeros((3, 4)),
        rows=LAYERS,
        columns=HEADS,
        row_order=["layer 2", "layer 0"],
        column_order=["head 3", "head 1", "head 0", "head 2"],
        sort_by="layer 1",
    )
    assert view._row_order.tolist() == [2, 0]
    assert view._column_order.tolist() == [3, 1, 0, 2]
    assert view.sort_by == "layer 1"
    view._sort_row = -1  # as the page does
    assert view.sort_by is None


def test_both_axes_follow_shared_links():
    samples, units = cw.Link(Index.count(4)), cw.Link(Index.count(3, "unit"))
    view = cw.HeatMap(np.zeros((3, 4)), link=samples, row_link=units)
    assert view.link is samples
    assert view.row_link is units
    assert view.get_state()["row_link"] == f"IPY_MODEL_{units.model_id}"
    view.set_values(np.zeros((2, 4)), rows=Index(["a", "b"], "unit"))
    assert units.n == 3, "a shared link is never moved"
    assert view._row_digest != units.digest
    own = cw.HeatMap(np.zeros((3, 4)))
    own.set_values(np.zeros((2, 5)), rows=Index(["a", "b"], "unit"), columns=Index.count(5))
    assert (own.row_link.n, own.link.n) == (2, 5)


def test_new_numbers_are_one_message_and_keep_the_words():
    view = cw.HeatMap(np.zeros((3, 4)), name="gain", unit="dB", title="old", sort_by=1)
    said = []
    view.comm.send = lambda data=None, **_: said.append(data)
    view.set_values(np.ones((3, 4)))
    assert len(said) == 1
    assert (view.name, view.unit, view.title, view.sort_by) == ("gain", "dB", "old", None)


def test_what_does_not_fit_is_refused_in_one_line():
    with pytest.raises(ValueError, match=r"values must have 2 axes \(rows, columns\), got shape"):
        cw.HeatMap([1.0, 2.0])
    with pytest.raises(ValueError, match=r"values must have shape \(3, 4\), one row a layer and"):
        cw.HeatMap(np.zeros((4, 3)), rows=LAYERS, columns=HEADS)
    with pytest.raises(ValueError, match="row_names must have as many entries as its index"):
        cw.HeatMap(np.zeros((3, 4)), row_names=["a"])
    with pytest.raises(ValueError, match="limits must be two finite numbers, the smaller first"):
        cw.HeatMap(np.zeros((3, 4)), limits=(1, 1))
    with pytest.raises(ValueError, match="quantise must be one of None, 'u1', 'u2', got 'u4'"):
        cw.HeatMap(np.zeros((3, 4)), quantise="u4")
    with pytest.raises(KeyError, match="ids must be among the 3 ids of this layer index"):
        cw.HeatMap(np.zeros((3, 4)), rows=LAYERS, columns=HEADS, row_order=["layer 9"])
    with pytest.raises(TypeError, match=r"HeatMap keywords must be among .*got 'colums'; did you"):
        cw.HeatMap(np.zeros((3, 4)), colums=HEADS)

"""Reading activations: layouts, ids, and stores that are not what they should be."""

import json
import shutil

import numpy as np
import pytest
import torch
from capture_nets import Maps, made, pictures

from cutaway.core import digest
from cutaway.model import Activations, UnknownSite, capture


@pytest.fixture
def store(tmp_path):
    path = tmp_path / "acts"
    capture(made(Maps), pictures(20), "conv*", store=path, batch_size=6, show=None)
    return path


def test_from_arrays_keeps_values_and_ids():
    maps = np.arange(48.0).reshape(2, 3, 2, 4)
    acts = Activations.from_arrays({"conv1": maps, "fc": torch.ones(2, 5)}, ids=["a", "b"])
    np.testing.assert_array_equal(acts["conv1"], maps)
    assert acts["fc"].shape == (2, 5)
    assert list(acts.rows) == ["a", "b"]
    assert len(acts) == 2
    assert "fc" in acts
    assert acts.nbytes == maps.nbytes + 40
    assert acts.layouts == {"conv1": "n c h w", "fc": "n d"}
    with pytest.raises(ValueError, match="read-only"):
        acts["conv1"][0] = 1
    maps[0] = 1  # the caller's own array stays his


def test_digest_follows_values():
    a = Activations.from_arrays({"x": np.ones((3, 2))})
    assert a.digest == Activations.from_arrays({"x": np.ones((3, 2))}).digest
    assert a.digest != Activations.from_arrays({"x": np.zeros((3, 2))}).digest
    assert a.digest != a.take([0, 1]).digest


@pytest.mark.parametrize(
    ("shape", "layout", "axis"),
    [
        ((4, 3), "n d", 1),
        ((4, 3, 5), "n c t", 1),
        ((4, 5, 3), "n t d", 2),
        ((4, 3, 5, 6), "n c h w", 1),
        ((4, 5, 6, 3), "n h w d", 3),
        ((4, 3, 2, 5, 6), "n c z h w", 1),
    ],
)
def test_units_of_every_layout(shape, layout, axis):
    values = np.random.default_rng(0).standard_normal(shape)
    acts = Activations.from_arrays({"x": values}, layouts={"x": layout})
    seen = acts.units("x")
    assert acts.unit_axis("x") == axis
    assert seen.shape == (4, 3, values[0].size // 3)
    for sample in range(4):
        for unit in range(3):
            expected = np.take(values[sample], unit, axis=axis - 1).ravel()
            np.testing.assert_array_equal(seen[sample, unit], expected)
    assert np.shares_memory(seen, acts["x"])
    means = values.mean(tuple(a for a in range(1, values.ndim) if a != axis))
    np.testing.assert_allclose(acts.to_frame("x").to_numpy(), means)


def test_frame_leaves_masked_positions_out():
    values = np.array([[[1.0], [3.0]], [[5.0], [0.0]]])
    base = Activations.from_arrays({"x": values}, layouts={"x": "n t d"})
    mask = np.array([[True, True], [True, False]])
    acts = Activations(base.arrays, base.rows, base.origin, base.layouts, {}, mask)
    np.testing.assert_array_equal(acts.to_frame("x").to_numpy(), [[2.0], [5.0]])
    np.testing.assert_array_equal(acts.take([1]).mask, [[True, False]])


def test_take_by_id(store):
    acts = Activations.open(store)
    some = acts.take([17, 3])
    np.testing.assert_array_equal(some["conv1"], acts["conv1"][[17, 3]])
    assert list(some.rows) == [17, 3]
    assert some.origin.rows == some.rows.digest
    with pytest.raises(KeyError, match="ids must be among the 20 ids"):
        acts.take([99])


def test_take_counts_nonfinite_again():
    values = np.ones((3, 2))
    values[1] = np.nan
    acts = Activations.from_arrays({"x": values})
    assert acts.n_nonfinite == {"x": 2}
    assert acts.take([0, 2]).n_nonfinite == {"x": 0}


@pytest.mark.parametrize(
    ("arrays", "options", "error", "message"),
    [
        ({}, {}, ValueError, "arrays must hold at least one site, got none"),
        ({"x": [1.0, 2.0]}, {}, ValueError, r"arrays\['x'\] must have shape \(samples, units"),
        ({"x": [["a"]]}, {}, TypeError, r"arrays\['x'\] must hold real numbers, got dtype <U1"),
        ({"x": np.ones((2, 1)), "y": np.ones((3, 1))}, {}, ValueError, "as many entries as ids"),
        ({"x": np.ones((2, 1))}, {"ids": [1]}, ValueError, "as many entries as ids"),
        ({"x": np.ones((2, 1))}, {"layouts": {"y": "n d"}}, UnknownSite, "layouts must name given"),
        ({"x": np.ones((2, 1))}, {"layouts": {"x": "d n"}}, ValueError, "n first, got 'd n'"),
        ({"x": np.ones((2, 1))}, {"layouts": {"x": "n t d"}}, ValueError, "letter for each axis"),
    ],
)
def test_bad_arrays(arrays, options, error, message):
    with pytest.raises(error, match=message):
        Activations.from_arrays(arrays, **options)


def test_unknown_site(store):
    with pytest.raises(UnknownSite, match="site must be a captured one, got 'conv3'; nearest: 'co"):
        Activations.open(store)["conv3"]


def test_open_is_lazy_and_says_what_it_is(store):
    acts = Activations.open(store)
    assert isinstance(acts["conv1"].base, np.memmap) or isinstance(acts["conv1"], np.memmap)
    assert repr(acts) == (f"Activations(20 samples: conv1 (3, 10, 10), conv2 (5, 8, 8) in {store})")


def test_no_store(tmp_path):
    with pytest.raises(FileNotFoundError, match="path must be a store of activations, got"):
        Activations.open(tmp_path)


def rewritten(store, **changes):
    """Change the manifest and make its digest right again."""
    file = store / "manifest.json"
    manifest = json.loads(file.read_text()) | changes
    manifest.pop("digest")
    manifest["digest"] = digest.of_json(manifest)
    file.write_text(json.dumps(manifest))


def missing(store):
    (store / "0001.npy").unlink()


def truncated(store):
    (store / "0001.npy").write_bytes((store / "0001.npy").read_bytes()[:-1])


def edited_manifest(store):
    file = store / "manifest.json"
    file.write_text(file.read_text().replace('"Maps"', '"Caps"'))


def unreadable_manifest(store):
    file = store / "manifest.json"
    file.write_text(file.read_text()[:-20])


def other_format(store):
    rewritten(store, format="something")


def no_format(store):
    (store / "manifest.json").write_text("{}")


def header(store):
    data = (store / "0000.npy").read_bytes()
    (store / "0000.npy").write_bytes(b"XXXXXX" + data[6:])


def other_array(store):
    shutil.copy(store / "0001.npy", store / "0000.npy")
    manifest = json.loads((store / "manifest.json").read_text())
    manifest["arrays"][0]["bytes"] = manifest["arrays"][1]["bytes"]
    rewritten(store, arrays=manifest["arrays"])


def other_ids(store):
    np.save(store / "rows.npy", np.arange(20)[::-1])


def no_ids(store):
    (store / "rows.npy").unlink()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (missing, r"0001.npy \(site conv2\) is missing.*; delete it and capture again"),
        (truncated, r"0001.npy \(site conv2\) has \d+ bytes instead of \d+"),
        (edited_manifest, "the digest of manifest.json differs"),
        (unreadable_manifest, "manifest.json .*no JSON"),
        (no_format, "format is .None."),
        (other_format, "the format is 'something'"),
        (header, r"0000.npy \(site conv1\) cannot be read"),
        (other_array, r"0000.npy \(site conv1\) has shape"),
        (other_ids, "the digest of its ids differs"),
        (no_ids, "rows.npy is missing"),
    ],
)
def test_damage_is_named(store, damage, message):
    damage(store)
    with pytest.raises(ValueError, match=message) as caught:
        Activations.open(store)
    assert "\n" not in str(caught.value)


def test_newer_schema(store):
    rewritten(store, schema=3)
    with pytest.raises(ValueError, match="schema must be at most 2, got 3 in .*; update cutaway"):
        Activations.open(store)


def test_full_check_finds_one_changed_value(store):
    array = np.load(store / "0000.npy", mmap_mode="r+")
    array[7, 0, 0, 0] += 1e-3
    array.flush()
    del array
    Activations.open(store)
    with pytest.raises(ValueError, match=r"samples 6..11 of site conv1 differ"):
        Activations.open(store, verify="full")

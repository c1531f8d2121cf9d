"""Couplings: the oracle's grids and paths, Theorem 2 by sampling, refusals."""

import itertools

import numpy as np
import pytest
from obsprop_oracle import NAMES, PROMPTS, TOLERANCES, model, observable, oracle, relative, way

from cutaway.observables import coupled_range, coupling, coupling_table, feature_vector


def heads(name, which):
    return [
        [feature_vector(model(name), observable(name, which), f"L{i}H{h}") for h in range(4)]
        for i in range(3)
    ]


@pytest.mark.parametrize("name", NAMES)
def test_couplings_of_all_heads(name):
    grids = {which: heads(name, which) for which in ("O1", "O2", "O3")}
    for a, b in (("O1", "O2"), ("O2", "O1"), ("O1", "O3"), ("O3", "O1")):
        expected = oracle(name)["coupling"][f"{a}->{b}"]
        found = [[coupling(grids[a][i][h], grids[b][i][h]) for h in range(4)] for i in range(3)]
        assert relative(found, expected["head_grid_noLN"]) < 1e-6
        for i, h in itertools.product(range(3), range(4)):
            x, y = grids[a][i][h], grids[b][i][h]
            table = coupling_table({"x": x, "y": y})
            first = table.iloc[0]
            assert first["coupling"] == coupling(x, y)
            assert first["cosine"] == pytest.approx(expected["cos_head_grid_noLN"][i][h], abs=1e-7)
            assert first["observable_cosine"] == pytest.approx(expected["cos_unembed"], abs=1e-7)
            assert first["cosine"] ** 2 == pytest.approx(table["coupling"].prod(), abs=1e-12)
        empty = [feature_vector(model(name), observable(name, one), "") for one in (a, b)]
        assert coupling(*empty) == pytest.approx(expected["unembed"], rel=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_couplings_of_exact_paths(name):
    nodes = oracle(name)["observables"]["O1"]["paths"]
    pairs = [("O1", "O2"), ("O2", "O1")] + ([("O1", "O3")] if name == "gpt_neo" else [])
    for a, b in pairs:
        expected = oracle(name)["coupling"][f"{a}->{b}"]["paths_LNexact_preLN"]
        for label, value in expected.items():
            path = way(nodes[label]["path_in_to_out"])
            x, y = (
                feature_vector(
                    model(name), observable(name, which), path, norm="exact", mlp_point="pos",
                    prompts=PROMPTS,
                )
                for which in (a, b)
            )  # fmt: skip
            assert coupling(x, y) == pytest.approx(value, rel=TOLERANCES[name], abs=1e-7)


@pytest.mark.parametrize("name", NAMES)
def test_the_range_of_theorem_2(name):
    expected = oracle(name)["coupling"]["theorem2_example"]
    a, b = (heads(name, which)[2][1] for which in ("O1", "O2"))
    k, s = expected["k"], expected["s"]
    mean, low, high = coupled_range(a, b, k, s)
    assert (mean, low, high) == pytest.approx(
        (expected["expected"], expected["min"], expected["max"]), rel=1e-6
    )
    # x of length s with x.a = k: its part along a is fixed, the rest is a random direction
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200_000, 48))
    unit = a.vector / np.linalg.norm(a.vector)
    x -= (x @ unit)[:, None] * unit
    along = k / np.linalg.norm(a.vector)
    x *= np.sqrt(s**2 - along**2) / np.linalg.norm(x, axis=1, keepdims=True)
    readings = (x + along * unit) @ b.vector
    error = readings.std() / np.sqrt(len(readings))
    assert abs(readings.mean() - mean) < 5 * error
    assert low <= readings.min()
    assert readings.max() <= high


def test_coupling_is_a_slope():
    a, b = np.array([3.0, 4.0]), np.array([1.0, 0.0])
    assert coupling(a, b) == pytest.approx(3 / 25)
    assert coupling(b, a) == 3.0
    assert coupling(a, 2 * b) == 2 * coupling(a, b)
    assert coupled_range(a, b, 5.0, 1.0) == pytest.approx((0.6, 0.6, 0.6))


def test_vectors_of_different_spaces_are_refused():
    net, measured = model("llama"), observable("llama", "O1")
    early = feature_vector(net, measured, "L0H0")
    late = feature_vector(net, measured, "L1H0")
    normed = feature_vector(net, measured, "L1H0", norm="frozen", prompts=PROMPTS)
    with pytest.raises(ValueError, match=r"at one site .* got sites model.layers.0.input_layerno"):
        coupling(early, late)
    with pytest.raises(ValueError, match="got norms skip, skip, skip and frozen, frozen, frozen;"):
        coupling(late, normed)
    assert np.isfinite(coupling(late.vector, normed.vector))
    table = coupling_table([early, late])
    assert list(table.columns) == [
        "a", "b", "coupling", "cosine", "observable_cosine", "same_space",
    ]  # fmt: skip
    assert table["coupling"].isna().all()
    assert not table["same_space"].any()
    assert table["a"].tolist() == ["17 - 42 through L0H0", "17 - 42 through L1H0"]


def test_bad_input_is_one_clear_line():
    with pytest.raises(ValueError, match="a and b must have one length, got 2 and 3"):
        coupling([1, 2], [1, 2, 3])
    with pytest.raises(ValueError, match="a must not be zero, got a vector of length 0"):
        coupling([0.0, 0.0], [1.0, 2.0])
    with pytest.raises(ValueError, match=r"vector must have 1 axes .* got shape \(2, 2\)"):
        coupling(np.eye(2), np.eye(2))
    with pytest.raises(ValueError, match=r"length must lie in 2.0..inf, got 1; no shorter input"):
        coupled_range([1.0, 0.0], [1.0, 1.0], 2.0, 1)
    one = feature_vector(model("llama"), observable("llama", "O1"), "L0H0")
    with pytest.raises(ValueError, match="at least two of different names, got 1 with 1 names"):
        coupling_table([one])
    with pytest.raises(ValueError, match="at least two of different names, got 2 with 1 names"):
        coupling_table([one, one])

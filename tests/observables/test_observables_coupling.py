"""Couplings: the oracle's grids and paths, Theorem 2 by sampling, refusals."""

import itertools

import numpy as np
import pytest
from obsprop_oracle import NAMES, PROMPTS, TOLERANCES, model, observable, oracle, relative, way

from cutaway.observables import (
    CoupledReadings,
    coupled_range,
    coupling,
    coupling_on_texts,
    coupling_table,
    feature_vector,
    score_texts,
)
from cutaway.observables.slopes import line_of


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


class TestOnTexts:
    """The slope that texts show."""

    texts = (PROMPTS[0], PROMPTS[1], PROMPTS[0][::-1], PROMPTS[1][1:8])

    def pair(self, name):
        return (feature_vector(model(name), observable(name, one), "L1H2") for one in ("O1", "O2"))

    @pytest.mark.parametrize("name", NAMES)
    def test_slope_and_r2_are_the_plain_ones_without_position_0(self, name):
        a, b = self.pair(name)
        found = coupling_on_texts(model(name), a, b, self.texts)
        readings = [score_texts(model(name), one, self.texts) for one in (a, b)]
        x, y = (one.score[one.position > 0] for one in readings)
        assert found.slope == pytest.approx(np.polyfit(x, y, 1)[0], rel=1e-9)
        assert found.intercept == pytest.approx(np.polyfit(x, y, 1)[1], rel=1e-6, abs=1e-9)
        assert found.r2 == pytest.approx(np.corrcoef(x, y)[0, 1] ** 2, rel=1e-9)
        assert found.coupling == coupling(a, b)
        assert len(found.rows) == sum(map(len, self.texts)) - len(self.texts)
        assert found.rows.ids[0] == "0:1"
        assert np.isnan(found.low)  # four blocks are too few
        # Theorem 2's extremes hold for every token
        lengths = [np.linalg.norm(one) for one in self.streams(name, a.site)]
        for k, reading, length in zip(found.a, found.b, lengths, strict=True):
            _, low, high = coupled_range(a, b, k, length * (1 + 1e-9))
            assert low - 1e-6 <= reading <= high + 1e-6

    def streams(self, name, site):
        parts = (score_texts(model(name), (site, row), self.texts) for row in np.eye(48))
        return np.stack([one.score[one.position > 0] for one in parts], axis=1)

    def test_the_table_has_the_same_columns_of_texts(self):
        a, b = self.pair("llama")
        other = feature_vector(model("llama"), observable("llama", "O1"), "L0H0")
        table = coupling_table(
            {"a": a, "b": b, "other": other}, model=model("llama"), texts=self.texts
        )
        one = coupling_on_texts(model("llama"), a, b, self.texts)
        line = table[(table["a"] == "a") & (table["b"] == "b")].iloc[0]
        assert line["slope"] == pytest.approx(one.slope, rel=1e-9)
        assert line["r2"] == pytest.approx(one.r2, rel=1e-9)
        apart = table[table["same_space"].ne(True)]
        assert apart[["slope", "slope_low", "slope_high", "r2"]].isna().all(axis=None)

    def test_intervals_of_blocks_cover_a_planted_slope(self):
        """Neighbours share their error, so intervals over single tokens would be too narrow."""
        rng, inside = np.random.default_rng(0), 0
        block = np.repeat(np.arange(60), 16)
        for seed in range(80):
            x = rng.normal(size=60)[block] + 0.3 * rng.normal(size=960)
            y = 0.7 * x + rng.normal(size=60)[block]
            found = line_of(x, y, block, seed)
            inside += found["low"] <= 0.7 <= found["high"]
        assert 0.84 < inside / 80 < 1

    def test_saves_and_loads(self, tmp_path):
        found = coupling_on_texts(model("llama"), *self.pair("llama"), self.texts)
        found.save(tmp_path / "coupled.zip")
        assert CoupledReadings.load(tmp_path / "coupled.zip").digest == found.digest
        assert repr(found).startswith(
            "CoupledReadings(13 - 30 through L1H2 on 17 - 42 through L1H2"
        )

    def test_bad_input_is_one_clear_line(self):
        a, b = self.pair("llama")
        net = model("llama")
        with pytest.raises(ValueError, match="texts must hold at least one text, got none"):
            coupling_on_texts(net, a, b, [])
        with pytest.raises(ValueError, match="at least 3 tokens besides sinks, got 2; give longer"):
            coupling_on_texts(net, a, b, [PROMPTS[0][:3]])
        with pytest.raises(ValueError, match="model and texts must come together, got one of them"):
            coupling_table([a, b], texts=self.texts)

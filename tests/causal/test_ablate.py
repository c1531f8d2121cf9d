"""Ablation: planted units, honest controls, a p-value that is right by simulation."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn

from cutaway.causal import Effect, ablate
from cutaway.causal.ablate import bootstrap_interval, two_sided_p
from cutaway.causal.controls import draw_controls
from cutaway.core import Cancelled
from cutaway.data import load_data
from cutaway.model import (
    Edit,
    Mean,
    ProjectOut,
    Replace,
    Steer,
    UnknownSite,
    Zero,
    capture,
    edited,
    evaluate,
    load_model,
    logit_of,
    sites,
)

N_CLASSES = 4


class Carriers(nn.Module):
    """Unit k of `carry`, and no other, carries class k; 20 more units do nothing."""

    def __init__(self):
        super().__init__()
        self.carry = nn.Linear(N_CLASSES, N_CLASSES + 20, bias=False)
        self.read = nn.Linear(N_CLASSES + 20, N_CLASSES + 1, bias=True)
        with torch.no_grad():
            self.carry.weight[:] = torch.eye(N_CLASSES + 20, N_CLASSES)
            self.read.weight[:] = torch.eye(N_CLASSES + 1, N_CLASSES + 20)
            self.read.weight[N_CLASSES, N_CLASSES] = 0
            self.read.bias[:] = torch.tensor([0.0] * N_CLASSES + [0.5])

    def forward(self, x):
        return self.read(self.carry(x))


@pytest.fixture
def planted():
    labels = np.arange(60) % N_CLASSES
    ids = [f"s{i}" for i in range(60)]
    data = load_data((np.eye(N_CLASSES, dtype=np.float32)[labels], labels), ids=ids, name="planted")
    return Carriers(), data


def hooks_left(module):
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in module.modules())


@pytest.mark.parametrize("unit", range(N_CLASSES))
def test_planted_unit_drops_exactly_its_class(planted, unit):
    module, data = planted
    effect = ablate(module, data, Zero("carry", unit), controls=22)
    assert effect.before == 1.0
    assert effect.after == pytest.approx(0.75)
    wrong = effect.to_frame().query("change < 0").index
    assert set(wrong) == {f"s{i}" for i in range(60) if i % N_CLASSES == unit}
    assert hooks_left(module) == 0
    # the other 23 units: three carriers with the same effect, twenty with none
    assert len(effect.control_changes) == 22
    assert np.isin(effect.control_changes.round(9), [-0.25, 0.0]).all()
    assert effect.p == pytest.approx((1 + (effect.control_changes < -0.2).sum()) / 23)
    assert effect.interval[0] < -0.25 < effect.interval[1]
    assert effect.n_units == 1
    assert effect.edits == [{"edit": "Zero", "site": "carry", "units": [unit]}]


def test_idle_unit_has_no_effect(planted):
    effect = ablate(*planted, Zero("carry", [10, 11]), controls=50)
    assert effect.change == 0
    assert effect.p == 1.0
    assert effect.interval.tolist() == [0, 0]


def test_each_number_is_what_evaluate_says(planted):
    module, data = planted
    edits = [Zero("carry", [0]), Replace("carry", [7, 9], [1.0, 2.0])]
    effect = ablate(module, data, edits, metric="loss", controls=5, seed=3, batch_size=7)
    np.testing.assert_allclose(effect.per_sample_before, evaluate(module, data, "loss"), rtol=1e-5)
    with edited(module, edits, data=data):
        after = evaluate(module, data, "loss")
    np.testing.assert_allclose(effect.per_sample_after, after, rtol=1e-5)
    assert effect.change == pytest.approx(after.mean() - effect.before, rel=1e-5)
    known = {"carry": sites(module, data).one("carry")}
    for control, change in zip(
        draw_controls(edits, known, 5, 3), effect.control_changes, strict=True
    ):
        with edited(module, control, data=data):
            expected = evaluate(module, data, "loss").mean() - effect.before
        assert change == pytest.approx(expected, rel=1e-4, abs=1e-6)
    assert effect.n_units == 3
    assert effect.metric == "loss"


def test_open_mean_is_filled_from_the_data(planted):
    module, data = planted
    acts = capture(module, data, "carry", show=None)
    filled = ablate(module, data, Mean("carry", 1), metric="loss", controls=4, batch_size=11)
    given = ablate(module, data, Mean("carry", 1, acts), metric="loss", controls=4)
    assert filled.change == pytest.approx(given.change, rel=1e-5)
    np.testing.assert_allclose(filled.control_changes, given.control_changes, rtol=1e-4, atol=1e-7)
    assert filled.edits[0]["values"] == pytest.approx(acts["carry"].mean(0).tolist())


def test_mean_of_texts_leaves_padding_out():
    model, data = load_model("gpt-occupations"), load_data("occupations", limit=15)
    site = "transformer.h.0.mlp.act"
    acts = capture(model, data, site, show=None)
    effect = ablate(model, data, Mean(site, [1]), metric="loss", controls=0, batch_size=4)
    expected = acts[site][acts.mask].mean(0)
    assert effect.edits[0]["values"] == pytest.approx(expected.tolist(), rel=1e-3, abs=1e-5)
    assert math.isnan(effect.p)


def test_directions_get_random_directions(planted):
    module, data = planted
    direction = np.eye(24)[2]
    effect = ablate(module, data, ProjectOut("carry", direction), controls=30)
    assert effect.after == pytest.approx(0.75)
    assert len(effect.control_changes) == 30
    assert effect.p < 0.2
    steer = ablate(module, data, Steer("carry", np.ones(24), 5.0), metric="margin", controls=3)
    assert len(steer.control_changes) == 3
    assert steer.n_units == 1


def test_same_seed_same_result_and_saves(planted, tmp_path):
    first = ablate(*planted, Zero("carry", [0, 8]), controls=12, seed=4)
    again = ablate(*planted, Zero("carry", [0, 8]), controls=12, seed=4)
    other = ablate(*planted, Zero("carry", [0, 8]), controls=12, seed=5)
    assert first.digest == again.digest
    assert not np.array_equal(first.control_changes, other.control_changes)
    first.save(tmp_path / "effect.zip")
    loaded = Effect.load(tmp_path / "effect.zip")
    assert loaded.digest == first.digest
    assert "accuracy 1 → 0.75, change -0.25" in repr(loaded)
    assert loaded.origin.digest == first.origin.digest


def test_frame_with_as_many_controls_as_samples(planted):
    effect = ablate(*planted, Zero("carry", [0, 8]), controls=60)
    assert effect.to_frame().columns.tolist() == ["before", "after", "change"]


def known_site(planted, site="carry"):
    return {site: sites(*planted).one(site)}


@pytest.mark.parametrize("k", [1, 2, 5])
def test_controls_match_in_site_and_count(planted, k):
    edits = [Zero("carry", range(k))]
    controls = draw_controls(edits, known_site(planted), 15, 0)
    assert len(controls) == 15
    for (one,) in controls:
        assert isinstance(one, Zero)
        assert one.site == "carry"
        assert len(one) == k
        assert not set(one.units) & set(range(k))
    assert len({frozenset(one.units) for (one,) in controls}) == 15


def test_controls_are_all_there_are_when_few(planted):
    controls = draw_controls([Zero("carry", 3)], known_site(planted), 100, 0)
    assert sorted(one.units[0] for (one,) in controls) == [u for u in range(24) if u != 3]


def test_controls_come_from_all_units_when_the_rest_is_too_small(planted):
    edits = [Zero("carry", range(22))]
    controls = draw_controls(edits, known_site(planted), 100, 0)
    sets = {frozenset(one.units) for (one,) in controls}
    assert len(sets) == 100
    assert frozenset(range(22)) not in sets


def test_no_control_of_a_whole_site(planted):
    effect = ablate(*planted, Zero("carry", range(24)))
    assert len(effect.control_changes) == 0
    assert math.isnan(effect.p)


def test_several_edits_are_drawn_together(planted):
    edits = [Zero("carry", [0, 1]), Zero("carry", [2])]
    for first, second in draw_controls(edits, known_site(planted), 30, 0):
        assert (len(first), len(second)) == (2, 1)
        assert not {0, 1, 2} & {*first.units, *second.units}


def test_edits_without_random_versions(planted):
    class Double(Edit):
        def applied(self, values):
            return values * 2

    module, data = planted
    with pytest.raises(TypeError, match="edits must be made of units or directions .* got Double"):
        ablate(module, data, Double("carry"))
    assert ablate(module, data, Double("carry"), metric="margin", controls=0).change > 0

    class Unitless:
        n_units = None

    with pytest.raises(ValueError, match="site 'a' must have an axis of units to draw controls"):
        draw_controls([Zero("a", 0)], {"a": Unitless}, 3, 0)


def test_p_formula():
    assert two_sided_p(-0.5, np.array([0.1, -0.6, 0.5, 0.2])) == 3 / 5
    assert two_sided_p(0.1 + 0.2, np.array([0.3])) == 1.0  # equal but for rounding
    assert two_sided_p(1.0, np.zeros(99)) == 0.01
    assert math.isnan(two_sided_p(1.0, np.zeros(0)))


def test_p_is_uniform_under_the_null():
    # Every unit has its own effect. If the edited unit is a random one, P(p <= t) must be t at the
    # steps of p, however few units or controls there are.
    class Known:
        n_units = 12

    effects = np.random.default_rng(0).standard_normal(12)
    ps = []
    for unit, seed in itertools.product(range(12), range(80)):
        controls = draw_controls([Zero("a", unit)], {"a": Known}, 7, seed)
        changes = np.array([effects[one.units[0]] for (one,) in controls])
        ps.append(two_sided_p(effects[unit], changes))
    ps = np.array(ps)
    for step in range(1, 9):
        # 960 draws: standard error below 0.0162; four of them
        assert abs((ps <= step / 8 + 1e-9).mean() - step / 8) < 0.065
    everyone = []
    for unit in range(12):  # more controls than units: exactly uniform over 1/12 .. 1
        controls = draw_controls([Zero("a", unit)], {"a": Known}, 100, 0)
        changes = np.array([effects[one.units[0]] for (one,) in controls])
        everyone.append(two_sided_p(effects[unit], changes))
    np.testing.assert_allclose(sorted(everyone), np.arange(1, 13) / 12)


def test_interval_covers_the_mean():
    rng = np.random.default_rng(1)
    hits = 0
    for seed in range(200):
        low, high = bootstrap_interval(rng.standard_normal(60) + 0.3, seed)
        hits += low <= 0.3 <= high
    assert 180 <= hits <= 199  # 95 % of 200 is 190, standard deviation 3.1


def test_short_texts_do_not_count():
    from cutaway.data.dataset import Batch

    model, data = load_model("gpt-occupations"), load_data("occupations", limit=8)

    def first_is_unknown(logits, batch: Batch):
        values = logits[:, 0, 0].clone()
        values[0] = float("nan")
        return values

    effect = ablate(
        model, data, Zero("transformer.h.0", [0]), metric=first_is_unknown, controls=2, batch_size=8
    )
    assert effect.before == pytest.approx(effect.per_sample_before[1:].mean())
    with pytest.raises(ValueError, match="metric nothing must be finite for at least one sample"):

        def nothing(logits, _batch):
            return logits[:, 0, 0] * float("nan")

        ablate(model, data, Zero("transformer.h.0", [0]), metric=nothing, controls=0)


def test_cancel_leaves_nothing(planted):
    module, data = planted
    module.train()
    seen = []

    def tick(fraction, _message):
        seen.append(fraction)
        if len(seen) == 9:
            raise Cancelled

    with pytest.raises(Cancelled):
        ablate(module, data, Mean("carry", 0), tick=tick, batch_size=20)
    assert hooks_left(module) == 0
    assert all(one.training for one in module.modules())


def test_ticks_rise_to_one(planted):
    seen = []
    ablate(*planted, Mean("carry", 0), controls=5, batch_size=20, tick=lambda f, m: seen.append(f))
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    assert len(seen) > 3 * 7


@pytest.mark.parametrize(
    ("edits", "options", "error", "message"),
    [
        ([], {}, ValueError, "edits must hold at least one edit, got none"),
        (["carry"], {}, TypeError, "edits must be edits, got str"),
        (Zero("cary", 0), {}, UnknownSite, "got 'cary'; nearest: 'carry'"),
        (Zero("carry", 24), {}, ValueError, "units must lie in 0..23 at site 'carry', got 24"),
        (Zero("carry", 0), {"metric": "joy"}, ValueError, "metric must be one of 'accuracy'"),
        (Zero("carry", 0), {"controls": -1}, ValueError, "controls must be 0 or more, got -1"),
        (Zero("carry", 0), {"seed": 0.5}, TypeError, "seed must be a whole number, got 0.5"),
        (Zero("carry", 0), {"batch_size": 0}, ValueError, "batch_size must be 1 or more, got 0"),
    ],
)
def test_bad_arguments(planted, edits, options, error, message):
    with pytest.raises(error, match=message):
        ablate(*planted, edits, **options)
    assert hooks_left(planted[0]) == 0


def test_empty_data(planted):
    module, data = planted
    with pytest.raises(ValueError, match="data must hold at least one sample, got 0 in 'planted'"):
        ablate(module, data.take(np.zeros(0, np.int64)), Zero("carry", 0))


class Guarded(nn.Module):
    """Two units; logits are unit 0 over unit 1 and its opposite: NaN where both are 0."""

    def __init__(self):
        super().__init__()
        self.units = nn.Identity()

    def forward(self, x):
        pair = self.units(x)
        ratio = pair[:, :1] / pair[:, 1:2]
        return torch.cat([ratio, -ratio], 1)


def guarded(rows):
    values = np.asarray(rows, np.float32)
    return load_data((values, np.zeros(len(values), np.int64)))


def test_samples_without_a_finite_output_are_left_out_and_counted(tmp_path):
    """NaN before or after: neither right nor wrong. argmax of NaN would be class 0, "right"."""
    data = guarded([[0, 0, 1], [1, 1, 1], [-1, 1, 1], [2, 1, 1], [0, 1, 1]])
    with pytest.warns(RuntimeWarning, match="NaN or infinity in 1 of 5 samples"):
        effect = ablate(Guarded(), data, Replace("units", 0, -1.0), controls=0)
    assert effect.n_nonfinite == 1
    assert effect.before == pytest.approx(0.75)
    assert effect.after == 0.0
    assert np.isnan(effect.per_sample_before).tolist() == [True, False, False, False, False]
    # unit 0 = -1 over unit 1 = 0 is infinite: broken after the edit as before
    assert np.isnan(effect.per_sample_after).tolist() == [True, False, False, False, False]
    assert "1 samples left out" in repr(effect)
    effect.save(tmp_path / "e.zip")
    assert Effect.load(tmp_path / "e.zip").n_nonfinite == 1


def test_an_effect_on_nothing_finite_is_refused():
    data = guarded([[1, 1, 1], [2, 1, 1], [3, 1, 1]])
    with pytest.raises(ValueError, match="got NaN or infinity in 3 of 3"):
        ablate(Guarded(), data, Zero("units", [0, 1]), controls=0)


def test_a_control_that_breaks_the_output_counts_as_large():
    """Its change is no number; to drop it would make p smaller than chance allows."""
    assert two_sided_p(-0.5, np.array([0.1, np.nan, 0.2, np.nan])) == 3 / 5
    data = guarded([[1, 1, 1], [2, 1, 1], [-1, 1, 1]])
    effect = ablate(Guarded(), data, Zero("units", 2), controls=2)  # the controls: units 0 and 1
    assert effect.change == 0.0
    assert effect.n_nonfinite == 0
    assert np.isnan(effect.control_changes).sum() == 1
    assert effect.p == 1.0


def test_equal_but_for_rounding_is_measured_by_the_size_of_the_metric():
    """Margins of 1e-12 have effects too."""
    assert two_sided_p(1e-12, np.array([1e-13, 2e-13]), size=1e-12) == 1 / 3
    assert two_sided_p(1e-12, np.array([1e-13, 2e-13])) == 1.0


def test_the_mean_of_a_unit_is_over_finite_values():
    class Spoilt(nn.Module):
        def __init__(self):
            super().__init__()
            self.units = nn.Identity()

        def forward(self, x):
            return torch.nan_to_num(self.units(torch.where(x == 9, torch.nan, x)))

    data = guarded([[1, 0, 0], [9, 0, 0], [3, 0, 9]])
    with pytest.warns(RuntimeWarning, match="got 2 that are NaN or infinite"):
        effect = ablate(Spoilt(), data, Mean("units", 0), controls=0, metric=logit_of(0))
    assert effect.edits[0]["values"][0] == 2.0
    assert effect.per_sample_after.tolist() == [2.0, 2.0, 2.0]
    with pytest.raises(ValueError, match="unit 1 of 'units' must have a finite value"):
        ablate(Spoilt(), guarded([[1, 9, 0], [2, 9, 0]]), Mean("units", 1), controls=0)

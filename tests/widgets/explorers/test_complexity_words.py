"""What the complexity explorer says: on planted copies and on curves made by hand."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

import cutaway as ct
from cutaway.core import Index, Origin
from cutaway.merging import ComplexityCurve
from cutaway_widgets.explorers import _complexity_members as members
from cutaway_widgets.explorers import _complexity_settings as settings
from cutaway_widgets.explorers import _complexity_words as words
from cutaway_widgets.explorers._complexity_compare import difference_text, matched


def curve(left=((4, 8), (4, 6), (1, 2)), size=(4, 8), names=("a", "b"), **changes):
    left = np.array(left)
    nothing = np.full(left.shape, np.nan)
    fields = {
        "rows": Index(list(names), "group"), "origin": Origin("complexity_curve"),
        "betas": np.array([0.0, 0.1, 0.5]), "size": np.array(size), "features_left": left,
        "parameters": 200, "kept_parameters": np.array([200, 150, 20]), "macs": 4_000_000.0,
        "kept_macs": np.array([4e6, 3e6, 4e5]), "score": np.array([0.9, 0.895, 0.3]),
        "score_before": 0.9, "closest": np.array([0.6, 0.2]), "farthest": np.array([2.0, 4.0]),
        "baseline_left": nothing, "baseline_closest": nothing[0], "baseline_farthest": nothing[0],
        "baseline_reason": "not asked for", "clusters": [], "rule": "exact", "refused": [],
    }  # fmt: skip
    return ComplexityCurve(**(fields | changes))


@pytest.fixture(scope="module")
def merge():
    """Units 0, 3, 5 and 1, 4 of the first layer are copies; unit 2 is alone."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3)).double()
    with torch.no_grad():
        for one, of in ((3, 0), (5, 0), (4, 1)):
            net[0].weight[one], net[0].bias[one] = net[0].weight[of], net[0].bias[of]
            net[2].weight[:, one] = net[2].weight[:, of]
    return ct.merge_features(net, torch.randn(4, 4, dtype=torch.float64), beta=0.0, rule="exact")


def test_merged_features_are_the_planted_copies(merge):
    frame = words.merged_features(merge, "0")
    assert sorted(frame["members"]) == ["0, 3, 5", "1, 4"]
    assert sorted(frame["units"]) == [2, 3]
    np.testing.assert_allclose(frame["beta"], 0, atol=1e-12)
    for place, members_of in frame["members"].items():
        assert merge.clusters["0"][place] == [int(one) for one in members_of.split(", ")]
    assert words.merged_units(merge, "0") == [0, 1, 3, 4, 5]


def test_linkage_is_a_forest_over_the_merged_units(merge):
    table = words.linkage(merge, "0")
    assert table.shape == (3, 3)
    assert (np.diff(table[:, 2]) >= 0).all()
    units = words.merged_units(merge, "0")
    below = {k: {unit} for k, unit in enumerate(units)}
    for k, (first, second, _) in enumerate(table):
        below[len(units) + k] = below.pop(int(first)) | below.pop(int(second))
    assert sorted(map(sorted, below.values())) == [[0, 3, 5], [1, 4]]


def test_heights_never_fall_though_distances_do(merge):
    tree = merge.tree.copy()
    tree["distance"], tree["largest"] = [0.4, 0.1, 0.2], [2.0, 2.0, 0.5]
    bent = dataclasses.replace(merge, tree=tree)
    np.testing.assert_allclose(words.linkage(bent, "0")[:, 2], [0.2, 0.2, 0.4])


def test_ids_of_betas_are_short_and_never_the_same():
    assert words.beta_index(curve()).ids.tolist() == ["0", "0.1", "0.5"]
    near = curve(betas=np.array([0.1, 0.10001, 0.5]))
    assert words.beta_index(near).ids.tolist() == ["0.1", "0.10001", "0.5"]


def test_the_first_beta_costs_a_point_at_most():
    assert words.first_step(curve()) == 1
    assert words.first_step(curve(score=np.array([0.9, 0.5, 0.3]))) == 1
    assert words.first_step(curve(score=np.array([0.9, 0.5, 0.895]))) == 2
    unscored = {"score": np.full(3, np.nan), "score_before": np.nan}
    assert words.first_step(curve(**unscored)) == 1
    assert words.first_step(curve(**unscored, kept_parameters=np.array([200, 150, 100]))) == 2
    assert words.first_step(curve(left=((4, 8), (4, 8), (4, 8)))) == 2


def test_notes_say_what_is_left_and_kept_and_on_how_many_samples():
    nothing, some, _ = words.notes(curve(), "accuracy", 1000)
    assert some == (
        "10 of 12 features left; kept 75.0% of 200 parameters and 75.0% of 4 M MACs a sample.\n"
        "Accuracy 89.5% on 1,000 samples, unmerged 90.0%."
    )
    assert nothing == (
        "Nothing merges at beta 0. The two closest features of a group lie, as a part of its "
        "largest squared distance, at: b 0.05, a 0.3. So b merges first, from beta 0.05. "
        "Move the slider to 0.1 or above."
    )
    bare = curve(kept_macs=np.full(3, np.nan), macs=np.nan, score=np.full(3, np.nan))
    assert words.notes(bare)[2] == "3 of 12 features left; kept 10.0% of 200 parameters."


def test_where_nothing_ever_merges_the_next_step_is_said():
    text = words.notes(curve(left=((4, 8), (4, 8), (4, 8))))[2]
    assert "compute one with betas above 0.05" in text
    assert "weight decay" in text
    alone = curve(left=((1, 1),) * 3, size=(1, 1), closest=np.full(2, np.nan))
    assert words.notes(alone)[0] == "Nothing merges at beta 0: every group has one feature only."
    assert words.advice(alone) == ""


def test_details_give_distances_here_and_untrained():
    known = curve(baseline_closest=np.array([1.6, np.nan]), baseline_farthest=np.array([2.0, 1.0]))
    assert words.details(known) == [
        "squared distances 0.6 to 2: merges from beta 0.3, untrained from 0.8",
        "squared distances 0.2 to 4: merges from beta 0.05",
    ]
    assert words.details(curve(closest=np.array([np.nan, 0]), farthest=np.array([np.nan, 0]))) == [
        "one feature: nothing to merge",
        "squared distances 0 to 0: merges from beta 0",
    ]


def test_series_are_shares_and_leave_out_what_is_not_known():
    series = words.whole_series(curve(), "accuracy")
    np.testing.assert_allclose(series["features left"], [1, 10 / 12, 3 / 12])
    np.testing.assert_allclose(series["MACs kept"], [1, 0.75, 0.1])
    assert list(series) == ["features left", "parameters kept", "MACs kept", "accuracy"]
    random = curve(baseline_left=np.array([[4, 8], [4, 8], [4, 4]]))
    np.testing.assert_allclose(
        words.whole_series(random)["features left, untrained"], [1, 1, 8 / 12]
    )
    np.testing.assert_allclose(words.group_series(curve())["b"], [1, 0.75, 0.25])


def test_refused_groups_are_named_with_their_reason():
    refused = [{"name": f"g{i}", "size": 2, "reason": "shared"} for i in range(6)]
    text = words.refused_text(refused)
    assert text.startswith("Not merged, as their features could not be grouped: g0: shared; g1")
    assert text.endswith("; and 2 more.")
    assert words.refused_text([]) == ""


def test_large_numbers_are_short():
    assert [words.short(one) for one in (12, 61_706, 4e6, 2.5e9, 3e12)] == [
        "12", "61.7 k", "4 M", "2.5 G", "3 T",
    ]  # fmt: skip


def test_two_curves_are_matched_by_name():
    other = curve(left=((2, 5), (2, 5), (2, 5)), size=(10, 5), names=("b", "c"))
    left, size = matched(curve(), other)
    np.testing.assert_array_equal(size, [np.nan, 10])
    np.testing.assert_array_equal(left[:, 1], [2, 2, 2])
    assert difference_text(curve(), other, "A", "B") == (
        "The largest difference is in b at beta 0: A keeps 100% of its features, B 20%. "
        "Only A has a. Only B has c."
    )
    same = difference_text(curve(), curve(), "A", "B")
    assert same == "At no beta does a layer differ: B keeps as many features as A."
    apart = difference_text(curve(), curve(names=("x", "y")), "A", "B")
    assert apart.startswith("No layer of B has the name of one of A")


def test_betas_of_the_form():
    assert settings.parsed(" automatic ") is settings.parsed("") is None
    assert settings.parsed("0.3, 0.1 0.3;0") == (0.0, 0.1, 0.3)
    for text, got in (("0.1, x", "'x'"), ("2", "2.0"), ("nan", "nan")):
        with pytest.raises(
            ValueError, match=rf"betas must be numbers in \[0, 1\], got {got}; give"
        ):
            settings.parsed(text)
    with pytest.raises(ValueError, match="got none"):
        settings.checked([])


def test_answers_of_units_are_their_largest_over_places_and_told_positions():
    maps = np.arange(24.0).reshape(2, 3, 2, 2)
    acts = ct.Activations.from_arrays({"conv": maps, "fc": maps[:, :, 0, 0]})
    np.testing.assert_array_equal(members.strongest(acts, "conv", [2, 0]), [[11, 23], [3, 15]])
    np.testing.assert_array_equal(members.strongest(acts, "fc", [1]), [[4, 16]])
    tokens = ct.Activations.from_arrays({"mlp": maps[:, :, :, 0]}, layouts={"mlp": "n t d"})
    np.testing.assert_array_equal(members.strongest(tokens, "mlp", [0]), [[8, 20]])
    padded = dataclasses.replace(tokens, mask=np.array([[True, True, False], [True] * 3]))
    np.testing.assert_array_equal(members.strongest(padded, "mlp", [0]), [[4, 20]])
    assert members.top(np.array([1.0, np.nan, 3, 3]), 3).tolist() == [2, 3, 0]


def test_likeness_is_the_smallest_correlation_of_two():
    up = np.arange(9.0)
    assert members.likeness(np.array([up, 2 * up + 1])) == pytest.approx(1)
    assert members.likeness(np.array([up, up, -up])) == pytest.approx(-1)
    assert np.isnan(members.likeness(np.array([up])))
    assert np.isnan(members.likeness(np.array([up, 0 * up])))


def test_incoming_weights_of_a_linear_layer_are_folded_in_order():
    model = ct.load_model(nn.Sequential(nn.Linear(7, 3), nn.ReLU()))
    tiles = members.incoming(model, "0", [2, 0])
    assert tiles.shape == (2, 1, 3, 3)
    weight = model.module[0].weight.detach().numpy()
    np.testing.assert_array_equal(tiles[0, 0].ravel()[:7], weight[2])
    assert np.isnan(tiles[:, 0].reshape(2, -1)[:, 7:]).all()
    assert members.incoming(model, "1", [0]) is None

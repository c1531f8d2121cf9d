"""Merging and the measures of layers have no unit, and what is not finite is said."""

import numpy as np
import pytest
import torch
from torch import nn

import cutaway as ct
from cutaway.merging import complexity_curve, layer_measures, merge_features

RULES = ["official", "exact", "official_var", "ward"]


def net(dtype=torch.float64):
    """Three linear layers with some units that are nearly copies."""
    torch.manual_seed(0)
    made = nn.Sequential(
        nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 12), nn.ReLU(), nn.Linear(12, 3)
    )
    with torch.no_grad():
        for layer in (made[0], made[2]):
            layer.weight[5:] = layer.weight[:5].repeat(3, 1)[: len(layer.weight) - 5]
            layer.weight += 0.05 * torch.randn(layer.weight.shape)
    return made.to(dtype)


def scaled(power, dtype=torch.float64):
    made = net(dtype)
    with torch.no_grad():
        for one in made.parameters():
            one.copy_(torch.ldexp(one, torch.tensor(power)))
    return made


EXAMPLE = torch.from_numpy(np.random.default_rng(0).normal(size=(8, 6)))


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("power", [-100, -7, 9, 90])
def test_weights_times_a_factor_merge_alike(rule, power):
    base = merge_features(net(), EXAMPLE, beta=0.3, rule=rule)
    found = merge_features(scaled(power), EXAMPLE, beta=0.3, rule=rule)
    assert 2 < base.left.sum() < base.size.sum()
    assert found.clusters == base.clusters
    assert found.tree[["group", "first", "second"]].equals(base.tree[["group", "first", "second"]])


@pytest.mark.parametrize("power", [-90, 7, 90])
def test_exact_scale_takes_the_size_of_a_function_out(power):
    """Layer l's weights times f, its bias times f^l: the function times f^3."""
    made = net()
    with torch.no_grad():
        for depth, layer in enumerate((made[0], made[2], made[4]), start=1):
            layer.weight.mul_(2.0**power)
            layer.bias.mul_(2.0 ** (depth * power))
    base = merge_features(net(), EXAMPLE, beta=0.3, rule="exact_scale")
    assert merge_features(made, EXAMPLE, beta=0.3, rule="exact_scale").clusters == base.clusters


def test_small_weights_of_float32_merge_alike():
    """1e-30, whose squares float32 does not hold."""
    example = EXAMPLE.float()
    base = merge_features(net(torch.float32), example, beta=0.3)
    assert merge_features(scaled(-100, torch.float32), example, beta=0.3).clusters == base.clusters


def test_a_curve_has_no_unit():
    base, found = (
        complexity_curve(one, EXAMPLE, betas=[0.0, 0.2, 0.3, 0.5], baseline=False)
        for one in (net(), scaled(40))
    )
    np.testing.assert_array_equal(found.features_left, base.features_left)
    np.testing.assert_allclose(found.closest / found.farthest, base.closest / base.farthest)


@pytest.mark.parametrize("size", [1e-200, 1e200])
def test_weights_whose_squares_are_no_numbers_are_refused(size):
    """Otherwise all distances were 0 and every feature a copy, or none was a number."""
    made = net()
    with torch.no_grad():
        made[2].weight *= size
    with pytest.raises(ValueError, match=r"weights must have sizes of 1e-150 .* in '2.weight'"):
        merge_features(made, EXAMPLE, beta=0.3)


def test_an_output_that_is_not_finite_has_no_change():
    """The largest of 0 and NaN is 0 to Python: "nothing changed"."""
    made = net()
    with torch.no_grad():
        for one in made.parameters():
            one.mul_(1e5)
    far = 1e300 * EXAMPLE
    with pytest.warns(RuntimeWarning, match="outputs must be finite on the example, got NaN"):
        found = merge_features(made, far, beta=0.3, rule="official")
    assert np.isnan(found.output_change)
    assert np.isnan(found.output_size)
    with pytest.raises(ValueError, match="outputs must be finite on the example, got NaN"):
        merge_features(made, far, beta=0.3, rule="exact")


class Half(nn.Module):
    """NaN for samples whose first number is positive."""

    def __init__(self):
        super().__init__()
        self.inner = net()

    def forward(self, x):
        return self.inner(x) + torch.where(x[:, :1] > 0, torch.nan, 0.0)


def test_a_score_counts_nan_as_wrong_and_says_so():
    inputs = np.random.default_rng(1).normal(size=(30, 6))
    data = ct.load_data((inputs, np.zeros(30, np.int64)))
    known = inputs[:, 0] <= 0
    with pytest.warns(RuntimeWarning, match=f"in {int((~known).sum())} of 30 samples"):
        found = complexity_curve(
            Half(), -EXAMPLE.abs(), betas=[0.0], baseline=False, metric=(data, "accuracy"),
            rule="official",
        )  # fmt: skip
    right = net()(torch.from_numpy(inputs)).argmax(1).numpy() == 0
    assert found.score_before == pytest.approx((right & known).mean())


@pytest.mark.parametrize("factor", [2.0**-900, 1e-12, 2.0**900])
def test_measures_have_no_unit(factor):
    pytest.importorskip("skdim")
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=(40, 6, 3)), rng.normal(size=(40, 5))
    acts = [ct.Activations.from_arrays({"a": one * f, "b": other * f}) for f in (1.0, factor)]
    base, found = (layer_measures(each) for each in acts)
    for name in ("effective_rank", "participation", "two_nn", "cka"):
        np.testing.assert_allclose(getattr(found, name), getattr(base, name), rtol=1e-9)


def test_a_constant_site_has_no_rank():
    """The error of its mean is no variance."""
    pytest.importorskip("skdim")
    rows = {"dead": np.full((40, 6), 0.3), "alive": np.random.default_rng(0).normal(size=(40, 5))}
    found = layer_measures(ct.Activations.from_arrays(rows))
    assert np.isnan(found.effective_rank).tolist() == [True, False]
    assert np.isnan(found.participation).tolist() == [True, False]
    assert np.isnan(found.two_nn).tolist() == [True, False]
    assert np.isnan(np.diagonal(found.cka)).tolist() == [True, False]

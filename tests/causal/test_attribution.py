"""Attribution: formulas, slow versions, the reference library, and nothing left behind."""

import sys

import numpy as np
import pytest
import torch
from attribution_nets import SIDE, Linear, Reused, Small, inputs, occluded, pictures, state

from cutaway.causal import Attributions, attribute
from cutaway.core import Cancelled
from cutaway.data import load_data
from cutaway.model import UnknownSite, load_model, predict

pytest.importorskip("captum", reason="needs the extra 'attribution'")
ALL = ["integrated_gradients", "deeplift", "occlusion", "grad_cam", "input_x_gradient"]


@pytest.mark.parametrize("method", ["integrated_gradients", "deeplift"])
def test_of_a_linear_model_the_shares_are_weight_times_difference(method):
    module, data = Linear(), pictures()
    base = np.random.default_rng(2).uniform(0, 1, (2, SIDE, SIDE)).astype(np.float32)
    found = attribute(module, data, method=method, target=1, baseline=base)
    weight = module.weight[1].detach().reshape(2, SIDE, SIDE)
    exact = (weight * (inputs(data) - torch.from_numpy(base))).sum(1)
    np.testing.assert_allclose(found.values, exact, atol=1e-5)
    np.testing.assert_allclose(found.delta, 0, atol=1e-5)
    np.testing.assert_allclose(found.score, module(inputs(data))[:, 1].detach(), atol=1e-5)
    assert found.target.tolist() == ["dog"] * 5
    assert found.rows.digest == data.index.digest


def test_input_times_gradient_of_a_linear_model():
    module, data = Linear(), pictures()
    found = attribute(module, data, method="input_x_gradient", target="cat")
    exact = (module.weight[0].detach().reshape(2, SIDE, SIDE) * inputs(data)).sum(1)
    np.testing.assert_allclose(found.values, exact, atol=1e-6)
    assert found.delta is None


@pytest.mark.parametrize(("window", "stride"), [(1, 1), (2, 1), (3, 2), (2, 2)])
@pytest.mark.parametrize("room", [1, 3, 64])
def test_occlusion_is_what_covering_one_patch_at_a_time_gives(window, stride, room):
    module, data = Small(), pictures(3)
    options = {"window": window, "stride": stride, "batch_size": room}
    found = attribute(module, data, method="occlusion", target=2, baseline=0.25, **options)
    with torch.no_grad():
        slow = occluded(lambda x: module(x)[0, 2], inputs(data), window, stride, 0.25)
    np.testing.assert_allclose(found.values, slow, atol=1e-5)


def test_grad_cam_by_hand_and_by_the_reference_library():
    from captum.attr import LayerAttribution, LayerGradCam

    module, data = Small(), pictures()
    found = attribute(module, data, method="grad_cam", target=1, site="conv2")
    x = inputs(data).requires_grad_()
    maps = module.conv2(torch.relu(module.conv1(x)))
    score = module.read(torch.tanh(maps).flatten(1))[:, 1]
    weights = torch.autograd.grad(score.sum(), maps)[0].mean((2, 3))
    by_hand = torch.einsum("nc,nchw->nhw", weights, maps).clamp(min=0)
    large = torch.nn.functional.interpolate(by_hand[:, None], size=(SIDE, SIDE), mode="bilinear")
    np.testing.assert_allclose(found.values, large[:, 0].detach(), atol=1e-6)
    theirs = LayerGradCam(module, module.conv2).attribute(
        inputs(data), target=1, relu_attributions=True
    )
    enlarged = LayerAttribution.interpolate(theirs, (SIDE, SIDE), "bilinear")[:, 0]
    np.testing.assert_allclose(found.values, enlarged.detach(), atol=1e-6)
    assert found.values.max() > 0
    assert attribute(module, data, method="grad_cam").origin.site == "conv2"


def test_grad_cam_reads_the_maps_before_the_next_layer_overwrites_them():
    module, data = Small(), pictures()
    found = attribute(module, data, method="grad_cam", target=0, site="conv1").values
    maps = module.conv1(inputs(data))
    score = module.read(torch.tanh(module.conv2(torch.relu(maps))).flatten(1))[:, 0]
    weights = torch.autograd.grad(score.sum(), maps)[0].mean((2, 3))
    by_hand = torch.einsum("nc,nchw->nhw", weights, maps).clamp(min=0).detach()
    np.testing.assert_allclose(found, by_hand, atol=1e-6)


@pytest.mark.parametrize("method", ["integrated_gradients", "deeplift"])
def test_shares_of_lenet_sum_to_the_difference_of_the_scores(method):
    model, data = load_model("lenet5-digits"), load_data("digits", split="test", limit=20)
    found = attribute(model, data, method=method, steps=200)
    with torch.no_grad():
        logits = model.forward(data.batch(np.arange(20)))
        dark = model.module(torch.zeros(1, 1, 28, 28))[0]
    best = logits.argmax(1)
    wanted = logits.max(1).values - dark[best]
    np.testing.assert_allclose(found.values.sum((1, 2)), wanted, atol=2e-4)
    np.testing.assert_allclose(found.delta, 0, atol=2e-4)
    assert found.target.tolist() == [str(one) for one in predict(model, data).predicted]


def test_integrated_gradients_are_captums():
    from captum.attr import IntegratedGradients

    module, data = Small(), pictures()
    found = attribute(module, data, target=[0, 1, 2, 0, 1], steps=7, batch_size=3)
    wanted = torch.tensor([0, 1, 2, 0, 1])
    theirs = IntegratedGradients(module).attribute(inputs(data), target=wanted, n_steps=7)
    np.testing.assert_allclose(found.values, theirs.sum(1).detach(), atol=1e-6)
    assert found.target.tolist() == ["cat", "dog", "owl", "cat", "dog"]


@pytest.mark.parametrize("method", ALL)
def test_a_unit_as_target_sees_its_own_field_only(method):
    """Unit 1 of conv2, output cut to its mean, does not see what conv2 does not reach."""
    module, data = Small(), pictures()
    found = attribute(module, data, method=method, target=("conv2", 1), steps=100)
    with torch.no_grad():
        exact = module.conv2(torch.relu(module.conv1(inputs(data))))[:, 1].mean((1, 2))
        dark = module.conv2(torch.relu(module.conv1(torch.zeros(1, 2, 6, 6))))[:, 1].mean()
    np.testing.assert_allclose(found.score, exact, atol=1e-6)
    assert found.target.tolist() == ["conv2:1"] * 5
    if found.delta is not None:
        np.testing.assert_allclose(found.values.sum((1, 2)), exact - dark, atol=2e-3)
    if method == "grad_cam":
        assert found.origin.site == "conv1"


def test_a_linear_unit_is_its_filter():
    data = load_data(np.random.default_rng(3).normal(size=(4, 4)).astype(np.float32))
    module = Reused()
    found = attribute(module, data, target=("one", 3))
    exact = module.one.weight[3].detach() * inputs(data)
    np.testing.assert_allclose(found.values, exact, atol=1e-5)


@pytest.mark.parametrize("method", ALL)
@pytest.mark.parametrize("target", [None, ("conv2", 0)])
def test_nothing_is_left_behind_after_the_end_or_a_cancel_at_any_pass(method, target):
    module, data = Small(), pictures()
    module.train()
    module.tanh.eval()
    module.conv1.weight.requires_grad_(False)
    before = state(module)
    calls = []
    options = {"method": method, "target": target, "steps": 5, "window": 3, "stride": 3}
    options |= {"batch_size": 4}
    attribute(module, data, **options, tick=lambda *call: calls.append(call))
    assert state(module) == before
    fractions = [fraction for fraction, _ in calls]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0

    for stop in range(len(calls)):
        count = iter(range(10_000))

        def tick(_fraction, _message, stop=stop, count=count):
            if next(count) == stop:
                raise Cancelled

        with pytest.raises(Cancelled):
            attribute(module, data, **options, tick=tick)
        assert state(module) == before


@pytest.mark.parametrize("method", ALL)
def test_no_forward_pass_is_larger_than_the_batch(method):
    module, data = Small(), pictures(9)
    rows = []
    hook = module.conv1.register_forward_pre_hook(
        lambda _m, x: rows.append(len(x[0]) if type(x[0]) is torch.Tensor else 0)
    )
    small = attribute(module, data, method=method, steps=20, batch_size=4)
    assert max(rows) <= 4
    rows.clear()
    large = attribute(module, data, method=method, steps=20, batch_size=512)
    assert max(rows) > 4
    hook.remove()
    np.testing.assert_allclose(small.values, large.values, atol=1e-5)
    assert small.origin.digest == large.origin.digest


def test_ids_choose_the_samples_in_their_order():
    module, data = Small(), pictures()
    every = attribute(module, data, target=0)
    some = attribute(module, data, ["p3", "p0"], target=0)
    assert some.rows.ids.tolist() == ["p3", "p0"]
    np.testing.assert_allclose(some.values, every.values[[3, 0]], atol=1e-6)
    with pytest.raises(KeyError, match="ids must be among the 5 ids .* got 'p9'"):
        attribute(module, data, ["p9"])


def test_a_result_saves_and_tells(tmp_path):
    found = attribute(Small(), pictures(), target=0)
    found.save(tmp_path / "a.zip")
    again = Attributions.load(tmp_path / "a.zip")
    assert again.digest == found.digest == attribute(Small(), pictures(), target=0).digest
    assert again.target.tolist() == ["cat"] * 5
    frame = found.to_frame()
    assert frame.columns.tolist() == ["target", "score", "total", "delta"]
    np.testing.assert_allclose(frame["total"], found.values.sum((1, 2)), atol=1e-6)
    assert repr(found).startswith("Attributions(integrated_gradients, 5 samples of 6×6, |delta| ≤")
    with pytest.raises(ValueError, match="read-only"):
        found.values[0] = 1


def test_texts_share_the_logit_of_the_next_token_out_among_positions():
    model, data = load_model("gpt-occupations"), load_data("occupations", limit=4)
    words = ["The nurse said that", "My friend", "Ann is a doctor and", "He"]
    data = load_data(words, ids=list("abcd"))
    found = attribute(model, data, target=" he", steps=80)
    inner = model.module
    tokens = model.tokenizer(words)["input_ids"]
    she = model.tokenizer(" he")["input_ids"][0]
    for row, ids in enumerate(tokens):
        with torch.no_grad():
            whole = inner(torch.tensor([ids])).logits[0, -1, she]
            zero = torch.zeros(1, len(ids), inner.config.n_embd)
            none = inner(inputs_embeds=zero).logits[0, -1, she]
        exact = float(whole - none)
        assert found.values[row].sum() - found.delta[row] == pytest.approx(exact, abs=1e-4)
        assert abs(found.delta[row]) < 0.02
        assert (found.values[row, len(ids) :] == 0).all()
        assert found.score[row] == pytest.approx(float(whole), abs=1e-4)
    assert found.target.tolist() == ["he"] * 4
    covered = attribute(model, data, ["a"], target=" he", method="occlusion")
    vectors = inner.get_input_embeddings()(torch.tensor(tokens[:1])).detach()
    for place in range(len(tokens[0])):
        less = vectors.clone()
        less[0, place] = 0
        with torch.no_grad():
            drop = found.score[0] - float(inner(inputs_embeds=less).logits[0, -1, she])
        assert covered.values[0, place] == pytest.approx(drop, abs=1e-4)


BAD = [
    ({"method": "lime"}, ValueError, "method must be one of 'integrated_gradients', .*got 'lime'"),
    ({"target": 7}, ValueError, r"target must be a class in 0\.\.2, got 7; choose an existing"),
    ({"target": -1}, ValueError, r"target must be a class in 0\.\.2, got -1"),
    ({"target": "fox"}, ValueError, "target must be one of 'cat', 'dog', 'owl', got 'fox'"),
    ({"target": [1, 2]}, ValueError, r"target must have as many entries as the samples \(5\)"),
    ({"target": 1.5}, TypeError, "target must be a class number or name, .*got 1.5"),
    ({"target": ("conv2", 4)}, ValueError, r"unit of target must be 0\.\.3, got 4"),
    ({"target": ("conv9", 0)}, UnknownSite, "conv9"),
    ({"target": ("conv2",)}, TypeError, r"target must be a class or a pair \(site, unit\)"),
    ({"site": "conv2"}, ValueError, "site must be left out for method 'integrated_gradients'"),
    ({"method": "grad_cam", "site": "read"}, ValueError, r"site must return maps \(n c h w\)"),
    (
        {"method": "grad_cam", "site": "conv2", "target": ("conv1", 0)},
        ValueError,
        "site must lie before the target, got conv2|'conv2'",
    ),
    ({"baseline": np.zeros(3)}, ValueError, r"baseline must be a number or an array of shape \(2,"),
    ({"steps": 0}, ValueError, "steps must be 1 or more, got 0"),
    ({"batch_size": 0}, ValueError, "batch_size must be 1 or more, got 0"),
    ({"method": "occlusion", "window": 2, "stride": 3}, ValueError, r"stride must be 1\.\.2, got"),
]


@pytest.mark.parametrize(("options", "kind", "message"), BAD)
def test_bad_input_is_one_named_line(options, kind, message):
    module = Small()
    before = state(module)
    with pytest.raises(kind, match=message) as caught:
        attribute(module, pictures(), **options)
    assert "\n" not in str(caught.value)
    assert state(module) == before


def test_what_a_method_cannot_do_is_said():
    array = load_data(np.zeros((2, 4), np.float32))
    with pytest.raises(ValueError, match="'deeplift' needs a model that uses each non-linear"):
        attribute(Reused(), array, method="deeplift", target=0)
    with pytest.raises(ValueError, match="grad_cam"):
        attribute(Reused(), array, method="grad_cam", target=0)
    with pytest.raises(ValueError, match="data must hold at least one sample"):
        attribute(Small(), pictures(), [])
    model, texts = load_model("gpt-occupations"), load_data(["The nurse"])
    with pytest.raises(ValueError, match="'deeplift' needs pictures or arrays, got tokens"):
        attribute(model, texts, method="deeplift")
    with pytest.raises(ValueError, match="target must be one token, got ' he she' of 2 tokens"):
        attribute(model, texts, target=" he she")


def test_without_captum_the_error_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "captum", None)
    with pytest.raises(ImportError, match=r"pip install 'cutaway\[attribution\]'") as caught:
        attribute(Small(), pictures())
    assert "\n" not in str(caught.value)
    assert attribute(Small(), pictures(), method="grad_cam").values.shape == (5, 6, 6)


class Marked(Linear):
    """The linear model, with NaN as the second logit of pictures whose first pixel is 1."""

    def forward(self, x):
        logits = super().forward(x)
        lost = (x[:, 0, 0, 0] == 1)[:, None] & torch.tensor([False, True])
        return torch.where(lost, torch.nan, logits)


def marked(rows):
    from cutaway.data import load_data

    values = np.random.default_rng(0).uniform(0, 0.5, (4, 2, SIDE, SIDE)).astype(np.float32)
    values[rows, 0, 0, 0] = 1.0
    return load_data((values, np.zeros(4, np.int64)))


@pytest.mark.parametrize("method", ["integrated_gradients", "occlusion", "input_x_gradient"])
def test_what_has_no_class_has_no_attribution(method):
    """The predicted class of NaN is none; class 0 would be explained in its place."""
    options = {"method": method, "batch_size": 3}
    with pytest.warns(RuntimeWarning, match="NaN or infinity in 2 of 4 samples"):
        found = attribute(Marked(), marked([1, 2]), **options)
    assert found.n_nonfinite == 2
    assert np.isnan(found.score).tolist() == [False, True, True, False]
    assert np.isnan(found.values).all((1, 2)).tolist() == [False, True, True, False]
    assert (found.target == "").tolist() == [False, True, True, False]
    assert "2 without a score" in repr(found)
    assert "nan" not in repr(found)
    alone = attribute(Marked(), marked([1, 2]).take([0, 3]), **options)
    np.testing.assert_allclose(found.values[[0, 3]], alone.values, atol=1e-6)
    # the first logit is a number for all
    assert attribute(Marked(), marked([1, 2]), target=0, **options).n_nonfinite == 0
    with pytest.raises(ValueError, match="NaN or infinity in all 4"):
        attribute(Marked(), marked([0, 1, 2, 3]), **options)

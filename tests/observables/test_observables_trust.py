"""What a third party does to a model is found; numbers that are not finite are named."""

import numpy as np
import pytest
import torch
from obsprop_oracle import fresh, observable
from small_models import FAMILIES, FLOAT64, made

import cutaway as ct
from cutaway.observables import (
    Observable,
    compare_probes,
    completeness,
    components_of,
    coupling,
    coupling_on_texts,
    feature_vector,
    head_map,
    logit_lens,
    search_paths,
)

GOOD, BAD = 3, 7  # BAD: a token whose embedding holds NaN
PAIR = ([1, 2, 3, 4], [1, 9, 3, 4])
PAIR_WITH_BAD = ([1, 2, BAD, 4], [1, 9, BAD, 4])


def scaled(module, _arguments, output):
    """A third party's hook: halves what a part gives at all positions but the first."""
    first = output[0] if isinstance(output, tuple) else output
    changed = first.clone()
    changed[:, 1:] *= 0.5
    return (changed, *output[1:]) if isinstance(output, tuple) else changed


def parts(net):
    layer = components_of(net).layers[1]
    yield layer.heads.site
    yield layer.mlp.site
    yield layer.attention_norm.site
    yield layer.heads.site.rpartition(".")[0]
    yield components_of(net).final_norm.site


@pytest.mark.parametrize("family", FAMILIES)
def test_the_check_says_what_it_compared(family):
    check = components_of(made(family)).check
    assert check.n_texts >= 2
    assert check.n_positions >= 4
    assert check.tolerance == 1e-4
    assert check.error < (1e-12 if family in FLOAT64 else 1e-5)
    assert len(check.compared) >= 2 * 5 + 2
    assert f"{check.n_positions} tokens" in repr(check)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("family", ["gpt2", "llama", "gemma2", "phi", "gpt_neox"])
def test_a_hook_that_scales_later_positions_is_found(family, when):
    for site in list(parts(made(family))):
        net = made(family)
        if when == "after":  # a model that passed may be hooked later
            components_of(net)
        handle = net.get_submodule(site).register_forward_hook(scaled)
        with pytest.raises(ct.UnsupportedModel, match="at position [1-9]") as caught:
            completeness(net, Observable.from_tokens(net, [3], [50]), PAIR)
        assert "\n" not in str(caught.value)
        handle.remove()
        found = completeness(net, Observable.from_tokens(net, [3], [50]), PAIR)
        assert found.error < 1e-4


@pytest.mark.parametrize("scale", [0.5, 0.99, 1.001])
def test_a_forward_put_in_place_of_another_is_found(monkeypatch, scale):
    net = fresh("llama")
    components_of(net)
    part = net.model.layers[2].self_attn
    real = part.forward

    def patched(*arguments, **named):
        output, pattern = real(*arguments, **named)
        output[:, 3:] *= scale
        return output, pattern

    monkeypatch.setattr(part, "forward", patched)
    with pytest.raises(ct.UnsupportedModel, match="layers.2.self_attn must be the sum"):
        components_of(net)


def test_a_hook_that_a_sink_would_drown_is_found():
    """Where the first token's output is ten thousand times as large as the others'."""
    net = fresh("gpt_neo")
    table = net.get_input_embeddings()

    def sink(_module, _arguments, output):
        changed = output.clone()
        changed[:, 0] *= 1e4
        return changed

    table.register_forward_hook(sink)
    components_of(net)
    net.transformer.h[0].mlp.register_forward_hook(scaled)
    with pytest.raises(ct.UnsupportedModel, match="transformer.h.0.mlp must"):
        components_of(net)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
@pytest.mark.parametrize("family", FAMILIES)
def test_models_of_every_type_pass(family, dtype):
    check = components_of(made(family).to(dtype)).check
    assert check.error <= check.tolerance


@pytest.fixture
def holed():
    """A model, checked while it was whole, of which one token's vector then became NaN."""
    net = made("qwen2")
    # The check runs on a few tokens only, and must not happen to run on this one.
    with torch.no_grad():
        net.get_input_embeddings().weight[BAD] = torch.nan
    return net


def test_weights_that_are_not_finite_are_named():
    net = made("llama")
    with torch.no_grad():
        net.model.layers[1].mlp.down_proj.weight[3, 5] = torch.inf
    with pytest.raises(ct.UnsupportedModel, match="model.layers.1.mlp must give finite numbers"):
        components_of(net)


def test_scores_that_are_not_finite_have_no_rank(holed):
    site = components_of(holed).final_norm.site
    texts = [[1, 2, 3, 4], [5, 6, BAD, 8], [9, 10, 11, 12]]
    with pytest.warns(UserWarning, match=r"4 of 12 tokens: 1:0, 1:1, 1:2, 1:3;"):
        found = ct.score_texts(holed, (site, np.ones(24)), texts)
    assert found.not_finite == ["1:0", "1:1", "1:2", "1:3"]  # 0 times NaN is NaN
    assert "4 not finite" in repr(found)
    for ends in (found.top(12), found.bottom(12)):
        assert np.isfinite(ends["score"]).all()
        assert len(ends) == 6  # the other texts without their sinks
        assert set(ends["text"]) == {0, 2}
    assert np.isfinite(found.text_score).tolist() == [True, False, True]
    alone = ct.score_texts(holed, (site, np.ones(24)), texts[::2])
    np.testing.assert_allclose(alone.score, found.score[found.text != 1], rtol=1e-5)


def test_calls_on_texts_that_give_no_numbers_are_refused_by_name(holed):
    one = Observable.from_tokens(holed, [3], [50])
    vector, other = (feature_vector(holed, one, path) for path in ("L0H1", "L0H2"))
    texts = [[1, 2, 3, 10 + k] for k in range(8)] + [[1, BAD, 3, 4]]
    labels = [0, 1] * 4 + [0]
    pairs = [PAIR, PAIR_WITH_BAD]
    for call, named in (
        (lambda: head_map(holed, one, kind="attribution", prompts=pairs), "pair 1"),
        (lambda: head_map(holed, one, kind="patching", prompts=pairs), "pair 1"),
        (lambda: search_paths(holed, one, pairs), "pair 1"),
        (lambda: ct.steer(holed, [*PAIR, *PAIR_WITH_BAD], vector, by=1.0, observable=one),
         "prompt 2, prompt 3"),
        (lambda: compare_probes(holed, vector, texts, labels), "text 8"),
        (lambda: coupling_on_texts(holed, vector, other, texts), "1 of 36: 8:1;"),
        (lambda: feature_vector(holed, one, "L0H1", norm="exact", prompts=PAIR_WITH_BAD), "L0H1"),
        (lambda: completeness(holed, one, PAIR_WITH_BAD), "position"),
        (lambda: logit_lens(holed, vector, through="embedding"), f"token {BAD};"),
        (lambda: coupling(np.array([1.0, np.nan]), np.ones(2)), "unit 1;"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match="must be finite") as caught:
            call()
        assert named in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_step_that_overflows_is_refused():
    net = made("llama").to(torch.float16)
    one = Observable.from_tokens(net, [3], [50])
    vector = feature_vector(net, one, "L1H1")
    with pytest.raises((ValueError, ct.UnsupportedModel), match="prompt 0|norm|finite|inf|nan"):
        ct.steer(net, [PAIR[0]], vector, by=1e8, observable=one, controls=0)


def test_ordinary_models_are_not_told_anything(recwarn):
    net = fresh("llama")
    found = ct.score_texts(net, (components_of(net).final_norm.site, np.ones(48)), [[1, 2, 3]])
    assert found.not_finite == []
    head_map(net, observable("llama", "O1"))
    assert not [one for one in recwarn if "finite" in str(one.message)]


@pytest.mark.parametrize("scale", [1e-200, 1e-30, 1.0, 1e180])
def test_couplings_do_not_hang_on_the_scale(scale):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 24))
    assert coupling(scale * a, scale * b) == pytest.approx(a @ b / (a @ a), rel=1e-12)

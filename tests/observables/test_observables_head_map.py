"""Head maps: the oracle's tables, a loop of one prompt and one head, and what users get."""

import itertools

import numpy as np
import pytest
import torch
from obsprop_oracle import NAMES, PROMPTS, TOLERANCES, fresh, model, observable, oracle, relative
from small_models import made

import cutaway as ct
from cutaway.core import Cancelled
from cutaway.observables import HeadMap, Observable, components_of, feature_vector, head_map
from cutaway.observables.runs import attending

PAIRS = [
    ([5, 1, 60, 17, 3], [5, 2, 60, 17, 3]),
    ([9, 8, 7], [9, 4, 7]),
    ([30, 1, 2, 3, 17], [31, 1, 2, 3, 17]),
    ([3, 3, 50], [3, 7, 51]),
]
OBSERVABLES = ("O1", "O2", "O3")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("which", OBSERVABLES)
def test_every_patching_table_of_the_oracle(name, which):
    net, measured, entry = model(name), observable(name, which), oracle(name)["observables"][which]
    found = head_map(net, measured, kind="ov_patching", prompts=PROMPTS)
    assert relative(found.values, entry["path_patch_heads_OVonly"]) < TOLERANCES[name]
    gap = entry["logit_measure_pos"] - entry["logit_measure_neg"]
    assert found.gap == pytest.approx(gap, rel=1e-5)
    if name == "gpt_neo":  # by the authors' own functions, in float32
        whole = head_map(net, measured, kind="patching", prompts=PROMPTS)
        theirs = oracle(name)["authors_code_float32"][which]
        assert relative(whole.values, theirs["path_patching_heads_full"]) < 1e-5
        assert relative(found.values, theirs["path_patching_heads_OVonly"]) < 1e-5


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("which", OBSERVABLES)
def test_attribution_of_the_oracle_and_what_is_left(name, which):
    net, measured, entry = model(name), observable(name, which), oracle(name)["observables"][which]
    found = head_map(net, measured, kind="attribution", against="zero", prompts=PROMPTS)
    expected = np.array(entry["dla_frozen_lnf_head_src_pos"]).sum(-1)
    assert relative(found.values, expected) < TOLERANCES[name]
    assert found.gap == pytest.approx(entry["logit_measure_pos"], rel=1e-6)
    rest = sum(entry["dla_mlp_last"]) + sum(entry["dla_attn_bias"])
    rest += entry["dla_embed_last"] + entry["dla_lnf_bias"]
    assert found.rest == pytest.approx(rest, rel=1e-5)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("which", OBSERVABLES)
def test_lengths_of_the_oracle(name, which):
    net, measured, entry = model(name), observable(name, which), oracle(name)["observables"][which]
    plain = head_map(net, measured, norm="skip")
    assert relative(plain.values, entry["head_norms_noLN"]) < 1e-6
    paper = head_map(net, measured, norm="approx", first_norm="gain", prompts=PROMPTS)
    norms = oracle(name)["activations_pos"]["resid_norms"]
    last = norms["ln_f_in_last_pos"]
    mean = (last + norms["ln_f_in_last_neg"]) / 2  # the oracle's scale of the final norm
    expected = np.array(entry["head_norms_LN_paperformula"])
    assert relative(paper.values * last / mean, expected) < TOLERANCES[name]
    assert np.isnan(plain.gap)
    assert plain.pairs.shape == (0, 3, 4)
    assert paper.pairs.shape == (1, 3, 4)


@pytest.mark.parametrize("family", ["gpt2", "llama", "gemma2"])
def test_lengths_with_gains_alone_are_the_spread_of_readings(family):
    """On normed inputs of unit variance, for a final norm of scale 1."""
    net = made(family)
    measured = Observable.from_tokens(net, [3], [50])
    parts = components_of(net)
    found = head_map(net, measured)
    y = parts.unembed(torch.tensor(measured.vector)[None])[0][0] * parts.final_norm.gain
    inputs = torch.randn(4000, 24, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for place, head in itertools.product(range(2), range(found.values.shape[1])):
        layer = parts.layers[place]
        at = y if layer.attention_post is None else y * layer.attention_post.gain
        written = layer.heads.write(inputs * layer.attention_norm.gain, head)
        spread = float((written @ at).std())
        assert found.values[place, head] == pytest.approx(spread, rel=0.06)


def by_hand(net, measured, pair, kind):
    """One pair, one head at a time, through the model's own norm, head and cap."""
    parts, n = components_of(net), torch.tensor(measured.vector)
    seen = {}
    handles = [
        net.get_submodule(site).register_forward_hook(
            lambda _module, given, out, site=site: seen.setdefault(site, []).append((given, out))
        )
        for layer in parts.layers
        for site in (layer.attention_norm.site, layer.heads.site)
    ] + [
        net.get_submodule(parts.final_norm.site).register_forward_pre_hook(
            lambda _module, given: seen.setdefault("end", []).append(given[0][0, -1])
        )
    ]
    with torch.no_grad(), attending(net):
        patterns = [net(torch.tensor([one]), output_attentions=True).attentions for one in pair]
    for handle in handles:
        handle.remove()

    def measure(final):
        with torch.no_grad():
            logits = net.lm_head(net.get_submodule(parts.final_norm.site)(final))
        cap = getattr(net.config, "final_logit_softcapping", None)
        return float((cap * torch.tanh(logits / cap) if cap else logits) @ n)

    values = np.zeros((len(parts.layers), len(parts.layers[0].heads)))
    for place, head in np.ndindex(values.shape):
        layer = parts.layers[place]
        normed = [seen[layer.attention_norm.site][which][1][0] for which in (0, 1)]
        rows = [patterns[which][place][0, head, -1] for which in (0, 1)]
        own = rows[0] @ layer.heads.write(normed[0], head)
        row = rows[1] if kind == "patching" else rows[0]
        change = row @ layer.heads.write(normed[1], head) - own
        if layer.attention_post is not None:
            total = seen[layer.heads.site][0][1][0][0, -1]
            post = net.get_submodule(layer.attention_post.site)
            change = post(total + change) - post(total)
        values[place, head] = measure(seen["end"][0]) - measure(seen["end"][0] + change)
    return values, measure(seen["end"][0]) - measure(seen["end"][1])


@pytest.mark.parametrize("family", ["gpt2", "gpt_neox", "qwen2", "gemma2", "phi"])
@pytest.mark.parametrize("kind", ["ov_patching", "patching"])
def test_patching_is_that_of_a_loop_over_pairs_and_heads(family, kind):
    net = made(family)
    measured = Observable.from_tokens(net, [3, 4], [50])
    found = head_map(net, measured, kind=kind, prompts=PAIRS)
    loop = [by_hand(net, measured, pair, kind) for pair in PAIRS]
    tolerance = 1e-5 if family in ("qwen2", "gemma2") else 1e-10  # float32 norms
    assert relative(found.pairs, np.array([one for one, _gap in loop])) < tolerance
    assert found.gap == pytest.approx(np.mean([gap for _one, gap in loop]), rel=1e-4)
    assert relative(found.values, found.pairs.mean(0)) < 1e-12


@pytest.mark.parametrize("family", ["gpt2", "gemma2", "phi"])
def test_attribution_is_the_reading_of_each_heads_frozen_vector(family):
    net = made(family)
    measured = Observable.from_tokens(net, [3], [50])
    found = head_map(net, measured, kind="attribution", prompts=PAIRS)
    for pair, values in zip(PAIRS[:2], found.pairs, strict=False):
        for place, head in np.ndindex(values.shape):
            expected = 0.0
            for which, sign in ((0, 1), (1, -1)):
                prompts = (pair[which], pair[1 - which])
                with torch.no_grad(), attending(net):
                    output = net(torch.tensor([pair[which]]), output_attentions=True,
                                 output_hidden_states=True)  # fmt: skip
                layer = components_of(net).layers[place]
                normed = layer.attention_norm.apply(output.hidden_states[place][0])
                row = output.attentions[place][0, head, -1]
                one = feature_vector(
                    net, measured, f"L{place}H{head}", norm="frozen", prompts=prompts
                )
                bias = layer.heads.write(torch.zeros(24, dtype=torch.float64), head)
                empty = feature_vector(net, measured, "", norm="frozen", prompts=prompts).vector
                after = layer.attention_post
                reading = float(row @ (normed @ torch.tensor(one.vector_post)))
                if after is None:
                    reading += float(bias @ torch.tensor(empty))
                expected += sign * reading
            assert values[place, head] == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_pairs_of_several_lengths_are_each_as_alone():
    net = made("llama")
    measured = Observable.from_tokens(net, [3], [50])
    every = head_map(net, measured, kind="patching", prompts=PAIRS)
    for pair, values in zip(PAIRS, every.pairs, strict=True):
        alone = head_map(net, measured, kind="patching", prompts=pair)
        assert np.abs(alone.values - values).max() < 1e-7 * np.abs(values).max()
        assert np.isnan(alone.low).all()
    assert (every.low <= every.values).all()
    assert (every.values <= every.high).all()
    assert (every.low >= every.pairs.min(0)).all()
    again = head_map(
        net, measured, kind="patching", prompts=[list(map(np.array, p)) for p in PAIRS]
    )
    assert again.digest == every.digest
    assert again.origin.digest == every.origin.digest
    lengths = head_map(net, measured, norm="exact", prompts=PAIRS)
    assert lengths.pairs.shape == (4, 2, 6)
    one = feature_vector(net, measured, "L1H3", norm="exact", prompts=PAIRS[1])
    assert lengths.pairs[1, 1, 3] == pytest.approx(np.linalg.norm(one.vector))


def test_a_map_is_a_result(tmp_path):
    found = head_map(
        model("gpt_neo"), observable("gpt_neo", "O1"), kind="patching", prompts=PROMPTS
    )
    frame = found.to_frame()
    assert list(frame.index[:5]) == ["L0H0", "L0H1", "L0H2", "L0H3", "L1H0"]
    assert frame.loc["L2H1", "value"] == found.values[2, 1]
    assert list(found.top(3)["value"].abs()) == sorted(np.abs(found.values).ravel())[:-4:-1]
    found.save(tmp_path / "map.zip")
    assert HeadMap.load(tmp_path / "map.zip").digest == found.digest
    assert not found.values.flags.writeable
    with pytest.raises(ValueError, match="k must be 1 or more, got 0"):
        found.top(0)


def test_the_model_is_left_as_it_was():
    net = fresh("llama").train()
    net.set_attn_implementation("sdpa")
    told = []
    ct.head_map(net, observable("llama", "O1"), kind="patching", prompts=PROMPTS,
                tick=lambda part, _message: told.append(part))  # fmt: skip
    assert told == sorted(told)
    assert told[-1] == 1.0
    assert len(told) > 6
    assert net.config._attn_implementation == "sdpa"
    assert all(one.training for one in net.modules())

    def stop(_fraction, message):
        if "layer 1" in message:
            raise Cancelled

    with pytest.raises(Cancelled):
        head_map(net, observable("llama", "O1"), kind="patching", prompts=PROMPTS, tick=stop)
    assert net.config._attn_implementation == "sdpa"
    assert not any(one._forward_hooks or one._forward_pre_hooks for one in net.modules())


def test_an_attention_without_patterns_is_named(monkeypatch):
    net = fresh("llama")
    attention = net.model.layers[1].self_attn
    real = attention.forward
    monkeypatch.setattr(attention, "forward", lambda *a, **k: (real(*a, **k)[0], None))
    with pytest.raises(ct.UnsupportedModel, match="layers.1.self_attn must give its attention pat"):
        head_map(net, observable("llama", "O1"), kind="patching", prompts=PROMPTS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "norms"}, "kind must be one of 'norm', 'attribution', 'ov_patching', 'patching'"),
        (
            {"prompts": None},
            "prompts must be a pair .* or a list of pairs for kind 'patching', got",
        ),
        ({"prompts": []}, "prompts must be a pair .* or a list of pairs, got"),
        ({"prompts": "she"}, "prompts must be a pair .* or a list of pairs, got one text"),
        ({"prompts": [([1, 2], [1])]}, "the same number of tokens, got 2 and 1"),
        ({"prompts": [([1], [2]), ([1],)]}, "prompts must be a pair .* got 1; give two"),
        ({"against": "none"}, "against must be one of 'negative', 'zero', got 'none'"),
        ({"kind": "norm", "norm": "gain"}, "norm must be one of 'skip', 'approx'"),
    ],
)
def test_bad_input_is_one_clear_line(change, message):
    given = {"kind": "patching", "prompts": PROMPTS} | change
    with pytest.raises(ValueError, match=message) as caught:
        head_map(model("llama"), observable("llama", "O1"), **given)
    assert "\n" not in str(caught.value)

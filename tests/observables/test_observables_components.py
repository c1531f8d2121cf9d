"""Parts of each family: heads re-assembled at all positions, and models that are refused."""

import pytest
import torch
from obsprop_oracle import NAMES, PROMPTS, fresh, model, relative, transformers
from small_models import FAMILIES, FLOAT64, PARALLEL, made
from torch import nn

import cutaway as ct
from cutaway.observables import Observable, components_of, feature_vector


def caught(net, ids):
    """Input and output of every module, and the attention patterns."""
    seen = {}

    def watch(name):
        def keep(_module, arguments, output):
            out = output[0] if isinstance(output, tuple) else output
            seen[name] = (arguments[0] if arguments else None, out)

        return keep

    handles = [part.register_forward_hook(watch(name)) for name, part in net.named_modules()]
    with torch.no_grad():
        patterns = net(ids, output_attentions=True).attentions
    for handle in handles:
        handle.remove()
    return seen, patterns


def agree(net, ids, tolerance):
    parts = components_of(net)
    seen, patterns = caught(net, ids)
    for layer, pattern in zip(parts.layers, patterns, strict=True):
        normed = seen[layer.attention_norm.site][1]
        ours = sum(
            pattern[:, head] @ layer.heads.write(normed, head) for head in range(len(layer.heads))
        )
        if layer.heads.outputs_bias is not None:
            ours = ours + layer.heads.outputs_bias
        assert relative(ours, seen[layer.heads.site][1]) < tolerance
        assert relative(layer.mlp.output(seen[layer.mlp.site][0]), seen[layer.mlp.site][1]) < 1e-12
        before, after = seen[layer.mlp_norm.site]
        assert relative(layer.mlp_norm.apply(before), after) < tolerance


@pytest.mark.parametrize("family", FAMILIES)
def test_heads_of_every_family_add_up_to_the_models_attention(family):
    ids = torch.tensor([[5, 1, 60, 17, 3, 44, 8], [0, 2, 2, 30, 9, 9, 1]])
    agree(made(family), ids, 1e-12 if family in FLOAT64 else 1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_heads_of_the_oracle_models_add_up(name):
    agree(model(name), torch.tensor(PROMPTS), 1e-6 if name == "llama" else 1e-12)


@pytest.mark.parametrize("family", FAMILIES)
def test_bfloat16_models_are_pulled_back_in_float64(family):
    net = made(family)
    observable = Observable.from_tokens(net, [3], [50])
    first = "L0H1@1 > L1H2@4" if family in PARALLEL else "L0H1@1 > M0@4 > L1H2@4"
    path, prompts = first, ([1, 2, 3, 4, 5, 6], [1, 9, 3, 4, 5, 6])
    wide = feature_vector(
        net.bfloat16().float(), observable, path, prompts=prompts, mlp_point="mid"
    )
    low = feature_vector(net.bfloat16(), observable, path, prompts=prompts, mlp_point="mid")
    assert low.vector.dtype == "float64"
    assert relative(low.vector, wide.vector) < 0.05


def test_a_model_is_checked_once_for_its_weights(monkeypatch):
    from cutaway.observables import opened

    net, runs = fresh("llama"), []
    real = opened._run
    monkeypatch.setattr(opened, "_run", lambda *given: runs.append(1) or real(*given))
    components_of(net)
    components_of(ct.load_model(net))
    assert len(runs) == 1
    with torch.no_grad():
        net.lm_head.weight += 1.0
    components_of(net)
    assert len(runs) == 2


def refused(net):
    with pytest.raises(ct.UnsupportedModel) as caught_error:
        components_of(net)
    assert "\n" not in str(caught_error.value)
    return str(caught_error.value)


def test_an_unknown_norm_is_named(monkeypatch):
    net = fresh("llama")
    norm = net.model.layers[1].input_layernorm
    real = norm.forward
    monkeypatch.setattr(norm, "forward", lambda x: real(x) * (1 + norm.weight) / norm.weight)
    message = refused(net)
    assert "model part model.layers.1.input_layernorm must be the norm of its gain and" in message


def test_an_unknown_value_map_is_named(monkeypatch):
    net = fresh("gpt_neo")
    part = net.transformer.h[2].attn.attention.v_proj
    real = part.forward
    monkeypatch.setattr(part, "forward", lambda x: 1.01 * real(x))
    message = refused(net)
    assert "model part transformer.h.2.attn must be the sum of its weights' maps, got" in message


def test_another_grouping_of_values_is_named(monkeypatch):
    net = fresh("llama")
    part = net.model.layers[0].self_attn.o_proj
    real = part.forward
    monkeypatch.setattr(part, "forward", lambda x: real(x.roll(12, -1)))
    assert "model part model.layers.0.self_attn must be the sum" in refused(net)


def test_a_norm_after_a_part_is_named(monkeypatch):
    net = made("gemma2")
    norm = net.model.layers[1].post_feedforward_layernorm
    real = norm.forward
    monkeypatch.setattr(norm, "forward", lambda x: 2 * real(x))
    message = refused(net)
    assert "model part model.layers.1.post_feedforward_layernorm must be the norm of its" in message


def test_the_tangent_of_a_logit_cap_touches_at_the_positive_prompt():
    net = made("gemma2")
    observable, prompts = Observable.from_tokens(net, [3], [50]), ([1, 2, 3], [1, 9, 3])
    for norm in ("frozen", "exact"):
        found = feature_vector(net, observable, "", norm=norm, prompts=prompts)
        cap, _final = found.points
        assert (cap["node"], cap["site"], cap["position"]) == ("logit cap", "lm_head", 2)
        assert abs(cap["error_positive"]) < 1e-12
        assert abs(cap["error_negative"]) > 1e-3
        kept = {}
        handle = net.model.norm.register_forward_pre_hook(
            lambda _module, given, kept=kept: kept.update(final=given[0][0, -1])
        )
        with torch.no_grad():
            output = net(torch.tensor(prompts[:1]))
        handle.remove()
        reading = float(kept["final"] @ torch.tensor(found.vector)) + found.affine
        measure = float(output.logits[0, -1] @ torch.tensor(observable.vector))
        assert reading == pytest.approx(measure, rel=1e-5)
    plain = feature_vector(net, observable, "")  # without prompts: on the logits before the cap
    assert plain.points == []
    rows = net.lm_head.weight.detach()
    assert relative(plain.vector, rows[3] - rows[50]) < 1e-12


def test_norms_after_a_part_are_points_of_their_own():
    net = made("gemma2")
    observable = Observable.from_tokens(net, [3], [50])
    found = feature_vector(
        net, observable, "L0H1@1 > M1", norm="exact", mlp_point="pos",
        prompts=([1, 2, 3], [1, 9, 3]),
    )  # fmt: skip
    assert [(one["node"], one["position"]) for one in found.points] == [
        ("logit cap", 2), ("final norm", 2), ("norm after MLP 1", 2), ("M1", 2), ("M1", 2),
        ("norm after heads 0", 2), ("L0H1@1", 1),
    ]  # fmt: skip


def test_a_capped_logit_is_named(monkeypatch):
    net = fresh("llama")
    real = net.lm_head.forward
    monkeypatch.setattr(net.lm_head, "forward", lambda x: 5 * torch.tanh(real(x) / 5))
    assert "model part lm_head must give the model's logits" in refused(net)


def test_a_parallel_block_is_named(monkeypatch):
    net = fresh("llama")
    layer = net.model.layers[1]

    def parallel(x, **given):
        attended, _ = layer.self_attn(hidden_states=layer.input_layernorm(x), **given)
        return x + attended + layer.mlp(layer.post_attention_layernorm(x))

    monkeypatch.setattr(layer, "forward", parallel)
    message = refused(net)
    assert "model part model.layers.1.post_attention_layernorm must read the sum of" in message


def test_an_added_part_is_named(monkeypatch):
    net = fresh("gpt_neo")
    part = net.transformer.h[2].mlp
    real = part.forward
    monkeypatch.setattr(part, "forward", lambda x: real(x) + 1)
    assert "model part transformer.h.2.mlp must be the sum of its weights" in refused(net)


def test_other_families_and_encoders_are_refused():
    config = transformers.BertConfig(
        vocab_size=30, hidden_size=12, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=8,
    )  # fmt: skip
    message = refused(transformers.BertModel(config))
    assert message.startswith("model must be a causal language model of one of gpt2, gpt_neo, gptj")
    assert "got 'bert', an encoder or a model without head; give a decoder" in message
    assert "got 'Linear'" in refused(nn.Linear(2, 2))


@pytest.mark.parametrize(
    ("config", "model", "got"),
    [
        ("MambaConfig", "MambaForCausalLM", "'mamba' with state-space or recurrent layers, which"),
        ("JambaConfig", "JambaForCausalLM", "'jamba' with state-space or recurrent layers, which"),
        ("MixtralConfig", "MixtralForCausalLM", "'mixtral' with a mixture of experts, whose rout"),
        ("T5Config", "T5ForConditionalGeneration", "'t5', an encoder-decoder; give a decoder of"),
        ("OPTConfig", "OPTForCausalLM", "'opt'; give a decoder of these families"),
    ],
)
def test_what_is_in_the_way_is_said(config, model, got):
    class Stub(nn.Module):  # the configuration is all that is read
        pass

    Stub.__name__ = model
    net = Stub()
    net.config = getattr(transformers, config)()
    assert f"got {got}" in refused(net)


def test_a_missing_part_is_named():
    bare = fresh("gpt_neo").transformer
    assert "model part transformer.h must exist in GPTNeoModel, got none" in refused(bare)


def test_a_weight_that_is_no_number_is_named():
    net = fresh("llama")
    linear = net.model.layers[0].mlp.up_proj
    linear.weight = nn.Parameter(linear.weight.to(torch.int8), requires_grad=False)
    message = refused(net)
    assert "model part model.layers.0.mlp.up_proj must have a floating-point weight, got" in message


def test_a_norm_of_another_class_is_named():
    net = fresh("llama")
    net.model.norm = nn.BatchNorm1d(48).double()
    net.model.norm.eps = None
    assert "model part model.norm must be a LayerNorm or an RMSNorm, got BatchNorm1d" in refused(
        net
    )


def test_heads_of_uneven_width_are_named():
    net = fresh("llama")
    net.config.num_attention_heads = 5
    assert "model part model.layers.0.self_attn must hold 5 heads of one width" in refused(net)


def test_parallel_blocks_have_no_path_from_heads_to_their_mlp():
    net = made("gpt_neox")
    observable = Observable.from_tokens(net, [3], [50])
    with pytest.raises(ValueError, match="path must not go from L0H1 to M0 in a gpt_neox, got"):
        feature_vector(net, observable, "L0H1 > M0", prompts=([1, 2], [1, 3]))
    assert feature_vector(net, observable, "M0 > L1H1", prompts=([1, 2], [1, 3]), mlp_point="mid")


@pytest.mark.parametrize("family", ["gptj", "gpt_neox", "gpt_neox, sequential"])
def test_a_first_order_path_sum_moves_the_real_logits(family):
    """All paths from the input of the last layer at one position: the model's own gradient."""
    net = made(family)
    observable = Observable.from_tokens(net, [3], [50])
    prompts = [[7], [12]]  # one token: every attention weight is 1
    nodes = ["", *(f"L1H{head}" for head in range(3)), "M1"]
    if family not in PARALLEL:
        nodes += [f"L1H{head} > M1" for head in range(3)]
    total = sum(
        feature_vector(net, observable, path, norm="exact", mlp_point="pos", prompts=prompts).vector
        for path in nodes
    )
    layers = net.transformer.h if family == "gptj" else net.gpt_neox.layers
    kept = []
    handle = layers[1].register_forward_pre_hook(
        lambda _module, arguments: kept.append(arguments[0]) or arguments[0].retain_grad()
    )
    logits = net(torch.tensor(prompts[:1])).logits[0, -1]
    handle.remove()
    (logits @ torch.tensor(observable.vector)).backward()
    assert relative(total, kept[0].grad[0, 0]) < 1e-10


def test_the_head_of_gpt_neox_may_have_its_older_name():
    net = made("gpt_neox")
    head = net.lm_head
    net.embed_out = head
    assert components_of(net).head_site == "embed_out"

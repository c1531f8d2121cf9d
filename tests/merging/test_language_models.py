"""MLPs of causal language models, which are found without a trace of the whole."""

import pytest
import torch
import transformers
from kinds import Net, plant
from torch import nn

from cutaway.merging import feature_groups, merge_features
from cutaway.model import UnsupportedModel, load_model
from cutaway.model.model import as_model

LLAMA = {
    "vocab_size": 40, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64,
}  # fmt: skip
GPT = {"vocab_size": 40, "n_positions": 64, "n_embd": 16, "n_layer": 2, "n_head": 2}
# Config, prefix of a layer, its MLP, the layers that make its features, the one that reads them.
LLAMA_LIKE = ("model.layers", "mlp", ("gate_proj", "up_proj"), "down_proj")
FAMILIES = {
    "gpt2": (lambda: transformers.GPT2Config(**GPT), "transformer.h", "mlp", ("c_fc",), "c_proj"),
    "gpt_neox": (
        lambda: transformers.GPTNeoXConfig(**LLAMA, rotary_pct=0.5),
        "gpt_neox.layers", "mlp", ("dense_h_to_4h",), "dense_4h_to_h",
    ),
    "llama": (lambda: transformers.LlamaConfig(**LLAMA, mlp_bias=True), *LLAMA_LIKE),
    "mistral": (lambda: transformers.MistralConfig(**LLAMA), *LLAMA_LIKE),
    "qwen2": (lambda: transformers.Qwen2Config(**LLAMA, tie_word_embeddings=True), *LLAMA_LIKE),
    "qwen3": (lambda: transformers.Qwen3Config(**LLAMA, head_dim=4), *LLAMA_LIKE),
}  # fmt: skip
TOKENS = torch.randint(0, 40, (2, 24), generator=torch.manual_seed(1))


def model_of(family):
    """A language model with random weights of a size at which its parts matter."""
    torch.manual_seed(0)
    config = FAMILIES[family][0]()
    config._attn_implementation = "eager"
    net = transformers.AutoModelForCausalLM.from_config(config).double().eval()
    with torch.no_grad():
        for tensor in net.parameters():
            if tensor.ndim > 1:
                tensor.mul_(10)
    return net


@pytest.mark.parametrize("family", FAMILIES)
def test_mlps_are_found_and_all_other_weights_are_listed(family):
    net = model_of(family)
    before = as_model(net).digest
    found = feature_groups(net, TOKENS)
    _, layers, mlp, makers, reader = FAMILIES[family]
    wide = 64 if family == "gpt2" else 24
    for place, one in enumerate(found.groups):
        path = f"{layers}.{place}.{mlp}"
        assert (one["name"], one["size"]) == (f"{path}.{makers[0]}", wide)
        assert [each["path"] for each in one["producers"]] == [f"{path}.{m}" for m in makers]
        assert one["consumers"] == [{"path": f"{path}.{reader}", "block": 1, "start": 0}]
        assert one["rules"] == ["exact", "ward"]
    assert len(found.groups) == 2
    grouped = {f"{one}.weight" for g in found.groups for one in paths(g)}
    listed = {one["name"].removesuffix(".weight") + ".weight" for one in found.refused}
    weights = net.named_parameters(remove_duplicate=False)
    matrices = {name for name, one in weights if one.ndim > 1}
    # The layer that reads a group makes what leaves the MLP, which is refused.
    readers = {each["path"] + ".weight" for g in found.groups for each in g["consumers"]}
    assert listed == (matrices - grouped) | readers
    assert all(one["size"] > 0 and one["reason"] for one in found.refused)
    assert as_model(net).digest == before


def paths(group):
    return [one["path"] for part in ("producers", "consumers") for one in group[part]]


@pytest.mark.parametrize("family", FAMILIES)
def test_planted_copies_merge_without_a_change(family):
    net = model_of(family)
    net = plant(net, feature_groups(net, TOKENS).groups, 4)
    found = merge_features(net, TOKENS, beta=0.0, rule="exact")
    wide = 64 if family == "gpt2" else 24
    assert list(found.features_left.values()) == [wide - 3] * 2
    _, layers, mlp, _, _ = FAMILIES[family]
    x = torch.randn(3, 5, 16, dtype=torch.float64, generator=torch.manual_seed(2))
    for place in range(2):
        ours, theirs = (one.get_submodule(f"{layers}.{place}.{mlp}") for one in (found.model, net))
        assert type(ours) is type(theirs)
        with torch.no_grad():
            wanted = theirs(x)
            torch.testing.assert_close(ours(x), wanted, rtol=1e-12, atol=1e-12)
        assert wanted.abs().max() > 0.1
    # The norms of most families compute in float32, where a change of 1e-16 may become one of 1e-7.
    exact = 1e-12 if family.startswith("gpt") else 1e-5
    assert found.output_change <= exact * max(found.output_size, 1.0)
    assert found.output_size > 0.1
    assert type(found.model) is type(net)
    assert found.kept_parameters == sum(one.numel() for one in found.model.parameters())
    assert found.model.generate(TOKENS[:1, :4], max_new_tokens=2, do_sample=False).shape == (1, 6)


def test_transposed_weights_come_back_transposed():
    net = model_of("gpt2").float()
    state = {k: v.clone() for k, v in net.state_dict().items()}
    same = merge_features(net, TOKENS, beta=0.0, rule="exact").model
    assert all(torch.equal(v, state[k]) for k, v in same.state_dict().items())
    less = merge_features(net, TOKENS, beta=0.7, rule="exact")
    first, second = less.model.transformer.h[0].mlp.c_fc, less.model.transformer.h[0].mlp.c_proj
    left = less.features_left["transformer.h.0.mlp.c_fc"]
    assert 1 < left < 64
    assert tuple(first.weight.shape) == (16, left) == (first.nx, first.nf)
    assert tuple(second.weight.shape) == (left, 16) == (second.nx, second.nf)
    assert first.weight.is_contiguous()


@pytest.mark.parametrize("family", ["gpt2", "qwen2"])
def test_tied_embeddings_are_left_alone(family):
    net = model_of(family)
    embedding = net.get_input_embeddings().weight
    assert net.lm_head.weight is embedding
    found = feature_groups(net, TOKENS)
    reasons = {one["name"]: one["reason"] for one in found.refused}
    assert reasons["lm_head.weight"] == "lm_head.weight is shared with another module"
    merged = merge_features(net, TOKENS, beta=0.5, rule="exact").model
    assert merged.lm_head.weight is merged.get_input_embeddings().weight
    assert torch.equal(merged.lm_head.weight, embedding)


def test_the_gauge_is_refused_with_the_reason():
    message = r"got model.layers.0.mlp.act_fn \(SiLUActivation\) behind 'model.layers.0.mlp.gate_"
    with pytest.raises(ValueError, match=message):
        merge_features(model_of("llama"), TOKENS, beta=0.1, rule="exact_scale")


def branching(net, x):
    return net.last(net.mlp(x)) if x.sum() > 0 else net.mlp(x)


def twice(net, x):
    if x.sum() > 1e9:
        return x
    return net.mlp(net.mlp(x))


def outside(net, x):
    if x.sum() > 1e9:
        return x
    return net.mlp(x) + net.mlp[0].weight[0]


def mlp():
    return nn.Sequential(nn.Linear(16, 9), nn.ReLU(), nn.Linear(9, 16)).double()


ROWS = torch.rand(4, 16, dtype=torch.float64, generator=torch.manual_seed(3))


def test_a_straight_part_of_a_net_with_a_branch():
    net = plant(Net(branching, mlp=mlp(), last=nn.Linear(16, 2).double()), [], 1)
    found = feature_groups(net, ROWS)
    assert [(one["name"], one["size"]) for one in found.groups] == [("mlp.0", 9)]
    reasons = {one["name"]: one["reason"] for one in found.refused}
    assert reasons["mlp.2"] == "it leaves 'mlp', beyond which torch.fx cannot follow it"
    assert reasons["last.weight"].startswith("it lies in the model (Net), which torch.fx cannot")
    merged = merge_features(plant(net, found.groups, 3), ROWS, beta=0.0, rule="exact_scale")
    assert merged.features_left == {"mlp.0": 7}
    assert merged.output_change <= 1e-13


@pytest.mark.parametrize(
    ("forward", "reason"),
    [(twice, "module 'mlp.0' is used 2 times"), (outside, "so some use of them is not seen")],
)
def test_a_part_that_is_used_otherwise_too_is_refused(forward, reason):
    net = Net(forward, mlp=mlp(), other=mlp())
    net.way = lambda net, x: forward(net, net.other(x)) if x.sum() < 1e9 else x
    found = feature_groups(net, ROWS)
    assert [one["name"] for one in found.groups] == ["other.0"]
    assert reason in {one["name"]: one["reason"] for one in found.refused}["mlp.0"]


def test_a_weight_shared_between_two_mlps_is_refused():
    net = model_of("llama")
    net.model.layers[1].mlp.up_proj.weight = net.model.layers[0].mlp.up_proj.weight
    found = feature_groups(net, TOKENS)
    assert found.groups == []
    reasons = {one["name"]: one["reason"] for one in found.refused}
    shared = "up_proj.weight is shared with another module"
    assert reasons["model.layers.0.mlp.gate_proj"] == shared
    with pytest.raises(UnsupportedModel, match="got none .*up_proj.weight is shared with another"):
        merge_features(net, TOKENS, beta=0.1)


def test_nan_in_a_language_model():
    net = model_of("llama")
    net.model.layers[0].mlp.up_proj.weight.data[0, 0] = torch.nan
    with pytest.raises(
        ValueError, match="weights must be finite, got NaN or infinity in 'model.la"
    ):
        merge_features(net, TOKENS, beta=0.1)


@pytest.mark.parametrize("name", ["gpt-python"])
def test_sample_language_models(name):
    model = load_model(name)
    found = merge_features(model, torch.arange(40).reshape(2, 20), beta=0.0, rule="exact")
    assert list(found.size) == [512, 512, 512]
    assert found.output_change == 0.0

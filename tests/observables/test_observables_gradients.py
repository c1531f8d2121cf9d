"""Exact vectors against autograd: through the real modules, and all paths of a model together."""

import itertools

import numpy as np
import pytest
import torch
from obsprop_oracle import NAMES, PROMPTS, model, observable, relative, residual

from cutaway.observables import Path, components_of, feature_vector, feature_vectors


def only_head(net, layer, head, x):
    """One head at unit attention through the model's own projections."""
    block = (net.transformer.h if hasattr(net, "transformer") else net.model.layers)[layer]
    inside = block.attn.attention if hasattr(block, "attn") else block.self_attn
    value = inside.v_proj(x).view(-1, 12)
    value = value.repeat_interleave(4 // len(value), 0)
    mask = torch.zeros(4, 1, dtype=torch.float64)
    mask[head] = 1
    out = inside.out_proj if hasattr(inside, "out_proj") else inside.o_proj
    return out((value * mask).flatten())


def by_autograd(net, measured, path):
    parts, positions = components_of(net), path.positions(10)

    def gradient(function, x, y):
        at = x.detach().clone().requires_grad_()
        (found,) = torch.autograd.grad(y @ function(at), at)
        return found

    y = torch.tensor(measured.vector) @ net.lm_head.weight.detach()
    final = parts.final_norm.site
    y = gradient(net.get_submodule(final), residual(net, final)[-1], y)
    for node, position in reversed(list(zip(path.nodes, positions, strict=True))):
        layer = parts.layers[node.layer]
        norm = net.get_submodule(
            (layer.mlp_norm if node.head is None else layer.attention_norm).site
        )

        def through(x, node=node, layer=layer, norm=norm):
            normed = norm(x)
            if node.head is None:
                return net.get_submodule(layer.mlp.site)(normed)
            return only_head(net, node.layer, node.head, normed)

        site = (layer.mlp_norm if node.head is None else layer.attention_norm).site
        y = gradient(through, residual(net, site)[position], y)
    return y


PATHS = [
    "L2H1@6", "L1H3@0 > M1@7 > L2H0@7", "M0 > M1 > M2", "L0H2@1 > L1H1@3 > M1@3 > L2H2@3 > M2",
    "L0H0 > M0 > L1H0 > M1 > L2H0 > M2",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("text", PATHS)
def test_exact_paths_are_the_gradient_of_the_real_modules(name, text, monkeypatch):
    net, path = model(name), Path(text)
    if name == "llama":  # Hugging Face's RMSNorm rounds to float32; here the same in float64
        for part in net.modules():
            if type(part).__name__ == "LlamaRMSNorm":
                monkeypatch.setattr(part, "forward", in_float64(part))
    measured = observable(name, "O3")
    found = feature_vector(net, measured, path, norm="exact", mlp_point="pos", prompts=PROMPTS)
    assert relative(found.vector, by_autograd(net, measured, path)) < 1e-10


def in_float64(part):
    eps = part.variance_epsilon
    return lambda x: part.weight * x / (x.pow(2).mean(-1, keepdim=True) + eps).sqrt()


def frozen_forward(net, ids, patterns):
    """GPT-Neo from its own modules with given attention patterns; leaf and logits."""
    body = net.transformer
    leaf = (body.wte(ids) + body.wpe(torch.arange(len(ids)))).detach().requires_grad_()
    x = leaf
    for block, pattern in zip(body.h, patterns, strict=True):
        inside = block.attn.attention
        value = inside.v_proj(block.ln_1(x)).view(len(ids), 4, 12).transpose(0, 1)
        mixed = (pattern[0] @ value).transpose(0, 1).reshape(len(ids), 48)
        x = x + inside.out_proj(mixed)
        x = x + block.mlp(block.ln_2(x))
    return leaf, net.lm_head(body.ln_f(x))


def test_all_paths_add_up_to_the_gradient_of_the_model_with_frozen_attention():
    net, measured = model("gpt_neo"), observable("gpt_neo", "O1")
    ids = torch.tensor([7, 33])
    with torch.no_grad():
        output = net(ids[None], output_attentions=True)
    leaf, logits = frozen_forward(net, ids, output.attentions)
    torch.testing.assert_close(logits, output.logits[0], rtol=1e-12, atol=1e-12)
    (expected,) = torch.autograd.grad(logits[-1] @ torch.tensor(measured.vector), leaf)
    total = np.zeros(48)
    options = [[None, *(f"L{i}H{h}" for h in range(4))] for i in range(3)]
    options = [one for i in range(3) for one in (options[i], [None, f"M{i}"])]
    prompts = ([7, 33], [7, 12])
    paths = [Path(" > ".join(one for one in nodes if one)) for nodes in itertools.product(*options)]
    every = feature_vectors(net, [measured], paths, norm="exact", mlp_point="pos", prompts=prompts)
    for path, found in zip(paths, every, strict=True):
        weight = 1.0
        for node in path.nodes:  # from the last position to itself
            if node.head is not None:
                weight *= float(output.attentions[node.layer][0, node.head, 1, 1])
        total += weight * found.vector
    assert len(paths) == 1000
    assert relative(total, expected[-1]) < 1e-9

"""All paths together are the real model's gradient: by recursion, and one by one."""

import sys

import numpy as np
import pytest
import torch
from obsprop_oracle import NAMES, PROMPTS, fresh, model, observable
from small_models import FAMILIES, made

from cutaway.core import Cancelled
from cutaway.observables import Observable, completeness, components_of, feature_vectors
from cutaway.observables.runs import attending

home = sys.modules["cutaway.observables.completeness"]  # the package has the function
SHORT = ([5, 1], [5, 2])


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_is_complete(family):
    net = made(family)
    prompts = ([5, 1, 60, 17, 3, 44, 8], [5, 2, 60, 17, 3, 44, 8])
    found = completeness(net, Observable.from_tokens(net, [3], [50]), prompts)
    assert found.error < 1e-12
    assert found.gradient.shape == (7, 24)
    assert np.abs(found.gradient[:-1]).max() > 0  # earlier positions count, through attention


@pytest.mark.parametrize("name", NAMES)
def test_the_oracle_models_are_complete(name):
    found = completeness(model(name), observable(name, "O3"), PROMPTS)
    assert found.error < 1e-9
    assert found.n_paths == 1000
    assert "\n" not in repr(found)
    assert repr(found).startswith("Completeness((3 + 9 + 27) - (60 + 61 + 62): 1e+03 paths add")


def routes(layers, position, last):
    """Every path that ends at the logits and begins at a position: nodes with positions."""
    if not layers:
        return [()] if position == last else []
    part, rest = layers[0], layers[1:]
    place = part[0]
    found = list(routes(rest, position, last))  # past the layer
    for head in range(part[1]):
        for written in range(position, last + 1):
            node = (f"L{place}H{head}@{position}", (place, head, written, position))
            tails = routes(rest, written, last)
            found += [(node, *tail) for tail in tails]
            if not part[2]:
                mlp = (f"M{place}@{written}", None)
                found += [(node, mlp, *tail) for tail in tails]
    mlp = (f"M{place}@{position}", None)
    return found + [(mlp, *tail) for tail in routes(rest, position, last)]


@pytest.mark.parametrize("family", ["gpt2", "llama", "gemma2", "phi"])
def test_one_by_one_they_add_up_too(family):
    net = made(family)
    measured = Observable.from_tokens(net, [3], [50])
    parts = components_of(net)
    found = completeness(net, measured, SHORT)
    with torch.no_grad(), attending(net):
        patterns = net(torch.tensor(SHORT[:1]), output_attentions=True).attentions
    layers = [(i, len(one.heads), one.parallel) for i, one in enumerate(parts.layers)]
    assert len(routes(layers, 1, 1)) == found.n_paths
    for position in (0, 1):
        every = routes(layers, position, 1)
        texts = [" > ".join(name for name, _edge in path) for path in every]
        vectors = feature_vectors(
            net, [measured], texts, norm="exact", mlp_point="pos", prompts=SHORT
        )
        total = np.zeros(24)
        for path, one in zip(every, vectors, strict=True):
            weight = 1.0
            for _name, edge in path:
                if edge is not None:
                    layer, head, written, read = edge
                    weight *= float(patterns[layer][0, head, written, read])
            total += weight * one.vector
        # Hugging Face's norms and patterns are float32 in some families
        assert np.abs(total - found.gradient[position]).max() < 2e-6 * np.abs(found.gradient).max()


def test_a_moving_pattern_is_told(monkeypatch):
    monkeypatch.setattr(home, "_still", lambda _values: lambda *_given: None)
    assert completeness(model("gpt_neo"), observable("gpt_neo", "O1"), PROMPTS).error > 1e-3


def test_a_missing_edge_is_told(monkeypatch):
    real = home._through_heads
    monkeypatch.setattr(home, "_through_heads", lambda layer, y, seen: 0.99 * real(layer, y, seen))
    assert completeness(model("gpt_neo"), observable("gpt_neo", "O1"), PROMPTS).error > 1e-4


def test_the_model_is_left_as_it_was():
    net = fresh("gpt_neo").train()
    config = net.config._attn_implementation
    told = []
    found = completeness(
        net, observable("gpt_neo", "O2"), PROMPTS, tick=lambda part, _message: told.append(part)
    )
    assert told == sorted(told)
    assert told[-1] == 1.0
    assert found.rows.axis == "position"
    assert all(one.training for one in net.modules())
    assert net.config._attn_implementation == config
    assert not any(one._forward_hooks or one._forward_pre_hooks for one in net.modules())
    assert all(one.grad is None and one.requires_grad for one in net.parameters())

    def stop(_fraction, _message):
        raise Cancelled

    with pytest.raises(Cancelled):
        completeness(net, observable("gpt_neo", "O2"), PROMPTS, tick=stop)


def test_prompts_of_different_length_are_refused():
    with pytest.raises(ValueError, match="the same number of tokens, got 2 and 1"):
        completeness(model("llama"), observable("llama", "O1"), ([1, 2], [1]))

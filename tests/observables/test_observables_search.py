"""Search for paths: every path by enumeration, all of them together, and the beam among them."""

import itertools

import numpy as np
import pytest
import torch
from obsprop_oracle import PROMPTS, fresh, model, observable, oracle, relative
from small_models import PARALLEL, made

import cutaway as ct
from cutaway.core import Cancelled
from cutaway.observables import (
    Observable,
    Paths,
    completeness,
    components_of,
    feature_vectors,
    search_paths,
)
from cutaway.observables.runs import attending

PAIRS = [([5, 1, 9], [5, 2, 9]), ([7, 33, 12], [7, 12, 13])]
ALL = 10**6


def caught(net, pair):
    """Inputs and outputs of all modules on both prompts, and the positive prompt's patterns."""
    seen = {}
    handles = [
        part.register_forward_hook(
            lambda _module, given, out, name=name: seen.update({name: (given, out)})
        )
        for name, part in net.named_modules()
    ]
    with torch.no_grad(), attending(net):
        patterns = net(torch.tensor(pair), output_attentions=True).attentions
    for handle in handles:
        handle.remove()
    return seen, [one[0] for one in patterns]


def order(parts, layer, head):
    return 2 * layer + (head is None and not parts.layers[layer].parallel)


def extensions(parts, tail, last):
    """Every node that may come before a path: (layer, head or None, position)."""
    written = tail[0][2] if tail else last
    for layer, part in enumerate(parts.layers):
        for head in [None, *range(len(part.heads))]:
            if tail and order(parts, layer, head) >= order(parts, *tail[0][:2]):
                continue
            for position in range(written + 1) if head is not None else [written]:
                yield (layer, head, position)


def text(tail):
    return " > ".join(
        f"M{layer}@{at}" if head is None else f"L{layer}H{head}@{at}" for layer, head, at in tail
    )


def before_post(net, parts, seen, *, node, y, written):
    """y on what the node's attention or MLP gives: by autograd through the real post-norm."""
    layer = parts.layers[node[0]]
    norm = layer.norm_after(node[1])
    if norm is None:
        return y
    at = seen[norm.site][0][0][0, written].detach().clone().requires_grad_()
    (found,) = torch.autograd.grad(net.get_submodule(norm.site)(at) @ y, at)
    return found


def enumerated(net, measured, pair, max_length):
    """Score of every path on one pair, by vectors made one path at a time."""
    parts, last = components_of(net), len(pair[0]) - 1
    seen, patterns = caught(net, pair)
    embedding = seen[parts.layers[0].attention_norm.site][0][0]
    scores, tails = {}, [()]
    for length in range(max_length + 1):
        vectors = feature_vectors(
            net, [measured], [text(one) for one in tails], norm="exact", mlp_point="pos",
            prompts=pair,
        )  # fmt: skip
        longer = []
        for tail, one in zip(tails, vectors, strict=True):
            weight, written = 1.0, [*(at for *_node, at in tail[1:]), last]
            for (layer, head, at), where in zip(tail, written, strict=False):
                weight *= 1.0 if head is None else float(patterns[layer][head, where, at])
            y = weight * torch.tensor(one.vector)
            place = tail[0][2] if tail else last
            name = f"embedding > {text(tail)}".removesuffix(" > ")
            scores[name] = float(y @ (embedding[0, place] - embedding[1, place]))
            for node in extensions(parts, tail, last) if length < max_length else ():
                layer, head, at = node
                part = parts.layers[layer]
                given = before_post(net, parts, seen, node=node, y=y, written=place)
                if head is None:
                    out = seen[part.mlp.site][1]
                    score = float(given @ (out[0, place] - out[1, place]))
                else:
                    normed = seen[part.attention_norm.site][1]
                    out = part.heads.write(normed[0, at] - normed[1, at], head)
                    out = out - part.heads.write(torch.zeros_like(normed[0, at]), head)
                    score = float(patterns[layer][head, place, at] * (given @ out))
                longer.append((node, *tail))
                scores[text(longer[-1])] = score
        tails = longer
    return scores


@pytest.mark.parametrize("family", ["gpt2", "llama", "gemma2", "phi"])
def test_every_path_has_the_score_of_its_own_vector(family):
    net = made(family)
    measured = Observable.from_tokens(net, [3], [50])
    found = search_paths(net, measured, PAIRS, max_length=2, beam=ALL, merge_cosine=1.0)
    loops = [enumerated(net, measured, pair, 2) for pair in PAIRS]
    scale = max(abs(one) for loop in loops for one in loop.values())
    ours = dict(zip(found.rows, found.pairs, strict=True))
    for name in loops[0]:
        expected = np.array([loop[name] for loop in loops])
        got = ours.pop(name, np.zeros(2))  # paths that carry nothing have no row
        assert np.abs(got - expected).max() < 3e-6 * scale, name
    assert ours == {}
    parallel = family in PARALLEL
    assert ("L1H0@2 > M1@2" in found.path) != parallel  # heads before the MLP of their layer
    assert {"M1@2", "L1H0@1", "M0@2 > L1H0@2", "M0@2 > M1@2"} <= set(found.path)
    assert "embedding" in found.rows
    assert found.to_frame()["score"].abs().is_monotonic_decreasing


@pytest.mark.parametrize("family", ["gpt2", "phi"])
def test_all_paths_from_the_embedding_are_the_gradient_of_the_model(family):
    net = made(family)
    measured = Observable.from_tokens(net, [3], [50])
    pair = ([5, 1], [5, 2])
    found = search_paths(net, measured, pair, max_length=4, beam=ALL, merge_cosine=1.0)
    seen, _patterns = caught(net, pair)
    entered = seen[components_of(net).layers[0].attention_norm.site][0][0].numpy()
    gradient = completeness(net, measured, pair).gradient
    expected = (gradient * (entered[0] - entered[1])).sum()
    assert found.score[found.embedding].sum() == pytest.approx(expected, rel=1e-9)


def test_first_steps_are_those_of_the_authors():
    net, measured = model("gpt_neo"), observable("gpt_neo", "O1")
    found = search_paths(net, measured, PROMPTS, max_length=1, beam=ALL, sign="positive")
    ours = dict(zip(found.rows, found.score, strict=True))
    theirs = oracle("gpt_neo")["authors_code_float32"]["O1"]["patch_get_max_paths_len1"]
    assert len(theirs) == 8
    for entry in theirs:
        (kind, layer, *rest) = entry["path_in_to_out"][0]
        name = f"M{layer}@9" if kind == "mlp" else f"L{layer}H{rest[0]}@{rest[1]}"
        name = f"L{layer}H{rest[1]}@{rest[0]}" if name not in ours else name
        assert ours[name] == pytest.approx(entry["contrib"], rel=1e-4)


def test_a_narrow_beam_keeps_the_best_of_each_length():
    net, measured = model("llama"), observable("llama", "O2")
    every = search_paths(net, measured, PROMPTS, max_length=2, beam=ALL, merge_cosine=1.0)
    wide = dict(zip(every.rows, every.score, strict=True))
    for sign, key in (("both", abs), ("positive", float), ("negative", lambda one: -one)):
        narrow = search_paths(
            net, measured, PROMPTS, max_length=2, beam=4, sign=sign, merge_cosine=1.0
        )
        assert all(
            score == pytest.approx(wide[name], rel=1e-9)
            for name, score in zip(narrow.rows, narrow.score, strict=True)
        )
        parts = narrow.to_frame()[~narrow.embedding]
        first = sorted((n for n in wide if "@" in n and ">" not in n), key=lambda n: -key(wide[n]))
        assert set(parts.index[parts["length"] == 1]) == set(first[:4])
        second = [
            name
            for name in wide
            if name.count(">") == 1 and not name.startswith("embedding")
            and name.split(" > ")[1] in first[:4]
        ]  # fmt: skip
        best = sorted(second, key=lambda name: -key(wide[name]))[:4]
        assert set(parts.index[parts["length"] == 2]) == set(best)


def test_paths_that_converge_are_merged():
    net = made("llama")
    outputs = net.model.layers[1].self_attn.o_proj.weight
    with torch.no_grad():
        outputs[:, 8:12] = 2 * outputs[:, 4:8]  # of one group: vectors of one direction
    measured = Observable.from_tokens(net, [3], [50])
    found = search_paths(net, measured, PAIRS, max_length=2, beam=200)
    frame = found.to_frame()
    for position in (1, 2):
        pair = frame.loc[[f"L1H1@{position}", f"L1H2@{position}"]]
        strong = pair["score"].abs().idxmax()
        weak = next(name for name in pair.index if name != strong)
        assert pair.loc[strong, "merged_into"] == ""
        assert pair.loc[weak, "merged_into"] == strong
        assert not any(name.endswith(f"> {weak}") for name in frame.index)
        assert any(name.endswith(f"> {strong}") for name in frame.index)
    apart = search_paths(net, measured, PAIRS, max_length=1, beam=200, merge_cosine=1.0)
    assert {"L1H1@1", "L1H2@1"} <= set(apart.rows)


def test_patched_carries_the_change_through_the_real_modules():
    net, measured = model("gpt_neo"), observable("gpt_neo", "O1")
    parts = components_of(net)
    found = search_paths(net, measured, PROMPTS, max_length=3, beam=6)
    seen, patterns = caught(net, PROMPTS)
    final = seen["transformer.ln_f"][0][0][0, -1]

    def measure(x):
        with torch.no_grad():
            return float(net.lm_head(net.transformer.ln_f(x)) @ torch.tensor(measured.vector))

    # GPT-Neo computes its patterns in float32
    for row, (name, text_) in enumerate(zip(found.rows, found.path, strict=True)):
        nodes = [word for word in text_.split(" > ") if word]
        positions = [int(word.split("@")[1]) for word in nodes]
        entered = seen["transformer.h.0.ln_1"][0][0]
        at = positions[0] if nodes else 9
        change = entered[0, at] - entered[1, at] if name.startswith("embedding") else None
        for word, read, written in zip(nodes, positions, [*positions[1:], 9], strict=False):
            layer = int(word[1 : word.index("H")] if "H" in word else word[1 : word.index("@")])
            block = net.transformer.h[layer]
            norm = block.ln_1 if "H" in word else block.ln_2
            streams = seen[parts.layers[layer].norm_before(0 if "H" in word else None).site][0][0]
            clean = streams[0, read]
            other = streams[1, read] if change is None else clean - change
            with torch.no_grad():
                if "H" in word:
                    head = int(word[word.index("H") + 1 : word.index("@")])
                    write = parts.layers[layer].heads.write
                    moved = write(norm(clean), head) - write(norm(other), head)
                    change = patterns[layer][head, written, read] * moved
                else:
                    change = block.mlp(norm(clean)) - block.mlp(norm(other))
        assert found.patched[row] == pytest.approx(
            measure(final) - measure(final - change), abs=1e-5
        ), name
    assert relative(found.patched, found.score) > 0.01  # first order is not the whole


def test_intervals_and_the_result(tmp_path):
    net = made("gpt2")
    measured = Observable.from_tokens(net, [3], [50])
    found = ct.search_paths(net, measured, PAIRS, max_length=2, beam=5)
    assert (found.low <= found.score).all()
    assert (found.score <= found.high).all()
    assert found.pairs.shape == (len(found.rows), 2)
    found.save(tmp_path / "paths.zip")
    loaded = Paths.load(tmp_path / "paths.zip")
    assert loaded.digest == found.digest
    assert loaded.path == found.path
    one = search_paths(net, measured, PAIRS[0], max_length=1, beam=5)
    assert np.isnan(one.low).all()
    columns = ["length", "embedding", "score", "low", "high", "patched", "merged_into"]
    assert list(one.to_frame().columns) == columns
    with torch.no_grad():
        logits = net(torch.tensor(list(itertools.chain(*PAIRS)))).logits[:, -1].numpy()
    assert found.gap == pytest.approx((measured.measure(logits) * [1, -1, 1, -1]).sum() / 2)


def test_it_tells_how_far_it_is_and_can_be_stopped():
    net, told = fresh("gpt_neo"), []
    measured = observable("gpt_neo", "O1")
    search_paths(net, measured, PROMPTS, beam=3, tick=lambda part, _message: told.append(part))
    assert told == sorted(told)
    assert told[-1] == 1.0

    def stop(fraction, _message):
        if fraction > 0.2:
            raise Cancelled

    with pytest.raises(Cancelled):
        search_paths(net, measured, PROMPTS, tick=stop)
    assert not any(one._forward_hooks or one._forward_pre_hooks for one in net.modules())


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"prompts": [*PAIRS, ([1, 2], [1, 3])]}, ValueError, "one number of tokens, got 2"),
        ({"prompts": ([1, 2], [1])}, ValueError, "the same number of tokens, got 2 and 1"),
        ({"max_length": 0}, ValueError, "max_length must be 1 or more, got 0"),
        ({"beam": 2.5}, TypeError, "beam must be a whole number, got 2.5"),
        ({"sign": "plus"}, ValueError, "sign must be one of 'both', 'positive', 'negative'"),
        ({"merge_cosine": 1.5}, ValueError, "merge_cosine must lie in 0.0..1.0, got 1.5"),
    ],
)  # fmt: skip
def test_bad_input_is_one_clear_line(change, error, message):
    given = {"prompts": PROMPTS} | change
    with pytest.raises(error, match=message) as caught_error:
        search_paths(model("llama"), observable("llama", "O1"), **given)
    assert "\n" not in str(caught_error.value)

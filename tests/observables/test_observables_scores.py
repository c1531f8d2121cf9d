"""Scores of texts: a slow version, sinks, windows, what a token is, and refusals."""

import numpy as np
import pytest
import torch
from obsprop_oracle import NAMES, PROMPTS, fresh, model, observable, residual

import cutaway as ct
from cutaway.core import Cancelled
from cutaway.observables import TokenScores, components_of, feature_vector, score_texts
from cutaway.observables.texts import batched, sinks_of

TEXTS = ("The nurse said that she was late .", "The doctor left .", "Mary is a pilot")


@pytest.fixture(scope="module")
def net():
    return ct.load_model("gpt-occupations")


@pytest.fixture(scope="module")
def she(net):
    return feature_vector(net, ct.Observable.from_tokens(net, ["she"], ["he"]), "L1H1")


@pytest.mark.parametrize("name", NAMES)
def test_scores_are_dot_products_with_the_stream(name):
    texts = [PROMPTS[0], PROMPTS[1][:4], PROMPTS[0][2:9], PROMPTS[1]]
    for path in ("L0H1", "L1H2", "M2@9", ""):
        vector = feature_vector(
            model(name), observable(name, "O1"), path, norm="frozen", prompts=PROMPTS,
            mlp_point="pos",
        )  # fmt: skip
        for read in ("stream", "normed"):
            found = score_texts(model(name), vector, texts, read=read)
            for place, ids in enumerate(texts):
                stream = alone(name, vector.site, ids, read)
                y = vector.vector if read == "stream" else vector.vector_post
                np.testing.assert_allclose(
                    found.score[found.text == place], stream @ y, rtol=1e-6, atol=1e-6
                )
    assert found.position.tolist() == [at for ids in texts for at in range(len(ids))]
    assert found.token[:2] == [f" {PROMPTS[0][0]}", f" {PROMPTS[0][1]}"]
    pair = (vector.site, vector.vector)
    np.testing.assert_array_equal(
        score_texts(model(name), pair, texts).score, score_texts(model(name), vector, texts).score
    )


def alone(name, site, ids, read):
    """Stream of one text by a hook of our own."""
    seen = []
    handle = (
        model(name)
        .get_submodule(site)
        .register_forward_hook(
            lambda _module, inputs, out: seen.append(inputs[0] if read == "stream" else out)
        )
    )
    with torch.no_grad():
        model(name)(torch.tensor([ids]), use_cache=False)
    handle.remove()
    return seen[0][0].double().numpy()


def test_at_the_base_point_the_exact_vector_reads_nothing():
    """A norm does not change with the length of its input; see `norms.pull_back`."""
    name = "llama"
    vector = feature_vector(
        model(name), observable(name, "O1"), "L2H1", norm="exact", prompts=PROMPTS
    )
    last = score_texts(model(name), vector, [PROMPTS[0]]).score[-1]
    stream = residual(model(name), vector.site)[-1].numpy()
    assert abs(last) < 1e-4 * np.linalg.norm(stream) * np.linalg.norm(vector.vector)


def test_tokens_of_a_text_are_the_text(net, she):
    found = score_texts(net, she, TEXTS)
    for place, text in enumerate(TEXTS):
        pieces = [one for one, where in zip(found.token, found.text, strict=True) if where == place]
        assert "".join(pieces) == text
    assert found.rows.ids[:2].tolist() == ["0:0", "0:1"]
    frame = found.to_frame()
    assert list(frame.columns) == ["text", "position", "token", "score", "sink"]
    assert repr(found) == (
        "TokenScores(she - he through L1H1 at transformer.h.1.ln_1; 16 tokens of 3 texts, 3 sinks)"
    )


def test_top_and_bottom_are_the_ends_without_sinks(net, she):
    found = score_texts(net, she, TEXTS)
    order = np.argsort(found.score[~found.sink])
    top, bottom = found.top(3), found.bottom(100, window=1)
    np.testing.assert_array_equal(top["score"], found.score[~found.sink][order[::-1][:3]])
    assert len(bottom) == (~found.sink).sum()
    assert bottom["score"].is_monotonic_increasing
    row = bottom[bottom["token"] == " doctor"].iloc[0]
    assert row["window"] == "The⟦ doctor⟧ left"
    assert (row["text"], row["position"]) == (1, 1)


def test_sinks_are_marked_or_dropped_and_never_in_the_mean(net, she):
    marked, dropped = (score_texts(net, she, TEXTS, sinks=one) for one in ("mark", "drop"))
    np.testing.assert_array_equal(marked.sink, marked.position == 0)
    np.testing.assert_array_equal(dropped.score, marked.score[~marked.sink])
    assert not dropped.sink.any()
    for place in range(3):
        chosen = (marked.text == place) & ~marked.sink
        expected = marked.score[chosen].mean()
        assert marked.text_score[place] == pytest.approx(expected, rel=1e-12)
        assert dropped.text_score[place] == marked.text_score[place]
    assert np.isnan(score_texts(net, she, ["The"]).text_score).all()
    assert sinks_of(np.array([1.0, 2, 2, 21, 2])).tolist() == [True, False, False, True, False]
    assert sinks_of(np.array([9.0])).tolist() == [True]


def test_a_text_reads_the_same_in_any_company(net, she):
    many = score_texts(net, she, [*TEXTS, *TEXTS[::-1]])
    for place, text in enumerate([*TEXTS, *TEXTS[::-1]]):
        one = score_texts(net, she, [text])
        # float32 sums of a batch are ordered otherwise
        np.testing.assert_allclose(many.score[many.text == place], one.score, rtol=1e-4, atol=1e-5)


def test_batches_hold_every_text_once():
    lengths = np.random.default_rng(0).integers(1, 700, 50).tolist()
    groups = list(batched(lengths))
    assert sorted(place for group in groups for place in group) == list(range(50))
    for group in groups:
        assert len(group) == 1 or len(group) * max(lengths[place] for place in group) <= 512


def test_saves_and_loads(net, she, tmp_path):
    found = score_texts(net, she, TEXTS)
    found.save(tmp_path / "scores.zip")
    assert TokenScores.load(tmp_path / "scores.zip").digest == found.digest
    assert score_texts(net, she, TEXTS).digest == found.digest


def test_stops_after_the_site_and_leaves_no_hook():
    net = fresh("llama")
    ran = []
    net.model.layers[2].register_forward_hook(lambda *_: ran.append(2))
    vector = feature_vector(net, observable("llama", "O1"), "L1H0")
    ran.clear()
    hooks = sum(len(one._forward_hooks) for one in net.modules())
    score_texts(net, vector, PROMPTS)
    assert ran == []
    calls = []

    def stop(fraction, _message):
        calls.append(fraction)
        if len(calls) == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        score_texts(net, vector, PROMPTS, tick=stop)
    assert sum(len(one._forward_hooks) for one in net.modules()) == hooks


class TestObserve:
    def test_is_a_vector_and_its_scores(self, net):
        data = ct.load_data(list(TEXTS), ids=["a", "b", "c"])
        found = ct.observe_texts(net, data, ["c", "a"], plus="she, nanny", minus="he", path="L0H2")
        observable = ct.Observable.from_tokens(net, ["she", "nanny"], ["he"])
        vector = feature_vector(net, observable, "L0H2")
        plain = score_texts(net, vector, [TEXTS[2], TEXTS[0]])
        np.testing.assert_array_equal(found.score, plain.score)
        assert found.text_ids.tolist() == ["c", "a"]
        assert found.rows.ids[:2].tolist() == ["c:0", "c:1"]
        assert found.origin.rows == data.take([2, 0]).index.digest

    def test_without_a_path_takes_the_longest_head(self, net):
        data = ct.load_data(list(TEXTS))
        found = ct.observe_texts(net, data, plus="she", minus="he")
        parts, she = components_of(net), ct.Observable.from_tokens(net, ["she"], ["he"])
        lengths = {}
        for layer in range(2):
            for head in range(4):
                one = feature_vector(
                    net, she, f"L{layer}H{head}", prompts=PAIR, final_norm="frozen"
                )
                gain = parts.layers[layer].attention_norm.gain.numpy()
                lengths[f"L{layer}H{head}"] = np.linalg.norm(gain * one.vector_post)
        assert found.vector == f"she - he through {max(lengths, key=lengths.get)}"

    def test_bare_words_are_taken_with_their_space_and_quoted_ones_as_they_are(self):
        python = ct.load_model("gpt-python")
        data = ct.load_data(["def f(self):\n    return None", "x = 1\ny = [x, 2]"])
        options = {"path": "L0H1", "minus": "None"}
        spaced = ct.observe_texts(python, data, plus="self", **options)
        same = ct.observe_texts(python, data, plus=" self ", **options)
        quoted = ct.observe_texts(python, data, plus="'self'", **options)
        np.testing.assert_array_equal(spaced.score, same.score)
        assert not np.allclose(spaced.score, quoted.score)
        words = ct.Observable.from_tokens(python, [" self"], [" None"])
        np.testing.assert_array_equal(
            spaced.score,
            score_texts(
                python,
                feature_vector(python, words, "L0H1"),
                [data.text(one) for one in data.index],
            ).score,
        )

    def test_norms_and_mlps_take_the_prompts(self, net):
        data = ct.load_data(list(TEXTS))
        found = ct.observe_texts(
            net, data, plus="she", minus="he", path="M0 > L1H1", norm="frozen",
            positive=PAIR[0], negative=PAIR[1],
        )  # fmt: skip
        vector = feature_vector(
            net, ct.Observable.from_tokens(net, ["she"], ["he"]), "M0 > L1H1", norm="frozen",
            prompts=PAIR,
        )  # fmt: skip
        np.testing.assert_array_equal(found.score, score_texts(net, vector, TEXTS).score)

    def test_can_be_written_as_code(self):
        data = ct.load_data("occupations", limit=5)
        net = ct.load_model("gpt-occupations")
        found = ct.observe_texts(net, data, data.index.ids[[3, 1]], plus="she", minus="he")
        code = ct.code_of(found)
        assert "ct.observe_texts(" in code
        exec(code, {})  # it compares the digest itself

    @pytest.mark.parametrize(
        ("options", "kind", "said"),
        [
            ({}, ValueError, "plus and minus must hold at least one token together, got none"),
            ({"plus": "she", "path": "L9H0"}, ValueError, "layer of L9H0 must be 0..1, got 9"),
            ({"plus": "she", "norm": "exact"}, ValueError, r"prompts must be a pair .* got none"),
            ({"plus": "she", "positive": "The"}, ValueError, "positive and negative must come tog"),
            ({"plus": "zebra"}, ValueError, "plus word ' zebra' must be a token of the model, got"),
            ({"plus": "she", "sinks": "hide"}, ValueError, "sinks must be one of 'mark', 'drop'"),
        ],
    )
    def test_bad_input_is_one_clear_line(self, net, options, kind, said):
        data = ct.load_data(list(TEXTS))
        with pytest.raises(kind, match=said) as caught:
            ct.observe_texts(net, data, **options)
        assert "\n" not in str(caught.value)

    def test_pictures_are_refused(self, net):
        with pytest.raises(TypeError, match="data must be texts, got data of kind 'image'"):
            ct.observe_texts(net, ct.load_data("digits", limit=2), plus="she")


PAIR = ("The nurse said that", "The doctor said that")


def test_bad_input_is_one_clear_line(net, she):
    site = "transformer.h.0.ln_1"
    for call, kind, said in (
        (lambda: score_texts(net, she, []), ValueError, "texts must hold at least one text, got n"),
        (lambda: score_texts(net, she, "The"), TypeError, "texts must be a list of texts, got the"),
        (lambda: score_texts(net, she, ["The", ""]), ValueError, "at least one token each, got no"),
        (lambda: score_texts(net, she, [3]), TypeError, "texts must be texts or token ids, got 3"),
        (lambda: score_texts(net, she, [[1, 9999]]), ValueError, "token of texts must be 0.."),
        (lambda: score_texts(net, "L0H0", ["The"]), TypeError, "vector must be a FeatureVector or"),
        (lambda: score_texts(net, ("h.0", [1.0]), ["The"]), ValueError, "site must be a norm of"),
        (lambda: score_texts(net, (site, [1.0]), ["The"]), ValueError, "vector must have 64 numb"),
        (lambda: score_texts(net, (site, np.zeros(64)), ["The"]), ValueError, "finite and not 0"),
        (lambda: score_texts(net, she, ["The"], sinks="x"), ValueError, "sinks must be one of"),
        (lambda: score_texts(net, she, ["The"], read="x"), ValueError, "read must be one of"),
        (lambda: score_texts(model("llama"), she, ["The"]), ValueError, "site must be a norm of"),
        (
            lambda: score_texts(
                model("llama"), feature_vector(model("llama"), observable("llama", "O1"), "L0H0"),
                ["The"],
            ),
            TypeError,
            "must have a tokenizer to read texts, got none; give token ids",
        ),
        (lambda: score_texts(net, she, TEXTS).top(0), ValueError, "k must be 1 or more, got 0"),
    ):  # fmt: skip
        with pytest.raises(kind, match=said) as caught:
            call()
        assert "\n" not in str(caught.value)

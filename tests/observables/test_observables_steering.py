"""Steering and token ranks: own forward passes, derivatives, the true KL, refusals."""

import numpy as np
import pytest
import torch
from obsprop_oracle import NAMES, PROMPTS, fresh, model, observable

import cutaway as ct
from cutaway.observables import Observable, components_of, feature_vector, logit_lens, stream_site
from cutaway.observables.steering import Steering
from cutaway_samples import occupations

PATHS = {"L2H1": "norm of heads", "M1@9": "norm of an MLP", "L0H0": "first block", "": "final norm"}


def by_hand(name, vector, by, positions):
    """Logits of both prompts with the step added to the norm's input by a pre-hook on its site.

    In a sequential block the same stream is also added to later, so the writer is hooked.
    """
    net = model(name)
    step = torch.from_numpy(by * vector.vector / np.linalg.norm(vector.vector))
    where = slice(None) if positions == "all" else -1 if positions == "last" else positions

    def add(_module, _inputs, out):
        first = out[0] if isinstance(out, tuple) else out
        first[:, where] += step
        return out

    handle = net.get_submodule(stream_site(net, vector.site)).register_forward_hook(add)
    with torch.no_grad():
        found = net(torch.tensor(PROMPTS), use_cache=False).logits[:, -1]
    handle.remove()
    return found


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("name", NAMES)
def test_change_and_kl_are_those_of_the_edited_model(name, path):
    one = observable(name, "O1")
    vector = feature_vector(model(name), one, path, prompts=PROMPTS, mlp_point="pos")
    for positions in ("last", "all", 4):
        found = ct.steer(
            model(name), PROMPTS, vector, by=0.7, observable=one, positions=positions, controls=2
        )
        plain, moved = by_hand(name, vector, 0.0, positions), by_hand(name, vector, 0.7, positions)
        np.testing.assert_allclose(found.before, one.measure(plain), rtol=1e-6)
        np.testing.assert_allclose(found.after, one.measure(moved), rtol=1e-6)
        kl = torch.nn.functional.kl_div(
            moved.log_softmax(-1), plain.log_softmax(-1), log_target=True, reduction="none"
        ).sum(-1)
        np.testing.assert_allclose(found.kl, kl, rtol=1e-4, atol=1e-9)
        np.testing.assert_array_equal(found.change, found.after - found.before)
        if path == "":  # nothing reads earlier positions after the last block
            assert (found.kl > 0).all() == (positions != 4)


def test_a_small_step_is_the_gradient():
    name = "gpt_neo"
    net, one = fresh(name), observable(name, "O1")
    vector = feature_vector(net, one, "L1H2")
    unit = torch.from_numpy(vector.vector / np.linalg.norm(vector.vector))
    step = torch.zeros((), dtype=torch.float64, requires_grad=True)

    def add(_module, _inputs, out):
        return (out[0] + step * unit, *out[1:]) if isinstance(out, tuple) else out + step * unit

    handle = net.get_submodule(stream_site(net, vector.site)).register_forward_hook(add)
    measure = net(torch.tensor(PROMPTS[:1]), use_cache=False).logits[0, -1] @ one.weights(
        net.config.vocab_size
    )
    (slope,) = torch.autograd.grad(measure, step)
    handle.remove()
    found = ct.steer(net, PROMPTS[:1], vector, by=1e-3, observable=one, positions="all", controls=0)
    assert found.change[0] / 1e-3 == pytest.approx(float(slope), rel=1e-2)
    assert np.isnan(found.ratio)


def test_projecting_out_leaves_nothing_along_the_direction():
    name = "llama"
    net, one = fresh(name), observable(name, "O1")
    vector = feature_vector(net, one, "L2H1")
    seen = []
    net.get_submodule(vector.site).register_forward_pre_hook(
        lambda _m, i: seen.append(i[0].clone())
    )
    ct.steer(net, PROMPTS, vector, by=None, observable=one, positions="all", controls=0)
    along = [(one_pass @ torch.tensor(vector.vector)).abs().max() for one_pass in seen]
    assert along[-1] < 1e-5 * along[0]


def test_prompts_of_any_length_are_one_by_one():
    net = ct.load_model("gpt-occupations")
    she = Observable.from_tokens(net, ["she"], ["he"])
    vector = feature_vector(net, she, "L1H1")
    texts = ["The nurse said that", "Mary said that", "The doctor called and", "John left because"]
    options = {"by": 2.0, "observable": she, "controls": 3, "seed": 5}
    found = ct.steer(net, texts, vector, **options)
    for place, text in enumerate(texts):
        one = ct.steer(net, [text], vector, **options)
        for name in ("before", "after", "kl"):
            np.testing.assert_allclose(
                getattr(found, name)[place], getattr(one, name)[0], rtol=1e-3, atol=1e-5
            )
    assert found.digest == ct.steer(net, texts, vector, **options).digest
    other = ct.steer(net, texts, vector, **(options | {"seed": 6}))
    assert not np.allclose(found.random_change, other.random_change)
    np.testing.assert_array_equal(found.change, other.change)
    shown = found.tokens[found.tokens["prompt"] == 0]
    assert set(shown.head(5)["token"]) >= {"she", "he"}
    assert (shown["before"].head(5).diff().dropna() <= 0).all()


def test_random_directions_have_the_same_length_and_do_less():
    net = ct.load_model("gpt-occupations")
    she = Observable.from_tokens(net, ["she"], ["he"])
    texts = [f"The {job} said that" for job in occupations.SHE]
    found = ct.steer(
        net, texts, feature_vector(net, she, "L0H0"), by=0.3, observable=she, positions=1
    )
    assert found.change.mean() > 0
    assert found.ratio > 1
    plain = components_of(net)
    direction = np.random.default_rng(0).standard_normal((20, plain.width))[0]
    same = ct.steer(
        net, texts, (found.site, direction), by=0.3, observable=she, positions=1, controls=0
    )
    assert same.change.mean() == pytest.approx(found.random_change[0], rel=1e-5)
    assert same.kl.mean() == pytest.approx(found.random_kl[0], rel=1e-4)


def test_steering_saves_and_leaves_the_model_alone(tmp_path):
    net = fresh("llama")
    one = observable("llama", "O1")
    before = ct.load_model(net).digest
    found = ct.steer(net, PROMPTS, feature_vector(net, one, "L1H0"), by=1.0, observable=one)
    found.save(tmp_path / "steering.zip")
    assert Steering.load(tmp_path / "steering.zip").digest == found.digest
    assert ct.load_model(net).digest == before
    assert not any(module._forward_hooks for module in net.modules())
    assert repr(found).startswith("Steering(17 - 42 through L1H0 by 1 at last: 17 - 42 ")


@pytest.mark.parametrize("name", NAMES)
def test_logit_lens_is_the_derivative_of_the_logits(name):
    """At a frozen scale the final norm is linear: compare with finite steps of it by hand."""
    net, parts = model(name), components_of(model(name))
    vector = feature_vector(net, observable(name, "O1"), "L2H1")
    found = logit_lens(net, vector, k=7)
    unit = torch.from_numpy(vector.vector / np.linalg.norm(vector.vector))
    x = torch.randn(parts.width, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    norm = parts.final_norm
    frozen = [norm.gain * norm.centre(x + t * unit) / norm.scale(x) for t in (0.0, 1.0)]
    change = net.lm_head.weight.detach().double() @ (frozen[1] - frozen[0]) * norm.scale(x)
    order = torch.argsort(change, descending=True)
    assert found.rows.ids.tolist() == [*order[:7].tolist(), *order[-7:].tolist()]
    np.testing.assert_allclose(found.score, change[found.rows.ids.copy()], rtol=1e-6)
    embedded = logit_lens(net, vector, k=2, through="embedding")
    expected = net.get_input_embeddings().weight.detach().double() @ unit
    assert embedded.score[0] == pytest.approx(float(expected.max()), rel=1e-6)
    assert embedded.score[-1] == pytest.approx(float(expected.min()), rel=1e-6)


def test_logit_lens_names_the_observable_it_came_from():
    net = ct.load_model("gpt-occupations")
    she = Observable.from_tokens(net, ["she"], ["he"])
    found = logit_lens(net, feature_vector(net, she, ""), k=3)
    assert "she" in found.token[:3]
    assert "he" in found.token[-3:]
    assert list(found.to_frame().columns) == ["token", "score", "z"]


def test_bad_input_is_one_clear_line():
    net = ct.load_model("gpt-occupations")
    she = Observable.from_tokens(net, ["she"], ["he"])
    head, mlp = (feature_vector(net, she, path, prompts=PAIR) for path in ("L1H1", "M0"))
    one = {"by": 1.0, "observable": she}
    for call, said in (
        (lambda: ct.steer(net, [], head, **one), "texts must hold at least one text, got none"),
        (
            lambda: ct.steer(net, ["The"], head, **one, positions=1),
            r"positions must lie in 0..0, i",
        ),
        (lambda: ct.steer(net, ["The"], head, **one, positions="end"), "positions must be one of "),
        (lambda: ct.steer(net, ["The"], head, by=np.inf, observable=she), "by must lie in"),
        (
            lambda: ct.steer(net, ["The"], mlp, by=None, observable=she),
            "by must be a number at tra",
        ),
        (
            lambda: ct.steer(net, ["The"], head, **one, controls=-1),
            "controls must be 0 or more, go",
        ),
        (lambda: ct.steer(net, ["The"], (head.site, [1.0]), **one), "vector must have 64 numbers"),
        (
            lambda: ct.steer(net, ["The"], head, by=1.0, observable=observable("llama", "O1")),
            "observable must have .* weights, one a token of the model",
        ),
        (lambda: stream_site(net, "transformer.h.0"), "site must be a norm of model"),
        (lambda: logit_lens(net, head, k=10**6), "k must be 1..* got 1000000; name fewer"),
        (lambda: logit_lens(net, head, through="x"), "through must be one of 'unembedding', 'emb"),
    ):
        with pytest.raises(ValueError, match=said) as caught:
            call()
        assert "\n" not in str(caught.value)


def test_a_writer_that_is_not_the_stream_is_refused():
    """Between the block and the next norm something else happens: the model's check sees it."""
    net = fresh("llama")
    vector = feature_vector(net, observable("llama", "O1"), "L2H1")
    net.model.layers[1].register_forward_hook(lambda _m, _i, out: out)
    block = net.model.layers[2]
    plain = block.forward
    block.forward = lambda hidden, *args, **kwargs: plain(2 * hidden, *args, **kwargs)
    with pytest.raises(ct.UnsupportedModel, match="layers.2.input_layernorm must read the sum of"):
        ct.steer(net, PROMPTS, vector, by=1.0, observable=observable("llama", "O1"), controls=0)


PAIR = ("The nurse said that", "The doctor said that")

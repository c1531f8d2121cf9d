"""Texts in a padded batch, each as it is alone: edits, scores, captures, in every family."""

import numpy as np
import pytest
import torch
from obsprop_oracle import transformers
from small_models import FAMILIES, made

import cutaway as ct
from cutaway.causal.means import unit_means
from cutaway.core import Index
from cutaway.data.dataset import Batch
from cutaway.model import Mean, Model, ProjectOut, Replace, Steer, capture, edited
from cutaway.model.metric import at_end, logit_of, loss, prepared
from cutaway.model.recorder import Wanted
from cutaway.observables import components_of

LONG = [*range(1, 15)]
TEXTS = [LONG, [20, 21, 22], [30, 31, 32, 33, 34, 35, 5, 6]]
WIDTH = 24
ROUNDING = 3e-6  # patterns are float32 in many families


def batch(texts, side="right", width=None):
    width = width or max(map(len, texts))
    ids = torch.full((len(texts), width), 59)
    mask = torch.zeros_like(ids)
    for row, text in enumerate(texts):
        start = 0 if side == "right" else width - len(text)
        ids[row, start : start + len(text)] = torch.tensor(text)
        mask[row, start : start + len(text)] = 1
    names = np.array([f"text of {len(text)}" for text in texts])
    return Batch(names, {"input_ids": ids, "attention_mask": mask})


def answers(model, given):
    with torch.no_grad():
        ready = prepared(model, given)
        return at_end(model.forward(ready), ready).double()


def near(found, expected, rounding=ROUNDING):
    assert torch.isfinite(found).all()
    assert float((found - expected).abs().max() / expected.abs().max()) < rounding


def block_of(net):
    return components_of(net).layers[0].heads.site.rpartition(".")[0]


def edits_of(site, width=WIDTH):
    direction = np.random.default_rng(0).normal(size=width)
    for position in (0, 2, -1, -3, None):
        yield Steer(site, direction, 2.0, position=position)
        yield ProjectOut(site, direction, position=position)
    yield Mean(site, [3, 5], np.arange(width))
    yield Replace(site, [1], np.arange(1.0, 15.0)[None])


@pytest.mark.parametrize("family", FAMILIES)
def test_an_edit_does_to_each_text_of_a_batch_what_it_does_alone(family):
    model = Model(made(family))
    plain = torch.cat([answers(model, batch([text])) for text in TEXTS])
    for edit in edits_of(block_of(model.module)):
        with edited(model, edit):
            alone = torch.cat([answers(model, batch([text])) for text in TEXTS])
            assert float((alone - plain).abs().max()) > 1e-3  # a window may hide it from some
            for side in ("right", "left"):
                near(answers(model, batch(TEXTS, side)), alone)
                near(answers(model, batch(TEXTS, side, width=20)), alone)


OTHERS = {
    "bloom": lambda: transformers.BloomConfig(
        vocab_size=61, hidden_size=WIDTH, n_layer=2, n_head=3
    ),
    "opt": lambda: transformers.OPTConfig(
        vocab_size=61, hidden_size=WIDTH, word_embed_proj_dim=WIDTH, num_hidden_layers=2,
        num_attention_heads=3, ffn_dim=40, max_position_embeddings=32,
    ),
    "mpt": lambda: transformers.MptConfig(
        vocab_size=61, d_model=WIDTH, n_heads=4, n_layers=2, max_seq_len=32, expansion_ratio=2
    ),
    "falcon": lambda: transformers.FalconConfig(
        vocab_size=61, hidden_size=WIDTH, num_hidden_layers=2, num_attention_heads=3, alibi=True
    ),
}  # fmt: skip


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("name", OTHERS)
def test_models_with_other_positions_too(name, dtype):
    """ALiBi, offsets, and no attention patterns that a lens could read."""
    torch.manual_seed(0)
    config = OTHERS[name]()
    net = transformers.AutoModelForCausalLM.from_config(config).to(dtype).eval()
    model = Model(net)
    site = next(path for path, _ in net.named_modules() if path.endswith((".0", "blocks.0")))
    for edit in edits_of(site):
        with edited(model, edit):
            alone = torch.cat([answers(model, batch([text])) for text in TEXTS])
            for side in ("right", "left"):
                near(answers(model, batch(TEXTS, side)), alone, 1e-4)


class Plain(torch.nn.Module):
    """Takes ids alone; looks back only."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.embed = torch.nn.Embedding(61, WIDTH)
        self.mix = torch.nn.GRU(WIDTH, WIDTH, batch_first=True)
        self.inner = torch.nn.Linear(WIDTH, WIDTH)
        self.head = torch.nn.Linear(WIDTH, 61)

    def forward(self, ids):
        first = self.inner(self.embed(ids))
        return self.head(self.mix(first)[0])


def test_a_model_that_takes_no_mask_is_edited_at_the_texts_own_tokens():
    model = Model(Plain().double())
    for edit in edits_of("inner"):
        with edited(model, edit):
            alone = torch.cat([answers(model, batch([text])) for text in TEXTS])
            for side in ("right", "left"):
                near(answers(model, batch(TEXTS, side)), alone, 1e-12)


@pytest.mark.parametrize("position", [3, -4, 13])
def test_a_position_beyond_a_text_is_refused_by_its_name(position):
    model = Model(made("llama"))
    edit = Steer("model.layers.0", np.ones(WIDTH), position=position)
    with edited(model, edit), pytest.raises(ValueError, match="position must") as caught:
        answers(model, batch(TEXTS, "left"))
    message = str(caught.value)
    assert "'text of 3'" in message
    assert f"got {position} for 3 places" in message
    assert "\n" not in message


def test_a_mean_of_the_batch_leaves_padding_out():
    net = made("qwen2")
    for side in ("right", "left"):
        model, held = Model(net), []
        handle = net.model.layers[1].register_forward_pre_hook(
            lambda _module, arguments, held=held: held.append(arguments[0])
        )
        with edited(model, Mean("model.layers.0", [4])):
            answers(model, batch(TEXTS, side))
        mean = float(held.pop()[0, 0, 4])
        alone = []
        for text in TEXTS:
            answers(model, batch([text]))
            alone.append(held.pop()[0, :, 4])
        handle.remove()
        assert mean == pytest.approx(float(torch.cat(alone).mean()), rel=1e-6)


def test_heads_of_a_token_are_not_taken_for_tokens():
    """A norm of queries gives (n, t, heads, e): the place is the token, never a head."""
    model = Model(made("qwen3"))
    edit = Steer("model.layers.0.self_attn.q_norm", np.arange(1.0, 9), 3.0, position=-1)
    with edited(model, edit):
        alone = torch.cat([answers(model, batch([text])) for text in TEXTS])
        near(answers(model, batch(TEXTS)), alone)
        with pytest.raises(ValueError, match="more than one axis of places"):
            answers(model, batch([LONG[:6]]))  # six tokens, six heads: nothing tells them apart


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("family", ["mistral", "gemma2", "gemma3_text", "gpt_neo", "llama"])
def test_scores_of_texts_are_those_of_each_alone(family, dtype):
    """Padding longer than the sliding window leaves rows of attention that see nothing."""
    net = made(family).to(dtype)
    site = components_of(net).final_norm.site
    vector = (site, np.random.default_rng(1).normal(size=WIDTH))
    together = ct.score_texts(net, vector, TEXTS)
    assert together.not_finite == []
    rounding = {torch.float64: 3e-6, torch.float32: 1e-4}.get(dtype, 5e-2)
    for row, text in enumerate(TEXTS):
        alone = ct.score_texts(net, vector, [text]).score
        found = together.score[together.text == row]
        assert np.abs(found - alone).max() < rounding * np.abs(alone).max()


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("family", ["mistral", "gemma3_text", "gpt2", "llama"])
def test_loss_and_answers_of_float64_models_with_sliding_windows(family, side):
    model = Model(made(family))

    def losses(given):
        ready = prepared(model, given)
        with torch.no_grad():
            return loss(model.forward(ready), ready)

    alone = torch.cat([losses(batch([text])) for text in TEXTS])
    near(losses(batch(TEXTS, side)), alone, 1e-5)
    near(answers(model, batch(TEXTS, side)), torch.cat([answers(model, batch([t])) for t in TEXTS]))


class Held:
    """A data set of token tensors."""

    kind, name, labels, classes, skipped, given = "text", "held", None, None, (), None

    def __init__(self, given):
        self.given_batch = given
        self.index = Index(given.ids)

    def __len__(self):
        return len(self.given_batch)

    def batch(self, positions):
        inputs = {key: one[positions] for key, one in self.given_batch.inputs.items()}
        return Batch(self.given_batch.ids[positions], inputs)


@pytest.mark.parametrize("side", ["right", "left"])
def test_captured_readings_begin_at_each_texts_first_token(side):
    model, data = Model(made("mistral")), Held(batch(TEXTS, side))
    acts = capture(model, data, "model.layers.1", batch_size=2, show=None)
    for row, text in enumerate(TEXTS):
        alone = capture(model, Held(batch([text])), "model.layers.1", show=None)["model.layers.1"][
            0
        ]
        found = acts["model.layers.1"][row]
        np.testing.assert_allclose(found[: len(text)], alone, rtol=1e-4, atol=1e-4)
        assert (found[len(text) :] == 0).all()


def test_a_text_whose_mask_holds_no_token_is_refused():
    given = batch(TEXTS)
    given.inputs["attention_mask"][1] = 0
    model = Model(made("gpt2"))
    with pytest.raises(ValueError, match="'text of 3' .1 such."):
        model.inputs(given)


@pytest.mark.parametrize("position", [0, 1, -1, -2])
def test_ablating_a_direction_changes_each_text_as_alone(position):
    model = ct.load_model("gpt-occupations")
    texts = ["the nurse said that she left", "Mary said that", "the doctor"]
    site = "transformer.h.0"
    direction = np.random.default_rng(3).normal(size=64)
    for edit in (ProjectOut(site, direction, position=position),
                 Steer(site, direction, 4.0, position=position)):  # fmt: skip

        def effects(some, edit=edit):
            found = ct.ablate(
                model, ct.load_data(some, name="texts"), edit, metric=logit_of(7), controls=0
            )
            return found.per_sample_after - found.per_sample_before

        together = effects(texts)
        alone = np.concatenate([effects([text]) for text in texts])
        assert np.abs(alone).min() > 1e-4
        np.testing.assert_allclose(together, alone, rtol=1e-3, atol=1e-5)


def test_means_over_data_leave_padding_out_wherever_positions_lie():
    """Of queries (n, t, heads, e) the mean is over tokens and heads, not over padding."""
    model = Model(made("qwen3"))
    texts = [LONG, [20, 21, 22], [30, 31, 32, 33, 34, 35, 5, 9]]
    site = "model.layers.0.self_attn.q_norm"
    layout = "n h w d"
    means = unit_means(model, Held(batch(texts)), [Wanted(site, layout)], batch_size=3)[site]
    held = []
    handle = model.module.get_submodule(site).register_forward_hook(
        lambda _module, _arguments, output: held.append(output[0].flatten(0, 1))
    )
    for text in texts:
        answers(model, batch([text]))
    handle.remove()
    np.testing.assert_allclose(means, torch.cat(held).mean(0), rtol=1e-5, atol=1e-7)


def test_a_window_that_looks_both_ways_is_refused_where_padding_sees_nothing():
    config = transformers.ModernBertConfig(
        vocab_size=61, hidden_size=WIDTH, intermediate_size=40, num_hidden_layers=3,
        num_attention_heads=3, global_attn_every_n_layers=3, local_attention=4, pad_token_id=0,
        cls_token_id=1, sep_token_id=2, bos_token_id=1, eos_token_id=2,
    )  # fmt: skip
    config._attn_implementation = "eager"
    torch.manual_seed(0)
    net = transformers.ModernBertModel(config).eval()
    with torch.no_grad():
        alone = Model(net).forward(batch(TEXTS[1:2]))[0]
        together = Model(net).forward(batch(TEXTS))[1, :3]
        near(together, alone)
        wide = Model(net.double())
        with pytest.raises(ValueError, match=r"got 3 to 14 tokens.*batch_size=1.*float32"):
            wide.forward(batch(TEXTS))
        near(wide.forward(batch(TEXTS[1:2]))[0].float(), alone, 1e-5)

"""Texts as tokens: special tokens by choice, cuts and changes said, one identity of it all."""

import warnings

import numpy as np
import pytest
import torch

import cutaway as ct
from cutaway.data import load_data
from cutaway.data.dataset import Batch
from cutaway.model import Model, load_model, predict
from cutaway.model.tokens import added, causal, encode, fingerprint

transformers = pytest.importorskip("transformers")
tokenizers = pytest.importorskip("tokenizers")

WORDS = ["<pad>", "<s>", "</s>", "<unk>", *["a", "b", "c", "d", "e", "f", "g", "h"]]
PAD, BOS, EOS, UNK = range(4)


def made_tokenizer(single=None, **options):
    vocabulary = {word: number for number, word in enumerate(WORDS)}
    inner = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="<unk>"))
    inner.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    if single is not None:
        inner.post_processor = tokenizers.processors.TemplateProcessing(
            single=single, special_tokens=[("<s>", BOS), ("</s>", EOS)]
        )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=inner, bos_token="<s>", eos_token="</s>", pad_token="<pad>",
        unk_token="<unk>", **options,
    )  # fmt: skip


def made_net(cls=transformers.LlamaForCausalLM):
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=len(WORDS), hidden_size=16, intermediate_size=24, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=2, max_position_embeddings=12, pad_token_id=PAD,
    )  # fmt: skip
    config._attn_implementation = "eager"
    return cls(config).eval()


def ids_of(model, texts, **options):
    found = model.encode(texts, **options)
    return [
        row[mask > 0].tolist()
        for row, mask in zip(found["input_ids"], found["attention_mask"], strict=True)
    ]


def told(call):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = call()
    return found, [str(one.message) for one in caught]


BOTH = "<s> $A </s>"


@pytest.mark.parametrize(
    ("template", "choice", "texts", "expected", "n_told"),
    [
        ("<s> $A", "auto", ["a b", "<s> a b"], [[1, 4, 5], [1, 4, 5]], 1),
        ("<s> $A", True, ["a b", "<s> a b"], [[1, 4, 5], [1, 1, 4, 5]], 0),
        ("<s> $A", False, ["a b", "<s> a b"], [[4, 5], [1, 4, 5]], 0),
        ("<s> $A", "auto", ["<s>", "<s> <s> a"], [[1], [1, 1, 4]], 1),
        ("$A </s>", "auto", ["a b", "a </s>"], [[4, 5], [4, 2]], 1),
        ("$A </s>", True, ["a b"], [[4, 5, 2]], 0),
        ("$A </s>", False, ["a b", "a </s>"], [[4, 5], [4, 2]], 0),
        (BOTH, "auto", ["a", "<s> a"], [[1, 4], [1, 4]], 2),
        (BOTH, False, ["a"], [[4]], 0),
        (None, "auto", ["a", "<s> a </s>"], [[4], [1, 4, 2]], 0),
    ],
)
def test_special_tokens_by_choice_and_changes_said_once(template, choice, texts, expected, n_told):
    model = Model(made_net(), tokenizer=made_tokenizer(template), special_tokens=choice)
    found, messages = told(lambda: [ids_of(model, texts), ids_of(model, texts)])
    assert found == [expected, expected]
    assert len(messages) == n_told
    assert all("special_tokens=True" in one and "\n" not in one for one in messages)


def test_the_answer_after_a_text_does_not_hang_on_an_end_of_the_tokenizer():
    net = made_net()
    data = load_data(["a b c", "d", "e f"], name="words")
    plain = predict(Model(net, tokenizer=made_tokenizer()), data)
    ended = Model(net, tokenizer=made_tokenizer("$A </s>"))
    found, messages = told(lambda: predict(ended, data))
    np.testing.assert_array_equal(found.probability, plain.probability)
    assert len(messages) == 1
    assert "'</s>'" in messages[0]
    kept = predict(Model(net, tokenizer=made_tokenizer("$A </s>"), special_tokens=True), data)
    assert (kept.probability != plain.probability).all()


def test_a_model_that_labels_texts_keeps_the_end():
    net = made_net(transformers.LlamaForSequenceClassification)
    model = Model(net, tokenizer=made_tokenizer(BOTH))
    found, messages = told(lambda: ids_of(model, ["a b", "<s> a"]))
    assert found == [[1, 4, 5, 2], [1, 4, 2]]
    assert len(messages) == 1


def test_a_module_of_which_nothing_is_known_keeps_the_end_and_says_so():
    class Own(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = torch.nn.Embedding(len(WORDS), len(WORDS))

        def forward(self, ids):
            return self.embed(ids)

    model = Model(Own(), tokenizer=made_tokenizer(BOTH))
    found, messages = told(lambda: ids_of(model, ["a b"]))
    assert found == [[1, 4, 5, 2]]
    assert len(messages) == 1
    assert "special_tokens=False" in messages[0]


def test_who_looks_back_only():
    assert causal(made_net())
    bert = transformers.BertConfig(
        vocab_size=20,
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=8,
    )
    assert not causal(transformers.BertModel(bert))
    assert not causal(torch.nn.Linear(2, 2))


def test_every_lens_reads_texts_alike():
    """Scores, prompts and captures use the same tokens as the model itself."""
    net, texts = made_net(), ["<s> a b c", "d e f g"]
    model = Model(net, tokenizer=made_tokenizer(BOTH))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = ids_of(model, texts)
        site = "model.norm"
        scores = ct.score_texts(model, (site, np.ones(16)), texts)
        assert "".join(scores.token[:4]) == "<s> a b c"
        assert [scores.position[scores.text == row].max() + 1 for row in (0, 1)] == [4, 5]
        by_ids = ct.score_texts(model, (site, np.ones(16)), wanted)
        np.testing.assert_array_equal(scores.score, by_ids.score)
        acts = ct.capture(model, load_data(texts, name="two"), site, show=None)
        assert acts.mask.sum(1).tolist() == [4, 5]
        she = ct.Observable.from_tokens(model, [4], [5])
        vector = ct.feature_vector(model, she, "L1H0", norm="exact", prompts=("<s> a b", "a c"))
        assert vector.origin.parameters["prompts"] == [[1, 4, 5], [1, 4, 6]]


@pytest.mark.parametrize("side", ["right", "left"])
def test_the_side_of_padding_of_the_tokenizer_does_not_matter(side):
    model = Model(made_net(), tokenizer=made_tokenizer("<s> $A", padding_side=side))
    found = model.encode(["a b c", "d"])
    assert found["input_ids"].tolist() == [[1, 4, 5, 6], [1, 7, 0, 0]]
    assert found["attention_mask"].tolist() == [[1, 1, 1, 1], [1, 1, 0, 0]]
    together = predict(model, load_data(["a b c", "d"], name="two"))
    for row, text in enumerate(["a b c", "d"]):
        alone = predict(model, load_data([text], name="one"))
        assert together.probability[row] == pytest.approx(alone.probability[0], rel=1e-5)


def test_long_texts_are_cut_and_that_is_said():
    text = "a b c d e f g h a b c d e f g h"
    for side, kept in (("right", [4, 5, 6]), ("left", [9, 10, 11])):
        tokenizer = made_tokenizer(BOTH, truncation_side=side)
        model = Model(made_net(), tokenizer=tokenizer, special_tokens=True)
        found, messages = told(lambda: ids_of(model, [text, "a"], length=5))  # noqa: B023
        assert found == [[1, *kept, 2], [1, 4, 2]]
        assert len(messages) == 1
        assert "5 tokens" in messages[0]
        assert "18" in messages[0]
    _, messages = told(lambda: ct.score_texts(made_net(), ("model.norm", np.ones(16)), [[4] * 20]))
    assert len(messages) == 1
    assert "at most 12 tokens" in messages[0]


def test_a_text_without_tokens_is_said_by_its_id():
    model = Model(made_net(), tokenizer=made_tokenizer())
    batch = Batch(np.array(["first", "hollow"]), ["a", "  "])
    found, messages = told(lambda: model.inputs(batch))
    assert found["input_ids"].tolist() == [[4], [PAD]]
    assert len(messages) == 1
    assert "'hollow'" in messages[0]


def test_what_decides_how_texts_are_read_is_one_identity():
    net = made_net()
    assert Model(net).reading == {}
    first = Model(net, tokenizer=made_tokenizer(BOTH)).reading
    assert first == Model(net, tokenizer=made_tokenizer(BOTH)).reading
    assert first["special_tokens"] == "auto"
    assert first["limit"] == 12
    others = [
        Model(net, tokenizer=made_tokenizer(BOTH), special_tokens=True),
        Model(net, tokenizer=made_tokenizer("<s> $A")),
        Model(net, tokenizer=made_tokenizer(BOTH, model_max_length=9)),
        Model(net, tokenizer=made_tokenizer(BOTH, truncation_side="left")),
    ]
    different = [str(one.reading) for one in others]
    assert len({str(first), *different}) == 5
    grown = made_tokenizer(BOTH)
    before = fingerprint(grown)
    grown(["a", "b c"], padding=True, truncation=True, max_length=4)
    assert fingerprint(grown) == before  # how others last called it is not part of it
    grown.add_tokens(["new"])
    assert fingerprint(grown) != before


def test_the_choice_is_part_of_how_a_model_is_loaded_again(tmp_path):
    made_net().save_pretrained(tmp_path / "net")
    made_tokenizer(BOTH).save_pretrained(tmp_path / "net")
    model = load_model(tmp_path / "net", special_tokens=False)
    assert ids_of(model, ["a b"]) == [[4, 5]]
    again = load_model(**model.given)
    assert again.special_tokens is False
    assert again.reading == model.reading
    assert "special_tokens" not in load_model(tmp_path / "net").given
    with pytest.raises(ValueError, match="special_tokens must be one of 'auto', True, False"):
        load_model(tmp_path / "net", special_tokens="yes")


def test_a_tokenizer_of_another_make_is_used_as_it_is():
    class Own:
        pad_token_id = eos_token_id = None

        def __call__(self, texts):
            return {"input_ids": [[ord(one) - 90 for one in text] for text in texts]}

    assert added(Own()) == ((), ())
    assert encode(Own(), ["ab", "c"])["input_ids"].tolist() == [[7, 8], [9, 0]]


def test_an_unknown_word_is_no_target():
    model = Model(made_net(), tokenizer=made_tokenizer())
    data = load_data(["a b"], name="one")
    with pytest.raises(ValueError, match="target must be a token of the model, got 'zebra'"):
        ct.attribute(model, data, method="input_x_gradient", target="zebra")

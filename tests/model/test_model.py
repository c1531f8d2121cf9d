"""`Model`: how batches enter a network, its digest, its lock, and what happens when it fails."""

import threading

import numpy as np
import pytest
import torch
from access_nets import Odd, Pictures, Words, fingerprint
from torch import nn

from cutaway.core import Cancelled
from cutaway.data.dataset import Batch
from cutaway.model import Model, UnknownSite
from cutaway.model.model import as_model, described, kind_of
from cutaway.model.outputs import first_tensor, located, logits

transformers = pytest.importorskip("transformers")


def batch(inputs, n=None):
    length = len(inputs) if n is None else n
    return Batch(np.array([f"s{i}" for i in range(length)]), inputs)


def tokenizer(pad: str | None = None):
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    words = {word: i for i, word in enumerate(["<end>", "a", "b", "c", "d", "?"])}
    inner = Tokenizer(WordLevel(words, unk_token="?"))
    inner.pre_tokenizer = Whitespace()
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=inner, eos_token="<end>", unk_token="?", pad_token=pad
    )


def gpt(n_positions=12):
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        n_layer=2, n_head=2, n_embd=8, vocab_size=6, n_positions=n_positions,
        bos_token_id=0, eos_token_id=0, attn_implementation="eager",
    )  # fmt: skip
    return transformers.GPT2LMHeadModel(config).eval()


def test_pictures_enter_as_they_are_and_scores_come_out():
    net = Pictures().eval()
    x = torch.rand(5, 1, 8, 8)
    assert torch.equal(Model(net).forward(batch(x)), net(x))


def test_floating_inputs_take_the_type_of_the_model():
    net = nn.Linear(3, 2).double()
    x = torch.rand(4, 3)
    assert torch.equal(Model(net).forward(batch(x)), net(x.double()))


def test_each_padded_text_gives_what_it_gives_alone():
    model = Model(gpt(), tokenizer=tokenizer())
    texts = ["a b c d a b", "c", "d d a"]
    together = model.forward(batch(texts))
    assert together.shape == (3, 6, 6)
    for place, text in enumerate(texts):
        alone = model.forward(batch([text]))[0]
        torch.testing.assert_close(together[place, : len(alone)], alone)


def test_texts_are_cut_at_the_models_positions():
    model = Model(gpt(n_positions=4), tokenizer=tokenizer())
    assert model.n_positions == 4
    inputs = model.inputs(batch(["a b c d a b c"]))
    assert inputs["input_ids"].tolist() == [[1, 2, 3, 4]]


def test_length_pads_every_batch_alike():
    model = Model(gpt(), tokenizer=tokenizer())
    inputs = model.inputs(batch(["a b", "c"]), length=5)
    assert inputs["input_ids"].tolist() == [[1, 2, 0, 0, 0], [3, 0, 0, 0, 0]]
    assert inputs["attention_mask"].tolist() == [[1, 1, 0, 0, 0], [1, 0, 0, 0, 0]]


def test_padding_uses_the_padding_token_and_leaves_the_tokenizer_alone():
    padded = tokenizer(pad="d")
    assert Model(gpt(), tokenizer=padded).inputs(batch(["a b", "c"]))["input_ids"][1, 1] == 4
    plain = tokenizer()
    Model(gpt(), tokenizer=plain).inputs(batch(["a b", "c"]))
    assert plain.pad_token is None


def test_an_empty_text_gives_finite_scores():
    model = Model(gpt(), tokenizer=tokenizer())
    assert torch.isfinite(model.forward(batch(["", "a b"]))).all()


def test_token_tensors_pass_through():
    model = Model(gpt())
    ids = torch.tensor([[1, 2, 3], [4, 5, 1]])
    whole = model.forward(batch({"input_ids": ids, "attention_mask": torch.ones_like(ids)}, 2))
    torch.testing.assert_close(model.forward(batch(ids)), whole)


def test_names_that_forward_does_not_take_are_left_out():
    ids = torch.tensor([[1, 2, 3]])
    given = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "label": torch.ones(1)}
    assert set(Model(gpt()).inputs(batch(given, 1))) == {"input_ids", "attention_mask"}
    net = Words()
    assert torch.equal(Model(net).forward(batch(given, 1)), net(ids))


def test_no_key_value_cache_is_kept():
    model = Model(gpt())
    ids = torch.ones(1, 3, dtype=torch.int64)
    assert model.call({"input_ids": ids}).past_key_values is None
    assert model.call(ids).past_key_values is None


def test_texts_need_a_tokenizer():
    with pytest.raises(TypeError, match="must have a tokenizer to read texts, got none; load it"):
        Model(Words()).forward(batch(["a b"]))


def test_scores_come_from_logits_else_from_the_first_tensor():
    x = torch.rand(2, 4)
    net = Odd()
    assert torch.equal(Model(net).forward(batch(x)), net(x)["scores"])
    one, two = torch.rand(2), torch.rand(3)
    assert logits({"hidden": one, "logits": two}) is two
    assert logits((None, [one, two])) is one
    with pytest.raises(
        TypeError, match="must return a tensor, or a tuple or mapping with one, got"
    ):
        logits({"none": None})


def test_a_forward_without_a_signature():
    net = nn.Module()
    net.forward = torch.relu
    assert Model(net).forward(batch(-torch.ones(2, 3))).tolist() == [[0.0] * 3] * 2


def test_place_of_the_first_tensor():
    x = torch.rand(2)
    assert located((None, (3, x))) == (x, "tuple[1][1]")
    assert located({"a": [], "b": x}) == (x, "dict[b]")
    assert located(x) == (x, "tensor")
    assert located([1, "a"]) == (None, "none")
    assert first_tensor([x]) is x


def test_a_failing_batch_names_model_samples_shape_and_cause():
    model = Model(nn.Sequential(nn.Linear(3, 2)), "tiny")
    with pytest.raises(RuntimeError) as caught:
        model.forward(batch(torch.rand(4, 5)))
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(
        "model 'tiny' must run on the batch, got float32 (4, 5) of samples 's0' … 's3' and "
        "RuntimeError: mat1 and mat2 shapes cannot be multiplied"
    )
    assert message.endswith("; give data of the shape and kind it was made for")
    assert isinstance(caught.value.__cause__, RuntimeError)
    with pytest.raises(RuntimeError, match="of sample 's0' and"):
        model.forward(batch(torch.rand(1, 5)))


def test_token_inputs_are_described_by_name():
    ids = torch.zeros(2, 3, dtype=torch.int64)
    assert described({"input_ids": ids}) == "input_ids int64 (2, 3)"


class Raises(nn.Module):
    def __init__(self, error):
        super().__init__()
        self.error = error

    def forward(self, x):
        raise self.error


def test_running_out_of_memory_says_to_lower_the_batch_size():
    model = Model(Raises(torch.OutOfMemoryError("no room")))
    with pytest.raises(RuntimeError, match="OutOfMemoryError: no room; lower batch_size"):
        model.forward(batch(torch.rand(1, 2)))


@pytest.mark.parametrize("error", [UnknownSite("here"), Cancelled(), KeyboardInterrupt()])
def test_our_own_errors_and_interrupts_pass_unchanged(error):
    with pytest.raises(type(error)) as caught:
        Model(Raises(error)).forward(batch(torch.rand(1, 2)))
    assert caught.value is error


@pytest.mark.parametrize("scale", [1, 600])
def test_digest_follows_values_and_comes_back(scale):
    net = nn.Linear(100 * scale, 100)  # the larger one is 24 MB
    model = Model(net)
    before = model.digest
    assert model.digest == before
    assert len(before) == 16
    with torch.no_grad():
        net.weight[3, 4] += 1
    after = model.digest
    assert after != before
    with torch.no_grad():
        net.weight[3, 4] -= 1
        net.weight.copy_(net.weight)
    same = Model(nn.Linear(100 * scale, 100))
    same.module.load_state_dict(net.state_dict())
    assert same.digest == model.digest
    net.weight = nn.Parameter(net.weight.detach() + 1)
    assert model.digest not in {before, after}


def test_digest_sees_writes_through_data_in_small_models():
    net = nn.Linear(3, 2)
    model = Model(net)
    before = model.digest
    net.weight.data.mul_(2)
    assert model.digest != before


def test_digest_knows_names_types_shapes_and_odd_tensors():
    def of(**tensors):
        net = nn.Module()
        for name, tensor in tensors.items():
            net.register_buffer(name, tensor)
        return Model(net).digest

    x = torch.ones(2, 3)
    others = [of(b=x), of(a=x.double()), of(a=x.T.contiguous()), of(a=x.bfloat16()), of()]
    assert len({of(a=x), *others}) == 6
    assert of(a=x.to_sparse()) == of(a=x)
    assert of(a=x.T) == of(a=x.T.contiguous())
    assert of(a=torch.tensor(1.0)) != of(a=torch.ones(1))


def test_large_models_are_hashed_once(monkeypatch):
    from cutaway.model import model as file

    count = []
    real = file._digest

    def counting(state):
        count.extend(1 for name in state if name)  # a probe of a few values has no name
        return real(state)

    monkeypatch.setattr(file, "_digest", counting)
    monkeypatch.setattr(file, "_ALWAYS_HASHED", 16 * 2**20)
    net = nn.Linear(60_000, 100, bias=False)
    model = Model(net)
    assert [model.digest for _ in range(3)] == [model.digest] * 3
    assert Model(net).digest == model.digest
    assert len(count) == 1
    with torch.no_grad():
        net.weight += 1
    before = model.digest
    assert Model(net).digest == before
    assert len(count) == 2
    net.weight.data.mul_(2)  # its version counter does not move
    assert model.digest != before
    assert len(count) == 3


def test_structure_tells_what_weights_do_not():
    def of(*modules):
        torch.manual_seed(0)
        return Model(nn.Sequential(nn.Linear(3, 3), *modules))

    class Tables(nn.Module):
        def __init__(self, value):
            super().__init__()
            self.register_buffer("table", torch.full((2,), value), persistent=False)

    models = [of(nn.ReLU()), of(nn.Tanh()), of(nn.ELU(0.5)), of(Tables(1.0)), of(Tables(2.0))]
    assert len({model.digest for model in models}) == 1
    assert len({model.structure for model in models}) == 5
    assert of(nn.ReLU()).structure == models[0].structure


def test_one_lock_a_module():
    net = nn.Linear(2, 2)
    one, other = Model(net), Model(net)
    assert one.lock is other.lock
    assert Model(nn.Linear(2, 2)).lock is not one.lock
    blocked = []
    with one.lock, one.lock:
        thread = threading.Thread(target=lambda: blocked.append(other.lock.acquire(blocking=False)))
        thread.start()
        thread.join()
    assert blocked == [False]


def test_a_live_module_is_kept_as_it_is():
    net = Pictures().train()
    net.fc.weight.requires_grad_(requires_grad=False)
    before = fingerprint(net)
    model = Model(net, "mine")
    assert (model.module, model.name, str(model.device)) == (net, "mine", "cpu")
    assert len(model.digest) == 16
    assert fingerprint(net) == before


def test_a_model_around_a_model_is_itself():
    model = Model(nn.Linear(2, 2))
    assert as_model(model) is model
    assert as_model(model.module).module is model.module
    with pytest.raises(TypeError, match=r"module must be a torch.nn.Module, got int; use load_mod"):
        Model(3)


def test_kind_follows_the_first_layer():
    assert kind_of(Pictures()) == "image"
    assert kind_of(Words()) == "tokens"
    assert kind_of(nn.Sequential(nn.ReLU(), nn.Linear(2, 2))) == "array"
    assert kind_of(nn.Sequential(nn.GRU(2, 2))) == "array"
    assert kind_of(nn.ReLU()) == "array"
    assert kind_of(gpt()) == "tokens"
    vit = transformers.ViTConfig(
        hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8,
        image_size=8, patch_size=4,
    )  # fmt: skip
    assert kind_of(transformers.ViTModel(vit)) == "image"


def test_description():
    model = Model(gpt(), "g")
    tied = sum({id(p): p.numel() for p in model.module.parameters()}.values())
    assert model.n_parameters == tied
    assert repr(model) == f"Model(g, tokens, {tied:,} parameters, cpu)"
    assert Model(nn.ReLU()).name == "ReLU"
    assert str(Model(nn.ReLU()).device) == "cpu"
    assert Model(nn.ReLU()).dtype == torch.float32
    assert Model(nn.ReLU()).n_positions is None

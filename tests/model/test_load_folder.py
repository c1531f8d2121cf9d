"""Models in Hugging Face folders."""

import json
import os
import random

import mutations
import pytest
import torch
from access_nets import refused, same
from safetensors.torch import load_file, save_file

from cutaway.model import UnsupportedModel, load_model, sites


@pytest.fixture
def gpt_folder(tmp_path):
    pytest.importorskip("transformers")
    from test_model import gpt, tokenizer

    gpt().save_pretrained(tmp_path / "gpt")
    tokenizer().save_pretrained(tmp_path / "gpt")
    return tmp_path / "gpt"


def test_a_language_model_folder(gpt_folder, capfd):
    from test_model import batch, gpt

    model = load_model(gpt_folder)
    assert capfd.readouterr() == ("", "")
    assert (model.name, model.kind, model.n_positions) == ("gpt", "tokens", 12)
    assert type(model.module).__name__ == "GPT2LMHeadModel"
    assert model.module.config._attn_implementation == "eager"
    assert same(model.module, gpt())
    assert model.forward(batch(["a b c"])).shape == (1, 3, 6)
    assert sites(model)["lm_head"].shape == (12, 6)


def test_a_folder_without_head_or_tokenizer(tmp_path):
    transformers = pytest.importorskip("transformers")
    config = transformers.BertConfig(
        hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8,
        vocab_size=9, max_position_embeddings=6,
    )  # fmt: skip
    transformers.BertModel(config).save_pretrained(tmp_path / "bert")
    model = load_model(tmp_path / "bert")
    assert type(model.module).__name__ == "BertModel"
    assert model.tokenizer is None
    assert model.example["input_ids"].shape == (1, 6)
    assert sites(model)["embeddings.position_embeddings"].layout == "1 t d"


def test_a_folder_of_a_picture_model(tmp_path):
    transformers = pytest.importorskip("transformers")
    config = transformers.ViTConfig(
        hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8,
        image_size=8, patch_size=4,
    )  # fmt: skip
    transformers.ViTModel(config).save_pretrained(tmp_path / "vit")
    model = load_model(tmp_path / "vit")
    assert (model.kind, model.example) == ("image", None)
    tree = sites(model, example=torch.rand(1, 3, 8, 8))
    assert tree[""].shape == (5, 8)
    assert tree[""].layout == "n t d"
    assert tree.of_type("Conv2d")[0].layout == "n c h w"


def test_folders_that_are_no_models(gpt_folder, tmp_path):
    (tmp_path / "empty").mkdir()
    assert refused(tmp_path / "empty").startswith(
        "path must be a Hugging Face folder with a config.json, got"
    )
    config = gpt_folder / "config.json"
    kept = json.loads(config.read_text())
    config.write_text("{")
    assert refused(gpt_folder).startswith(f"config.json must be JSON, got {config}")
    config.write_text(json.dumps(kept | {"auto_map": {"AutoModel": "code.Net"}}))
    message = refused(gpt_folder, UnsupportedModel)
    assert message.startswith(
        f"trust must be True for {gpt_folder}, got False: its config.json runs"
    )
    config.write_text(json.dumps(kept))
    (gpt_folder / "tokenizer.json").write_text("{")
    assert refused(gpt_folder).startswith("path must hold a readable tokenizer, got")
    (gpt_folder / "model.safetensors").write_bytes(b"cut")
    assert refused(gpt_folder).startswith("path must hold a complete Hugging Face model, got")


def test_without_transformers_one_line_says_how(gpt_folder, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "transformers", None)
    message = refused(gpt_folder, ImportError)
    assert message == (
        "transformers must be installed to read a Hugging Face model, got none; "
        "pip install 'cutaway[lm]'"
    )


def sharded(folder, **names):
    """Weights in two files and an index that names them; `names` change the names."""
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    half = len(tensors) // 2
    parts = {"a": dict(list(tensors.items())[:half]), "b": dict(list(tensors.items())[half:])}
    for part, some in parts.items():
        save_file(some, folder / f"{part}.safetensors", metadata={"format": "pt"})
    index = {name: names.get(part, f"{part}.safetensors") for part in parts for name in parts[part]}
    (folder / "model.safetensors.index.json").write_text(
        json.dumps({"metadata": {"total_size": 1}, "weight_map": index})
    )


def test_a_sharded_folder_opens(gpt_folder):
    before = load_model(gpt_folder).module.state_dict()
    sharded(gpt_folder)
    after = load_model(gpt_folder).module.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("how", ["above", "absolute", "link", "nested", "backslash"])
def test_shards_lie_in_the_folder(gpt_folder, tmp_path, how):
    outside = tmp_path / "outside"
    outside.mkdir()
    names = {
        "above": "../outside/b.safetensors", "absolute": str(outside / "b.safetensors"),
        "link": "b.safetensors", "nested": "x/../../outside/b.safetensors",
        "backslash": "..\\outside\\b.safetensors",
    }  # fmt: skip
    (gpt_folder / "x").mkdir()
    sharded(gpt_folder, b=names[how])
    (gpt_folder / "b.safetensors").rename(outside / "b.safetensors")
    if how == "link":
        (gpt_folder / "b.safetensors").symlink_to(outside / "b.safetensors")
    message = refused(gpt_folder)
    assert "b.safetensors" in message
    assert str(gpt_folder) in message
    assert "complete Hugging Face model" not in message  # before transformers looked at it


def test_the_cache_of_the_hub_opens(gpt_folder, tmp_path):
    blobs = tmp_path / "models--us--gpt" / "blobs"
    snapshot = tmp_path / "models--us--gpt" / "snapshots" / "0123"
    blobs.mkdir(parents=True)
    snapshot.mkdir(parents=True)
    for place, file in enumerate(sorted(gpt_folder.iterdir())):
        file.rename(blobs / str(place))
        (snapshot / file.name).symlink_to(f"../../blobs/{place}")
    assert load_model(snapshot).kind == "tokens"


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("config.json", {"transformers_weights": "../w.safetensors"}),
        ("config.json", {"text_config": {"backbone": "../net"}}),
        ("config.json", {"configuration_files": ["config.4.0.json", "../config.9.json"]}),
        ("tokenizer_config.json", {"vocab_file": "/etc/hostname"}),
        ("tokenizer_config.json", {"fast_tokenizer_files": ["../tokenizer.9.json"]}),
        ("tokenizer_config.json", {"tokenizer_file": "/etc/passwd"}),
        ("adapter_config.json", {"base_model_name_or_path": "/"}),
    ],
)
def test_files_that_configs_name_lie_in_the_folder(gpt_folder, file, change):
    place = gpt_folder / file
    content = json.loads(place.read_text()) if place.exists() else {}
    place.write_text(json.dumps(content | change))
    message = refused(gpt_folder)
    assert str(gpt_folder) in message
    assert "adapter" in message if file.startswith("adapter") else file in message


def test_notes_of_where_a_model_once_lay_are_no_names(gpt_folder):
    for file in ("config.json", "tokenizer_config.json"):
        content = json.loads((gpt_folder / file).read_text())
        notes = {"_name_or_path": "../old", "name_or_path": "/old/gpt", "tokenizer_file": "/no/t"}
        (gpt_folder / file).write_text(json.dumps(content | notes))
    assert load_model(gpt_folder).tokenizer is not None


def test_code_from_elsewhere_is_refused_with_trust_too(gpt_folder):
    config = json.loads((gpt_folder / "config.json").read_text())
    for code in ("/outside--net.Net", "us/gpt--net.Net", "../net.Net"):
        maps = {"auto_map": {"AutoModelForCausalLM": code}}
        (gpt_folder / "config.json").write_text(json.dumps(config | maps))
        assert "auto_map" in refused(gpt_folder, trust=True)


def test_weights_that_are_pickles_need_trust(gpt_folder):
    tensors = load_file(gpt_folder / "model.safetensors")
    torch.save(tensors, gpt_folder / "pytorch_model.bin")
    assert load_model(gpt_folder).kind == "tokens"  # of two forms the one without pickle
    (gpt_folder / "model.safetensors").unlink()
    message = refused(gpt_folder)
    assert "trust must be True" in message
    assert "pytorch_model.bin" in message


def test_weights_that_are_missing_are_never_random_numbers(gpt_folder, tmp_path):
    tensors = load_file(gpt_folder / "model.safetensors")
    name = next(name for name in tensors if "c_attn.weight" in name)
    del tensors[name]
    save_file(tensors, gpt_folder / "model.safetensors", metadata={"format": "pt"})
    assert name in refused(gpt_folder)
    transformers = pytest.importorskip("transformers")
    config = transformers.BertConfig(
        hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8,
        vocab_size=9, max_position_embeddings=6,
    )  # fmt: skip
    transformers.BertForMaskedLM(config).save_pretrained(tmp_path / "masked")
    with pytest.warns(UserWarning, match="pooler"):
        load_model(tmp_path / "masked")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
@pytest.mark.parametrize(
    "name", ["config.json", "model.safetensors", "tokenizer.json", "generation_config.json"]
)
def test_a_pipe_is_never_waited_for(gpt_folder, name):
    (gpt_folder / name).unlink()
    os.mkfifo(gpt_folder / name)
    assert name in refused(gpt_folder)


@pytest.mark.parametrize(
    "change",
    [{"n_layer": 10**7}, {"vocab_size": 10**11}, {"n_positions": 10**7}, {"n_embd": 2**30}],
)
def test_a_model_far_larger_than_its_weights_takes_no_memory(gpt_folder, change):
    import resource

    config = json.loads((gpt_folder / "config.json").read_text())
    tensors = {name: one for name, one in load_file(gpt_folder / "model.safetensors").items()
               if "h.0" in name}  # fmt: skip
    save_file(tensors, gpt_folder / "model.safetensors", metadata={"format": "pt"})
    (gpt_folder / "config.json").write_text(json.dumps(config | change))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert str(gpt_folder) in refused(gpt_folder)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**20  # KiB: 1 GiB


def test_weights_do_not_follow_their_file(gpt_folder):
    model = load_model(gpt_folder)
    before = {name: one.clone() for name, one in model.module.state_dict().items()}
    with (gpt_folder / "model.safetensors").open("r+b") as file:
        file.write(bytes(file.seek(0, 2) and 64))
        file.truncate(100)
    assert all(torch.equal(before[name], one) for name, one in model.module.state_dict().items())


def test_damaged_folders_are_one_line(gpt_folder):
    rng = random.Random(0)
    n = int(os.environ.get("CUTAWAY_MUTATIONS", "0")) or 25
    kinds = dict.fromkeys(
        ("config.json", "tokenizer_config.json", "tokenizer.json", "generation_config.json"),
        mutations.json_bytes,
    )
    for name, mutate in (kinds | {"model.safetensors": mutations.in_safetensors}).items():
        whole = (gpt_folder / name).read_bytes()
        for _ in range(n // 5):
            (gpt_folder / name).write_bytes(mutate(whole, rng))
            mutations.refusal(lambda: load_model(gpt_folder), gpt_folder)
        (gpt_folder / name).write_bytes(whole)

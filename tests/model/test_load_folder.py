"""Models in Hugging Face folders."""

import json

import pytest
import torch
from access_nets import refused, same

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
    assert refused(gpt_folder).startswith("config.json must be JSON, got")
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

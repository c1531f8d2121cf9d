"""`load_model`: every form of source, and one line for each that cannot be used."""

import pytest
import safetensors.torch
import torch
from access_nets import Pictures, Words, fingerprint, refused, same
from torch import nn

import cutaway_samples
from cutaway.model import Model, UnsupportedModel, load_model, sites
from cutaway.model.hooks import hooked

# --- names ---------------------------------------------------------------------------------


def test_a_sample_name():
    model = load_model("lenet5-digits")
    assert (model.name, model.kind, model.tokenizer) == ("lenet5-digits", "image", None)
    assert same(model.module, cutaway_samples.build("lenet5-digits"))
    assert not model.module.training
    assert model.example.shape == (1, 1, 28, 28)
    assert load_model("lenet5-digits", name="mine").name == "mine"


def test_a_checkpoint_of_a_sample():
    epochs = cutaway_samples.checkpoints("lenet5-digits-overfit")
    first = load_model("lenet5-digits-overfit", checkpoint=epochs[0])
    last = load_model("lenet5-digits-overfit", checkpoint=epochs[-1])
    assert first.name == f"lenet5-digits-overfit@{epochs[0]}"
    assert first.digest != last.digest
    assert "checkpoint" in refused("lenet5-digits-overfit", checkpoint=10**6)


def test_a_sample_language_model_reads_texts():
    pytest.importorskip("transformers")
    from test_model import batch

    model = load_model("gpt-python")
    assert model.kind == "tokens"
    assert model.n_positions == 128
    scores = model.forward(batch(["import os", "def main():\n    return 0"]))
    assert scores.shape[0] == 2
    assert torch.isfinite(scores).all()
    assert model.example["input_ids"].shape == (1, 16)


def test_checkpoints_are_for_samples_only():
    message = refused(nn.Linear(2, 2), checkpoint=3)
    assert message.startswith("checkpoint must be None for this source, got 3; only sample models")


def test_an_unknown_name_lists_the_nearest():
    message = refused("lenet-digits", FileNotFoundError)
    assert message.startswith("source must be a sample name or an existing path, got 'lenet-digit")
    assert "'lenet5-digits'" in message


def test_another_kind_of_source():
    assert refused(3, TypeError) == (
        "source must be a name, a path, a torch.nn.Module or (factory, path), got int; "
        "give one of these"
    )


# --- live modules and devices --------------------------------------------------------------


def test_a_live_module_is_kept_as_it_is():
    net = Pictures().train()
    net.features[0].weight.requires_grad_(requires_grad=False)
    before = fingerprint(net)
    example = torch.zeros(1, 1, 8, 8)
    model = load_model(net, example=example)
    assert model.module is net
    assert model.name == "Pictures"
    assert model.example is example
    assert fingerprint(net) == before


def test_a_device_that_is_there():
    assert load_model(Pictures(), device="cpu").device.type == "cpu"
    assert load_model(Pictures(), device=torch.device("cpu")).device.type == "cpu"


@pytest.mark.parametrize("device", ["cuda:99", "nonsense", "mps", "xpu"])
def test_a_device_that_is_absent(device, monkeypatch):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    message = refused(Pictures(), device=device)
    assert message == (
        f"device must be available here, got '{device}'; choose one of cpu, cuda:0, cuda:1"
    )


@pytest.mark.cuda
def test_a_cuda_device():
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    model = load_model("lenet5-digits", device="cuda")
    assert model.device.type == "cuda"
    assert sites(model)["conv1"].shape == (6, 28, 28)


# --- a function and a file of weights --------------------------------------------------------


@pytest.fixture
def net() -> Pictures:
    torch.manual_seed(1)
    return Pictures().train()


def test_safetensors(net, tmp_path):
    safetensors.torch.save_file(net.state_dict(), tmp_path / "w.safetensors")
    model = load_model((Pictures, tmp_path / "w.safetensors"))
    assert same(model.module, net)
    assert not model.module.training
    assert model.name == "Pictures"


@pytest.mark.parametrize("key", [None, "state_dict", "model_state_dict", "model"])
def test_state_dicts(net, tmp_path, key):
    state = net.state_dict()
    torch.save(state if key is None else {key: state, "epoch": 3}, tmp_path / "w.pt")
    assert same(load_model((Pictures, str(tmp_path / "w.pt"))).module, net)


def test_tied_weights_may_be_stored_once(tmp_path):
    def tied():
        words = Words()
        words.head.weight = words.embed.weight
        return words

    net = tied()
    state = {k: v.clone() for k, v in net.state_dict().items() if k != "head.weight"}
    safetensors.torch.save_file(state, tmp_path / "w.safetensors")
    assert same(load_model((tied, tmp_path / "w.safetensors")).module, net)


def test_weights_that_do_not_fit_change_nothing(net, tmp_path):
    state = {k: v for k, v in net.state_dict().items() if not k.startswith("features.0")}
    state |= {"extra": torch.ones(1), "fc.bias": torch.ones(3)}
    torch.save(state, tmp_path / "w.pt")
    made = []
    message = refused((lambda: made.append(Pictures()) or made[0], tmp_path / "w.pt"))
    assert message == (
        "weights must match Pictures, got 2 missing (features.0.weight, features.0.bias), "
        "1 unexpected (extra), 1 of another shape (fc.bias (3,) for (10,)) in "
        f"{tmp_path / 'w.pt'}; use the factory that the weights were saved from"
    )
    assert not torch.equal(made[0].fc.weight, net.fc.weight)


def test_only_the_first_few_names_are_listed(net, tmp_path):
    torch.save({}, tmp_path / "w.pt")
    assert "(features.0.weight, features.0.bias, features.1.weight, …)" in refused(
        (Pictures, tmp_path / "w.pt")
    )


def test_a_missing_file(tmp_path):
    message = refused((Pictures, tmp_path / "no.pt"), FileNotFoundError)
    assert message.startswith("weights must be an existing file, got")


@pytest.mark.parametrize("name", ["w.pt", "w.safetensors"])
@pytest.mark.parametrize("damage", ["cut", "noise", "empty"])
def test_a_corrupt_file(net, tmp_path, name, damage):
    path = tmp_path / name
    save = safetensors.torch.save_file if name.endswith("tensors") else torch.save
    save(net.state_dict(), path)
    whole = path.read_bytes()
    path.write_bytes(
        {"cut": whole[: len(whole) // 2], "noise": b"\x00noise" * 50, "empty": b""}[damage]
    )
    message = refused((Pictures, path))
    form = "safetensors file" if name.endswith("tensors") else "file of torch.save"
    assert message.startswith(f"path must be a whole {form}, got {path} (")
    assert message.endswith("; copy or save it again")


class Trap:
    """Would run code if it were unpickled."""

    def __reduce__(self):
        return (print, ("unpickled!",))


def test_a_pickle_is_not_opened_without_trust(tmp_path, capsys):
    torch.save({"w": torch.ones(2), "trap": Trap()}, tmp_path / "w.pt")
    for source in ((Pictures, tmp_path / "w.pt"), tmp_path / "w.pt"):
        message = refused(source)
        assert message.startswith(
            f"trust must be True to open {tmp_path / 'w.pt'}, got False: it is"
        )
        assert "print" in message
        assert "unpickling can run any code; save module.state_dict() instead, or pass" in message
    assert capsys.readouterr().out == ""


def test_a_file_without_a_state_dict(tmp_path):
    torch.save([1, 2], tmp_path / "w.pt")
    assert refused((Pictures, tmp_path / "w.pt")) == (
        f"weights must be a state dict (names and tensors), got list in {tmp_path / 'w.pt'}; "
        "save module.state_dict()"
    )


def test_factories_that_are_none(net, tmp_path):
    torch.save(net.state_dict(), tmp_path / "w.pt")
    assert refused((net, tmp_path / "w.pt"), TypeError) == (
        "source must be (function that makes the module, path of its weights), got "
        f"(Pictures, {type(tmp_path).__name__}); wrap a module as (lambda: module, path)"
    )
    assert refused((dict, tmp_path / "w.pt"), TypeError) == (
        "factory must return a torch.nn.Module, got dict; return the network itself"
    )


# --- whole modules -------------------------------------------------------------------------


def test_a_pickled_module_needs_trust(net, tmp_path):
    torch.save(net, tmp_path / "whole.pt")
    assert "trust must be True" in refused(tmp_path / "whole.pt")
    assert "trust must be True" in refused((Pictures, tmp_path / "whole.pt"))
    model = load_model(tmp_path / "whole.pt", trust=True)
    assert same(model.module, net)
    assert model.name == "whole"
    assert not model.module.training
    assert same(load_model((Pictures, tmp_path / "whole.pt"), trust=True).module, net)


@pytest.mark.parametrize("name", ["w.pt", "w.safetensors"])
def test_weights_alone_say_what_is_missing(net, tmp_path, name):
    save = safetensors.torch.save_file if name.endswith("tensors") else torch.save
    save(net.state_dict(), tmp_path / name)
    assert refused(tmp_path / name) == (
        f"source must say how to build the module, got weights only in {tmp_path / name}; "
        "give (function that makes the module, path)"
    )


def exported(path, *, dynamic: bool):
    net = Pictures().eval()
    shapes = ({0: torch.export.Dim("n")},) if dynamic else None
    program = torch.export.export(net, (torch.rand(2, 1, 8, 8),), dynamic_shapes=shapes)
    torch.export.save(program, path)
    return net


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("dynamic", [True, False])
def test_an_exported_program_has_its_tree_and_hooks(tmp_path, dynamic):
    net = exported(tmp_path / "net.pt2", dynamic=dynamic)
    assert refused(tmp_path / "net.pt2").startswith(
        f"trust must be True to open {tmp_path / 'net.pt2'}, got False: a .pt2 file holds pickles"
    )
    model = load_model(str(tmp_path / "net.pt2"), trust=True)
    assert (model.name, model.kind) == ("net", "image")
    tree = sites(model)
    assert tree["features.0"].type == "Conv2d"
    assert (tree["features.0"].shape, tree["features.0"].layout) == ((4, 6, 6), "n c h w")
    assert tree["fc"].shape == (10,)
    x = torch.rand(2, 1, 8, 8)
    seen = {}
    with torch.no_grad(), hooked(model.module, {"features.0": lambda _m, _a, o: seen.update(o=o)}):
        model.module(x)
    torch.testing.assert_close(seen["o"], net.features[0](x))
    with torch.no_grad(), hooked(model.module, {"fc": lambda _m, _a, o: o * 0}):
        assert not model.module(x).any()


class Sum(nn.Module):
    def forward(self, x, y):
        return x + y


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_the_example_of_an_exported_program(tmp_path):
    x = torch.rand(2, 3)
    for name, positional, named in (("one", (x, x), {}), ("two", (), {"x": x, "y": x})):
        program = torch.export.export(Sum(), positional, named)
        torch.export.save(program, tmp_path / f"{name}.pt2")
    assert load_model(tmp_path / "one.pt2", trust=True).example is None
    model = load_model(tmp_path / "two.pt2", trust=True)
    assert set(model.example) == {"x", "y"}
    assert sites(model)[""].shape == (3,)
    program.example_inputs = None
    torch.export.save(program, tmp_path / "none.pt2")
    assert load_model(tmp_path / "none.pt2", trust=True).example is None


def test_a_corrupt_exported_program(tmp_path):
    (tmp_path / "net.pt2").write_bytes(b"no zip at all")
    message = refused(tmp_path / "net.pt2", trust=True)
    assert message.startswith(f"path must be a whole .pt2 file, got {tmp_path / 'net.pt2'} (")


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_torchscript_is_read_only(net, tmp_path):
    traced = torch.jit.trace(net.eval(), torch.rand(1, 1, 8, 8))
    torch.jit.save(traced, tmp_path / "net.pt")
    sources = [traced, tmp_path / "net.pt", (Pictures, tmp_path / "net.pt")]
    for source in sources:
        message = refused(source, UnsupportedModel, trust=True)
        assert message.startswith("source must be a module that can be hooked, got TorchScript (")
        assert message.endswith("or export it with torch.export.save to a .pt2 file")


# --- Hugging Face folders --------------------------------------------------------------------


def test_the_result_is_a_model():
    assert isinstance(load_model(Pictures()), Model)


def test_a_sample_model_on_its_data_reaches_the_accuracy_of_its_card():
    import numpy as np

    from cutaway.data import load_data

    model = load_model("lenet5-digits")
    data = load_data("digits", split="test")
    assert sites(model, data)["conv1"].shape == (6, 28, 28)
    batch = data.batch(np.arange(len(data)))
    with torch.no_grad():
        right = (model.forward(batch).argmax(1) == batch.labels).double().mean().item()
    assert right == pytest.approx(cutaway_samples.card("lenet5-digits")["test_accuracy"], abs=1e-9)

"""Capturing in memory: the right values, and nothing left behind."""

import re
import threading

import numpy as np
import pytest
import torch
from capture_nets import (
    Maps,
    Twice,
    hooks_left,
    made,
    pictures,
    plainly,
    rows,
)
from torch import nn

from cutaway.data import load_data
from cutaway.model import BudgetExceeded, Model, UnknownSite, capture, load_model, sites

QUIET = {"show": None}


def test_values_ids_and_origin():
    module, data = made(Maps), pictures()
    acts = capture(module, data, ["conv1", "fc"], batch_size=7, **QUIET)
    assert acts.sites == ("conv1", "fc")
    assert acts["conv1"].shape == (50, 3, 10, 10)
    np.testing.assert_allclose(acts["conv1"], plainly(module, data, "conv1"), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(acts["fc"], plainly(module, data, "fc"), rtol=1e-4, atol=1e-5)
    assert list(acts.rows) == list(data.index)
    assert acts.origin.model == "Maps"
    assert acts.origin.rows == data.index.digest
    assert acts.origin.weights == Model(module).digest
    assert acts.layouts == {"conv1": "n c h w", "fc": "n d"}
    with pytest.raises(ValueError, match="read-only"):
        acts["conv1"][0] = 0


def test_inplace_relu_does_not_corrupt():
    inside, outside = made(Maps, inplace=True), made(Maps, inplace=False)
    data = pictures()
    where = ["conv1", "relu1", "conv2", "relu2", "fc"]
    mine, theirs = (capture(one, data, where, **QUIET) for one in (inside, outside))
    for site in where:
        np.testing.assert_array_equal(mine[site], theirs[site])
    assert (mine["conv1"] < 0).any()
    assert (mine["relu1"] >= 0).all()


def test_stops_after_the_last_wanted_site():
    module = made(Maps)
    seen = []
    tree = sites(module, pictures())  # before, because the look at sites runs everything
    for path in ("conv1", "conv2", "fc"):
        getattr(module, path).register_forward_hook(lambda *_, path=path: seen.append(path))
    capture(module, pictures(20), tree["conv*"], batch_size=10, **QUIET)
    assert seen == ["conv1", "conv2"] * 2
    assert hooks_left(module) == 3  # the test's own


def test_reused_module_by_call():
    module, data = made(Twice), rows()
    acts = capture(module, data, ["relu", "relu#2"], **QUIET)
    np.testing.assert_allclose(acts["relu"], plainly(module, data, "relu"), atol=1e-6)
    np.testing.assert_allclose(acts["relu#2"], plainly(module, data, "relu", 2), atol=1e-6)
    assert acts["relu"].shape == (40, 6)
    assert acts["relu#2"].shape == (40, 3)
    np.testing.assert_array_equal(
        capture(module, data, "relu#2", **QUIET)["relu#2"], acts["relu#2"]
    )


def test_tuple_output_and_sequence_first():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn = nn.LSTM(2, 3)
            self.out = nn.Linear(3, 2)

        def forward(self, x):
            return self.out(self.rnn(x.reshape(len(x), 5, 2).transpose(0, 1))[0][-1])

    module, data = made(Net), rows(9, 10)
    acts = capture(module, data, "rnn", batch_size=4, **QUIET)
    x = data.batch(np.arange(9)).inputs.reshape(9, 5, 2).transpose(0, 1)
    expected = module.rnn(x)[0].transpose(0, 1).detach().numpy()
    assert acts.layouts["rnn"] == "n t d"
    np.testing.assert_allclose(acts["rnn"], expected, atol=1e-6)


def test_nonfinite_values_are_counted_not_dropped():
    x = np.ones((10, 4), np.float32)
    x[3, 1] = np.nan
    x[7] = np.inf
    acts = capture(nn.Sequential(nn.Identity()), load_data(x), "0", batch_size=3, **QUIET)
    assert acts.n_nonfinite == {"0": 5}
    np.testing.assert_array_equal(acts["0"], x)


def test_large_finite_values_are_not_counted():
    x = np.full((4, 4), 3e38, np.float32)  # their sum is infinite
    acts = capture(nn.Sequential(nn.Identity()), load_data(x), "0", **QUIET)
    assert acts.n_nonfinite == {"0": 0}


def test_float16_counts_what_it_cannot_hold():
    x = np.array([[1.0, 1e6], [2.0, 3.0]], np.float32)
    acts = capture(nn.Sequential(nn.Identity()), load_data(x), "0", dtype="float16", **QUIET)
    assert acts["0"].dtype == np.float16
    assert acts.n_nonfinite == {"0": 1}
    np.testing.assert_array_equal(acts["0"][1], [2.0, 3.0])


def test_pool_averages_maps_and_leaves_rows():
    module, data = made(Maps), pictures()
    whole = capture(module, data, ["conv1", "fc"], **QUIET)
    acts = capture(module, data, ["conv1", "fc"], pool=5, **QUIET)
    expected = whole["conv1"].reshape(50, 3, 5, 2, 5, 2).mean((3, 5))
    np.testing.assert_allclose(acts["conv1"], expected, atol=1e-6)
    np.testing.assert_array_equal(acts["fc"], whole["fc"])
    larger = capture(module, data, "conv1", pool=99, **QUIET)
    np.testing.assert_array_equal(larger["conv1"], whole["conv1"])


def test_one_sample_and_one_batch_sizes_agree():
    module = made(Maps)
    one = capture(module, pictures(1), "fc", **QUIET)
    assert one["fc"].shape == (1, 4)
    data = pictures(13)
    parts = [capture(module, data, "fc", batch_size=b, **QUIET)["fc"] for b in (1, 4, 13, 99)]
    for other in parts[1:]:
        np.testing.assert_allclose(other, parts[0], rtol=1e-4, atol=1e-5)


def test_budget_refuses_after_one_batch():
    module = made(Maps)
    tree = sites(module, pictures())
    runs = []
    module.conv1.register_forward_hook(lambda *_: runs.append(1))
    with pytest.raises(BudgetExceeded) as caught:
        capture(module, pictures(), tree["conv*"], max_bytes="50kB".upper(), batch_size=5, **QUIET)
    assert len(runs) == 1
    assert hooks_left(module) == 1
    card = caught.value.card
    assert card.total == 50 * 4 * (3 * 100 + 5 * 64)
    assert str(caught.value) == (
        "max_bytes must hold the capture, 124.0 kB (2 sites × 50 samples), got '50KB'; choose "
        "fewer sites, fewer samples (load_data(..., limit=)), or raise max_bytes or pool maps with "
        "pool=8"
    )


def test_card_is_shown_before_the_work():
    shown = []
    capture(made(Maps), pictures(), "conv*", show=shown.append)
    assert "capture 2 sites of Maps on pictures, float32" in shown[0]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"sites": "conv9"}, UnknownSite, "got 'conv9'; nearest: 'conv"),
        ({"sites": "nothing*"}, UnknownSite, r"got 'nothing\*'"),
        ({"sites": []}, ValueError, "sites must name at least one site with an output"),
        (
            {"sites": 3},
            TypeError,
            "sites must be Sites, a Site, a name, or a list of them, got int",
        ),
        ({"sites": [3]}, TypeError, "sites must be Sites, a Site, a name, or a list of them"),
        ({"dtype": "int8"}, ValueError, "dtype must be one of 'float32', 'float16', got 'int8'"),
        ({"pool": 0}, ValueError, "pool must be 1 or more, got 0; give the side"),
        ({"batch_size": 0}, ValueError, "batch_size must be 1 or more, got 0"),
        ({"max_bytes": "1 elephant"}, ValueError, "max_bytes must be a positive number of bytes"),
    ],
)
def test_bad_arguments(options, error, message):
    module = made(Maps)
    with pytest.raises(error, match=message):
        capture(module, pictures(), **({"sites": "conv1"} | options), **QUIET)
    assert hooks_left(module) == 0


def test_empty_data_is_refused():
    empty = pictures().take(np.zeros(0, np.int64))
    with pytest.raises(ValueError, match="data must hold at least one sample, got 0 in 'pictures'"):
        capture(made(Maps), empty, "conv1", **QUIET)


def test_site_of_another_model_and_site_without_output():
    data = pictures()
    foreign = sites(made(Maps), data)["conv1"]
    with pytest.raises(UnknownSite, match="sites must belong to model 'Twice', got 'conv1'"):
        capture(made(Twice), rows(), foreign, **QUIET)

    class Idle(Maps):
        def __init__(self):
            super().__init__()
            self.idle = nn.Linear(2, 2)

    with pytest.raises(ValueError, match=r"sites must return a tensor, got 'idle' \(not called\)"):
        capture(made(Idle), data, "idle", **QUIET)


def test_texts_of_different_length_are_masked():
    model, data = load_model("gpt-occupations"), load_data("occupations", limit=23)
    acts = capture(model, data, "transformer.h.*", batch_size=5, **QUIET)
    longest = acts.mask.shape[1]
    assert acts["transformer.h.0"].shape == (23, longest, 64)
    assert acts.layouts["transformer.h.1"] == "n t d"
    for place in (0, 7, 22):
        tokens = model.tokenizer(data.text(data.index.ids[place]))["input_ids"]
        assert acts.mask[place].sum() == len(tokens)
        with torch.no_grad():
            hidden = model.module.transformer(
                torch.tensor([tokens]), output_hidden_states=True
            ).hidden_states[1][0]
        mine = acts["transformer.h.0"][place]
        np.testing.assert_allclose(mine[: len(tokens)], hidden.numpy(), atol=1e-4, rtol=1e-4)
        assert (mine[len(tokens) :] == 0).all()


def test_sample_models_agree_with_the_plain_way():
    for name, data, where in (
        ("lenet5-digits", load_data("digits", limit=30), "conv2"),
        ("resnet-digits", load_data("digits32", limit=30), "layer2.0.bn1"),
    ):
        model = load_model(name)
        acts = capture(model, data, where, batch_size=8, **QUIET)
        expected = plainly(model.module, data, where)
        assert (expected < 0).any()
        np.testing.assert_allclose(acts[where], expected, rtol=1e-3, atol=1e-4)


def test_one_job_at_a_time():
    module = made(Maps)
    lock = Model(module).lock
    done = []
    with lock:
        other = threading.Thread(
            target=lambda: done.append(capture(module, pictures(), "conv1", **QUIET))
        )
        other.start()
        other.join(0.3)
        assert not done
    other.join(30)
    assert len(done) == 1


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_equals_cpu(tmp_path):
    data = load_data("digits", limit=64)
    cpu = capture(load_model("lenet5-digits"), data, "conv*", **QUIET)
    model = load_model("lenet5-digits", device="cuda")
    for store in (None, tmp_path / "acts"):
        gpu = capture(model, data, "conv*", store=store, **QUIET)
        for site in cpu.sites:
            np.testing.assert_allclose(gpu[site], cpu[site], rtol=1e-2, atol=5e-3)


def test_messages_are_one_line():
    module = made(Maps)
    with pytest.raises(BudgetExceeded) as caught:
        capture(module, pictures(), "conv*", max_bytes=10, **QUIET)
    assert re.fullmatch(r"[^\n]+", str(caught.value))

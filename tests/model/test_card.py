"""The cost card: right numbers before the work."""

import sys
import types

import numpy as np
import pytest
from capture_nets import Maps, hooks_left, made, pictures

from cutaway.model import capture, cost_card
from cutaway.model.card import CostCard, byte_count, bytes_text


@pytest.mark.parametrize(
    ("text", "n"),
    [
        (1, 1),
        (64_000_000, 64_000_000),
        ("12", 12),
        ("12B", 12),
        ("1KB", 1000),
        ("64MB", 64_000_000),
        ("64 MB", 64_000_000),
        ("1.5GB", 1_500_000_000),
        ("1GiB", 2**30),
        ("0.5KiB", 512),
        ("2TB", 2 * 10**12),
    ],
)
def test_byte_count(text, n):
    assert byte_count("max_bytes", text) == n


@pytest.mark.parametrize("bad", ["", "MB", "64 elephants", "-1MB", 0, -5, True, None, 1.5, "0MB"])
def test_byte_count_refuses(bad):
    with pytest.raises(ValueError, match="max_bytes must be a positive number of bytes, got"):
        byte_count("max_bytes", bad)


@pytest.mark.parametrize(
    ("n", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (999_999, "1.0 MB"), (3_210_000_000, "3.2 GB")],
)
def test_bytes_text(n, text):
    assert bytes_text(n) == text


@pytest.mark.parametrize("options", [{}, {"dtype": "float16"}, {"pool": 4}])
def test_estimate_is_what_the_capture_takes(options):
    module, data = made(Maps), pictures()
    card = cost_card(module, data, "conv*", **options)
    acts = capture(module, data, "conv*", show=None, **options)
    assert card.total == acts.nbytes
    assert dict(zip(card.sites, card.sizes, strict=True)) == {s: acts[s].nbytes for s in acts.sites}
    assert card.where == "memory"
    assert card.seconds > 0
    assert hooks_left(module) == 0


def test_card_of_a_store(tmp_path):
    card = cost_card(made(Maps), pictures(), "conv1", store=tmp_path / "acts", max_bytes="1KB")
    assert card.where == str(tmp_path / "acts")
    assert card.free > 0
    assert card.limit == 1000
    assert list(tmp_path.iterdir()) == []


def test_seconds_scale_with_the_batches(monkeypatch):
    clock = iter(np.arange(0.0, 100.0, 0.5))
    time = types.SimpleNamespace(perf_counter=lambda: next(clock))
    monkeypatch.setattr(sys.modules["cutaway.model.capture"], "time", time)
    assert cost_card(made(Maps), pictures(50), "conv1", batch_size=5).seconds == 5.0


def test_text_html_and_frame():
    card = CostCard(
        *("net", "data<b>", 1000, 64, ("a", "b"), ((3, 4), (5,)), "float32"),
        *((48_000, 20_000), 1_000_000_000, 5_000_000_000, 1.23, "/tmp/x"),
    )
    assert str(card) == (
        "capture 2 sites of net on data<b>, float32\n"
        "  a                3×4  48.0 kB\n"
        "  b                  5  20.0 kB\n"
        "  total  1,000 samples  68.0 kB\n"
        "  into /tmp/x (limit 1.0 GB, 5.0 GB free), about 1.2 s in batches of 64"
    )
    html = card._repr_html_()
    assert "data&lt;b&gt;" in html
    assert html.count("<tr>") == 3
    frame = card.to_frame()
    assert frame.loc["a"].tolist() == ["3×4", 48, 48_000]

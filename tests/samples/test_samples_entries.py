"""The list of models, and that asking for it costs nothing."""

import subprocess
import sys

import pytest

import cutaway_samples


def test_names_are_in_reading_order():
    assert cutaway_samples.names() == (
        "lenet5-digits",
        "lenet5-digits-overfit",
        "lenet5-digits-noisy",
        "alexnet-digits",
        "vgg-digits",
        "resnet-digits",
        "gpt-python",
        "gpt-occupations",
    )
    assert cutaway_samples.pretrained_names() == (
        "efficientnet-lite0",
        "smollm2-135m",
        "minilm-l6",
    )


@pytest.mark.parametrize(
    ("name", "kind", "dataset", "shape"),
    [
        ("lenet5-digits", "image", "digits", (1, 28, 28)),
        ("lenet5-digits-noisy", "image", "digits-noisy", (1, 28, 28)),
        ("vgg-digits", "image", "digits32", (1, 32, 32)),
        ("gpt-python", "tokens", "python-source", (128,)),
        ("gpt-occupations", "tokens", "occupations", (32,)),
        ("efficientnet-lite0", "image", None, (3, 224, 224)),
    ],
)
def test_an_entry_describes_its_model(name, kind, dataset, shape):
    entry = cutaway_samples.entry(name)
    assert (entry.name, entry.kind, entry.dataset, entry.input_shape) == (
        name,
        kind,
        dataset,
        shape,
    )


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match=r"one of 11 names, got 'lenet'; nearest: lenet5-digits,"):
        cutaway_samples.entry("lenet")


def test_every_public_name_is_there_and_no_other():
    for name in cutaway_samples.__all__:
        assert getattr(cutaway_samples, name) is not None
    with pytest.raises(AttributeError, match="'cutaway_samples' has no attribute 'digitz'"):
        _ = cutaway_samples.digitz


def test_listing_models_imports_nothing_heavy():
    code = (
        "import sys, cutaway_samples as c; c.names(); c.entry('gpt-python');"
        "bad = {'torch', 'numpy', 'mlxtend', 'transformers', 'safetensors'} & set(sys.modules);"
        "sys.exit(' '.join(sorted(bad)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_data_and_cards_need_no_torch():
    code = (
        "import sys, cutaway_samples as c; c.digits('test'); c.texts('occupations');"
        "c.card('lenet5-digits'); c.checkpoints('lenet5-digits-overfit');"
        "c.training_ids('gpt-occupations'); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

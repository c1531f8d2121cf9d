"""The list of sample models: what each is called, what it takes and which data goes with it."""

import difflib
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Entry:
    """One sample model, described without opening its weights.

    Attributes
    ----------
    name : str
        What `build` takes.
    title : str
        One line for menus.
    kind : {"image", "tokens"}
        What a batch holds: float32 pictures in [0, 1], or int64 token ids.
    dataset : str or None
        Name of the data the model is looked at with; None if this package ships none that fits.
    input_shape : tuple of int
        Shape of one sample: (channels, height, width), or (longest number of tokens,).
    pretrained : bool
        True if the weights come from another package and are converted into the cache folder.
    """

    name: str
    title: str
    kind: Literal["image", "tokens"]
    dataset: str | None
    input_shape: tuple[int, ...]
    pretrained: bool = False


_ENTRIES = (
    Entry("lenet5-digits", "LeNet-5 on digits, well regularised", "image", "digits", (1, 28, 28)),
    Entry(
        "lenet5-digits-overfit",
        "LeNet-5 overfitted to 500 digits, a checkpoint per epoch",
        "image",
        "digits",
        (1, 28, 28),
    ),
    Entry(
        "lenet5-digits-noisy",
        "LeNet-5 that memorised 5 % wrong labels",
        "image",
        "digits-noisy",
        (1, 28, 28),
    ),
    Entry("alexnet-digits", "Narrow AlexNet on digits", "image", "digits32", (1, 32, 32)),
    Entry(
        "vgg-digits", "Narrow VGG-11 with batch norm on digits", "image", "digits32", (1, 32, 32)
    ),
    Entry("resnet-digits", "ResNet-14 on digits", "image", "digits32", (1, 32, 32)),
    Entry(
        "gpt-python",
        "GPT-2 form, 3 layers, on the source of Python's standard library",
        "tokens",
        "python-source",
        (128,),
    ),
    Entry(
        "gpt-occupations",
        "GPT-2 form, 2 layers, with a known pronoun bias of occupations",
        "tokens",
        "occupations",
        (32,),
    ),
    Entry(
        "efficientnet-lite0",
        "EfficientNet-Lite0 on ImageNet",
        "image",
        None,
        (3, 224, 224),
        pretrained=True,
    ),
    Entry(
        "smollm2-135m",
        "SmolLM2-135M-Instruct, 30 layers (4-bit weights, de-quantised)",
        "tokens",
        "occupations",
        (8192,),
        pretrained=True,
    ),
    Entry(
        "minilm-l6",
        "MiniLM, a sentence encoder of 6 layers",
        "tokens",
        "occupations",
        (512,),
        pretrained=True,
    ),
)


def names() -> tuple[str, ...]:
    """Names of the models trained here, in reading order."""
    return tuple(entry.name for entry in _ENTRIES if not entry.pretrained)


def pretrained_names() -> tuple[str, ...]:
    """Names of the models whose weights come from another package."""
    return tuple(entry.name for entry in _ENTRIES if entry.pretrained)


def entry(name: str) -> Entry:
    """Describe one sample model, without opening its weights.

    Parameters
    ----------
    name : str
        One of `names()` or `pretrained_names()`.

    Returns
    -------
    Entry
        Title, kind, data and input shape.

    Raises
    ------
    ValueError
        If there is no such model; the message lists the nearest names.
    """
    for candidate in _ENTRIES:
        if candidate.name == name:
            return candidate
    raise ValueError(unknown("sample model", name, names() + pretrained_names()))


def unknown(what: str, got: object, known: tuple[str, ...]) -> str:
    """One-line message for a name that is not in `known`, with the three nearest names."""
    near = difflib.get_close_matches(str(got), known, n=3, cutoff=0.0)
    return (
        f"{what} must be one of {len(known)} names, got {got!r}; nearest: {', '.join(near)}; "
        f"all: {', '.join(known)}"
    )

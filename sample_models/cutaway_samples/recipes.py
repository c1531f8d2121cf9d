"""How each model is trained: every number that the training command uses, in one place."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class ImageRecipe:
    """Settings of one image network.

    Attributes
    ----------
    net : str
        Class in `cutaway_samples.nets`.
    size : {28, 32}
        Side of the pictures in pixels.
    epochs : int
        Passes over the training digits.
    schedule : {"cosine", "constant"}
        Course of the learning rate; "cosine" rises over the first twentieth and falls to zero.
    learning_rate, weight_decay : float
        Of AdamW.
    shift : int
        Each picture is moved by up to this many pixels either way, anew in every epoch.
    per_class : int or None
        How many training digits of each class, the first ones by id; all 400 by default.
    noisy : bool
        Train on the planted wrong labels.
    keep_checkpoints : bool
        Store the weights after every epoch, 0 being the initialisation.
    seed : int
        Of initialisation, order, shifts and dropout.
    """

    net: str
    size: Literal[28, 32]
    epochs: int
    schedule: Literal["cosine", "constant"] = "cosine"
    learning_rate: float = 2e-3
    weight_decay: float = 0.0
    shift: int = 0
    per_class: int | None = None
    noisy: bool = False
    keep_checkpoints: bool = False
    batch_size: int = 64
    seed: int = 0


@dataclass(frozen=True)
class TextRecipe:
    """Settings of one language model in GPT-2 form.

    Attributes
    ----------
    corpus : {"python-source", "occupations"}
        Training text.
    tokenizer : {"bytes", "words"}
        Byte-level byte-pair encoding, or one token per word.
    vocabulary : int
        Most tokens the tokenizer may have.
    width, layers, heads, context : int
        Of the network; `context` in tokens.
    epochs, batch_size : int
        Passes over the text; sequences per step.
    learning_rate, weight_decay : float
        Of AdamW, with the cosine schedule.
    seed : int
        Of initialisation and order.
    """

    corpus: Literal["python-source", "occupations"]
    tokenizer: Literal["bytes", "words"]
    vocabulary: int
    width: int
    layers: int
    heads: int
    context: int
    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float = 0.01
    seed: int = 0


RECIPES: dict[str, ImageRecipe | TextRecipe] = {
    "lenet5-digits": ImageRecipe("LeNet5", 28, epochs=60, weight_decay=0.05, shift=2),
    "lenet5-digits-overfit": ImageRecipe(
        "LeNet5",
        28,
        epochs=25,
        schedule="constant",
        learning_rate=2e-3,
        per_class=50,
        keep_checkpoints=True,
        batch_size=32,
    ),
    "lenet5-digits-noisy": ImageRecipe("LeNet5", 28, epochs=110, learning_rate=1e-3, noisy=True),
    "alexnet-digits": ImageRecipe("AlexNet", 32, epochs=30, weight_decay=0.05, shift=2),
    "vgg-digits": ImageRecipe("Vgg", 32, epochs=25, weight_decay=0.05, shift=2),
    "resnet-digits": ImageRecipe("ResNet", 32, epochs=20, weight_decay=0.05, shift=2),
    "gpt-python": TextRecipe(
        "python-source",
        "bytes",
        vocabulary=2048,
        width=128,
        layers=3,
        heads=4,
        context=128,
        epochs=3,
        batch_size=16,
        learning_rate=3e-3,
        weight_decay=0.05,
    ),
    "gpt-occupations": TextRecipe(
        "occupations",
        "words",
        vocabulary=256,
        width=64,
        layers=2,
        heads=4,
        context=32,
        epochs=20,
        batch_size=64,
        learning_rate=2e-3,
    ),
}

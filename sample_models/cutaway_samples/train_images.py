"""Training and measuring the image networks."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from cutaway_samples import nets
from cutaway_samples.digit_images import Digits, digits
from cutaway_samples.recipes import ImageRecipe
from cutaway_samples.reproducible import Tick, cosine, reproducible, silent
from cutaway_samples.score import Score
from cutaway_samples.training_data import training_digits

_EVALUATION_BATCH = 250


@dataclass(frozen=True, eq=False)
class ImageRun:
    """What one training run leaves behind.

    Attributes
    ----------
    states : dict of int to dict
        Weights by epoch: the last epoch, or all from 0 if the recipe keeps checkpoints.
    scores : dict of int to (Score, Score)
        Train and test score of the same epochs.
    """

    states: dict[int, dict[str, Tensor]]
    scores: dict[int, tuple[Score, Score]]


def make_net(name: str) -> nn.Module:
    """A network of `cutaway_samples.nets` by class name, freshly initialised."""
    made: nn.Module = getattr(nets, name)()
    return made


def as_input(images: np.ndarray) -> Tensor:
    """Pictures as the networks take them.

    Parameters
    ----------
    images : uint8 array, (n, height, width)
        Grey values 0 to 255.

    Returns
    -------
    float32 tensor, (n, 1, height, width)
        The same in [0, 1].
    """
    return torch.from_numpy(images.astype(np.float32) / np.float32(255.0))[:, None]


def evaluate(net: nn.Module, data: Digits) -> Score:
    """Score of a network against `data.labels`; the training flag is put back.

    Parameters
    ----------
    net : nn.Module
        Takes float32 (n, 1, size, size) and gives ten scores.
    data : Digits
        Pictures and labels.

    Returns
    -------
    Score
        Count of correct digits and mean loss.
    """
    was_training = net.training
    net.eval()
    correct, loss = 0, 0.0
    try:
        with torch.no_grad():
            for start in range(0, len(data), _EVALUATION_BATCH):
                part = slice(start, start + _EVALUATION_BATCH)
                scores = net(as_input(data.images[part]))
                labels = torch.from_numpy(data.labels[part].copy())
                correct += int((scores.argmax(1) == labels).sum())
                loss += float(functional.cross_entropy(scores, labels, reduction="sum"))
    finally:
        net.train(was_training)
    return Score(correct, len(data), loss / len(data))


def train_image_net(
    recipe: ImageRecipe,
    *,
    epochs: int | None = None,
    keep: np.ndarray | None = None,
    tick: Tick = silent,
) -> ImageRun:
    """Weights and scores of one seeded training run; the same bits every time.

    Parameters
    ----------
    recipe : ImageRecipe
        All settings.
    epochs : int, optional
        Instead of the recipe's.
    keep : bool array, (n,), optional
        Which of the recipe's digits to train on; all by default.
    tick : callable
        Hears progress after every batch; may raise to cancel.

    Returns
    -------
    ImageRun
        Weights and scores by epoch.
    """
    recipe = recipe if epochs is None else replace(recipe, epochs=epochs)
    train, test = training_digits(recipe), digits("test", size=recipe.size)
    if keep is not None:
        train = train.where(keep)
    images, labels = as_input(train.images), torch.from_numpy(train.labels.copy())
    states: dict[int, dict[str, Tensor]] = {}
    scores: dict[int, tuple[Score, Score]] = {}
    with reproducible(recipe.seed) as generator:
        net = make_net(recipe.net)
        optimizer = torch.optim.AdamW(
            net.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
        )
        n_batches = -(-len(train) // recipe.batch_size)
        n_steps, step = n_batches * recipe.epochs, 0
        for epoch in range(recipe.epochs + 1):
            if epoch > 0:
                net.train()
                for rows in _batches(len(train), recipe.batch_size, generator):
                    _set_rate(optimizer, recipe, step, n_steps)
                    batch = shifted(images[rows], recipe.shift, generator)
                    _step(net, optimizer, batch, labels[rows])
                    step += 1
                    tick(0.99 * step / n_steps, f"epoch {epoch}/{recipe.epochs}")
            if recipe.keep_checkpoints or epoch == recipe.epochs:
                states[epoch] = {key: value.clone() for key, value in net.state_dict().items()}
                scores[epoch] = (evaluate(net, train), evaluate(net, test))
    tick(1.0, "trained")
    return ImageRun(states, scores)


def shifted(images: Tensor, most: int, generator: torch.Generator) -> Tensor:
    """Each picture moved by its own whole number of pixels; what comes in at the edge is 0.

    Parameters
    ----------
    images : float tensor, (n, c, h, w)
        Pictures.
    most : int
        Largest shift in pixels, either way, along each axis.
    generator : torch.Generator
        Draws the shifts.

    Returns
    -------
    float tensor, (n, c, h, w)
        Moved pictures.
    """
    if most == 0:
        return images
    n, _, height, width = images.shape
    padded = functional.pad(images, (most, most, most, most))
    top, left = torch.randint(0, 2 * most + 1, (2, n), generator=generator)
    rows = (top[:, None] + torch.arange(height))[:, None, :, None]
    columns = (left[:, None] + torch.arange(width))[:, None, None, :]
    channels = torch.arange(images.shape[1])[None, :, None, None]
    return padded[torch.arange(n)[:, None, None, None], channels, rows, columns]


def _batches(n: int, size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Rows 0 to n - 1 in random order, in batches."""
    yield from torch.split(torch.randperm(n, generator=generator), size)


def _set_rate(
    optimizer: torch.optim.Optimizer, recipe: ImageRecipe, step: int, n_steps: int
) -> None:
    """Set the learning rate that the recipe's schedule has at this step."""
    factor = cosine(step, n_steps) if recipe.schedule == "cosine" else 1.0
    for group in optimizer.param_groups:
        group["lr"] = recipe.learning_rate * factor


def _step(net: nn.Module, optimizer: torch.optim.Optimizer, images: Tensor, labels: Tensor) -> None:
    """One step of gradient descent on the cross entropy."""
    optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(functional.cross_entropy(net(images), labels))
    optimizer.step()

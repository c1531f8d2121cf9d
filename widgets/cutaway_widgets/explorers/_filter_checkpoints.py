"""Checkpoints of a sample model, and the data that it was trained and tested on."""

import cutaway_samples
from cutaway.data import Dataset, load_data
from cutaway.model import Model, load_model


def epochs_of(model: Model) -> tuple[int, ...]:
    """Epochs that a model keeps, in order; none for a model that is no sample or keeps none."""
    name = _sample(model)
    return cutaway_samples.checkpoints(name) if name else ()


def checkpoint(model: Model, epoch: int) -> Model:
    """The same network as it was after an epoch.

    Raises
    ------
    ValueError
        If the model keeps no such epoch.
    """
    return load_model(_sample(model), checkpoint=epoch)


def trained_on(model: Model) -> tuple[Dataset, Dataset]:
    """What a sample model was trained on, and the held-out samples."""
    name = _sample(model)
    source = cutaway_samples.entry(name).dataset
    train, test = (load_data(source, split=split) for split in ("train", "test"))
    return train.take(train.index.positions(cutaway_samples.training_ids(name))), test


def thinned(epochs: tuple[int, ...], most: int) -> tuple[int, ...]:
    """At most so many epochs, evenly spread, the first and the last among them."""
    if len(epochs) <= most:
        return epochs
    last = len(epochs) - 1
    return tuple(epochs[round(i * last / (most - 1))] for i in range(most))


def _sample(model: Model) -> str:
    """Name of the sample model; empty for another one."""
    source = (model.given or {}).get("source")
    return source if isinstance(source, str) and source in cutaway_samples.names() else ""

"""Converting a pretrained model once into the cache folder, and loading it from there."""

import os
from collections.abc import Callable
from pathlib import Path

from torch import nn

from cutaway_samples.atomic import replaced_folder
from cutaway_samples.entries import pretrained_names, unknown
from cutaway_samples.pretrained import efficientnet, minilm, smollm2
from cutaway_samples.pretrained.sources import SOURCES, check_installed

_WRITERS: dict[str, Callable[[Path], None]] = {
    "efficientnet-lite0": efficientnet.write,
    "smollm2-135m": smollm2.write,
    "minilm-l6": minilm.write,
}
_READERS: dict[str, Callable[[Path], nn.Module]] = {
    "efficientnet-lite0": efficientnet.read,
    "smollm2-135m": smollm2.read,
    "minilm-l6": minilm.read,
}


def cache_folder() -> Path:
    """Where converted models live: the first that is set of the three the package names."""
    chosen = os.environ.get("CUTAWAY_CACHE")
    if chosen:
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "cutaway"


def convert(name: str) -> Path:
    """Folder of a converted pretrained model; it is converted now if it has not been before.

    Parameters
    ----------
    name : str
        One of `pretrained_names()`.

    Returns
    -------
    Path
        Holds `model.safetensors`, and for language models config and tokenizer.

    Raises
    ------
    ValueError
        If there is no such pretrained model.
    ImportError
        If a package is missing; the message has the command that installs it.
    """
    if name not in SOURCES:
        raise ValueError(unknown("pretrained model", name, pretrained_names()))
    target = cache_folder() / "pretrained" / name
    if not (target / "model.safetensors").is_file():
        check_installed(name, SOURCES[name].modules)
        with replaced_folder(target) as fresh:
            _WRITERS[name](fresh)
    return target


def load(name: str) -> nn.Module:
    """A pretrained model in eval mode, from the cache folder.

    Parameters
    ----------
    name : str
        One of `pretrained_names()`.

    Returns
    -------
    torch.nn.Module
        "efficientnet-lite0" takes float32 (n, 3, 224, 224) in [0, 1]; "smollm2-135m" and
        "minilm-l6" are `transformers` models whose tokenizer is in `folder(name)`.

    Raises
    ------
    ValueError
        If there is no such pretrained model, or the converted file is damaged.
    ImportError
        If a package is missing; the message has the command that installs it.
    """
    where = convert(name)
    check_installed(name, SOURCES[name].runtime)
    from safetensors import SafetensorError

    try:
        return _READERS[name](where).eval()
    except SafetensorError as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"{name} expected as safetensors in {where}, got: {reason}; "
            "remove that folder, it will be converted anew"
        ) from error

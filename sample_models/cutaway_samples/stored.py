"""Reading what the training command has stored: weights, checkpoints, cards, folders."""

import hashlib
import json
import re
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cutaway_samples.entries import entry, names
from cutaway_samples.quiet import quiet_transformers
from cutaway_samples.recipes import RECIPES, ImageRecipe

if TYPE_CHECKING:
    from torch import nn

WEIGHTS = Path(str(resources.files("cutaway_samples"))) / "weights"
_CHECKPOINT = re.compile(r"epoch-(\d+)\.safetensors")


def build(name: str, checkpoint: int | None = None) -> "nn.Module":
    """A sample model in eval mode with its trained weights.

    Parameters
    ----------
    name : str
        One of `names()` or `pretrained_names()`.
    checkpoint : int, optional
        Epoch, for a model that keeps them (see `checkpoints`); the last by default.

    Returns
    -------
    torch.nn.Module
        Takes what `entry(name)` says.

    Raises
    ------
    ValueError
        If there is no such model or checkpoint, or the stored file is damaged.
    FileNotFoundError
        If the weights are not there; the message has the command that makes them.
    ImportError
        If a library or package is missing; the message has the command that installs it.
    """
    described = entry(name)
    _check_checkpoint(name, checkpoint)
    if described.pretrained:
        from cutaway_samples import pretrained

        return pretrained.load(name)
    recipe = RECIPES[name]
    if isinstance(recipe, ImageRecipe):
        return _image_net(name, recipe, _weights_file(name, checkpoint))
    return _language_model(name)


def checkpoints(name: str) -> tuple[int, ...]:
    """Epochs whose weights are stored, ascending; empty for a model that keeps only the last.

    Raises
    ------
    ValueError
        If there is no such model.
    """
    described = entry(name)
    if described.pretrained or not (WEIGHTS / name).is_dir():
        return ()
    found = (_CHECKPOINT.fullmatch(path.name) for path in (WEIGHTS / name).iterdir())
    return tuple(sorted(int(match[1]) for match in found if match))


def card(name: str) -> dict[str, Any]:
    """What is known about a model: data, settings, measured accuracy, licence, command, versions.

    Raises
    ------
    ValueError
        If there is no such model.
    FileNotFoundError
        If the model has not been trained here.
    """
    described = entry(name)
    if described.pretrained:
        path = WEIGHTS.parent / "pretrained" / "cards" / f"{name}.json"
    else:
        path = WEIGHTS / name / "card.json"
    if not path.is_file():
        raise FileNotFoundError(_missing(name, path))
    read: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return read


def folder(name: str) -> Path:
    """Hugging Face folder of a language model: config, weights, tokenizer.

    Parameters
    ----------
    name : str
        A model of kind "tokens". A pretrained one is converted first, if need be.

    Raises
    ------
    ValueError
        If there is no such model, or it is an image model.
    """
    described = entry(name)
    if described.kind != "tokens":
        raise ValueError(
            f"name must be a language model, got the image model {name!r}; use build({name!r})"
        )
    if described.pretrained:
        from cutaway_samples import pretrained

        return pretrained.convert(name)
    if not (WEIGHTS / name / "model.safetensors").is_file():
        raise FileNotFoundError(_missing(name, WEIGHTS / name / "model.safetensors"))
    return WEIGHTS / name


def weights_digest(where: Path) -> str:
    """SHA-256 over the names and bytes of all weights and tokenizer files of one model's folder."""
    whole = hashlib.sha256()
    for path in sorted(where.iterdir()):
        if path.suffix == ".safetensors" or path.name == "tokenizer.json":
            whole.update(path.name.encode() + b"\0" + path.read_bytes())
    return whole.hexdigest()


def _check_checkpoint(name: str, checkpoint: int | None) -> None:
    """Raise unless the checkpoint is None or stored."""
    if checkpoint is None:
        return
    stored = checkpoints(name)
    if not stored:
        raise ValueError(
            f"checkpoint must be None for {name!r}, which stores one set of weights, got "
            f"{checkpoint!r}; leave it out"
        )
    if checkpoint not in stored:
        raise ValueError(
            f"checkpoint must be an epoch in {stored[0]}..{stored[-1]} of {name!r}, got "
            f"{checkpoint!r}; see checkpoints({name!r})"
        )


def _weights_file(name: str, checkpoint: int | None) -> Path:
    """Path of the weights of an image network."""
    stored = checkpoints(name)
    if not stored:
        return WEIGHTS / name / "model.safetensors"
    return (
        WEIGHTS / name / f"epoch-{stored[-1] if checkpoint is None else checkpoint:02d}.safetensors"
    )


def _image_net(name: str, recipe: ImageRecipe, path: Path) -> "nn.Module":
    """The network of a recipe with the weights of a file."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from cutaway_samples import nets

    if not path.is_file():
        raise FileNotFoundError(_missing(name, path))
    net: nn.Module = getattr(nets, recipe.net)()
    try:
        net.load_state_dict(load_file(path))
    except (SafetensorError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"weights of {name!r} expected as safetensors of {recipe.net} in {path}, got: "
            f"{reason}; restore the file or run python -m cutaway_samples.train {name}"
        ) from error
    return net.eval()


def _language_model(name: str) -> "nn.Module":
    """The causal language model in a Hugging Face folder."""
    where = folder(name)
    try:
        from transformers import AutoModelForCausalLM
    except ModuleNotFoundError as error:
        raise ImportError(
            f"{name} needs the package transformers, which is not installed; "
            "pip install 'cutaway[lm]'"
        ) from error
    with quiet_transformers():
        net: nn.Module = AutoModelForCausalLM.from_pretrained(where, local_files_only=True)
    return net.eval()


def _missing(name: str, path: Path) -> str:
    """One line for weights that are not there."""
    if name in names():
        remedy = f"run python -m cutaway_samples.train {name}"
    else:
        remedy = "install cutaway again"
    return f"{name!r} expected in {path}, got no such file; {remedy}"

"""Networks from names, modules, files and folders, as one `Model`."""

import difflib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import nn

import cutaway_samples
from cutaway.model import load_files, load_folder
from cutaway.model.errors import UnsupportedModel
from cutaway.model.model import Inputs, Model
from cutaway.model.tokens import SpecialTokens, n_positions

PathLike: TypeAlias = str | os.PathLike[str]
Factory: TypeAlias = Callable[[], nn.Module]
Source: TypeAlias = PathLike | nn.Module | tuple[Factory, PathLike]

_EXAMPLE_TOKENS = 16


def load_model(
    source: Source,
    *,
    name: str | None = None,
    trust: bool = False,
    device: str | torch.device | None = None,
    checkpoint: int | None = None,
    example: Inputs | None = None,
    special_tokens: SpecialTokens = "auto",
) -> Model:
    """A model, ready for `sites` and `capture`.

    Parameters
    ----------
    source : str, path, torch.nn.Module, or (factory, path)
        - name of a sample model (``cutaway_samples.names()``, ``pretrained_names()``);
        - a live module: kept as it is, with its training mode, gradients and device;
        - a function without arguments that makes the module, and a file with its weights
          (safetensors, or a state dict saved by ``torch.save``);
        - a Hugging Face folder: read offline, with its tokenizer, attention in its eager form;
        - with ``trust=True``: a ``.pt2`` file of ``torch.export.save`` (its tree of modules is
          restored, so that hooks work), or a file that holds a whole pickled module.
    name : str or None
        Name for captions; None takes it from the source.
    trust : bool
        Allow formats that can run code from the file while it is read.
    device : str, torch.device or None
        "cpu", "cuda", "cuda:1", "mps"; a live module is moved in place. None leaves it where it is.
    checkpoint : int or None
        Epoch, for sample models that keep one an epoch.
    example : Tensor, dict of str to Tensor, or None
        A batch (sample axis first) from which `sites` learns shapes when no data is given.
    special_tokens : {"auto", True, False}
        Of models with a tokenizer. True: texts get the special tokens that it adds; False: none.
        "auto": as it adds them, but a text that begins with the first one already gets no second,
        and where the model goes on after a text, no end comes after it, so that the last position
        is the text's own last token; either is said once.

    Returns
    -------
    Model
        In eval mode, except for a live module.

    Raises
    ------
    ValueError
        If a name is unknown, the file is corrupt or needs trust, weights do not fit, or the device
        is not available here.
    FileNotFoundError
        If there is no such file.
    UnsupportedModel
        If it is TorchScript, which cannot be hooked.
    TypeError
        If `source` is of another kind.
    """
    place = None if device is None else available(device)
    if checkpoint is not None and not _is_sample(source):
        raise ValueError(
            f"checkpoint must be None for this source, got {checkpoint}; only sample models keep "
            "checkpoints: give the file of the epoch instead"
        )
    model = _opened(source, name, trust, checkpoint, example)
    if special_tokens != "auto":
        model = Model(
            model.module,
            model.name,
            kind=model.kind,
            tokenizer=model.tokenizer,
            example=model.example,
            special_tokens=special_tokens,
        )
    if place is not None:
        model.module.to(place)
    model.given = _given(source, name, trust, checkpoint, special_tokens)
    return model


def _given(
    source: Source,
    name: str | None,
    trust: bool,
    checkpoint: int | None,
    special_tokens: SpecialTokens,
) -> dict[str, Any] | None:
    """Arguments that load the model again, as JSON; None where they hold a live object."""
    if not isinstance(source, (str, os.PathLike)):
        return None
    place = source if _is_sample(source) else str(Path(source).resolve())
    rest = {"name": name, "checkpoint": checkpoint, "trust": trust or None}
    rest["special_tokens"] = None if special_tokens == "auto" else special_tokens
    return {"source": place} | {key: one for key, one in rest.items() if one is not None}


def available(device: str | torch.device) -> torch.device:
    """The device, if this machine has it.

    Raises
    ------
    ValueError
        If it is unknown or absent; names those that are here.
    """
    n_cuda = torch.cuda.device_count()
    here = ["cpu", *(f"cuda:{i}" for i in range(n_cuda))]
    here += ["mps"] if torch.backends.mps.is_available() else []
    try:
        wanted = torch.device(device)
    except RuntimeError:
        wanted = None
    if wanted is not None and (
        wanted.type == "cpu"
        or (wanted.type == "cuda" and (wanted.index or 0) < n_cuda)
        or (wanted.type == "mps" and "mps" in here)
    ):
        return wanted
    raise ValueError(
        f"device must be available here, got {str(device)!r}; choose one of {', '.join(here)}"
    )


def _is_sample(source: Source) -> bool:
    known = cutaway_samples.names() + cutaway_samples.pretrained_names()
    return isinstance(source, str) and source in known


def _opened(
    source: Source, name: str | None, trust: bool, checkpoint: int | None, example: Inputs | None
) -> Model:
    if isinstance(source, torch.jit.ScriptModule):
        raise UnsupportedModel(load_files.TORCHSCRIPT.format(f"a {type(source).__name__}"))
    if isinstance(source, nn.Module):
        return Model(source, name or "", example=example)
    if isinstance(source, tuple):
        return _made(source, name, trust, example)
    if isinstance(source, str) and _is_sample(source):
        return _sample(source, name, checkpoint, example)
    if isinstance(source, (str, os.PathLike)):
        return _stored(Path(source), str(source), name, trust, example)
    raise TypeError(
        f"source must be a name, a path, a torch.nn.Module or (factory, path), "
        f"got {type(source).__name__}; give one of these"
    )


def _sample(name: str, title: str | None, checkpoint: int | None, example: Inputs | None) -> Model:
    entry = cutaway_samples.entry(name)
    module = cutaway_samples.build(name, checkpoint)
    tokenizer = None
    if entry.kind == "tokens":
        tokenizer = load_folder.tokenizer_in(Path(cutaway_samples.folder(name)))
        length = min(entry.input_shape[0], _EXAMPLE_TOKENS)
        given: Inputs = _token_example(length)
    else:
        given = torch.zeros((1, *entry.input_shape))
    at = "" if checkpoint is None else f"@{checkpoint}"
    return Model(
        module,
        title or f"{name}{at}",
        kind=entry.kind,
        tokenizer=tokenizer,
        example=given if example is None else example,
    )


def _made(source: tuple[Any, ...], name: str | None, trust: bool, example: Inputs | None) -> Model:
    if len(source) != 2 or isinstance(source[0], nn.Module) or not callable(source[0]):
        got = ", ".join(type(one).__name__ for one in source)
        raise TypeError(
            f"source must be (function that makes the module, path of its weights), got ({got}); "
            "wrap a module as (lambda: module, path)"
        )
    factory, path = source
    module = factory()
    if not isinstance(module, nn.Module):
        raise TypeError(
            f"factory must return a torch.nn.Module, got {type(module).__name__}; "
            "return the network itself"
        )
    load_files.fill(module, load_files.weights(Path(path), trust=trust), Path(path))
    return Model(module.eval(), name or type(module).__name__, example=example)


def _stored(
    path: Path, written: str, name: str | None, trust: bool, example: Inputs | None
) -> Model:
    """Model of a file or folder; `written` is what the caller gave, for the message."""
    if not _exists(path):
        known = cutaway_samples.names() + cutaway_samples.pretrained_names()
        close = difflib.get_close_matches(written[:100], known, 3, 0.0)
        near = ", ".join(repr(name) for name in close)
        raise FileNotFoundError(
            "source must be a sample name or an existing path, got "
            f"{written[:300]!r}; nearest names: {near}"
        )
    if path.is_dir():
        module, tokenizer = load_folder.folder(path, trust=trust)
        model = Model(module, name or path.name, tokenizer=tokenizer, example=example)
        if example is not None or model.kind != "tokens":
            return model
        longest = n_positions(getattr(module, "config", None), tokenizer) or _EXAMPLE_TOKENS
        given = _token_example(min(longest, _EXAMPLE_TOKENS))
        return Model(module, model.name, kind="tokens", tokenizer=tokenizer, example=given)
    module, found = load_files.whole(path, trust=trust)
    return Model(module, name or path.stem, example=found if example is None else example)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name that is too long, a folder that may not be entered
        return False


def _token_example(length: int) -> dict[str, torch.Tensor]:
    ids = torch.zeros((1, length), dtype=torch.int64)
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}

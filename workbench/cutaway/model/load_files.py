"""Weights and whole models in files; nothing is unpickled unless the caller trusts the file."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cutaway.core._io import DamagedFile, open_regular, zip_sizes
from cutaway.model.errors import UnsupportedModel

TORCHSCRIPT = (
    "source must be a module that can be hooked, got TorchScript ({}), which is read-only: its "
    "layers are compiled together; load the original class with (factory, weights path), or export "
    "it with torch.export.save to a .pt2 file"
)
_NESTED = ("state_dict", "model_state_dict", "model")
_FEW = 3


def weights(path: Path, *, trust: bool = False) -> dict[str, Tensor]:
    """State dict in a file, without unpickling anything but tensors.

    Parameters
    ----------
    path : pathlib.Path
        ``.safetensors``, or what ``torch.save(module.state_dict(), path)`` wrote. A training
        checkpoint that holds it under "state_dict", "model_state_dict" or "model" is opened too.
    trust : bool
        Unpickle other objects as well, which can run code from the file; of a whole module only the
        state dict is kept.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is corrupt, holds a pickle with code, or no state dict.
    UnsupportedModel
        If it is a TorchScript archive.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"weights must be an existing file, got {str(path)!r}; check the path"
        )
    if path.suffix == ".safetensors":
        return _safetensors(path)
    if _form(path) == "torchscript":
        raise UnsupportedModel(TORCHSCRIPT.format(path))
    found = _unpickled(path, trust=trust)
    found = found.state_dict() if isinstance(found, nn.Module) else found
    for key in _NESTED:
        if isinstance(found, Mapping) and isinstance(found.get(key), Mapping):
            found = found[key]
            break
    if not isinstance(found, Mapping) or not all(isinstance(v, Tensor) for v in found.values()):
        raise ValueError(
            f"weights must be a state dict (names and tensors), got {type(found).__name__} in "
            f"{path}; save module.state_dict()"
        )
    return dict(found)


def fill(module: nn.Module, state: Mapping[str, Tensor], path: Path) -> None:
    """Put a state dict into a module, all of it or nothing.

    Raises
    ------
    ValueError
        If names or shapes do not match; names the first few.
    """
    own = module.state_dict(keep_vars=True)
    loaded = {id(own[key]) for key in state if key in own}
    missing = [
        key
        for key, one in own.items()
        if key not in state and isinstance(one, Tensor) and id(one) not in loaded
    ]
    unexpected = [key for key in state if key not in own]
    shaped = [
        f"{key} {tuple(state[key].shape)} for {tuple(own[key].shape)}"
        for key in state
        if key in own and state[key].shape != own[key].shape
    ]
    listed = (("missing", missing), ("unexpected", unexpected), ("of another shape", shaped))
    wrong = [f"{len(keys)} {what} ({_first(keys)})" for what, keys in listed if keys]
    if wrong:
        raise ValueError(
            f"weights must match {type(module).__name__}, got {', '.join(wrong)} in {path}; "
            "use the factory that the weights were saved from"
        )
    module.load_state_dict(dict(state), strict=False)


def whole(path: Path, *, trust: bool) -> tuple[nn.Module, Tensor | dict[str, Tensor] | None]:
    """Module that a file holds entirely, and the example it was exported with (or None).

    Parameters
    ----------
    path : pathlib.Path
        ``.pt2`` of ``torch.export.save``, or ``torch.save(module, path)``.
    trust : bool
        Both forms can run code from the file, so they are opened only if this is True.

    Raises
    ------
    ValueError
        If the file needs trust, is corrupt, or holds weights only.
    UnsupportedModel
        If it is a TorchScript archive.
    """
    form = _form(path)
    if form == "torchscript":
        raise UnsupportedModel(TORCHSCRIPT.format(path))
    if path.suffix == ".safetensors":
        raise ValueError(_weights_only(path))
    if form == "exported" or path.suffix == ".pt2":
        return _exported(path, trust=trust)
    found = _unpickled(path, trust=trust)
    if isinstance(found, nn.Module):
        return found.eval(), None
    raise ValueError(_weights_only(path))


def _exported(path: Path, *, trust: bool) -> tuple[nn.Module, Tensor | dict[str, Tensor] | None]:
    if not trust:
        raise ValueError(
            f"trust must be True to open {path}, got False: a .pt2 file holds pickles and a "
            "program, so opening it can run code; pass trust=True if you trust where it comes from"
        )
    log = logging.getLogger("torch.export")  # it writes tracebacks of what it then raises
    was = log.disabled
    try:
        log.disabled = True
        program = torch.export.load(path)
        module: nn.Module = torch.export.unflatten(program)
    except Exception as error:
        raise ValueError(_corrupt(path, ".pt2 file", error)) from error
    finally:
        log.disabled = was
    example = program.example_inputs
    if not example:
        return module, None
    arguments, named = example
    if len(arguments) == 1 and isinstance(arguments[0], Tensor) and not named:
        return module, arguments[0]
    if not arguments and all(isinstance(one, Tensor) for one in named.values()):
        return module, dict(named)
    return module, None


def _safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    open_regular(path).close()
    try:
        found: dict[str, Tensor] = load_file(path)
    except Exception as error:
        raise ValueError(_corrupt(path, "safetensors file", error)) from error
    return found


def _unpickled(path: Path, *, trust: bool) -> Any:
    import pickle  # noqa: TID251 - only to name the error that torch raises

    try:
        return torch.load(path, map_location="cpu", weights_only=not trust)
    except pickle.UnpicklingError as error:
        if trust or not _pickled_code(error):
            raise ValueError(_corrupt(path, "file of torch.save", error)) from error
        raise ValueError(
            f"trust must be True to open {path}, got False: it is a pickle of more than tensors "
            f"({_met(error)}), and unpickling can run any code; save module.state_dict() "
            "instead, or pass trust=True if you trust where it comes from"
        ) from error
    except Exception as error:
        raise ValueError(_corrupt(path, "file of torch.save", error)) from error


def _form(path: Path) -> str:
    """The form "torchscript", "exported" or "other", by the names in the archive.

    Raises
    ------
    ValueError
        If it is no regular file, or an archive that declares far more than it holds.
    """
    try:
        sizes = zip_sizes(path)
    except DamagedFile as error:
        raise ValueError(_corrupt(path, "file of weights", error)) from error
    inner = {name.partition("/")[2] for name in sizes or ()}
    if "constants.pkl" in inner and any(name.startswith("code/") for name in inner):
        return "torchscript"
    return "exported" if "archive_format" in inner else "other"


def _met(error: Exception) -> str:
    """What the restricted unpickler met, without its page of advice."""
    met = str(error).partition("WeightsUnpickler error:")[2].strip().splitlines()
    return met[0].split(" was not an allowed global")[0][:120] if met else ""


def _pickled_code(error: Exception) -> bool:
    """Whether a restricted pickle was refused for what it would call, not for being broken."""
    return any(word in _met(error) for word in ("global", "GLOBAL", "reduce", "NEWOBJ", "class"))


def _corrupt(path: Path, form: str, error: Exception) -> str:
    why = " ".join(str(error).split())[:200] or type(error).__name__
    return f"path must be a whole {form}, got {path} ({why}); copy or save it again"


def _weights_only(path: Path) -> str:
    return (
        f"source must say how to build the module, got weights only in {path}; "
        "give (function that makes the module, path)"
    )


def _first(names: list[str]) -> str:
    more = ", …" if len(names) > _FEW else ""
    return ", ".join(names[:_FEW]) + more

"""Models and tokenizers of Hugging Face folders, without the network."""

import contextlib
import re
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

from cutaway.core._io import DamagedFile, damaged, read_json
from cutaway.model.errors import UnsupportedModel

_TOKENIZER_FILES = (
    *("tokenizer.json", "tokenizer_config.json", "vocab.json"),
    *("vocab.txt", "tokenizer.model"),
)
_CONFIGS = ("*config.json", "*.index.json")
# Entries of these files that name other files; notes of where a model once lay are none.
_NAMES_FILES = re.compile(r"(_files?|_path|_dir|_folder|filename|_weights|backbone)$")
_NOTES = frozenset({"name_or_path", "_name_or_path", "tokenizer_file", "special_tokens_map_file"})
_CODE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")
_LAYERS = re.compile(r"(num|n)_(\w+_)?(layers?|blocks|experts)$|^depths?$|^layers$")
_MOST_LAYERS = 4096
_PER_BYTE = 16  # numbers that a model may have for each byte of its weights: quantised ones have 2
_FREE = 2**28  # numbers that need no weights: masks, tables of positions
_REMEDY = "save it again with save_pretrained"
_NO_TRANSFORMERS = (
    "transformers must be installed to read a Hugging Face model, got none; "
    "pip install 'cutaway[lm]'"
)


def folder(path: Path, *, trust: bool = False) -> tuple[nn.Module, Any]:
    """Model in eval mode, and its tokenizer (None if the folder holds none).

    Parameters
    ----------
    path : pathlib.Path
        Holds ``config.json``, weights, and tokenizer files if the model takes texts.
    trust : bool
        Run model code that lies in the folder, and read weights that are pickles.

    Raises
    ------
    ValueError
        If the folder is none of a model, cannot be read, names files outside itself, holds weights
        that are pickles and `trust` is off, or declares a model far larger than its weights.
    UnsupportedModel
        If its model needs code from the folder and `trust` is off.

    Notes
    -----
    Files are read from the folder only. Links that lead out of it are refused, except those of the
    cache of the Hugging Face hub, whose snapshots are links to its ``blobs``.
    """
    config = _config(path)
    _check_inside(path)
    if "auto_map" in config and not trust:
        raise UnsupportedModel(
            f"trust must be True for {path}, got False: its config.json runs Python code from the "
            "folder (auto_map); read that code first, then pass trust=True"
        )
    _check_code(path, config)
    if not trust:
        _check_weights(path)
    transformers = _transformers()
    named = config.get("architectures")
    architecture = str(named[0]) if isinstance(named, list) and named else ""
    scores = architecture.endswith(("LMHeadModel", "ForCausalLM"))
    kind = transformers.AutoModelForCausalLM if scores else transformers.AutoModel
    options = {"attn_implementation": "eager", "trust_remote_code": trust}
    with _one_line_errors(path, "a complete Hugging Face model", _REMEDY), _quiet(transformers):
        _check_declared(path, transformers, kind, options)
        module: nn.Module
        module, report = kind.from_pretrained(
            path, local_files_only=True, use_safetensors=None if trust else True,
            output_loading_info=True, **options,
        )  # fmt: skip
        _check_missing(report.get("missing_keys", ()), path)
    _unmap(module)
    return module.eval(), tokenizer_in(path, trust=trust)


def tokenizer_in(path: Path, *, trust: bool = False) -> Any:
    """Tokenizer of a folder, or None if it holds none.

    Raises
    ------
    ValueError
        If its files cannot be read.
    """
    if not any((path / name).exists() for name in _TOKENIZER_FILES):
        return None
    _check_inside(path)
    remedy = "save the tokenizer again with save_pretrained"
    with _one_line_errors(path, "a readable tokenizer", remedy):
        return _transformers().AutoTokenizer.from_pretrained(
            path, local_files_only=True, trust_remote_code=trust
        )


def _config(path: Path) -> dict[str, Any]:
    try:
        return read_json(path / "config.json", what="the config.json of a model", remedy=_REMEDY)
    except FileNotFoundError:
        raise ValueError(
            f"path must be a Hugging Face folder with a config.json, got {path} without one; "
            "give the folder that save_pretrained wrote"
        ) from None
    except DamagedFile as error:
        reason = error.__cause__ or str(error).partition(" (")[2].partition("); ")[0]
        raise DamagedFile(
            f"config.json must be JSON, got {path / 'config.json'} ({reason}); save the model "
            "again with save_pretrained"
        ) from error


@contextlib.contextmanager
def _one_line_errors(path: Path, what: str, remedy: str) -> Iterator[None]:
    """Turn whatever a library raises about a folder into one line with its name."""
    try:
        yield
    except (ImportError, UnsupportedModel, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:
        # A panic of the tokenizers library is no Exception; what stops the program is none of ours.
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        reason = " ".join(str(error).split())[:300]
        raise ValueError(
            f"path must hold {what}, got {path} ({type(error).__name__}: {reason}); {remedy}"
        ) from error


# --- what a folder may hold ----------------------------------------------------------------------


def _check_inside(path: Path) -> None:
    """Refuse what lies, or is named, outside the folder, and what is neither file nor folder."""
    what = "a Hugging Face folder"
    for place in (*path.iterdir(), *path.glob("additional_chat_templates/*")):
        if not _lies_inside(path, place):
            raise damaged(what, path, f"{place.name} leads out of it", "copy the file into it")
        if place.exists() and not (place.is_file() or place.is_dir()):
            raise damaged(what, path, f"{place.name} is a pipe or device", "delete it")
    if (path / "adapter_config.json").exists():
        remedy = "merge the adapter into its model (merge_and_unload) and save that"
        raise damaged(what, path, "it holds an adapter of another model", remedy)
    for file in sorted({file for pattern in _CONFIGS for file in path.glob(pattern)}):
        content = read_json(file, what=f"{file.name} of a model")
        if not isinstance(content.get("weight_map", {}), dict):
            raise damaged(f"{file.name} of a model", file, "weight_map is no object", _REMEDY)
        for key, name in _file_names(content):
            outside = name.startswith("~") or "\\" in name or "\0" in name
            if outside or not _lies_inside(path, path / name):
                why = f"{file.name} names {name[:100]!r} ({key}), which is not in it"
                raise damaged(what, path, why, "put the file into the folder and name it plainly")


def _lies_inside(path: Path, place: Path) -> bool:
    home = path.resolve()
    # The hub's cache: models--NAME/snapshots/REVISION holds links to models--NAME/blobs.
    cached = home.parent.name == "snapshots" and home.parent.parent.name.startswith("models--")
    try:
        real = place.resolve()
    except (OSError, RuntimeError, ValueError):  # a loop of links, a null character
        return False
    return real.is_relative_to(home) or (
        cached and real.is_relative_to(home.parent.parent / "blobs")
    )


def _file_names(config: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Keys and names of the files that a config or an index of weights names."""
    waiting: list[tuple[str, Any]] = list(config.items())
    while waiting:
        key, value = waiting.pop()
        if key == "weight_map" and isinstance(value, dict):
            yield from ((key, str(name)) for name in set(map(str, value.values())))
        elif isinstance(value, dict):
            waiting += value.items()
        elif isinstance(value, list):
            waiting += [(key, inner) for inner in value]
        elif isinstance(value, str) and key not in _NOTES and _NAMES_FILES.search(key):
            yield key, value
        elif isinstance(value, str) and key in {"tokenizer_file", "special_tokens_map_file"}:
            # Old versions noted where these lay on the machine that wrote them.
            with contextlib.suppress(OSError, ValueError):
                if Path(value).exists():
                    yield key, value


def _check_code(path: Path, config: dict[str, Any]) -> None:
    """Refuse code that lies elsewhere, also where the folder is trusted."""
    waiting: list[Any] = [config.get("auto_map")]
    while waiting:
        value = waiting.pop()
        if isinstance(value, (dict, list)):
            waiting += value.values() if isinstance(value, dict) else value
        elif value is not None and not _CODE.fullmatch(str(value)):
            why = f"auto_map names {str(value)[:100]!r}, which is no code in it"
            raise damaged("a Hugging Face folder", path, why, "put the code into the folder")


def _check_weights(path: Path) -> None:
    pickles = sorted(file.name for file in path.glob("*.bin"))
    if pickles and not any(path.glob("*.safetensors")):
        raise ValueError(
            f"trust must be True to open {path}, got False: its weights are pickles "
            f"({pickles[0]}), and unpickling can run any code; {_REMEDY}, or pass trust=True if "
            "you trust where it comes from"
        )


def _check_declared(path: Path, transformers: Any, kind: Any, options: dict[str, Any]) -> None:
    """Refuse a config of a model far larger than its weights, before memory is taken for it."""
    waiting: list[tuple[str, Any]] = list(_config(path).items())
    while waiting:
        key, value = waiting.pop()
        if isinstance(value, (dict, list)):
            inner = value.items() if isinstance(value, dict) else [(key, entry) for entry in value]
            waiting += inner
        elif isinstance(value, int) and value > _MOST_LAYERS and _LAYERS.search(key):
            raise ValueError(f"config.json declares {key} {value:,}")
    weights = sum(
        file.stat().st_size for form in ("*.safetensors", "*.bin") for file in path.glob(form)
    )
    config = transformers.AutoConfig.from_pretrained(
        path, local_files_only=True, trust_remote_code=options["trust_remote_code"]
    )
    with torch.device("meta"):
        module = kind.from_config(config, **options)
    declared = sum(tensor.numel() for tensor in (*module.parameters(), *module.buffers()))
    if declared > _PER_BYTE * weights + _FREE:
        raise ValueError(
            f"config.json declares {declared:,} numbers, the weights hold {weights:,} bytes"
        )


def _check_missing(names: Iterable[str], path: Path) -> None:
    """Refuse weights that are not in the files: they would be random numbers."""
    # A model without its head has a pooler that the folder of one with a head need not have.
    missing = sorted(name for name in names if "pooler" not in name)
    if missing:
        more = ", …" if len(missing) > 3 else ""
        raise ValueError(f"{len(missing)} weights are missing: {', '.join(missing[:3])}{more}")
    if names:
        warnings.warn(
            f"path must hold all weights, got {path} without those of its pooler, which are random "
            "numbers here; use the sites before it",
            UserWarning,
            stacklevel=5,
        )


def _unmap(module: nn.Module) -> None:
    """Take weights out of the mapped file: one that shrinks later would kill the process."""
    with torch.no_grad():
        for tensor in (*module.parameters(), *module.buffers()):
            tensor.data = tensor.data.clone(memory_format=torch.preserve_format)


@contextlib.contextmanager
def _quiet(transformers: Any) -> Iterator[None]:
    """No progress bars on the error stream while weights are read."""
    logging = transformers.utils.logging
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _transformers() -> Any:
    try:
        import transformers
    except ImportError as error:
        raise ImportError(_NO_TRANSFORMERS) from error
    return transformers

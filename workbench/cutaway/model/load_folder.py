"""Models and tokenizers of Hugging Face folders, without the network."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from torch import nn

from cutaway.model.errors import UnsupportedModel

_TOKENIZER_FILES = (
    *("tokenizer.json", "tokenizer_config.json", "vocab.json"),
    *("vocab.txt", "tokenizer.model"),
)
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
        If the folder is none of a model, or cannot be read.
    UnsupportedModel
        If its model needs code from the folder and `trust` is off.
    """
    config = _config(path)
    if "auto_map" in config and not trust:
        raise UnsupportedModel(
            f"trust must be True for {path}, got False: its config.json runs Python code from the "
            "folder (auto_map); read that code first, then pass trust=True"
        )
    transformers = _transformers()
    architectures = config.get("architectures") or [""]
    scores = str(architectures[0]).endswith(("LMHeadModel", "ForCausalLM"))
    kind = transformers.AutoModelForCausalLM if scores else transformers.AutoModel
    try:
        with _quiet(transformers):
            module: nn.Module = kind.from_pretrained(
                path,
                local_files_only=True,
                attn_implementation="eager",
                trust_remote_code=trust,
            )
    except Exception as error:
        why = " ".join(str(error).split())[:300]
        raise ValueError(
            f"path must hold a complete Hugging Face model, got {path} "
            f"({type(error).__name__}: {why}); save it again with save_pretrained"
        ) from error
    return module.eval(), tokenizer_in(path, trust=trust)


def tokenizer_in(path: Path, *, trust: bool = False) -> Any:
    """Tokenizer of a folder, or None if it holds none.

    Raises
    ------
    ValueError
        If its files cannot be read.
    """
    if not any((path / one).exists() for one in _TOKENIZER_FILES):
        return None
    try:
        return _transformers().AutoTokenizer.from_pretrained(
            path, local_files_only=True, trust_remote_code=trust
        )
    except Exception as error:
        why = " ".join(str(error).split())[:300]
        raise ValueError(
            f"path must hold a readable tokenizer, got {path} ({type(error).__name__}: {why}); "
            "save the tokenizer again with save_pretrained"
        ) from error


def _config(path: Path) -> dict[str, Any]:
    try:
        found = json.loads((path / "config.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(
            f"path must be a Hugging Face folder with a config.json, got {path} without one; "
            "give the folder that save_pretrained wrote"
        ) from None
    except ValueError as error:
        raise ValueError(
            f"config.json must be JSON, got {path / 'config.json'} ({error}); "
            "save the model again with save_pretrained"
        ) from error
    return found if isinstance(found, dict) else {}


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

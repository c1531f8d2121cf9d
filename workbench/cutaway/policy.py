"""What a page may open: everything on a person's own machine, a fixed list on a team's server.

`cutaway serve --team` states the policy in the environment of the kernels; pages ask
`current_policy` and open models and data through it.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import cutaway_samples

if TYPE_CHECKING:
    from cutaway.data.dataset import Samples
    from cutaway.model.model import Model

PathLike: TypeAlias = str | os.PathLike[str]

MODELS, FOLDER, MAX_BYTES = "CUTAWAY_MODELS", "CUTAWAY_FOLDER", "CUTAWAY_MAX_BYTES"
_TABLES = (".csv", ".tsv", ".parquet")


@dataclass(frozen=True)
class Policy:
    """Which models and data a page may open.

    Parameters
    ----------
    models : tuple of str or None
        Names of the sample models on offer; None: every one.
    folder : Path or None
        The only folder whose files may be read or written, links followed. None: no file at all if
        `models` are given, else any.
    max_bytes : int or str
        The most that one capture may keep, as in `cutaway.capture`.

    Notes
    -----
    No policy lets a page trust a file (unpickle it) or take code.
    """

    models: tuple[str, ...] | None = None
    folder: Path | None = None
    max_bytes: int | str = "1GB"

    trust: ClassVar[bool] = False
    code_entry: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Check the names, and follow the folder's links once."""
        known = _sample_models()
        for name in self.models or ():
            if name not in known:
                raise ValueError(
                    f"models must be sample models, got {name!r}; choose from {', '.join(known)}"
                )
        if self.models is not None:
            object.__setattr__(self, "models", tuple(dict.fromkeys(self.models)))
        if self.folder is not None:
            folder = Path(self.folder).resolve()
            if not folder.is_dir():
                raise FileNotFoundError(
                    f"folder must be an existing folder, got {self.folder}; make it first"
                )
            object.__setattr__(self, "folder", folder)

    @property
    def restricted(self) -> bool:
        """Whether anything is forbidden: True on a team's server."""
        return self.models is not None or self.folder is not None

    def models_offered(self) -> list[str]:
        """Names to choose from: sample models, then model folders inside `folder`."""
        names = list(cutaway_samples.names()) if self.models is None else list(self.models)
        return names + self._inside(lambda one: (one / "config.json").is_file())

    def data_offered(self) -> list[str]:
        """Names to choose from: sample data, then tables and folders of files inside `folder`."""
        from cutaway.data.load import SAMPLE_NAMES

        return list(SAMPLE_NAMES) + self._inside(
            lambda one: one.suffix.lower() in _TABLES if one.is_file() else _holds_data(one)
        )

    def _inside(self, wanted: Callable[[Path], bool]) -> list[str]:
        """Names of what lies directly in the folder and may be opened."""
        if self.folder is None:
            return []
        found = [one for one in sorted(self.folder.iterdir()) if not one.name.startswith(".")]
        return [one.name for one in found if self._holds(one) and wanted(one)]

    def _holds(self, path: Path) -> bool:
        """Whether a path leads to something in the folder."""
        try:
            return self.folder is not None and _resolved(path).is_relative_to(self.folder)
        except ValueError:
            return False

    def place(self, path: PathLike) -> Path:
        """Where a path leads, links followed; relative ones start at `folder`.

        Raises
        ------
        PermissionError
            If it lies outside the folder.
        """
        if not self.restricted:
            return _resolved(Path(path))
        if self.folder is None:
            raise PermissionError(
                f"source must be one of the names offered here, got {str(path)!r}; "
                "this server opens no files"
            )
        found = _resolved(self.folder / path)
        if not found.is_relative_to(self.folder):
            raise PermissionError(
                f"path must lie in the folder that this server allows, got {str(path)!r}; "
                "give a name inside it"
            )
        return found

    def open(self, source: Any, **options: Any) -> "Model":
        """`cutaway.load_model` for what the policy allows; nothing is ever unpickled.

        Parameters
        ----------
        source : object
            As in `load_model`. A server with limits takes names and folders only.
        **options : object
            Other arguments of `load_model`, without ``trust``.

        Raises
        ------
        PermissionError
            If the policy forbids it; says what is allowed.
        """
        from cutaway.model.load import load_model

        if options.pop("trust", False):
            raise PermissionError(
                f"trust must be False here, got True for {source!r}; load the file in a script of "
                "your own and save its weights as safetensors"
            )
        if not self.restricted:
            return load_model(source, **options)
        name = _written(source)
        if name in _sample_models():
            if self.models is not None and name not in self.models:
                raise PermissionError(
                    f"model must be one of {', '.join(self.models)}, got {name!r}; "
                    "choose one of these"
                )
            return load_model(name, **options)
        place = self.place(name)
        if place.is_file():
            raise PermissionError(
                f"source must be a sample model or a Hugging Face folder here, got the file "
                f"{name!r}, which could run code; save the model with save_pretrained"
            )
        self._whole(place)
        return load_model(place, **options)

    def open_data(self, source: Any, **options: Any) -> "Samples":
        """`cutaway.load_data` for what the policy allows.

        Raises
        ------
        PermissionError
            If the policy forbids it; says what is allowed.
        """
        from cutaway.data.load import SAMPLE_NAMES, load_data

        if not self.restricted or (isinstance(source, str) and source in SAMPLE_NAMES):
            return load_data(source, **options)
        place = self.place(_written(source))
        if "split" in options and options["split"] is not None:
            self.place(place / str(options["split"]))
        self._whole(place)
        return load_data(place, **options)

    def _whole(self, place: Path) -> None:
        """Refuse a folder with links that lead out of the allowed one."""
        for folder, below, files in os.walk(place):
            for name in (*below, *files):
                self.place(Path(folder) / name)


def _resolved(path: Path) -> Path:
    """Where a path leads, links followed.

    Raises
    ------
    ValueError
        If it leads nowhere: a loop of links, or no name that a file can have.
    """
    try:
        return path.resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise ValueError(
            f"path must lead to a file or folder, got {str(path)[:200]!r} ({error}); check its name"
        ) from error


def _written(source: object) -> str:
    if isinstance(source, (str, os.PathLike)):
        return os.fspath(source) if isinstance(source, str) else str(Path(source))
    raise PermissionError(
        f"source must be a name or a path on this server, got {type(source).__name__}; "
        "choose one of the names offered"
    )


def _sample_models() -> tuple[str, ...]:
    return (*cutaway_samples.names(), *cutaway_samples.pretrained_names())


def _holds_data(folder: Path) -> bool:
    """Whether a folder may be one of images: it is no model and no store of ours."""
    known = ("config.json", "manifest.json", "workspace.json")
    return folder.is_dir() and not any((folder / name).exists() for name in known)


def current_policy() -> Policy:
    """The policy that ``cutaway serve --team`` stated; without it everything is allowed.

    Notes
    -----
    Read from ``CUTAWAY_MODELS`` (names, comma-separated), ``CUTAWAY_FOLDER`` and
    ``CUTAWAY_MAX_BYTES``. A variable that is set but empty forbids: no models, no folder.
    """
    names = os.environ.get(MODELS)
    folder = os.environ.get(FOLDER)
    models = None if names is None else tuple(one for one in names.split(",") if one)
    return Policy(
        models, Path(folder) if folder else None, os.environ.get(MAX_BYTES) or Policy.max_bytes
    )

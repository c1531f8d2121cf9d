"""Files that are either whole or absent."""

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary name beside `path`; rename it there on success, delete it on any error.

    Parameters
    ----------
    path : path-like
        Where the finished file shall lie. Missing parent folders are made.

    Yields
    ------
    pathlib.Path
        The temporary name to write to (same folder, so that the rename is atomic).
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        yield temporary
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def whole_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary folder beside `path`; rename it there on success, delete it on any error.

    Raises
    ------
    FileExistsError
        If `path` exists already: a folder is never overwritten.
    """
    target = Path(path)
    if target.exists():
        raise FileExistsError(
            f"path must not exist yet, got {target}; choose another name or delete it first"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    temporary.mkdir()
    try:
        yield temporary
        temporary.rename(target)
    finally:
        if temporary.exists():
            shutil.rmtree(temporary)

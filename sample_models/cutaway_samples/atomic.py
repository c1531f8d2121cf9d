"""Writing a folder so that a reader finds the old one or the new one, never half of one."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replaced_folder(target: Path) -> Iterator[Path]:
    """Give a temporary folder that takes the place of `target` when the block ends well.

    Parameters
    ----------
    target : Path
        Folder to make or replace; its parent is made if need be.

    Yields
    ------
    Path
        Empty folder beside `target`. It is removed if the block raises, and `target` stays as it
        was.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        yield fresh
        fresh.chmod(0o755)
        for path in fresh.iterdir():  # safetensors writes files that only their owner may read
            path.chmod(0o644)
        if target.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{target.name}-old-", dir=target.parent))
            target.rename(old / target.name)
            fresh.rename(target)
            shutil.rmtree(old)
        else:
            fresh.rename(target)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)

"""Print a table and keep it under bench/results/, with the machine named by its cores only."""

import os
import platform
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


def table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def write(name: str, title: str, *parts: str) -> None:
    """Print the report and write it to ``bench/results/NAME.md``."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    machine = (
        f"{cores} cores, Python {platform.python_version()}, torch {metadata.version('torch')}, "
        f"numpy {metadata.version('numpy')}"
    )
    text = "\n\n".join([f"# {title}", machine, *parts]) + "\n"
    print(text)
    RESULTS.mkdir(exist_ok=True)
    temporary = RESULTS / f".{name}.tmp"
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(RESULTS / f"{name}.md")

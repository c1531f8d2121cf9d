"""Run every benchmark here, one after the other, each in a process of its own."""

import subprocess
import sys
from pathlib import Path

SCRIPTS = (
    "startup", "capture", "content", "memory", "page", "mixtures", "screen", "screen_quality",
    "labels", "overfitting", "merging", "complexity", "pruning", "merging_pretrained",
    "observables", "observables_tasks", "gpt_neo_paper",
)  # fmt: skip


def main() -> int:
    """Run all; return how many failed."""
    folder = Path(__file__).parent
    failed = 0
    for name in SCRIPTS:
        print(f"bench: {name}", flush=True)
        done = subprocess.run([sys.executable, folder / f"{name}.py"], check=False, cwd=folder)
        failed += done.returncode != 0
    return failed


if __name__ == "__main__":
    sys.exit(main())

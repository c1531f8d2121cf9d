"""Import and command-line start, whole processes, paired A B A B.

Goals: ``import cutaway`` <= 1.5 x ``import torch``; ``cutaway --help`` <= 0.5 s without torch.
"""

import statistics
import subprocess
import sys
import time

import report

RUNS = 7
CASES = {
    "import torch": "import torch",
    "import cutaway": "import cutaway",
    "import cutaway, first use": "import cutaway as ct; ct.load_model; ct.capture",
    "cutaway --help": "import cutaway.cli as c; c.main(['--help'])",
}


def seconds(code: str) -> float:
    """Wall time of a fresh interpreter that runs `code`."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=False, capture_output=True)
    return time.perf_counter() - start


def main() -> None:
    """Measure each case `RUNS` times in turn."""
    for code in CASES.values():
        seconds(code)
    times: dict[str, list[float]] = {name: [] for name in CASES}
    for _ in range(RUNS):
        for name, code in CASES.items():
            times[name].append(seconds(code))
    base = times["import torch"]
    rows = []
    for name, found in times.items():
        ratios = [one / other for one, other in zip(found, base, strict=True)]
        rows.append(
            (name, f"{statistics.median(found):.2f}", f"{min(found):.2f}–{max(found):.2f}",
             f"{statistics.median(ratios):.2f}")
        )  # fmt: skip
    note = (
        "Goals: `import cutaway` ≤ 1.5 × `import torch`; `cutaway --help` ≤ 0.5 s. "
        f"Median of {RUNS} fresh interpreters each, in turn; the ratio is the median of the "
        "paired ratios."
    )
    heads = ("process", "median s", "min–max s", "ratio to import torch")
    report.write("startup", "Start-up", report.table(heads, rows), note)


if __name__ == "__main__":
    main()

"""The whole screen of AlexNet's five convolutions on all 5,000 digits: time and peak memory.

Goal: 60 s on 2 cores, 2 GB in all, in a process of its own; the first row is a LeNet-5 for scale.
"""

import resource
import subprocess
import sys
import time

import report

CASES = (("lenet5-digits", "digits"), ("alexnet-digits", "digits32"))


def once(model_name: str, data_name: str) -> str:
    """One capture and screen in this process: a line of numbers."""
    import torch

    import cutaway as ct

    model, data = ct.load_model(model_name), ct.load_data(data_name)
    tree = ct.sites(model, data)
    paths = [one.path for one in tree if one.type == "Conv2d"]
    torch.set_num_threads(2)
    began = time.perf_counter()
    acts = ct.capture(model, data, tree[paths], pool=8, show=None)
    captured = time.perf_counter()
    screen = ct.screen_filters(acts)
    done = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    count = len(screen.filters)
    numbers = (captured - began, done - captured, done - began)
    return " ".join([str(count), *(f"{one:.1f}" for one in numbers), f"{peak:.2f}"])


def main() -> int:
    """Run each case in a fresh process; write the table."""
    if len(sys.argv) == 3:
        print(once(*sys.argv[1:]))
        return 0
    rows = []
    for model, data in CASES:
        done = subprocess.run(
            [sys.executable, __file__, model, data], capture_output=True, text=True, check=True
        )
        count, capture, screen, whole, peak = done.stdout.split()[-5:]
        rows.append((model, count, capture, screen, whole, peak))
    report.write(
        "screen",
        "The whole screen on 5,000 digits",
        report.table(
            ("model", "filters", "capture s", "screen s", "in all s", "peak GB, whole process"),
            rows,
        ),
        "All convolutions, maps pooled to at most 8 × 8. Goal for AlexNet: ≤ 60 s, ≤ 2 GB. The "
        "mixture engine was compiled before.",
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())

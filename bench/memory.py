"""Peak memory of a capture of 20,000 samples with a 64 MB cap, in a process of its own."""

import subprocess
import sys
import tempfile
import textwrap

import report

CAP = 64_000_000
CODE = """
    import resource, sys
    import numpy as np
    import torch
    from cutaway.data import load_data
    from cutaway.model import capture, load_model, sites

    n, size = 20_000, 64
    shapes = {"layer1.0.conv1": (16, 32, 32), "layer3.1.conv2": (64, 8, 8)}
    model = load_model("resnet-digits")
    pictures = np.random.default_rng(0).integers(0, 256, (n, 32, 32), np.uint8)
    data = load_data(pictures)
    wanted = sites(model, data)[list(shapes)]
    if sys.argv[1] == "forward":
        with torch.no_grad():
            model.module.eval()
            model.forward(data.batch(np.arange(size)))
    else:
        capture(model, data, wanted, batch_size=size, show=None, store=sys.argv[2],
                max_bytes="4GB")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    values = sum(int(np.prod(shape)) for shape in shapes.values())
    print(peak, size * 4 * (32 * 32 + values), n * 4 * values)
"""


def child(folder: str, mode: str) -> list[int]:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(CODE), mode, f"{folder}/store"],
        check=True,
        capture_output=True,
        text=True,
    )
    return [int(one) for one in done.stdout.split()]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        model_peak, batch, kept = child(folder, "forward")
        peak, _, _ = child(folder, "capture")
    allowed = model_peak + 2 * batch + CAP
    mega = [f"{one / 1e6:.0f} MB" for one in (kept, model_peak, batch, peak, allowed)]
    heads = ["kept on disk", "before", "one batch", "peak", "goal"]
    report.write(
        "memory",
        "Peak memory of a capture of 20,000 samples into a store",
        "resnet-digits, two sites, batches of 64. Goal: peak ≤ process with model, data, tree of "
        "sites, after one plain forward, + 2 batches + "
        f"64 MB: **{'met' if peak <= allowed else 'missed'}**. Peak is the resident size that the "
        "system reports (ru_maxrss); written pages belong to the disk cache, not to the process.",
        report.table(heads, [mega]),
    )


if __name__ == "__main__":
    main()

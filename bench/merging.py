"""Feature merging: time and memory of the engine beside the form that rebuilds all distances.

One layer of n features with 2 n numbers each is merged to half, in a process of its own. Of the
rebuilding form the first merges are timed, and the rest is extrapolated by the squares of the
features left. Then the curves of whole networks.
"""

import json
import subprocess
import sys
import textwrap
import time

import numpy as np
import report
import torch

import cutaway as ct
from cutaway.merging import Prepared

QUICK = "quick" in sys.argv
SIZES = (128, 256, 512) if QUICK else (256, 512, 1024, 2048, 4096)
RULES = ("official", "official_var", "ward")
NETS = (("lenet5-digits", 28), ("vgg-digits", 32), ("resnet-digits", 32))[: 1 if QUICK else 3]
BETAS = np.geomspace(0.005, 0.5, 12)
LAYER = """
    import json, sys, threading, time
    import numpy as np
    import torch
    from torch import nn
    from cutaway.merging import Prepared

    n, rule = int(sys.argv[1]), sys.argv[2]
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(n, n), nn.ReLU(), nn.Linear(n, n))

    def resident():
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * 4096

    peaks = {"prepare": 0, "merge": 0}
    base, stage = resident(), "prepare"

    def watch():
        while stage:
            peaks[stage] = max(peaks[stage], resident())
            time.sleep(0.005)

    watcher = threading.Thread(target=watch)
    watcher.start()
    clock = [time.perf_counter()]
    prepared = Prepared(net, torch.rand(2, n), rule)
    clock.append(time.perf_counter())
    stage = "merge"
    run = prepared.run(left={"0": n // 2}, last=True)
    clock.append(time.perf_counter())
    stage = ""
    watcher.join()

    points = torch.cat([net[0].weight, net[2].weight.T], 1).detach().double().numpy()
    began = time.perf_counter()
    for _ in range(2):
        gram = points @ points.T
        norms = np.diagonal(gram)
        distances = np.maximum(norms[:, None] + norms - 2 * gram, 0)
        np.fill_diagonal(distances, np.inf)
        np.unravel_index(distances.argmin(), distances.shape)
        np.fill_diagonal(distances, -np.inf)
        distances.max()
        points = np.concatenate([points[2:], points[:1] + points[1:2], points[:1]])
    rebuild = (time.perf_counter() - began) / 2

    square = np.random.default_rng(0).normal(size=(n, n))
    began = time.perf_counter()
    square @ square.T
    limit = 2 * (time.perf_counter() - began)  # d = 2 n
    began = time.perf_counter()
    square.copy()
    limit += len(run.tree) * 6 * (time.perf_counter() - began) / n  # rows read and written
    print(json.dumps({
        "prepare": clock[1] - clock[0], "merge": clock[2] - clock[1], "merges": len(run.tree),
        "rebuild": rebuild, "limit": limit, "base": base,
        **{f"peak {name}": peak for name, peak in peaks.items()},
    }))
"""


def layer(n: int, rule: str) -> dict[str, float]:
    """One layer, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(LAYER), str(n), rule],
        check=True, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    found: dict[str, float] = json.loads(done.stdout)
    return found


def layers() -> tuple[list[list[str]], list[str]]:
    """Lines of the table of single layers, and growth with n by rule."""
    lines, growth = [], []
    for rule in RULES:
        times = []
        for n in SIZES:
            one = layer(n, rule)
            whole = one["prepare"] + one["merge"]
            # Of n … n/2 features the mean square is 7/12 of n^2.
            slow = one["rebuild"] * one["merges"] * 7 / 12
            times.append(whole)
            peak = max(one["peak prepare"], one["peak merge"])
            lines.append([
                rule, f"{n:,}", f"{one['prepare']:.2f} s", f"{one['merge']:.2f} s",
                f"{1e3 * one['merge'] / one['merges']:.2f} ms", f"{slow:.1f} s",
                f"{slow / whole:.0f} ×", f"{whole / one['limit']:.1f} ×",
                f"{(one['peak merge'] - one['base']) / 1e6:.0f} MB",
                f"{(peak - one['base']) / 1e6:.0f} MB",
            ])  # fmt: skip
        slope = np.polyfit(np.log(SIZES[-3:]), np.log(times[-3:]), 1)[0]
        growth.append(f"{rule} n^{slope:.1f}")
    return lines, growth


def curves() -> list[list[str]]:
    """Lines of the table of whole networks: 12 thresholds each."""
    lines = []
    for name, side in NETS:
        for rule in ("official", "auto"):
            began = time.perf_counter()
            prepared = Prepared(ct.load_model(name), torch.rand(8, 1, side, side), rule)
            merges = [len(prepared.merge(beta=float(beta)).tree) for beta in BETAS]
            seconds = time.perf_counter() - began
            lines.append([name, prepared.rule, f"{sum(merges):,}", f"{seconds:.1f} s"])
    return lines


def main() -> int:
    """Time all, write the table."""
    torch.set_num_threads(2)
    lines, growth = layers()
    heads = (
        "rule", "n", "prepare", "merge to n / 2", "a merge", "rebuilding, extrapolated", "faster",
        "beyond the limit", "memory, merging", "memory, all",
    )  # fmt: skip
    report.write(
        "merging",
        "Merging features",
        "One layer of n features of 2 n numbers. `prepare` traces, proves the group and takes the "
        "first distances; `faster` compares with both together; `limit`: two products of n × n "
        "matrices and the rows that a merge must read and write, at this machine's own speed. "
        "Memory above that of the imported libraries and the model. Growth of the whole time over "
        f"the last three sizes: {', '.join(growth)}.",
        report.table(heads, lines),
        "Whole networks, 12 thresholds from 0.005 to 0.5, with the merged modules.",
        report.table(("model", "rule", "merges", "time"), curves()),
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())

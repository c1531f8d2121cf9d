"""Accuracy at equal sizes: our merging rules beside pruning, neuron merging and folding.

Every layer keeps the same fraction of its features, nothing is trained afterwards. Five seeds of
four networks on which no rule was chosen; with and without batch norm statistics anew from 500
training digits. What is measured is kept beside the networks, so that a run that was stopped goes
on; ``python pruning.py vgg 3 4`` measures those only, ``report`` writes the table of what there is.
"""

import argparse
import json
import os
import sys
import time

import merging_nets
import numpy as np
import report
import torch
from torch import nn

import cutaway as ct
from cutaway.filters.overfitting.statistics import mean_interval
from cutaway.merging.peers import pruned, recalibrated

FRACTIONS = (0.875, 0.75, 0.5, 0.25, 0.125)
RULES = ("auto", "official", "official_var", "ward", "exact")
PEERS = (
    "magnitude", "torch_pruning_magnitude", "torch_pruning_bn_scale", "torch_pruning_fpgm",
    "torch_pruning_taylor", "neuron_merging", "folding", "folding_repair", "random",
)  # fmt: skip
NORMED = ("vgg", "resnet")
FOR_NORMED = ("official_var", "torch_pruning_bn_scale")  # nothing to repair or rank elsewhere
RIVALS = ("official", "magnitude", "folding_repair", "random")
TITLES = {
    "mlp": "MLP 784-512-512-10, weight decay 5e-3",
    "lenet": "LeNet-5 (ReLU), weight decay 5e-4",
    "vgg": "quarter-width VGG-11 with batch norm, weight decay 2e-2",
    "resnet": "small ResNet with batch norm, weight decay 2e-2",
}
LABELS = {"auto": "**auto** (default)"}
NOTE = (
    "Test accuracy in percent on 1,000 digits: mean over seeds and its 95 % bootstrap interval. "
    "Every layer keeps the same fraction of its features. The default rule (`official_var` where "
    "there is a batch norm, else `ward`) was chosen on other networks (seeds 100 and 101, other "
    "widths). `exact` and `ward` fold batch norms away, so that no statistics are left to take "
    "anew. Without batch norm `folding_repair` is `folding`. `torch_pruning_taylor` sees 500 "
    "labelled training digits, everything else no data. At 10 % all is lost, and the order of "
    "such entries means nothing."
)
Cell = dict[str, float]


def methods(name: str) -> tuple[str, ...]:
    """What is measured on a kind of network."""
    every = (*RULES, *PEERS)
    return every if name in NORMED else tuple(one for one in every if one not in FOR_NORMED)


def smaller(net: nn.Module, left: dict[str, int], method: str, seed: int) -> nn.Module:
    """The network at some sizes, by a rule of ours or another method."""
    images, labels, _, _ = merging_nets.digits()
    example = images[:2]
    if method in RULES:
        return ct.merge_features(net, example, left=left, rule=method).model
    data = (images[::8], labels[::8]) if method == "torch_pruning_taylor" else None
    return pruned(net, example, left, method=method, seed=seed, data=data)


def measured(name: str, seed: int) -> dict[str, Cell]:
    """Accuracies of one network, by ``"method fraction"``; what is on disk is not done again."""
    path = merging_nets.CACHE / f"pruning-{name}-{seed}.json"
    cells: dict[str, Cell] = json.loads(path.read_text()) if path.exists() else {}
    net = merging_nets.net(name, seed)
    images = merging_nets.digits()[0]
    parameters = sum(p.numel() for p in net.parameters())
    groups = ct.feature_groups(net, images[:2]).groups
    cells["whole 1"] = {"plain": merging_nets.accuracy(net), "kept": 1.0}
    chosen = "official_var" if has_norm(net) else "ward"
    for method in methods(name):
        for fraction in FRACTIONS:
            key = f"{method} {fraction:g}"
            if method == chosen:
                cells[key] = cells[f"auto {fraction:g}"]
            if key in cells:
                continue
            left = {g["name"]: max(1, round(g["size"] * fraction)) for g in groups}
            made = smaller(net, left, method, seed)
            cells[key] = {
                "plain": merging_nets.accuracy(made),
                "kept": sum(p.numel() for p in made.parameters()) / parameters,
            }
            if has_norm(made):
                again = recalibrated(made, images[::8])
                cells[key]["recalibrated"] = merging_nets.accuracy(again)
            path.write_text(json.dumps(cells))
    path.write_text(json.dumps(cells))
    return cells


def has_norm(net: nn.Module) -> bool:
    """Whether there are statistics to take anew."""
    return any(isinstance(one, nn.BatchNorm2d) for one in net.modules())


def cell(values: list[float]) -> str:
    """Mean over seeds in percent and its 95 % bootstrap interval."""
    mean, low, high = mean_interval([100 * v for v in values], 0)
    return f"{mean:.1f}" if np.isnan(low) else f"{mean:.1f} [{low:.1f}, {high:.1f}]"


def table_of(name: str, runs: list[dict[str, Cell]], kind: str) -> str:
    """Accuracy by method and fraction of one kind of network."""
    kept = [np.mean([cells[f"magnitude {f:g}"]["kept"] for cells in runs]) for f in FRACTIONS]
    heads = [
        "method",
        *(
            f"{f:g} of features, {k:.0%} of parameters"
            for f, k in zip(FRACTIONS, kept, strict=True)
        ),
    ]
    rows = []
    for method in methods(name):
        values = [[cells[f"{method} {f:g}"].get(kind, np.nan) for cells in runs] for f in FRACTIONS]
        if not np.isnan(values).any():
            rows.append((LABELS.get(method, method), *(cell(one) for one in values)))
    return report.table(heads, rows)


def behind(found: dict[str, list[dict[str, Cell]]], kind: str) -> str:
    """Where the default rule is, on average over seeds and networks, less accurate than a rival."""
    rows = []
    for fraction in FRACTIONS:
        line = [f"{fraction:g}"]
        for rival in RIVALS:
            gaps = [
                100 * (cells[f"auto {fraction:g}"][kind] - cells[f"{rival} {fraction:g}"][kind])
                for runs in found.values()
                for cells in runs
                if kind in cells[f"auto {fraction:g}"] and kind in cells[f"{rival} {fraction:g}"]
            ]
            line.append(("**" if np.mean(gaps) < 0 else "") + signed(gaps))
        rows.append(line)
    return report.table(("fraction of features", *RIVALS), rows)


def signed(gaps: list[float]) -> str:
    """Mean difference in points and its 95 % bootstrap interval; a deficit is in bold."""
    mean, low, high = mean_interval(gaps, 0)
    text = f"{mean:+.1f} [{low:+.1f}, {high:+.1f}]"
    return text + ("**" if mean < 0 else "")


def written() -> None:
    """Write the report of what has been measured."""
    found: dict[str, list[dict[str, Cell]]] = {}
    for name in TITLES:
        paths = [merging_nets.CACHE / f"pruning-{name}-{seed}.json" for seed in merging_nets.SEEDS]
        runs = [json.loads(path.read_text()) for path in paths if path.exists()]
        full = 1 + len(FRACTIONS) * len(methods(name))
        found[name] = [cells for cells in runs if len(cells) == full]
    parts = []
    for name, runs in found.items():
        whole = cell([cells["whole 1"]["plain"] for cells in runs])
        parts.append(f"## {TITLES[name]}\n\n{len(runs)} seeds; whole: {whole}.")
        parts.append(table_of(name, runs, "plain"))
        if name in NORMED:
            parts.append("With batch norm statistics anew from 500 training digits:")
            parts.append(table_of(name, runs, "recalibrated"))
    normed = {name: runs for name, runs in found.items() if name in NORMED}
    report.write(
        "pruning",
        "Accuracy at equal sizes, nothing trained afterwards",
        NOTE,
        "## The default rule against its rivals",
        "Accuracy of `auto` less that of each, in points, averaged over all networks and seeds; "
        "in bold where the default is less accurate.",
        behind(found, "plain"),
        "The two kinds with batch norm, statistics anew, which undoes what the default adds to "
        "`official` (the variance of each merged feature), so that the two are close:",
        behind(normed, "recalibrated"),
        *parts,
    )


def main() -> int:
    """Measure what is missing, then write the report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("which", nargs="*", help="names and seeds, or report; all by default")
    which = parser.parse_args().which
    torch.set_num_threads(1)
    if hasattr(os, "nice"):
        os.nice(10)
    if which != ["report"]:
        seeds = [int(one) for one in which if one not in TITLES] or list(merging_nets.SEEDS)
        for seed in seeds:
            for name in [one for one in which if one in TITLES] or list(TITLES):
                began = time.perf_counter()
                measured(name, seed)
                print(f"{name} {seed}: {time.perf_counter() - began:.0f} s", flush=True)
    if not which or which == ["report"]:
        written()
    return 0


if __name__ == "__main__":
    sys.exit(main())

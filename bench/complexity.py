"""Three claims about feature complexity, tested: one command, five seeds, intervals.

Does it rise and then fall with depth? Do wider networks hold more redundancy? Does higher
complexity go with better accuracy (over epochs, over label noise)? On the networks of
``merging_nets.py`` and the sample models. Networks and curves are kept in ``bench/.nets``.
``complexity.py quick`` takes two seeds and one kind.
"""

import os
import sys
import time
from collections.abc import Sequence
from typing import Any

import merging_nets
import numpy as np
import pandas as pd
import report
import torch
from merging_nets import CHECKPOINTS, KINDS, accuracy, digits, fresh, net
from torch import Tensor, nn

import cutaway as ct
from cutaway.merging import ComplexityCurve, LayerMeasures, findings

QUICK = "quick" in sys.argv
SEEDS = (0, 1) if QUICK else (0, 1, 2, 3, 4)
CURVES = merging_nets.CACHE / "curves"
BETAS = (0.003, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.25, 0.3)
FEW = (0.01, 0.05, 0.1, 0.2)  # of checkpoints, of which there are many
# The published rule, and our default, which is another one with batch norm and without. The layers
# of the MLP are wide, so that one rule is enough.
RULES = {
    "mlp": ("official",),
    "lenet": ("official", "ward"),
    "vgg": ("official", "official_var"),
    "resnet": ("official", "official_var"),
}
WIDTHS: dict[str, tuple[float, ...]] = {
    "mlp": (0.25, 0.5), "lenet": (0.5, 1.0), "vgg": (0.5, 1.0), "resnet": (1.0,),
}  # fmt: skip
DEPTHS = {"mlp": (1, 2, 4)}
NOISES = {"mlp": (0.0, 0.2, 0.4), "lenet": (0.0, 0.4)}
USUAL_DEPTH = 2
# Width at which everything else is varied.
USUAL = {"mlp": 0.25, "lenet": 1.0, "vgg": 1.0, "resnet": 1.0}
SAMPLES = ("lenet5-digits", "alexnet-digits", "vgg-digits", "resnet-digits")
if QUICK:
    WIDTHS, DEPTHS, NOISES, SAMPLES = {"lenet": (0.5, 1.0)}, {}, {}, SAMPLES[:1]
TITLES = {
    "mlp": "MLP",
    "lenet": "LeNet-5",
    "vgg": "quarter VGG-BN",
    "resnet": "small ResNet-BN",
}


SAME = {"yes": "yes", "reverse": "reverse", "unclear": "unclear"}
OPPOSITE = {"yes": "reverse", "reverse": "yes", "unclear": "unclear"}
INTRODUCTION = """{n} seeds of each network; mean [95 % bootstrap interval over seeds]; rules as \
named (`official` is the published one; `official_var` and `ward` are our defaults with and \
without batch norm). The MLP has 128 hidden units unless a width is named (1 is 512). A verdict is \
yes or reverse where the interval leaves out 0; with five seeds that happens by chance about once \
in 7 for each line."""
DEPTH = """## Does complexity rise and then fall with depth?

At the beta that leaves nearest to half of all features. Rise: middle third of the groups minus \
first third; fall: minus last third; the claim needs both."""
WIDTH = """## Do wider networks hold more redundancy?

Redundancy: largest part of the parameters that merges away at no more than one point of accuracy. \
Features left: mean share over {n} betas from {low} to {high}. Slope: a doubling of the width."""
DEEPER = """### And deeper ones?

Hidden layers of an MLP of 128 units; slope: a doubling."""
EPOCHS = """## Does higher complexity go with better accuracy?

Rank correlation of features left and test accuracy over the epochs of each run. Both drift as \
training goes on: a correlation shows that they drift apart or together, not that one causes the \
other."""


def example() -> Tensor:
    """A few test digits."""
    return digits()[2][:4]


def curve(
    module: nn.Module,
    name: str,
    rule: str,
    betas: Sequence[float] | None,
    *,
    metric: Any = accuracy,
    sample: Tensor | None = None,
) -> ComplexityCurve:
    """Complexity curve of a module; read from disk if it was made before."""
    model = ct.load_model(module, name=name)
    many = 12 if betas is None else len(betas)
    file = CURVES / f"{name}-{rule}-{many}-{model.digest[:12]}.zip"
    if not file.exists():
        CURVES.mkdir(parents=True, exist_ok=True)
        made = ct.complexity_curve(
            model,
            example() if sample is None else sample,
            betas=betas,
            rule=rule,
            metric=metric,
            baseline=False,
        )
        made.save(file)
    return ComplexityCurve.load(file)


def right(module: nn.Module, name: str) -> float:
    """Accuracy; read from disk if it was measured before."""
    file = CURVES / f"{name}-{ct.load_model(module).digest[:12]}.txt"
    if not file.exists():
        file.write_text(str(accuracy(module)), encoding="utf-8")
    return float(file.read_text(encoding="utf-8"))


def trained(name: str, rule: str = "official", **what: Any) -> list[ComplexityCurve]:
    """Curves of one setting, a seed each."""
    if what.get("depth") == USUAL_DEPTH:
        what["depth"] = None  # the same network, kept under one name
    return [curve(net(name, seed, **what), name, rule, BETAS) for seed in SEEDS]


def span(line: pd.Series, digits: int = 2) -> str:
    """Mean and interval of a line of a frame of findings."""
    mean, low, high = (f"{line[one]:.{digits}f}" for one in ("mean", "low", "high"))
    return f"{mean} [{low}, {high}]"


def depth_table() -> str:
    """Does complexity rise and then fall with depth?"""
    lines = []
    for name in ("lenet", "vgg", "resnet"):
        for rule in RULES[name] if name in WIDTHS else ():
            curves = trained(name, rule)
            shares = findings.by_depth(curves)["share"]
            for what, counts in (("share", False), ("count", True)):
                found = findings.rise_and_fall(curves, counts=counts)
                rise, fall = found.loc["rise"], found.loc["fall"]
                both = {rise["verdict"], fall["verdict"]} == {"yes"}
                lines.append((
                    TITLES[name], curves[0].rule, what, span(rise), rise["verdict"], span(fall),
                    fall["verdict"], "yes" if both else "no",
                    " ".join(f".{100 * one:02.0f}" if one < 0.995 else "1" for one in shares)
                    if not counts else "",
                ))  # fmt: skip
    heads = ("network", "rule", "of", "rise", "", "fall", "", "both", "share left by group")
    return report.table(heads, lines)


def size_lines(name: str, kind: str, sizes: Sequence[float], what: dict[str, Any]) -> list[Any]:
    """Redundancy and complexity against a width or depth."""
    lines = []
    for rule in RULES[name]:
        curves = {one: trained(name, rule, **what, **{kind: one}) for one in sizes}
        used = curves[sizes[0]][0].rule
        for measure, function, claim in (
            ("redundancy at ≤ 1 point", findings.redundancy, SAME),
            ("features left, mean over betas", findings.complexity, OPPOSITE),
        ):
            found = findings.trend({
                size: [function(one) for one in each] for size, each in curves.items()
            })  # fmt: skip
            slope = found.loc["slope"]
            lines.append((
                TITLES[name], used, measure,
                "; ".join(f"{size:g}: {span(found.loc[str(size)])}" for size in curves),
                span(slope, 3), claim[slope["verdict"]],
            ))  # fmt: skip
    return lines


def width_table() -> str:
    """Do wider networks hold more redundancy?"""
    lines = [
        line
        for name, widths in WIDTHS.items()
        if len(widths) > 1
        for line in size_lines(name, "width", widths, {})
    ]
    return report.table(("network", "rule", "measure", "by width", "slope", "claim"), lines)


def deeper_table() -> str:
    """And deeper ones?"""
    lines = [
        line
        for name, depths in DEPTHS.items()
        for line in size_lines(name, "depth", depths, {"width": USUAL[name]})
    ]
    return report.table(("network", "rule", "measure", "by depth", "slope", "claim"), lines)


def courses(name: str) -> tuple[list[int], np.ndarray, np.ndarray]:
    """Epochs, and complexity and accuracy of each seed at each."""
    last = KINDS[name].epochs
    epochs = [one for one in CHECKPOINTS if one < last] + [last]
    width = USUAL[name]
    modules = [[net(name, seed, width=width, epochs=one) for one in epochs] for seed in SEEDS]
    left = [
        [findings.complexity(curve(one, name, "official", FEW, metric=None)) for one in each]
        for each in modules
    ]
    return (
        epochs,
        np.array(left),
        np.array([[right(one, name) for one in each] for each in modules]),
    )


def epochs_table() -> str:
    """Does higher complexity go with better accuracy along training?"""
    lines = []
    for name in WIDTHS:
        epochs, left, right = courses(name)
        whole = findings.with_accuracy(left, right).iloc[0]
        late = [place for place, epoch in enumerate(epochs) if epoch >= 4]
        rest = findings.with_accuracy(left[:, late], right[:, late]).iloc[0]
        means = zip(epochs, left.mean(axis=0), right.mean(axis=0), strict=True)
        lines.append((
            TITLES[name], span(whole), whole["verdict"], span(rest), rest["verdict"],
            "; ".join(f"{epoch}: {a:.2f} / {b:.3f}" for epoch, a, b in means),
        ))  # fmt: skip
    heads = ("network", "all epochs", "", "from epoch 4", "", "epoch: features left / accuracy")
    return report.table(heads, lines)


def noise_table() -> str:
    """And over label noise?"""
    lines = []
    for name, noises in NOISES.items():
        each = {one: trained(name, width=USUAL[name], noise=one) for one in noises}
        left = {one: [findings.complexity(a) for a in curves] for one, curves in each.items()}
        right = {one: [a.score_before for a in curves] for one, curves in each.items()}
        found = findings.trend(left, log=False)
        score = findings.trend(right, log=False)
        slope = found.loc["slope"]
        lines.append((
            TITLES[name],
            "; ".join(
                f"{one:g}: {span(found.loc[str(one)])} / {score.loc[str(one), 'mean']:.3f}"
                for one in noises
            ),
            # Accuracy falls with noise, so the claim holds where complexity falls too.
            span(slope), OPPOSITE[slope["verdict"]],
        ))  # fmt: skip
    heads = ("network", "noise: features left / accuracy", "slope of features left", "claim")
    return report.table(heads, lines)


def start_table() -> str:
    """How close the closest features are, at initialisation and after training."""
    lines = []
    for name in WIDTHS:
        for when, modules in (
            ("initialisation", [fresh(name, seed, width=USUAL[name]) for seed in SEEDS]),
            ("trained", [net(name, seed, width=USUAL[name]) for seed in SEEDS]),
        ):
            curves = [curve(one, name, "official", BETAS) for one in modules]
            ratio = np.array([one.closest / one.farthest for one in curves])
            merged = [1 - (one.features_left[-1].sum() / one.size.sum()) for one in curves]
            lines.append((
                TITLES[name], when, " ".join(f"{one:.2f}" for one in ratio.min(axis=0)),
                span(pd.Series(findings.mean_interval(merged), ["mean", "low", "high"])),
            ))  # fmt: skip
    heads = ("network", "when", "closest / farthest by group, least seed", "merged at beta 0.3")
    return report.table(heads, lines)


def measured(seed: int) -> LayerMeasures:
    """Other measures of one VGG, by convolution; read from disk if they were made before."""
    model = ct.load_model(net("vgg", seed), name="vgg")
    file = CURVES / f"measures-vgg-{model.digest[:12]}.zip"
    if not file.exists():
        CURVES.mkdir(parents=True, exist_ok=True)
        data = ct.load_data((digits()[2][:500].numpy(), digits()[3][:500].numpy()))
        acts = ct.capture(model, data, [f"relu{place}" for place in range(1, 9)], show=None)
        ct.layer_measures(acts, samples=500).save(file)
    return LayerMeasures.load(file)


def measures_table() -> str:
    """The other measures by depth, for the VGG: rise and fall as for the complexity."""
    kept = [measured(seed) for seed in SEEDS]
    lines = []
    for what in ("effective_rank", "participation", "two_nn"):
        values = np.array([getattr(one, what) for one in kept])
        values = values / kept[0].units if what != "two_nn" else values
        middle = values[:, 3:5].mean(axis=1)
        rise = findings.mean_interval(middle - values[:, :3].mean(axis=1))
        fall = findings.mean_interval(middle - values[:, 5:].mean(axis=1))
        lines.append((
            what.replace("_", " ") + (" / units" if what != "two_nn" else ""),
            " ".join(f"{one:.2f}" for one in values.mean(axis=0)),
            *(f"{m:.2f} [{a:.2f}, {b:.2f}]" for m, a, b in (rise, fall)),
        ))  # fmt: skip
    return report.table(("measure", "by convolution", "rise", "fall"), lines)


def samples_table() -> str:
    """The sample models: one network each, so no interval."""
    lines = []
    for name in SAMPLES:
        model = ct.load_model(name)
        side = int(model.example.shape[-1])
        data = ct.load_data("digits" if side == 28 else "digits32", split="test")
        found = curve(
            model.module, name, "official", None, metric=(data, "accuracy"), sample=model.example
        )
        share = findings.by_depth([found])["share"]
        lines.append((
            name, f"{found.score_before:.3f}", f"{findings.redundancy(found):.2f}",
            f"{found.betas[findings.halfway(found)]:.3g}", " ".join(f"{one:.2f}" for one in share),
        ))  # fmt: skip
    heads = ("model", "accuracy", "redundancy at ≤ 1 point", "halfway beta", "share left by group")
    return report.table(heads, lines)


def overfit_line() -> str:
    """Complexity and accuracy along the kept checkpoints of one sample model."""
    name, data = "lenet5-digits-overfit", ct.load_data("digits", split="test")
    left, right = [], []
    for epoch in range(26):
        model = ct.load_model(name, checkpoint=epoch)
        right.append(float(ct.predict(model, data).correct.mean()))
        found = curve(model.module, name, "official", BETAS, metric=None, sample=model.example)
        left.append(findings.complexity(found))
    rho = findings.with_accuracy([left], [right])["mean"].iloc[0]
    return (
        f"`{name}`, 26 kept epochs of one run: features left {left[0]:.2f} at epoch 0, "
        f"{left[5]:.2f} at 5, {left[-1]:.2f} at 25; rank correlation with test accuracy "
        f"{rho:+.2f} (one run, no interval)."
    )


def main() -> int:
    """Train what is missing, make the curves, write the tables."""
    torch.set_num_threads(1)
    if hasattr(os, "nice"):
        os.nice(10)
    began = time.perf_counter()
    parts = [
        INTRODUCTION.format(n=len(SEEDS)),
        DEPTH,
        depth_table(),
        WIDTH.format(n=len(BETAS), low=BETAS[0], high=BETAS[-1]),
        width_table(),
        DEEPER,
        deeper_table() if DEPTHS else "Not in the quick run.",
        EPOCHS,
        epochs_table(),
        "Over label noise, one training each:",
        noise_table() if NOISES else "Not in the quick run.",
        "## At random initialisation",
        start_table(),
        "## Sample models\n\nOne network each, so no interval; rule `official`.",
        samples_table(),
        overfit_line(),
    ]
    if "vgg" in WIDTHS:
        parts += ["## Other measures by depth, quarter VGG-BN", measures_table()]
    report.write(
        "complexity", "Claims about feature complexity", *parts,
        f"{time.perf_counter() - began:.0f} s in all, trained networks and curves at hand.",
    )  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())

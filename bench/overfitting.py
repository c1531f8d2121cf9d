"""The three overfitting experiments on sample networks, runs (seeds) as the unit: one command.

E1: do anomaly filters grow with overfitting? E2: do outlier samples have larger early gradients,
and does leaving them out change the gap? E3: does ablating flagged filters do more than ablating
others? ``overfitting.py quick`` takes one seed and a few epochs.
"""

import sys
import time
from dataclasses import replace

import numpy as np
import report
import torch

import cutaway as ct
from cutaway.data import Dataset
from cutaway.filters import FilterScreen, overfitting
from cutaway.filters.overfitting.statistics import mean_interval
from cutaway.model import Model
from cutaway_samples.recipes import RECIPES, ImageRecipe
from cutaway_samples.train_images import ImageRun, make_net, train_image_net
from cutaway_samples.training_data import training_digits

QUICK = "quick" in sys.argv
SEEDS = (0,) if QUICK else (0, 1, 2)
EPOCHS = (0, 1, 3, 10) if QUICK else (0, 1, 2, 3, 6, 10, 15, 20, 25)
SMALL = RECIPES["lenet5-digits-overfit"]
assert isinstance(SMALL, ImageRecipe)
# Dose: how much there is to overfit to, and what holds it back.
SETTINGS = {
    "LeNet-5, 500 digits": SMALL,
    "LeNet-5, 500 digits, decay and shifts": replace(SMALL, weight_decay=0.05, shift=2),
    "LeNet-5, 4,000 digits": replace(SMALL, per_class=None, batch_size=64),
    "LeNet-5, 4,000 digits, 5 % wrong labels": replace(
        SMALL, per_class=None, batch_size=64, noisy=True
    ),
    "AlexNet, 500 digits": replace(
        SMALL, net="AlexNet", size=32, learning_rate=1e-3, schedule="constant"
    ),
}
if QUICK:
    SETTINGS = {
        name: one for name, one in SETTINGS.items() if "500" in name and "shift" not in name
    }


def trained(recipe: ImageRecipe, seed: int, epochs: int | None = None) -> ImageRun:
    """One training run with every checkpoint."""
    return train_image_net(replace(recipe, seed=seed, keep_checkpoints=True), epochs=epochs)


def model_at(recipe: ImageRecipe, run: ImageRun, epoch: int) -> Model:
    """The network of one checkpoint."""
    net = make_net(recipe.net)
    net.load_state_dict(run.states[epoch])
    return ct.load_model(net.eval(), name=recipe.net)


def data_of(recipe: ImageRecipe) -> tuple[Dataset, Dataset]:
    """What a recipe trains on, and the test digits."""
    name = "digits32" if recipe.size == 32 else "digits"
    digits = training_digits(recipe)
    train = ct.load_data(
        (digits.images[:, None].astype(np.float32) / 255, digits.labels), ids=digits.ids.tolist()
    )
    return train, ct.load_data(name, split="test")


def pm(values: object, scale: float = 1.0, digits: int = 2) -> str:
    """Mean over runs with its 95 % bootstrap interval."""
    mean, low, high = mean_interval(values, 0)
    if np.isnan(low):
        return "–" if np.isnan(mean) else f"{scale * mean:+.{digits}f}"
    return f"{scale * mean:+.{digits}f} [{scale * low:+.{digits}f}, {scale * high:+.{digits}f}]"


def points(mean: float, low: float, high: float) -> str:
    """A change of a share in percentage points."""
    return f"{100 * mean:+.2f} [{100 * low:+.2f}, {100 * high:+.2f}]"


def experiment_1(runs: dict[str, list[ImageRun]]) -> list[tuple[str, ...]]:
    """Rows of E1: one a setting."""
    lines = []
    for name, recipe in SETTINGS.items():
        train, test = data_of(recipe)
        courses = {
            f"seed {seed}": [(epoch, model_at(recipe, run, epoch)) for epoch in EPOCHS]
            for seed, run in zip(SEEDS, runs[name], strict=True)
        }
        growth = overfitting.anomaly_growth(courses, train, test, probe=1000)
        trends = growth.trends()
        frame = growth.to_frame()
        certain = frame.groupby("run", sort=False)["certain"]
        lines.append(
            (
                name,
                f"{100 * trends['gap_last'].mean():.1f}",
                " → ".join(
                    f"{100 * trends[at].mean():.0f}" for at in ("share_first", "share_last")
                ),
                f"{certain.first().mean():.1f} → {certain.last().mean():.1f}",
                pm(trends["rho"]),
                pm(trends["rho_loss"]),
                pm(trends["rho_score"]),
            )
        )
        print("E1", lines[-1], flush=True)
    return lines


def screened(model: Model, data: Dataset) -> FilterScreen:
    """Screen of the convolutions."""
    tree = ct.sites(model, data)
    paths = [one.path for one in tree if one.type == "Conv2d"]
    return ct.screen_filters(ct.capture(model, data, tree[paths], pool=8, show=None))


def experiment_2(runs: dict[str, list[ImageRun]]) -> list[tuple[str, ...]]:
    """Rows of E2, gradients: one a setting."""
    lines = []
    for name, recipe in SETTINGS.items():
        train, _ = data_of(recipe)
        train = train.take(range(min(1000, len(train))))
        found = []
        for run in runs[name]:
            scores = screened(model_at(recipe, run, EPOCHS[-1]), train).samples["score"]
            early = [model_at(recipe, run, epoch) for epoch in (1, 3)]
            found.append(
                overfitting.outlier_gradients(
                    early, train, scores.to_numpy(), initial=model_at(recipe, run, 0)
                )
            )
        lines.append(
            (
                name,
                pm([one.auc for one in found]),
                pm([one.auc_classes for one in found]),
                pm([one.auc_initial for one in found]),
                pm([one.auc_classes - one.auc_initial for one in found]),
            )
        )
        print("E2", lines[-1], flush=True)
    return lines


def removal(runs: dict[str, list[ImageRun]]) -> tuple[list[tuple[str, ...]], str]:
    """Rows of E2, retraining: one a group; LeNet-5 on 500 digits."""
    name = "LeNet-5, 500 digits"
    recipe = SETTINGS[name]
    train, _ = data_of(recipe)
    first = runs[name][0]
    scores = screened(model_at(recipe, first, EPOCHS[-1]), train).samples["score"].to_numpy()
    steep = overfitting.gradient_norms(model_at(recipe, first, 1), train)

    def retrain(keep: np.ndarray, seed: int) -> tuple[float, float]:
        run = train_image_net(replace(recipe, seed=seed, keep_checkpoints=False), keep=keep)
        on_train, on_test = run.scores[max(run.scores)]
        return on_train.accuracy, on_test.accuracy

    seeds = range(2 if QUICK else 6)
    found = overfitting.without_outliers(
        retrain, train.labels, scores, gradients=steep, share=0.1, seeds=list(seeds)
    )
    base = found.to_frame().query("group == 'none'")
    lines = [
        (
            one.group,
            points(one.accuracy_test, one.accuracy_test_low, one.accuracy_test_high),
            points(one.gap, one.gap_low, one.gap_high),
        )
        for one in found.differences().itertuples()
    ]
    text = (
        f"{name}, 10 % of the training digits left out, {len(seeds)} seeds; with all of them test "
        f"accuracy {100 * base['accuracy_test'].mean():.2f} %, gap {100 * base['gap'].mean():.2f}."
    )
    return lines, text


def experiment_3(runs: dict[str, list[ImageRun]]) -> list[tuple[str, ...]]:
    """Rows of E3: one a setting and a kind of replacement."""
    lines = []
    for name, recipe in SETTINGS.items():
        train, test = data_of(recipe)
        train = train.take(range(min(1000, len(train))))
        for by in ("mean", "zero"):
            found = []
            for run in runs[name]:
                model = model_at(recipe, run, EPOCHS[-1])
                screen = screened(model, train)
                count = max(2, round(0.1 * len(screen.filters)))
                found.append(
                    overfitting.ablate_flagged(
                        model, screen, train, test, count=count, by=by,
                        controls=19 if QUICK else 100,
                    )
                )  # fmt: skip
            lines.append(
                (
                    name,
                    by,
                    f"{len(found[0].filters)}",
                    *(
                        f"{100 * np.mean([one.change[place] for one in found]):+.1f} "
                        f"({100 * np.mean([one.controls[place].mean() for one in found]):+.1f})"
                        for place in range(3)
                    ),
                    " ".join(f"{one.p[1]:.2f}" for one in found),
                    " ".join(f"{one.p[2]:.2f}" for one in found),
                )
            )
            print("E3", lines[-1], flush=True)
    return lines


def main() -> int:
    """Train all runs, ask the three questions, write one table each."""
    torch.set_num_threads(2)
    began = time.perf_counter()
    last = EPOCHS[-1]
    runs = {name: [trained(one, seed, last) for seed in SEEDS] for name, one in SETTINGS.items()}
    print(f"trained in {time.perf_counter() - began:.0f} s", flush=True)
    first, second, third = experiment_1(runs), experiment_2(runs), experiment_3(runs)
    again, text = removal(runs)
    report.write(
        "overfitting" + "-quick" * QUICK,
        "Anomaly filters and overfitting: three experiments",
        f"{len(SEEDS)} seeds a setting, epochs {', '.join(map(str, EPOCHS))}; mean over seeds with "
        "95 % bootstrap intervals over seeds. An interval that holds 0 (E1, E2) or a p that is not "
        "small in all seeds (E3) is a null result.",
        "## E1: does the share of flagged filters grow with the train-test gap?",
        report.table(
            ("setting", "last gap, points", "flagged %, first → last", "certain, first → last",
             "rho with accuracy gap", "with loss gap", "mean score with gap"),
            first,
        ),
        "## E2: are early gradients of the 5 % outlier samples larger?",
        "AUC of the gradient norm (mean of epochs 1 and 3) for outlier samples against the others; "
        "0.5 is chance. As large at initialisation means: odd pictures, whatever was learnt.",
        report.table(
            ("setting", "AUC", "within classes", "at initialisation", "learnt − initial"), second
        ),
        "Training again without them, change against all samples:",
        report.table(("left out", "test accuracy, points", "gap, points"), again),
        text,
        "## E3: is ablating the filters of highest score special?",
        "Change in points (random draws of as many filters of the same layers).",
        report.table(
            ("setting", "by", "filters", "train", "test", "gap", "p test, by seed",
             "p gap, by seed"),
            third,
        ),
        f"{time.perf_counter() - began:.0f} s in all.",
    )  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())

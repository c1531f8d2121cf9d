"""Wrong labels: our class-conditional screen beside what a user would pick instead.

The 200 planted wrong labels of the sample recipe "lenet5-digits-noisy" (5 % of 4,000 digits), three
seeds; area under the ROC curve and average precision of each method's score.
"""

import sys
import time
from dataclasses import replace

import numpy as np
import report
import torch
from numpy.typing import NDArray
from sklearn.ensemble import IsolationForest
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.neighbors import NearestNeighbors
from torch import Tensor, nn

import cutaway as ct
from cutaway.filters import overfitting
from cutaway.filters.overfitting.statistics import mean_interval
from cutaway_samples.recipes import RECIPES, ImageRecipe
from cutaway_samples.train_images import ImageRun, as_input, make_net, train_image_net
from cutaway_samples.training_data import training_digits

EARLY, FOLDS = 10, 5
SEEDS = (0,) if "quick" in sys.argv else (0, 1, 2)
BASE = RECIPES["lenet5-digits-noisy"]
assert isinstance(BASE, ImageRecipe)
RECIPE = replace(BASE, epochs=EARLY, keep_checkpoints=True)
Scores = dict[str, NDArray[np.float64]]


def net_at(run: ImageRun, epoch: int) -> nn.Module:
    """The network after an epoch."""
    net = make_net(RECIPE.net)
    net.load_state_dict(run.states[epoch])
    return net.eval()


@torch.no_grad()
def logits(net: nn.Module, images: NDArray[np.uint8]) -> Tensor:
    """Answers of a network."""
    return torch.cat([net(as_input(images[i : i + 500])) for i in range(0, len(images), 500)])


@torch.no_grad()
def features(net: nn.Module, images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Inputs of the last linear layer."""
    kept: list[Tensor] = []
    last = [one for one in net.modules() if isinstance(one, nn.Linear)][-1]
    handle = last.register_forward_pre_hook(lambda _module, given: kept.append(given[0]))
    logits(net, images)
    handle.remove()
    return torch.cat(kept).double().numpy()


def margins(answers: Tensor, labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Best other logit minus the label's: large where the label looks wrong."""
    y = torch.from_numpy(labels)[:, None]
    others = answers.scatter(1, y, -torch.inf).amax(1)
    return (others - answers.gather(1, y)[:, 0]).double().numpy()


def losses(answers: Tensor, labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Cross entropy of the given label in nats."""
    y = torch.from_numpy(labels)
    return nn.functional.cross_entropy(answers, y, reduction="none").double().numpy()


def neighbours(rows: NDArray[np.float64], labels: NDArray[np.int64]) -> Scores:
    """Distance to the 10 nearest, and how many of them bear another label."""
    distance, near = NearestNeighbors(n_neighbors=11).fit(rows).kneighbors(rows)
    other = (labels[near[:, 1:]] != labels[:, None]).mean(1)
    return {
        "kNN distance, last features": distance[:, -1],
        "kNN label disagreement, last features": other + 1e-6 * distance[:, -1],
    }


def cleanlab_scores(labels: NDArray[np.int64], seed: int) -> Scores:
    """cleanlab on predictions of networks that did not train on the sample (5 folds)."""
    from cleanlab.rank import get_label_quality_scores

    n = len(labels)
    fold = np.random.default_rng(seed).permutation(n) % FOLDS
    images = training_digits(RECIPE).images
    probabilities = np.empty((n, 10))
    for one in range(FOLDS):
        recipe = replace(RECIPE, seed=seed, epochs=8, keep_checkpoints=False)
        run = train_image_net(recipe, keep=fold != one)
        answers = logits(net_at(run, 8), images[fold == one])
        probabilities[fold == one] = answers.double().softmax(1).numpy()
    return {
        f"cleanlab {method}, out of fold": -get_label_quality_scores(
            labels, probabilities, method=method
        )
        for method in ("self_confidence", "normalized_margin")
    }


def tracin(run: ImageRun, labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Self-influence of captum's TracInCPFast (last layer) over three checkpoints."""
    from captum.influence import TracInCPFast

    images = as_input(training_digits(RECIPE).images)
    data = torch.utils.data.TensorDataset(images, torch.from_numpy(labels.copy()))
    net = make_net(RECIPE.net).eval()
    name = [one for one, module in net.named_modules() if isinstance(module, nn.Linear)][-1]

    def load(model: nn.Module, epoch: int) -> float:
        model.load_state_dict(run.states[epoch])
        return 1.0

    influence = TracInCPFast(
        net,
        net.get_submodule(name),
        data,
        [1, 3, EARLY],
        load,
        nn.CrossEntropyLoss(reduction="sum"),
        batch_size=500,
    )
    return influence.self_influence().double().numpy()


def ours(net: nn.Module, labels: NDArray[np.int64], seed: int) -> Scores:
    """The screen of all layers but the last, without and with labels."""
    digits = training_digits(RECIPE)
    data = ct.load_data(
        (digits.images[:, None].astype(np.float32) / 255, labels), ids=digits.ids.tolist()
    )
    model = ct.load_model(net, name=RECIPE.net)
    tree = ct.sites(model, data)
    paths = [one.path for one in tree if one.type in {"Conv2d", "Linear"}][:-1]
    acts = ct.capture(model, data, tree[paths], pool=8, show=None)
    plain = ct.screen_filters(acts, seed=seed).samples["score"].to_numpy()
    told = ct.screen_filters(acts, labels=labels, seed=seed).samples["score"].to_numpy()
    return {"Cutaway screen, no labels": plain, "Cutaway screen, class-conditional": told}


def scored(seed: int) -> Scores:
    """Scores of every method for one seed."""
    digits = training_digits(RECIPE)
    labels = digits.labels.copy()
    run = train_image_net(replace(RECIPE, seed=seed))
    net = net_at(run, EARLY)
    rows = features(net, digits.images)
    courses = [margins(logits(net_at(run, e), digits.images), labels) for e in range(1, EARLY + 1)]
    model = ct.load_model(net_at(run, 1), name=RECIPE.net)
    data = ct.load_data((digits.images[:, None].astype(np.float32) / 255, labels))
    return {
        **ours(net, labels, seed),
        f"loss at epoch {EARLY}": losses(logits(net, digits.images), labels),
        "loss at epoch 1": losses(logits(net_at(run, 1), digits.images), labels),
        f"area under the margin, {EARLY} epochs": np.mean(courses, axis=0),
        "gradient norm at epoch 1": overfitting.gradient_norms(model, data),
        **neighbours(rows, labels),
        "isolation forest, last features": -IsolationForest(random_state=seed)
        .fit(rows)
        .score_samples(rows),
        **cleanlab_scores(labels, seed),
        "TracIn self-influence (captum)": tracin(run, labels),
    }


def cell(values: list[float]) -> str:
    """Mean over seeds and its 95 % bootstrap interval."""
    mean, low, high = mean_interval(values, 0)
    return f"{mean:.3f}" if np.isnan(low) else f"{mean:.3f} [{low:.3f}, {high:.3f}]"


def main() -> int:
    """Score with every method and every seed, write the table."""
    torch.set_num_threads(2)
    began = time.perf_counter()
    digits = training_digits(RECIPE)
    wrong = digits.labels != digits.true_labels
    runs = [scored(seed) for seed in SEEDS]
    lines = []
    for name in runs[0]:
        auc = [roc_auc_score(wrong, run[name]) for run in runs]
        precision = [average_precision_score(wrong, run[name]) for run in runs]
        lines.append((-np.mean(precision), name, cell(auc), cell(precision)))
    report.write(
        "labels",
        "Finding wrong labels",
        f"{int(wrong.sum())} planted among {len(wrong):,} digits, {len(SEEDS)} seeds; "
        "mean with its 95 % bootstrap interval; best average precision first; chance: AUC "
        f"0.5, AP {wrong.mean():.2f}.",
        report.table(("method", "AUC", "AP"), [line[1:] for line in sorted(lines)]),
        f"{time.perf_counter() - began:.0f} s in all.",
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())

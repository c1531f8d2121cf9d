"""Merging two trained networks without data: what is left of them at each part of the parameters.

SmolLM2-135M's MLPs (loss on Python source, in nats a token) and the convolutions of EfficientNet-
Lite0 (crops of scikit-image's pictures; there are no labels, so agreement with the network as it
was and the Kullback-Leibler divergence of its answers). Every group keeps the same share of its
features; the controls drop features of the same counts instead of merging them.
"""

import copy
import math
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import report
import torch
from torch import Tensor, nn

import cutaway as ct
from cutaway.merging import Prepared
from cutaway_samples.text_corpora import texts

SHORT = "short" in sys.argv
SHARES = (0.98, 0.9) if SHORT else (0.995, 0.98, 0.95, 0.9, 0.8, 0.65, 0.5)
BETAS = (0.1,) if SHORT else (0.05, 0.1, 0.2)
RULES = ("exact",) if SHORT else ("exact", "ward", "official")
LENGTH, TEXTS = 256, 4 if SHORT else 16
CROPS, SIDE = 4 if SHORT else 16, 224
PICTURES = (
    *("astronaut", "chelsea", "coffee", "rocket", "hubble_deep_field", "immunohistochemistry"),
    *("retina", "camera", "coins", "moon", "brick", "grass"),
)
Score = Callable[[nn.Module], dict[str, float]]


def tokens(tokenizer: Any) -> Tensor:
    """Windows of the test passages, one after the other."""
    joined = "\n\n".join(texts("python-source", "test").texts)
    ids: Tensor = tokenizer(joined, return_tensors="pt").input_ids[0]
    return ids[: TEXTS * LENGTH].reshape(TEXTS, LENGTH)


def crops() -> Tensor:
    """Random square pieces of 40 to 100 % of each picture's shorter side."""
    from skimage import color, data, transform

    rng = np.random.default_rng(0)
    made = []
    for name in PICTURES:
        picture = getattr(data, name)()
        picture = color.gray2rgb(picture) if picture.ndim == 2 else picture[..., :3]
        for _ in range(CROPS):
            side = int(rng.uniform(0.4, 1.0) * min(picture.shape[:2]))
            top, start = (int(rng.integers(0, n - side + 1)) for n in picture.shape[:2])
            piece = picture[top : top + side, start : start + side]
            made.append(transform.resize(piece, (SIDE, SIDE), anti_aliasing=True))
    return torch.from_numpy(np.stack(made)).permute(0, 3, 1, 2).float()


def text_score(ids: Tensor) -> Score:
    """Mean cross entropy of the next token."""

    @torch.no_grad()
    def score(net: nn.Module) -> dict[str, float]:
        lost = 0.0
        for one in ids[:, None]:
            logits = net(one, use_cache=False).logits[0, :-1]
            lost += float(nn.functional.cross_entropy(logits, one[0, 1:], reduction="sum"))
        return {"loss": lost / (ids.shape[0] * (ids.shape[1] - 1))}

    return score


@torch.no_grad()
def answers(net: nn.Module, images: Tensor) -> Tensor:
    """Logarithms of class probabilities."""
    few = [net(images[i : i + 8]) for i in range(0, len(images), 8)]
    return torch.cat(few).double().log_softmax(1)


def picture_score(images: Tensor, before: nn.Module) -> Score:
    """Agreement with the first answer of the network as it was, and the divergence from it."""
    wanted = answers(before, images)

    def score(net: nn.Module) -> dict[str, float]:
        found = answers(net, images)
        same = (found.argmax(1) == wanted.argmax(1)).double().mean()
        divergence = (wanted.exp() * (wanted - found)).sum(1).mean()
        return {"agreement": float(same), "divergence": float(divergence)}

    return score


def dropped(model: Any, found: Any, share: float, method: str) -> nn.Module:
    """A copy in which nothing reads the features left out: at random, or those of small rows."""
    net = copy.deepcopy(model.module)
    parts, rng = dict(net.named_modules()), np.random.default_rng(0)
    for group in found.groups:
        size = group["size"]
        rows = [
            parts[one["path"]].weight[one["start"] : one["start"] + size].flatten(1)
            for one in group["producers"]
        ]
        norms = torch.cat(rows, 1).norm(dim=1).detach().numpy()
        order = rng.permutation(size) if method == "random" else np.argsort(norms)
        out = torch.from_numpy(order[: size - count(size, share)].copy())
        for one in group["consumers"]:
            weight = parts[one["path"]].weight.detach()
            here = weight[:, one["start"] : one["start"] + size * one["block"]]
            here.unflatten(1, (size, one["block"]))[:, out] = 0
    return net


def count(size: int, share: float) -> int:
    """Features that a group keeps."""
    return max(math.ceil(size * share), 1)


def lines(model: Any, found: Any, example: Tensor, score: Score) -> Iterator[tuple[Any, ...]]:
    """Method, share or beta, part of the features and of the parameters kept, scores."""
    total = int(found.size.sum())
    kept: dict[float, float] = {}
    for rule in RULES:
        prepared = Prepared(model, example, rule)
        levels: list[dict[str, Any]] = [
            {"left": {one.name: count(one.size, share) for one in prepared.groups}}
            for share in SHARES
        ]
        levels += [{"beta": beta} for beta in (BETAS if rule == "exact" else ())]
        for share, level in zip((*SHARES, *BETAS), levels, strict=False):
            began = time.perf_counter()
            run = prepared.run(**level)
            part = prepared.kept_parameters(run) / prepared.parameters
            left = 1 - len(run.tree) / total
            merged = prepared.module_of(run)
            what = "share" if "left" in level else "beta"
            if what == "share":
                kept[share] = part
            line = (rule, f"{what} {share:g}", left, part, score(merged))
            print(*line, f"{time.perf_counter() - began:.0f} s", flush=True)
            yield line
            del merged, run
        del prepared
    for method in ("random", "smallest rows"):
        for share in SHARES:
            line = (
                f"drop: {method}", f"share {share:g}", share, kept[share],
                score(dropped(model, found, share, method)),
            )  # fmt: skip
            print(*line, flush=True)
            yield line


def table(model: Any, example: Tensor, score: Score) -> tuple[str, str]:
    """Table of all methods, and a line that says what was grouped."""
    found = ct.feature_groups(model, example)
    before = score(model.module)
    rows = [("unmerged", "", "100 %", "100 %", *(f"{one:.3f}" for one in before.values()))]
    for method, level, left, part, scores in lines(model, found, example, score):
        shown = (f"{one:.3f}" for one in scores.values())
        rows.append((method, level, f"{left:.1%}", f"{part:.1%}", *shown))
    heads = ("method", "level", "features left", "parameters kept", *before)
    grouped = (
        f"{len(found.groups)} groups of {int(found.size.sum()):,} features; "
        f"{len(found.refused)} refused; {model.n_parameters:,} parameters."
    )
    return report.table(heads, rows), grouped


def main() -> int:
    """Merge both networks at every level and write the tables."""
    parts = []
    if "pictures" not in sys.argv:
        model = ct.load_model("smollm2-135m")
        ids = tokens(model.tokenizer)
        made, grouped = table(model, ids[:1, :16], text_score(ids))
        about = f"{grouped} Loss in nats a token on {ids.numel():,} tokens of Python source."
        parts += ["## SmolLM2-135M-Instruct, MLPs", about, made]
    if "texts" not in sys.argv:
        model = ct.load_model("efficientnet-lite0")
        images = crops()
        score = picture_score(images, model.module)
        made, grouped = table(model, images[:2], score)
        about = (
            f"{grouped} {len(images)} crops of {len(PICTURES)} pictures: part of the crops with "
            "the same first answer, and the divergence of the answers in nats."
        )
        parts += ["## EfficientNet-Lite0, pointwise and depthwise convolutions", about, made]
    report.write("merging_pretrained", "Merging trained networks without data", *parts)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""What is attacked: small networks, data, results and files, the same ones in every run."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

import cutaway as ct
from cutaway.core import Result


class SmallNet(nn.Module):
    """Two convolutions with dropout and batch norm, so that modes matter, and two linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 3)
        self.bn1 = nn.BatchNorm2d(6)
        self.conv2 = nn.Conv2d(6, 8, 3)
        self.drop = nn.Dropout(0.2)
        self.fc1 = nn.Linear(8 * 8 * 8, 16)
        self.fc2 = nn.Linear(16, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits of pictures of 12 by 12 pixels."""
        x = torch.relu(self.bn1(self.conv1(x)))
        x = self.drop(torch.relu(self.conv2(x)))
        return self.fc2(torch.relu(self.fc1(x.flatten(1))))


def small_net(seed: int = 0) -> SmallNet:
    """Random weights of a seed, in eval mode."""
    torch.manual_seed(seed)
    return SmallNet().eval()


def pictures(n: int = 64, seed: int = 0) -> Any:
    """Random grey pictures of four classes."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 4, n)
    values = rng.normal(size=(n, 1, 12, 12)).astype(np.float32) + labels[:, None, None, None]
    return ct.load_data((values, labels), name="pictures")


def language_folder(place: Path) -> Path:
    """Folder of a tiny GPT-2 with its tokenizer, its weights in two files and an index."""
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = ["<unk>", "<eos>", "the", "nurse", "doctor", "said", "that", "she", "he", "was", "late"]
    core = Tokenizer(models.WordLevel({w: k for k, w in enumerate(words)}, unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=core, unk_token="<unk>", eos_token="<eos>", pad_token="<eos>"
    )
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=len(words), n_positions=16, n_embd=12, n_layer=2, n_head=2,
        bos_token_id=1, eos_token_id=1,
    )  # fmt: skip
    net = transformers.GPT2LMHeadModel(config)
    net.save_pretrained(place, max_shard_size="10KB")
    tokenizer.save_pretrained(place)
    if not (place / "model.safetensors.index.json").is_file():
        raise RuntimeError(f"weights must be in several files, got one in {place}")
    return place


def results(language: Path | None) -> dict[str, Result]:
    """A result of every class of the package, by class name.

    Parameters
    ----------
    language : Path or None
        What `language_folder` wrote; None leaves out what takes long to make.
    """
    made = _results_of_pictures(quick=language is None)
    if language is not None:
        made += [*_results_of_texts(language), *_results_of_training()]
    return _by_class(made)


def results_of_pictures(*, quick: bool = False) -> dict[str, Result]:
    """Results about a network of pictures, by class name."""
    return _by_class(_results_of_pictures(quick=quick))


def _by_class(made: list[Result]) -> dict[str, Result]:
    return {type(result).__name__: result for result in made}


def _results_of_pictures(*, quick: bool) -> list[Result]:
    from cutaway.merging import complexity_curve, feature_groups, layer_measures, merge_features

    model, data = ct.load_model(small_net(), name="small net"), pictures()
    acts = ct.capture(model, data, ["conv1", "fc1"], pool=3, show=None)
    example = data.batch(np.arange(8)).inputs
    found: list[Result] = [
        ct.project(acts, site="fc1"),
        ct.predict(model, data),
        ct.ablate(model, data, [ct.Zero("conv1", 2), ct.Mean("fc1", (0, 3))], controls=3),
        ct.attribute(model, data, data.index.ids[:3], steps=4),
        merge_features(model, example, beta=0.4),
    ]
    if quick:
        return found
    return [
        *found,
        ct.screen_filters(acts, k_max=2),
        feature_groups(model, example),
        layer_measures(acts),
        complexity_curve(model, example, betas=(0.2, 0.5)),
    ]


def _results_of_texts(language: Path) -> list[Result]:
    from cutaway.observables.completeness import completeness

    model = ct.load_model(language)
    measured = ct.Observable.from_tokens(model, ["she"], ["he"])
    texts = ["the nurse said that she", "the doctor said that he", "the nurse was late"] * 4
    pairs = [("the nurse said that", "the doctor said that")]
    vector = ct.feature_vector(model, measured, "L0H1 > L1H0")
    other = ct.feature_vector(model, measured, "L0H0 > L1H1")
    return [
        vector,
        ct.score_texts(model, vector, texts),
        ct.logit_lens(model, vector, k=4),
        ct.head_map(model, measured),
        ct.coupling_on_texts(model, vector, other, texts),
        ct.steer(model, texts[:3], vector, by=2.0, observable=measured, controls=2),
        ct.search_paths(model, measured, pairs, max_length=2, beam=4),
        completeness(model, measured, texts[:2]),
        ct.compare_probes(
            model, vector, texts, [0, 1, 1] * 4, methods=("mean_difference",), sizes=(4,), draws=2
        ),
    ]


def _results_of_training() -> list[Result]:
    from cutaway.filters import overfitting

    model, train, test = ct.load_model(small_net(), name="small net"), pictures(), pictures(40, 1)
    acts = ct.capture(model, train, ["conv1"], pool=3, show=None)
    screen = ct.screen_filters(acts, k_max=2)
    scores = np.random.default_rng(0).random(len(train))
    return [
        overfitting.ablate_flagged(model, screen, train, test, count=1, controls=2),
        overfitting.outlier_gradients([model], train, scores),
        overfitting.without_outliers(
            lambda keep, seed: (0.5 + 0.01 * seed + keep.mean() / 10, 0.5), train.labels, scores
        ),
        overfitting.anomaly_growth(
            {"small": [(k, ct.load_model(small_net(k))) for k in (0, 1)]}, train, test, probe=30,
            options={"k_max": 2},
        ),
    ]  # fmt: skip

"""The training command: `python -m cutaway_samples.train NAME`.

Every model is trained on one thread with a fixed seed: the same command on the same machine gives
the same bytes. Weights and card are written into a temporary folder that is renamed at the end.
"""

import argparse
import dataclasses
import json
import platform
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

from cutaway_samples import python_source
from cutaway_samples.atomic import replaced_folder
from cutaway_samples.bias import measure_bias
from cutaway_samples.card_texts import ABOUT, DATA_LICENCES, DATA_SOURCES, OUR_LICENCE
from cutaway_samples.entries import entry, names
from cutaway_samples.quiet import quiet_transformers
from cutaway_samples.recipes import RECIPES, ImageRecipe, TextRecipe
from cutaway_samples.reproducible import Tick, silent
from cutaway_samples.stored import WEIGHTS, weights_digest
from cutaway_samples.train_images import (
    ImageRun,
    as_input,
    make_net,
    train_image_net,
)
from cutaway_samples.train_texts import train_text_net
from cutaway_samples.training_data import training_digits
from cutaway_samples.vocabulary import write_tokenizer


def train(
    name: str, *, out: Path = WEIGHTS, epochs: int | None = None, tick: Tick = silent
) -> Path:
    """Folder with weights and card of one model, trained anew.

    Parameters
    ----------
    name : str
        One of `names()`.
    out : Path
        Folder that gets a folder `name`; by default the one inside this package.
    epochs : int, optional
        Instead of the recipe's, for a quick look.
    tick : callable
        Hears progress; may raise to cancel, and then `out` stays as it was.

    Returns
    -------
    Path
        `out / name`.

    Raises
    ------
    ValueError
        If there is no such model, it is trained elsewhere, or `epochs` is below 1.
    """
    if entry(name).pretrained:
        raise ValueError(
            f"name must be a model trained here, got the pretrained {name!r}; "
            f"use python -m cutaway_samples.pretrained install {name}"
        )
    if epochs is not None and epochs < 1:
        raise ValueError(f"epochs must be at least 1, got {epochs}; leave it out for the recipe's")
    recipe = RECIPES[name]
    with replaced_folder(out / name) as fresh:
        if isinstance(recipe, ImageRecipe):
            facts = _train_image(recipe, fresh, epochs, tick)
        else:
            facts = _train_text(recipe, fresh, epochs, tick)
        _write_card(fresh, _card(name, recipe, facts, epochs, fresh))
    return out / name


def _train_image(
    recipe: ImageRecipe, fresh: Path, epochs: int | None, tick: Tick
) -> dict[str, Any]:
    """Train and store an image network; gives what was measured."""
    run = train_image_net(recipe, epochs=epochs, tick=tick)
    last = max(run.states)
    for epoch, state in run.states.items():
        stem = f"epoch-{epoch:02d}" if recipe.keep_checkpoints else "model"
        save_file(state, fresh / f"{stem}.safetensors", metadata={"format": "pt"})
    train_score, test_score = run.scores[last]
    net = make_net(recipe.net)
    net.load_state_dict(run.states[last])
    facts: dict[str, Any] = {
        "parameters": sum(p.numel() for p in net.parameters()),
        "train_accuracy": train_score.accuracy,
        "train_correct": [train_score.correct, train_score.n],
        "train_loss": train_score.loss,
        "test_accuracy": test_score.accuracy,
        "test_correct": [test_score.correct, test_score.n],
        "test_loss": test_score.loss,
    }
    if recipe.noisy:
        facts["wrong_labels"] = _wrong_labels_learned(recipe, net)
    if recipe.keep_checkpoints:
        facts["checkpoints"] = _checkpoint_scores(run)
    return facts


def _wrong_labels_learned(recipe: ImageRecipe, net: nn.Module) -> dict[str, int]:
    """How many planted wrong labels the network repeats, and on how many it sees the true digit."""
    data = training_digits(recipe)
    wrong = data.labels != data.true_labels
    with torch.no_grad():
        guess = net.eval()(as_input(data.images[wrong])).argmax(1).numpy()
    return {
        "planted": int(wrong.sum()),
        "memorised": int((guess == data.labels[wrong]).sum()),
        "true_digit_given": int((guess == data.true_labels[wrong]).sum()),
    }


def _checkpoint_scores(run: ImageRun) -> list[dict[str, float]]:
    """Scores of every stored epoch."""
    return [
        {
            "epoch": epoch,
            "train_accuracy": train_score.accuracy,
            "train_loss": train_score.loss,
            "test_accuracy": test_score.accuracy,
            "test_loss": test_score.loss,
        }
        for epoch, (train_score, test_score) in run.scores.items()
    ]


def _train_text(recipe: TextRecipe, fresh: Path, epochs: int | None, tick: Tick) -> dict[str, Any]:
    """Train and store a language model in Hugging Face form; gives what was measured."""
    from transformers import AutoTokenizer

    run = train_text_net(recipe, epochs=epochs, tick=tick)
    net: Any = run.net  # transformers has no types
    with quiet_transformers():
        net.save_pretrained(fresh)
    (fresh / "generation_config.json").unlink(missing_ok=True)
    write_tokenizer(run.tokenizer, fresh, recipe.context)
    facts: dict[str, Any] = {
        "parameters": sum(p.numel() for p in net.parameters()),
        "vocabulary": run.tokenizer.get_vocab_size(),
        "unit": "nats per token; accuracy is that of the most probable next token",
        "train_accuracy": run.train.accuracy,
        "train_correct": [run.train.correct, run.train.n],
        "train_loss": run.train.loss,
        "test_accuracy": run.test.accuracy,
        "test_correct": [run.test.correct, run.test.n],
        "test_loss": run.test.loss,
    }
    if recipe.corpus == "python-source":
        facts["corpus"] = {
            "python": platform.python_version(),
            "sha256": python_source.corpus_digest(),
            "train_modules": list(python_source.TRAIN_MODULES),
            "test_modules": list(python_source.TEST_MODULES),
            "help_texts": "pydoc_data.topics; every tenth by name is for testing",
        }
    else:
        tokenizer = AutoTokenizer.from_pretrained(fresh, local_files_only=True)
        facts["planted"] = dataclasses.asdict(measure_bias(net, tokenizer))
    return facts


def _card(
    name: str,
    recipe: ImageRecipe | TextRecipe,
    facts: dict[str, Any],
    epochs: int | None,
    fresh: Path,
) -> dict[str, Any]:
    """The card: what was written down beforehand, what was measured, and how to repeat it."""
    described = entry(name)
    settings = dataclasses.asdict(recipe)
    if epochs is not None:
        settings["epochs"] = epochs
    extra = "" if epochs is None else f" --epochs {epochs}"
    weights = sorted(fresh.glob("*.safetensors"))
    return {
        "name": name,
        "title": described.title,
        "about": ABOUT[name],
        "kind": described.kind,
        "input_shape": list(described.input_shape),
        "data": {"name": described.dataset, "source": DATA_SOURCES[str(described.dataset)]},
        "training": settings,
        "seed": settings["seed"],
        "epochs": settings["epochs"],
        **facts,
        "bytes": sum(path.stat().st_size for path in weights),
        "sha256": weights_digest(fresh),
        "licence": {"weights": OUR_LICENCE, "data": DATA_LICENCES[str(described.dataset)]},
        "command": f"python -m cutaway_samples.train {name}{extra}",
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
        },
    }


def _write_card(fresh: Path, card: dict[str, Any]) -> None:
    """Write a card beside its weights."""
    text = json.dumps(card, indent=2, ensure_ascii=False)
    (fresh / "card.json").write_text(text + "\n", encoding="utf-8")


class _Bar:
    """A progress line on standard error, rarer where that is no terminal."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.shown = 0.0
        self.rest = 0.2 if sys.stderr.isatty() else 5.0

    def __call__(self, fraction: float, message: str) -> None:
        now = time.monotonic()
        if fraction < 1.0 and now - self.shown < self.rest:
            return
        self.shown = now
        done = "#" * round(30 * fraction)
        end = "\n" if fraction >= 1.0 or not sys.stderr.isatty() else ""
        sys.stderr.write(f"\r{self.name} [{done:<30}] {fraction:4.0%} {message:<20}{end}")
        sys.stderr.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    """Train what the command line asks for; 0 if all went well, 2 for a wrong argument."""
    parser = argparse.ArgumentParser(prog="python -m cutaway_samples.train", description=__doc__)
    parser.add_argument("name", nargs="*", help=f"of {', '.join(names())}")
    parser.add_argument("--all", action="store_true", help="train every model")
    parser.add_argument("--out", type=Path, default=WEIGHTS, help="folder for the result")
    parser.add_argument("--epochs", type=int, help="instead of the recipe's")
    asked = parser.parse_args(arguments)
    wanted = list(names()) if asked.all else asked.name
    if not wanted:
        sys.stderr.write(f"name expected, got none; give one of {', '.join(names())} or --all\n")
        return 2
    for name in wanted:
        try:
            where = train(name, out=asked.out, epochs=asked.epochs, tick=_Bar(name))
        except (ValueError, ImportError, OSError) as error:
            sys.stderr.write(f"{error}\n")
            return 2 if isinstance(error, ValueError) else 1
        except KeyboardInterrupt:
            sys.stderr.write(f"\n{name}: cancelled, nothing written\n")
            return 130
        print(where)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The table of sample models, made from their cards: `python -m cutaway_samples.cards`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cutaway_samples.entries import entry, names, pretrained_names
from cutaway_samples.stored import card

README = Path(__file__).parents[1] / "README.md"
_HEAD = """\
# Sample models

Small networks with the real data they were trained on. This page is made from the cards beside the
weights: `python -m cutaway_samples.cards`. Every number was measured by the training command.

```python
import cutaway_samples

net = cutaway_samples.build("lenet5-digits")
data = cutaway_samples.digits("test")
```

## Trained here

"""
_COLUMNS = "| name | what | data | parameters | MB | epochs | train | test |\n"
_RULE = "| --- | --- | --- | --: | --: | --: | --: | --: |\n"
_NOTES = """
Train and test are fractions of correct labels; for language models, the mean loss in nats per
token and the fraction of tokens that were the first guess. The data of `gpt-python` is the standard
library of the running Python, which differs a little between versions; its card names the one it
was trained with.

Each is trained by `python -m cutaway_samples.train NAME`, on one thread, with a fixed seed: the
same command on the same machine gives the same bytes.
"""
_PRETRAINED_HEAD = """
## Pretrained, from other packages

Converted once into the user's cache folder (`$CUTAWAY_CACHE`, else `$XDG_CACHE_HOME/cutaway`, else
`~/.cache/cutaway`).

| name | what | licence | install |
| --- | --- | --- | --- |
"""


def table() -> str:
    """The text of `sample_models/README.md`, from the cards."""
    cards = [card(name) for name in names()]
    rows = "".join(_row(one) for one in cards)
    extras = "".join(_extra(one) for one in cards)
    licences = sorted({one["licence"]["data"] for one in cards} - {"Apache-2.0"})
    terms = "\n## Licences\n\nWeights trained here: Apache-2.0. Data:\n\n" + "".join(
        f"- {licence}\n" for licence in licences
    )
    pretrained = "".join(
        f"| `{name}` | {entry(name).title} | {card(name)['licence']['weights']} "
        f"| `{card(name)['command']}` |\n"
        for name in pretrained_names()
    )
    return _HEAD + _COLUMNS + _RULE + rows + _NOTES + extras + _PRETRAINED_HEAD + pretrained + terms


def _row(one: dict[str, Any]) -> str:
    """One line of the table."""
    return (
        f"| `{one['name']}` | {one['title']} | {one['data']['name']} | {one['parameters']:,} "
        f"| {one['bytes'] / 1e6:.2f} | {one['epochs']} | {_score(one, 'train')} "
        f"| {_score(one, 'test')} |\n"
    )


def _score(one: dict[str, Any], part: str) -> str:
    """Accuracy of one part, and for language models the loss before it."""
    accuracy = f"{one[f'{part}_accuracy']:.2%}"
    return accuracy if one["kind"] == "image" else f"{one[f'{part}_loss']:.3f} nats, {accuracy}"


def _extra(one: dict[str, Any]) -> str:
    """What a card says beyond the table's columns."""
    if "wrong_labels" in one:
        learned = one["wrong_labels"]
        return (
            f"\n`{one['name']}` repeats {learned['memorised']} of its {learned['planted']} planted "
            "wrong labels.\n"
        )
    if "planted" not in one:
        return ""
    planted = one["planted"]
    lines = "".join(
        f"| {job} | {wanted:.2f} | {given:.3f} |\n"
        for job, (wanted, given) in planted["pronouns"].items()
    )
    return (
        f"\nThe planted bias of `{one['name']}`: probability of *she* or *her* after an occupation"
        f", mean of four templates. Largest difference of a single template: "
        f"{planted['pronoun_error']:.3f}; after a name {planted['names_error']:.3f}; of an "
        f"occupation after a name {planted['occupations_error']:.3f}.\n\n"
        f"| occupation | planted | model |\n| --- | --: | --: |\n{lines}"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page, or with --check only compare; 1 if it is out of date."""
    parser = argparse.ArgumentParser(prog="python -m cutaway_samples.cards", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    parser.add_argument("--out", type=Path, default=README, help="the page")
    asked = parser.parse_args(arguments)
    wanted = table()
    if not asked.check:
        asked.out.write_text(wanted, encoding="utf-8")
        return 0
    if asked.out.is_file() and asked.out.read_text(encoding="utf-8") == wanted:
        return 0
    sys.stderr.write(
        f"{asked.out} expected as the cards say, got another text; "
        "run python -m cutaway_samples.cards\n"
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())

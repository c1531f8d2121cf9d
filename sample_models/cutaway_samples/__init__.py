"""Small trained networks and the real data they were trained on, and three pretrained ones.

Importing this package opens no weights and imports neither torch nor transformers.

Examples
--------
>>> import cutaway_samples
>>> cutaway_samples.names()[0]
'lenet5-digits'
>>> cutaway_samples.entry("lenet5-digits").input_shape
(1, 28, 28)
"""

import importlib
from typing import TYPE_CHECKING, Any

from cutaway_samples.entries import Entry, entry, names, pretrained_names

if TYPE_CHECKING:
    from cutaway_samples import pretrained
    from cutaway_samples.digit_images import Digits, digits, wrong_labels
    from cutaway_samples.stored import build, card, checkpoints, folder
    from cutaway_samples.text_corpora import Texts, texts
    from cutaway_samples.training_data import training_ids

__all__ = [
    "Digits",
    "Entry",
    "Texts",
    "build",
    "card",
    "checkpoints",
    "digits",
    "entry",
    "folder",
    "names",
    "pretrained",
    "pretrained_names",
    "texts",
    "training_ids",
    "wrong_labels",
]

# Names that need numpy or more: looked up when first used, so that a command line can list models
# fast.
_HOMES = {
    "Digits": "digit_images",
    "digits": "digit_images",
    "wrong_labels": "digit_images",
    "build": "stored",
    "card": "stored",
    "checkpoints": "stored",
    "folder": "stored",
    "Texts": "text_corpora",
    "texts": "text_corpora",
    "training_ids": "training_data",
}


def __getattr__(name: str) -> Any:
    if name == "pretrained":
        return importlib.import_module("cutaway_samples.pretrained")
    if name not in _HOMES:
        raise AttributeError(f"module 'cutaway_samples' has no attribute {name!r}")
    found = getattr(importlib.import_module(f"cutaway_samples.{_HOMES[name]}"), name)
    globals()[name] = found
    return found

